"""Random days in which control dies, again and again, at any moment: with media alive or not. Nobody sits in dead air,
every call has exactly one record, the figures agree with each other, and nothing is left."""

import os
from collections import Counter

import pytest

from softswitch.acd.model import Fact
from softswitch.acd.stats import Fold, Totals
from softswitch.switch.journal import GATHER, SETTLE
from softswitch.switch.records import CallRecord
from tests.switch import test_random_days as days
from tests.switch import test_random_siprec as siprec
from tests.switch.site import Line
from tests.switch.survival import crash, kept
from tests.switch.test_random_days import Day, sound

FIRST = int(os.environ.get("RANDOM_CRASHES_FROM", "0"))  # a longer hunt
LAST = int(os.environ.get("RANDOM_CRASHES_TO", "10"))
STEPS = 40
CRASHES = 5


class BadDay(Day):
    """With crashes."""

    adopted = ended = 0

    def crash(self) -> None:
        loss, self.loss = self.loss, 0.0
        site = self.site
        site.settle()
        site.run(SETTLE + GATHER + 0.01)  # what changed within that is lost
        known = self.known()
        crash(site, after=self.dice.choice((0.5, 2.0, 10.0)), media=self.dice.random() < 0.8)
        site.settle()
        shown = site.switch.desk.status(site.now).recovery
        if shown is not None:
            assert shown.waiting == 0
            self.adopted += shown.adopted
            self.ended += shown.ended
        lives = self.known()
        for line, where in known.items():
            assert line not in self.up() or line in lives, where
        assert set(site.media.legs) == set(site.switch.office.fabric.legs) | set(site.switch.office.fabric.streams)
        assert set(site.media.recorders) <= set(site.switch.office.recordings)
        self.check()
        self.loss = loss

    def up(self) -> dict[tuple[str, str, str], Line]:
        """Lines of parties who talk, or think so, by the names of their dialogs as the switch has them."""
        found = {}
        for party, line in self.lines("up"):
            dialog = party.ua.dialog_of(line.session)
            if dialog is not None:
                found[dialog.call_id, dialog.remote_tag, dialog.local_tag] = line
        return found

    def known(self) -> dict[tuple[str, str, str], str]:
        """Those of them that the switch has, too, and where their calls are."""
        office = self.site.switch.office
        found = {}
        for names in self.up():
            dialog = office.ua.dialog(*names)
            if dialog is not None and dialog[1] == "confirmed":
                leg = office.fabric.sessions.get(dialog[0])
                call = None if leg is None else office.calls.get(leg.owner)
                found[names] = "no call" if call is None else call.stage.label
        return found

    def ends(self) -> None:
        site = self.site
        self.all_leave()
        assert not kept(site)
        records = [record for record in site.saved if isinstance(record, CallRecord)]
        started = {fact.call for fact in site.saved if isinstance(fact, Fact) and fact.kind == "call.started"}
        ended = Counter(fact.call for fact in site.saved if isinstance(fact, Fact) and fact.kind == "call.ended")
        assert Counter(record.id for record in records) == dict.fromkeys(started, 1)
        assert ended == dict.fromkeys(started, 1)
        for record in records:
            sound(record)
        self.figures(records)

    def figures(self, records: list[CallRecord]) -> None:
        totals, fold = Totals(), Fold()
        for fact in self.site.saved:
            if isinstance(fact, Fact):
                totals.add(fact)
                fold.add(fact)
        assert not fold.open(), fold.open()
        for queue in totals.queues.values():
            assert queue.waiting == 0
            assert queue.answered >= queue.talks - totals_of_other_talks(totals)
            assert queue.lost_talks >= 0
        assert sum(queue.talk for queue in totals.queues.values()) == pytest.approx(
            sum(agent.talk for agent in totals.agents.values())
        )
        over = Counter(
            leg.party.removeprefix("trunk:")
            for record in records for leg in record.legs if leg.party.startswith("trunk:")
        )  # fmt: skip
        assert {name: trunk.calls for name, trunk in totals.trunks.items()} == over


def totals_of_other_talks(totals: Totals) -> int:
    """Talks that no offer to a waiting caller began: transfers and call-backs."""
    return sum(agent.talks for agent in totals.agents.values())


@pytest.mark.parametrize("seed", range(FIRST, LAST))
def test_whatever_happens_around_it_a_crash_is_survived(seed: int) -> None:
    day = BadDay(seed)
    for _ in range(CRASHES):
        for _ in range(STEPS):
            day.step()
        day.crash()
    day.ends()


class ServedDay(BadDay, siprec.Day):
    """With recording servers and faxes."""

    def __init__(self, seed: int) -> None:
        siprec.Day.__init__(self, seed, 500)


@pytest.mark.parametrize("seed", range(FIRST, LAST, 2))
def test_so_it_is_with_recording_servers_and_faxes(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(days, "SETTINGS", siprec.SETTINGS)
    day = ServedDay(1000 + seed)
    for _ in range(CRASHES):
        for _ in range(STEPS):
            day.step()
        day.crash()
    day.ends()


def test_the_days_have_calls_that_go_on_and_calls_that_do_not() -> None:
    adopted = ended = 0
    for seed in range(4):
        day = BadDay(100 + seed)
        for _ in range(CRASHES):
            for _ in range(STEPS):
                day.step()
            day.crash()
        day.ends()
        adopted, ended = adopted + day.adopted, ended + day.ended
    assert adopted > 2
    assert ended > 10
