"""Pass-through: a sink that hears one leg alone, at unity, in its own codec and packet time, gets the payload
untouched and at once. Only the header is ours: SSRC, sequence and timestamp go on from whatever the sink was sent
before, so a change between relay and mix is no break for the peer; lost packets stay lost in the numbers."""

import numpy as np

from softswitch.kernel.clock import Instant
from softswitch.media.arena import RATE, SIZE, Arena, Ints, Packets
from softswitch.media.columns import NOTHING, Table
from softswitch.media.effects import Effect, SendOne
from softswitch.media.legs import Leg, Legs
from softswitch.wire import rtp
from softswitch.wire.rtp import CLOCK_RATES, HEADER, MARKER

_MARKER = np.uint16(MARKER)
_LEAST = 160  # clock units between the last packet of one feed and the first of the next


class Relay:
    """`routes` is set by the plan: source row to all its sink rows; the first of them stands in the table."""

    __slots__ = ("_legs", "effects", "many", "routes")

    def __init__(self, legs: Legs, effects: list[Effect]) -> None:
        self._legs = legs
        self.effects = effects
        self.routes: dict[int, list[int]] = {}
        self.many: set[int] = set()  # sources with several sinks

    def restart(self, row: int) -> None:
        """The stream of `row` starts anew: its numbers say nothing about the old ones."""
        for sink in self.routes.get(row, ()):
            self._legs.sent["feed"][sink] = NOTHING

    def forward(
        self,
        arena: Arena,
        rows: Ints,
        slots: Ints,
        starts: Ints | None,
        ends: Ints,
        headers: Table,
        sinks: Ints,
        now: Instant,
    ) -> Packets | None:
        """Rewrite the headers of what is relayed where they lie, and say what to send where."""
        wanted = sinks >= 0
        if not wanted.all():
            keep = np.flatnonzero(wanted)
            if not len(keep):
                return None
            rows, slots, ends, headers, sinks = rows[keep], slots[keep], ends[keep], headers[keep], sinks[keep]
            starts = None if starts is None else starts[keep]
        if self.many:
            self._copy(arena, rows, slots, starts, ends, headers, now)
        state = self._legs.sent.take(sinks)
        sequence, stamp, marker = headers["seq"].astype(np.uint16), headers["ts"].astype(np.uint32), None
        if (fresh := state["feed"] != rows).any():
            for i in np.flatnonzero(fresh).tolist():
                self._attach(state[i : i + 1], int(rows[i]), int(sequence[i]), int(stamp[i]), now)
            marker = fresh * _MARKER
        sequence += state["seq_shift"]
        stamp += state["ts_shift"]
        newer = (sequence - state["seq"]).view(np.int16) > 0
        if newer.all():
            state["seq"], state["ts"] = sequence, stamp
        else:
            state["seq"] = np.where(newer, sequence, state["seq"])
            state["ts"] = np.where(newer, stamp, state["ts"])
        state["at"] = now
        state["packets"] += 1
        state["octets"] += ends - (HEADER if starts is None else starts)
        head = state["head"] | (headers["head"] & _MARKER)
        headers["head"] = head if marker is None else head | marker
        headers["seq"], headers["ts"], headers["ssrc"] = sequence, stamp, state["ssrc"]
        self._legs.sent[sinks] = state
        at = slots * SIZE
        if starts is None:
            arena.headers[slots] = headers
            return Packets(arena.memory, at, at + ends, sinks)
        for i, slot in enumerate(slots.tolist()):  # the new header ends where the payload begins
            begin = int(starts[i])
            arena.octets[slot, begin - HEADER : begin] = np.frombuffer(headers[i].tobytes(), np.uint8)
        return Packets(arena.memory, at + starts - HEADER, at + ends, sinks)

    def beside(self, leg: Leg, packet: rtp.Packet, payload: bytes, now: Instant) -> None:
        """Comfort noise and telephone-events go the sound's way, where the sink knows them."""
        for sink in self.routes.get(leg.row, ()):
            to = self._legs.by_row[sink]
            if to is None:
                continue
            event = packet.payload_type == leg.spec.event_type
            kind = to.spec.event_type if event else packet.payload_type
            if kind >= 0:
                self._one(leg.row, sink, kind, packet.marker, packet.sequence, packet.timestamp, payload, now)

    def _copy(
        self, arena: Arena, rows: Ints, slots: Ints, starts: Ints | None, ends: Ints, headers: Table, now: Instant
    ) -> None:
        """The second and further sinks of a source: rare, so one by one."""
        for i, row in enumerate(rows.tolist()):
            if row not in self.many:
                continue
            at = int(slots[i]) * SIZE
            payload = bytes(arena.memory[at + (HEADER if starts is None else int(starts[i])) : at + int(ends[i])])
            header = headers[i]
            for sink in self.routes[row][1:]:
                kind = int(self._legs.sent["head"][sink]) & 0x7F
                marker = bool(int(header["head"]) & MARKER)
                self._one(row, sink, kind, marker, int(header["seq"]), int(header["ts"]), payload, now)

    def _one(
        self, row: int, sink: int, kind: int, marker: bool, sequence: int, timestamp: int, payload: bytes, now: Instant
    ) -> None:
        state = self._legs.sent[sink : sink + 1]
        if int(state["feed"][0]) != row:
            self._attach(state, row, sequence, timestamp, now)
            marker = True
        sequence = (sequence + int(state["seq_shift"][0])) & 0xFFFF
        timestamp = (timestamp + int(state["ts_shift"][0])) & 0xFFFFFFFF
        if 0 < ((sequence - int(state["seq"][0])) & 0xFFFF) < 0x8000:
            state["seq"], state["ts"], state["at"] = sequence, timestamp, now
        state["packets"] += 1
        state["octets"] += len(payload)
        data = rtp.build(kind, marker, sequence, timestamp, int(state["ssrc"][0]), payload)
        self.effects.append(SendOne(sink, data))

    def _attach(self, state: Table, row: int, sequence: int, timestamp: int, now: Instant) -> None:
        """`row` feeds the sink from this packet on: go on one number and the time passed after the last packet."""
        leg = self._legs.by_row[row]
        rate = RATE if leg is None else CLOCK_RATES.get(leg.spec.codec, RATE)
        timestamp_now = int(state["ts"][0]) + elapsed(float(state["at"][0]), now, rate)
        state["seq_shift"] = (int(state["seq"][0]) + 1 - sequence) & 0xFFFF
        state["ts_shift"] = (timestamp_now - timestamp) & 0xFFFFFFFF
        state["feed"] = row


def elapsed(then: Instant, now: Instant, rate: int = RATE) -> int:
    """Clock units from the last packet to a new feed's first, in steps of 10 ms, at least one packet."""
    return max(_LEAST, round((now - then) * 100) * rate // 100)
