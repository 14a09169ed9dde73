"""`softswitch staff`: agents for a promise, trunks for a blocking rate, from rates or from one's own ledger."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from softswitch.cli.output import emit_json, emit_pairs, emit_table
from softswitch.cli.shares import percent, rate, seconds, service_level, share
from softswitch.cli.target import config_option, find_config, json_option, load_settings, need_config
from softswitch.kernel.errors import LocalError

if TYPE_CHECKING:
    from softswitch.acd.staffing.figures import Demand
    from softswitch.acd.staffing.requirement import Requirement, Target
    from softswitch.acd.staffing.weekly import Patience, WeekInterval, Weekly

AROUND: Final = (
    *(">agents", ">on the roster", ">service level", ">asa", ">waits", ">abandoned", ">occupancy", ">in queue"),
)
WEEK: Final = (
    *("interval", ">calls", ">calls/h", ">aht", ">agents", ">on the roster", ">service level", ">asa", ">abandoned"),
    *(">occupancy", ">was"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The options."""

    rate: float | None
    aht: float | None
    target: tuple[float, float] | None
    asa: float | None
    abandonment: float | None
    occupancy: float | None
    patience: float | None
    short: float
    shrinkage: float
    agents: int | None
    plot: Path | None
    as_json: bool
    as_csv: bool


@click.command(short_help="Agents for a service level, trunks for a blocking rate.")
@click.option("--calls", "rate", type=rate, help="Arrivals: 120/h, 2/min, 60/30min.")
@click.option("--aht", type=click.FloatRange(0, min_open=True), help="Handling time a call, in seconds.")
@click.option("--target", type=service_level, help="Service level: 80/20 is 80 % within 20 s (the default).")
@click.option("--asa", type=click.FloatRange(0, min_open=True), help="Mean wait of answered calls at most, seconds.")
@click.option("--abandonment", type=share, help="Share that hangs up at most.")
@click.option("--occupancy", type=share, help="Share of the agents' time at work at most.")
@click.option("--patience", type=click.FloatRange(0, min_open=True), help="Mean patience, seconds. [callers wait]")
@click.option("--short", type=click.FloatRange(0), default=0.0, help="Hang-ups before so many seconds are not judged.")
@click.option("--shrinkage", type=share, default="0", help="Share of paid time not at work: breaks, training.")
@click.option("--agents", type=click.IntRange(0), help="What so many agents make of it, instead.")
@click.option("--blocking", type=share, help="Trunks: share of calls that may find all lines busy (Erlang B).")
@click.option("--retries", type=share, default="0", help="With --blocking: share of blocked callers who try again.")
@click.option("--from-ledger", is_flag=True, help="Take demand, by interval of the week, from the ledger.")
@click.option("--ledger", help="Its database: a file or URL. [the configuration's]")
@click.option("--queue", help="With --from-ledger: of this queue.")
@click.option("--last", default="28d", show_default=True, help="With --from-ledger: whole days back: 28d, 8w.")
@click.option("--interval", type=click.Choice(("15", "30", "60")), default="30", help="Minutes.  [30]")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Draw it: FILE.png, .svg or .pdf.")
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated values.")
@config_option
@json_option
def staff(
    config: Path | None,
    blocking: float | None,
    retries: float,
    from_ledger: bool,
    ledger: str | None,
    queue: str | None,
    last: str,
    interval: str,
    **options: Any,
) -> None:
    """Agents for a promise, by Erlang A when callers have a --patience and by Erlang C when they wait for ever:

    \b
      softswitch staff --calls 120/h --aht 240 --target 80/20 --patience 90 --shrinkage 30
      softswitch staff --from-ledger --queue support --last 28d --shrinkage 30 --plot week.svg
      softswitch staff --calls 600/h --aht 200 --blocking 1        (trunks, by Erlang B)

    Formulas and sources: docs/simulation.md.
    """
    asked = _Asked(**options)
    if asked.as_json and asked.as_csv:
        raise click.UsageError("--json or --csv, not both")
    if from_ledger:
        _week(asked, config, ledger, queue, last, int(interval))
        return
    if asked.rate is None or asked.aht is None:
        raise click.UsageError("give --calls and --aht, or --from-ledger")
    if blocking is not None:
        _trunks(asked, asked.rate * asked.aht, blocking, retries)
    else:
        _single(asked, asked.rate, asked.aht)


def _target(asked: _Asked) -> "Target":
    """What was promised; a service level of 80/20 when nothing was said."""
    from softswitch.acd.staffing.requirement import Target

    others = (asked.asa, asked.abandonment, asked.occupancy)
    said = asked.target or ((0.8, 20.0) if all(value is None for value in others) else None)
    level, within = said or (None, 20.0)
    return Target(
        service_level=level,
        within=within,
        asa=asked.asa,
        abandoned=asked.abandonment,
        occupancy=asked.occupancy,
    )


