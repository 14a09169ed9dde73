"""From received packets to relayed packets, statistics and jitter buffers.

A packet's way has two parts. At once, packet by packet: is it the common packet of its row (source, SSRC, payload
type, plain header: one tuple to compare), and if the row is relayed, rewrite its header and hand it on. That takes
about 2 µs, less than numpy would for the few packets of a millisecond. Later, once a tick and for all packets together in
numpy: statistics, decoding, and the jitter buffers, which nobody reads before the tick.

All other packets take the slow way through `_examine`: first packets, telephone-events, strangers, junk. Junk is
counted and nothing else.
"""

import struct
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
        starts: list[int] = []
        ends: list[int] = []
        sinks: list[int] = []
        sequences: list[int] = []
        stamps: list[int] = []
        sizes: list[int] = []
        log_slot, log_row, log_start, log_end = (
            self._slots.append,
            self._rows.append,
            self._starts.append,
            self._ends.append,
        )
        log_sequence, log_stamp, log_at = self._sequences.append, self._stamps.append, self._at.append
        self.received += len(batch.rows)
        for i, (slot, row, length) in enumerate(zip(batch.slots, batch.rows, batch.lengths, strict=True)):
            base = slot * SIZE
            head, sequence, stamp, ssrc = unpack(memory, base)
            start = HEADER
            flow = flows[row]
            if (
                flow is None
                or batch.keys[i] != flow[0]
                or head & 0xFF7F != flow[1]
                or ssrc != flow[2]
                or not HEADER < length < SIZE
            ):
                span = self._examine(batch, i, memory[base : base + length], now)
                if span is None or (flow := flows[row]) is None:
                    continue
                start, length, fresh = span
                head |= fresh * MARKER
            log_slot(slot)
            log_row(row)
            log_start(start)
            log_end(length)
            log_sequence(sequence)
            log_stamp(stamp)
            log_at(now)
            if (sink := flow[3]) >= 0:
                size = length - start
                if len(routes := self._relay.routes[row]) > 1:
                    payload = bytes(memory[base + start : base + length])
                    for other in routes[1:]:
                        kind = int(self._legs.sent["head"][other]) & 0x7F
                        self._relay.one(row, other, kind, bool(head & MARKER), sequence, stamp, payload, now)
                base += start - HEADER  # the new header ends where the payload begins
                sequence = (sequence + flow[6]) & 0xFFFF
                stamp = (stamp + flow[7]) & 0xFFFFFFFF
                pack(memory, base, flow[4] | (head & MARKER), sequence, stamp, flow[5])
                starts.append(base)
                ends.append(base + HEADER + size)
                sinks.append(sink)
                sequences.append(sequence)
                stamps.append(stamp)
                sizes.append(size)
        if not sinks:
            return None
        self._relay.log(sinks, sequences, stamps, sizes, now)
        return Packets(memory, starts, ends, sinks)

    # -------------------------------------------------------------------------------------------------------- in bulk

    @property
    def waiting(self) -> bool:
        """Whether packets wait to be accounted for."""
        return bool(self._rows)

    def account(self, to_play: Instant) -> None:
        """Statistics and jitter buffers of all packets since the last time. `to_play`: when the next tick plays."""
        self._relay.account()
        if not self._rows:
            return
        rows = np.array(self._rows)
        sequences = np.array(self._sequences, np.uint16)
        stamps = np.array(self._stamps, np.uint32)
        at = np.array(self._at)
        slots, starts, ends = np.array(self._slots), np.array(self._starts), np.array(self._ends)
        for log in (self._rows, self._sequences, self._stamps, self._at, self._slots, self._starts, self._ends):
            log.clear()
        for part in _rounds(rows):
            some = rows[part]
            state = self._legs.received.take(some)
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
        sinks = self._relay.routes.get(leg.row)
        head = PLAIN | packet.payload_type
        if not sinks:
            self._legs.flows[leg.row] = (leg.key, head, packet.ssrc, -1, 0, 0, 0, 0)
            return False
        sink = sinks[0]
        seq_shift, ts_shift, fresh = self._relay.attach(leg.row, sink, packet.sequence, packet.timestamp, now)
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
