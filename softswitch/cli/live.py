"""The switch as it is now: status, calls, agents, queues, trunks, registrations."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from softswitch.cli.client import part
from softswitch.cli.output import emit_json, emit_pairs, emit_table, state, watch
from softswitch.cli.tables import Cell, Rows, style_of
from softswitch.cli.target import json_option, needs_switch
from softswitch.cli.words import age, duration, moment

if TYPE_CHECKING:
    from softswitch.cli.client import Client

Row: TypeAlias = dict[str, Any]
View: TypeAlias = Callable[[], list[Row]]

CALLS = ("id", "caller", "called", "state", "at", "agent", "from", ">lasts", "codecs")
WAITING = (">place", "call", "caller", ">waits", ">estimate", "between", "rings")
AGENTS = ("agent", "name", "phone", "state", "reason", ">for", "queues", ">calls", ">talk", ">occupied", "call")
QUEUES = (
    *("queue", ">waiting", ">longest", ">ready", ">talking", ">in", ">offered", ">answered", ">abandoned"),
    *(">overflow", ">level", ">ASA", ">abandoned %", ">AHT", ">occupied"),
)
TRUNKS = ("trunk", "address", "health", "registration", ">calls", "detail")
REGISTRATIONS = ("phone", "contact", "source", "device", ">expires")
QUALITY = (">loss %", ">jitter ms", ">buffer ms", ">trip ms", ">mos", ">peer's mos")
WORKERS = ("media", ">pid", "backend", "state", ">legs", ">free ports", ">ticks", ">late", ">dropped")

_watch_option = click.option("--watch", "-w", "watching", is_flag=True, help="Draw anew every second.")


@click.command(short_help="The switch in one glance.")
@json_option
@needs_switch
def status(client: "Client", as_json: bool) -> None:
    """Calls, callers waiting, agents, trunks, media processes, and what lives inside."""
    found = client.get("/status")
    if as_json:
        emit_json(found)
        return
    counters = found["counters"]
    live = ", ".join(f"{count} {name}" for name, count in found["live"].items() if count) or "nothing"
    draining: Cell = ("draining: no new calls", "yellow") if found["draining"] else ("running", "green")
    emit_pairs(
        [
            ("switch", f"{found['name']}, version {found['version']}"),
            ("state", draining),
            ("up", f"{age(found['started'])}, since {moment(found['started'])}"),
            ("calls", f"{found['calls']} now, {found['calls_total']} since start, {found['calls_failed']} failed"),
            ("waiting", f"{found['waiting']} in queues"),
            ("agents", f"{found['agents_ready']} ready of {found['agents_logged_in']} logged in"),
            ("phones", f"{found['registrations']} registered"),
            ("trunks", f"{found['trunks_up']} up of {found['trunks']}"),
            *_certificate(found["certificate"]),
            *_recovery(found["recovery"]),
            ("live", live),
            ("messages", f"{counters['messages_in']} in, {counters['messages_out']} out, {counters['junk']} junk"),
            ("kept out", _kept_out(counters)),
            ("faults", (str(counters["faults"]), "bold red" if counters["faults"] else "")),
            ("rows", f"{counters['rows_written']} written, {counters['rows_waiting']} waiting"),
            *[("alarm", (f"{one['text']} (since {moment(one['since'])})", "bold red")) for one in found["alarms"]],
        ]
    )
    emit_table(WORKERS, [_worker(row) for row in found["workers"]], nothing="no media process")


def _recovery(shown: Row | None) -> list[tuple[str, Cell]]:
    """What became of the calls of a control process that died."""
    if shown is None:
        return []
    went_on, ended = f"{shown['adopted']} went on", f"{shown['ended']} ended"
    text = f"{moment(shown['at'])} after a crash: {went_on}, {ended}"
    return [("calls", f"{text}, {shown['waiting']} not decided yet" if shown["waiting"] else text)]


def _kept_out(counters: Row) -> str:
    kept = ", ".join(f"{count} {name}" for name, count in counters["kept_out"].items() if count and name != "bans")
    locked = f", {counters['locked']} locked out" if counters["locked"] else ""
    return f"{counters['bans']} banned{locked}" + (f"; {kept}" if kept else "")


def _certificate(shown: dict[str, Any] | None) -> list[tuple[str, Cell]]:
    if shown is None:
        return []
    names = ", ".join(shown["names"][:3]) or "no name"
    return [("certificate", f"{names}; good until {str(shown['ends'])[:10]}")]


@click.command(short_help="Live calls.")
@click.argument("call", required=False)
@click.option("--queue", help="Only calls in or from this queue.")
@click.option("--agent", help="Only calls of this agent.")
@_watch_option
@json_option
@needs_switch
def calls(
    client: "Client", call: str | None, queue: str | None, agent: str | None, watching: bool, as_json: bool
) -> None:
    """Live calls, or everything about one CALL."""
    if call is not None:
        _one_call(client.get(f"/calls/{part(call)}"), as_json)
        return

    def look() -> list[Row]:
        rows = client.all("/calls")
        return [row for row in rows if queue in (None, row["queue"]) and agent in (None, row["agent"])]

    _show(CALLS, look, call_cells, "calls", "no live calls", watching, as_json)


@click.command(short_help="Agents and their states.")
@_watch_option
@json_option
@needs_switch
def agents(client: "Client", watching: bool, as_json: bool) -> None:
    """Agents: state and since when, queues, calls and talk time of today."""
    _show(AGENTS, lambda: client.all("/agents"), agent_cells, "agents", "no agents", watching, as_json)


@click.command(short_help="Queues with today's figures.")
@_watch_option
@json_option
@needs_switch
def queues(client: "Client", watching: bool, as_json: bool) -> None:
    """Queues: who waits, who is ready, and the counts since midnight."""
    _show(QUEUES, lambda: client.all("/queues"), queue_cells, "queues", "no queues", watching, as_json)


@click.command(short_help="Trunks: health, registration, calls.")
@_watch_option
@json_option
@needs_switch
def trunks(client: "Client", watching: bool, as_json: bool) -> None:
    """Trunks: health by OPTIONS, our registration, calls."""
    _show(TRUNKS, lambda: client.all("/trunks"), _trunk, "trunks", "no trunks", watching, as_json)


@click.command(short_help="Registered contacts of phones.")
@_watch_option
@json_option
@needs_switch
def registrations(client: "Client", watching: bool, as_json: bool) -> None:
    """Which phones are registered, from where and for how long."""
    look = lambda: client.all("/registrations")  # noqa: E731
    _show(REGISTRATIONS, look, _registration, "registrations", "no phone is registered", watching, as_json)


def _show(
    columns: tuple[str, ...],
    look: View,
    cells: Callable[[Row], list[Cell]],
    title: str,
    nothing: str,
    watching: bool,
    as_json: bool,
) -> None:
    def rows() -> Rows:
        return [cells(row) for row in look()]

    if watching:
        watch(columns, rows, title=title)
    elif as_json:
        emit_json(look())
    else:
        emit_table(columns, rows(), nothing=nothing)


def _one_call(found: Row, as_json: bool) -> None:
    if as_json:
        emit_json(found)
        return
    emit_pairs(
        [
            ("call", found["id"]),
            ("state", _call_state(found)),
            ("at", found["at"]),
            ("from", f"{found['caller']} by {found['source']}"),
            ("to", found["called"]),
            ("started", moment(found["started"])),
            ("answered", moment(found["answered"]) or "not yet"),
            ("lasts", duration(found["duration"])),
            ("queue", found["queue"]),
            ("agent", found["agent"]),
            ("recording", found["recording"] + (", paused" if found["recording_paused"] else "")),
            ("recording server", found["recording_server"]),
        ]
    )
    legs: Rows = [
        [
            *(
                leg["peer"],
                state("holds" if leg["state"] == "held" else leg["state"]),
                leg["codec"],
                leg["srtp"] or "no",
            ),
            *(str(leg["media_port"]), str(leg["worker"])),
            *(*_quality(leg.get("quality")), leg["sip_call_id"]),
        ]
        for leg in found["legs"]
    ]
    columns = ("leg", "state", "codec", "srtp", ">port", ">media", *QUALITY, "sip call-id")
    emit_table(columns, legs, nothing="no legs")


def _quality(found: Row | None) -> list[Cell]:
    """Cells of `QUALITY`; empty while nothing is known."""
    if found is None or not (found["received"] or found["remote_mos"]):
        return [""] * len(QUALITY)
    trip = f"{found['round_trip_ms']:.0f}" if found["round_trip_ms"] >= 0 else ""
    heard = [f"{found['loss']:.1f}", f"{found['jitter_ms']:.1f}", f"{found['buffer_ms']:.0f}", trip]
    return [*heard, *(f"{found[name]:.1f}" if found[name] else "" for name in ("mos", "remote_mos"))]


def _call_state(row: Row) -> Cell:
    shown = state(row["state"])
    if row["state"] != "on hold":
        return shown
    return (f"on hold by {', '.join(row['held_by'])}", style_of(shown))


def call_cells(row: Row) -> list[Cell]:
    """A row of `CALLS`."""
    codecs = "/".join(leg["codec"] for leg in row["legs"] if leg["codec"])
    return [
        *(row["id"], row["caller"], row["called"], _call_state(row), row["at"], row["agent"], row["source"]),
        *(duration(row["duration"]), codecs),
    ]


def waiting_cells(row: Row) -> list[Cell]:
    """A row of `WAITING`."""
    who = row["call"] or f"call-back {row['callback']}"
    low, high = row["estimate_low"], row["estimate_high"]
    span = f"{duration(low)} to {duration(high)}" if row["estimate"] >= 0 else ""
    estimate = duration(row["estimate"]) if row["estimate"] >= 0 else ""
    return [
        str(row["position"]),
        who,
        row["caller"],
        duration(row["waited"]),
        estimate,
        span,
        ", ".join(row["ringing"]),
    ]


def agent_cells(row: Row) -> list[Cell]:
    """A row of `AGENTS`."""
    return [
        *(row["name"], row["display"], row["phone"], state(row["state"]), row["reason"], age(row["since"])),
        *(", ".join(row["queues"]), str(row["calls_today"]), duration(row["talk_seconds"])),
        *("" if row["occupancy"] < 0 else f"{row['occupancy']:.0f} %", row["call"]),
    ]


def queue_cells(row: Row) -> list[Cell]:
    """A row of `QUEUES`."""
    level, abandonment, occupancy = (
        "" if row[name] < 0 else f"{row[name]:.0f} %" for name in ("service_level", "abandonment", "occupancy")
    )
    handling = duration(row["average_handling"]) if row["average_handling"] >= 0 else ""
    name: Cell = row["name"] if row["open"] else (f"{row['name']} (closed)", "yellow")
    waiting: Cell = (str(row["waiting"]), "yellow" if row["waiting"] else "")
    longest = duration(row["longest_wait"]) if row["waiting"] else ""
    counts = [str(row[name]) for name in ("ready", "talking", "logged_in", "offered", "answered", "abandoned")]
    return [
        *(name, waiting, longest, *counts, str(row["overflowed"]), level, duration(row["average_wait"])),
        *(abandonment, handling, occupancy),
    ]


def _trunk(row: Row) -> list[Cell]:
    limit = f" of {row['max_calls']}" if row["max_calls"] else ""
    registration = state(row["registration"]) if row["registration"] != "none" else ""
    return [row["name"], row["address"], state(row["health"]), registration, f"{row['calls']}{limit}", row["detail"]]


def _registration(row: Row) -> list[Cell]:
    return [row["phone"], row["contact"], row["source"], row["user_agent"], duration(row["expires_in"])]


def _worker(row: Row) -> list[Cell]:
    figures = (row["legs"], row["slots_free"], row["ticks"], row["late_ticks"], row["dropped"])
    up = state("up" if row["up"] else "down")
    return [f"media-{row['worker']}", str(row["pid"] or ""), row["backend"], up, *(str(value) for value in figures)]
