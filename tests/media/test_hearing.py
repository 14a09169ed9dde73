"""Detectors at work in the engine, in virtual time: keys in band, conversions, facts and tones of legs in a call."""

from random import Random

import numpy as np
import pytest
import soxr
from harness import level_of
from sounds import key, noise, played, silence, sines
from test_planes import WIDE, WidePeer
from virtual import Peer, Stage, talk

from softswitch.call.tones import tone
from softswitch.wire import control, dtmf
from softswitch.wire.control import (
    LISTEN_ANSWER,
    LISTEN_DTMF,
    LISTEN_PROGRESS,
    LISTEN_SPEECH,
    Connect,
    Disconnect,
    Edge,
)
from softswitch_codecs import g711


@pytest.fixture
def stage():
    return Stage()


def bridge(stage, first=None, second=None, law=(0, 0)):
    a, b = Peer(stage, 1, 0, law=law[0], **(first or {})), Peer(stage, 2, 1, law=law[1], **(second or {}))
    stage.command(Connect((Edge(1, 2), Edge(2, 1))))
    stage.run(2)
    return a, b


IN_BAND = {"event_type": -1, "listen": LISTEN_DTMF}


def samples(*parts):
    whole = np.concatenate(parts)
    return np.rint(np.concatenate([whole, np.zeros(-len(whole) % 160)])).astype(np.int16)


def say(stage, *speakers):
    """Each (peer, samples) once, to the end of the longest."""
    speakers = [(peer, np.concatenate([sound, np.zeros(-len(sound) % 160, np.int16)])) for peer, sound in speakers]
    for at in range(0, max(len(sound) for _, sound in speakers), 160):
        for peer, sound in speakers:
            if at < len(sound):
                peer.say(sound[at : at + 160])
        stage.run()


def dialled(digits, ms=80):
    return samples(*(part for digit in digits for part in (silence(60), key(digit, ms), silence(60))), silence(200))


def events_at(peer):
    """The keys that `peer` received as telephone-events."""
    receiver, pressed = dtmf.EventReceiver(), []
    for now, packet, payload in peer.sent():
        if packet.payload_type == peer.spec.event_type:
            pressed += receiver.receive(dtmf.parse(payload), packet.timestamp, now)
    return "".join(one.digit for one in pressed)


def press(stage, peer, digit, ms=100, sound=None):
    """RFC 4733, with the tone in the packets between when `sound` is given."""
    ticks = ms // 20
    for n in range(ticks + 3):
        if sound is not None and n < ticks:
            peer.say(sound[n * 160 : n * 160 + 160])
            peer.timestamp -= 160
        event = dtmf.Event(dtmf.DIGITS.index(digit), n >= ticks, 10, min(n + 1, ticks) * 160)
        stage.receive(peer.row, peer.packet(dtmf.build(event), kind=peer.spec.event_type), peer.address)
        stage.run()
    peer.timestamp += (ticks + 3) * 160


# ----------------------------------------------------------------------------------------------------------------- keys


@pytest.mark.parametrize("law", [0, 1])
def test_keys_in_band_are_told_without_any_edge(stage, law):
    """A caller in a menu: nobody hears it, but its keys count."""
    peer = Peer(stage, 1, 0, law=law, **IN_BAND)
    say(stage, (peer, dialled("1234567890*#ABCD")))
    digits = stage.of(control.Digit)
    assert "".join(one.digit for one in digits) == "1234567890*#ABCD"
    assert {(one.leg, one.method) for one in digits} == {(1, "inband")}
    assert all(abs(one.duration_ms - 80) <= 15 for one in digits)


def test_without_the_wish_nobody_listens(stage):
    peer = Peer(stage, 1, 0, event_type=-1)
    say(stage, (peer, dialled("123")))
    assert not stage.of(control.Digit)
    assert not stage.engine.hearing.busy


