"""Health of a trunk by OPTIONS (RFC 3261 §11)."""

from random import Random

import pytest

from softswitch.sip.health import Health, HealthChanged, Probe, ProbeSettings, SendProbe

NOW = 1_700_000_000.0
SETTINGS = ProbeSettings("sip:198.51.100.10:5060", "sip:pbx.example.com", interval=30.0, fast=5.0, failures=2)


def probing(settings: ProbeSettings = SETTINGS) -> Probe:
    probe = Probe(settings, Random(3))
    [send] = probe.start(NOW)
    assert isinstance(send, SendProbe)
    return probe


def up() -> Probe:
    probe = probing()
    probe.responded(200, NOW)
    return probe


def pause(probe: Probe, now: float) -> float:
    due = probe.deadline()
    assert due is not None
    return due - now


def test_the_probe_is_an_options_request() -> None:
    """RFC 3261 §11.1."""
    probe = Probe(SETTINGS, Random(3))
    [send] = probe.start(NOW)
    assert isinstance(send, SendProbe)
    request = send.request
    assert (request.method, str(request.uri)) == ("OPTIONS", "sip:198.51.100.10:5060")
    assert request.headers.get("Accept") == "application/sdp"
    assert request.from_.tag


@pytest.mark.parametrize("status", [200, 302, 401, 403, 404, 405, 480, 483, 486, 500, 501, 603])
def test_whoever_answers_lives(status: int) -> None:
    assert probing().responded(status, NOW) == [HealthChanged(Health.UP, status, NOW)]


@pytest.mark.parametrize("status", [408, 503])
def test_silence_counts_and_several_in_a_row_mean_down(status: int) -> None:
    probe = up()
    now = NOW + 30
    probe.wake(now + 10)
    assert probe.responded(status, now + 10) == []
    assert probe.health is Health.UP
    assert 4.5 <= pause(probe, now + 10) <= 5.5  # looked at faster from the first failure on
    probe.wake(now + 20)
    assert probe.responded(status, now + 20) == [HealthChanged(Health.DOWN, status, NOW)]
    assert 4.5 <= pause(probe, now + 20) <= 5.5


def test_an_answer_between_failures_starts_the_count_anew() -> None:
    probe = up()
    for status in (408, 200, 408, 200, 408):
        assert probe.responded(status, NOW) == []
        probe.wake(NOW + 1e6)
    assert probe.health is Health.UP


def test_one_answer_brings_it_up_again() -> None:
    probe = probing()
    probe.responded(408, NOW)
    probe.wake(NOW + 10)
    probe.responded(408, NOW + 10)
    assert probe.health is Health.DOWN
    probe.wake(NOW + 20)
    assert probe.responded(200, NOW + 20) == [HealthChanged(Health.UP, 200, NOW + 10)]
    assert 27 <= pause(probe, NOW + 20) <= 33


def test_one_probe_at_a_time() -> None:
    probe = probing()
    assert probe.deadline() is None
    assert probe.wake(NOW + 100) == []
    probe.responded(200, NOW + 100)
    due = probe.deadline()
    assert due is not None
    assert probe.wake(due - 0.1) == []
    assert len(probe.wake(due)) == 1
    assert probe.wake(due) == []


def test_calls_are_evidence_too() -> None:
    """A call that fails makes us look soon; a second one makes the trunk down without waiting for a probe."""
    probe = up()
    assert probe.observed(503, NOW + 1) == []
    assert pause(probe, NOW + 1) <= 5.0
    assert probe.observed(408, NOW + 2) == [HealthChanged(Health.DOWN, 408, NOW)]
    assert probe.observed(486, NOW + 3) == [HealthChanged(Health.UP, 486, NOW + 2)]


def test_interval_zero_never_probes() -> None:
    probe = Probe(ProbeSettings("sip:h", "sip:us", interval=0), Random(1))
    assert probe.start(NOW) == []
    assert probe.deadline() is None
    probe.observed(200, NOW)
    assert probe.health is Health.UP
    assert probe.deadline() is None


def test_a_late_answer_after_stop_changes_nothing() -> None:
    probe = probing()
    probe.stop()
    assert probe.responded(200, NOW) == []
    assert probe.deadline() is None


def test_many_trunks_do_not_probe_in_step() -> None:
    dues = set()
    for seed in range(20):
        probe = Probe(SETTINGS, Random(seed))
        probe.start(NOW)
        probe.responded(200, NOW)
        dues.add(probe.deadline())
    assert len(dues) == 20
