"""The legs: their rows in the tables, and what is too rare for a table."""

from collections.abc import Iterator
from random import Random
from typing import Final

import numpy as np

from softswitch.kernel.clock import Duration, Instant
from softswitch.media import columns, quality
from softswitch.media.arena import RATE, Address, Ints
from softswitch.media.columns import Table
from softswitch.media.flows import Flows
from softswitch.media.jitter import JitterBuffer
from softswitch.media.latch import NOBODY
from softswitch.wire.control import LegSpec, LegStats
from softswitch.wire.dtmf import EventReceiver, EventSender
from softswitch.wire.rtp import CLOCK_RATES, PLAIN

LAWS: Final = {"PCMU": 0, "PCMA": 1}
"""Codecs that are mixed, and their law in the tables."""

_FOREIGN: Final = 255  # law of what can only be relayed
_OTHER_DELAYS_MS = 40.0  # packetisation and the phone's own buffer, for the E-model


class Leg:
    """What is known about one leg beside its rows. Addresses are None until known."""

    __slots__ = (
        "bad_sequence",
        "base",
        "cname",
        "event_base",
        "expected_before",
        "expected_reported",
        "heard",
        "id",
        "key",
        "keys",
        "last_sr",
        "last_sr_at",
        "locked",
        "locked_at",
        "opened",
        "packets_reported",
        "rejected",
        "remote_jitter",
        "remote_lost",
        "report_at",
        "report_from",
        "reported",
        "resignalled",
        "rest",
        "round_trip",
        "row",
        "sender",
        "settled",
        "signalled",
        "signalled_key",
        "silent",
        "spec",
        "ssrc",
        "target",
    )

    def __init__(self, id: int, row: int, spec: LegSpec, now: Instant) -> None:
        self.id = id
        self.row = row
        self.spec = spec
        self.opened = now
        self.signalled: Address | None = None
        self.signalled_key = NOBODY
        self.resignalled = False
        self.locked: Address | None = None
        self.key = NOBODY  # of the lock
        self.ssrc = -1
        self.locked_at = now
        self.settled = False
        self.target: Address | None = None
        self.heard = self.silent = False
        self.keys: EventReceiver | None = None
        self.sender: EventSender | None = None
        self.event_base = 0
        self.rest = bytearray()  # encoded sound that does not fill a packet yet
        self.rejected = 0
        self.base = 0  # first extended sequence number of the stream
        self.bad_sequence = -1
        self.expected_before = 0  # packets expected of earlier streams
        self.cname = ""
        self.reported = False
        self.report_at: Instant = 0.0
        self.report_from: Address | None = None
        self.expected_reported = self.packets_reported = 0
        self.last_sr = 0
        self.last_sr_at: Instant = 0.0
        self.remote_lost = 0
        self.remote_jitter = 0
        self.round_trip: Duration = -1.0


