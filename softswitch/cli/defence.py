"""Who is banned, and bans by hand."""

import time
from typing import TYPE_CHECKING, Any

import click

from softswitch.cli.client import part
from softswitch.cli.output import emit_json, emit_table
from softswitch.cli.target import json_option, needs_switch
from softswitch.cli.words import duration, moment
from softswitch.kernel.errors import LocalError

if TYPE_CHECKING:
    from softswitch.cli.client import Client

BANS = ("address", "reason", "since", ">left", ">times")
LOCKS = ("address", "account", ">wrong", ">left")


@click.command(short_help="Addresses from which nothing is taken.")
@json_option
@needs_switch
def bans(client: "Client", as_json: bool) -> None:
    """Bans that stand: who tried passwords, swept through extensions, scanned, or sent junk. And lock-outs: who is not
    listened to for an account, after wrong passwords."""
    _show(client.get("/bans"), as_json)


@click.command(short_help="Take nothing from an address.")
@click.argument("address")
@click.option("--seconds", type=click.FloatRange(1, 31_536_000), default=600.0, show_default=True)
@click.option("--reason", default="by order", show_default=True)
@json_option
@needs_switch
def ban(client: "Client", address: str, seconds: float, reason: str, as_json: bool) -> None:
    """Ban ADDRESS (IPv4, or IPv6: its whole /64). Phones, trunks and allowed networks cannot be banned."""
    _address(address)
    _show(client.put(f"/bans/{part(address)}", {"seconds": seconds, "reason": reason}), as_json)


@click.command(short_help="Lift a ban, or a lock-out.")
@click.argument("address")
@json_option
@needs_switch
def unban(client: "Client", address: str, as_json: bool) -> None:
    """Take what comes from ADDRESS again, and look at its passwords."""
    _address(address)
    _show(client.delete(f"/bans/{part(address)}"), as_json)


def _address(text: str) -> None:
    """A network, which would be a path of the API's. The switch looks at the rest."""
    if "/" in text:
        raise LocalError(f"{text} is not an IP address")


def _show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        emit_json(found)
        return
    rows = [
        (row["address"], row["reason"], moment(row["since"]), duration(row["until"] - row["since"]), str(row["times"]))
        for row in found["items"]
    ]
    emit_table(BANS, rows, nothing="nobody is banned")
    if locked := found["locked"]:
        now = time.time()
        shut = [
            (row["address"], row["account"] or "any", str(row["failures"]), duration(row["until"] - now))
            for row in locked
        ]
        emit_table(LOCKS, shut, nothing="", title="locked out after wrong passwords")
