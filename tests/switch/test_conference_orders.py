"""Conferences by order: mute, kick, lock, end; people who are invited; what operators see."""

from dataclasses import replace

import pytest

from softswitch.kernel.errors import PeerError
from softswitch.switch.events import ConferenceCommand, Drain, Reported
from softswitch.wire import control
from tests.switch.meeting import Meeting, moderated, open_room


def test_orders_about_members() -> None:
    site = Meeting(open_room())
    ann, bob, carol, _ = site.phones
    lines = [site.come(party) for party in (ann, bob, carol)]
    site.order("mute", member="phone:1002", by="vera")
    assert site.heard == {"1001": (1.0, 1.0), "1002": (0.0, 1.0), "1003": (1.0, 1.0)}
    assert site.facts("conference.muted")[-1].data == {"conference": "board", "party": "phone:1002", "by": "vera"}
    site.order("unmute", member="1002")
    assert site.heard["1002"] == (1.0, 1.0)
    site.order("mute", member="all")
    assert site.heard == {"1001": (1.0, 1.0), "1002": (0.0, 1.0), "1003": (0.0, 1.0)}
    site.order("kick", member=site.member(carol).call.id)
    site.prompt_ends()
    assert lines[2].state == "over"
    site.order("lock")
    assert site.room.locked
    site.order("unlock")
    assert not site.room.locked
    site.order("end")
    site.prompt_ends()
    assert [line.state for line in lines] == ["over"] * 3
    site.order("end")  # nobody is there: a line in the log
    assert site.logs[-1].event == "conference order refused"
    site.nothing_left()


def test_what_operators_see() -> None:
    site = Meeting(moderated(record="mix"))
    ann, bob, *_ = site.phones
    lines = [site.come(ann, "9876"), site.come(bob, "1234")]
    site.key(bob, "*1")
    talks = site.media.figures(site.member(ann).leg.id)
    site.give(Reported(0, (control.LegStats(**{**_fields(talks), "level": -20.0}),)))
    (row,) = site.switch.desk.conferences()
    assert (row.name, row.locked, row.waiting, row.ringing) == ("board", False, False, 0)
    assert row.recording.startswith("conferences/board/")
    first, second = row.members
    assert (first.party, first.number, first.name, first.moderator) == ("phone:1001", "1001", "Ann Smith", True)
    assert (first.talking, first.level, first.muted) == (True, -20.0, False)
    assert (second.party, second.moderator, second.muted, second.talking) == ("phone:1002", False, True, False)
    ann.hang_up(lines[0])
    bob.hang_up(lines[1])
    assert site.switch.desk.conferences() == []
    site.nothing_left()


def _fields(stats: control.LegStats) -> dict[str, object]:
    return {name: getattr(stats, name) for name in stats.__struct_fields__}


def test_media_is_asked_who_talks_each_second() -> None:
    site = Meeting(open_room())
    lines = [site.come(party) for party in site.phones]
    asked: list[int] = []
    perform = site.media.perform

    def listen(command: control.Command) -> list[control.Report]:
        if isinstance(command, control.AskStats):
            asked.extend(command.legs)
        return perform(command)

    site.media.perform = listen  # type: ignore[method-assign]
    site.run(10.0)
    for party in site.phones:
        assert asked.count(site.member(party).leg.id) >= 5
    for party, line in zip(site.phones, lines, strict=True):
        party.hang_up(line)
    site.nothing_left()


def test_whoever_is_invited_is_in_it_by_answering() -> None:
    """No PIN, and the lock does not count: somebody who may has asked for them."""
    site = Meeting(moderated())
    ann, bob, *_ = site.phones
    line = site.come(ann, "9876")
    site.key(ann, "*7")
    site.order("invite", number="1002", phone="1001", by="vera")
    assert bob.line.state == "up"
    site.order("invite", number="937061234567", phone="1001")
    assert site.carrier.line.request is not None
    assert site.carrier.line.request.uri.user == "37061234567"
    assert site.heard == {"1001": (1.0, 1.0), "1002": (1.0, 1.0), "carrier": (1.0, 1.0)}
    row = site.switch.desk.conferences()[0]
    assert [member.number for member in row.members] == ["1001", "1002", "937061234567"]
    assert [fact.data["phone"] for fact in site.facts("conference.invited")] == ["1001", "1001"]
    for party, own in ((ann, line), (bob, bob.line), (site.carrier, site.carrier.line)):
        party.hang_up(own)
    site.nothing_left()


def test_an_invited_phone_is_announced_by_its_own_name() -> None:
    site = Meeting(open_room(announce="name"))
    site.switch.office._find_prompt = lambda name, language: name
    line = site.come(site.phones[0])
    site.order("invite", number="1002", phone="1001")
    assert site.said() == ("var/names/1002.wav", "conference-joined")
    site.phones[1].hang_up(site.phones[1].line)
    site.phones[0].hang_up(line)
    site.nothing_left()


