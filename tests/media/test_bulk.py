"""Many packets at once are the same as one after the other: the two ways through the receiver agree on everything."""

from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from softswitch.media.arena import SIZE, TICK, Arena, Batch
from softswitch.media.engine import Engine
from softswitch.wire import control, rtp

ROWS = 8
START = 50_000_000


def key_of(address):
    return hash(address) or 1


class Site:
    """Calls 0–1, 2–3 …; row 4 feeds three sinks; a slot's packet begins 32 octets into it."""

    def __init__(self):
        self.arena = Arena(1024, 32)
        self.engine = Engine(ROWS, Random(3), self.arena, key_of, START * TICK)
        self.engine.add_slots(control.Slot(i, 20000 + 2 * i) for i in range(ROWS))
        self.engine.skip(START + 1)
        self.sent = []
        now = (START + 0.4) * TICK
        for row in range(ROWS):
            spec = control.LegSpec("PCMU", 0, 101, ("192.0.2.1", 4000 + row))
            self.engine.command(control.OpenLeg(row + 1, row, spec), now)
        pairs = [(1, 2), (2, 1), (3, 4), (4, 3), (5, 6), (5, 7), (5, 8)]
        self.engine.command(control.Connect(tuple(control.Edge(a, b) for a, b in pairs)), now)
        self.engine.tick(START + 1)

    def give(self, packets, at, *, bulk):
        """`packets`: (row, source port, octets)."""
        for slot, (_, _, data) in enumerate(packets):
            base = slot * SIZE + 32
            self.arena.memory[base : base + len(data)] = data
        rows = [row for row, _, _ in packets]
        addresses = [("192.0.2.1", port) for _, port, _ in packets]
        batch = Batch(range(len(rows)), rows, [len(d) for _, _, d in packets], list(map(key_of, addresses)), addresses)
        receiver = self.engine.receiver
        out = receiver._all(batch, at) if bulk else receiver._each(batch, range(len(rows)), at)
        if out is not None:
            for start, end, row in zip(
                *(np.asarray(x).tolist() for x in (out.starts, out.ends, out.rows)), strict=True
            ):
                self.sent.append((row, out.memory[start:end].tobytes()))

    def outcome(self):
        """Everything that must agree; packets to one row in their order."""
        self.engine.tick(START + 2)
        self.engine.command(control.AskStats(), (START + 3) * TICK)
        by_row = {row: [data for to, data in self.sent if to == row] for row in range(ROWS)}
        others = [effect for effect in self.engine.effects if type(effect).__name__ == "SendOne"]
        return by_row, others, self.engine.reports, self.engine.legs.received.tolist(), self.engine.legs.sent.tolist()


def packet(row, sequence, kind=0, version=2, size=160, extra=0):
    data = bytearray(rtp.build(kind, sequence == 1, sequence, sequence * 160, 77 + row + extra, bytes(size)))
    data[0] = version << 6
    return bytes(data)


rows = st.integers(0, ROWS - 1)
common = st.tuples(rows, st.just(0), st.integers(0, 40), st.just(0), st.just(2), st.just(160), st.just(0))
odd = st.tuples(
    rows,
    st.sampled_from([0, 1]),
    st.integers(0, 40),
    st.sampled_from([0, 13, 55, 101]),
    st.sampled_from([2, 1]),
    st.sampled_from([0, 4, 160, 240]),
    st.sampled_from([0, 0, 1]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(st.one_of(common, common, odd), min_size=1, max_size=60), min_size=1, max_size=4))
def test_bulk_and_one_by_one_agree(batches):
    outcomes = []
    for bulk in (False, True):
        site = Site()
        for n, described in enumerate(batches):
            packets = [
                (row, 4000 + row + 100 * source, packet(row, sequence, kind, version, size, extra))
                for row, source, sequence, kind, version, size, extra in described
            ]
            site.give(packets, (START + 1.1 + n / 10) * TICK, bulk=bulk)
        outcomes.append(site.outcome())
    assert outcomes[0] == outcomes[1]


def test_a_flood_at_one_row_is_refused_unseen():
    """What nobody sends who means well is counted and costs next to nothing; the calls beside it go on."""
    site = Site()
    site.give([(0, 4000, packet(0, 1)), (1, 4001, packet(1, 1))], (START + 1.1) * TICK, bulk=False)
    sent = len(site.sent)
    junk = [(0, 4000, packet(0, n, kind=77)) for n in range(500)]
    site.give([*junk, (1, 4001, packet(1, 2))], (START + 1.2) * TICK, bulk=True)
    assert len(site.sent) == sent + 1
    leg = site.engine.legs.by_row[0]
    assert leg is not None
    assert leg.rejected == 500
