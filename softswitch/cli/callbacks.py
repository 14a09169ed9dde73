"""`softswitch callbacks`: who is to be called back; ask for one, cancel one."""

from typing import TYPE_CHECKING, Any

import click

from softswitch.cli.client import part
from softswitch.cli.names import names_of
from softswitch.cli.output import emit_json, emit_table, state
from softswitch.cli.tables import Cell
from softswitch.cli.target import json_option, needs_switch
from softswitch.cli.words import age, duration, moment

if TYPE_CHECKING:
    from softswitch.cli.client import Client

COLUMNS = ("id", "queue", "number", "state", ">place", ">estimate", ">asked", "next", ">attempts", "expires", "by")


@click.group(short_help="Call-backs that keep their place in the queue.")
def callbacks() -> None:
    """Customers who are to be called back."""


@callbacks.command("list")
@json_option
@needs_switch
def list_(client: "Client", as_json: bool) -> None:
    """Call-backs to come, in the order of their places."""
    rows = client.all("/callbacks")
    if as_json:
        emit_json(rows)
    else:
        emit_table(COLUMNS, [_cells(row) for row in rows], nothing="no call-backs")


@callbacks.command("ask")
@click.argument("queue", shell_complete=names_of("queues"))
@click.argument("number")
@click.option("--head-start", type=float, default=0.0, help="Seconds before those who come now.")
@json_option
@needs_switch
def ask(client: "Client", queue: str, number: str, head_start: float, as_json: bool) -> None:
    """Have the customer on NUMBER called back by an agent of QUEUE."""
    row = client.post("/callbacks", {"queue": queue, "number": number, "head_start": head_start, "by": "cli"})
    if as_json:
        emit_json(row)
    else:
        click.echo(f"{row['id']}: {row['number']} has place {row['position']} in {row['queue']}")


@callbacks.command("cancel")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@json_option
@needs_switch
def cancel(client: "Client", ids: tuple[str, ...], as_json: bool) -> None:
    """Give call-backs up."""
    done = [client.delete(f"/callbacks/{part(id)}?by=cli")["callback"] for id in ids]
    if as_json:
        emit_json({"cancelled": done})
    else:
        click.echo("\n".join(f"{id}: cancelled" for id in done))


def _cells(row: dict[str, Any]) -> list[Cell]:
    return [
        *(row["id"], row["queue"], row["number"], state(row["state"]), str(row["position"] or "")),
        duration(row["estimate"]) if row["estimate"] >= 0 else "",
        *(age(row["asked"]), moment(row["due"]), str(row["attempts"]), moment(row["expires"]), row["by"]),
    ]
