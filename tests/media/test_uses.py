"""Every use of the mix by known tones: who hears whom, how loud, and who does not."""

import numpy as np
import pytest
from harness import level_of, tone
from virtual import Peer, Stage, talk

from softswitch.media import tones
from softswitch.media.player import Clip
from softswitch.wire import control
from softswitch.wire.control import CloseRoom, Connect, Disconnect, Edge, JoinRoom, LeaveRoom, OpenRoom
from softswitch_codecs import g711

CALLER, AGENT, BOSS = 1, 2, 3
SAID = {CALLER: 400, AGENT: 900, BOSS: 1500}
SOUND = {leg: tone(hertz, 1.0, 6000) for leg, hertz in SAID.items()}


@pytest.fixture
def stage():
    return Stage(slots=32)


def three(stage, **second):
    """Caller and agent in a call, and their boss beside it."""
    peers = {CALLER: Peer(stage, CALLER, 0), AGENT: Peer(stage, AGENT, 1, **second), BOSS: Peer(stage, BOSS, 2)}
    stage.command(Connect((Edge(CALLER, AGENT), Edge(AGENT, CALLER))))
    stage.run()
    return peers


def speak(stage, peers, ticks=60):
    talk(stage, ticks, *((peer, SOUND[leg]) for leg, peer in peers.items()))


def heard(stage, peers, leg, last=4000):
    """Which of the three are heard by the peer of `leg`, how loud (1: as said)."""
    sound = stage.heard(peers[leg].row, peers[leg].law)[-last:]
    levels = {other: level_of(sound, hertz) / 6000 for other, hertz in SAID.items()}
    return {other: level for other, level in levels.items() if level > 0.01}


def about(levels):
    """Companding adds its noise."""
    return pytest.approx(levels, rel=0.03, abs=0.01)


def relayed(stage, peers, leg):
    """Whether what the peer of `leg` heard last came untouched and at once."""
    other = peers[AGENT if leg == CALLER else CALLER]
    payload = bytes(range(160))
    before = len(peers[leg].sent())
    stage.receive(other.row, other.packet(payload), other.address)
    other.timestamp += 160
    sent = peers[leg].sent()
    return len(sent) == before + 1 and sent[-1][2] == payload


def test_bridge(stage):
    peers = three(stage)
    speak(stage, peers)
    assert heard(stage, peers, CALLER) == about({AGENT: 1.0})
    assert heard(stage, peers, AGENT) == about({CALLER: 1.0})
    assert relayed(stage, peers, CALLER)


def test_a_bridge_may_be_turned_up_and_down(stage):
    peers = three(stage)
    stage.command(Connect((Edge(CALLER, AGENT, 0, 0.5), Edge(AGENT, CALLER, 0, 2.0))))
    speak(stage, peers)
    assert heard(stage, peers, CALLER) == about({AGENT: 2.0})
    assert heard(stage, peers, AGENT) == about({CALLER: 0.5})


def test_hold_with_music(stage):
    """Who holds hears nothing and who is held hears music; afterwards they hear each other again."""
    peers = three(stage)
    speak(stage, peers)
    stage.command(control.Play(9, (control.FileItem("/music"),), 0))
    stage.engine.loaded("/music", Clip(tone(600, 1.0, 3000)))
    stage.command(Disconnect((Edge(CALLER, AGENT), Edge(AGENT, CALLER))), Connect((Edge(9, CALLER),)))
    agents = len(stage.heard(1))
    speak(stage, peers)
    assert level_of(stage.heard(0)[-4000:], 600) == pytest.approx(3000, rel=0.02)
    assert not heard(stage, peers, CALLER)
    assert len(stage.heard(1)) <= agents + 320  # the packet before the tick, and a frame in which the caller fades
    stage.command(Disconnect((Edge(9, CALLER),)), Connect((Edge(CALLER, AGENT), Edge(AGENT, CALLER))))
    speak(stage, peers)
    assert heard(stage, peers, CALLER) == about({AGENT: 1.0})
    assert heard(stage, peers, AGENT) == about({CALLER: 1.0})
    assert relayed(stage, peers, CALLER)


