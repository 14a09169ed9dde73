"""How the results of `simulate` are shown: tables, JSON, CSV, a page, charts."""

import csv
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from softswitch.cli.output import emit_json, emit_table
from softswitch.cli.shares import percent
from softswitch.cli.tables import Cell, text_of
from softswitch.kernel.errors import LocalError

if TYPE_CHECKING:
    from softswitch.acd.simulation.confidence import Estimate
    from softswitch.acd.simulation.figures import Estimates, Figures
    from softswitch.cli.simulate import Simulated

TITLES: Final = {
    "calls": "calls",
    "service_level": "service level",
    "asa": "asa",
    "longest_wait": "longest wait",
    "answered": "answered",
    "abandoned": "abandoned",
    "overflowed": "overflowed",
    "called_back": "called back",
    "aht": "aht",
}
_SHARES: Final = frozenset(("service_level", "answered", "abandoned", "overflowed", "called_back", "occupancy"))
_SELDOM: Final = ("overflowed", "called_back")  # columns where there are any
_LEFT_OUT: Final = ("answered",)  # of tables: what is neither abandoned nor overflowed
_SECONDS: Final = frozenset(("asa", "longest_wait", "aht"))
_MOST_AGENTS: Final = 30  # listed; more are told as one

_Table = tuple[str, tuple[str, ...], list[list[Cell]]]


def figures_of(result: "Simulated") -> "list[Figures]":
    """By policy."""
    from softswitch.acd.simulation.figures import figures

    return [
        figures(outcomes, _definitions(site), result.days, result.level)
        for site, outcomes in zip(result.sites, result.outcomes, strict=True)
    ]


def _definitions(site: Any) -> dict[str, str]:
    return {name: queue.service_level.definition for name, queue in site.queues.items()}


def _differences(result: "Simulated") -> "dict[str, Estimates] | None":
    from softswitch.acd.simulation.figures import differences

    if len(result.outcomes) < 2:
        return None
    definitions = (_definitions(result.sites[0]), _definitions(result.sites[1]))
    return differences(result.outcomes[0], result.outcomes[1], definitions, result.level)


def plain(result: "Simulated") -> dict[str, Any]:
    """Everything as JSON values. Estimates are {mean, half, count}; `half` null with one replication."""
    differences = _differences(result)
    found: dict[str, Any] = {
        "what": result.what,
        "days": result.days,
        "seed": result.seed,
        "confidence": result.level,
        "interrupted": bool(result.cut),
        "policies": [
            {
                "policy": name,
                "replications": len(outcomes),
                "queues": _plain(figures.queues),
                "all_agents": _plain(figures.everybody),
                "agents": _plain(figures.agents),
                "intervals": [asdict(interval) for interval in figures.intervals],
                "events": sum(outcome.events for outcome in outcomes),
                "facts": sum(outcome.facts for outcome in outcomes),
                "ignored": dict(outcomes[0].sums.ignored),
            }
            for name, outcomes, figures in zip(result.names, result.outcomes, figures_of(result), strict=True)
        ],
        "seconds": round(result.seconds, 3),
        "workers": result.workers,
    }
    if differences is not None:
        found["difference"] = _plain(differences)
    return found


def _plain(estimates: Any) -> Any:
    from softswitch.acd.simulation.confidence import Estimate

    if isinstance(estimates, dict):
        return {name: _plain(value) for name, value in estimates.items()}
    return asdict(estimates) if isinstance(estimates, Estimate) else estimates


def emit(result: "Simulated", as_json: bool) -> None:
    """On standard output."""
    if as_json:
        emit_json(plain(result))
        return
    if result.cut:
        click.secho(result.cut, fg="yellow", err=True)
    click.echo(_heading(result))
    for title, columns, rows in _tables(result):
        click.echo()
        emit_table(columns, rows, nothing="nothing", title=title)


def _heading(result: "Simulated") -> str:
    calls = sum(outcome.all_calls.entered for outcomes in result.outcomes for outcome in outcomes)
    events = sum(outcome.events for outcomes in result.outcomes for outcome in outcomes)
    speed = f"{calls:,} calls in {result.seconds:.1f} s, {events / max(result.seconds, 1e-9):,.0f} events/s"
    many = len(result.outcomes[0]) > 1
    sure = f"; ± is {percent(result.level, 0)} confidence" if many else "; one replication: no intervals"
    return f"{result.what}: {speed}{sure}"


def _tables(result: "Simulated") -> list[_Table]:
    found: list[_Table] = []
    for name, figures in zip(result.names, figures_of(result), strict=True):
        shown = [name for name in TITLES if name not in _LEFT_OUT and (name not in _SELDOM or _some(figures, name))]
        columns = ("queue", *(f">{TITLES[figure]}" for figure in shown))
        rows: list[list[Cell]] = [
            [queue, *(show(figure, estimates[figure]) for figure in shown)]
            for queue, estimates in figures.queues.items()
        ]
        found.append((name if len(result.names) > 1 else "", columns, rows))
        found.append(("", ("agents", ">answered", ">occupancy", ">calls/h", ">missed"), _agents(figures)))
    differences = _differences(result)
    if differences is not None:
        title = f"difference: {result.names[1]} less {result.names[0]}, same callers"
        found.append((title, ("queue", "figure", ">difference", "that is"), _difference_rows(differences)))
    return found


