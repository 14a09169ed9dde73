"""`softswitch mailboxes`: how many messages each box has, which ones, and deleting one."""

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from softswitch.cli.client import part
from softswitch.cli.names import names_of
from softswitch.cli.output import emit_json, emit_table
from softswitch.cli.tables import Cell
from softswitch.cli.target import json_option, needs_switch
from softswitch.cli.words import duration, moment

if TYPE_CHECKING:
    from softswitch.cli.client import Client

BOXES = ("mailbox", "number", ">new", ">saved", "greeting", "phones", "mail")
MESSAGES = ("path", "from", "left", ">lasts", "heard", "call")


@click.group(short_help="Mailboxes and their messages.")
def mailboxes() -> None:
    """Messages that callers have left."""


@mailboxes.command("list")
@json_option
@needs_switch
def list_(client: "Client", as_json: bool) -> None:
    """All mailboxes, with how many messages are new."""
    rows = client.all("/mailboxes")
    if as_json:
        emit_json(rows)
    else:
        emit_table(BOXES, [_box(row) for row in rows], nothing="no mailboxes: there is no [voicemail.NAME]")


@mailboxes.command("show")
@click.argument("box", shell_complete=names_of("voicemail"))
@json_option
@needs_switch
def show(client: "Client", box: str, as_json: bool) -> None:
    """The messages of BOX, the new ones first."""
    rows = client.all(f"/mailboxes/{part(box)}/messages")
    if as_json:
        emit_json(rows)
    else:
        emit_table(MESSAGES, [_message(row) for row in rows], nothing="no messages")


@mailboxes.command("delete")
@click.argument("box", shell_complete=names_of("voicemail"))
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@json_option
@needs_switch
def delete(client: "Client", box: str, paths: tuple[str, ...], as_json: bool) -> None:
    """Delete messages of BOX, and their recordings unless they are held."""
    done = [
        client.delete(f"/mailboxes/{part(box)}/messages?path={quote(path, safe='')}&by=cli")["path"] for path in paths
    ]
    if as_json:
        emit_json({"deleted": done})
    else:
        click.echo("\n".join(f"{path}: deleted" for path in done))


def _box(row: dict[str, Any]) -> list[Cell]:
    new: Cell = (str(row["new"]), "yellow" if row["new"] else "")
    greeting = "own" if row["own_greeting"] else "standard"
    return [row["name"], row["number"], new, str(row["old"]), greeting, ", ".join(row["phones"]), row["mail"]]


def _message(row: dict[str, Any]) -> list[Cell]:
    caller = row["caller"] or "hidden"
    return [
        row["path"],
        caller,
        moment(row["at"]),
        duration(row["seconds"]),
        moment(row["heard"]) or "new",
        row["call"],
    ]
