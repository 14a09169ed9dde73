"""`softswitch recordings`: find, fetch, verify, hold, delete; pause and resume those that run."""

import asyncio
import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from softswitch.cli.client import part
from softswitch.cli.output import emit_json, emit_pairs, emit_table, is_terminal
from softswitch.cli.tables import Cell
from softswitch.cli.target import config_option, json_option, load_settings, need_config, needs_switch
from softswitch.cli.words import duration, moment, past, size
from softswitch.kernel.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Callable

    from softswitch.cli.client import Client
    from softswitch.services.recording_check import Report
    from softswitch.services.recordings import Recordings
    from softswitch.switch.settings import Settings

Row: TypeAlias = dict[str, Any]

_DONE = {
    "start": "is recorded",
    "hold": "held",
    "release": "released",
    "pause": "paused",
    "resume": "goes on",
    "delete": "deleted",
}


@click.group(short_help="Find, fetch, verify, hold and delete recordings; pause and resume running ones.")
def recordings() -> None:
    """Recorded calls: the caller on the left channel, the other side on the right."""


@recordings.command("list")
@click.option("--limit", "-n", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many.")
@click.option("--since", type=past, help="Started at or after: 2h (ago), 14:30, 2026-08-01, …")
@click.option("--until", type=past, help="Started before.")
@click.option("--call", help="Of this call.")
@click.option("--queue", help="Of this queue.")
@click.option("--agent", help="Of this agent.")
@click.option("--number", help="The caller's or the called number.")
@click.option("--kind", type=click.Choice(["call", "voicemail"]), help="Only those of calls, or only messages.")
@click.option("--box", help="Messages of this voicemail.")
@click.option("--held", is_flag=True, default=None, help="Only those that are held.")
@click.option("--deleted", is_flag=True, default=None, help="Those that were deleted.")
@json_option
@needs_switch
def list_(client: "Client", /, as_json: bool, **filters: str | float | None) -> None:
    """Finished recordings, the latest first."""
    rows = client.get("/recordings", **filters)["items"]
    if as_json:
        emit_json(rows)
        return
    cells: list[list[Cell]] = [
        [
            *(moment(row["started"]), row["call"], row["caller"], row["called"], row["queue"], row["agent"]),
            *(duration(row["seconds"]), size(row["bytes"]), row["path"], _remark(row)),
        ]
        for row in rows
    ]
    columns = ("started", "call", "caller", "called", "queue", "agent", ">length", ">size", "file", "remark")
    emit_table(columns, cells, nothing="no recordings")


def _remark(row: Row) -> Cell:
    if row["deleted"] is not None:
        return f"deleted {moment(row['deleted'])}"
    if row["held"]:
        return (f"held by {row['held']}", "yellow")
    return (row["fault"], "red")


@recordings.command("show")
@click.argument("call")
@json_option
@needs_switch
def show(client: "Client", call: str, as_json: bool) -> None:
    """Everything about the recordings of CALL."""
    rows = client.get(f"/recordings/{part(call)}")["items"]
    if as_json:
        emit_json(rows)
        return
    for row in rows:
        pairs: list[tuple[str, Cell]] = [
            ("file", row["path"]),
            ("call", row["call"]),
            ("from", row["caller"]),
            ("to", row["called"]),
            ("queue", row["queue"]),
            ("agent", row["agent"]),
            ("started", moment(row["started"])),
            ("length", duration(row["seconds"])),
            ("format", f"{row['format']}, {row['channels']} channels, {size(row['bytes'])}"),
            ("sha-256", row["sha256"] or "not in the chain yet"),
            ("remark", _remark(row)),
        ]
        emit_pairs([pair for pair in pairs if pair[1]])


@recordings.command("get")
@click.argument("call")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="File or folder.  [the current folder]")
@json_option
@needs_switch
def get(client: "Client", call: str, output: Path | None, as_json: bool) -> None:
    """Fetch the recording of CALL."""
    rows = [row for row in client.get(f"/recordings/{part(call)}")["items"] if row["deleted"] is None]
    if not rows:
        raise LocalError(f"the recording of call {call} was deleted")
    name = Path(rows[0]["path"]).name
    target = Path(name) if output is None else output / name if output.is_dir() else output
    unfinished = target.with_name(f"{target.name}.part")
    try:
        with _progress(f"{name}") as advance, unfinished.open("wb") as file:
            for total, piece in client.download(f"/recordings/{part(call)}/audio"):
                file.write(piece)
                advance(file.tell(), total)
        unfinished.replace(target)
    except OSError as error:
        raise LocalError(f"cannot write {target}: {error.strerror}") from error
    finally:
        unfinished.unlink(missing_ok=True)
    if as_json:
        emit_json({"call": call, "file": str(target), "bytes": target.stat().st_size})
    else:
        click.echo(f"{target}: {size(target.stat().st_size)}")


