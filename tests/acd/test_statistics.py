"""The figures over facts: definitions, intervals, and what later facts take back. Formulas: docs/statistics.md."""

import json
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from softswitch.acd.fold import Fold
from softswitch.acd.followed import Rules
from softswitch.acd.intervals import Calendar
from softswitch.acd.model import Fact, QueueSettings
from softswitch.acd.reports import Question, fold_for, report
from softswitch.acd.stats import Sums, Totals
from softswitch.acd.tally import SERVICE_LEVELS
from tests.acd.acd_shift import Shift

DAY = 86400.0


def mixed() -> Shift:
    """Ten calls: 4 answered in time, 1 late; abandoned: 2 short, 1 within the 20 s, 1 late; 1 overflows."""
    crew = ("a", "b", "c", "d")
    shift = Shift(*crew, max_wait=60.0, on_max_wait="play:sorry", short_abandon=5.0, ring_seconds=0.0)
    first = ""
    for number in range(4):
        shift.call(f"quick{number}")
        (agent,) = shift.ringing
        first = first or agent
        shift.answer(agent)
    for call in ("short1", "short2", "soon", "later", "late", "overflows"):
        shift.call(call)
    shift.after(3)
    shift.leave("short1")
    shift.leave("short2")
    shift.after(9)
    shift.leave("soon")
    shift.after(18)
    shift.leave("later")
    shift.end("quick0", first)
    shift.answer(first)
    shift.after(60)
    return shift


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("standard", 4 / (5 + 2 + 1)),
        ("answered", 4 / 5),
        ("offered", 4 / 10),
        ("without-overflow", 4 / (5 + 2)),
        ("abandoned-in-time", (4 + 3) / (5 + 4 + 1)),
        ("late-abandons", 4 / (5 + 1 + 1)),
    ],
)
def test_service_level_by_its_definitions(definition: str, expected: float) -> None:
    queue = Totals(mixed().facts).queue("support")
    assert queue.service_level_by(definition) == pytest.approx(expected)


def test_abandonment_leaves_short_abandons_out_of_both_sides() -> None:
    queue = Totals(mixed().facts).queue("support")
    assert (queue.entered, queue.answered, queue.abandoned, queue.short_abandoned, queue.overflows) == (10, 5, 4, 2, 1)
    assert queue.abandonment == 2 / 8
    assert queue.average_abandoned_wait == (3 + 3 + 12 + 30) / 4
    assert queue.longest_abandoned == 30.0
    assert queue.longest_wait == 60.0
    assert queue.waits.counts[0] == 4


def test_every_definition_is_none_before_there_is_a_call() -> None:
    assert [Sums().queue("q").service_level_by(name) for name in SERVICE_LEVELS] == [None] * 6


def test_a_call_counts_where_it_entered_and_its_talk_where_it_ended() -> None:
    shift = Shift("alice", wrap_up=30.0)
    start = shift.now - shift.now % 900 + 900
    shift.after(start - 10 - shift.now)
    shift.call("c1")
    shift.after(15)  # the next quarter of an hour
    shift.answer("alice")
    shift.after(900)
    shift.end("c1", "alice")
    shift.after(40)
    fold = folded(shift.facts, Calendar("15m", "UTC"))
    first, second, third = (fold.slots[start + offset].queue("support") for offset in (-900, 0, 900))
    assert (first.entered, first.answered, first.answered_wait, first.talks) == (1, 1, 15.0, 0)
    assert (second.entered, second.answered, second.talks) == (0, 0, 0)
    assert (third.talks, third.talk, third.wrap_up) == (1, 900.0, 30.0)
    states = [fold.slots[start + offset].agent("alice").states.get("talking", 0.0) for offset in (-900, 0, 900)]
    assert states == [0.0, 895.0, 5.0]


def folded(facts: list[Fact], calendar: Calendar | None = None, **rules: object) -> Fold:
    fold = Fold(calendar, rules=Rules(**rules))  # type: ignore[arg-type]
    for fact in facts:
        fold.add(fact)
    return fold


