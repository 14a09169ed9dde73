"""FreePBX#525, #621: duplicate call-backs, and call-backs that jump the line."""

from softswitch.acd.model import AgentLogin, CallbackAsked, CallbackFailed, CallbackSettings, DeviceReachable
from tests.acd.acd_shift import Shift


def _ask(shift: Shift, callback: str, number: str, call: str = "") -> None:
    shift.do(CallbackAsked(callback, "support", number, "trunk:carrier", call))


def test_one_number_has_one_call_back_in_a_queue() -> None:
    shift = Shift(callback=CallbackSettings())
    shift.call("c1")
    _ask(shift, "cb1", "+3706100001", "c1")
    shift.after(60)
    shift.call("c2")
    _ask(shift, "cb2", "+3706100001", "c2")
    _ask(shift, "cb3", "+3706100001")
    (view,) = shift.engine.callbacks(shift.now)
    assert (view.callback, view.position) == ("cb1", 1)
    assert shift.kinds().count("callback.merged") == 2
    assert shift.last("queue.left").call == "c2"


def test_who_waits_longer_is_served_before_a_call_back_and_after_it_who_came_later() -> None:
    shift = Shift("alice", callback=CallbackSettings(), ready=False)
    shift.call("older")
    shift.after(10)
    shift.call("asks")
    shift.after(10)
    shift.call("younger")
    _ask(shift, "cb", "+3706100001", "asks")
    served = []
    shift.do(DeviceReachable("alice", True))
    shift.do(AgentLogin("alice"))
    for _ in range(3):
        offer = shift.ringing["alice"]
        served.append(offer.callback or offer.call)
        shift.answer("alice")
        shift.end(offer.call, "alice")
    assert served == ["older", "cb", "younger"]


def test_a_second_attempt_has_the_first_ones_place() -> None:
    shift = Shift("alice", callback=CallbackSettings(pause=60.0))
    _ask(shift, "cb", "+3706100001")
    call = shift.ringing["alice"].call
    shift.answer("alice")
    shift.do(CallbackFailed(call, "no-answer"))
    shift.call("busy")
    shift.answer("alice")
    shift.call("younger")
    shift.after(61)
    assert shift.order()[1:] == ["younger"]
    shift.end("busy", "alice")
    assert shift.ringing["alice"].callback == "cb"