def test_announcement_to_one_side_over_a_call(stage):
    """The caller hears it over the agent, who is ducked; the agent hears the caller, untouched, and nothing of it."""
    peers = three(stage)
    speak(stage, peers)
    stage.command(control.Play(9, (control.ToneItem((600.0,), 1000),)))
    stage.command(Connect((Edge(9, CALLER), Edge(AGENT, CALLER, 0, 0.25))))
    speak(stage, peers, 45)
    assert level_of(stage.heard(0)[-4000:], 600) == pytest.approx(tones.amplitude(-13.0), rel=0.03)
    assert heard(stage, peers, CALLER) == about({AGENT: 0.25})
    assert level_of(stage.heard(1)[-4000:], 600) < 10
    assert relayed(stage, peers, AGENT)
    assert not relayed(stage, peers, CALLER)
    stage.command(Connect((Edge(AGENT, CALLER),)))
    speak(stage, peers)
    assert heard(stage, peers, CALLER) == about({AGENT: 1.0})
    assert relayed(stage, peers, CALLER)


def test_whisper(stage):
    """The boss is heard by the agent only."""
    peers = three(stage)
    stage.command(Connect((Edge(BOSS, AGENT, 0, 0.5), Edge(CALLER, BOSS), Edge(AGENT, BOSS))))
    speak(stage, peers)
    assert heard(stage, peers, CALLER) == about({AGENT: 1.0})
    assert heard(stage, peers, AGENT) == about({CALLER: 1.0, BOSS: 0.5})
    assert heard(stage, peers, BOSS) == about({CALLER: 1.0, AGENT: 1.0})
    assert relayed(stage, peers, CALLER)


def test_barge_in(stage):
    """All three hear each other."""
    peers = three(stage)
    edges = [Edge(a, b) for a in peers for b in peers if a != b]
    stage.command(Connect(tuple(edges)))
    speak(stage, peers)
    for leg in peers:
        assert heard(stage, peers, leg) == about({other: 1.0 for other in peers if other != leg})


def test_listen(stage):
    """The boss hears both and is heard by nobody; the call stays a pass-through."""
    peers = three(stage)
    stage.command(Connect((Edge(CALLER, BOSS), Edge(AGENT, BOSS))))
    speak(stage, peers)
    assert heard(stage, peers, BOSS) == about({CALLER: 1.0, AGENT: 1.0})
    assert heard(stage, peers, CALLER) == about({AGENT: 1.0})
    assert relayed(stage, peers, CALLER)
    assert relayed(stage, peers, AGENT)


def test_the_channels_of_a_recorder(stage):
    """Caller left, agent right; a whisper to the agent and an announcement to the caller are in neither."""
    peers = three(stage)
    stage.command(
        control.Record(8, "/rec.wav"),
        control.Play(9, (control.ToneItem((600.0,), 5000),)),
        Connect((Edge(CALLER, 8, 0), Edge(AGENT, 8, 1), Edge(BOSS, AGENT), Edge(9, CALLER))),
    )
    speak(stage, peers, 80)
    stage.command(control.StopRecord(8))
    sound = stage.recorded(8)[-4000:]
    assert level_of(sound[:, 0], 400) == pytest.approx(6000, rel=0.02)
    assert level_of(sound[:, 1], 900) == pytest.approx(6000, rel=0.02)
    assert max(level_of(sound[:, 0], hertz) for hertz in (600, 900, 1500)) < 20
    assert max(level_of(sound[:, 1], hertz) for hertz in (600, 400, 1500)) < 20


def test_one_channel_for_both_sides(stage):
    peers = three(stage)
    stage.command(control.Record(8, "/rec.wav", 1), Connect((Edge(CALLER, 8), Edge(AGENT, 8))))
    speak(stage, peers, 80)
    stage.command(control.StopRecord(8))
    sound = stage.recorded(8, 1)[-4000:, 0]
    assert level_of(sound, 400) == pytest.approx(6000, rel=0.02)
    assert level_of(sound, 900) == pytest.approx(6000, rel=0.02)


def test_a_tick_without_changes_plans_nothing(stage, monkeypatch):
    """Edges cost when they change."""
    peers = three(stage)
    stage.command(control.Record(8, "/rec.wav"), Connect((Edge(CALLER, 8, 0), Edge(AGENT, 8, 1), Edge(CALLER, BOSS))))
    speak(stage, peers, 5)

    def fail():
        raise AssertionError("planned")

    monkeypatch.setattr(type(stage.engine.plan), "make", lambda plan: fail())
    speak(stage, peers, 20)
    assert not stage.engine.plan.dirty