# --------------------------------------------------------------------------------------------------------- one interval


def _single(asked: _Asked, rate: float, aht: float) -> None:
    from softswitch.acd.staffing.figures import Demand
    from softswitch.acd.staffing.requirement import Requirement, expect, require, scheduled

    target = _target(asked)
    demand = Demand(rate=rate, handling=aht, patience=asked.patience, short=asked.short)
    if asked.agents is None:
        found = require(demand, target, asked.shrinkage)
    else:
        figures = expect(demand, asked.agents, target.within)
        roster = scheduled(asked.agents, asked.shrinkage)
        found = Requirement(
            demand=demand,
            target=target,
            agents=asked.agents,
            scheduled=roster,
            shrinkage=asked.shrinkage,
            expected=figures,
        )
    around = [expect(demand, count, target.within) for count in range(max(1, found.agents - 4), found.agents + 5)]
    if asked.plot is not None:
        from softswitch.cli.staff_charts import draw_around

        draw_around(asked.plot, found, [figures.agents for figures in around])
    if asked.as_json:
        emit_json(_plain(asdict(found) | {"model": _model(demand), "around": [asdict(figures) for figures in around]}))
        return
    rows = [
        [
            *(str(figures.agents), str(scheduled(figures.agents, asked.shrinkage)), percent(figures.service_level)),
            *(seconds(figures.asa), percent(figures.waits), percent(figures.abandoned), percent(figures.occupancy)),
            "∞" if figures.queue == float("inf") else f"{figures.queue:.1f}",
        ]
        for figures in around
    ]
    if asked.as_csv:
        _emit_csv(AROUND, rows)
        return
    word = "required" if asked.agents is None else "given"
    emit_pairs(
        [
            ("offered", f"{3600 * rate:g} calls/h of {aht:g} s: {demand.load:.2f} erlangs"),
            ("model", _model(demand)),
            ("promised", _promise(target)),
            (
                "agents",
                f"{found.agents} {word}; {found.scheduled} on the roster with {percent(found.shrinkage, 0)} off",
            ),
        ]
    )
    click.echo()
    emit_table(AROUND, rows, nothing="nothing")


def _model(demand: "Demand") -> str:
    if demand.patience is None:
        return "Erlang C: callers wait for ever"
    return f"Erlang A: callers hang up after {demand.patience:.1f} s on average"


def _promise(target: "Target") -> str:
    said = []
    if target.service_level is not None:
        said.append(f"{percent(target.service_level, 0)} within {target.within:g} s")
    if target.asa is not None:
        said.append(f"answered after {target.asa:g} s on average")
    if target.abandoned is not None:
        said.append(f"{percent(target.abandoned)} hang up at most")
    if target.occupancy is not None:
        said.append(f"agents at work {percent(target.occupancy, 0)} of their time at most")
    return ", ".join(said)


def _trunks(asked: _Asked, load: float, most: float, retries: float) -> None:
    from softswitch.acd.staffing.blocking import blocking_with_retries, trunks_for

    if not 0 < most < 1:
        raise LocalError("--blocking is between 0 and 100 %: lines enough for every call there never are")
    if retries >= 1:
        raise LocalError("--retries is below 100 %: somebody gives up")
    found = trunks_for(load, most, retries)
    around = [(trunks, *blocking_with_retries(trunks, load, retries)) for trunks in range(max(1, found - 3), found + 4)]
    if asked.as_json:
        names = ("trunks", "blocked", "offered")
        rows = [dict(zip(names, row, strict=True)) for row in around]
        emit_json({"load": load, "blocking": most, "retries": retries, "trunks": found, "around": rows})
        return
    columns = (">trunks", ">blocked", ">erlangs with retries")
    cells = [[str(trunks), percent(blocked, 3), f"{offered:.2f}"] for trunks, blocked, offered in around]
    if asked.as_csv:
        _emit_csv(columns, cells)
        return
    emit_pairs([("offered", f"{load:.2f} erlangs"), ("trunks", f"{found} block {percent(most)} at most (Erlang B)")])
    click.echo()
    emit_table(columns, cells, nothing="nothing")


# ------------------------------------------------------------------------------------------------------------- the week


