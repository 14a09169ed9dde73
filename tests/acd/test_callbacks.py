"""Issue 4, point 4: call-backs that keep the place. Asked for in the queue or from outside, one attempt in flight,
the agent reserved, retried by rule, surviving a restart."""

from acd_shift import START, Shift

from softswitch.acd.model import (
    CallbackAsked,
    CallbackCancelled,
    CallbackEnded,
    CallbackFailed,
    CallbackReached,
    CallbackSettings,
    CallQueued,
    QueueSettings,
    Reconfigured,
)
from softswitch.acd.stats import Totals

RULES = CallbackSettings(attempts=2, pause=120.0, expire=3600.0)


def shift_with(*agents: str, rules: CallbackSettings = RULES, **settings: object) -> Shift:
    return Shift(*agents, callback=rules, **settings)


def ask(shift: Shift, callback: str, number: str = "+37061234567", call: str = "", **more: object) -> None:
    shift.do(CallbackAsked(callback, "support", number, "trunk:carrier", call, **more))  # type: ignore[arg-type]


def views(shift: Shift) -> dict[str, tuple[str, int]]:
    return {view.callback: (view.state, view.position) for view in shift.engine.callbacks(shift.now)}


def test_the_place_is_kept_when_the_line_goes() -> None:
    shift = shift_with()
    for call in ("c1", "c2", "c3"):
        shift.call(call)
        shift.after(10)
    ask(shift, "cb", call="c2")
    assert views(shift) == {"cb": ("waiting", 2)}
    assert shift.order()[0::2] == ["c1", "c3"]
    assert shift.last("queue.left").data["reason"] == "callback"


def test_agent_first_the_agent_is_joined_and_then_the_customer_answers() -> None:
    shift = shift_with("alice")
    ask(shift, "cb")
    offer = shift.ringing["alice"]
    assert offer.callback == "cb"
    shift.answer("alice")
    assert views(shift) == {"cb": ("calling", 0)}
    shift.after(7)
    shift.do(CallbackReached(offer.call))
    assert views(shift) == {}
    connected = shift.last("callback.connected")
    assert (connected.agent, connected.data["attempts"], connected.data["waited"]) == ("alice", 1, 7.0)
    shift.after(60)
    shift.end(offer.call, "alice")
    assert shift.last("talk.ended").data["talk"] == 60.0


def test_customer_first_the_customer_waits_as_any_other_once_reached() -> None:
    shift = shift_with("alice", rules=CallbackSettings(first="customer"), ring_seconds=20.0)
    ask(shift, "cb")
    offer = shift.ringing["alice"]
    shift.after(12)  # the customer's phone rings, the agent is reserved
    shift.do(CallbackReached(offer.call))
    assert shift.last("queue.entered").data["resumed"] == "callback"
    shift.fail("alice", "rejected")
    assert shift.order() == [offer.call]
    shift.after(6)
    shift.answer("alice")
    assert shift.kinds(offer.call)[-1] == "queue.answered"


def test_customer_first_leaves_the_customer_time_to_answer() -> None:
    shift = shift_with("alice", rules=CallbackSettings(first="customer", ring_seconds=30.0), ring_seconds=20.0)
    ask(shift, "cb")
    shift.after(49)
    assert "alice" in shift.ringing


def test_a_busy_customer_is_called_again_after_the_pause_and_then_given_up() -> None:
    shift = shift_with("alice")
    ask(shift, "cb")
    for attempt in (1, 2):
        call = shift.ringing["alice"].call
        shift.answer("alice")
        shift.do(CallbackFailed(call, "busy"))
        assert shift.last("callback.attempted").data["attempts"] == attempt
        assert (views(shift) == {"cb": ("paused", 0)}) is (attempt == 1)
        shift.after(119)
        assert not shift.ringing
        shift.after(2)
    assert shift.last("callback.failed").data["cause"] == "busy"
    assert shift.engine.deadline() is None


def test_there_is_at_most_one_attempt_in_flight() -> None:
    shift = shift_with("alice", "bob")
    ask(shift, "cb")
    assert len(shift.ringing) == 1
    shift.answer(next(iter(shift.ringing)))
    shift.after(600)
    assert not shift.ringing


def test_an_agent_who_leaves_before_the_customer_answers_costs_no_attempt() -> None:
    shift = shift_with("alice", "bob")
    ask(shift, "cb")
    first = next(iter(shift.ringing))
    call = shift.ringing[first].call
    shift.answer(first)
    shift.do(CallbackFailed(call, "agent"))
    (second,) = shift.ringing
    assert second != first
    assert shift.last("callback.attempted").data["attempts"] == 0
    assert shift.reason(first) == "rejected"


def test_outside_the_hours_it_waits_for_them() -> None:
    shift = shift_with("alice")
    ask(shift, "cb")
    call = shift.ringing["alice"].call
    shift.do(CallbackFailed(call, "closed", shift.now + 900.0))
    assert not shift.ringing
    shift.after(899)
    assert not shift.ringing
    shift.after(2)
    assert shift.ringing["alice"].callback == "cb"