class Legs:
    """All legs by id and by row. `kind` numbers a row's codec with its packet time, 0 when unknown: equal kinds may
    be relayed; `sendable` are rows that may send; `flows` let common packets pass without a closer look."""

    __slots__ = (
        "_kinds",
        "by_id",
        "by_row",
        "capacity",
        "changed",
        "dice",
        "flows",
        "jitter",
        "kind",
        "packet_ms",
        "received",
        "sendable",
        "sent",
    )

    def __init__(self, capacity: int, dice: Random) -> None:
        self.capacity = capacity
        self.dice = dice
        self.by_id: dict[int, Leg] = {}
        self.by_row: list[Leg | None] = [None] * capacity
        self.received: Table = columns.table(columns.RECEIVED, capacity)
        self.sent: Table = columns.table(columns.SENT, capacity)
        self.jitter = JitterBuffer(capacity)
        self.changed: set[int] = set()  # rows described anew since the last plan
        self.flows = Flows(capacity)
        self.kind: Ints = np.zeros(capacity, np.int64)
        self.packet_ms: Ints = np.zeros(capacity, np.int64)
        self.sendable = np.zeros(capacity, bool)
        self._kinds: dict[tuple[str, str, int], int] = {}

    def __iter__(self) -> Iterator[Leg]:
        return iter(self.by_id.values())

    def open(self, id: int, row: int, spec: LegSpec, now: Instant) -> Leg:
        """A fresh leg on a free row; `describe` it next."""
        leg = Leg(id, row, spec, now)
        self.by_id[id] = self.by_row[row] = leg
        bits = self.dice.getrandbits(80)
        self.received[row] = (0, 0, 0, 0, now, 0.0, 0, 0, columns.NOTHING, RATE, _FOREIGN, False)
        self.sent[row] = (
            now,
            0,
            0,
            bits & 0xFFFFFFFF,
            bits >> 48,
            0,
            columns.NOTHING,
            bits >> 32 & 0xFFFF,
            0,
            0,
            _FOREIGN,
        )
        self.jitter.reset(row)
        return leg

    def close(self, leg: Leg) -> None:
        """The row is free."""
        row = leg.row
        del self.by_id[leg.id]
        self.by_row[row] = None
        self.flows.clear(row)
        self.received["decode"][row] = False
        self.sendable[row] = False
        self.kind[row] = 0

    def describe(self, leg: Leg, spec: LegSpec) -> None:
        """Take over what was negotiated."""
        row, before = leg.row, leg.spec
        leg.spec = spec
        law = LAWS.get(spec.codec, _FOREIGN)
        self.received["codec"][row] = self.sent["codec"][row] = law
        self.flows.clear(row)
        self.sent["head"][row] = PLAIN | spec.payload_type
        self.kind[row] = self._kind(spec)
        self.packet_ms[row] = spec.packet_ms
        self.received["rate"][row] = CLOCK_RATES.get(spec.codec, RATE)
        self.changed.add(row)
        if spec.codec != before.codec:
            self.jitter.reset(row)
            leg.rest.clear()
        self.ready(leg)

    def ready(self, leg: Leg) -> None:
        """Work out whether the leg may send."""
        busy = leg.sender is not None and leg.sender.busy
        self.sendable[leg.row] = leg.spec.send and bool(leg.spec.codec) and leg.target is not None and not busy

    def _kind(self, spec: LegSpec) -> int:
        if not spec.codec:
            return 0
        fmtp = "" if spec.codec in LAWS else spec.fmtp
        return self._kinds.setdefault((spec.codec, fmtp, spec.packet_ms), len(self._kinds) + 1)

    def expected(self, leg: Leg) -> int:
        """Packets that the peer has sent by its sequence numbers (RFC 3550 A.3)."""
        if not leg.heard:
            return leg.expected_before
        return leg.expected_before + int(self.received["highest"][leg.row]) - leg.base + 1

    def statistics(self, leg: Leg) -> LegStats:
        """How the leg fares so far."""
        row = leg.row
        if not leg.heard and not self.sent["packets"][row]:
            return LegStats(leg.id, 0, 0, 0, 0, 0, 0, 0, leg.rejected, 0.0, 0, 0.0, -1.0, 0.0)
        received, sent, buffer = self.received[row].item(), self.sent[row].item(), self.jitter.state[row]
        packets, octets, jitter, duplicate = received[2], received[3], received[5], received[7]
        late, rate = int(buffer["late"]), CLOCK_RATES.get(leg.spec.codec, RATE)
        expected = self.expected(leg)
        lost = max(expected - packets, 0)
        jitter_ms = jitter * 1000 / rate
        trip = leg.round_trip * 1000 if leg.round_trip >= 0 else -1.0
        loss = min((lost + late) / expected, 1.0) if expected else 0.0
        delay = max(trip, 0.0) / 2 + 1000 * self.jitter.delay(row) + _OTHER_DELAYS_MS
        return LegStats(
            leg=leg.id,
            received=packets,
            received_bytes=octets,
            sent=sent[1],
            sent_bytes=sent[2],
            lost=lost,
            late=late,
            duplicate=duplicate,
            rejected=leg.rejected,
            jitter_ms=jitter_ms,
            remote_lost=leg.remote_lost,
            remote_jitter_ms=leg.remote_jitter * 1000 / rate,
            round_trip_ms=trip,
            mos=quality.mos(quality.rating(loss, delay)) if packets else 0.0,
        )
