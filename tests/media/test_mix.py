import numpy as np

from softswitch.media.mix import Edges, Product, clip

SOUND = np.arange(1, 5, dtype=np.float32)[:, None] * np.ones(160, np.float32)


def product(edges):
    chosen = np.arange(edges.count)
    return Product(edges, chosen, np.zeros(len(chosen)))


def settled(*wanted):
    edges = Edges()
    for source, sink, gain in wanted:
        edges.connect(source, sink, gain)
    edges.settle()
    return edges


def mixed(edges):
    ready = product(edges)
    out = ready(SOUND[ready.sources])
    return dict(zip(ready.sinks.tolist(), out[:, -1].tolist(), strict=True))


def test_a_sink_hears_the_sum_of_its_sources():
    assert mixed(settled((0, 10, 1.0), (1, 10, 1.0), (2, 11, 0.5))) == {10: 3.0, 11: 1.5}


def test_a_conference_is_the_sum_minus_oneself():
    edges = settled(*((a, b, 1.0) for a in range(4) for b in range(4) if a != b))
    assert mixed(edges) == {n: 10.0 - (n + 1) for n in range(4)}


def test_gains_ramp_over_one_frame():
    """No clicks: a new edge rises from silence, a removed one falls to it, no step is larger than 1/160."""
    edges = Edges()
    edges.connect(0, 9, 1.0)
    rising = product(edges)
    assert rising.ramping()
    out = rising(SOUND[:1])[0]
    assert np.abs(np.diff(out, prepend=0.0)).max() <= 1 / 160 + 1e-6
    assert out[-1] == 1.0
    edges.settle()
    assert not product(edges).ramping()
    edges.disconnect(0, 9)
    out = product(edges)(SOUND[:1])[0]
    assert np.abs(np.diff(out, prepend=1.0)).max() <= 1 / 160 + 1e-6
    assert out[-1] == 0.0
    assert edges.settle()
    assert edges.count == 0


def test_edges_come_and_go_without_holes():
    edges = Edges()
    wanted = {(n, 1000 + n % 7): float(n % 3 + 1) for n in range(700)}
    for (source, sink), gain in wanted.items():
        edges.connect(source, sink, gain)
    edges.drop_sink(1003)
    for source in range(0, 700, 5):
        edges.drop_source(source)
    left = {edge: gain for edge, gain in wanted.items() if edge[1] != 1003 and edge[0] % 5}
    n = edges.count
    kept = zip(edges.source[:n].tolist(), edges.sink[:n].tolist(), edges.aim[:n].tolist(), strict=True)
    assert {(source, sink): gain for source, sink, gain in kept} == left
    assert edges.sinks_of(1) == [1001]
    for source in range(700):
        edges.drop_source(source)
    assert edges.count == 0


def test_loud_sums_are_clipped_not_wrapped():
    assert clip(np.array([[40000.0, -40000.0, 1.5, 2.5]], np.float32)).tolist() == [[32767, -32768, 2, 2]]