def test_it_expires_in_the_queue_and_in_the_pause() -> None:
    shift = shift_with(rules=CallbackSettings(expire=100.0, pause=500.0))
    ask(shift, "cb")
    effects = shift.after(101)
    assert [effect for effect in effects if isinstance(effect, CallbackEnded)]
    assert shift.last("callback.expired").at == START + 100.0
    assert shift.order() == []
    other = shift_with("alice", rules=CallbackSettings(expire=100.0, pause=500.0))
    ask(other, "cb")
    call = other.ringing["alice"].call
    other.answer("alice")
    other.do(CallbackFailed(call, "no-answer"))
    other.after(101)
    assert other.last("callback.expired")
    assert views(other) == {}


def test_one_that_is_under_way_is_seen_to_its_end() -> None:
    shift = shift_with("alice", rules=CallbackSettings(expire=100.0))
    ask(shift, "cb")
    call = shift.ringing["alice"].call
    shift.answer("alice")
    shift.after(150)
    shift.do(CallbackReached(call))
    assert shift.last("callback.connected")


def test_cancelling_silences_the_phone_and_frees_the_agent() -> None:
    shift = shift_with("alice")
    ask(shift, "cb")
    call = shift.ringing["alice"].call
    shift.do(CallbackCancelled("cb", "operator"))
    assert not shift.ringing
    assert shift.last("callback.cancelled").data["by"] == "operator"
    ask(shift, "cb2")
    call = shift.ringing["alice"].call
    shift.answer("alice")
    effects = shift.do(CallbackCancelled("cb2"))
    assert CallbackEnded(call, "cancelled") in effects
    shift.call("c1")
    assert shift.ringing["alice"].call == "c1"


def test_the_customer_who_calls_again_takes_the_place_over() -> None:
    shift = shift_with()
    shift.call("c1")
    shift.after(60)
    shift.call("c2")
    ask(shift, "cb", call="c1")
    shift.after(300)
    shift.do(CallQueued("again", "support", caller="+37061234567", known=True))
    assert shift.order() == ["again", "c2"]
    assert shift.last("callback.cancelled").data["cause"] == "called-again"
    assert shift.last("queue.entered").data["resumed"] == "callback"


def test_a_number_that_nobody_vouches_for_takes_no_place() -> None:
    shift = shift_with()
    ask(shift, "cb")
    shift.after(60)
    shift.do(CallQueued("spoofed", "support", caller="+37061234567"))
    assert views(shift) == {"cb": ("waiting", 1)}


def test_open_call_backs_come_back_after_a_restart_with_place_and_attempts() -> None:
    before = shift_with("alice")
    ask(before, "cb")
    call = before.ringing["alice"].call
    before.answer("alice")
    before.do(CallbackFailed(call, "busy"))
    ask(before, "done", "+37060000000")
    before.do(CallbackCancelled("done"))
    after = shift_with("alice", ready=False)
    after.now = before.now + 5
    after.take(after.engine.restore_callbacks(before.facts, after.now))
    (view,) = after.engine.callbacks(after.now)
    assert (view.callback, view.attempts, view.number, view.position) == ("cb", 1, "+37061234567", 1)
    after.call("c1")
    assert after.order()[1] == "c1"


def test_a_damaged_ledger_keeps_nobody_from_starting() -> None:
    before = shift_with()
    ask(before, "cb")
    broken = [fact for fact in before.facts if fact.kind == "callback.asked"]
    broken[0].data["rank"] = "soon"
    after = shift_with()
    after.take(after.engine.restore_callbacks(broken, after.now))
    assert views(after) == {}


def test_a_removed_queue_takes_its_call_backs_along() -> None:
    shift = shift_with("alice")
    ask(shift, "cb")
    shift.do(Reconfigured({"other": QueueSettings(agents=("alice",))}, frozenset(("alice",))))
    assert shift.last("callback.cancelled").data["cause"] == "removed"
    assert not shift.ringing


def test_no_agents_rule_and_longest_wait_are_for_callers_with_a_line() -> None:
    shift = shift_with(on_empty="play:closed", max_wait=30.0, on_max_wait="play:sorry", announce_position=5.0)
    ask(shift, "cb")
    shift.after(120)
    assert views(shift) == {"cb": ("waiting", 1)}


def test_totals_tell_call_backs_from_calls() -> None:
    shift = shift_with("alice")
    ask(shift, "cb")
    call = shift.ringing["alice"].call
    shift.answer("alice")
    shift.do(CallbackReached(call))
    shift.end(call, "alice")
    totals = Totals(shift.facts)
    queue = totals.queue("support")
    assert (queue.entered, queue.answered, queue.waiting) == (0, 0, 0)
    assert queue.callbacks == {"asked": 1, "taken": 1, "connected": 1}
    assert totals.agent("alice").answered == 1
