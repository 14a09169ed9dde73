"""`why`: for any call or agent, every offer and skip with its reason."""

from acd_shift import START, Shift

from softswitch.acd.agent import PAST
from softswitch.acd.model import AgentSettings, CallerLeft, CallQueued, DeviceBusy, DeviceReachable, QueueSettings, Ring
from softswitch.acd.why import AgentStory, CallStory

AGENTS = {
    "alice": AgentSettings(skills={"english": 90}),
    "boris": AgentSettings(skills={"english": 60}),
    "clara": AgentSettings(skills={"english": 85}),
    "dmitri": AgentSettings(skills={"english": 99}),
    "elena": AgentSettings(skills={"english": 80}),
    "franz": AgentSettings(skills={"english": 80}),
    "gerda": AgentSettings(skills={"english": 80}),
}
RINGS = (Ring(agents=tuple(AGENTS)[:6], skills={"english": 80}), Ring(after=60, skills={"english": 50}))


def a_centre(**settings: object) -> Shift:
    queue = QueueSettings(agents=tuple(AGENTS), rings=RINGS, **settings)  # type: ignore[arg-type]
    return Shift(*AGENTS, queues={"support": queue}, agents=AGENTS)


def story(shift: Shift, call: str) -> CallStory:
    return shift.engine.why_call(call, shift.now)[-1]


def agent_story(shift: Shift, agent: str) -> AgentStory:
    found = shift.engine.why_agent(agent, shift.now)
    assert found is not None
    return found


def test_a_call_that_waits_says_of_every_agent_why_it_is_not_with_that_one() -> None:
    shift = a_centre(wrap_up=300.0, retry_after=50.0)
    shift.pause("alice", "lunch")
    shift.do(DeviceBusy("clara", 1))
    shift.do(DeviceReachable("dmitri", False))
    shift.logout("elena")
    shift.call("c0")
    shift.fail("franz", "busy")
    shift.after(5)
    shift.call("c1")
    found = story(shift, "c1")
    assert found.waiting
    assert (found.position, found.ring, found.waited) == (2, 0, 0.0)
    assert found.needs == (("english", 80),)
    assert found.next_ring_at == shift.now + 60
    assert {skip.agent: (skip.reason, skip.detail) for skip in found.skipped} == {
        "alice": ("paused", "paused (lunch)"),
        "boris": ("skill", "needs english >= 80, has 60"),
        "clara": ("busy", "has calls of its own: 1"),
        "dmitri": ("unreachable", "unreachable"),
        "elena": ("logged-out", "logged-out"),
        "franz": ("resting", "resting (busy)"),
        "gerda": ("not-in-ring", "not in ring 0"),
    }
    assert found.reasons["skill"] == 1
    (resting,) = [skip for skip in found.skipped if skip.agent == "franz"]
    assert resting.until == shift.now + 45


def test_every_offer_is_told_with_those_who_were_passed_over_and_why() -> None:
    shift = a_centre()
    for agent in ("dmitri", "elena", "franz"):
        shift.pause(agent, "training")
    shift.after(1)
    shift.call("c1")
    (first,) = shift.ringing
    shift.after(7)
    shift.fail(first, "rejected")
    (second,) = shift.ringing
    shift.answer(second)
    for agent in ("dmitri", "elena"):
        shift.ready(agent)  # what they do now is not what they did then
    shift.after(600)
    found = story(shift, "c1")
    assert not found.waiting
    assert (found.outcome, found.left, found.position) == ("answered", START + 8, 0)
    assert [(offer.agent, offer.at, offer.outcome, offer.rang) for offer in found.offers] == [
        (first, START + 1, "rejected", 7.0),
        (second, START + 8, "answered", 0.0),
    ]
    for offer, other in zip(found.offers, (second, first), strict=True):
        skipped = {skip.agent: skip.reason for skip in offer.skipped}
        assert skipped.pop(other) == ("strategy" if other == second else "offered")
        assert skipped == {
            **dict.fromkeys(("dmitri", "elena", "franz"), "paused"),
            "boris": "skill",
            "gerda": "not-in-ring",
        }


def test_what_an_agent_is_in_is_named() -> None:
    crew = ("alice", "boris", "clara", "dmitri")
    shift = Shift(*crew, strategy="in-order", wrap_up=60.0)
    for call, agent in zip(("c1", "c2", "c3"), crew, strict=False):
        shift.call(call)
        assert agent in shift.ringing
    shift.answer("alice")
    shift.answer("boris")
    shift.end("c2", "boris")
    shift.do(DeviceBusy("dmitri", 2))
    shift.call("c4")
    assert [(skip.reason, skip.detail) for skip in story(shift, "c4").skipped] == [
        ("talking", "talks with c1"),
        ("wrap-up", "wraps up c2"),
        ("offered", "is being rung for c3"),
        ("busy", "has calls of its own: 2"),
    ]