def test_the_hour_that_comes_twice_is_two_intervals_and_the_day_has_25() -> None:
    """Vilnius, 25 October 2026: 03:00 to 04:00 is there twice; a pause from 02:30 to 04:30 by the clock lasts 3 h."""
    zone = ZoneInfo("Europe/Vilnius")
    begins, ends = (datetime(2026, 10, 25, hour, 30, tzinfo=zone).timestamp() for hour in (2, 4))
    facts = [
        Fact("agent.state", begins, agent="a", data={"state": "paused", "reason": "x", "was": "ready", "lasted": 0.0}),
        Fact("agent.state", ends, agent="a", data={"state": "ready", "reason": "", "was": "paused", "lasted": 10800.0}),
    ]
    facts += [Fact("queue.entered", begins + 3600 * n, f"c{n}", "q", data={"caller": ""}) for n in range(3)]
    fold = folded(facts, Calendar("1h", "Europe/Vilnius"))
    assert [totals.agent("a").paused for _, totals in sorted(fold.slots.items())] == [1800.0, 3600.0, 3600.0, 1800.0]
    clocks = [f"{datetime.fromtimestamp(start, zone):%H:%M}" for start in sorted(fold.slots)]
    assert clocks == ["02:00", "03:00", "03:00", "04:00"]
    day = folded(facts, Calendar("day", "Europe/Vilnius"))
    (totals,) = day.slots.values()
    assert (totals.agent("a").pauses, totals.queue("q").entered) == ({"x": 10800.0}, 3)


def test_hold_is_the_time_in_which_anybody_holds() -> None:
    facts = [
        Fact("queue.entered", 0.0, "c", "q", data={"caller": "1"}),
        Fact("queue.answered", 1.0, "c", "q", "a", {"waited": 1.0, "rang": 1.0, "within": True}),
        Fact("call.held", 10.0, "c", data={"by": "agent:a"}),
        Fact("call.held", 15.0, "c", data={"by": "trunk:x"}),
        Fact("call.resumed", 20.0, "c", data={"by": "agent:a"}),
        Fact("call.resumed", 30.0, "c", data={"by": "trunk:x"}),
        Fact("call.held", 50.0, "c", data={"by": "agent:a"}),
        Fact("talk.ended", 61.0, "c", "q", "a", {"talk": 60.0}),
    ]
    totals = Totals(facts)
    for cell in (totals.queue("q"), totals.agent("a")):
        assert (cell.talk, cell.hold, cell.holds) == (60.0, 31.0, 1)
        assert (cell.average_talk, cell.average_hold, cell.hold_share) == (29.0, 31.0, 1.0)
        assert cell.average_handling_time == 60.0


def served(at: float, call: str, caller: str, queue: str = "q", agent: str = "a") -> list[Fact]:
    return [
        Fact("queue.entered", at, call, queue, data={"caller": caller}),
        Fact("queue.answered", at + 5, call, queue, agent, {"waited": 5.0, "rang": 3.0, "within": True}),
        Fact("talk.ended", at + 65, call, queue, agent, {"talk": 60.0}),
    ]


def test_first_call_resolution() -> None:
    """1 comes back on day 3 (twice: one case), 2 after eight days, 3 to another queue; 4 once; one without a number."""
    facts = [
        *served(0.0, "c1", "1"),
        *served(10.0, "c2", "2", agent="b"),
        *served(20.0, "c3", "3"),
        *served(30.0, "c4", "4"),
        *served(40.0, "c5", "anonymous"),
        *served(3 * DAY, "c6", "1", agent="b"),
        *served(4 * DAY, "c7", "3", queue="other"),
        *served(5 * DAY, "c8", "1"),
        *served(6 * DAY, "c9", "Anonymous"),
        *served(8 * DAY + 10, "c10", "2"),
    ]
    fold = folded(facts)
    fold.finish(9 * DAY)
    (totals,) = fold.slots.values()
    queue = totals.queue("q")
    assert (queue.cases, queue.reopened, queue.first_call_resolution) == (5, 1, 4 / 5)
    assert (queue.known, queue.repeats, queue.repeat_rate) == (7, 2, 2 / 7)
    assert (totals.agent("a").cases, totals.agent("a").reopened) == (5, 1)
    assert totals.agent("b").first_call_resolution == 1.0
    assert queue.pending == 1  # 2, who came back to a case of its own; the others' days are over or they came back
    anywhere = folded(facts, fcr_scope="any")
    (totals,) = anywhere.slots.values()
    assert (totals.queue("q").cases, totals.queue("q").reopened) == (5, 2)


def test_a_call_that_enters_again_is_no_repeat() -> None:
    facts = [*served(0.0, "c1", "1"), Fact("queue.entered", 70.0, "c1", "q", data={"caller": "1"})]
    assert Totals(facts).queue("q").repeats == 0


