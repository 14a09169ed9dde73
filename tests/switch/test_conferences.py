"""`conference:NAME`: whoever is sent there hears the others; and legs that must come to another media process."""

from dataclasses import replace

import pytest

from softswitch.acd.model import Fact
from softswitch.sip.offer_answer import make_offer
from softswitch.switch.events import MediaLost, TransferCommand
from softswitch.switch.settings import Route, Supervisor
from softswitch.wire.sdp import parse_sdp
from tests.switch.site import Line, Party, Site
from tests.switch.test_transfers import SETTINGS

ROOMS = replace(
    SETTINGS,
    routes=(Route(source="any", number="800", to="conference:standup"), *SETTINGS.routes),
    supervisors={"carol": Supervisor(phone="1003", agents=("*",), may=("listen", "whisper", "barge", "take"))},
)


def port(line: Line) -> int:
    return parse_sdp(line.sdp).media[0].port


def site_with(workers: int = 1) -> tuple[Site, list[Party]]:
    site = Site(ROOMS, workers=workers)
    phones = [site.phone(f"100{n}", f"192.0.2.1{n}") for n in (1, 2, 3)]
    return site, [*phones, site.party("+37061234567", "198.51.100.10")]


@pytest.mark.parametrize("workers", [1, 2])
def test_all_come_to_one_room_and_the_last_closes_it(workers: int) -> None:
    """Phones and a trunk; the room is in the first one's media process."""
    site, parties = site_with(workers)
    lines = [party.call("800") for party in parties]
    (process,) = [media for media in site.processes if media.rooms]
    (room,) = process.rooms.values()
    assert list(room.values()) == [(1.0, 1.0)] * 4
    assert set(room) == set(process.legs)
    parties[0].hold(lines[0])
    assert sorted(room.values()) == [(0.0, 1.0), (1.0, 1.0), (1.0, 1.0), (1.0, 1.0)], "who holds says nothing"
    parties[0].resume(lines[0])
    for party, line in zip(parties[:-1], lines[:-1], strict=True):
        party.hang_up(line)
    assert len(room) == 1
    assert process.rooms
    parties[-1].hang_up(lines[-1])
    assert not process.rooms
    facts = [fact for fact in site.saved if isinstance(fact, Fact) and fact.kind.startswith("conference.")]
    assert [fact.kind for fact in facts] == ["conference.joined"] * 4 + ["conference.left"] * 4
    site.nothing_left()


def test_a_queue_call_is_transferred_into_a_conference_in_another_media_process() -> None:
    """The caller was answered before: a re-INVITE names the new port (RFC 3264 §8.3.1)."""
    site, (alice, bob, _, carrier) = site_with(2)
    own = bob.call("1003")
    site.run(1.0)
    caller = carrier.call("100")
    site.run(1.0)
    meeting = bob.call("800")
    calls = {call.source: call for call in site.switch.calls.values()}
    (there,) = [number for number, media in enumerate(site.processes) if media.rooms]
    call = calls["trunk:carrier"]
    before = call.leg.worker
    assert before != there, "the test wants them apart"
    site.give(TransferCommand(call.id, "blind", "conference:standup"))
    assert call.leg.worker == there
    (room,) = site.processes[there].rooms.values()
    assert call.leg.id in room
    assert site.processes[there].legs[call.leg.id].codec, "the party has agreed to the new port"
    assert not site.processes[before].rooms
    assert alice.line.state == "over"
    for party, line in ((bob, own), (bob, meeting), (carrier, caller)):
        party.hang_up(line)
    site.nothing_left()


def test_a_party_that_refuses_to_move_is_hung_up() -> None:
    """488 to the re-INVITE: it would hear nothing for ever."""
    site, (_, bob, _, carrier) = site_with(2)
    own = bob.call("1003")
    caller = carrier.call("100")
    site.run(1.0)
    meeting = bob.call("800")

    def refuse(offer: bytes) -> bytes:
        return make_offer(carrier.caps("G722"), 1, 9)

    carrier.to_answer = refuse
    call = next(call for call in site.switch.calls.values() if call.source == "trunk:carrier")
    site.give(TransferCommand(call.id, "blind", "conference:standup"))
    site.run(1.0)
    assert caller.state == "over"
    for line in (own, meeting):
        bob.hang_up(line)
    site.nothing_left()


def test_supervisors_come_to_the_call_and_follow_to_the_next() -> None:
    """The supervisor's INVITE is taken in the talk's media process; to the next talk a re-INVITE moves it."""
    site, (alice, bob, carol, carrier) = site_with(2)
    first = carrier.call("100")
    site.run(1.0)
    line = carol.call("*511001")
    legs = {leg.peer: leg for leg in site.switch.office.fabric.legs.values()}
    assert legs["phone:1003"].worker == legs["agent:alice"].worker
    was = legs["phone:1003"].worker
    carrier.hang_up(first)
    site.run(15.0)
    own = [bob.call("*43") for _ in range(2)]  # so that the next call goes to the other process
    second = carrier.call("100")
    site.run(1.0)
    legs = {leg.peer: leg for leg in site.switch.office.fabric.legs.values() if not leg.over}
    talk = next(call for call in site.switch.calls.values() if call.facts.agent == "alice")
    assert legs["phone:1003"].worker == talk.leg.worker
    assert talk.leg.worker != was, "the test wants them apart"
    media = site.processes[talk.leg.worker]
    assert media.hears(legs["phone:1003"].id) == {talk.leg.id, legs["agent:alice"].id}
    assert media.legs[legs["phone:1003"].id].codec
    for party, one in ((bob, own[0]), (bob, own[1]), (carol, line), (carrier, second)):
        party.hang_up(one)
    assert alice.line.state == "over"
    site.nothing_left()


def test_media_that_is_lost_closes_the_conference() -> None:
    site, (alice, bob, *_) = site_with()
    lines = [alice.call("800"), bob.call("800")]
    site.give(MediaLost(0))
    assert [line.state for line in lines] == ["over", "over"]
    assert not site.switch.office.conferences.by_name
