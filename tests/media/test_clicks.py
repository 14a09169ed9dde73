"""Changes of the mix do not click: between two samples nothing moves further than the loudest tone itself does."""

import numpy as np
import pytest
from harness import tone
from virtual import Peer, Stage, talk

from softswitch.media.player import Clip
from softswitch.wire import control
from softswitch.wire.control import CloseLeg, CloseRoom, Connect, Disconnect, Edge, JoinRoom, LeaveRoom, OpenRoom
from softswitch_codecs import g711

AMPLITUDE, HERTZ = 4000, 450  # whole periods in 20 ms
STEEPEST = AMPLITUDE * 2 * np.pi * HERTZ / 8000
BOUND = 1.15 * STEEPEST + 160  # and a step of companding
PHASES = range(0, 18, 3)  # samples: a cut falls on crests, slopes and zeros


def runs(stage, row):
    """What the peer of the row hears, cut where it was sent nothing: there its own concealment is at work."""
    found, after = [], None
    for _, packet, payload in stage.sent[row]:
        if packet.timestamp != after:
            found.append([])
        found[-1].append(g711.decode(np.frombuffer(payload, np.uint8), 0).astype(float))
        after = packet.timestamp + len(payload)
    return [np.concatenate(run) for run in found]


def largest_step(samples):
    return np.abs(np.diff(samples.astype(float))).max()


def voice(phase):
    return tone(HERTZ, 2.0, AMPLITUDE)[phase:]


def test_a_cut_would_be_noticed():
    """The measure itself: a tone that ends at its crest steps by its amplitude."""
    cut = voice(0).copy()
    cut[1001 + int(cut[1000:1018].argmax()) :] = 0
    assert largest_step(cut) > 1.8 * BOUND
    assert largest_step(voice(0)) < BOUND


CHANGES = {
    "the other is turned down": [Connect((Edge(1, 2, 0, 0.3),))],
    "the other is turned off": [Disconnect((Edge(1, 2),))],
    "a third is added": [Connect((Edge(3, 2),))],
    "an announcement is added": [Connect((Edge(9, 2),))],
    "the other leaves for a room": [Disconnect((Edge(1, 2),)), JoinRoom(500, 1), JoinRoom(500, 2)],
    "the other hangs up": [CloseLeg(1)],
}
BACK = {
    "the other is turned down": [Connect((Edge(1, 2),))],
    "the other is turned off": [Connect((Edge(1, 2),))],
    "a third is added": [Disconnect((Edge(3, 2),))],
    "an announcement is added": [Disconnect((Edge(9, 2),))],
    "the other leaves for a room": [LeaveRoom(500, 1), LeaveRoom(500, 2), Connect((Edge(1, 2),))],
    "the other hangs up": [],
}


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("before", ["relayed", "mixed"])
@pytest.mark.parametrize("change", CHANGES)
def test_nothing_clicks(change, before, recorded):
    """There and back, from pass-through and from the mix, with the jitter buffer running before (recorded) or not."""
    for phase in PHASES:
        stage = Stage()
        one, _, three = (Peer(stage, leg, leg - 1) for leg in (1, 2, 3))
        stage.command(
            OpenRoom(500),
            control.Play(8, (control.SilenceItem(60000),)),
            control.Play(9, (control.FileItem("/quiet"),), 0),
            Connect((Edge(1, 2),)),
        )
        stage.engine.loaded("/quiet", Clip(tone(300, 1.0, 30)))
        if before == "mixed":
            stage.command(Connect((Edge(8, 2),)))
        if recorded:
            stage.command(control.Record(7, "/rec.wav"), Connect((Edge(1, 7),)))
        speakers = [(one, voice(phase)), (three, np.zeros(160, np.int16))]
        talk(stage, 12, *speakers)
        stage.command(*CHANGES[change])
        if change == "the other hangs up":
            stage.run(3)
        else:
            talk(stage, 12, *[(peer, samples[12 * 160 :] if peer is one else samples) for peer, samples in speakers])
            stage.command(*BACK[change])
            talk(stage, 12, *[(peer, samples[24 * 160 :] if peer is one else samples) for peer, samples in speakers])
        heard = runs(stage, 1)
        assert len(heard) == 1 + (change == "the other is turned off" and before == "relayed")
        assert np.abs(np.concatenate(heard)).max() > 3800
        for run in heard:
            steps = np.abs(np.diff(run, prepend=run[0] if before == "relayed" else 0.0))
            at = int(steps.argmax())
            assert steps[at] < BOUND, (phase, at // 160, at % 160)


@pytest.mark.parametrize("phase", PHASES)
def test_a_player_that_is_stopped_fades(phase):
    stage = Stage()
    Peer(stage, 1, 0)
    stage.command(control.Play(9, (control.FileItem("/tone"),), 0), Connect((Edge(9, 1),)))
    stage.engine.loaded("/tone", Clip(voice(phase)))
    stage.run(5)
    stage.command(control.StopPlay(9))
    assert stage.reports[-1] == control.PlayDone(9, "stopped", 100)
    stage.run(2)
    (heard,) = runs(stage, 0)
    assert len(heard) == 6 * 160
    assert largest_step(np.append(heard, 0)) < BOUND
    assert not stage.engine.busy
    stage.command(control.Play(10, (control.ToneItem((425.0,), 100),)))
    assert len(stage.engine.sounds._by_place) == 1  # the place is used again


@pytest.mark.parametrize("phase", PHASES)
def test_a_recording_fades_when_it_is_paused_and_resumed(phase):
    stage = Stage()
    peer = Peer(stage, 1, 0)
    stage.command(control.Record(7, "/rec.wav", 1), Connect((Edge(1, 7),)))
    for n, command in enumerate((control.PauseRecord(7), control.ResumeRecord(7), control.StopRecord(7))):
        talk(stage, 10, (peer, voice(phase)[n * 1600 :]))
        stage.command(command)
    heard = stage.recorded(7, 1)[:, 0]
    assert len(heard) == 30 * 160
    assert largest_step(heard[320:]) < BOUND
    assert not heard[11 * 160 : 20 * 160].any()
    assert np.abs(heard[21 * 160 :]).max() > 3800


def test_a_room_that_closes_fades():
    for phase in PHASES:
        stage = Stage()
        peers = [Peer(stage, leg, leg - 1) for leg in (1, 2, 3)]
        stage.command(OpenRoom(500), *(JoinRoom(500, leg) for leg in (1, 2, 3)))
        talk(stage, 10, (peers[0], voice(phase)))
        stage.command(CloseRoom(500))
        talk(stage, 2, (peers[0], voice(phase)[1600:]))
        (heard,) = runs(stage, 1)
        assert largest_step(np.append(heard[1:], 0)) < BOUND
