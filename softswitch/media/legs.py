"""The legs: their rows in the tables, and what is too rare for a table."""

from collections.abc import Iterator
from random import Random

import numpy as np

from softswitch.kernel.clock import Duration, Instant
from softswitch.media import columns, comfort
from softswitch.media.arena import BLOCK, RATE, Address, Ints, Samples, Times
from softswitch.media.codecs import CODECS, FOREIGN, NARROW, WIDE
from softswitch.media.coded import Coded
from softswitch.media.columns import Table
from softswitch.media.flows import Flows
from softswitch.media.jitter import NOISE, JitterBuffer
from softswitch.media.latch import NOBODY
from softswitch.media.outlet import Outlet
from softswitch.wire.control import LegSpec, Other
from softswitch.wire.dtmf import EventReceiver, EventSender
from softswitch.wire.rtp import CLOCK_RATES, PLAIN

_NO_BOUND = 1 << 30


class Leg:
    """What is known about one leg beside its rows. Addresses are None until known."""

    __slots__ = (
        "bad_sequence",
        "base",
        "bye_ssrc",
        "cname",
        "event_base",
        "expected_before",
        "expected_reported",
        "heard",
        "id",
        "judged",
        "key",
        "keys",
        "kinds",
        "last_sr",
        "last_sr_at",
        "locked",
        "locked_at",
        "opened",
        "outlet",
        "packets_base",
        "packets_reported",
        "rejected",
        "remote_fraction",
        "remote_jitter",
        "remote_lost",
        "report_at",
        "report_from",
        "reported",
        "reports",
        "resignalled",
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
        self.kinds: dict[int, Other] = {}  # what arrives beside the first codec and its events
        self.sender: EventSender | None = None
        self.event_base = 0
        self.outlet: Outlet | None = None  # made by the sender when needed
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
        self.bye_ssrc = -1
        self.judged = False  # the peer has told how it hears us
        self.packets_base = 0  # packets of earlier streams
        self.remote_fraction = 0.0
        self.reports = 0
        self.remote_lost = 0
        self.remote_jitter = 0
        self.round_trip: Duration = -1.0


class Legs:
    """All legs by id and by row. `kind` numbers a row's codec, 0 when unknown: equal kinds may be relayed when the
    source's `packet_ms` is within the sink's `longest_ms` (ptime is a wish, maxptime is not: RFC 8866 §6.4, §6.5);
    `sendable` are rows that may send; `listened` are pulled although nobody hears them; `flows` let common
    packets pass without a closer look; `look_at` is when the leg is to be looked at although packets come.

    `plane` says at which rate a row is decoded and mixed (−1: not at all): in the buffer `jitter` at 8 kHz, or `wide`
    at 16 kHz, where the payloads of some wait as `coded`. `received_items` and `sent_items` are those tables to be
    written to many rows at a time (`columns.items`)."""

    __slots__ = (
        "_kinds",
        "by_id",
        "by_row",
        "capacity",
        "changed",
        "coded",
        "dice",
        "flows",
        "jitter",
        "kind",
        "listened",
        "longest_ms",
        "look_at",
        "packet_ms",
        "plane",
        "received",
        "received_items",
        "sendable",
        "sent",
        "sent_items",
        "wide",
    )

    def __init__(self, capacity: int, dice: Random) -> None:
        self.capacity = capacity
        self.dice = dice
        self.by_id: dict[int, Leg] = {}
        self.by_row: list[Leg | None] = [None] * capacity
        self.received: Table = columns.table(columns.RECEIVED, capacity)
        self.sent: Table = columns.table(columns.SENT, capacity)
        self.received_items, self.sent_items = columns.items(self.received), columns.items(self.sent)
        self.jitter = JitterBuffer(capacity)
        self.wide = JitterBuffer(capacity, 2 * BLOCK)
        self.coded = Coded(capacity, self.wide, self._refuse)
        self.changed: set[int] = set()  # rows described anew since the last plan
        self.flows = Flows(capacity)
        self.kind: Ints = np.zeros(capacity, np.int64)
        self.packet_ms: Ints = np.zeros(capacity, np.int64)
        self.plane = np.full(capacity, -1, np.int8)
        self.longest_ms: Ints = np.zeros(capacity, np.int64)
        self.listened = np.zeros(capacity, bool)
        self.sendable = np.zeros(capacity, bool)
        self.look_at: Times = np.full(capacity, np.inf)
        self._kinds: dict[tuple[str, str, int], int] = {}

    def __iter__(self) -> Iterator[Leg]:
        return iter(self.by_id.values())

    def open(self, id: int, row: int, spec: LegSpec, now: Instant) -> Leg:
        """A fresh leg on a free row; `describe` it next."""
        leg = Leg(id, row, spec, now)
        self.by_id[id] = self.by_row[row] = leg
        bits = self.dice.getrandbits(80)
        self.received[row] = (0, 0, 0, 0, 0, now, 0.0, 0.0, 0, 0, 0, columns.NOTHING, RATE, FOREIGN, False)
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
            FOREIGN,
        )
        self.quiet(row)
        return leg

    def close(self, leg: Leg) -> None:
        """The row is free."""
        row = leg.row
        del self.by_id[leg.id]
        self.by_row[row] = None
        self.flows.clear(row)
        self.received["decode"][row] = False
        self.sendable[row] = self.listened[row] = False
        self.kind[row] = 0
        self.look_at[row] = np.inf
        self.changed.add(row)
        self.coded.reset(row)

    def quiet(self, row: int) -> None:
        """What was heard of the row so far says nothing about what comes."""
        self.jitter.reset(row)
        self.wide.reset(row)
        self.coded.reset(row)

    def restart(self, row: int) -> None:
        """Another stream of the same leg begins."""
        self.buffer(row).restart(row)
        self.coded.reset(row)

    def comfort(self, row: int, timestamp: int, payload: bytes) -> None:
        """The peer is silent from `timestamp` on, and says how that sounds (RFC 3389; `payload` is not empty)."""
        buffer = self.buffer(row)
        buffer.comfort(row, timestamp, comfort.noise(payload, NOISE * buffer.block))

    def buffer(self, row: int) -> JitterBuffer:
        """Where the row's sound waits."""
        return self.wide if self.plane[row] == WIDE else self.jitter

    def pull(self, rows: Ints, plane: int) -> Samples:
        """The next 20 ms of each row, which are all of `plane`: [n, 160] or [n, 320]."""
        if plane == NARROW:
            return self.jitter.pull(rows)
        self.coded.advance(rows)
        return self.wide.pull(rows)

    def _refuse(self, row: int) -> None:
        if (leg := self.by_row[row]) is not None:
            leg.rejected += 1

    def describe(self, leg: Leg, spec: LegSpec) -> None:
        """Take over what was negotiated."""
        row, before = leg.row, leg.spec
        leg.spec = spec
        codec = CODECS.get(spec.codec)
        self.received["codec"][row] = self.sent["codec"][row] = FOREIGN if codec is None else codec.number
        self.plane[row] = -1 if codec is None else codec.plane
        self.flows.clear(row)
        self.sent["head"][row] = PLAIN | spec.payload_type
        self.kind[row] = self._kind(spec)
        self.packet_ms[row] = spec.packet_ms
        self.look_at[row] = 0.0
        self.longest_ms[row] = spec.max_packet_ms if spec.max_packet_ms and codec is not None else _NO_BOUND
        self.received["rate"][row] = spec.clock or CLOCK_RATES.get(spec.codec, RATE)
        leg.kinds = {(other.payload_type if other.arrives < 0 else other.arrives): other for other in spec.also}
        self.changed.add(row)
        if (spec.codec, spec.packet_ms, spec.fmtp) != (before.codec, before.packet_ms, before.fmtp):
            leg.outlet = None
        if codec is not None:
            self.coded.assign(row, codec.number)
            self.buffer(row).tune(row, codec.clock)
        if spec.codec != before.codec:
            self.quiet(row)
        self.ready(leg)

    def ready(self, leg: Leg) -> None:
        """Work out whether the leg may send."""
        busy = leg.sender is not None and leg.sender.busy
        sendable = leg.spec.send and bool(leg.spec.codec) and leg.target is not None and not busy
        if sendable != self.sendable[leg.row]:
            self.sendable[leg.row] = sendable
            self.changed.add(leg.row)

    def newest(self, row: int) -> Samples | None:
        """The last 20 ms that have come from the row, heard or not; None when they are not at hand."""
        return self.buffer(row).newest(row)

    def _kind(self, spec: LegSpec) -> int:
        if not spec.codec:
            return 0
        fmtp = "" if spec.codec in CODECS else spec.fmtp  # which of ours says only what its receiver prefers
        return self._kinds.setdefault((spec.codec, fmtp, spec.clock), len(self._kinds) + 1)

    def event_clock(self, leg: Leg) -> int:
        """Hz in which the leg's telephone-events count."""
        return leg.spec.event_clock or int(self.received["rate"][leg.row])

    def expected(self, leg: Leg) -> int:
        """Packets that the peer has sent by its sequence numbers (RFC 3550 A.3)."""
        if not leg.heard:
            return leg.expected_before
        state = self.received[leg.row]
        return leg.expected_before + int(state["highest"]) - int(state["skipped"]) - leg.base + 1
