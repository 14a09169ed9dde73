"""The matrix, the edges and the plan against a naive mixer that adds everything up sink by sink."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softswitch.media.codecs import NARROW
from softswitch.media.edges import ROOMS, Edges
from softswitch.media.effects import Effect
from softswitch.media.legs import Legs
from softswitch.media.limiter import Limiter, fit
from softswitch.media.plan import Plan
from softswitch.media.relay import Relay

LEGS, PLAYERS, CHANNELS, CONFERENCES = 6, 3, 4, 2
RAMP = np.arange(1, 161) / 160
SOUND = {n: np.random.default_rng(n).integers(-900, 900, 160).astype(np.int16) for n in range(LEGS + PLAYERS)}
SOURCES = [*range(LEGS + PLAYERS), *range(ROOMS, ROOMS + CONFERENCES)]
SINKS = [*range(LEGS + CHANNELS), *range(ROOMS, ROOMS + CONFERENCES)]


class Mixed:
    """Edges and a plan over legs that are never relayed, heard by hand."""

    def __init__(self):
        effects: list[Effect] = []
        self.legs = Legs(LEGS, Random(1))
        self.legs.plane[:] = NARROW
        self.legs.sendable[:] = True
        self.legs.packet_ms[:] = 20
        self.legs.sent["codec"] = np.arange(LEGS) % 3
        self.edges = Edges(LEGS)
        self.plan = Plan(self.legs, self.edges, Relay(self.legs, effects))
        self.limiter = Limiter()

    def tick(self):
        """Sink → what it hears in the next frame."""
        self.plan.make()
        matrix = self.plan.matrices[0]
        order = [*self.plan.rows[0].tolist(), *self.plan.players[0].tolist()]
        sound = np.array([SOUND[node] for node in order], np.int16).reshape(len(order), 160)
        heard = {}
        if len(matrix.sinks):
            assert (np.diff(matrix.ranks) >= 0).all()
            heard = dict(zip(matrix.sinks.tolist(), matrix(sound, self.limiter), strict=True))
        self.edges.settle()
        return heard


class Naive:
    """Edge → gain now, gain after the next frame."""

    def __init__(self):
        self.edges = {}
        self.muted = set()

    def connect(self, source, sink, gain):
        if gain or (source, sink) in self.edges:
            self.edges.setdefault((source, sink), [0.0, 0.0])[1] = gain

    def drop_sink(self, sink):
        self.edges = {edge: gains for edge, gains in self.edges.items() if edge[1] != sink}
        self.muted.discard(sink)

    def drop_source(self, source):
        self.edges = {edge: gains for edge, gains in self.edges.items() if edge[0] != source}

    def tick(self):
        heard = {}
        for sink in {sink for _, sink in self.edges if sink < ROOMS}:
            heard[sink] = sum(
                (self._carried(source, sink) for source, to in self.edges if to == sink), start=np.zeros(160)
            )
        for (_, sink), gains in list(self.edges.items()):
            gains[0] = 0.0 if sink in self.muted else gains[1]
        self.edges = {edge: gains for edge, gains in self.edges.items() if gains[1]}
        return heard

    def _gain(self, source, sink):
        now, then = self.edges[source, sink]
        then = 0.0 if sink in self.muted else then
        return now + (then - now) * RAMP

    def _carried(self, source, sink):
        if source < ROOMS:
            return SOUND[source] * self._gain(source, sink)
        others = [one for one, to in self.edges if to == source and not (one == sink and sink < LEGS)]
        return sum((SOUND[one] * self._gain(one, source) for one in others), np.zeros(160)) * self._gain(source, sink)


GAINS = st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.0, 1.0, 2.0])
EDGES = st.tuples(st.sampled_from(SOURCES), st.sampled_from(SINKS)).filter(lambda edge: min(edge) < ROOMS)
STEPS = st.one_of(
    st.tuples(st.just("connect"), EDGES, GAINS),
    st.tuples(st.just("drop_sink"), st.sampled_from(SINKS)),
    st.tuples(st.just("drop_source"), st.sampled_from(SOURCES)),
    st.tuples(st.just("fade_source"), st.sampled_from(SOURCES)),
    st.tuples(st.just("fade_sink"), st.sampled_from(SINKS)),
    st.tuples(st.just("mute"), st.integers(LEGS, LEGS + CHANNELS - 1), st.booleans()),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(STEPS, max_size=6), max_size=12))
def test_any_change_of_edges_and_rooms_gives_what_adding_up_gives(frames):
    mixed, naive = Mixed(), Naive()
    for steps in frames:
        for step in steps:
            match step:
                case ("connect", (source, sink), gain):
                    mixed.edges.connect(source, sink, gain)
                    naive.connect(source, sink, gain)
                case ("mute", sink, muted):
                    mixed.edges.mute(sink, muted)
                    (naive.muted.add if muted else naive.muted.discard)(sink)
                case ("fade_source", source):
                    mixed.edges.fade_source(source)
                    for edge in [edge for edge in naive.edges if edge[0] == source]:
                        naive.edges[edge][1] = 0.0
                case ("fade_sink", sink):
                    mixed.edges.fade_sink(sink)
                    for edge in [edge for edge in naive.edges if edge[1] == sink]:
                        naive.edges[edge][1] = 0.0
                case (verb, node):
                    getattr(mixed.edges, verb)(node)
                    getattr(naive, verb)(node)
        expected, heard = naive.tick(), mixed.tick()
        assert set(heard) <= set(expected)
        for sink, sound in expected.items():
            assert np.abs(heard.get(sink, np.zeros(160)) - sound).max() <= 0.51 + 1e-4 * np.abs(sound).max()
    assert mixed.edges.count == len(naive.edges)


def test_nothing_is_left_of_edges_that_went():
    mixed = Mixed()
    for round_ in range(3):
        for source in SOURCES:
            for sink in SINKS:
                if min(source, sink) < ROOMS:
                    mixed.edges.connect(source, sink, 1.0 + round_)
        mixed.tick()
        for source in SOURCES:
            mixed.edges.fade_source(source)
        mixed.tick()
        assert mixed.tick() == {}
        assert mixed.edges.count == 0
        assert mixed.plan.idle
        assert not any(mixed.edges.has_source(source) for source in SOURCES)


def test_gains_ramp_over_one_frame():
    """No clicks: a new edge rises from silence, a removed one falls to it, no step is larger than 1/160."""
    SOUND[0][:], before = 8000, SOUND[0].copy()
    try:
        mixed = Mixed()
        mixed.edges.connect(0, 1, 1.0)
        rising, steady = mixed.tick()[1], mixed.tick()[1]
        assert np.abs(np.diff(rising, prepend=0)).max() <= 51
        assert (rising[-1], *set(steady.tolist())) == (8000, 8000)
        mixed.edges.disconnect(0, 1)
        falling = mixed.tick()[1]
        assert np.abs(np.diff(falling, prepend=8000)).max() <= 51
        assert falling[-1] == 0
        assert mixed.tick() == {}
    finally:
        SOUND[0][:] = before


def test_one_source_at_unity_is_untouched_whatever_moves_beside_it():
    mixed = Mixed()
    mixed.edges.connect(0, 1, 1.0)
    mixed.tick()
    mixed.edges.connect(2, 3, 0.5)
    mixed.edges.connect(4, 3, 2.0)
    assert (mixed.tick()[1] == SOUND[0]).all()


def test_loud_sums_are_clipped_not_wrapped():
    assert fit(np.array([[40000.0, -40000.0, 1.5, 2.5]], np.float32)).tolist() == [[32767, -32768, 2, 2]]


@pytest.mark.parametrize("peak", [50000.0, 90000.0])
def test_a_sum_that_is_too_loud_is_turned_down_and_comes_back(peak):
    """Not a clipped wave but a softer one: nearly all its power stays at its own frequency."""
    limiter, sinks = Limiter(), np.array([3])
    wave = (np.sin(2 * np.pi * 400 * np.arange(160) / 8000)).astype(np.float32)[None]
    out = []
    for n in range(60):
        sums = wave * np.float32(peak if n < 20 else 10000.0)
        limiter(sinks, sums)
        out.append(fit(sums)[0])
    loud = np.concatenate(out[2:20]).astype(float)
    spectrum = np.abs(np.fft.rfft(loud)) ** 2
    tone = spectrum[len(loud) * 400 // 8000]
    assert tone / spectrum.sum() > 0.9999
    assert 32000 < loud.max() <= 32767
    assert np.abs(np.concatenate(out)).max() <= 32767
    assert (out[-1] == np.rint(wave[0] * 10000)).all()
