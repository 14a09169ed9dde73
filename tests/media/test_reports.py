"""RTCP on virtual time (RFC 3550 §6), and the figures of a leg while it talks."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from virtual import Peer, Stage, talk

from softswitch.wire import control, rtcp
from softswitch.wire.control import Connect, Edge

QUIET = np.full(160, 100, np.int16)


@pytest.fixture
def stage():
    return Stage()


def bridge(stage, **spec):
    a, b = Peer(stage, 1, 0, **spec), Peer(stage, 2, 1)
    stage.command(Connect((Edge(1, 2), Edge(2, 1))))
    return a, b


def figures(stage, leg=1):
    stage.command(control.AskStats((leg,)))
    return stage.of(control.LegStats)[-1]


def report(stage, peer, *parts):
    stage.engine.receive_report(peer.row, rtcp.build(*parts), (peer.address[0], peer.address[1] + 1), stage.now)


def block(ssrc, **values):
    return rtcp.Block(ssrc, **{"fraction": 0, "lost": 0, "highest": 0, "jitter": 0, "last_sr": 0, "delay": 0, **values})


def ssrc_of(stage, row):
    return int(stage.engine.legs.sent["ssrc"][row])


# --------------------------------------------------------------------------------------------------------------- rtcp


def test_reports_come_early_once_and_then_about_every_four_seconds(stage):
    """§6.2: the first after half the interval; §6.3.1: 5 s · (0.5 … 1.5) / 1.21828, looked at once a second."""
    a, b = bridge(stage)
    times = []
    began = stage.now
    for _ in range(120):
        talk(stage, 50, (a, QUIET), (b, QUIET))
        times += [stage.now - began] * sum(effect.row == 0 for effect in stage.rtcp())
        stage.effects.clear()
    assert 1.0 <= times[0] <= 4.1
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert all(2.0 <= gap <= 7.2 for gap in gaps)
    assert 3.8 <= np.mean(gaps) <= 5.2
    assert len(set(np.round(gaps))) >= 3


def test_who_neither_sends_nor_hears_anything_reports_nothing(stage):
    Peer(stage, 1, 0)
    stage.run(600)
    assert stage.rtcp() == []
    stage.command(control.CloseLeg(1))
    assert stage.rtcp() == []


def test_a_block_tells_what_was_lost_since_the_last_one_and_in_all(stage):
    """RFC 3550 A.3; each source is counted for itself, so another SSRC begins at nothing."""
    a, b = bridge(stage)
    blocks = []
    for n in range(1200):
        if n == 700:
            a.ssrc, a.sequence, a.timestamp = 4242, 60000, 77
        if n < 700 and n % 10 == 9:
            a.lose()
        else:
            a.say(QUIET)
        b.say(QUIET)
        stage.run()
        for effect in stage.rtcp():
            if effect.row == 0:
                blocks += rtcp.parse(effect.data)[0].blocks
        stage.effects.clear()
    early = [found for found in blocks if found.ssrc == 1000][-1]
    late = [found for found in blocks if found.ssrc == 4242][-1]
    assert 22 <= early.fraction <= 29
    assert 30 <= early.lost <= 70
    assert (late.fraction, late.lost) == (0, 0)
    assert figures(stage).lost == 69  # the last one of the first stream is missed by nobody


@pytest.mark.parametrize("mux", [False, True])
def test_reports_reduced_in_size_are_read(stage, mux):
    """RFC 5506: any packet alone; RFC 5761: on the port of RTP when that was agreed."""
    a, _ = bridge(stage, rtcp_mux=mux)
    talk(stage, 10, (a, QUIET))
    ours = ssrc_of(stage, 0)
    parts = (rtcp.ReceiverReport(a.ssrc, (block(ours, lost=3),)), rtcp.Cname(a.ssrc, "phone"), rtcp.Bye((a.ssrc,)))
    for part in parts:
        if mux:
            stage.receive(0, rtcp.build(part), a.address)
        else:
            report(stage, a, part)
    found = figures(stage)
    assert (found.reports, found.remote_lost, found.rejected) == (3, 3, 0)


def test_the_peer_s_bye_is_noted_until_it_speaks_again(stage):
    """§6.6."""
    a, _ = bridge(stage)
    talk(stage, 10, (a, QUIET))
    assert not figures(stage).bye
    report(stage, a, rtcp.ReceiverReport(a.ssrc), rtcp.Bye((999,)))
    assert not figures(stage).bye
    report(stage, a, rtcp.ReceiverReport(a.ssrc), rtcp.Bye((a.ssrc,)))
    assert figures(stage).bye
    a.ssrc = 5
    talk(stage, 5, (a, QUIET))
    assert not figures(stage).bye


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.integers(0, 60), st.integers(0, 255))
def test_whatever_comes_as_rtcp_is_read_or_counted(stage, junk, at, octet):
    """Appendix A.2. A compound that is damaged anywhere, or anything else, raises nothing."""
    if not stage.engine.legs.by_id:
        talk(stage, 3, (bridge(stage)[0], QUIET))
    a = stage.engine.legs.by_id[1]
    good = bytearray(rtcp.build(rtcp.SenderReport(1, 2, 3, 4, 5, (block(6),)), rtcp.Cname(1, "x"), rtcp.Bye((1,))))
    good[at] = octet
    for data in (junk, bytes(good), bytes(good[: len(junk)])):
        before = a.reports + a.rejected
        stage.engine.receive_report(0, data, ("192.0.2.1", 4001), stage.now)
        assert a.reports + a.rejected == before + 1


def test_strangers_reports_are_counted_and_dropped(stage):
    a, _ = bridge(stage)
    talk(stage, 3, (a, QUIET))
    data = rtcp.build(rtcp.ReceiverReport(a.ssrc, (block(ssrc_of(stage, 0), lost=999),)))
    stage.engine.receive_report(0, data, ("203.0.113.66", 4001), stage.now)
    found = figures(stage)
    assert (found.remote_lost, found.reports, found.rejected) == (0, 0, 1)


# ------------------------------------------------------------------------------------------------------------ figures


@pytest.mark.parametrize("start", [65500, 0, 32760])
def test_nothing_is_lost_where_the_sequence_wraps(stage, start):
    a, _ = bridge(stage)
    a.sequence = start
    talk(stage, 100, (a, QUIET))
    found = figures(stage)
    assert (found.received, found.expected, found.lost, found.duplicate) == (100, 100, 0, 0)


def test_restarts_are_not_losses(stage):
    """Another SSRC, a sequence that starts anew, a phone that comes back after hold."""
    a, _ = bridge(stage)
    for ssrc, sequence in ((1, 500), (1, 40000), (2, 3), (2, 60000), (2, 1000)):
        a.ssrc, a.sequence = ssrc, sequence
        talk(stage, 50, (a, QUIET))
    found = figures(stage)
    assert found.lost == 0
    assert 0 <= 250 - found.received <= 3  # the first one of a sequence that jumps is not believed (A.1)


def test_what_is_lost_is_never_less_than_nothing(stage):
    """Packets from before the first one, and old ones again."""
    a, _ = bridge(stage)
    a.sequence = 5000
    talk(stage, 3, (a, QUIET))
    for sequence in (4999, 4998, 4990, 4930, 4935):
        a.sequence = sequence
        a.say(QUIET)
    a.sequence = 5003
    talk(stage, 3, (a, QUIET))
    assert figures(stage).lost == 0


def test_a_new_codec_is_no_jitter(stage):
    """A re-INVITE from G.711 to opus: timestamps of another clock; and a new base without a new SSRC."""
    a, _ = bridge(stage)
    talk(stage, 50, (a, QUIET))
    stage.command(control.UpdateLeg(1, control.LegSpec("opus", 96, remote=a.address)))
    a.timestamp += 2**30
    for _ in range(50):
        stage.receive(0, a.packet(b"\xf8\xff\xfe", kind=96), a.address)
        a.timestamp = (a.timestamp + 960) & 0xFFFFFFFF
        stage.run()
    a.timestamp = 5
    for _ in range(50):
        stage.receive(0, a.packet(b"\xf8\xff\xfe", kind=96), a.address)
        a.timestamp += 960
        stage.run()
    found = figures(stage)
    assert found.jitter_ms < 1
    assert found.max_jitter_ms < 1
    assert found.lost == 0


def test_late_packets_count_once_and_the_jitter_s_peak_is_kept(stage):
    """A mixed leg: 60 ms of jitter for a second, then none."""
    a, _ = bridge(stage)
    stage.command(control.Record(9, "x.wav"), Connect((Edge(1, 9),)))
    for n in range(400):
        if 100 <= n < 150 and n % 3:
            waiting = n % 3 == 2
            if waiting:
                a.say(QUIET), a.say(QUIET)
        else:
            a.say(QUIET)
        stage.run()
    found = figures(stage)
    assert found.max_jitter_ms > 5
    assert found.jitter_ms < found.max_jitter_ms
    assert found.late <= 2
    assert found.buffer_ms > 0
    assert found.buffer_mean_ms > 0


def test_figures_of_a_leg_that_has_gone_are_not_asked_for_in_vain(stage):
    """Control asks for many at once, some of which may have closed meanwhile."""
    bridge(stage)
    stage.command(control.CloseLeg(2), control.AskStats((1, 2, 77)))
    assert [found.leg for found in stage.of(control.LegStats)] == [1]
    assert stage.of(control.Failed) == []


def test_bursts_of_loss_are_worse_than_the_same_loss_spread(stage):
    """G.107 §7.2."""
    a, b = bridge(stage)
    for n in range(1000):
        for peer, lost in ((a, n % 100 in (50, 51, 52, 53)), (b, n % 25 == 20)):
            if lost:
                peer.lose()
            else:
                peer.say(QUIET)
        stage.run()
    bursty, spread = figures(stage, 1), figures(stage, 2)
    assert bursty.lost == spread.lost == 40
    assert bursty.burst_ratio == pytest.approx(3.84)
    assert spread.burst_ratio == 1.0
    assert bursty.mos < spread.mos < spread.listening_mos < 4.41


def test_what_the_peer_hears_is_what_it_reports(stage):
    """From its block about our stream: share lost lately, all that was lost, jitter; a MOS of that."""
    a, b = bridge(stage)
    talk(stage, 200, (a, QUIET), (b, QUIET))
    assert figures(stage).remote_mos == 0.0
    report(stage, a, rtcp.ReceiverReport(a.ssrc, (block(ssrc_of(stage, 0), fraction=26, lost=10, jitter=80),)))
    found = figures(stage)
    assert found.remote_loss == pytest.approx(0.1, abs=0.01)
    assert (found.remote_lost, found.remote_jitter_ms) == (10, 10.0)
    assert 3.2 < found.remote_mos < 4.0
    assert found.mos > 4.3