def _some(figures: "Figures", figure: str) -> bool:
    return any(one is not None and one.mean > 0 for one in (of[figure] for of in figures.queues.values()))


def _agents(figures: "Figures") -> list[list[Cell]]:
    rows: list[list[Cell]] = [[f"all {len(figures.agents)}", *_agent(figures.everybody)]]
    if len(figures.agents) <= _MOST_AGENTS:
        rows += [[name, *_agent(estimates)] for name, estimates in figures.agents.items()]
    return rows


def _agent(estimates: "Estimates") -> list[str]:
    return [show(figure, estimates[figure]) for figure in ("served", "occupancy", "calls_per_hour", "missed")]


def _difference_rows(differences: "dict[str, Estimates]") -> list[list[Cell]]:
    from softswitch.acd.simulation.figures import verdict

    rows: list[list[Cell]] = []
    for queue, estimates in differences.items():
        for figure, estimate in estimates.items():
            if estimate is None or (estimate.mean == 0 and not estimate.half):
                continue
            word = verdict(figure, estimate)
            colour = {"better": "green", "worse": "red"}.get(word, "")
            rows.append([queue, TITLES.get(figure, figure), show(figure, estimate, signed=True), (word, colour)])
    return rows or [["", "", "", "none: both policies did the same"]]


def show(figure: str, estimate: "Estimate | None", signed: bool = False) -> str:
    """`83.9 ± 0.4 %`."""
    if estimate is None:
        return ""
    sign = "+" if signed else ""
    if figure in _SHARES:
        mean, half, unit = 100 * estimate.mean, estimate.half and 100 * estimate.half, " %"
        digits = 1 if figure != "abandoned" else 2
    elif figure in _SECONDS:
        mean, half, unit, digits = estimate.mean, estimate.half, " s", 1
    else:
        mean, half, unit, digits = estimate.mean, estimate.half, "", 0 if estimate.mean >= 100 else 1
    spread = "" if half is None else f" ± {half:.{digits}f}"
    return f"{mean:{sign}.{digits}f}{spread}{unit}"


# --------------------------------------------------------------------------------------------------------------- files


def write(result: "Simulated", path: Path) -> None:
    """The report as a file; its ending says as what. Raises `LocalError`."""
    try:
        match path.suffix.lower():
            case ".json":
                path.write_text(json.dumps(plain(result), ensure_ascii=False, indent=2), encoding="utf-8")
            case ".csv":
                _write_csv(result, path)
            case ".html":
                path.write_text(_page(result), encoding="utf-8")
            case _:
                from softswitch.cli.simulate_charts import draw

                path.write_bytes(draw(result, figures_of(result), path.suffix.lower().removeprefix(".")))
    except OSError as error:
        raise LocalError(f"cannot write {path}: {error.strerror}") from error


def _write_csv(result: "Simulated", path: Path) -> None:
    """One line a policy, subject and figure: mean and half width."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("policy", "subject", "name", "figure", "mean", "half", "replications"))

        def lines(policy: str, subject: str, by_name: "dict[str, Estimates]") -> None:
            for name, estimates in by_name.items():
                for figure, one in estimates.items():
                    if one is not None:
                        writer.writerow((policy, subject, name, figure, one.mean, one.half, one.count))

        for name, figures in zip(result.names, figures_of(result), strict=True):
            lines(name, "queue", figures.queues)
            lines(name, "agents", {"all": figures.everybody})
            lines(name, "agent", figures.agents)
        differences = _differences(result)
        if differences is not None:
            lines(f"{result.names[1]} less {result.names[0]}", "difference", differences)


_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Simulation</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em; color: #22303c }}
table {{ border-collapse: collapse; margin: 1em 0 }} caption {{ text-align: left; font-weight: bold }}
th, td {{ padding: .25em .8em; border-bottom: 1px solid #dde3e8; text-align: right }}
th:first-child, td:first-child {{ text-align: left }} svg {{ max-width: 100%; height: auto }}
</style>
<h1>Simulation</h1><p>{heading}</p>{cut}{chart}{tables}
</html>
"""


def _page(result: "Simulated") -> str:
    from html import escape

    from softswitch.cli.simulate_charts import draw

    svg = draw(result, figures_of(result), "svg").decode()
    tables = []
    for title, columns, rows in _tables(result):
        head = "".join(f"<th>{escape(column.lstrip('>'))}</th>" for column in columns)
        body = "".join("<tr>" + "".join(f"<td>{escape(text_of(cell))}</td>" for cell in row) + "</tr>" for row in rows)
        tables.append(f"<table><caption>{escape(title)}</caption><tr>{head}</tr>{body}</table>")
    cut = f"<p><b>{escape(result.cut)}</b></p>" if result.cut else ""
    chart = svg[svg.index("<svg") :]
    return _PAGE.format(heading=escape(_heading(result)), cut=cut, chart=chart, tables="".join(tables))
