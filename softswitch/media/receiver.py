"""From received packets to relayed packets, statistics and jitter buffers.

A packet's way has two parts. At once, packet by packet: is it the common packet of its row (source, SSRC, payload
type, plain header: one tuple to compare), and if the row is relayed, rewrite its header and hand it on. That takes
about 2 µs, less than numpy would for the few packets of a millisecond. Later, once a tick and for all together in
numpy: statistics, decoding, and the jitter buffers, which nobody reads before the tick.

All other packets take the slow way through `_examine`: first packets, telephone-events, strangers, junk. Junk is
counted and nothing else.
"""

import struct
from collections.abc import Iterable
from typing import Final

import numpy as np

from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import PeerError
from softswitch.media import columns
from softswitch.media.arena import BLOCK, SIZE, Address, Arena, Batch, Floats, Ints, Packets
from softswitch.media.latch import CARRY_ON, may_take_over
from softswitch.media.legs import Leg, Legs
from softswitch.media.relay import Relay
from softswitch.wire import dtmf, rtp
from softswitch.wire.control import LegHeard, LegLatched, Report
from softswitch.wire.rtp import HEADER, MARKER, PLAIN
from softswitch_codecs import g711

_MISORDER: Final = 100  # RFC 3550 A.1, MAX_MISORDER
_FEW: Final = 64
_ONE = np.uint64(1)
_header = struct.Struct("!HHII")


