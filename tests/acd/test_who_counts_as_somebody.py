"""Issue 4, point 4: join-empty and leave-when-empty rules over agents' states; rings that end in an overflow."""

from acd_shift import Shift, only

from softswitch.acd.model import AgentState, Overflow, Ring

AT_WORK = (AgentState.READY, AgentState.TALKING, AgentState.OFFERED, AgentState.WRAP_UP, AgentState.RESTING)


def causes(effects: list[object]) -> list[tuple[str, str | None]]:
    return [(effect.cause, effect.target) for effect in effects if isinstance(effect, Overflow)]


def test_nobody_comes_in_when_all_are_paused() -> None:
    shift = Shift("alice", join_when=AT_WORK, on_empty="voicemail:support")
    shift.pause("alice", "lunch")
    assert causes(shift.call("c1")) == [("no-agents", "voicemail:support")]
    shift.ready("alice")
    assert causes(shift.call("c2")) == []


def test_without_a_target_it_is_a_polite_refusal() -> None:
    shift = Shift("alice", join_when=(AgentState.READY,))
    shift.call("c1")
    assert causes(shift.call("c2")) == [("no-agents", None)]


def test_who_waits_leaves_when_the_last_one_pauses() -> None:
    shift = Shift("alice", "bob", leave_when=AT_WORK, on_empty="play:closed")
    for call in ("c1", "c2", "c3"):
        shift.call(call)
    for agent in list(shift.ringing):
        shift.answer(agent)
    shift.pause("alice")
    assert shift.order() == ["c3"]
    shift.pause("bob")  # both still talk
    assert shift.order() == ["c3"]
    first = next(fact for fact in shift.facts if fact.kind == "queue.answered" and fact.agent == "alice")
    second = next(fact for fact in shift.facts if fact.kind == "queue.answered" and fact.agent == "bob")
    shift.end(first.call, "alice")
    assert causes(shift.end(second.call, "bob")) == [("no-agents", "play:closed")]


def test_who_is_being_offered_stays_until_that_is_decided() -> None:
    shift = Shift("alice", leave_when=(AgentState.READY,), on_empty="play:closed")
    shift.call("c1")
    assert shift.order() == ["c1"]
    assert causes(shift.fail("alice", "rejected")) == [("no-agents", "play:closed")]


def test_a_ring_may_lead_out_of_the_queue() -> None:
    rings = (Ring(agents=("alice",)), Ring(after=20.0), Ring(after=60.0, to="queue:other"))
    shift = Shift("alice", "bob", rings=rings, ready=False)
    shift.call("c1")
    assert only(shift.after(59), Overflow) == []
    assert causes(shift.after(2)) == [("ring", "queue:other")]
    assert shift.order() == []


def test_the_place_in_the_next_queue_is_the_arrivals() -> None:
    """`keep_place` is the switch's; the engine takes `arrived`."""
    shift = Shift()
    shift.call("early")
    arrived = shift.now
    shift.after(60)
    shift.leave("early", "moved")
    shift.call("late")
    shift.call("early", arrived=arrived)
    assert shift.order() == ["early", "late"]