def _week(asked: _Asked, config: Path | None, ledger: str | None, queue: str | None, last: str, minutes: int) -> None:
    from softswitch.acd.staffing.requirement import require

    if queue is None:
        raise click.UsageError("--from-ledger needs --queue")
    weekly = _read(config, ledger, queue, last, minutes)
    if not weekly.total.calls:
        raise LocalError(f"the ledger has no calls for queue {queue} in the {last} before today")
    patience = weekly.patience()
    mean = asked.patience if asked.patience is not None else patience.mean if patience is not None else None
    target = _target(asked)
    rows: list[tuple[WeekInterval, Requirement]] = [
        (interval, require(interval.demand, target, asked.shrinkage))
        for interval in weekly.intervals(mean, asked.short)
    ]
    if asked.plot is not None:
        from softswitch.cli.staff_charts import draw_week

        draw_week(asked.plot, queue, rows)
    if asked.as_json:
        emit_json(
            _plain(
                {
                    "queue": queue,
                    "since": weekly.since,
                    "until": weekly.until,
                    "patience": None if patience is None else asdict(patience),
                    "seen": asdict(weekly.total),
                    "intervals": [
                        asdict(requirement) | {"interval": interval.label, "seen": asdict(interval.seen)}
                        for interval, requirement in rows
                    ],
                }
            )
        )
        return
    cells = [_interval(interval, requirement) for interval, requirement in rows]
    if asked.as_csv:
        _emit_csv(WEEK, cells)
        return
    _about(weekly, patience, asked, target)
    emit_table(WEEK, cells, nothing="nothing")


def _read(config: Path | None, ledger: str | None, queue: str, last: str, minutes: int) -> "Weekly":
    """The last whole days of the ledger, on the clocks of the configured time zone."""
    from datetime import datetime, timedelta
    from zoneinfo import ZoneInfo

    from softswitch.acd.simulation.days import instant
    from softswitch.acd.staffing.weekly import KINDS, Weekly
    from softswitch.services.ledger_reader import read_facts

    settings = load_settings(need_config(config)).server if ledger is None or find_config(config) else None
    zone = ZoneInfo(settings.timezone if settings is not None else "UTC")
    database = ledger or (settings.database if settings is not None else "sqlite")
    today = datetime.now(zone).date()
    since, until = instant(today - timedelta(days=_days(last)), 0.0, zone), instant(today, 0.0, zone)
    weekly = Weekly(queue, zone, since, until, minutes)
    later = until + 86400.0  # a call may end after the last midnight
    data_dir = Path(settings.data_dir if settings is not None else "var")
    read_facts(database, data_dir, weekly.add, since=since, until=later, kinds=KINDS, queue=queue)
    return weekly


_MOST_DAYS: Final = 50 * 366  # there is nothing before 1970


def _days(last: str) -> int:
    count = last.strip().removesuffix("d").removesuffix("w")
    if not count.isdecimal() or not 0 < int(count) <= _MOST_DAYS:
        raise click.BadParameter(f'"{last}" is not a number of days or weeks, such as 28d or 8w', param_hint="--last")
    return int(count) * (7 if last.strip().endswith("w") else 1)


def _interval(interval: "WeekInterval", requirement: "Requirement") -> list[str]:
    figures, demand = requirement.expected, requirement.demand
    return [
        *(interval.label, str(interval.seen.calls), f"{3600 * demand.rate:.1f}", f"{demand.handling:.0f} s"),
        *(str(requirement.agents), str(requirement.scheduled), percent(figures.service_level), seconds(figures.asa)),
        *(percent(figures.abandoned), percent(figures.occupancy), percent(interval.seen.service_level)),
    ]


def _about(weekly: "Weekly", patience: "Patience | None", asked: _Asked, target: "Target") -> None:
    seen = weekly.total
    if asked.patience is not None:
        patient = f"{asked.patience:g} s, as given"
    elif patience is None:
        patient = "nobody hung up: Erlang C"
    else:
        patient = (
            f"{patience.mean:.0f} s ({patience.low:.0f} to {patience.high:.0f} s, of {patience.abandoned} who hung up)"
        )
    emit_pairs(
        [
            ("seen", f"{seen.calls} calls, {seen.answered} answered, {seen.abandoned} abandoned"),
            ("handling", f"{seen.handling or 0.0:.0f} s a call: ringing, talk and wrap-up"),
            ("patience", patient),
            ("promised", _promise(target)),
            ("shrinkage", percent(asked.shrinkage, 0)),
        ]
    )
    click.echo()


def _plain(value: Any) -> Any:
    """JSON has no infinity: it becomes null."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and value == float("inf") else value


def _emit_csv(columns: tuple[str, ...], rows: list[list[str]]) -> None:
    import csv
    import sys

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([column.lstrip(">") for column in columns])
    for row in rows:
        writer.writerow([cell.removesuffix(" %").removesuffix(" s").replace("∞", "inf") for cell in row])
