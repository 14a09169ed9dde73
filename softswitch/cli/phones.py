"""`softswitch phones`: what counts for phones; forwarding, do not disturb and call waiting, set for them."""

from typing import TYPE_CHECKING, Any

import click

from softswitch.cli.client import part
from softswitch.cli.names import names_of
from softswitch.cli.output import emit_json, emit_table
from softswitch.cli.tables import Cell
from softswitch.cli.target import json_option, needs_switch

if TYPE_CHECKING:
    from softswitch.cli.client import Client

COLUMNS = ("phone", "number", "name", "registered", ">calls", "do not disturb", "call waiting", "forwarded")
KINDS = ("always", "busy", "no_answer", "unavailable")


def _cells(row: dict[str, Any]) -> list[Cell]:
    forward = ", ".join(f"{kind}: {to}" for kind, to in row["forward"].items())
    shown = [_on(row[key]) for key in ("dnd", "call_waiting")]
    return [row["name"], row["number"], row["display"], _yes(row["reachable"]), str(row["calls"]), *shown, forward]


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _on(value: bool) -> str:
    return "on" if value else "off"


def _told(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        emit_json(rows)
    else:
        emit_table(COLUMNS, [_cells(row) for row in rows], nothing="no phones")


@click.group(short_help="Phones: forwarding, do not disturb, call waiting.")
def phones() -> None:
    """Phones, and what is set for them over the configuration file; also after a restart."""


@phones.command("list")
@json_option
@needs_switch
def list_(client: "Client", as_json: bool) -> None:
    """All phones, with what counts for them."""
    _told(client.all("/phones"), as_json)


@phones.command("forward", short_help="Forward a phone's calls.")
@click.argument("phone", shell_complete=names_of("phones"))
@click.argument("when", type=click.Choice(KINDS))
@click.argument("to")
@json_option
@needs_switch
def forward(client: "Client", phone: str, when: str, to: str, as_json: bool) -> None:
    """Forward the calls of PHONE: `always`, when it is `busy`, gives `no_answer`, or is `unavailable` (not registered).

    TO is a number that the phone may dial, a target as in the configuration (`voicemail:sales`), `off`, or `default`:
    as the configuration says."""
    path = f"/phones/{part(phone)}/forward/{when}"
    if to == "default":
        row = client.delete(path, {"by": "cli"})
    else:
        row = client.put(path, {"to": "" if to == "off" else to, "by": "cli"})
    _told([row], as_json)


@phones.command("resync", short_help="Have a phone fetch its configuration anew.")
@click.argument("names", nargs=-1, required=True, metavar="PHONE...", shell_complete=names_of("phones"))
@json_option
@needs_switch
def resync(client: "Client", names: tuple[str, ...], as_json: bool) -> None:
    """Ask each PHONE to fetch its configuration anew (NOTIFY with the event check-sync)."""
    done = [client.post(f"/phones/{part(name)}/resync", {}) for name in names]
    if as_json:
        emit_json(done)
    else:
        click.echo("\n".join(f"{one['phone']}: asked at {one['contacts']} contact(s)" for one in done))


def _switch(name: str, key: str, what: str) -> click.Command:
    @click.argument("phone", shell_complete=names_of("phones"))
    @click.argument("state", type=click.Choice(("on", "off", "default")))
    @json_option
    @needs_switch
    def command(client: "Client", phone: str, state: str, as_json: bool) -> None:
        path = f"/phones/{part(phone)}/{key}"
        row = client.delete(path, {"by": "cli"}) if state == "default" else client.put(path, _body(state))
        _told([row], as_json)

    command.__doc__ = f"{what} for PHONE: `on`, `off`, or `default`: as the configuration says."
    return click.command(name, short_help=f"{what}, on or off.")(command)


def _body(state: str) -> dict[str, object]:
    return {"on": state == "on", "by": "cli"}


phones.add_command(_switch("dnd", "dnd", "Do not disturb"))
phones.add_command(_switch("waiting", "call_waiting", "Call waiting"))
