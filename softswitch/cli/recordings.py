"""`softswitch recordings`: list, verify, repair."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from softswitch.cli.output import Cell, emit_json, emit_table
from softswitch.cli.target import config_option, json_option, load_settings, need_config, needs_switch
from softswitch.cli.words import duration, moment, size
from softswitch.kernel.errors import LocalError

if TYPE_CHECKING:
    from softswitch.cli.client import Client
    from softswitch.services.recordings import Recordings
    from softswitch.switch.records import SavedRecording
    from softswitch.switch.settings import Settings

_VERIFIED = 1_000_000


@click.group(short_help="List, verify and repair recordings.")
def recordings() -> None:
    """Recorded calls: two channels, the caller on the left."""


@recordings.command("list")
@click.option("--limit", "-n", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many.")
@click.option("--call", help="Of this call.")
@json_option
@needs_switch
def list_(client: "Client", limit: int, call: str | None, as_json: bool) -> None:
    """Finished recordings, the latest first."""
    rows = client.get("/recordings", limit=limit, call=call)["items"]
    if as_json:
        emit_json(rows)
        return
    cells: list[list[Cell]] = [
        [moment(row["started"]), row["call"], duration(row["seconds"]), size(row["bytes"]), row["path"]] for row in rows
    ]
    emit_table(("started", "call", ">length", ">size", "file"), cells, nothing="no recordings")


@recordings.command("verify")
@config_option
@json_option
@click.pass_context
def verify(context: click.Context, config: Path | None, as_json: bool) -> None:
    """Compare every recording that the database knows with its file. Exit code 1 when one is not as it was."""
    settings = load_settings(need_config(config))
    folder = _folder(settings)
    saved = asyncio.run(_saved(settings))
    faults: list[dict[str, str]] = [
        {"path": row.path, "call": row.call, "fault": fault}
        for row in saved
        if (fault := folder.verify(row.path, row.bytes, row.sha256))
    ]
    if as_json:
        emit_json({"recordings": len(saved), "faults": faults})
    else:
        for found in faults:
            click.echo(f"{found['path']}: {found['fault']} (call {found['call']})")
        click.echo(f"{len(saved)} recordings, {f'{len(faults)} with a fault' if faults else 'good'}")
    context.exit(1 if faults else 0)


@recordings.command("repair")
@config_option
@json_option
@click.pass_context
def repair(context: click.Context, config: Path | None, as_json: bool) -> None:
    """Mend recordings whose writer was killed. Exit code 1 when one cannot be mended."""
    from softswitch.media.wav import repair as repair_file

    path = need_config(config)
    settings = load_settings(path)
    done = _folder(settings).repair(repair_file, _live(Path(settings.server.data_dir)))
    if as_json:
        emit_json([{"path": name, "fault": fault} for name, fault in done])
    else:
        click.echo("\n".join(f"{name}: {fault or 'repaired'}" for name, fault in done) or "nothing to repair")
    context.exit(1 if any(fault for _, fault in done) else 0)


def _folder(settings: "Settings") -> "Recordings":
    from softswitch.services.recordings import Recordings

    directory = Path(settings.server.data_dir) / settings.recording.directory
    return Recordings(directory, settings.recording.template)


async def _saved(settings: "Settings") -> "list[SavedRecording]":
    from softswitch.services.store import Store

    data_dir = Path(settings.server.data_dir)
    store = await Store.open(settings.server.database, data_dir, alarm=_say, read_only=True)
    try:
        return await store.recordings(_VERIFIED)
    finally:
        await store.close()


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
