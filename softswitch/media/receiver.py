"""From received batches to statistics, relayed packets and jitter buffers.

The common packet (expected source, SSRC, payload type, plain header, sequence in reach) is handled for the whole
batch in numpy. All others take the slow way through `_examine`, one at a time: first packets, telephone-events,
strangers, junk. Junk is counted and nothing else.
"""

from typing import Final

import numpy as np

from softswitch.kernel.clock import Duration, Instant
from softswitch.kernel.errors import PeerError
from softswitch.media import columns
from softswitch.media.arena import BLOCK, RATE, SIZE, Address, Batch, Ints, Packets
from softswitch.media.latch import CARRY_ON, may_take_over
from softswitch.media.legs import Leg, Legs
from softswitch.media.relay import Relay
from softswitch.wire import dtmf, rtp
from softswitch.wire.control import LegHeard, LegLatched, Report
from softswitch.wire.rtp import CLOCK_RATES, HEADER
from softswitch_codecs import g711

_MISORDER: Final = 100  # RFC 3550 A.1, MAX_MISORDER
_WITHOUT_MARKER = np.uint16(0xFFFF ^ rtp.MARKER)
_ONE = np.uint64(1)


class Receiver:
    """`reports`, `pressed`, `control` (RTCP on the RTP port) and `moved` (legs with a new source) gather what the
    engine has to see to; it empties them."""

    __slots__ = ("_legs", "_relay", "control", "listening", "moved", "pressed", "received", "reports")

    def __init__(self, legs: Legs, relay: Relay) -> None:
        self._legs = legs
        self._relay = relay
        self.reports: list[Report] = []
        self.pressed: list[tuple[Leg, dtmf.Pressed]] = []
        self.control: list[tuple[Leg, bytes, Address]] = []
        self.moved: list[Leg] = []
        self.listening: dict[int, Leg] = {}  # legs with a key still down
        self.received = 0

    def receive(self, batch: Batch, now: Instant, to_tick: Duration) -> Packets | None:
        """Take in a batch; returns what is relayed at once, to be sent before the batch's memory is used again."""
        table = self._legs.received
        rows, slots, lengths = batch.rows, batch.slots, batch.lengths
        self.received += len(rows)
        headers = batch.arena.headers.take(slots)
        state = table.take(rows)
        sequence = headers["seq"].astype(np.uint16)
        step = (sequence - state["highest"].astype(np.uint16)).view(np.int16)
        good = (headers["head"] & _WITHOUT_MARKER) == state["head"]
        good &= batch.keys == state["key"]
        good &= headers["ssrc"] == state["ssrc"]
        good &= (lengths > HEADER) & (lengths < SIZE) & (step > -_MISORDER) & (step < CARRY_ON)
        starts: Ints | None = None
        if not good.all():
            starts = np.full(len(rows), HEADER, np.int64)
            lengths = lengths.copy()
            for i in np.flatnonzero(~good).tolist():
                if (span := self._examine(batch, i, now)) is not None:
                    starts[i], lengths[i] = span
                    good[i] = True
            keep = np.flatnonzero(good)
            if not len(keep):
                return None
            rows, slots, lengths, starts = rows[keep], slots[keep], lengths[keep], starts[keep]
            headers, sequence, state = headers[keep], sequence[keep], table.take(rows)
            step = (sequence - state["highest"].astype(np.uint16)).view(np.int16)
            if (starts == HEADER).all():
                starts = None
        timestamps = headers["ts"].astype(np.uint32)
        fresh = self._count(state, step, lengths, timestamps, now)
        table[rows] = state
        if fresh is not None:
            rows, slots, lengths, headers, state = (
                rows[fresh],
                slots[fresh],
                lengths[fresh],
                headers[fresh],
                state[fresh],
            )
            timestamps, starts = timestamps[fresh], None if starts is None else starts[fresh]
            if not len(rows):
                return None
        # The jitter buffer first: relaying rewrites the headers where they lie.
        decode = state["decode"]
        if decode.any():
            chosen = None if decode.all() else np.flatnonzero(decode)
            self._buffer(batch, rows, slots, lengths, starts, timestamps, state["codec"], chosen, to_tick)
        return self._relay.forward(batch.arena, rows, slots, starts, lengths, headers, state["relay"], now)

    def _count(self, state: columns.Table, step: Ints, lengths: Ints, timestamps: Ints, now: Instant) -> Ints | None:
        """Statistics of RFC 3550 A.1, A.3, A.8. Returns the packets that are no duplicates, None when all are."""
        fresh: Ints | None = None
        if (step == 1).all():
            state["highest"] += 1
            state["seen"] = state["seen"] << _ONE | _ONE
            state["packets"] += 1
        else:
            ahead = np.maximum(step, 0)
            behind = np.minimum(np.maximum(-step.astype(np.int64), 0), 63).astype(np.uint64)
            seen = np.where(ahead > 63, np.uint64(0), state["seen"] << np.minimum(ahead, 63).astype(np.uint64))
            bit = _ONE << behind
            again = (seen & bit) != 0
            state["seen"] = seen | bit
            state["highest"] += ahead
            state["packets"] += ~again
            if again.any():
                state["duplicate"] += again
                fresh = np.flatnonzero(~again)
        state["octets"] += lengths - HEADER
        state["heard"] = now
        transit = np.uint32(int(now * RATE) & 0xFFFFFFFF) - timestamps.astype(np.uint32)
        off = np.abs((transit - state["transit"]).view(np.int32)).astype(np.float32)
        state["jitter"] += (off - state["jitter"]) * np.float32(1 / 16)
        state["transit"] = transit
        return fresh

    def _buffer(
        self,
        batch: Batch,
        rows: Ints,
        slots: Ints,
        lengths: Ints,
        starts: Ints | None,
        timestamps: Ints,
        laws: Ints,
        chosen: Ints | None,
        to_tick: Duration,
    ) -> None:
        """Decode into the jitter buffer, packets of one length at a time."""
        if chosen is not None:
            rows, slots, lengths, timestamps, laws = (
                rows[chosen],
                slots[chosen],
                lengths[chosen],
                timestamps[chosen],
                laws[chosen],
            )
            starts = None if starts is None else starts[chosen]
        if starts is None and (lengths == lengths[0]).all():
            groups: list[tuple[int, int, Ints | slice]] = [(HEADER, int(lengths[0]), slice(None))]
        else:
            begins = starts if starts is not None else np.full(len(rows), HEADER, np.int64)
            groups = [
                (start, end, np.flatnonzero((begins == start) & (lengths == end)))
                for start, end in sorted(set(zip(begins.tolist(), lengths.tolist(), strict=True)))
            ]
        for start, end, part in groups:
            size = (end - start) // BLOCK * BLOCK
            if not size:
                continue
            octets = batch.arena.octets[slots[part], start : start + size]
            law = laws[part]
            if (law == law[0]).all():
                samples = g711.DECODE[int(law[0])].take(octets)
            else:
                samples = g711.DECODE.reshape(-1).take(octets + (law.astype(np.int64) * 256)[:, None])
            self._legs.jitter.put(rows[part], timestamps[part], samples, to_tick)

    def _examine(self, batch: Batch, i: int, now: Instant) -> tuple[int, int] | None:
        """The payload's span when the packet is sound to be handled with the others, else None."""
        row = int(batch.rows[i])
        leg = self._legs.by_row[row]
        if leg is None:
            return None
        spec = leg.spec
        at = int(batch.slots[i]) * SIZE
        length = int(batch.lengths[i])
        data = batch.arena.memory[at : at + length]
        if spec.rtcp_mux and rtp.is_rtcp(data):
            self.control.append((leg, bytes(data), batch.address(i)))
            return None
        if not spec.receive or not spec.codec:
            return None
        try:
            packet = rtp.parse(data)
        except PeerError:
            leg.rejected += 1
            return None
        kind = packet.payload_type
        sound = kind == spec.payload_type
        event = kind == spec.event_type
        if length >= SIZE or not (sound or event or kind == rtp.COMFORT_NOISE) or packet.start == packet.end:
            leg.rejected += 1
            return None
        state = self._legs.received[row]
        key = int(batch.keys[i])
        step = ((packet.sequence - int(state["highest"]) + 0x8000) & 0xFFFF) - 0x8000
        same = leg.heard and packet.ssrc == int(state["ssrc"])
        if key != int(state["key"]) and not self._take_over(leg, key, same and abs(step) < CARRY_ON, batch, i, now):
            leg.rejected += 1
            return None
        if not same or (not -_MISORDER < step < CARRY_ON and packet.sequence == leg.bad_sequence):
            self._begin(leg, packet, now)
        elif not -_MISORDER < step < CARRY_ON:
            leg.bad_sequence = (packet.sequence + 1) & 0xFFFF  # RFC 3550 A.1: believed when the next one follows it
            return None
        if not leg.heard or leg.silent:
            leg.heard, leg.silent = True, False
            self.reports.append(LegHeard(leg.id))
        if sound:
            state["head"] = rtp.PLAIN | spec.payload_type
            return packet.start, packet.end
        self._beside(leg, packet, data, now)
        return None

    def _take_over(self, leg: Leg, key: int, continues: bool, batch: Batch, i: int, now: Instant) -> bool:
        state = self._legs.received[leg.row]
        allowed = may_take_over(
            learn=leg.spec.latch == "learn",
            locked=int(state["key"]),
            signalled=leg.signalled_key,
            key=key,
            silent=now - float(state["heard"]),
            continues=continues,
            resignalled=leg.resignalled,
        )
        if allowed:
            state["key"] = key
            leg.locked, leg.locked_at, leg.resignalled = batch.address(i), now, False
            if key != leg.signalled_key:
                self.reports.append(LegLatched(leg.id, leg.locked))
            self.moved.append(leg)
        return allowed

    def _begin(self, leg: Leg, packet: rtp.Packet, now: Instant) -> None:
        """A stream starts: the first one, another SSRC, or a jump of the sequence."""
        leg.expected_before = self._legs.expected(leg)
        state = self._legs.received[leg.row]
        leg.base = packet.sequence
        leg.bad_sequence = -1
        state["highest"] = packet.sequence - 1
        state["seen"] = 0
        state["ssrc"] = packet.ssrc
        rate = CLOCK_RATES.get(leg.spec.codec, RATE)
        state["transit"] = ((int(now * rate) & 0xFFFFFFFF) - packet.timestamp) & 0xFFFFFFFF
        self._legs.jitter.reset(leg.row)
        self._relay.restart(leg.row)
        if leg.keys is not None:
            leg.keys.reset()

    def _beside(self, leg: Leg, packet: rtp.Packet, data: memoryview, now: Instant) -> None:
        """Comfort noise and telephone-events share the sequence with the sound."""
        state = self._legs.received[leg.row : leg.row + 1]
        step = np.array([packet.sequence], np.uint16) - state["highest"].astype(np.uint16)
        stamp = np.uint32(int(now * RATE) & 0xFFFFFFFF) - state["transit"]  # events share a timestamp: not for jitter
        again = self._count(state, step.view(np.int16), np.array([len(data)]), stamp, now) is not None
        if again:
            return
        self._relay.beside(leg, packet, bytes(data[packet.start : packet.end]), now)
        if packet.payload_type != leg.spec.event_type:
            return
        try:
            event = dtmf.parse(data[packet.start : packet.end])
        except PeerError:
            leg.rejected += 1
            return
        if leg.keys is None:
            leg.keys = dtmf.EventReceiver()
        self.pressed += [(leg, pressed) for pressed in leg.keys.receive(event, packet.timestamp, now)]
        self.listening[leg.id] = leg

    def wake(self, now: Instant) -> None:
        """Keys whose end was lost."""
        for leg in list(self.listening.values()):
            if leg.keys is not None:
                self.pressed += [(leg, pressed) for pressed in leg.keys.wake(now)]
            if leg.keys is None or leg.keys.deadline() is None:
                del self.listening[leg.id]