def test_an_invitation_may_begin_the_conference_and_go_unanswered() -> None:
    site = Meeting(open_room())
    bob = site.phones[1]
    bob.on_invite = 486
    site.order("invite", number="1002", phone="1001")
    assert not site.switch.office.conferences.by_name
    bob.on_invite = "answer"
    site.order("invite", number="1002", phone="1001")
    assert list(site.heard) == ["1002"]
    bob.hang_up(bob.line)
    site.nothing_left()


@pytest.mark.parametrize(("to", "rung"), [("phone:1003", True), ("play:closed", False)])
def test_an_invited_phone_that_forwards_everything(to: str, rung: bool) -> None:
    """To another phone, which is rung; what does not ring is nobody to talk with."""
    settings = open_room()
    settings = replace(settings, phones={**settings.phones, "1002": replace(settings.phones["1002"], always=to)})
    site = Meeting(settings)
    line = site.come(site.phones[0])
    site.order("invite", number="1002", phone="1001")
    assert not site.phones[1].lines
    assert list(site.heard) == (["1001", "1003"] if rung else ["1001"])
    site.phones[0].hang_up(line)
    if rung:
        site.phones[2].hang_up(site.phones[2].line)
    site.nothing_left()


def test_who_still_rings_when_the_conference_is_over_rings_no_more() -> None:
    site = Meeting(open_room())
    ann, bob, *_ = site.phones
    line = site.come(ann)
    bob.on_invite = "ring"
    site.order("invite", number="1002", phone="1001")
    assert bob.line.state == "ringing"
    assert site.switch.desk.conferences()[0].ringing == 1
    ann.hang_up(line)
    assert bob.line.state == "over"
    site.nothing_left()


def test_invitations_have_the_rights_of_the_phone_that_asks() -> None:
    """1003 may call phones of the house only: toll fraud guards look at it as if it had dialled."""
    site = Meeting(open_room())
    line = site.come(site.phones[0])
    site.order("invite", number="937061234567", phone="1003")
    assert not site.carrier.lines
    assert site.facts("guard.refused")[-1].data["account"] == "phone:1003"
    assert list(site.heard) == ["1001"]
    site.phones[0].hang_up(line)
    site.nothing_left()


@pytest.mark.parametrize(
    ("name", "number", "phone", "status"),
    [
        ("nowhere", "1002", "1001", 404),
        ("board", "1002", "9999", 404),
        ("board", "5555", "1001", 422),
        ("board", "600", "1001", 422),
        ("board", "411", "1001", 422),
        ("board", "", "1001", 422),
    ],
)
def test_invitations_that_cannot_be(name: str, number: str, phone: str, status: int) -> None:
    site = Meeting(open_room())
    command = ConferenceCommand(name, "invite", number=number, phone=phone)
    with pytest.raises(PeerError) as refused:
        site.switch.desk.check_conference(command, site.now)
    assert refused.value.status == status
    site.give(command)
    assert not site.switch.calls
    site.nothing_left()


def test_nobody_is_invited_to_a_full_room_or_while_the_switch_drains() -> None:
    site = Meeting(open_room(max_members=2))
    lines = [site.come(party) for party in site.phones[:2]]
    command = ConferenceCommand("board", "invite", number="1003", phone="1001")
    with pytest.raises(PeerError) as refused:
        site.switch.desk.check_conference(command, site.now)
    assert refused.value.status == 409
    site.phones[0].hang_up(lines[0])
    site.give(Drain())
    with pytest.raises(PeerError) as refused:
        site.switch.desk.check_conference(command, site.now)
    assert refused.value.status == 503
    site.phones[1].hang_up(lines[1])
    site.nothing_left()


@pytest.mark.parametrize(("name", "who"), [("nowhere", "all"), ("board", "phone:1004"), ("board", "nobody")])
def test_orders_about_nobody_are_told_so(name: str, who: str) -> None:
    site = Meeting(open_room())
    line = site.come(site.phones[0])
    with pytest.raises(PeerError) as refused:
        site.switch.desk.check_conference(ConferenceCommand(name, "mute", who), site.now)
    assert refused.value.status == 404
    site.phones[0].hang_up(line)
    site.nothing_left()


def test_who_was_full_when_answering_is_told_so() -> None:
    site = Meeting(open_room(max_members=2))
    ann, bob, carol, _ = site.phones
    line = site.come(ann)
    carol.on_invite = "ring"
    site.order("invite", number="1003", phone="1001")
    second = site.come(bob)
    carol.answer(carol.line)
    assert site.said() == ("conference-full",)
    site.prompt_ends()
    assert carol.line.state == "over"
    ann.hang_up(line)
    bob.hang_up(second)
    site.nothing_left()
