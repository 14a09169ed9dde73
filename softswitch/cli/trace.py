"""`softswitch trace`: the SIP messages of a call as a ladder."""

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import click

from softswitch.cli.client import part
from softswitch.cli.output import emit_json, is_terminal
from softswitch.cli.tables import UNPRINTABLE
from softswitch.cli.target import json_option, needs_switch
from softswitch.cli.words import moment
from softswitch.kernel.printable import printable

if TYPE_CHECKING:
    from softswitch.cli.client import Client

Row: TypeAlias = dict[str, Any]

_SWITCH: Final = "softswitch"
_GAP: Final = 30  # columns between two parties
_MARGIN: Final = 11  # columns for the time


@click.command(short_help="The SIP ladder of a call.")
@click.argument("call")
@click.option("--raw", is_flag=True, help="The whole messages.")
@json_option
@needs_switch
def trace(client: "Client", call: str, raw: bool, as_json: bool) -> None:
    """The SIP messages of CALL (a call's id or a SIP Call-ID; live or ended), as long as the switch remembers them."""
    rows: list[Row] = client.get(f"/trace/{part(call)}")
    if as_json:
        emit_json(rows)
    elif raw:
        for row in rows:
            direction = "to" if row["sent"] else "from"
            click.echo(f"---- {moment(row['at'])} {direction} {row['peer']} ({row['transport']})")
            for line in row["raw"].replace("\r\n", "\n").split("\n"):
                click.echo(printable(line, UNPRINTABLE))
    else:
        for line, style in ladder(rows):
            line = printable(line, UNPRINTABLE)
            click.echo(click.style(line, fg=style) if style and is_terminal() else line)


def ladder(rows: list[Row]) -> list[tuple[str, str | None]]:
    """Lines with their colours: one column a party, the first peer left of the switch, the others right of it."""
    peers = list(dict.fromkeys(row["peer"] for row in rows))
    parties = [*peers[:1], _SWITCH, *peers[1:]]
    places = {party: place for place, party in enumerate(parties)}
    begun = rows[0]["at"]
    lines: list[tuple[str, str | None]] = [
        (f"{moment(begun)}, times in seconds since then", None),
        (" " * _MARGIN + "".join(f"{party:^{_GAP}}" for party in parties).rstrip(), None),
    ]
    for row in rows:
        here, there = places[_SWITCH], places[row["peer"]]
        lines.append((_arrow(row, here, there, len(parties), row["at"] - begun), _colour(row)))
    return lines


def _arrow(row: Row, switch: int, peer: int, parties: int, seconds: float) -> str:
    canvas = [" "] * (_GAP * parties)
    for place in range(parties):
        canvas[place * _GAP + _GAP // 2] = "│"
    left, right = sorted((switch, peer))
    first, last = left * _GAP + _GAP // 2 + 1, right * _GAP + _GAP // 2 - 1
    to_right = (peer > switch) == row["sent"]
    for column in range(first, last + 1):
        canvas[column] = "─"
    canvas[last if to_right else first] = "▶" if to_right else "◀"
    label = _label(row)[: last - first - 3]
    start = first + (last - first + 1 - len(label) - 2) // 2
    canvas[start : start + len(label) + 2] = f" {label} "
    return f"{seconds:9.3f}  {''.join(canvas).rstrip()}"


def _label(row: Row) -> str:
    """`INVITE SDP`, `200 OK (BYE)`."""
    line = str(row["line"])
    text = f"{line} ({row['method']})" if line[:1].isdigit() else str(row["method"])
    return f"{text} SDP" if row["sdp"] else text


def _colour(row: Row) -> str | None:
    line = str(row["line"])
    if not line[:1].isdigit():
        return "cyan" if row["method"] == "INVITE" else None
    return {"1": "yellow", "2": "green", "3": "magenta"}.get(line[0], "red")
