"""`softswitch records`: ended calls."""

from typing import TYPE_CHECKING, Any, TypeAlias

import click

from softswitch.cli.client import part
from softswitch.cli.output import emit_json, emit_pairs, emit_table, json_text, state
from softswitch.cli.tables import Cell
from softswitch.cli.target import json_option, needs_switch
from softswitch.cli.words import duration, moment, past

if TYPE_CHECKING:
    from softswitch.cli.client import Client

Row: TypeAlias = dict[str, Any]

RECORDS = (
    *("started", "call", "caller", "called", "to", "agent", "outcome", ">wait", ">talk", ">status"),
    "recording",
)
LEGS = (
    *("leg", "remote", "codec", ">received", ">sent", ">lost", ">jitter ms", ">mos", ">peer's mos", "speech"),
    "sip call-id",
)
LEDGER = ("number", "time", "what", "call", "queue", "agent", "details")
_OUTCOMES = ("answered", "abandoned", "busy", "no-answer", "failed", "rejected", "overflow", "interrupted")


@click.command(short_help="Call records.")
@click.argument("call", required=False)
@click.option("--limit", "-n", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many.")
@click.option("--since", type=past, help="Started at or after: 2h (ago), 14:30, 2026-08-01, …")
@click.option("--until", type=past, help="Started before.")
@click.option("--queue", help="Of this queue.")
@click.option("--agent", help="Of this agent.")
@click.option("--outcome", type=click.Choice(_OUTCOMES), help="How they ended.")
@click.option("--number", help="The caller's or the called number.")
@json_option
@needs_switch
def records(client: "Client", /, call: str | None, as_json: bool, **filters: str | float | None) -> None:
    """Ended calls, the latest first; or one CALL with everything that happened to it."""
    if call is not None:
        _one(client.get(f"/records/{part(call)}"), as_json)
        return
    rows = client.get("/records", **filters)["items"]
    if as_json:
        emit_json(rows)
        return
    emit_table(RECORDS, [_record(row) for row in rows], nothing="no call records")


def _one(found: Row, as_json: bool) -> None:
    if as_json:
        emit_json(found)
        return
    row = found["record"]
    pairs: list[tuple[str, Cell]] = [
        ("call", row["id"]),
        ("outcome", state(row["outcome"])),
        ("from", f"{row['caller']} by {row['source']}"),
        ("to", f"{row['called']}, {row['destination']}"),
        ("started", moment(row["started"])),
        ("answered", moment(row["answered"]) or "never"),
        ("ended", f"{moment(row['ended'])}, by {row['hung_up_by'] or 'nobody'}: {row['cause']} {row['reason']}"),
        ("waited", duration(row["wait_seconds"])),
        ("talked", f"{duration(row['talk_seconds'])}, of that on hold {duration(row['hold_seconds'])}"),
        ("queue", row["queue"]),
        ("agent", row["agent"]),
        ("language", row["language"]),
        ("collected", ", ".join(f"{name}={value}" for name, value in row["collected"].items())),
        ("recording", row["recording"]),
    ]
    emit_pairs([pair for pair in pairs if pair[1]])
    legs = [
        [
            *(leg["party"], leg["remote"], leg["codec"], str(leg["received"]), str(leg["sent"]), str(leg["lost"])),
            *(f"{leg['jitter_ms']:.1f}", f"{leg['mos']:.1f}" if leg["mos"] else "", _peers_mos(leg)),
            *(_speech(leg), leg["call_id"]),
        ]
        for leg in row["legs"]
    ]
    emit_table(LEGS, legs, nothing="no legs")
    emit_table(LEDGER, [ledger_cells(entry) for entry in found["ledger"]], nothing="nothing in the ledger")


def _speech(leg: Row) -> str:
    """What was measured of the party's speech, if anything."""
    facts = leg.get("speech")
    if not facts:
        return ""
    words = f"{facts['talk']:.0f} s at {facts['level']:.0f} dBm0, {facts['overtalk']:.0f} s over the other"
    return words + (f", {facts['clipped']} clipped" if facts["clipped"] else "")


def _peers_mos(leg: Row) -> str:
    found = leg.get("quality") or {}
    return f"{found['remote_mos']:.1f}" if found.get("remote_mos") else ""


def _record(row: Row) -> list[Cell]:
    times = (duration(row["wait_seconds"]), duration(row["talk_seconds"]))
    return [
        *(moment(row["started"]), row["id"], row["caller"], row["called"], row["destination"], row["agent"]),
        *(state(row["outcome"]), *times, str(row["cause"]), row["recording"]),
    ]


def ledger_cells(entry: Row) -> list[Cell]:
    """A row of `LEDGER`."""
    details = " ".join(f"{name}={_short(value)}" for name, value in entry["data"].items())
    return [
        *(str(entry["seq"]), moment(entry["at"]), entry["kind"], entry["call"], entry["queue"], entry["agent"]),
        details,
    ]


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}"
    return value if isinstance(value, str) else json_text(value)