def test_a_listened_relay_stays_bit_exact(stage):
    """Listening to a leg does not take it out of the pass-through."""
    a, b = bridge(stage, IN_BAND, {"event_type": -1})
    sound = dialled("42")
    say(stage, (a, sound))
    assert "".join(one.digit for one in stage.of(control.Digit)) == "42"
    assert [len(payload) for _, _, payload in b.sent()] == [160] * (len(sound) // 160)


def test_rfc_4733_to_rfc_4733(stage):
    a, b = bridge(stage)
    press(stage, a, "5")
    stage.run(20)
    assert events_at(b) == "5"


def test_rfc_4733_to_in_band(stage):
    """B hears tones of ours (ITU-T Q.23)."""
    a, _ = bridge(stage, None, IN_BAND)
    say(stage, (a, samples(silence(100))))
    press(stage, a, "5", ms=200)
    stage.run(30)
    assert level_of(stage.heard(1), 770) > 500
    assert level_of(stage.heard(1), 1336) > 500
    assert [one.method for one in stage.of(control.Digit)] == ["rfc4733"]


def test_in_band_to_rfc_4733(stage):
    """The tone itself has passed; the event comes right after it."""
    a, b = bridge(stage, IN_BAND)
    say(stage, (a, dialled("9#", ms=100)), (b, samples(silence(600))))
    stage.run(20)
    assert events_at(b) == "9#"
    assert [(one.digit, one.method) for one in stage.of(control.Digit)] == [("9", "inband"), ("#", "inband")]


def test_in_band_to_in_band_is_the_tone_that_was_said(stage):
    """Nothing is played over it."""
    a, b = bridge(stage, IN_BAND, IN_BAND)
    sound = dialled("7", ms=100)
    say(stage, (a, sound))
    stage.run(30)
    assert len(b.sent()) == len(sound) // 160
    assert not stage.engine.sounds.players


@pytest.mark.parametrize("first", [None, IN_BAND])
def test_a_leg_that_wants_no_keys_of_media_gets_none(stage, first):
    """Control sends INFO to it: neither events nor tones come beside."""
    a, _ = bridge(stage, first, {"event_type": -1, "keys": False})
    if first:
        say(stage, (a, dialled("5")))
    else:
        press(stage, a, "5")
    stage.run(30)
    assert len(stage.of(control.Digit)) == 1
    assert not stage.engine.sounds.players
    assert not stage.engine.keys.sending


def test_keys_to_a_leg_that_takes_none_harm_nobody(stage):
    """B talks a codec that we cannot mix, without events."""
    a, _ = bridge(stage, None, {"codec": "G729", "payload_type": 18, "event_type": -1})
    press(stage, a, "5")
    assert [one.digit for one in stage.of(control.Digit)] == ["5"]


def test_a_key_that_comes_both_ways_is_told_once(stage):
    """Some phones send events and the tone at once; the next press of the same key counts again."""
    peer = Peer(stage, 1, 0, listen=LISTEN_DTMF)
    for _ in range(2):
        press(stage, peer, "3", ms=120, sound=samples(key("3", 120)))
        say(stage, (peer, samples(silence(400))))
    assert [one.digit for one in stage.of(control.Digit)] == ["3", "3"]


def test_a_key_survives_a_lost_packet(stage):
    """Concealment may bend the tone; it stays one key."""
    peer = Peer(stage, 1, 0, **IN_BAND)
    sound = dialled("8", ms=200)
    for n, at in enumerate(range(0, len(sound), 160)):
        if n == 8:
            peer.lose()
        else:
            peer.say(sound[at : at + 160])
        stage.run()
    assert [one.digit for one in stage.of(control.Digit)] == ["8"]


def test_sixty_milliseconds_a_packet(stage):
    """Packet times other than ours are heard alike."""
    peer = Peer(stage, 1, 0, packet_ms=60, **IN_BAND)
    sound = dialled("159", ms=100)
    for at in range(0, len(sound) // 480 * 480, 480):
        peer.say(sound[at : at + 480])
        stage.run(3)
    assert "".join(one.digit for one in stage.of(control.Digit)) == "159"


def through(loss, lateness, seed):
    """Twenty keys of 80 ms through a network; what was dialled and what was heard. `lateness` in ticks at most."""
    dice, stage = Random(seed), Stage()
    peer = Peer(stage, 1, 0, **IN_BAND)
    text = "".join(dice.choice("0123456789*#") for _ in range(20))
    keys = np.concatenate([part for digit in text for part in (key(digit, 80), silence(80))])
    sound = samples(noise(np.concatenate([silence(1000), keys, silence(1000)]), -50.0))
    arrivals = {}
    for tick in range(len(sound) // 160):
        data = peer.packet(g711.encode(sound[tick * 160 : tick * 160 + 160], 0).tobytes())
        peer.timestamp += 160
        if dice.random() >= loss:
            arrivals.setdefault(tick + round(dice.random() * lateness), []).append(data)
    for tick in range(len(sound) // 160 + 60):
        for data in arrivals.get(tick, ()):
            stage.receive(0, data, peer.address)
        stage.run()
    return text, "".join(one.digit for one in stage.of(control.Digit))


@pytest.mark.parametrize(("loss", "lateness"), [(0.0, 3), (0.03, 0)])
def test_keys_survive_the_network(loss, lateness):
    """60 ms of jitter, or 3 % of packets lost: concealment and the buffer's corrections neither cost nor make a key."""
    for seed in range(5):
        dialled_text, heard_text = through(loss, lateness, seed)
        assert heard_text == dialled_text


@pytest.mark.parametrize("codec", WIDE)
def test_wide_legs_are_heard_alike(stage, codec):
    """G.722, Opus and L16 are decoded and brought to 8 kHz for the ears: keys and talk."""
    peer = WidePeer(stage, 1, 0, codec, listen=LISTEN_DTMF | LISTEN_SPEECH)
    sound = np.concatenate([dialled("159#", ms=100), babble(1)])
    wide = np.rint(soxr.resample(sound.astype(float), 8000, 16000)).astype(np.int16)
    for at in range(0, len(wide) // 320 * 320, 320):
        peer.say(wide[at : at + 320])
        stage.run()
    stage.run(10)
    assert "".join(one.digit for one in stage.of(control.Digit)) == "159#"
    stage.command(control.AskStats())
    assert stage.of(control.LegStats)[-1].speech.talk > 1.0


# ---------------------------------------------------------------------------------------------------------------- facts


def babble(seconds):
    part = np.concatenate([sines(((300.0, -20.0), (700.0, -26.0)), 160), silence(40)])
    return samples(np.resize(part, int(seconds * 8000)))


METERED = {"listen": LISTEN_SPEECH, "dead_air": 2.0}


def test_the_last_statistics_hold_the_facts(stage):
    """A relayed call of ten seconds: A talks 4 s, B the last 2 of these and 2 more, then both are silent."""
    a, b = bridge(stage, METERED, METERED)
    say(
        stage,
        (a, np.concatenate([babble(4), samples(silence(6000))])),
        (b, np.concatenate([samples(silence(2000)), babble(4), samples(silence(4000))])),
    )
    stage.command(control.CloseLeg(1), control.CloseLeg(2))
    first, second = (closed.stats.speech for closed in stage.of(control.LegClosed))
    assert first.talk == pytest.approx(4.2, abs=0.3)
    assert second.talk == pytest.approx(4.2, abs=0.3)
    assert first.overtalk == pytest.approx(2.1, abs=0.3)
    assert first.dead_air == pytest.approx(2.0, abs=0.3)
    assert first.level == pytest.approx(-19.0, abs=1.5)
    assert first.clipped == 0
    assert sorted((one.leg, one.what) for one in stage.of(control.Heard)) == [(1, "dead-air"), (2, "dead-air")]


def test_facts_are_told_on_demand(stage):
    a, _ = bridge(stage, METERED, None)
    say(stage, (a, babble(2)))
    stage.command(control.AskStats())
    metered, plain = stage.of(control.LegStats)
    assert metered.speech.talk > 1.5
    assert metered.speech.shared == 0.0  # the other one is not metered
    assert plain.speech is None


def test_hold_parts_the_pair(stage):
    """Who is on hold talks to nobody: no overtalk and no dead air then."""
    a, b = bridge(stage, METERED, METERED)
    stage.command(Disconnect((Edge(1, 2), Edge(2, 1))))
    say(stage, (a, babble(3)), (b, babble(3)))
    assert not stage.of(control.Heard)
    stage.command(Connect((Edge(1, 2), Edge(2, 1))))
    say(stage, (a, babble(1)), (b, babble(1)))
    stage.command(control.AskStats())
    for stats in stage.of(control.LegStats):
        assert stats.speech.shared == pytest.approx(1.0, abs=0.2)
        assert stats.speech.overtalk == pytest.approx(1.0, abs=0.3)


def test_a_silent_listener_does_not_part_the_pair(stage):
    """A supervisor hears both; the two still talk with each other."""
    a, b = bridge(stage, METERED, METERED)
    Peer(stage, 3, 2, **METERED)
    stage.command(Connect((Edge(1, 3), Edge(2, 3))))
    say(stage, (a, babble(2)), (b, babble(2)))
    stage.command(control.AskStats())
    shared = {stats.leg: stats.speech.shared for stats in stage.of(control.LegStats)}
    assert shared[1] > 1.5
    assert shared[2] > 1.5
    assert shared[3] == 0.0


def test_facts_survive_a_change_of_wishes_and_an_update(stage):
    a, _ = bridge(stage, METERED, METERED)
    say(stage, (a, babble(2)))
    stage.command(control.UpdateLeg(1, control.LegSpec("PCMU", 0, 101, a.address, listen=LISTEN_SPEECH | LISTEN_DTMF)))
    say(stage, (a, np.concatenate([babble(1), dialled("6")])))
    stage.command(control.AskStats((1,)))
    assert stage.of(control.LegStats)[0].speech.talk > 2.5
    assert [one.digit for one in stage.of(control.Digit)] == ["6"]


# ---------------------------------------------------------------------------------------------------- tones and answers


def test_a_busy_tone_and_a_machine_are_told(stage):
    a, b = bridge(stage, {"listen": LISTEN_PROGRESS}, {"listen": LISTEN_ANSWER})
    beep = samples(silence(800), sines(((1000.0, -15.0),), 400), silence(600))
    say(stage, (a, samples(played(tone("busy"), 4))), (b, beep))
    heard = [(one.leg, one.what) for one in stage.of(control.Heard)]
    assert (1, "busy") in heard
    assert [what for leg, what in heard if leg == 2] == ["machine", "beep"]


def test_an_answer_without_any_packet_is_unsure(stage):
    """Time runs without sound, too."""
    Peer(stage, 1, 0, listen=LISTEN_ANSWER)
    stage.run(300)
    assert [(one.what, one.detail) for one in stage.of(control.Heard)] == [("unsure", "silent")]


# -------------------------------------------------------------------------------------------------------- nothing left


def test_nothing_is_left_of_legs_that_closed(stage):
    everything = {"listen": 15, "dead_air": 1.0}
    a, b = bridge(stage, everything, everything)
    press(stage, a, "1")
    say(stage, (a, np.concatenate([babble(1), dialled("1")])), (b, babble(1)))
    stage.command(control.CloseLeg(1), control.CloseLeg(2))
    stage.run(5)
    assert not stage.engine.hearing.busy
    assert not stage.engine.legs.listened.any()
    assert not stage.engine.keys._once
    stage.run(150, wake=True)
    assert not stage.engine.busy


def test_a_slot_used_again_begins_anew(stage):
    """The next leg in the row inherits neither facts nor keys."""
    a = Peer(stage, 1, 0, listen=15)
    say(stage, (a, np.concatenate([babble(1), samples(key("1", 60))])))
    stage.command(control.CloseLeg(1))
    stage.run(200, wake=True)
    b = Peer(stage, 5, 0, listen=15)
    say(stage, (b, samples(silence(500))))
    stage.command(control.AskStats((5,)))
    facts = stage.of(control.LegStats)[-1].speech
    assert facts.talk == 0.0
    assert [one.leg for one in stage.of(control.Digit)] in ([], [1])


@pytest.mark.parametrize("listen", [-1, 255, 1 << 40])
def test_odd_wishes_are_harmless(stage, listen):
    peer = Peer(stage, 1, 0, listen=listen, dead_air=float("nan"))
    talk(stage, 20, (peer, samples(np.random.default_rng(1).uniform(-30000, 30000, 1600))))
    assert not stage.of(control.Failed)
