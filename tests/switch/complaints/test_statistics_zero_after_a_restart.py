"""Complaint: statistics zero after a restart (qpanel#113). Ours: they are folded from the ledger, which survives.

The same with a real switch and `kill -9`: tests/interop/test_totals_after_kill.py."""

from random import Random

from softswitch.acd.model import Fact
from softswitch.switch.switch import Switch
from tests.switch.site import HOST, At
from tests.switch.test_queue import SETTINGS, site_with


def test_the_next_switch_shows_the_same_figures() -> None:
    site, alice, carrier = site_with()
    for _ in range(2):
        line = carrier.call("100")
        site.run(12.0)
        carrier.hang_up(line)
        site.run(20.0)
    alice.on_invite = "ring"
    line = carrier.call("100")
    site.run(7.0)
    carrier.hang_up(line)
    site.run(20.0)
    (before,) = site.switch.desk.queues(site.now)
    assert (before.offered, before.answered, before.abandoned) == (3, 2, 1)
    assert before.service_level > 0
    facts = [fact for fact in site.saved if isinstance(fact, Fact)]
    after = Switch(SETTINGS, At(HOST, 5060), Random(8), site.now, lambda name, language: name)
    after.restore((), {"alice": {"logged_in": True, "pause": None}}, facts, site.now)
    after.start(site.now)
    (row,) = after.desk.queues(site.now)
    for name in (
        "offered",
        "answered",
        "abandoned",
        "service_level",
        "average_wait",
        "abandonment",
        "average_handling",
    ):
        assert getattr(row, name) == getattr(before, name), name
    rows = {row.name: row for row in after.desk.agents(site.now)}
    was = {row.name: row for row in site.switch.desk.agents(site.now)}
    assert (rows["alice"].calls_today, rows["alice"].talk_seconds) == (2, was["alice"].talk_seconds)
    assert rows["alice"].handling_seconds == was["alice"].handling_seconds


def test_numbers_start_anew_at_midnight_and_calls_of_the_night_count_where_they_began() -> None:
    site, alice, carrier = site_with()
    alice.on_invite = "ring"
    midnight = site.now - site.now % 86400.0 + 86400.0
    site.run(midnight - site.now - 5.0)
    alice.register()  # the last one ran out
    line = carrier.call("100")
    site.run(8.0)
    alice.answer(alice.line)
    site.run(10.0)
    (today,) = site.switch.desk.queues(site.now)
    assert (today.offered, today.answered) == (0, 0), "it came yesterday"
    carrier.hang_up(line)
    site.run(20.0)
    (today,) = site.switch.desk.queues(site.now)
    assert today.average_handling > 0, "the conversation ended today"
    assert sum(site.switch.desk.histograms()["support"].waits.counts) == 1