def test_level_meters(stage):
    """AskStats tells the level now, of legs that are mixed or recorded: here the caller, at −10 dBm0."""
    peers = three(stage)
    stage.command(control.Record(8, "/rec.wav"), Connect((Edge(CALLER, 8, 0),)))
    talk(stage, 20, (peers[CALLER], tone(1000, 1.0, tones.amplitude(-10.0))), (peers[AGENT], SOUND[AGENT]))
    stage.command(control.AskStats((CALLER, AGENT)))
    caller, agent = stage.of(control.LegStats)[-2:]
    assert caller.level == pytest.approx(-10.0, abs=0.2)
    assert caller.peak == pytest.approx(-10.0, abs=0.3)
    assert (agent.level, agent.peak) == (-100.0, -100.0)
    stage.run(40)
    stage.command(control.AskStats((CALLER,)))
    assert stage.of(control.LegStats)[-1].level == -100.0


# ---------------------------------------------------------------------------------------------------- one source alone


@pytest.mark.parametrize("law", [0, 1])
def test_one_source_at_unity_comes_out_of_the_mix_as_it_went_in(stage, law):
    """One pass of the companding law: octet for octet, but for µ-law's two zeros, which are one sound."""
    a, b = Peer(stage, 1, 0, law), Peer(stage, 2, 1, law)
    stage.command(control.Play(9, (control.SilenceItem(60000),)), Connect((Edge(1, 2), Edge(9, 2))))
    stage.run()
    codes = np.random.default_rng(1).integers(0, 256, (100, 160)).astype(np.uint8)
    for frame in codes:
        stage.receive(0, a.packet(frame.tobytes()), a.address)
        a.timestamp += 160
        stage.run()
    stage.run(2)
    spoken = codes.tobytes()
    if law == 0:
        spoken = spoken.replace(b"\x7f", b"\xff")
    came = b"".join(payload for _, _, payload in b.sent())
    at = came.find(spoken[1600:3200])
    assert at > 0
    assert came[at:][: len(spoken) - 1600 - 160] == spoken[1600:-160]


def test_levels_survive_transcoding(stage):
    """Within 0.1 dB of what the two codecs make of it without us."""
    a, b = Peer(stage, 1, 0, 0), Peer(stage, 2, 1, 1)
    stage.command(Connect((Edge(1, 2),)))
    for amplitude in (300, 3000, 30000):
        said = tone(1004, 1.0, amplitude)
        talk(stage, 60, (a, said))
        chain = g711.decode(g711.encode(g711.decode(g711.encode(said, 0), 0), 1), 1)
        loud, expected = level_of(stage.heard(1, 1)[-4000:], 1004), level_of(chain[-4000:], 1004)
        assert 20 * np.log10(loud / expected) == pytest.approx(0, abs=0.1)
    assert b.sent()


# ------------------------------------------------------------------------------------------------------------- rooms


def room(stage, count, **spec):
    stage.command(OpenRoom(500))
    peers = [Peer(stage, n + 1, n, n % 2, **spec) for n in range(count)]
    stage.command(*(JoinRoom(500, peer.leg) for peer in peers))
    stage.run()
    return peers


def test_a_conference_of_fifty(stage):
    """Each hears all others and not itself: its own tone is at least 40 dB below the others'."""
    stage = Stage(slots=64)
    peers = room(stage, 50)
    assert stage.engine.edges.count == 100
    hertz = [307 + 59 * n for n in range(50)]  # no common period, so that companding's noise spreads
    talk(stage, 60, *((peer, tone(hertz[n], 1.0, 600)) for n, peer in enumerate(peers)))
    for n, peer in enumerate(peers):
        sound = stage.heard(peer.row, peer.law)[-8000:].astype(float)
        spectrum = 2 * np.abs(np.fft.rfft(sound)) / 8000
        levels = spectrum[hertz]
        others = np.delete(levels, n)
        assert np.abs(20 * np.log10(others / 600)).max() < 1.0
        assert 20 * np.log10(levels[n] / 600) < -40


def test_muted_and_deaf_members_and_their_gains(stage):
    """Mute is a `speak` of 0, deaf a `hear` of 0; joining again changes them."""
    peers = dict(zip(SAID, room(stage, 3), strict=True))
    stage.command(JoinRoom(500, CALLER, speak=0.0), JoinRoom(500, BOSS, hear=0.5), JoinRoom(500, AGENT, speak=0.25))
    speak(stage, peers)
    assert heard(stage, peers, CALLER) == about({AGENT: 0.25, BOSS: 1.0})
    assert heard(stage, peers, AGENT) == about({BOSS: 1.0})
    assert heard(stage, peers, BOSS) == about({AGENT: 0.125})
    stage.command(JoinRoom(500, CALLER, hear=0.0), JoinRoom(500, BOSS), JoinRoom(500, AGENT))
    before = len(stage.heard(0))
    speak(stage, peers)
    assert len(stage.heard(0)) <= before + 320
    assert heard(stage, peers, AGENT) == about({CALLER: 1.0, BOSS: 1.0})
    assert heard(stage, peers, BOSS) == about({CALLER: 1.0, AGENT: 1.0})