def test_a_sticky_call_says_for_whom_it_is_kept() -> None:
    shift = a_centre()
    shift.pause("alice")
    shift.do(CallQueued("c1", "support", sticky="alice", sticky_seconds=30.0))
    found = story(shift, "c1")
    assert (found.ring, found.sticky, found.sticky_until, found.next_ring_at) == (-1, "alice", START + 30, START + 30)
    reasons = {skip.agent: skip.reason for skip in found.skipped}
    assert reasons == {**dict.fromkeys(AGENTS, "sticky"), "alice": "paused"}


def test_an_agent_who_passed_the_call_on_does_not_get_it_back() -> None:
    shift = Shift("alice", "boris")
    shift.pause("boris")
    shift.do(CallQueued("c1", "support", without="alice"))
    found = story(shift, "c1")
    assert {skip.agent: skip.reason for skip in found.skipped} == {"alice": "passed-on", "boris": "paused"}


def test_calls_of_other_queues_that_stand_before_it_are_counted() -> None:
    queues = {
        "gold": QueueSettings(agents=("alice", "boris"), priority=60.0),
        "plain": QueueSettings(agents=("boris", "clara")),
        "apart": QueueSettings(agents=("dmitri",)),
    }
    shift = Shift(*AGENTS, queues=queues, agents=AGENTS, ready=False)
    shift.call("x", "apart")
    shift.after(1)
    shift.call("p", "plain")
    shift.call("g1", "gold")
    shift.call("g2", "gold")
    assert (story(shift, "p").position, story(shift, "p").ahead_elsewhere) == (1, 2)
    assert (story(shift, "g2").position, story(shift, "g2").ahead_elsewhere) == (2, 0)


def test_an_agent_sees_its_offers_and_the_calls_it_does_not_get() -> None:
    shift = a_centre(ring_seconds=10.0, max_no_answer=1)
    for agent in ("alice", "clara", "dmitri", "elena"):
        shift.pause(agent)
    shift.call("c1")
    shift.after(11)  # franz does not answer and is paused
    shift.do(CallQueued("c2", "support", needs=(("latvian", 10),)))
    found = agent_story(shift, "franz")
    assert (found.state.value, found.reason, found.available, found.next_call) == ("paused", "no-answer", False, "c1")
    assert [(offer.call, offer.outcome, offer.rang) for offer in found.offers] == [("c1", "no-answer", 10.0)]
    assert [(missed.call, missed.position, missed.reason, missed.detail) for missed in found.waiting] == [
        ("c1", 1, "paused", "paused (no-answer)"),
        ("c2", 2, "skill", "needs latvian >= 10, has 0"),
    ]
    assert agent_story(shift, "gerda").next_call == ""


def test_what_is_kept_is_bounded() -> None:
    shift = Shift("alice", retry_after=1.0)
    for number in range(2300):
        shift.engine.receive(CallQueued(f"c{number}", "support"), shift.now)
        shift.now += 1
        shift.engine.receive(DeviceReachable("alice", bool(number % 2)), shift.now)
        shift.engine.receive(CallerLeft(f"c{number}"), shift.now)
    state = shift.engine._state
    assert len(state.past_calls) == 2000
    assert len(state.agents["alice"].past) == PAST
    assert shift.engine.why_call("c0", shift.now) == []
    assert story(shift, "c2299").outcome == "abandoned"
    assert shift.engine.why_call("nobody", shift.now) == []
    assert shift.engine.why_agent("nobody", shift.now) is None


def test_what_an_agent_did_too_long_ago_is_said_to_be_forgotten() -> None:
    shift = Shift("alice", "bob", strategy="in-order")
    shift.call("c1")
    shift.answer("alice")
    for _ in range(PAST):
        shift.after(1)
        shift.pause("bob")
        shift.ready("bob")
    (skip,) = story(shift, "c1").offers[0].skipped
    assert skip.reason == "forgotten"


def test_a_call_that_comes_back_has_a_stay_for_each_time() -> None:
    shift = Shift("alice")
    shift.pause("alice")
    shift.call("c1")
    shift.leave("c1", "transferred")
    shift.after(5)
    shift.call("c1")
    stays = shift.engine.why_call("c1", shift.now)
    assert [(stay.waiting, stay.outcome) for stay in stays] == [(False, "transferred"), (True, "")]
