"""The figures of streams: while a call is up, in its record, and over all calls."""

import pytest

from softswitch.switch.quality import Histogram, quality
from softswitch.switch.records import CallRecord
from softswitch.switch.settings import Phone, Settings, Sip
from softswitch.wire import control
from tests.switch.site import Site

PASSWORD = "correct horse"
SETTINGS = Settings(
    sip=Sip(domain="pbx.test"), phones={"1001": Phone(password=PASSWORD), "1002": Phone(password=PASSWORD)}
)


def talking() -> tuple[Site, str]:
    site = Site(SETTINGS)
    alice, _ = site.phone("1001", "192.0.2.10"), site.phone("1002", "192.0.2.11")
    assert alice.call("1002").state == "up"
    (call,) = site.switch.desk.calls(site.now)
    return site, call.id


def test_a_live_call_shows_figures_of_its_streams_within_seconds() -> None:
    site, id = talking()
    site.run(10.0)
    view = site.switch.desk.call(id, site.now)
    assert view is not None
    assert len(view.legs) == 2
    for leg in view.legs:
        assert leg.quality is not None
        assert (leg.quality.received, leg.quality.lost, leg.quality.loss) == (100, 2, 1.96)
        assert (leg.quality.mos, leg.quality.remote_mos, leg.quality.remote_loss) == (4.2, 3.9, 5.0)
        assert (leg.quality.round_trip_ms, leg.quality.max_jitter_ms) == (12.0, 7.0)


def test_the_record_keeps_them_and_the_distribution_counts_them() -> None:
    site, id = talking()
    site.switch.calls[id].end(site.now, 200, by="switch")
    site.run(5.0)
    record = site.records(CallRecord)[-1]
    assert isinstance(record, CallRecord)
    assert [leg.quality.loss for leg in record.legs if leg.quality] == [1.96, 1.96]
    assert [leg.mos for leg in record.legs] == [4.2, 4.2]
    assert sum(site.switch.desk.quality.mos.counts) == 2
    assert site.switch.desk.quality.remote_mos.total == pytest.approx(7.8)
    site.nothing_left()


def test_each_leg_is_asked_for_in_its_turn() -> None:
    """Every five seconds or so, a fifth of the legs each second, a hundred at most."""
    site, _ = talking()
    reports = site.switch._media
    asked: list[tuple[int, ...]] = []
    legs = list(range(10, 1010))
    site.switch.office.fabric.command = lambda _, command: asked.append(command.legs)  # type: ignore[assignment, method-assign]  # records what is sent
    for _ in range(11):
        reports._ask(0, legs)
    assert all(len(some) <= 100 for some in asked)
    assert sorted(leg for some in asked[:10] for leg in some) == legs
    asked.clear()
    for _ in range(6):
        reports._ask(0, [3, 4, 7])
    assert {leg for some in asked for leg in some} == {3, 4, 7}


def test_the_process_tells_its_own_figures_without_any_leg() -> None:
    site = Site(SETTINGS)
    site.run(12.0)
    (worker,) = site.switch.desk.workers()
    assert worker.ticks == 1000


def test_what_a_stream_says_is_rounded_and_bounded() -> None:
    """More late than expected cannot be more than all."""
    told = control.LegStats(1, 3, 0, 0, 0, 5, 9, 0, 0, 1.23456, 0, 0.0, -1.0, 1.0, expected=8)
    shown = quality(told)
    assert (shown.loss, shown.jitter_ms, shown.round_trip_ms) == (100.0, 1.23, -1.0)


def test_a_histogram_s_steps_include_their_value() -> None:
    """Prometheus: le."""
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 9.0):
        histogram.add(value)
    assert histogram.counts == [2, 2, 1]
    assert histogram.total == 14.0
