"""Complaint: agent unregistered, yet "Available" (fusionpbx #2831)."""

from acd_shift import Shift, only

from softswitch.acd.model import AgentState, DeviceBusy, DeviceReachable, Offer, Withdraw


def test_without_a_registration_nobody_is_ready() -> None:
    shift = Shift("alice", ready=False)
    shift.login("alice")
    assert shift.state("alice") is AgentState.UNREACHABLE
    shift.call("c1")
    assert shift.ringing == {}
    assert only(shift.do(DeviceReachable("alice", True)), Offer)[0].call == "c1"


def test_an_idle_agent_whose_phone_vanishes_gets_no_calls() -> None:
    shift = Shift("alice")
    shift.do(DeviceReachable("alice", False))
    shift.call("c1")
    assert shift.ringing == {}


def test_a_phone_that_vanishes_while_it_rings_fails_the_offer() -> None:
    shift = Shift("alice", "bob")
    shift.call("c1")
    (agent,) = shift.ringing
    effects = shift.do(DeviceReachable(agent, False))
    assert only(effects, Withdraw)[0].reason == "unreachable"
    assert only(effects, Offer)[0].call == "c1"
    assert shift.last("offer.failed").data["cause"] == "unreachable"
    assert shift.state(agent) is AgentState.UNREACHABLE
    shift.after(60)
    assert shift.state(agent) is AgentState.UNREACHABLE  # until it registers, whatever its rest


def test_a_registration_lost_while_talking_ends_no_conversation() -> None:
    shift = Shift("alice")
    shift.call("c1")
    shift.answer("alice")
    shift.do(DeviceReachable("alice", False))
    assert shift.state("alice") is AgentState.TALKING
    shift.end("c1", "alice")
    assert shift.state("alice") is AgentState.UNREACHABLE


def test_a_refreshed_registration_says_nothing() -> None:
    shift = Shift("alice")
    assert shift.do(DeviceReachable("alice", True)) == []


def test_own_calls_keep_offers_away() -> None:
    shift = Shift("alice")
    shift.do(DeviceBusy("alice", 1))
    assert shift.state("alice") is AgentState.BUSY
    shift.call("c1")
    shift.do(DeviceBusy("alice", 2))
    shift.do(DeviceBusy("alice", 1))
    assert shift.ringing == {}
    assert only(shift.do(DeviceBusy("alice", 0)), Offer)[0].call == "c1"
