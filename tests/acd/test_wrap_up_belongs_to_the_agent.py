"""Complaint: wrap-up ignored or reset (Asterisk #1006, #607, #1255)."""

from acd_shift import Shift

from softswitch.acd.model import AgentState, QueueSettings


def test_wrap_up_follows_the_conversation_and_ends_by_itself() -> None:
    shift = Shift("alice", wrap_up=15.0)
    shift.talk("c1", "alice", 60)
    assert shift.state("alice") is AgentState.WRAP_UP
    shift.call("c2")
    shift.after(14.9)
    assert shift.ringing == {}
    shift.after(0.1)
    assert shift.ringing["alice"].call == "c2"
    assert shift.last("talk.ended").data == {"talk": 60.0}
    assert shift.last("wrapup.ended").data == {"lasted": 15.0, "cause": "time"}


def test_a_queue_without_wrap_up_does_not_end_another_queue_s() -> None:
    queues = {
        "slow": QueueSettings(agents=("alice",), wrap_up=30.0),
        "fast": QueueSettings(agents=("alice",), wrap_up=0.0),
    }
    shift = Shift("alice", queues=queues)
    shift.talk("c1", "alice", 10, queue="slow")
    shift.call("c2", "fast")
    shift.after(29)
    assert shift.ringing == {}
    shift.after(1)
    assert shift.ringing["alice"].call == "c2"
    shift.answer("alice")
    shift.end("c2", "alice")
    assert shift.state("alice") is AgentState.READY


def test_ready_ends_wrap_up_early() -> None:
    shift = Shift("alice", wrap_up=15.0)
    shift.talk("c1", "alice", 10)
    shift.after(4)
    shift.ready("alice")
    assert shift.state("alice") is AgentState.READY
    assert shift.last("wrapup.ended").data == {"lasted": 4.0, "cause": "ready"}
    shift.after(60)
    assert shift.kinds().count("wrapup.ended") == 1


def test_a_pause_in_wrap_up_takes_effect_after_it() -> None:
    shift = Shift("alice", wrap_up=15.0)
    shift.talk("c1", "alice", 10)
    shift.pause("alice", "lunch")
    assert shift.state("alice") is AgentState.WRAP_UP
    shift.after(15)
    assert (shift.state("alice"), shift.reason("alice")) == (AgentState.PAUSED, "lunch")


def test_log_out_ends_wrap_up() -> None:
    shift = Shift("alice", wrap_up=15.0)
    shift.talk("c1", "alice", 10)
    shift.after(5)
    shift.logout("alice")
    assert shift.last("wrapup.ended").data == {"lasted": 5.0, "cause": "logout"}
    shift.login("alice")
    assert shift.state("alice") is AgentState.READY


def test_who_logged_out_while_talking_has_no_wrap_up() -> None:
    shift = Shift("alice", wrap_up=15.0)
    shift.call("c1")
    shift.answer("alice")
    shift.logout("alice")
    assert shift.state("alice") is AgentState.TALKING
    shift.after(30)
    shift.end("c1", "alice")
    assert shift.state("alice") is AgentState.LOGGED_OUT
    assert shift.last("talk.ended").data == {"talk": 30.0}
    assert "wrapup.started" not in shift.kinds()
