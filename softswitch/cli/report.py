"""`softswitch report`: statistics over any time, as a table, a file or a picture; of a running switch or of its
database."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from softswitch.acd.figures import SHORT_OF
from softswitch.acd.model import ServiceLevelDefinition
from softswitch.acd.reports import KINDS, Column, Question, Report
from softswitch.cli.output import emit_table, is_terminal
from softswitch.cli.tables import Cell
from softswitch.cli.target import Where, config_option, connect, find_config, json_option, load_settings
from softswitch.cli.words import duration, past, span
from softswitch.kernel.errors import LocalError

if TYPE_CHECKING:
    from softswitch.cli.client import Client
    from softswitch.services.ledger_reader import Progress

FORMATS: Final = ("table", "csv", "json", "xlsx", "html", "png", "svg")
INTERVALS: Final = ("15m", "30m", "1h", "day", "week", "month")
_BINARY: Final = ("xlsx", "png")
_PICTURES: Final = ("html", "png", "svg")
_DAY: Final = 86400.0
_LONGEST: Final = 600.0  # seconds that a switch may take


@click.command(short_help="Statistics: tables, files, charts.")
@click.argument("kind", type=click.Choice(KINDS), default="queues")
@click.option(
    "--from", "start", metavar="TIME", help="From then on: 2h (ago), 14:30, 2026-08-01, …  [today's midnight]"
)
@click.option("--to", "end", metavar="TIME", help="Until then.  [now]")
@click.option("--last", type=span, help="The last 8h, 7d, 4w … in place of --from.")
@click.option("--interval", "-i", type=click.Choice(INTERVALS), help="A row for each interval of local time.")
@click.option("--queue", "-q", "queues", multiple=True, help="Only this queue; may be given again.")
@click.option("--agent", "-a", "agents", multiple=True, help="Only this agent; may be given again.")
@click.option("--service-level", "definition", type=click.Choice(get_args(ServiceLevelDefinition)), default="standard",
              show_default=True, help="Which calls are judged (docs/statistics.md).")  # fmt: skip
@click.option(
    "--format", "-f", "form", type=click.Choice(FORMATS), help="How it is written.  [the file's ending, table]"
)
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="Into this file.")
@click.option("--all", "everything", is_flag=True, help="Every column in the terminal, too.")
@click.option(
    "--database", type=click.Path(path_type=Path, dir_okay=False), help="Read this SQLite file; no switch is asked."
)
@click.option("--timezone", help="Of days and hours, with --database.  [the configuration's, UTC]")
@config_option
@click.option("--url", envvar="SOFTSWITCH_URL", help="Address of the API.  [as the running switch says]")
@click.option("--token", envvar="SOFTSWITCH_TOKEN", help="Bearer token of the API.")
@json_option
def report(
    kind: Any, start: str | None, end: str | None, last: float | None, interval: Any, queues: tuple[str, ...],
    agents: tuple[str, ...], definition: Any, form: str | None, output: Path | None, everything: bool,
    database: Path | None, timezone: str | None, config: Path | None, url: str | None, token: str | None, as_json: bool,
) -> None:  # fmt: skip
    """KIND: queues, agents, skills, trunks, intervals, surveys, callbacks, outcomes or pauses.

    \b
    softswitch report queues --last 7d
    softswitch report intervals --interval 30m --queue support
    softswitch report agents --from 2026-11-01 --to 2026-12-01 -o november.xlsx
    softswitch report queues --last 30d --output month.html
    """
    form = "json" if as_json else form or _by_ending(output)
    if form in _BINARY and output is None and is_terminal():
        raise click.UsageError(f"{form} is not for a terminal: name a file with --output")
    if start is not None and last is not None:
        raise click.UsageError("--from or --last, not both")
    charts = form in _PICTURES

    def question(zone: str, **rules: Any) -> Question:
        there = ZoneInfo(zone)
        until = time.time() if end is None else past(end, there)
        since = _midnight(until, zone) if start is None else past(start, there)
        since = until - last if last is not None else since
        if since >= until:
            raise click.UsageError("--from must be before --to")
        step: Any = interval or (None if kind != "intervals" else "30m" if until - since <= 2 * _DAY else "day")
        return Question(
            kind=kind, since=since, until=until, timezone=zone, interval=step, queues=queues, agents=agents,
            definition=definition, charts=charts, **rules,
        )  # fmt: skip

    if database is not None:
        found = _from_file(database, question(_zone(timezone, config), **_rules(config)))
    else:
        with connect(Where(config, url, token)) as client:
            found = _from_switch(client, question(client.get("/status")["timezone"]))
            if not found.rows:
                _check_names(client, found.question)
    _write(found, form, output, everything)


def _by_ending(output: Path | None) -> str:
    ending = output.suffix[1:].lower() if output is not None else ""
    form = {"htm": "html", "txt": "table", "": "table"}.get(ending, ending)
    if form not in FORMATS:
        raise click.UsageError(f"{output}: no format .{ending}; there are {', '.join(FORMATS)} (--format)")
    return form


def _zone(timezone: str | None, config: Path | None) -> str:
    path = find_config(config)
    zone = timezone or (load_settings(path).server.timezone if path is not None and path.is_file() else "UTC")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise LocalError(f"{zone}: no such time zone, such as Europe/Vilnius") from error
    return zone


def _rules(config: Path | None) -> dict[str, Any]:
    path = find_config(config)
    if path is None or not path.is_file():
        return {}
    statistics = load_settings(path).statistics
    return {"fcr_days": statistics.fcr_days, "fcr_scope": statistics.fcr_scope}


def _midnight(at: float, zone: str) -> float:
    from softswitch.acd.intervals import day_of

    return day_of(at - 1e-3, zone)[0]


def _from_switch(client: "Client", question: Question) -> Report:
    import msgspec

    pairs = [
        *(("queue", name) for name in question.queues),
        *(("agent", name) for name in question.agents),
        *([("interval", str(question.interval))] if question.interval else []),
        ("since", str(question.since)),
        ("until", str(question.until)),
        ("definition", question.definition),
        ("charts", str(question.charts).lower()),
    ]
    with _patience():
        return msgspec.convert(client.query(f"/reports/{question.kind}", pairs, timeout=_LONGEST), Report)


def _check_names(client: "Client", question: Question) -> None:
    """Nothing was found: because nobody has that name? Raises `LocalError`."""
    for kind, names in (("queue", question.queues), ("agent", question.agents)):
        known = {row["name"] for row in client.all(f"/{kind}s")} if names else set()
        for name in names:
            if name not in known:
                close = get_close_matches(name, known, 1)
                hint = f'; did you mean "{close[0]}"?' if close else ""
                raise LocalError(f"no {kind} {name} now, and nothing of one in that time{hint}")


def _from_file(database: Path, question: Question) -> Report:
    from softswitch.services.reporting import make_report

    with _progress() as advance:
        return make_report(f"sqlite:///{database}", Path(), question, advance)


@contextmanager
def _progress() -> "Iterator[Progress | None]":
    """A bar on standard error, when a person looks."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("reading the ledger"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)


