"""Pass-through: a sink that hears one leg alone, at unity, in its own codec and in packets no longer than it takes,
gets the payload untouched and at once. Only the header is ours: SSRC, sequence and timestamp go on from whatever the
sink was sent before, so a change between relay and mix is no break for the peer; lost packets stay lost in the
numbers. Transparent streams (video) pass with their headers."""

from typing import Final

import numpy as np

from softswitch.kernel.clock import Instant
from softswitch.media.arena import RATE, Ints, Times
from softswitch.media.columns import NOTHING, items
from softswitch.media.effects import Effect, SendOne
from softswitch.media.legs import Leg, Legs
from softswitch.wire import dtmf, rtp

_LEAST: Final = 2  # blocks of 10 ms between the last packet of one feed and the first of the next


class Relay:
    """`routes` is set by the plan: source row → its sink rows, the first of which the receiver serves by itself.

    The tables learn of relayed packets in bulk (`account`), before routes change and at every tick."""

    __slots__ = ("_legs", "effects", "many", "routes")

    def __init__(self, legs: Legs, effects: list[Effect]) -> None:
        self._legs = legs
        self.effects = effects
        self.routes: dict[int, list[int]] = {}
        self.many: set[int] = set()  # sources with several sinks

    def attach(self, row: int, sink: int, sequence: int, timestamp: int, now: Instant) -> tuple[int, int, bool]:
        """`row` feeds `sink` from this packet on: what to add to its sequence numbers and timestamps so that they go
        on one number and the time passed after the sink's last packet; and whether it is the first. A feed that goes
        on keeps its shifts."""
        sent = self._legs.sent
        fresh = int(sent["feed"][sink]) != row
        if fresh:
            leg = self._legs.by_row[row]
            rate = RATE if leg is None else int(self._legs.received["rate"][row])
            state = sent[sink]
            stamp = int(state["ts"]) + elapsed(float(state["at"]), now, rate)
            state["seq_shift"] = (int(state["seq"]) + 1 - sequence) & 0xFFFF
            state["ts_shift"] = (stamp - timestamp) & 0xFFFFFFFF
            state["feed"] = row
        return int(sent["seq_shift"][sink]), int(sent["ts_shift"][sink]), fresh

    def restart(self, row: int) -> None:
        """The stream of `row` starts anew: its numbers say nothing about the old ones."""
        for sink in self.routes.get(row, ()):
            self._legs.sent["feed"][sink] = NOTHING

    def account(self, sinks: Ints, sequences: Ints, stamps: Ints, sizes: Ints, at: Times) -> None:
        """Bring the sinks' rows up to date with packets that were forwarded: one of each source, `sinks` its table
        entry, the numbers those of the source."""
        relayed = sinks >= 0
        if (count := np.count_nonzero(relayed)) < len(sinks):
            if not count:
                return
            keep = relayed.nonzero()[0]
            sinks, sequences, stamps, sizes, at = sinks[keep], sequences[keep], stamps[keep], sizes[keep], at[keep]
        state = self._legs.sent.take(sinks)
        sequences = sequences + state["seq_shift"]
        stamps = stamps + state["ts_shift"]
        newer = (sequences - state["seq"]).view(np.int16) > 0
        if np.count_nonzero(newer) == len(newer):
            state["seq"], state["ts"], state["at"] = sequences, stamps, at
        else:
            state["seq"] = np.where(newer, sequences, state["seq"])
            state["ts"] = np.where(newer, stamps, state["ts"])
            state["at"] = np.where(newer, at, state["at"])
        state["packets"] += 1
        state["octets"] += sizes
        self._legs.sent_items[sinks] = items(state)

    def beside(self, leg: Leg, packet: rtp.Packet, payload: bytes, now: Instant) -> None:
        """Comfort noise and telephone-events go the sound's way, where the sink knows them."""
        event = packet.payload_type == leg.spec.event_type
        for sink in self.routes.get(leg.row, ()):
            to = self._legs.by_row[sink]
            if to is None:
                continue
            kind = to.spec.event_type if event else packet.payload_type
            if kind < 0:
                continue
            if event and not to.spec.keys:  # control sends what is no command of its own
                self._leave_out(leg.row, sink)
                continue
            data = payload
            if event and (clock := self._legs.event_clock(leg)) != (other := self._legs.event_clock(to)):
                data = dtmf.rescaled(payload, clock, other)
            self.one(leg.row, sink, kind, packet.marker, packet.sequence, packet.timestamp, data, now)

    def _leave_out(self, row: int, sink: int) -> None:
        """A packet that the sink does not get is no loss: its number goes to the next one."""
        state = self._legs.sent[sink]
        if int(state["feed"]) == row:
            state["seq_shift"] = (int(state["seq_shift"]) - 1) & 0xFFFF
            self._legs.flows.clear(row)  # it knows the shift of before

    def one(
        self, row: int, sink: int, kind: int, marker: bool, sequence: int, timestamp: int, payload: bytes, now: Instant
    ) -> None:
        """A single packet, for what is too rare to be done in bulk: events, and a source's further sinks."""
        if not self._legs.sendable[sink]:
            return
        seq_shift, ts_shift, fresh = self.attach(row, sink, sequence, timestamp, now)
        sequence, timestamp = (sequence + seq_shift) & 0xFFFF, (timestamp + ts_shift) & 0xFFFFFFFF
        state = self._legs.sent[sink]
        if 0 < ((sequence - int(state["seq"])) & 0xFFFF) < 0x8000:
            state["seq"], state["ts"], state["at"] = sequence, timestamp, now
        state["packets"] += 1
        state["octets"] += len(payload)
        data = rtp.build(kind, marker or fresh, sequence, timestamp, int(state["ssrc"]), payload)
        self.effects.append(SendOne(sink, data))


def elapsed(then: Instant, now: Instant, rate: int = RATE) -> int:
    """Clock units from the last packet to a new feed's first, in steps of 10 ms, at least one packet."""
    return max(_LEAST, round((now - then) * 100)) * rate // 100
