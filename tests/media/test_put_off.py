"""Second packets of a tick may be accounted for with the next one: nobody hears or counts a difference."""

import numpy as np
import pytest
from virtual import Peer, Stage, talk

from softswitch.wire.control import AskStats, Connect, Edge, LegStats

RAMP = np.repeat(np.linspace(-8000, 8000, 50), 160).astype(np.int16)  # each frame has a level of its own


def frames(sound):
    """The level of each 20 ms, without the silence before."""
    levels = sound.reshape(-1, 160)[:, 100].tolist()
    first = next(i for i, level in enumerate(levels) if abs(level) > 100)
    return levels[first:]


def edge(stage, phone, count, *others):
    """`phone` speaks at the edge of the tick: two packets in one, none in the next; the others as ever. Returns whether
    anything was put off."""
    waited = set()
    for n in range(count):
        for peer in (phone, phone) * (1 - n % 2) + others:
            at = (peer.timestamp - 5000) % len(RAMP)
            peer.say(RAMP[at : at + 160])
        stage.run()
        waited.add(stage.engine.receiver.account.waiting)
    return waited == {False, True}


@pytest.mark.parametrize("gain", [1.0, 0.999], ids=["passed", "mixed"])
def test_what_comes_at_the_edge_of_the_tick_is_heard_whole(gain):
    stage = Stage()
    phones = [Peer(stage, leg, leg - 1) for leg in range(1, 7)]
    pairs = [(1, 2), (2, 1), (3, 4), (4, 3), (5, 6), (6, 5)]
    stage.command(Connect(tuple(Edge(a, b, 0, gain) for a, b in pairs)))
    talk(stage, 10, *((phone, RAMP) for phone in phones))
    assert edge(stage, phones[0], 40, *phones[2:])
    stage.run(10)
    at_edge, even = frames(stage.heard(1)), frames(stage.heard(2))
    assert [level for level in at_edge if level][:45] == [level for level in even if level][:45]
    assert stage.engine.legs.jitter.learned["concealed"][0] == 0


def test_what_is_put_off_is_counted_when_somebody_asks():
    stage = Stage()
    phones = [Peer(stage, leg, leg - 1) for leg in range(1, 5)]
    stage.command(Connect((Edge(1, 2), Edge(2, 1), Edge(3, 4), Edge(4, 3))))
    talk(stage, 5, *((phone, RAMP) for phone in phones))
    for phone in (phones[0], *phones):
        phone.say(RAMP[:160])
    stage.run()
    assert stage.engine.receiver.account.waiting
    stage.command(AskStats())
    assert [stats.received for stats in stage.of(LegStats)] == [7, 6, 6, 6]
    assert not stage.engine.receiver.account.waiting


def test_both_halves_of_a_frame_are_played_in_it():
    """Packets of 10 ms: the second one of a tick does not wait."""
    stage = Stage()
    phones = [Peer(stage, leg, leg - 1) for leg in range(1, 5)]
    stage.command(Connect((Edge(1, 2, 0, 0.999), Edge(2, 1, 0, 0.999), Edge(3, 4), Edge(4, 3))))
    for n in range(40):
        for half in (0, 80):
            phones[0].say(RAMP[n * 160 + half : n * 160 + half + 80])
        talk(stage, 1, *((phone, RAMP[n * 160 :]) for phone in phones[1:]))
    assert frames(stage.heard(1))[:30] == frames(stage.heard(0))[:30]
    assert stage.engine.legs.jitter.learned["concealed"][0] == 0