def _order(verb: str, text: str, *, confirm: bool = False) -> None:
    @recordings.command(verb, help=text)
    @click.argument("calls", nargs=-1, required=True, metavar="CALL...")
    @click.option("--reason", "-r", default="", help="Why; kept in the ledger.")
    @click.option("--yes", "-y", is_flag=True, help="Do not ask.", hidden=not confirm)
    @json_option
    @needs_switch
    def command(client: "Client", calls: tuple[str, ...], reason: str, yes: bool, as_json: bool) -> None:
        if confirm and not yes:
            click.confirm(f"Delete the recordings of {len(calls)} calls?", abort=True, err=True)
        body = {"reason": reason, "by": f"cli:{_user()}"}
        answers: list[Row] = []
        for call in calls:
            path = f"/recordings/{part(call)}"
            answers.append(client.delete(path, body) if verb == "delete" else client.post(f"{path}/{verb}", body))
        if as_json:
            emit_json(answers)
        else:
            click.echo("\n".join(f"{call}: {_DONE[verb]}" for call in calls))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such user here
        return "unknown"


_order("start", "Record live calls that are not recorded, from now on.")
_order("pause", "Write silence in the place of live calls until they are resumed.")
_order("resume", "Record paused calls again.")
_order("hold", "Keep finished recordings: neither deleted nor converted.")
_order("release", "End a hold.")
_order("delete", "Delete finished recordings. Their place in the chain stays.", confirm=True)


@recordings.command("verify", short_help="Compare the files, the chain and the ledger.")
@click.option("--since", type=past, help="Only the files of recordings since; the chain is read as a whole.")
@click.option("--expect", metavar="HEAD", help="An earlier head of the chain, as `verify` printed it.")
@config_option
@json_option
@click.pass_context
def verify(context: click.Context, config: Path | None, since: float | None, expect: str | None, as_json: bool) -> None:
    """Compare the files with the chain, and the chain with itself and with the ledger. Exit code 1 when something is
    not as it was. Needs no running switch."""
    settings = load_settings(need_config(config))
    with _progress("verifying") as advance:
        report = asyncio.run(_check(settings, since, expect, advance))
    if as_json:
        emit_json(
            {
                "recordings": report.files,
                "chain": report.entries,
                "unsealed": report.unsealed,
                "head": report.head,
                "faults": [{"path": found.path, "call": found.call, "fault": found.fault} for found in report.findings],
            }
        )
    else:
        for found in report.findings:
            click.echo(f"{found.path or 'chain'}: {found.fault}{f' (call {found.call})' if found.call else ''}")
        faults = f"{len(report.findings)} faults" if report.findings else "good"
        waiting = f", {report.unsealed} not in the chain yet" if report.unsealed else ""
        click.echo(f"{report.files} recordings, {report.entries} entries in the chain{waiting}: {faults}")
        if report.head:
            click.echo(f"head {report.head}")
    context.exit(1 if report.findings else 0)


async def _check(
    settings: "Settings", since: float | None, expect: str | None, advance: "Callable[[int, int], None]"
) -> "Report":
    from softswitch.services.chain import Head
    from softswitch.services.recording_check import check
    from softswitch.services.store import Store

    heads = (Head.parse(expect),) if expect else ()
    data_dir = Path(settings.server.data_dir)
    store = await Store.open(settings.server.database, data_dir, alarm=_say, read_only=True)
    try:
        return await check(store, _folder(settings), since=since, heads=heads, advance=advance)
    finally:
        await store.close()


@recordings.command("repair", short_help="Mend recordings whose writer was killed.")
@config_option
@json_option
@click.pass_context
def repair(context: click.Context, config: Path | None, as_json: bool) -> None:
    """Mend recordings whose writer was killed; a running switch does so by itself. Exit code 1 when one cannot be
    mended."""
    from softswitch.media.wav import repair as repair_file

    path = need_config(config)
    settings = load_settings(path)
    done = _folder(settings).repair(repair_file, _live(Path(settings.server.data_dir)))
    if as_json:
        emit_json([{"path": name, "fault": fault} for name, fault in done])
    else:
        click.echo("\n".join(f"{name}: {fault or 'repaired'}" for name, fault in done) or "nothing to repair")
    context.exit(1 if any(fault for _, fault in done) else 0)


@contextmanager
def _progress(title: str) -> "Iterator[Callable[[int, int], None]]":
    """A bar on a terminal: call with what is done and the whole."""
    if not is_terminal():
        yield lambda done, total: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), transient=True) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _folder(settings: "Settings") -> "Recordings":
    from softswitch.services.recordings import Recordings

    directory = Path(settings.server.data_dir) / settings.recording.directory
    return Recordings(directory)


def _say(sentence: str) -> None:
    click.echo(sentence, err=True)


def _live(data_dir: Path) -> frozenset[str]:
    """The files that the running switch writes now: they look damaged and are not."""
    from softswitch.cli.client import Client
    from softswitch.cli.failures import OutOfReach
    from softswitch.shell.run_dir import read_access

    access = read_access(data_dir)
    if access is None:
        return frozenset()
    try:
        with Client(access.url, access.token) as client:
            return frozenset(row["recording"] for row in client.all("/calls") if row["recording"])
    except OutOfReach:
        return frozenset()
    except LocalError as error:
        raise LocalError(f"a switch runs, but does not say which recordings are live: {error}") from error