def test_members_come_and_go_and_the_room_closes(stage):
    peers = dict(zip(SAID, room(stage, 3), strict=True))
    stage.command(LeaveRoom(500, BOSS))
    speak(stage, peers)
    assert heard(stage, peers, CALLER) == about({AGENT: 1.0})
    stage.command(control.CloseLeg(AGENT))
    speak(stage, {CALLER: peers[CALLER]}, 5)
    stage.command(control.AskInventory())
    assert stage.of(control.Inventory)[-1].rooms == (500,)
    stage.command(CloseRoom(500), control.AskInventory())
    assert stage.of(control.Inventory)[-1].rooms == ()
    stage.run(5)
    assert stage.engine.edges.count == 0
    assert stage.engine.plan.idle
    assert not stage.of(control.Failed)


def test_players_and_recorders_are_members_too(stage):
    """A recording of a room, an announcement to all in it, and one who only listens by an edge."""
    peers = dict(zip((CALLER, AGENT), room(stage, 2), strict=True))
    boss = peers[BOSS] = Peer(stage, BOSS, 2)
    stage.command(
        control.Record(8, "/rec.wav", 2),
        control.Play(9, (control.ToneItem((600.0,), 5000),)),
        JoinRoom(500, 9, speak=0.5),
        JoinRoom(500, 8, channel=1),
        Connect((Edge(500, BOSS),)),
    )
    talk(stage, 60, *((peers[leg], SOUND[leg]) for leg in (CALLER, AGENT, BOSS)))
    stage.command(control.StopRecord(8))
    sound = stage.recorded(8)[-4000:]
    assert not sound[:, 0].any()
    loud = tones.amplitude(-13.0) / 2
    for listener in (stage.heard(0)[-4000:], stage.heard(boss.row)[-4000:], sound[:, 1]):
        assert level_of(listener, 600) == pytest.approx(loud, rel=0.05)
    assert heard(stage, peers, BOSS) == about({CALLER: 1.0, AGENT: 1.0})
    assert level_of(sound[:, 1], 400) == pytest.approx(6000, rel=0.02)
    assert level_of(sound[:, 1], 900) == pytest.approx(6000, rel=0.02)
    assert level_of(sound[:, 1], 1500) < 20


def test_what_cannot_be_done_with_rooms(stage):
    Peer(stage, 1, 0)
    stage.command(OpenRoom(500), OpenRoom(510))
    stage.command(
        OpenRoom(1),
        OpenRoom(500),
        JoinRoom(600, 1),
        JoinRoom(500, 77),
        CloseRoom(600),
        Connect((Edge(500, 510),)),
        Connect((Edge(1, 500, 0, float("nan")),)),
        JoinRoom(500, 1, 1e9),
        LeaveRoom(600, 1),
        LeaveRoom(500, 1),
    )
    failed = [(report.what, report.subject) for report in stage.of(control.Failed)]
    assert failed == [
        ("OpenRoom", 1),
        ("OpenRoom", 500),
        ("JoinRoom", 600),
        ("JoinRoom", 500),
        ("CloseRoom", 600),
        ("Connect", 0),
        ("Connect", 0),
        ("JoinRoom", 500),
    ]
    assert stage.engine.edges.count == 0


def test_a_room_of_three_hundred(stage):
    """2 edges a leg, and everybody hears the speaker."""
    stage = Stage(slots=301)
    peers = room(stage, 300)
    assert stage.engine.edges.count == 600
    talk(stage, 20, (peers[7], SOUND[CALLER]))
    for peer in (peers[0], peers[150], peers[299]):
        assert level_of(stage.heard(peer.row, peer.law)[-1600:], 400) == pytest.approx(6000, rel=0.02)
    assert level_of(stage.heard(7, peers[7].law)[-1600:], 400) < 60


def test_loud_speakers_together_do_not_clip(stage):
    """Three at full scale: what is heard is softer and still tones."""
    peers = room(stage, 4)
    talk(stage, 60, *((peer, tone(400 + 300 * n, 1.0, 20000)) for n, peer in enumerate(peers[:3])))
    sound = stage.heard(3, 1)[-4000:].astype(float)
    spectrum = np.abs(np.fft.rfft(sound)) ** 2
    own = sum(spectrum[int((400 + 300 * n) / 2)] for n in range(3))
    assert own / spectrum.sum() > 0.99
