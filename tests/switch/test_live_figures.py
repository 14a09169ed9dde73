"""The fold over calls through the whole switch: hold, carriers, and live figures that are those of the ledger."""

from dataclasses import replace

import pytest

from softswitch.acd.model import Fact, QueueSettings
from softswitch.acd.stats import Totals
from softswitch.switch.events import Reload
from softswitch.switch.records import CallRecord
from softswitch.switch.settings import Statistics
from tests.switch.site import Site
from tests.switch.test_queue import SETTINGS, records, site_with


def totals(site: Site) -> Totals:
    return Totals(fact for fact in site.saved if isinstance(fact, Fact))


def test_hold_and_carrier_and_record_agree() -> None:
    site, alice, carrier = site_with()
    line = carrier.call("100")
    site.run(10.0)
    alice.hold(alice.line)
    site.run(7.0)
    alice.resume(alice.line)
    site.run(3.0)
    carrier.hold(line)
    site.run(5.0)
    carrier.hang_up(line)
    (record,) = records(site)
    found = totals(site)
    queue, trunk = found.queue("support"), found.trunks["carrier"]
    assert queue.hold == pytest.approx(record.hold_seconds) == pytest.approx(12.0, abs=0.1)
    assert queue.talk == pytest.approx(record.talk_seconds) == pytest.approx(25.0, abs=0.1)
    assert found.agent("alice").holds == 1
    assert (trunk.inbound, trunk.answered_inbound, trunk.outbound) == (1, 1, 0)
    assert trunk.seconds == pytest.approx(record.ended - record.answered, abs=0.1) if record.answered else False
    assert found.sources["carrier"].answered == 1
    site.nothing_left()


def test_live_figures_are_those_of_the_ledger() -> None:
    site, alice, carrier = site_with(QueueSettings(agents=("alice",), wrap_up=8.0, needs={}))
    for seconds in (5.0, 9.0, 14.0):
        line = carrier.call("100")
        site.run(seconds)
        carrier.hang_up(line)
        site.run(10.0)
    alice.on_invite = "ring"
    line = carrier.call("100")
    site.run(30.0)
    carrier.hang_up(line)
    site.run(5.0)
    queue = totals(site).queue("support")
    (live,) = site.switch.desk.queues(site.now)
    assert (
        (live.offered, live.answered, live.abandoned) == (queue.entered, queue.answered, queue.abandoned) == (4, 3, 1)
    )
    assert live.service_level == 100.0 * (queue.service_level or 0.0)
    assert live.abandonment == 100.0 * (queue.abandonment or 0.0)
    assert live.average_wait == queue.average_speed_of_answer
    assert live.average_handling == queue.average_handling_time
    assert live.average_abandoned_wait == queue.average_abandoned_wait
    assert live.repeat_rate == 100.0 * (queue.repeat_rate or 0.0) == 75.0
    agent = totals(site).agent("alice")
    (row, *_) = site.switch.desk.agents(site.now)
    assert (row.calls_today, row.talk_seconds, row.handling_seconds) == (3, agent.talk, agent.average_handling_time)
    assert 0 < row.occupancy < 100


def test_the_state_that_lasts_counts_live() -> None:
    site, _, carrier = site_with()
    carrier.call("100")
    site.run(50.0)
    (row, *_) = site.switch.desk.agents(site.now)
    assert row.logged_in_seconds == pytest.approx(50.0, abs=0.1)
    assert row.occupancy == pytest.approx(100.0, abs=1.0)


def test_other_rules_hold_after_a_reload() -> None:
    site, _, carrier = site_with()
    for _ in range(2):
        line = carrier.call("100")
        site.run(5.0)
        carrier.hang_up(line)
        site.run(100.0)
    site.give(Reload(replace(SETTINGS, statistics=Statistics(fcr_days=0.0001))))
    line = carrier.call("100")
    site.run(5.0)
    carrier.hang_up(line)
    (live,) = site.switch.desk.queues(site.now)
    assert live.offered == 3
    assert live.repeat_rate == pytest.approx(100.0 / 3)
    assert len([record for record in site.saved if isinstance(record, CallRecord)]) >= 2