def test_a_talk_that_the_next_start_takes_over_is_one_talk() -> None:
    """As long as it was, by its agent, and lost only until it is taken over."""
    began = [
        *(Fact("queue.entered", 10.0, call, "q", data={"caller": call}) for call in ("on", "cut")),
        Fact("queue.answered", 12.0, "on", "q", "a", {"waited": 2.0, "rang": 2.0, "within": True}),
        Fact("queue.answered", 13.0, "cut", "q", "b", {"waited": 3.0, "rang": 2.0, "within": True}),
        Fact("switch.started", 20.0),
    ]
    assert Totals(began).queue("q").lost_talks == 2
    goes_on = [
        Fact("call.adopted", 20.5, "on", data={"by": "agent:a", "agent": "a"}),
        Fact("switch.recovered", 20.6, data={"adopted": 1, "ended": 1}),
        Fact("call.adopted", 21.0, "cut", data={"by": "agent:b", "agent": "b"}),  # too late
        Fact("talk.ended", 42.0, "on", "q", "a", {"talk": 30.0}),
        Fact("call.ended", 42.0, "on"),
    ]
    totals = Totals([*began, *goes_on])
    queue, agent = totals.queue("q"), totals.agent("a")
    assert (queue.answered, queue.talks, queue.talk, queue.lost_talks) == (2, 1, 30.0, 1)
    assert (agent.talks, agent.talk, agent.lost_talks, totals.agent("b").lost_talks) == (1, 30.0, 0, 1)
    fold = Fold()
    for fact in (*began, *goes_on):
        fold.add(fact)
    assert not fold.open()


def test_what_lived_when_the_switch_died_is_cut_off_once() -> None:
    facts = [
        Fact("agent.state", 0.0, agent="a", data={"state": "ready", "reason": "", "was": "logged-out", "lasted": 0.0}),
        Fact("queue.entered", 10.0, "talks", "q", data={"caller": "1"}),
        Fact("queue.answered", 12.0, "talks", "q", "a", {"waited": 2.0, "rang": 2.0, "within": True}),
        Fact("agent.state", 12.0, agent="a", data={"state": "talking", "reason": "", "was": "ready", "lasted": 12.0}),
        Fact("queue.entered", 20.0, "waits", "q", data={"caller": "2"}),
        Fact("switch.started", 500.0),
        Fact("agent.state", 500.0, agent="a", data={"state": "ready", "reason": "", "was": "logged-out", "lasted": 0}),
        Fact("agent.state", 530.0, agent="a", data={"state": "paused", "reason": "", "was": "ready", "lasted": 30.0}),
        Fact("switch.stopped", 600.0),
        Fact("switch.started", 900.0),
    ]
    totals = Totals(facts)
    queue, agent = totals.queue("q"), totals.agent("a")
    assert (queue.entered, queue.answered, queue.lost, queue.waiting, queue.lost_talks) == (2, 1, 1, 0, 1)
    assert agent.states == {"ready": 42.0, "talking": 8.0, "paused": 70.0}


def test_carriers_by_way_and_skills_and_trunks_as_queues() -> None:
    needs = {"needs": {"english": 50, "billing": 0}, "caller": "1"}
    facts = [
        Fact("call.started", 0.0, "c", data={"source": "trunk:t1", "caller": "1"}),
        Fact("queue.entered", 0.0, "c", "q", data=needs),
        Fact("queue.answered", 4.0, "c", "q", "a", {"waited": 4.0, "rang": 3.0, "within": True}),
        Fact("talk.ended", 64.0, "c", "q", "a", {"talk": 60.0}),
        Fact("call.ended", 64.0, "c", data={"trunks": [["t1", "in", 200, 64.0]]}),
        Fact("call.started", 70.0, "d", data={"source": "phone:1001"}),
        Fact("call.ended", 90.0, "d", data={"trunks": [["t2", "out", 503, None], ["t1", "out", 200, 12.0]]}),
    ]
    totals = Totals(facts)
    one, two = totals.trunks["t1"], totals.trunks["t2"]
    assert (one.inbound, one.outbound, one.seconds, one.answer_seizure_ratio) == (1, 1, 76.0, 1.0)
    assert (one.average_call_duration, two.answer_seizure_ratio, two.failures) == (38.0, 0.0, {"503": 1})
    for cell in (totals.skills["english"], totals.skills["billing"], totals.sources["t1"]):
        assert (cell.entered, cell.within, cell.talk) == (1, 1, 60.0)
    assert "t2" not in totals.sources


