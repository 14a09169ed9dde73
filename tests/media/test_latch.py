"""Who may speak on a leg (RFC 7362 §4; the rule stands in `media/latch.py`)."""

import numpy as np
import pytest
from virtual import Peer, Stage

from softswitch.kernel.errors import PeerError
from softswitch.media.effects import Aim
from softswitch.media.latch import destination
from softswitch.wire import control

QUIET = np.zeros(160, np.int16)
STRANGER = ("203.0.113.9", 9999)


def rejected(stage, peer):
    stage.command(control.AskStats((peer.leg,)))
    return stage.of(control.LegStats)[-1].rejected


@pytest.fixture
def stage():
    return Stage()


def aims(stage):
    return [effect.address for effect in stage.effects if isinstance(effect, Aim)]


def test_the_first_source_is_locked_and_strangers_are_counted(stage):
    peer = Peer(stage, 1, 0)
    peer.say(QUIET, source=("198.51.100.4", 1234))
    assert stage.of(control.LegLatched) == [control.LegLatched(1, ("198.51.100.4", 1234))]
    for _ in range(5):
        peer.say(QUIET, source=STRANGER)
    assert rejected(stage, peer) == 5
    assert aims(stage)[-1] == ("198.51.100.4", 1234)


def test_the_signalled_address_is_preferred_while_it_speaks(stage):
    peer = Peer(stage, 1, 0)
    peer.say(QUIET, source=STRANGER)
    peer.say(QUIET)
    peer.say(QUIET, source=STRANGER)
    assert rejected(stage, peer) == 1
    assert aims(stage)[-1] == peer.address


def test_signalled_mode_hears_the_signalled_address_only(stage):
    peer = Peer(stage, 1, 0, latch="signalled")
    peer.say(QUIET, source=STRANGER)
    assert rejected(stage, peer) == 1
    assert not stage.of(control.LegHeard)
    peer.say(QUIET)
    assert stage.of(control.LegHeard) == [control.LegHeard(1)]


def test_after_silence_only_the_same_stream_may_move(stage):
    """A NAT binding that moved carries on SSRC and sequence; a stranger cannot know them."""
    peer = Peer(stage, 1, 0)
    peer.say(QUIET)
    stage.run(150)
    ssrc, peer.ssrc = peer.ssrc, 77
    peer.say(QUIET, source=STRANGER)
    assert rejected(stage, peer) == 1
    peer.ssrc = ssrc
    moved = ("192.0.2.1", 60000)
    peer.say(QUIET, source=moved)
    assert stage.of(control.LegLatched)[-1].remote == moved


def test_the_same_stream_may_not_move_while_the_old_source_speaks(stage):
    peer = Peer(stage, 1, 0)
    peer.say(QUIET)
    stage.run(5)
    peer.say(QUIET, source=STRANGER)
    assert rejected(stage, peer) == 1


def test_a_new_signalled_address_is_sent_to_at_once_and_opens_the_lock_after_silence(stage):
    peer = Peer(stage, 1, 0)
    peer.say(QUIET)
    stage.command(control.UpdateLeg(1, control.LegSpec("PCMU", 0, 101, ("192.0.2.7", 7000))))
    assert aims(stage)[-1] == ("192.0.2.7", 7000)
    peer.ssrc = 99
    peer.say(QUIET, source=STRANGER)
    assert rejected(stage, peer) == 1
    stage.run(150)
    peer.say(QUIET, source=("192.0.2.8", 8000))
    assert stage.of(control.LegLatched)[-1].remote == ("192.0.2.8", 8000)


def test_junk_never_locks(stage):
    """Wrong version, wrong payload type, no payload: counted only."""
    peer = Peer(stage, 1, 0)
    stage.receive(0, b"\x00" * 172, STRANGER)
    stage.receive(0, peer.packet(b"x" * 160, kind=77), STRANGER)
    stage.receive(0, peer.packet(b""), STRANGER)
    stage.receive(0, b"\x80", STRANGER)
    assert rejected(stage, peer) == 4
    assert not stage.of(control.LegLatched)


@pytest.mark.parametrize("address", [("0.0.0.0", 5000), ("::", 5000), ("224.0.0.1", 5000), ("192.0.2.1", 0), None])
def test_nothing_is_ever_sent_to_wildcards(stage, address):
    """RFC 3264 §8.4: 0.0.0.0 is hold, not a destination."""
    assert destination(address) is None
    a = Peer(stage, 1, 0)
    b = Peer(stage, 2, 1, remote=address)
    stage.command(control.Connect((control.Edge(1, 2),)))
    for _ in range(3):
        a.say(QUIET)
        stage.run()
    assert b.sent() == []


def test_host_names_are_refused(stage):
    with pytest.raises(PeerError):
        destination(("phone.example.com", 4000))
    Peer(stage, 1, 0, remote=("phone.example.com", 4000))
    assert stage.of(control.Failed)[0].what == "OpenLeg"
    stage.command(control.AskInventory())
    assert stage.of(control.Inventory)[-1].legs == ()


HOME = "198.51.100.4"  # the public address of a phone behind NAT, which signals 192.168.1.5


def at_home(stage):
    return Peer(stage, 1, 0, remote=("192.168.1.5", 4000), host=HOME)


def test_who_speaks_from_the_phones_own_address_takes_the_sound_back_from_a_stranger(stage):
    """A stranger that sprays packets at all ports is heard first, and would get all the sound."""
    peer = at_home(stage)
    peer.say(QUIET, source=STRANGER)
    assert aims(stage)[-1] == STRANGER
    peer.say(QUIET, source=(HOME, 31000))
    assert aims(stage)[-1] == (HOME, 31000)
    for _ in range(3):
        peer.say(QUIET, source=STRANGER)
    assert rejected(stage, peer) == 3
    assert aims(stage)[-1] == (HOME, 31000)


def test_another_port_there_is_a_stranger_like_any(stage):
    peer = at_home(stage)
    peer.say(QUIET, source=(HOME, 31000))
    peer.ssrc = 99
    peer.say(QUIET, source=(HOME, 31002))
    assert rejected(stage, peer) == 1
    assert aims(stage)[-1] == (HOME, 31000)


def test_a_media_gateway_that_was_signalled_is_not_displaced_by_its_proxy(stage):
    peer = Peer(stage, 1, 0, host=HOME)
    peer.say(QUIET)
    peer.say(QUIET, source=(HOME, 31000))
    assert rejected(stage, peer) == 1
    assert aims(stage)[-1] == peer.address


def test_with_signalled_the_host_counts_for_nothing(stage):
    peer = Peer(stage, 1, 0, host=HOME, latch="signalled")
    peer.say(QUIET, source=(HOME, 31000))
    assert rejected(stage, peer) == 1
    assert not stage.of(control.LegHeard)