@contextmanager
def _patience() -> Iterator[None]:
    """Something moves while the switch works on it."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status("the switch reads its ledger …"):
        yield


# ------------------------------------------------------------------------------------------------------------- writing


def _write(found: Report, form: str, output: Path | None, everything: bool) -> None:
    if form == "table" and output is None:
        print_table(found, everything)
        return
    data = as_file(found, form)
    if output is None:
        sys.stdout.buffer.write(data)
        return
    try:
        output.write_bytes(data)
    except OSError as error:
        raise LocalError(f"{output}: cannot be written: {error.strerror}") from error
    click.echo(f"{output}: {_rows(len(found.rows))}, {period(found.question)}", err=True)


def _rows(number: int) -> str:
    return f"{number} row{'' if number == 1 else 's'}"


def as_file(found: Report, form: str) -> bytes:
    """The report in a format; libraries for charts and sheets are loaded here and nowhere else."""
    from softswitch.cli import report_files

    match form:
        case "table":
            return report_files.text(found)
        case "csv":
            return report_files.csv_of(found)
        case "json":
            return report_files.json_of(found)
        case "xlsx":
            return report_files.xlsx(found)
        case "html":
            from softswitch.cli.report_page import page

            return page(found)
    from softswitch.cli.report_pictures import dashboard

    return dashboard(found, form)


def print_table(found: Report, everything: bool = False) -> None:
    """For people."""
    columns = shown(found, everything)
    rows: list[list[Cell]] = [[_cell(row.get(column.name), column, found) for column in columns] for row in found.rows]
    if rows and len(rows) > 1:
        rows.append([(cell if isinstance(cell, str) else cell[0], "bold") for cell in
                     ([_cell(found.total.get(column.name), column, found) for column in columns])])  # fmt: skip
    heads = [("" if column.unit in ("text", "time") else ">") + column.title for column in columns]
    emit_table(heads, rows, nothing=f"nothing happened {period(found.question)}", title=title(found.question))


def shown(found: Report, everything: bool) -> list[Column]:
    """The columns that a terminal has room for."""
    short = SHORT_OF.get(found.question.kind)
    if everything or short is None:
        return list(found.columns)
    return [column for column in found.columns if column.unit in ("text", "time") or column.name in short]


def title(question: Question) -> str:
    """`Queues, 2026-11-01 00:00 to …`."""
    only = [*question.queues, *question.agents]
    return f"{question.kind.capitalize()}{' of ' + ', '.join(only) if only else ''}, {period(question)}"


def period(question: Question) -> str:
    """The time of a report, by the clock there."""
    zone = ZoneInfo(question.timezone)
    since, until = (datetime.fromtimestamp(at, zone) for at in (question.since, question.until))
    return f"{since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} ({question.timezone})"


def _cell(value: Any, column: Column, found: Report) -> Cell:
    text = shown_value(value, column, found.question)
    if column.name == "service_level" and value is not None:
        return (text, "green" if value >= 80 else "yellow" if value >= 60 else "red")
    if column.name in ("abandonment", "lost") and value:
        return (text, "red" if value >= 10 else "")
    return text


def shown_value(value: Any, column: Column, question: Question) -> str:
    """As people read it."""
    if value is None:
        return "total" if column.unit == "time" else ""
    match column.unit:
        case "time":
            local = datetime.fromtimestamp(value, ZoneInfo(question.timezone))
            days = question.interval in ("day", "week", "month")
            return f"{local:%a %Y-%m-%d}" if days else f"{local:%Y-%m-%d %H:%M}{' (2nd)' if local.fold else ''}"
        case "seconds":
            return duration(value)
        case "percent":
            return f"{value:.1f} %"
        case "number":
            return f"{value:.2f}".rstrip("0").rstrip(".")
    return str(value)
