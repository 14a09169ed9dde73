"""`softswitch ledger`: everything that happened, in order, or as it happens."""

import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import click

from softswitch.cli.archive import LEDGER, ledger_cells
from softswitch.cli.output import emit_json, emit_table, json_text
from softswitch.cli.tables import text_of
from softswitch.cli.target import json_option, needs_switch
from softswitch.cli.words import past

if TYPE_CHECKING:
    from softswitch.cli.client import Client

Row: TypeAlias = dict[str, Any]

_PAGE: Final = 1000
_HOUR: Final = 3600.0


@click.command(short_help="Everything that happened.")
@click.option("--follow", "-f", is_flag=True, help="Entries as they come, until Ctrl-C.")
@click.option("--limit", "-n", type=click.IntRange(1, 100_000), default=50, show_default=True, help="The last so many.")
@click.option("--since", type=past, help="From then on: 2h (ago), 14:30, 2026-08-01, …  [1h]")
@click.option("--call", help="Of this call.")
@click.option("--queue", help="Of this queue.")
@click.option("--agent", help="Of this agent.")
@click.option("--kind", help="Of this kind, such as queue.answered.")
@json_option
@needs_switch
def ledger(
    client: "Client",
    /,
    follow: bool,
    limit: int,
    since: float | None,
    as_json: bool,
    **filters: str | None,
) -> None:
    """Entries of the ledger, the oldest first. With --json and --follow: one JSON object a line."""
    if follow:
        kind = filters.pop("kind")
        try:
            for entry in client.follow("/events", (kind,) if kind else ()):
                if all(value in (None, entry[name]) for name, value in filters.items()):
                    click.echo(json_text(entry) if as_json else _line(entry))
        except KeyboardInterrupt:
            return
        return
    if since is None and filters["call"] is None:
        since = time.time() - _HOUR
    rows: deque[Row] = deque(maxlen=limit)
    after = 0
    while True:
        page = client.get("/ledger", limit=_PAGE, after=after, since=since, **filters)
        rows += page["items"]
        if page["next"] is None:
            break
        after = page["next"]
    if as_json:
        emit_json(list(rows))
    else:
        emit_table(LEDGER, [ledger_cells(row) for row in rows], nothing="nothing in the ledger since then")


def _line(entry: Row) -> str:
    return "  ".join(text for cell in ledger_cells(entry)[1:] if (text := text_of(cell)))
