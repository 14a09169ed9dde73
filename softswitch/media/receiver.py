"""From received packets to relayed packets at once; statistics and jitter buffers come later and in bulk (`account`).

Is it the common packet of its row (source, SSRC, payload type, plain header), and is the row relayed: then its header
is rewritten where it lies and it goes on. A few packets are looked at one by one, about 0.6 µs each; from `_BULK` on
all at once in numpy, about 10 µs for the batch and 0.02 µs each.

All other packets take the slow way through `_examine`: first packets, telephone-events, strangers, junk. Junk is
counted and nothing else.
"""

import struct
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import numpy as np

from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import PeerError
from softswitch.media import columns
from softswitch.media.account import Account, count
from softswitch.media.arena import SIZE, Address, Arena, Batch, Ints, Packets
from softswitch.media.effects import SendOne
from softswitch.media.flows import (
    FIRST,
    FLIP_FIRST,
    FLIP_SECOND,
    KEY,
    LOOK_FIRST,
    LOOK_SECOND,
    SECOND,
    SEQUENCE,
    SINK,
    TIMESTAMP,
)
from softswitch.media.latch import CARRY_ON, may_take_over
from softswitch.media.legs import Leg, Legs
from softswitch.media.relay import Relay
from softswitch.wire import dtmf, rtp
from softswitch.wire.control import DATAGRAMS, LegHeard, LegLatched, Other, Report
from softswitch.wire.rtp import HEADER, MARKER, PLAIN

_MISORDER: Final = 100  # RFC 3550 A.1, MAX_MISORDER
_BULK: Final = 16  # packets from which on numpy is the cheaper way
_FLOOD: Final = 32  # odd packets of one row in a batch that are looked at
_FLOOD_OF_FRAMES: Final = 256  # the same for video, whose large frames may change between SSRCs
# Constants are arrays without dimensions: numpy takes 0.2 µs longer for a number of Python's.
_NUMBERS = np.array(0xFFFF_FFFF_FFFF, np.uint64)  # sequence and timestamp of a packet's first word
_LEAST = np.array(HEADER + 1)  # octets of a packet that says anything
_SLOT_SIZE = np.array(SIZE)
_FIRST_ROW = np.array(0)
_header = struct.Struct("!HHII")


