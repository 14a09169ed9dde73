"""A call that one agent passes on: the next one's talk is counted from where it begins, and a queue that it goes back
to leaves the former agent out."""

from acd_shift import Shift

from softswitch.acd.model import AgentState, CallQueued, TalkMoved, TalkResumed, TalkStarted
from softswitch.acd.stats import Totals


def test_each_agent_is_credited_with_exactly_the_own_part() -> None:
    """FreePBX#124, asterisk#759: an agent credited for an hour after a transfer."""
    shift = Shift("alice", "bob", wrap_up=10.0)
    shift.pause("bob")
    shift.call("c1")
    shift.answer("alice")
    shift.after(60)
    shift.do(TalkStarted("c1", "bob", "support", by="agent:alice"))
    shift.end("c1", "alice")
    assert (shift.state("alice"), shift.state("bob")) == (AgentState.WRAP_UP, AgentState.TALKING)
    shift.after(3600)
    shift.end("c1", "bob")
    totals = Totals(shift.facts)
    assert (totals.agent("alice").talk, totals.agent("bob").talk) == (60.0, 3600.0)
    assert (totals.agent("alice").answered, totals.agent("bob").answered) == (1, 0)
    assert totals.queue("support").talk == 3660.0
    assert shift.state("bob") is AgentState.WRAP_UP, "the queue's wrap-up is the next agent's, too"


def test_a_conversation_that_goes_on_in_another_call_is_one() -> None:
    """Whoever consulted the agent has joined the agent with a caller: one talk, its whole length, one wrap-up."""
    shift = Shift("alice", wrap_up=10.0)
    shift.call("c1")
    shift.answer("alice")
    shift.after(20)
    shift.do(TalkMoved("c1", "alice", "c2"))
    shift.end("c1", "alice")
    assert shift.last("acd.ignored").data["why"] == "no such conversation"
    assert shift.state("alice") is AgentState.TALKING
    assert shift.engine.talks("alice", "c2")
    shift.after(40)
    shift.end("c2", "alice")
    alice = Totals(shift.facts).agent("alice")
    assert (alice.answered, alice.talks, alice.talk) == (1, 1, 60.0)
    assert shift.state("alice") is AgentState.WRAP_UP
    shift.do(TalkMoved("c2", "alice", "c3"))
    assert shift.last("acd.ignored").data["why"] == "no such conversation"


def test_a_talk_of_before_a_crash_goes_on() -> None:
    """The agent is offered nothing meanwhile, and its length is that of all of it."""
    shift = Shift("alice", wrap_up=10.0)
    shift.after(100)
    since = shift.now - 60.0
    shift.call("other")  # rings already
    shift.do(TalkResumed("c1", "alice", "support", since))
    assert shift.last("offer.withdrawn").call == "other"
    assert shift.state("alice") is AgentState.TALKING
    shift.do(TalkResumed("c1", "alice", "support", since))
    assert shift.last("acd.ignored").data["why"] == "not to be talked with"
    shift.do(TalkResumed("c2", "alice", "support", since))
    assert shift.last("acd.ignored").data["why"] == "no room for one more"
    shift.do(TalkResumed("c1", "nobody", "support", since))
    assert shift.last("acd.ignored").data["why"] == "no such agent"
    shift.after(30)
    shift.end("c1", "alice")
    assert shift.last("talk.ended").data["talk"] == 90.0
    assert shift.state("alice") is AgentState.WRAP_UP


def test_what_rings_for_the_next_agent_is_withdrawn() -> None:
    shift = Shift("alice", "bob", wrap_up=30.0)
    shift.pause("alice")
    shift.call("c1")
    shift.answer("bob")
    shift.ready("alice")
    shift.call("c2")
    assert shift.ringing["alice"].call == "c2"
    shift.do(TalkStarted("c1", "alice", "support"))
    assert not shift.ringing
    assert shift.state("alice") is AgentState.TALKING
    shift.end("c1", "bob")
    shift.after(30)
    assert shift.ringing["bob"].call == "c2"


def test_a_wrap_up_ends_for_it_and_a_second_talk_beyond_capacity_is_refused() -> None:
    shift = Shift("alice", wrap_up=30.0)
    shift.talk("c0", "alice", 5)
    shift.do(TalkStarted("c1", "alice", "support"))
    assert shift.last("wrapup.ended").data["cause"] == "call"
    shift.do(TalkStarted("c2", "alice", "support"))
    assert shift.last("acd.ignored").data["why"] == "no room for one more"
    assert not shift.engine.talks("alice", "c2")
    assert shift.engine.talks("alice", "c1")


def test_back_to_the_queue_at_the_old_place_without_the_former_agent() -> None:
    shift = Shift("alice", "bob")
    shift.call("c1")
    first = shift.last("offer.made").agent
    shift.answer(first)
    other = "bob" if first == "alice" else "alice"
    shift.pause(other)
    came = shift.now
    shift.after(20)
    shift.call("c2")
    shift.end("c1", first)
    assert shift.ringing[first].call == "c2"
    shift.do(CallQueued("c1", "support", arrived=came, without=first))
    assert shift.order() == ["c1", "c2"]
    shift.answer(first)
    shift.end("c2", first)
    assert not shift.ringing, "the former agent is free, and is not asked again"
    shift.ready(other)
    assert shift.ringing[other].call == "c1"


def test_the_former_agent_is_better_than_nobody() -> None:
    shift = Shift("alice")
    shift.do(CallQueued("c1", "support", without="alice"))
    assert shift.ringing["alice"].call == "c1"
