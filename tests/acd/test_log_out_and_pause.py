"""Issue 2, point 8: log in, log out, pause, ready, in every state."""

from acd_shift import Shift, only

from softswitch.acd.model import AgentChanged, AgentState, CallQueued, Offer, Withdraw


def test_log_in_twice_is_harmless() -> None:
    shift = Shift("alice")
    shift.call("c1")
    shift.answer("alice")
    effects = shift.login("alice")
    assert [effect for effect in effects if isinstance(effect, AgentChanged)] == []
    assert shift.state("alice") is AgentState.TALKING
    assert [fact.kind for fact in shift.facts].count("agent.login") == 1


def test_log_out_while_the_phone_rings() -> None:
    shift = Shift("alice")
    shift.call("c1")
    offer = shift.ringing["alice"].offer
    effects = shift.logout("alice")
    assert only(effects, Withdraw) == [Withdraw(offer, "alice", "logged-out")]
    assert shift.state("alice") is AgentState.LOGGED_OUT
    assert shift.order() == ["c1"]
    shift.login("alice")
    assert shift.ringing["alice"].call == "c1"


def test_log_in_again_during_the_conversation_takes_the_next_call_after_it() -> None:
    shift = Shift("alice")
    shift.call("c1")
    shift.answer("alice")
    shift.logout("alice")
    shift.login("alice")
    shift.call("c2")
    assert only(shift.end("c1", "alice"), Offer)[0].call == "c2"


def test_a_pause_while_talking_takes_effect_after() -> None:
    shift = Shift("alice")
    shift.call("c1")
    shift.answer("alice")
    shift.pause("alice", "lunch")
    assert shift.state("alice") is AgentState.TALKING
    shift.call("c2")
    assert only(shift.end("c1", "alice"), Offer) == []
    assert (shift.state("alice"), shift.reason("alice")) == (AgentState.PAUSED, "lunch")
    assert only(shift.ready("alice"), Offer)[0].call == "c2"


def test_a_pause_while_the_phone_rings_gives_the_caller_to_another() -> None:
    shift = Shift("alice", "bob")
    shift.call("c1")
    (agent,) = shift.ringing
    effects = shift.pause(agent)
    assert only(effects, Withdraw)[0].reason == "paused"
    assert only(effects, Offer)[0].agent == ({"alice", "bob"} - {agent}).pop()
    assert shift.state(agent) is AgentState.PAUSED


def test_another_reason_replaces_the_first() -> None:
    shift = Shift("alice")
    shift.pause("alice", "lunch")
    shift.pause("alice", "meeting")
    assert shift.reason("alice") == "meeting"
    shift.pause("alice", "meeting")
    assert shift.last("acd.ignored").data["why"] == "paused already"


def test_log_in_forgets_the_pause_of_before() -> None:
    shift = Shift("alice")
    shift.pause("alice", "lunch")
    shift.logout("alice")
    shift.login("alice")
    assert shift.state("alice") is AgentState.READY


def test_every_change_of_state_is_told_once_with_how_long_the_last_lasted() -> None:
    shift = Shift("alice", wrap_up=5.0)
    shift.after(10)
    shift.do(CallQueued("c1", "support"))
    shift.after(3)
    shift.answer("alice")
    shift.after(60)
    shift.end("c1", "alice")
    shift.after(100)
    states = [(fact.data["was"], fact.data["lasted"]) for fact in shift.facts if fact.kind == "agent.state"]
    assert states == [
        ("logged-out", 0.0),
        ("ready", 10.0),
        ("offered", 3.0),
        ("talking", 60.0),
        ("wrap-up", 5.0),
    ]
