"""A talk of two or three that goes to a conference by name: everybody is a member, nothing of the call is lost."""

from dataclasses import replace

import pytest

from softswitch.acd.model import AgentState, Fact
from softswitch.kernel.errors import PeerError
from softswitch.switch.events import ConferenceCommand
from softswitch.switch.records import CallRecord
from softswitch.switch.settings import Conference, Guards, ServiceClass
from softswitch.switch.stages.conferring import ConferenceStage
from tests.switch.site import Site
from tests.switch.test_transfers import SETTINGS, Talk

ROOMS = replace(SETTINGS, conferences={"board": Conference(number="600", moderators=("1001",), announce="none")})


def gather(talk: Talk, name: str = "board", call: str = "") -> None:
    talk.site.give(ConferenceCommand(name, "gather", call or talk.call.id, by="vera"))


def heard(talk: Talk) -> dict[str, tuple[float, float]]:
    room = talk.site.switch.office.conferences.by_name["board"]
    members = talk.site.processes[room.worker].rooms[room.id]
    assert len(members) == len(room.members)
    return {member.leg.peer: members[member.leg.id] for member in room.members.values()}


def facts(talk: Talk, kind: str) -> list[Fact]:
    return [fact for fact in talk.site.saved if isinstance(fact, Fact) and fact.kind == kind]


def test_caller_and_agent_go_and_another_comes() -> None:
    talk = Talk(ROOMS)
    gather(talk)
    assert heard(talk) == {"trunk:carrier": (1.0, 1.0), "phone:1001": (1.0, 1.0)}
    assert [member.moderator for member in talk.site.switch.desk.conferences()[0].members] == [False, True]
    assert not talk.hears(talk.caller), "nobody but the room"
    view = talk.site.switch.office.engine.agent_view("alice", talk.site.now)
    assert view is not None
    assert view.state is not AgentState.READY, "her phone is busy"
    (ended,) = facts(talk, "talk.ended")
    assert ended.agent == "alice"
    line = talk.bob.call("600")
    assert len(heard(talk)) == 3
    talk.carrier.hang_up(talk.line)
    assert heard(talk) == {"phone:1001": (1.0, 1.0), "phone:1002": (1.0, 1.0)}
    talk.alice.hang_up(talk.alice.line)
    talk.bob.hang_up(line)
    talk.site.run(5.0)
    records = {record.source: record for record in talk.site.saved if isinstance(record, CallRecord)}
    first = records["trunk:carrier"]
    assert {leg.party for leg in first.legs} == {"trunk:carrier", "agent:alice"}
    assert all(leg.talk for leg in first.legs), "when they spoke with each other"
    assert records["phone:1001"].destination == "conference:board"
    talk.site.nothing_left()


def test_a_talk_of_three_goes_as_three() -> None:
    talk = Talk(ROOMS)
    talk.keys(talk.alice, "*61003#")
    assert talk.carol.line.state == "up"
    gather(talk)
    assert len(heard(talk)) == 3
    assert [kind for kind, _ in talk.facts("conference.ended", "transfer.cancelled")] == [
        "conference.ended",
        "transfer.cancelled",
    ]
    assert all(isinstance(call.stage, ConferenceStage) for call in talk.site.switch.calls.values())
    for party in (talk.alice, talk.carol):
        party.hang_up(party.line)
    talk.carrier.hang_up(talk.line)
    talk.site.nothing_left()


def test_a_consultation_goes_too() -> None:
    """Whoever was on hold with music hears the others."""
    talk = Talk(ROOMS)
    talk.keys(talk.alice, "*21003#")
    assert talk.plays(talk.caller) == "music"
    gather(talk)
    assert len(heard(talk)) == 3
    assert not talk.hears(talk.caller)
    for party in (talk.alice, talk.carol):
        party.hang_up(party.line)
    talk.carrier.hang_up(talk.line)
    talk.site.nothing_left()


def test_what_cannot_go() -> None:
    small = {"small": Conference(max_members=2), **ROOMS.conferences}
    talk = Talk(replace(ROOMS, conferences=small))
    other = talk.bob.call("*43")
    (echo,) = set(talk.site.switch.calls) - {talk.call.id}
    for name, call, status in (
        ("nowhere", talk.call.id, 404),
        ("board", "nobody", 404),
        ("board", echo, 409),
    ):
        with pytest.raises(PeerError) as refused:
            talk.site.switch.desk.check_conference(ConferenceCommand(name, "gather", call), talk.site.now)
        assert refused.value.status == status
        gather(talk, name, call)
    talk.carol.on_invite = "ring"
    talk.keys(talk.alice, "*61003#")
    with pytest.raises(PeerError) as refused:
        talk.site.switch.desk.check_conference(ConferenceCommand("board", "gather", talk.call.id), talk.site.now)
    assert refused.value.status == 409, "somebody is being rung"
    talk.carol.answer(talk.carol.line)
    with pytest.raises(PeerError) as refused:
        talk.site.switch.desk.check_conference(ConferenceCommand("small", "gather", talk.call.id), talk.site.now)
    assert refused.value.status == 409, "three into two"
    assert not talk.site.switch.office.conferences.by_name
    for party, line in ((talk.bob, other), (talk.alice, talk.alice.line), (talk.carrier, talk.line)):
        party.hang_up(line)
    talk.carol.hang_up(talk.carol.line)
    talk.site.nothing_left()


def test_what_a_carrier_costs_goes_along() -> None:
    """A phone's call out that is gathered: the day's money is used up, and it is that leg's call that is cut."""
    guarded = replace(
        ROOMS,
        guards=Guards(rates={"*": 60.0}, spend_per_day=30.0, cut=True),
        classes={"any": ServiceClass(may_call=("*",))},
    )
    talk = Talk(guarded)
    talk.carrier.hang_up(talk.line)
    talk.site.run(12.0)
    line = talk.bob.call("937061234567")
    (call,) = talk.site.switch.calls.values()
    gather(talk, call=call.id)
    assert set(heard(talk)) == {"phone:1002", "trunk:carrier"}
    talk.site.run(60.0)
    assert facts(talk, "guard.cut")
    assert talk.carrier.line.state == "over"
    assert line.state == "up"
    talk.bob.hang_up(line)
    talk.site.nothing_left()


def test_parties_come_to_the_room_from_another_media_process() -> None:
    """Re-INVITEs name the new ports (RFC 3264 §8.3.1)."""
    site = Site(ROOMS, workers=2)
    alice, bob, carol = (site.phone(f"100{n}", f"192.0.2.1{n}") for n in (1, 2, 3))
    carrier = site.party("+37061234567", "198.51.100.10")
    own = bob.call("1003")
    caller = carrier.call("100")
    site.run(1.0)
    meeting = bob.call("600")
    room = site.switch.office.conferences.by_name["board"]
    call = next(call for call in site.switch.calls.values() if call.source == "trunk:carrier")
    assert call.leg.worker != room.worker, "the test wants them apart"
    order = ConferenceCommand("board", "gather", call.id)
    site.give(order)
    assert len(room.members) == 3
    assert {member.leg.worker for member in room.members.values()} == {room.worker}
    members = site.processes[room.worker].rooms[room.id]
    assert [members[member.leg.id] for member in room.members.values()] == [(1.0, 1.0)] * 3
    site.give(order)  # it is there already: a line in the log
    assert site.logs[-1].event == "conference order refused"
    for party, line in ((bob, own), (bob, meeting), (carrier, caller), (alice, alice.line)):
        party.hang_up(line)
    assert carol.line.state == "over"
    site.nothing_left()