class Receiver:
    """`reports`, `pressed`, `control` (RTCP on the RTP port) and `moved` (legs with a new source) gather what the
    engine has to see to; it empties them. The memory of packets must stay until `account`."""

    __slots__ = (
        "_arena",
        "_at",
        "_ends",
        "_legs",
        "_relay",
        "_rows",
        "_sequences",
        "_slots",
        "_stamps",
        "_starts",
        "control",
        "listening",
        "moved",
        "pressed",
        "received",
        "reports",
    )

    def __init__(self, legs: Legs, relay: Relay, arena: Arena) -> None:
        self._legs = legs
        self._relay = relay
        self._arena = arena
        self.reports: list[Report] = []
        self.pressed: list[tuple[Leg, dtmf.Pressed]] = []
        self.control: list[tuple[Leg, bytes, Address]] = []
        self.moved: list[Leg] = []
        self.listening: dict[int, Leg] = {}  # legs with a key still down
        self.received = 0
        self._slots: list[int] = []
        self._rows: list[int] = []
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._sequences: list[int] = []
        self._stamps: list[int] = []
        self._at: list[Instant] = []

    def receive(self, batch: Batch, now: Instant) -> Packets | None:
        """Take in a batch; returns what is relayed at once."""
        flows, unpack, pack, memory = self._legs.flows, _header.unpack_from, _header.pack_into, self._arena.memory
        many, relay_one = self._relay.many, self._relay.one
        log_sequence, log_stamp = self._sequences.append, self._stamps.append
        starts: list[int] = []
        ends: list[int] = []
        sinks: list[int] = []
        odd: dict[int, tuple[int, int]] = {}  # packets that are not as long as they look; (0, 0) is not to be logged
        for i, (slot, row, end, key) in enumerate(zip(batch.slots, batch.rows, batch.lengths, batch.keys, strict=True)):
            base = slot * SIZE
            head, sequence, stamp, ssrc = unpack(memory, base)
            start = HEADER
            flow = flows[row]
            if flow is None or key != flow[0] or head & 0xFF7F != flow[1] or ssrc != flow[2] or not HEADER < end < SIZE:
                span = self._examine(batch, i, memory[base : base + end], now)
                if span is None or (flow := flows[row]) is None:
                    odd[i] = (0, 0)
                    continue
                start, end, fresh = span
                odd[i] = (start, end)
                head |= fresh * MARKER
            log_sequence(sequence)
            log_stamp(stamp)
            sink = flow[3]
            if sink >= 0:
                if many and row in many:
                    payload = bytes(memory[base + start : base + end])
                    for other in self._relay.routes[row][1:]:
                        kind = int(self._legs.sent["head"][other]) & 0x7F
                        relay_one(row, other, kind, bool(head & MARKER), sequence, stamp, payload, now)
                ends.append(base + end)
                base += start - HEADER  # the new header ends where the payload begins
                sequence, stamp = sequence + flow[6] & 0xFFFF, stamp + flow[7] & 0xFFFFFFFF
                pack(memory, base, flow[4] | (head & MARKER), sequence, stamp, flow[5])
                starts.append(base)
                sinks.append(sink)
        self._log(batch, odd, now)
        return Packets(memory, starts, ends, sinks) if sinks else None

    def _log(self, batch: Batch, odd: dict[int, tuple[int, int]], now: Instant) -> None:
        """Keep in mind what `account` needs beside sequence numbers and timestamps."""
        count = len(batch.rows)
        self.received += count
        slots: Iterable[int] = batch.slots
        rows, ends, starts = batch.rows, batch.lengths, [HEADER] * count
        if odd:
            spans = [odd.get(i, (HEADER, length)) for i, length in enumerate(batch.lengths)]
            kept = [i for i, (start, _) in enumerate(spans) if start]
            slots, rows = [batch.slots[i] for i in kept], [batch.rows[i] for i in kept]
            starts, ends = [spans[i][0] for i in kept], [spans[i][1] for i in kept]
        self._slots += slots
        self._rows += rows
        self._starts += starts
        self._ends += ends
        self._at += [now] * len(rows)

    # -------------------------------------------------------------------------------------------------------- in bulk

    @property
    def waiting(self) -> bool:
        """Whether packets wait to be accounted for."""
        return bool(self._rows)

    def awaits(self, row: int) -> bool:
        """Whether packets of `row` wait to be accounted for."""
        return row in self._rows

    def account_fully(self, to_play: Instant) -> None:
        """`account`, and nothing is put off: the routes are about to change."""
        while self._rows:
            self.account(to_play)

    def account(self, to_play: Instant) -> None:
        """Statistics and jitter buffers of all packets since the last time. `to_play`: when the next tick plays."""
        count = len(self._rows)  # the batch at hand may have logged more sequences already
        if not count:
            return
        rows = np.array(self._rows)
        sequences = np.array(self._sequences[:count], np.uint16)
        stamps = np.array(self._stamps[:count], np.uint32)
        at = np.array(self._at)
        slots, starts, ends = np.array(self._slots), np.array(self._starts), np.array(self._ends)
        for log in (self._rows, self._at, self._slots, self._starts, self._ends):
            log.clear()
        del self._sequences[:count], self._stamps[:count]
        rounds = _rounds(rows)
        if len(rounds) > 1:
            rounds = self._put_off(rounds, rows, sequences, stamps, starts, ends, at)
        for part in rounds:
            some = rows[part]
            state = self._legs.received.take(some)
            self._relay.account(state["relay"], sequences[part], stamps[part], ends[part] - starts[part], at[part])
            _count(state, sequences[part], stamps[part], ends[part] - starts[part], at[part])
            self._legs.received[some] = state
            decode = state["decode"]
            if not decode.all():
                part = part[decode] if isinstance(part, np.ndarray) else np.flatnonzero(decode)
                if not len(part):
                    continue
                some, state = rows[part], state[decode]
            spare = (to_play - at[part]).astype(np.float32)
            np.maximum(spare, 0.0, out=spare)
            self._buffer(some, slots[part], starts[part], ends[part], stamps[part], state["codec"], spare)

    def _put_off(
        self,
        rounds: list[slice | Ints],
        rows: Ints,
        sequences: Ints,
        stamps: Ints,
        starts: Ints,
        ends: Ints,
        at: Floats,
    ) -> list[slice | Ints]:
        """A round costs the same for one packet as for a hundred, so the few second packets of rows that nobody
        decodes wait for the next time. Returns the rounds to be done now."""
        later = np.concatenate([np.arange(len(rows))[part] for part in rounds[1:]])
        if len(later) > min(_FEW, len(rows) // 2) or self._legs.received["decode"][rows[later]].any():
            return rounds
        later.sort()
        self._rows[:0] = rows[later].tolist()
        self._slots[:0] = [0] * len(later)
        self._sequences[:0] = sequences[later].tolist()
        self._stamps[:0] = stamps[later].tolist()
        self._starts[:0] = starts[later].tolist()
        self._ends[:0] = ends[later].tolist()
        self._at[:0] = at[later].tolist()
        return rounds[:1]

    def _buffer(
        self, rows: Ints, slots: Ints, starts: Ints, ends: Ints, stamps: Ints, laws: Ints, spare: Floats
    ) -> None:
        """Decode into the jitter buffer, packets of one shape at a time; `rows` are distinct."""
        groups: list[tuple[int, int, slice | Ints]]
        if (starts == starts[0]).all() and (ends == ends[0]).all():
            groups = [(int(starts[0]), int(ends[0]), slice(None))]
        else:
            groups = [
                (start, end, np.flatnonzero((starts == start) & (ends == end)))
                for start, end in sorted(set(zip(starts.tolist(), ends.tolist(), strict=True)))
            ]
        for start, end, part in groups:
            size = (end - start) // BLOCK * BLOCK
            if not size:
                continue
            octets = self._arena.octets[slots[part], start : start + size]
            law = laws[part]
            if (law == law[0]).all():
                samples = g711.DECODE[int(law[0])].take(octets)
            else:
                samples = g711.DECODE.reshape(-1).take(octets + (law.astype(np.int64) * 256)[:, None])
            self._legs.jitter.put(rows[part], stamps[part], samples, spare[part])

    # ----------------------------------------------------------------------------------------------------- one by one

    def _examine(self, batch: Batch, i: int, data: memoryview, now: Instant) -> tuple[int, int, bool] | None:
        """The payload's span when the packet is sound to be handled like the common ones, and whether it is the first
        to its sink; else None."""
        row = batch.rows[i]
        leg = self._legs.by_row[row]
        if leg is None:
            return None
        spec = leg.spec
        if spec.rtcp_mux and rtp.is_rtcp(data):
            self.control.append((leg, bytes(data), batch.addresses[i]))
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
        known = sound or event or kind == rtp.COMFORT_NOISE
        if len(data) >= SIZE or not known or packet.start == packet.end:
            leg.rejected += 1
            return None
        key = batch.keys[i]
        step = self._step(leg, packet.sequence)
        same = leg.heard and packet.ssrc == leg.ssrc
        if key != leg.key and not self._take_over(leg, key, same and abs(step) < CARRY_ON, batch.addresses[i], now):
            leg.rejected += 1
            return None
        if not same:
            self._begin(leg, packet, now)
        elif not -_MISORDER < step < CARRY_ON:
            if packet.sequence != leg.bad_sequence:
                leg.bad_sequence = (packet.sequence + 1) & 0xFFFF  # RFC 3550 A.1: believed when the next follows it
                return None
            self._begin(leg, packet, now)
        if not leg.heard or leg.silent:
            leg.heard, leg.silent = True, False
            self.reports.append(LegHeard(leg.id))
        if not sound:
            self._beside(leg, packet, data, now)
            return None
        return packet.start, packet.end, self._flow(leg, packet, now)

    def _step(self, leg: Leg, sequence: int) -> int:
        """How far `sequence` is ahead of the row's highest, −32768 … 32767."""
        return ((sequence - int(self._legs.received["highest"][leg.row]) + 0x8000) & 0xFFFF) - 0x8000

    def _flow(self, leg: Leg, packet: rtp.Packet, now: Instant) -> bool:
        """From here on packets like this one are common. Whether it is the first one to its sink."""
        legs = self._legs
        sinks = self._relay.routes.get(leg.row)
        head = PLAIN | packet.payload_type
        if not sinks or not legs.sendable[sinks[0]] or legs.kind[sinks[0]] != legs.kind[leg.row]:
            self._legs.received["relay"][leg.row] = columns.NOTHING
            self._legs.flows[leg.row] = (leg.key, head, packet.ssrc, -1, 0, 0, 0, 0)
            return False
        sink = sinks[0]
        seq_shift, ts_shift, fresh = self._relay.attach(leg.row, sink, packet.sequence, packet.timestamp, now)
        self._legs.received["relay"][leg.row] = sink
        state = self._legs.sent[sink]
        to = int(state["head"]), int(state["ssrc"]), seq_shift, ts_shift
        self._legs.flows[leg.row] = (leg.key, head, packet.ssrc, sink, *to)
        return fresh

    def _take_over(self, leg: Leg, key: int, continues: bool, source: Address, now: Instant) -> bool:
        allowed = may_take_over(
            learn=leg.spec.latch == "learn",
            locked=leg.key,
            signalled=leg.signalled_key,
            key=key,
            silent=now - float(self._legs.received["heard"][leg.row]),
            continues=continues,
            resignalled=leg.resignalled,
        )
        if allowed:
            leg.key, leg.locked, leg.locked_at, leg.resignalled = key, source, now, False
            if key != leg.signalled_key:
                self.reports.append(LegLatched(leg.id, source))
            self.moved.append(leg)
        return allowed

    def _begin(self, leg: Leg, packet: rtp.Packet, now: Instant) -> None:
        """A stream starts: the first one, another SSRC, or a jump of the sequence."""
        if leg.row in self._rows:
            self.account(now)
        leg.expected_before = self._legs.expected(leg)
        leg.base = packet.sequence
        leg.bad_sequence = -1
        leg.ssrc = packet.ssrc
        state = self._legs.received[leg.row]
        state["highest"] = packet.sequence - 1
        state["seen"] = 0
        state["transit"] = (int(now * int(state["rate"])) - packet.timestamp) & 0xFFFFFFFF
        self._legs.jitter.reset(leg.row)
        self._relay.restart(leg.row)
        if leg.keys is not None:
            leg.keys.reset()

    def _beside(self, leg: Leg, packet: rtp.Packet, data: memoryview, now: Instant) -> None:
        """Comfort noise and telephone-events share the sequence with the sound."""
        if leg.row in self._rows:
            self.account(now)
        state = self._legs.received[leg.row : leg.row + 1]
        stamp = (
            np.uint32(int(now * int(state["rate"][0])) & 0xFFFFFFFF) - state["transit"]
        )  # events share a timestamp: not for jitter
        duplicates = int(state["duplicate"][0])
        size = np.array([packet.end - packet.start])
        _count(state, np.array([packet.sequence], np.uint16), stamp, size, np.array([now]))
        if int(state["duplicate"][0]) != duplicates:
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


def _rounds(rows: Ints) -> list[slice | Ints]:
    """The packets in groups that hold each row once, in order of arrival."""
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    again = ordered[1:] == ordered[:-1]
    if not again.any():
        return [slice(None)]
    position = np.arange(len(rows))
    first = np.concatenate(([True], ~again))
    turn = position - np.maximum.accumulate(np.where(first, position, 0))
    return [np.sort(order[turn == n]) for n in range(int(turn.max()) + 1)]


def _count(state: columns.Table, sequences: Ints, stamps: Ints, sizes: Ints, at: np.ndarray) -> None:
    """Statistics of RFC 3550 A.1, A.3, A.8 for one packet of each row in `state`."""
    step = (sequences - state["highest"].astype(np.uint16)).view(np.int16)
    if (step == 1).all():
        state["highest"] += 1
        state["seen"] = state["seen"] << _ONE | _ONE
        state["packets"] += 1
    else:
        ahead = np.maximum(step, 0).astype(np.int64)
        behind = np.minimum(np.maximum(-step.astype(np.int64), 0), 63).astype(np.uint64)
        seen = np.where(ahead > 63, np.uint64(0), state["seen"] << np.minimum(ahead, 63).astype(np.uint64))
        bit = _ONE << behind
        again = (seen & bit) != 0
        state["seen"] = seen | bit
        state["highest"] += ahead
        state["packets"] += ~again
        state["duplicate"] += again
    state["octets"] += sizes
    state["heard"] = at
    transit = (at * state["rate"]).astype(np.int64).astype(np.uint32) - stamps
    off = np.abs((transit - state["transit"]).view(np.int32)).astype(np.float32)
    state["jitter"] += (off - state["jitter"]) * np.float32(1 / 16)
    state["transit"] = transit