class Receiver:
    """`reports`, `pressed`, `control` (RTCP on the RTP port), `moved` (legs with a new source) and `switched` (legs
    whose peer sends another of the agreed formats) gather what the engine has to see to; it empties them. The memory
    of packets must stay until `account`."""

    __slots__ = (
        "_arena",
        "_legs",
        "_offset",
        "_relay",
        "_room",
        "_start",
        "account",
        "control",
        "listening",
        "moved",
        "pressed",
        "received",
        "reports",
        "switched",
    )

    def __init__(self, legs: Legs, relay: Relay, arena: Arena) -> None:
        self._legs = legs
        self._relay = relay
        self._arena = arena
        self._offset = np.array(arena.offset)
        self._room = np.array(arena.room - (HEADER + 1), np.uint64)
        self._start = np.array((arena.offset + HEADER) << 48, np.uint64)  # of a common payload, for `Account.log`
        self.account = Account(legs, relay, arena)
        self.reports: list[Report] = []
        self.pressed: list[tuple[Leg, dtmf.Pressed]] = []
        self.control: list[tuple[Leg, bytes, Address]] = []
        self.moved: list[Leg] = []
        self.switched: list[tuple[Leg, Other]] = []
        self.listening: dict[int, Leg] = {}  # legs with a key still down
        self.received = 0

    def receive(self, batch: Batch, now: Instant) -> Packets | None:
        """Take in a batch; returns what is relayed at once."""
        size = len(batch.rows)
        self.received += size
        if size < _BULK:
            return self._each(batch, range(size), now)
        return self._all(batch, now)

    # -------------------------------------------------------------------------------------------------------- in bulk

    def _all(self, batch: Batch, now: Instant) -> Packets | None:
        """The common packets of many rows at once; rows that hold anything else are taken one by one."""
        arena = self._arena
        slots, rows = np.asarray(batch.slots), np.asarray(batch.rows)
        lengths, keys = np.asarray(batch.lengths), np.asarray(batch.keys)
        heads = arena.heads[slots].view(np.uint64).reshape(-1, 2) if batch.heads is None else batch.heads
        first, second = heads[:, 0], heads[:, 1]
        flows = self._legs.flows.take(rows)
        common = keys.view(np.uint64) == flows[:, KEY]
        common &= first & LOOK_FIRST == flows[:, FIRST]
        common &= second & LOOK_SECOND == flows[:, SECOND]
        common &= (lengths - _LEAST).view(np.uint64) < self._room
        apart = None
        if np.count_nonzero(common) < len(rows):
            odd = np.isin(rows, np.unique(rows[~common]))
            apart = self._each(batch, self._spare_from_floods(rows, odd, common).tolist(), now)
            if odd.all():
                return apart
            keep = ~odd
            slots, rows, lengths, first, second, flows = (
                slots[keep], rows[keep], lengths[keep], first[keep], second[keep], flows[keep],
            )  # fmt: skip
        words = first.byteswap()  # first octets (16 bits), sequence (16), timestamp (32)
        self.account.log(rows, slots, lengths + self._offset, words & _NUMBERS | self._start, now)
        sinks = flows[:, SINK].view(np.int64)
        on = (sinks >= _FIRST_ROW).nonzero()[0]
        if len(on) < len(sinks):
            if not len(on):
                return apart
            slots, lengths, words, second, sinks, flows = (
                slots[on], lengths[on], words[on], second[on], sinks[on], flows[on],
            )  # fmt: skip
        words ^= flows[:, FLIP_FIRST]
        words.view(np.uint32)[::2] += flows.view(np.uint32)[:, TIMESTAMP]
        words.view(np.uint16)[2::4] += flows.view(np.uint16)[:, SEQUENCE]
        fresh = np.empty((len(slots), 2), np.uint64)
        fresh[:, 0] = words.byteswap()
        np.bitwise_xor(second, flows[:, FLIP_SECOND], out=fresh[:, 1])
        arena.heads[slots] = fresh.view(arena.heads.dtype)[:, 0]
        starts = slots * _SLOT_SIZE + self._offset
        packets = Packets(arena.flat, starts, starts + lengths, sinks)
        return packets if apart is None else _both(packets, apart)

    def _spare_from_floods(self, rows: Ints, odd: np.ndarray, common: np.ndarray) -> Ints:
        """The packets to be looked at one by one: those of `odd` rows, but of what is not common no more than anybody
        sends who means well. The rest is refused unseen."""
        chosen = np.flatnonzero(odd)
        strange = np.flatnonzero(~common)
        if len(strange) <= _FLOOD:
            return chosen
        counts = np.bincount(rows[strange])
        for row in np.flatnonzero(counts > _FLOOD).tolist():
            leg = self._legs.by_row[row]
            most = _FLOOD_OF_FRAMES if leg is not None and leg.spec.transparent else _FLOOD
            refused = strange[rows[strange] == row][most:]
            chosen = np.setdiff1d(chosen, refused, assume_unique=True)
            if leg is not None:
                leg.rejected += len(refused)
        return chosen

    # ----------------------------------------------------------------------------------------------------- one by one

    def _each(self, batch: Batch, chosen: Iterable[int], now: Instant) -> Packets | None:
        """Packets looked at in their order."""
        arena = self._arena
        flows, unpack, pack, memory = self._legs.flows.each, _header.unpack_from, _header.pack_into, arena.memory
        offset, room = arena.offset, arena.room
        many, relay_one = self._relay.many, self._relay.one
        slots, rows, lengths, keys = batch.slots, batch.rows, batch.lengths, batch.keys
        if isinstance(rows, np.ndarray):
            slots, rows, lengths, keys = (np.asarray(some).tolist() for some in (slots, rows, lengths, keys))
        log_row, log_slot, log_end, log_word = (some.append for some in self.account.open)
        starts: list[int] = []
        ends: list[int] = []
        sinks: list[int] = []
        for i in chosen:
            slot, row, end = slots[i], rows[i], lengths[i]
            base = slot * SIZE + offset
            head, sequence, stamp, ssrc = unpack(memory, base)
            start = HEADER
            flow = flows[row]
            if (
                flow is None
                or keys[i] != flow[0]
                or head & 0xFF7F != flow[1]
                or ssrc != flow[2]
                or not HEADER < end < room
            ):
                span = self._examine(batch, i, row, keys[i], memory[base : base + end], now)
                if span is None or (flow := flows[row]) is None:
                    continue
                start, end, fresh = span
                head |= fresh * MARKER
            log_row(row)
            log_slot(slot)
            log_end(end + offset)
            log_word(start + offset << 48 | sequence << 32 | stamp)
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
        self.account.close(now)
        return Packets(arena.flat, starts, ends, sinks) if sinks else None

    def _examine(
        self, batch: Batch, i: int, row: int, key: int, data: memoryview, now: Instant
    ) -> tuple[int, int, bool] | None:
        """The payload's span when the packet is sound to be handled like the common ones, and whether it is the first
        to its sink; else None."""
        leg = self._legs.by_row[row]
        if leg is None:
            return None
        spec = leg.spec
        if spec.rtcp_mux and rtp.is_rtcp(data):
            self.control.append((leg, bytes(data), batch.addresses[i]))
            return None
        if not spec.receive or not spec.codec:
            return None
        if spec.codec == DATAGRAMS:
            self._pass(leg, key, batch.addresses[i], data, now)
            return None
        if spec.transparent:
            return self._hand_on(leg, key, batch.addresses[i], data, now)
        try:
            packet = rtp.parse(data)
        except PeerError:
            leg.rejected += 1
            return None
        kind = packet.payload_type
        if (other := leg.kinds.get(kind)) is not None and other.codec == "telephone-event":
            kind = spec.event_type
            packet = replace(packet, payload_type=kind)
        sound = kind == spec.payload_type or other is not None
        event = kind == spec.event_type
        known = sound or event or kind == rtp.COMFORT_NOISE
        if len(data) >= self._arena.room or not known or packet.start == packet.end:
            leg.rejected += 1
            return None
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
        if other is not None and not event and other.codec != spec.codec:
            self.switched.append((leg, other))
            return None
        if not sound or event:
            self._beside(leg, packet, data, now)
            return None
        return packet.start, packet.end, self._flow(leg, packet, now)

    def _hand_on(
        self, leg: Leg, key: int, source: Address, data: memoryview, now: Instant
    ) -> tuple[int, int, bool] | None:
        """A packet of a transparent stream: its peer, version and length are looked at, nothing else. Those that look
        like it are common from here on, and leave with the header that they came with."""
        legs, row = self._legs, leg.row
        sound = HEADER <= len(data) < self._arena.room and data[0] >> 6 == 2
        if not sound or (key != leg.key and not self._take_over(leg, key, False, source, now)):
            leg.rejected += 1
            return None
        if not leg.heard or leg.silent:
            leg.heard, leg.silent = True, False
            self.reports.append(LegHeard(leg.id))
        sinks = self._relay.routes.get(row, ())
        sink = columns.NOTHING
        if sinks and legs.sendable[sinks[0]] and legs.kind[sinks[0]] == legs.kind[row]:
            sink = sinks[0]
            legs.sent["feed"][sink] = row
            legs.sent["seq_shift"][sink] = legs.sent["ts_shift"][sink] = 0
        legs.received["relay"][row] = sink
        head, _, _, ssrc = _header.unpack_from(data)
        head &= 0xFFFF ^ MARKER
        legs.flows.set(row, (leg.key, head, ssrc, sink, head, ssrc, 0, 0), alone=True)
        return HEADER, len(data), False

    def _pass(self, leg: Leg, key: int, source: Address, data: memoryview, now: Instant) -> None:
        """A datagram that is no RTP (UDPTL of a fax, some 50 a second): to the far end as it is."""
        legs, row = self._legs, leg.row
        if not 0 < len(data) < self._arena.room or (
            key != leg.key and not self._take_over(leg, key, False, source, now)
        ):
            leg.rejected += 1
            return
        if not leg.heard or leg.silent:
            leg.heard, leg.silent = True, False
            self.reports.append(LegHeard(leg.id))
        legs.received["packets"][row] += 1
        legs.received["octets"][row] += len(data)
        legs.received["heard"][row] = now
        for sink in self._relay.routes.get(row, ()):
            if legs.sendable[sink] and legs.kind[sink] == legs.kind[row]:
                legs.sent["packets"][sink] += 1
                legs.sent["octets"][sink] += len(data)
                self._relay.effects.append(SendOne(sink, bytes(data)))

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
            self._legs.flows.set(leg.row, (leg.key, head, packet.ssrc, -1, 0, 0, 0, 0), alone=True)
            return False
        sink = sinks[0]
        seq_shift, ts_shift, fresh = self._relay.attach(leg.row, sink, packet.sequence, packet.timestamp, now)
        self._legs.received["relay"][leg.row] = sink
        state = self._legs.sent[sink]
        to = int(state["head"]), int(state["ssrc"]), seq_shift, ts_shift
        self._legs.flows.set(leg.row, (leg.key, head, packet.ssrc, sink, *to), alone=len(sinks) == 1)
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
            at_home=source[0] == leg.spec.host and (leg.locked is None or leg.locked[0] != source[0]),
        )
        if allowed:
            leg.key, leg.locked, leg.locked_at, leg.resignalled = key, source, now, False
            if key != leg.signalled_key:
                self.reports.append(LegLatched(leg.id, source))
            self.moved.append(leg)
        return allowed

    def _begin(self, leg: Leg, packet: rtp.Packet, now: Instant) -> None:
        """A stream starts: the first one, another SSRC, or a jump of the sequence."""
        if self.account.awaits(leg.row):
            self.account.fully(now)
        leg.expected_before = self._legs.expected(leg)
        leg.packets_base = int(self._legs.received["packets"][leg.row])
        leg.expected_reported = leg.packets_reported = 0
        leg.base = packet.sequence
        leg.bad_sequence = -1
        leg.ssrc = packet.ssrc
        state = self._legs.received[leg.row]
        state["highest"] = packet.sequence - 1
        state["seen"] = state["skipped"] = 0
        state["transit"] = (int(now * int(state["rate"])) - packet.timestamp) & 0xFFFFFFFF
        self._legs.restart(leg.row)
        self._relay.restart(leg.row)
        if leg.keys is not None:
            leg.keys.reset()

    def _beside(self, leg: Leg, packet: rtp.Packet, data: memoryview, now: Instant) -> None:
        """Comfort noise and telephone-events share the sequence with the sound."""
        if self.account.awaits(leg.row):
            self.account.fully(now)
        state = self._legs.received[leg.row : leg.row + 1]
        stamp = (
            np.uint32(int(now * int(state["rate"][0])) & 0xFFFFFFFF) - state["transit"]
        )  # events share a timestamp: not for jitter
        duplicates = int(state["duplicate"][0])
        size = np.array([packet.end - packet.start])
        count(state, np.array([packet.sequence], np.uint16), stamp, size, np.array([now]))
        if int(state["duplicate"][0]) != duplicates:
            return
        self._relay.beside(leg, packet, bytes(data[packet.start : packet.end]), now)
        if packet.payload_type != leg.spec.event_type:
            self._legs.comfort(leg.row, packet.timestamp, bytes(data[packet.start : packet.end]))
            return
        try:
            event = dtmf.parse(data[packet.start : packet.end])
        except PeerError:
            leg.rejected += 1
            return
        clock = self._legs.event_clock(leg)
        if leg.keys is None or leg.keys.clock != clock:
            leg.keys = dtmf.EventReceiver(clock)
        self.pressed += [(leg, pressed) for pressed in leg.keys.receive(event, packet.timestamp, now)]
        self.listening[leg.id] = leg

    def wake(self, now: Instant) -> None:
        """Keys whose end was lost."""
        for leg in list(self.listening.values()):
            if leg.keys is not None:
                self.pressed += [(leg, pressed) for pressed in leg.keys.wake(now)]
            if leg.keys is None or leg.keys.deadline() is None:
                del self.listening[leg.id]


def _both(one: Packets, other: Packets) -> Packets:
    """The packets of both, which lie in the same memory."""
    return Packets(
        one.memory,
        np.concatenate((one.starts, other.starts)),
        np.concatenate((one.ends, other.ends)),
        np.concatenate((one.rows, other.rows)),
    )
