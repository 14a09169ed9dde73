"""From mixed sound and keys to RTP packets."""

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np

from softswitch.kernel.clock import Instant
from softswitch.media.arena import FRAME, Ints, Octets, Packets, Samples
from softswitch.media.columns import EVENTS, MIXED, Table, items
from softswitch.media.effects import Effect, SendOne
from softswitch.media.legs import Leg, Legs
from softswitch.media.outlet import Outlet
from softswitch.media.relay import elapsed
from softswitch.wire import rtp
from softswitch.wire.dtmf import Outgoing
from softswitch.wire.rtp import HEADER, HEADER_DTYPE, MARKER
from softswitch_codecs import g711

_SIZE: Final = 192  # octets a packet's place: 172 used, lines of the cache kept apart
_LINE: Final = 64
_HEADER_AT: Final = np.arange(HEADER)
_BANKS: Final = 4
"""Memory is used again after so many ticks: a backend may still be sending the last one."""


_Round: TypeAlias = tuple[list[int], list[bytes], list[int]]


class Sender:
    """Packs the 20 ms frames of all G.711 legs at once; those of other codecs and packet times are encoded leg by leg,
    and their headers are made at once again. Telephone-events go one by one."""

    __slots__ = ("_bank", "_banks", "_effects", "_flat", "_legs")

    def __init__(self, legs: Legs, effects: list[Effect]) -> None:
        self._legs = legs
        self._effects = effects
        self._banks: list[Octets] = [np.zeros(64 * _SIZE, np.uint8) for _ in range(_BANKS)]
        self._bank = 0

    def pack(
        self, rows: Ints, frames: Samples, ulaw: int, others: Sequence[tuple[int, Samples]], now: Instant
    ) -> Packets | None:
        """A packet of 20 ms for each row; the first `ulaw` rows are µ-law, the others A-law. `others` are rows with a
        frame of their plane: as many packets as are full."""
        count = len(rows)
        rounds = self._encode(others, now) if others else []
        if not count and not rounds:
            return None
        room = count * _SIZE + sum(_place(payload) for _, payloads, _ in rounds for payload in payloads)
        memory = self._memory(room)
        starts: list[Ints] = [np.arange(0, count * _SIZE, _SIZE)]
        ends: list[Ints] = [starts[0] + (HEADER + FRAME)]
        sinks: list[Ints] = [rows]
        if count:
            octets = memory[: count * _SIZE].reshape(count, _SIZE)
            codes = frames.view(np.uint16)
            octets[:ulaw, HEADER : HEADER + FRAME] = g711.ENCODE[0].take(codes[:ulaw])
            octets[ulaw:, HEADER : HEADER + FRAME] = g711.ENCODE[1].take(codes[ulaw:])
            headers = octets[:, :HEADER].view(HEADER_DTYPE)[:, 0]
            headers[:] = self._headers(rows, FRAME, FRAME, now)
        at = count * _SIZE
        for some, payloads, units in rounds:
            places = []
            for payload in payloads:
                places.append(at)
                memory.data[at + HEADER : at + HEADER + len(payload)] = payload
                at += _place(payload)
            sizes = np.array([len(payload) for payload in payloads])
            sinks.append(np.array(some))
            starts.append(np.array(places))
            ends.append(starts[-1] + sizes + HEADER)
            made = self._headers(sinks[-1], np.array(units, np.uint32), sizes, now)
            memory[starts[-1][:, None] + _HEADER_AT] = made.view(np.uint8).reshape(-1, HEADER)
        if not rounds:
            return Packets(memory, starts[0], ends[0], rows)
        return Packets(memory, np.concatenate(starts), np.concatenate(ends), np.concatenate(sinks))

    def _encode(self, others: Sequence[tuple[int, Samples]], now: Instant) -> list[_Round]:
        """The payloads that the frames complete, in rounds that hold a row once: rows, payloads, clock units a
        packet."""
        by_row = self._legs.by_row
        rounds: list[_Round] = []
        for row, frame in others:
            leg = by_row[row]
            if leg is None:
                continue
            outlet = leg.outlet
            if outlet is None:
                outlet = leg.outlet = Outlet(leg.spec.codec, leg.spec.packet_ms, leg.spec.fmtp)
            for i, payload in enumerate(outlet.feed(frame, now)):
                if i == len(rounds):
                    rounds.append(([], [], []))
                rows, payloads, units = rounds[i]
                rows.append(row)
                payloads.append(payload)
                units.append(outlet.units)
        return rounds

    def _headers(self, rows: Ints, units: Ints | int, sizes: Ints | int, now: Instant) -> Table:
        """The headers of one packet of each of `rows`, whose state goes on by `units` of the clock."""
        state = self._legs.sent.take(rows)
        head = state["head"]
        if np.count_nonzero(fresh := state["feed"] != MIXED):
            rates = self._legs.received["rate"][rows]
            for i in np.flatnonzero(fresh).tolist():
                forward = elapsed(float(state["at"][i]), now, int(rates[i]))
                state["ts"][i] = (int(state["ts"][i]) + forward) & 0xFFFFFFFF
            state["ts"] += np.where(fresh, 0, units).astype(np.uint32)
            head = head | (fresh * np.uint16(MARKER))
            state["feed"] = MIXED
        else:
            state["ts"] += np.uint32(units) if isinstance(units, int) else units
        state["seq"] += 1
        state["at"] = now
        state["packets"] += 1
        state["octets"] += sizes
        self._legs.sent_items[rows] = items(state)
        headers = np.empty(len(rows), HEADER_DTYPE)
        headers["head"], headers["seq"], headers["ts"], headers["ssrc"] = head, state["seq"], state["ts"], state["ssrc"]
        return headers

    def event(self, leg: Leg, out: Outgoing, now: Instant) -> None:
        """One telephone-event packet (RFC 4733 §2.3); all of one event carry the timestamp of its start."""
        state = self._legs.sent[leg.row]
        if out.offset == 0:
            forward = elapsed(float(state["at"]), now, int(self._legs.received["rate"][leg.row]))
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

    def _memory(self, octets: int) -> Octets:
        self._bank = (self._bank + 1) % _BANKS
        if len(self._banks[self._bank]) < octets:
            self._banks[self._bank] = np.zeros(2 * octets, np.uint8)
        return self._banks[self._bank]


def _place(payload: bytes) -> int:
    """Octets that its packet takes up in memory."""
    return -(-(HEADER + len(payload)) // _LINE) * _LINE
