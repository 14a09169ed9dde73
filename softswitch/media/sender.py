"""From mixed sound and keys to RTP packets."""

from typing import Final

import numpy as np

from softswitch.kernel.clock import Instant
from softswitch.media.arena import FRAME, RATE, Ints, Octets, Packets, Samples
from softswitch.media.columns import EVENTS, MIXED
from softswitch.media.effects import Effect, SendOne
from softswitch.media.legs import Leg, Legs
from softswitch.media.outlet import Outlet
from softswitch.media.relay import elapsed
from softswitch.wire import rtp
from softswitch.wire.dtmf import Outgoing
from softswitch.wire.rtp import CLOCK_RATES, HEADER, HEADER_DTYPE, MARKER
from softswitch_codecs import g711

_SIZE: Final = 192  # octets a packet's place: 172 used, lines of the cache kept apart
_BANKS: Final = 4
"""Memory is used again after so many ticks: a backend may still be sending the last one."""


class Sender:
    """Packs the 20 ms frames of all mixed legs at once, other packet times and telephone-events one by one."""

    __slots__ = ("_bank", "_banks", "_effects", "_flat", "_legs")

    def __init__(self, legs: Legs, effects: list[Effect]) -> None:
        self._legs = legs
        self._effects = effects
        self._banks: list[Octets] = [np.zeros((64, _SIZE), np.uint8) for _ in range(_BANKS)]
        self._flat = [bank.reshape(-1) for bank in self._banks]
        self._bank = 0

    def pack(self, rows: Ints, frames: Samples, ulaw: int, now: Instant) -> Packets | None:
        """A packet of 20 ms for each row; the first `ulaw` rows are µ-law, the others A-law."""
        count = len(rows)
        if not count:
            return None
        octets = self._memory(count)[:count]
        codes = frames.view(np.uint16)
        octets[:ulaw, HEADER : HEADER + FRAME] = g711.ENCODE[0].take(codes[:ulaw])
        octets[ulaw:, HEADER : HEADER + FRAME] = g711.ENCODE[1].take(codes[ulaw:])
        state = self._legs.sent.take(rows)
        head = state["head"]
        if (fresh := state["feed"] != MIXED).any():
            for i in np.flatnonzero(fresh).tolist():
                state["ts"][i] = (int(state["ts"][i]) + elapsed(float(state["at"][i]), now)) & 0xFFFFFFFF
            state["ts"] += np.where(fresh, 0, FRAME).astype(np.uint32)
            head = head | (fresh * np.uint16(MARKER))
            state["feed"] = MIXED
        else:
            state["ts"] += FRAME
        state["seq"] += 1
        state["at"] = now
        state["packets"] += 1
        state["octets"] += FRAME
        self._legs.sent[rows] = state
        headers = octets[:, :HEADER].view(HEADER_DTYPE)[:, 0]
        headers["head"], headers["seq"], headers["ts"] = head, state["seq"], state["ts"]
        headers["ssrc"] = state["ssrc"]
        starts = np.arange(0, count * _SIZE, _SIZE)
        return Packets(self._flat[self._bank], starts, starts + (HEADER + FRAME), rows)

    def pack_odd(self, row: int, frame: Samples, now: Instant) -> None:
        """A frame (of the leg's plane) for a leg of another codec or packet time: as many packets as are full."""
        leg = self._legs.by_row[row]
        if leg is None:
            return
        outlet = leg.outlet
        if outlet is None:
            outlet = leg.outlet = Outlet(leg.spec.codec, leg.spec.packet_ms)
        state = self._legs.sent[row]
        if int(state["feed"]) != MIXED:
            outlet.restart()
            state["feed"] = MIXED
        for payload in outlet.feed(frame):
            fresh, outlet.fresh = outlet.fresh, False
            forward = elapsed(float(state["at"]), now, self._rate(leg)) if fresh else outlet.units
            self._one(leg, leg.spec.payload_type, fresh, (int(state["ts"]) + forward) & 0xFFFFFFFF, payload, now)

    def event(self, leg: Leg, out: Outgoing, now: Instant) -> None:
        """One telephone-event packet (RFC 4733 §2.3); all of one event carry the timestamp of its start."""
        state = self._legs.sent[leg.row]
        if out.offset == 0:
            forward = elapsed(float(state["at"]), now, self._rate(leg))
            leg.event_base = (int(state["ts"]) + forward) & 0xFFFFFFFF
        state["feed"] = EVENTS
        at = state["at"].item()
        self._one(leg, leg.spec.event_type, out.marker, leg.event_base, out.payload, now)
        if out.offset:
            state["at"] = at  # `at` belongs to `ts`, the event's start

    def _one(self, leg: Leg, kind: int, marker: bool, timestamp: int, payload: bytes, now: Instant) -> None:
        state = self._legs.sent[leg.row]
        sequence = (int(state["seq"]) + 1) & 0xFFFF
        state["seq"], state["ts"], state["at"] = sequence, timestamp, now
        state["packets"] += 1
        state["octets"] += len(payload)
        data = rtp.build(kind, marker, sequence, timestamp, int(state["ssrc"]), payload)
        self._effects.append(SendOne(leg.row, data))

    @staticmethod
    def _rate(leg: Leg) -> int:
        return CLOCK_RATES.get(leg.spec.codec, RATE)

    def _memory(self, count: int) -> Octets:
        self._bank = (self._bank + 1) % _BANKS
        if len(self._banks[self._bank]) < count:
            bank = self._banks[self._bank] = np.zeros((2 * count, _SIZE), np.uint8)
            self._flat[self._bank] = bank.reshape(-1)
        return self._banks[self._bank]
