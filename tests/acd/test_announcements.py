"""Issue 2, point 8: position announcements, and the queue's own message."""

import itertools

from acd_shift import START, Shift, only

from softswitch.acd.model import AcdEffect, Announce


def heard(shift: Shift, call: str) -> list[tuple[float, str, int]]:
    return [
        (at - START, effect.kind, effect.position)
        for at, effect in shift.log
        if isinstance(effect, Announce) and effect.call == call
    ]


def announcements(effects: list[AcdEffect]) -> list[Announce]:
    return only(effects, Announce)


def test_position_on_entry_and_then_every_interval() -> None:
    shift = Shift(announce_position=30.0)
    shift.call("c1")
    shift.after(10)
    shift.call("c2")
    shift.after(35)
    shift.leave("c1")
    shift.after(30)
    assert heard(shift, "c2") == [(10.0, "position", 2), (40.0, "position", 2), (70.0, "position", 1)]


def test_nothing_is_said_while_a_phone_rings_for_the_caller() -> None:
    shift = Shift("alice", announce_position=30.0, ring_seconds=40.0)
    shift.call("c1")
    assert announcements(shift.after(39)) == []
    shift.after(1 + 20)  # the ring failed; the next turn is at 60
    assert heard(shift, "c1") == []  # and the phone rings again
    shift.pause("alice")
    shift.after(30)
    assert heard(shift, "c1") == [(90.0, "position", 1)]


def test_an_overtaken_caller_hears_the_truth() -> None:
    shift = Shift(announce_position=30.0)
    shift.call("c1")
    shift.after(1)
    shift.call("gold", head_start=600.0)
    shift.after(30)
    assert heard(shift, "c1") == [(0.0, "position", 1), (30.0, "position", 2)]


def test_the_periodic_message_waits_its_interval_first() -> None:
    shift = Shift(announce_every=45.0, announce_prompt="please-hold")
    shift.call("c1")
    shift.after(100)
    assert heard(shift, "c1") == [(45.0, "periodic", 0), (90.0, "periodic", 0)]


def test_without_a_prompt_there_is_no_message() -> None:
    shift = Shift(announce_every=45.0)
    shift.call("c1")
    shift.after(100)
    assert heard(shift, "c1") == []


def test_who_has_left_hears_nothing_more() -> None:
    shift = Shift("alice", announce_position=30.0, announce_every=10.0, announce_prompt="please-hold")
    shift.call("c1")
    shift.answer("alice")
    shift.call("c2")
    shift.leave("c2")
    assert announcements(shift.after(300)) == []
    assert shift.engine.deadline() is None


def test_turns_missed_by_a_late_wake_up_are_left_out() -> None:
    shift = Shift(announce_position=30.0)
    shift.call("c1")
    shift.after(0)
    shift.now += 3600
    assert announcements(shift.take(shift.engine.wake(shift.now))) == [Announce("c1", "position", 1)]
    assert shift.engine.deadline() == shift.now + 30


def test_announcements_in_turn_and_at_random() -> None:
    turn = Shift(announce_every=10.0, announce_prompt=("a", "b", "c"))
    turn.call("c1")
    assert [effect.prompt for effect in only(turn.after(40), Announce)] == ["a", "b", "c", "a"]
    chance = Shift(announce_every=10.0, announce_prompt=("a", "b", "c"), announce_order="random")
    chance.call("c1")
    said = [effect.prompt for effect in only(chance.after(300), Announce)]
    assert set(said) == {"a", "b", "c"}
    assert all(one != other for one, other in itertools.pairwise(said))