def test_days_add_up_to_the_whole_and_the_ledger_s_json_folds_to_the_same() -> None:
    shift = mixed()
    shift.after(3 * DAY)
    shift.logout("a")
    whole = Totals(shift.facts)
    stored = [
        Fact(**json.loads(json.dumps({name: getattr(fact, name) for name in fact.__slots__}))) for fact in shift.facts
    ]
    assert Totals(stored).queues == whole.queues
    summed = Sums()
    for totals in folded(stored, Calendar("1h", "Asia/Kolkata")).slots.values():
        summed.merge(totals)
    assert summed.queues == whole.queues
    assert summed.agent("a").states == pytest.approx(whole.agent("a").states)


def test_unknown_facts_and_damaged_data_change_nothing() -> None:
    facts = [
        Fact("something.new", 1.0, "c", "q"),
        Fact("queue.answered", 2.0, "c", "q", "a", {"waited": "long", "rang": None}),
        Fact("call.ended", 3.0, "c", data={"trunks": "many"}),
        Fact("survey.answer", 4.0, "c", "q", data={"survey": "s", "kind": "csat", "value": "great"}),
        Fact("queue.returned", 5.0, "nobody", "q", "a"),
    ]
    totals = Totals(facts)
    assert totals.queue("q").answered == 1
    assert totals.queue("q").survey.csat == {}


def test_two_agents_of_two_queues_each_have_their_own() -> None:
    queues = {"x": QueueSettings(agents=("alice",)), "y": QueueSettings(agents=("bob",))}
    shift = Shift("alice", "bob", queues=queues)
    shift.talk("c1", "alice", 30.0, queue="x")
    shift.talk("c2", "bob", 50.0, queue="y")
    totals = Totals(shift.facts)
    assert [totals.queue(name).talk for name in "xy"] == [30.0, 50.0]
    assert [totals.agent(name).talk for name in ("alice", "bob")] == [30.0, 50.0]


def test_the_fold_holds_nothing_of_what_is_over() -> None:
    shift = Shift("alice", "bob", wrap_up=0.0)
    fold = Fold()
    for number in range(50):
        call = f"c{number}"
        fold.add(Fact("call.started", shift.now, call, data={"source": "trunk:t"}))
        before = len(shift.facts)
        shift.call(call)
        (agent,) = shift.ringing
        if number % 5:
            shift.answer(agent)
            shift.after(20)
            shift.end(call, agent)
        else:
            shift.leave(call)
            shift.after(1)
        for fact in (*shift.facts[before:], Fact("call.ended", shift.now, call)):
            fold.add(fact)
    assert fold.open() == {}


def test_so_many_callers_are_remembered() -> None:
    fold = Fold(most_cases=3)
    for number in range(10):
        for fact in served(100.0 * number, f"c{number}", str(number)):
            fold.add(fact)
    for fact in (*served(2000.0, "again", "9"), *served(2100.0, "forgotten", "1")):
        fold.add(fact)
    (totals,) = fold.slots.values()
    assert (totals.queue("q").repeats, totals.queue("q").cases) == (1, 11)


def test_call_backs_by_what_became_of_them() -> None:
    question = Question(kind="callbacks", since=0.0, until=1000.0)
    fold = fold_for(question)
    for fact in (
        *(Fact("callback.asked", 10.0 * n, f"c{n}", "q", data={"callback": n, "number": "1"}) for n in range(4)),
        Fact("callback.attempted", 100.0, "a1", "q", data={"callback": 1, "cause": "busy", "attempts": 1}),
        Fact("callback.connected", 310.0, "a2", "q", "a", {"callback": 1, "waited": 300.0, "attempts": 2}),
        Fact("talk.ended", 350.0, "a2", "q", "a", {"talk": 40.0}),
        Fact("callback.failed", 400.0, "a3", "q", data={"callback": 2}),
        Fact("callback.expired", 500.0, "", "q", data={"callback": 3}),
    ):
        fold.add(fact)
    agent = fold.at(400.0).agent("a")
    assert (agent.answered, agent.talks, agent.talk) == (1, 1, 40.0)
    found = report(question, fold)
    (row,) = found.rows
    assert (row["asked"], row["attempted"], row["connected"], row["failed"], row["expired"]) == (4, 1, 1, 1, 1)
    assert (row["callback_success"], row["average_callback_wait"]) == (33.33, 300.0)
    assert {name: row[name] for name in row if name != "queue"} == {
        name: found.total[name] for name in found.total if name != "queue"
    }
