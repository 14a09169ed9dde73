"""New settings: waiting calls, agents' states and running offers stay; only what is gone goes."""

from acd_shift import Shift, only

from softswitch.acd.model import AgentState, DeviceReachable, Offer, Overflow, QueueSettings, Reconfigured, Withdraw


def settings(*agents: str, **more: object) -> QueueSettings:
    return QueueSettings(agents=agents, **more)  # type: ignore[arg-type]


def test_nothing_moves_when_nothing_changed() -> None:
    shift = Shift("alice", "bob")
    shift.call("c1")
    shift.call("c2")
    shift.call("c3", head_start=5.0)
    ringing = dict(shift.ringing)
    (agent, other) = ringing
    shift.answer(agent)
    effects = shift.do(Reconfigured({"support": settings("alice", "bob")}, frozenset({"alice", "bob"})))
    assert [type(effect).__name__ for effect in effects] == ["Fact"]
    assert shift.order() == ["c3", ringing[other].call]
    assert only(shift.end(ringing[agent].call, agent), Offer)[0].call == "c3"


def test_a_removed_queue_lets_its_callers_go() -> None:
    shift = Shift("alice")
    shift.call("c1")
    shift.call("c2")
    effects = shift.do(Reconfigured({"sales": settings("alice")}, frozenset({"alice"})))
    assert [overflow.cause for overflow in only(effects, Overflow)] == ["removed", "removed"]
    assert len(only(effects, Withdraw)) == 1
    assert only(shift.call("c3", "sales"), Offer)[0].agent == "alice"


def test_a_removed_agent_finishes_the_conversation() -> None:
    shift = Shift("alice", "bob", wrap_up=10.0)
    shift.call("c1")
    (agent,) = shift.ringing
    other = ({"alice", "bob"} - {agent}).pop()
    shift.answer(agent)
    shift.after(10)
    shift.do(Reconfigured({"support": settings(other, wrap_up=10.0)}, frozenset({other})))
    assert shift.state(agent) is AgentState.TALKING
    shift.after(10)
    shift.login(agent)
    assert shift.last("acd.ignored").agent == agent
    shift.end("c1", agent)
    assert shift.last("talk.ended").data == {"talk": 20.0}
    assert shift.engine.agent_view(agent, shift.now) is None


def test_a_removed_agent_s_offer_goes_to_another() -> None:
    shift = Shift("alice", "bob")
    shift.call("c1")
    (agent,) = shift.ringing
    other = ({"alice", "bob"} - {agent}).pop()
    effects = shift.do(Reconfigured({"support": settings(other)}, frozenset({other})))
    assert only(effects, Withdraw)[0].agent == agent
    assert only(effects, Offer)[0].agent == other
    assert shift.engine.agent_view(agent, shift.now) is None


def test_a_new_member_serves_those_who_wait_already() -> None:
    shift = Shift("alice")
    shift.pause("alice")
    shift.call("c1")
    shift.do(Reconfigured({"support": settings("alice", "bob")}, frozenset({"alice", "bob"})))
    shift.do(DeviceReachable("bob", True))
    assert only(shift.login("bob"), Offer)[0].call == "c1"


def test_an_idle_agent_put_into_a_queue_is_offered_its_call_in_that_step() -> None:
    shift = Shift("alice", queues={"support": settings()})
    shift.call("c1")
    effects = shift.do(Reconfigured({"support": settings("alice")}, frozenset({"alice"})))
    assert only(effects, Offer)[0].call == "c1"


def test_a_shorter_max_wait_holds_for_those_who_wait() -> None:
    shift = Shift(max_wait=600.0)
    shift.call("c1")
    shift.after(60)
    shift.do(Reconfigured({"support": settings(max_wait=90.0)}, frozenset()))
    assert only(shift.after(29), Overflow) == []
    assert len(only(shift.after(1), Overflow)) == 1
    shift.call("c2")
    shift.do(Reconfigured({"support": settings()}, frozenset()))
    assert only(shift.after(10_000), Overflow) == []


def test_a_queue_that_lost_all_who_were_logged_in_goes_by_its_rule() -> None:
    shift = Shift("alice", "bob")
    shift.pause("alice")
    shift.logout("bob")
    shift.call("c1")
    effects = shift.do(Reconfigured({"support": settings("bob", on_empty="play:closed")}, frozenset({"alice", "bob"})))
    assert only(effects, Overflow)[0].cause == "no-agents"


def test_an_offer_to_an_agent_who_left_the_queue_stays_and_its_failure_goes_by_the_rule() -> None:
    shift = Shift("alice", "bob")
    shift.logout("bob")
    shift.call("c1")
    shift.do(Reconfigured({"support": settings("bob", on_empty="play:closed")}, frozenset({"alice", "bob"})))
    assert shift.ringing["alice"].call == "c1"
    assert only(shift.fail("alice", "busy"), Overflow)[0].cause == "no-agents"


def test_announcements_follow_the_new_interval() -> None:
    shift = Shift(announce_position=300.0)
    shift.call("c1")
    shift.after(10)
    shift.do(Reconfigured({"support": settings(announce_position=20.0)}, frozenset()))
    assert shift.engine.deadline() == shift.now + 20
    shift.do(Reconfigured({"support": settings()}, frozenset()))
    assert shift.engine.deadline() is None


def test_a_max_wait_that_is_over_already_ends_now_and_not_in_the_past() -> None:
    shift = Shift()
    shift.call("c1")
    shift.after(100)
    shift.do(Reconfigured({"support": settings(max_wait=30.0)}, frozenset()))
    assert len(only(shift.after(0), Overflow)) == 1
    assert shift.last("queue.overflowed").at == shift.now
    assert shift.last("queue.overflowed").data["waited"] == 100.0
