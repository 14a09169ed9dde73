"""INVITE with Join (RFC 3911): a third party in a call, by the rights of Replaces and of supervision."""

from dataclasses import replace

import pytest

from softswitch.acd.model import AgentState
from softswitch.sip.offer_answer import make_offer
from softswitch.switch.events import HangUpCall
from softswitch.switch.records import CallRecord
from softswitch.switch.settings import Agent, Supervisor
from softswitch.wire.sip import Headers, Request, Uri
from tests.switch import test_replaces, test_transfers
from tests.switch.meeting import Meeting, moderated
from tests.switch.site import Line, Party, Site
from tests.switch.test_replaces import SETTINGS, media, office
from tests.switch.test_supervision import BASE, Watched
from tests.switch.test_transfers import Talk

OWN = Agent(phone="1001", phones=("1003",), logged_in=True)


def names(party: Party, line: Line, tags: tuple[str, str] | None = None) -> tuple[tuple[str, str], ...]:
    """Join for the dialog that a party has at this line."""
    (_, value), _ = test_replaces.names(party, line, tags)
    return (("Join", value), ("Require", "join"))


def all_three(site: Site, *parties: str) -> None:
    ids = media(site)
    for party in parties:
        assert site.media.hears(ids[party]) == {ids[other] for other in parties if other != party}, party


def two_of_one() -> tuple[Site, Party, Party, Party]:
    """Phones 1001 and 1003 are one person's, 1002 is another's."""
    site = Site(replace(SETTINGS, agents={"ann": Agent(phone="1001", phones=("1003",))}))
    one, two, three = (site.phone(f"100{n}", f"192.0.2.1{n}") for n in (1, 2, 3))
    return site, one, two, three


@pytest.mark.parametrize("side", ["caller", "callee"])
@pytest.mark.parametrize("leaves", ["first", "other", "third"])
def test_ones_other_phone_comes_in_and_anyone_may_leave(side: str, leaves: str) -> None:
    site, one, two, three = two_of_one()
    line = one.call("1002") if side == "caller" else two.call("1001")
    first, other = (line, two.line) if side == "caller" else (one.line, line)
    third = three.call("1000", headers=names(one, first))
    assert (first.state, other.state, third.state) == ("up", "up", "up")
    assert len(site.switch.calls) == 1
    all_three(site, "phone:1001", "phone:1002", "phone:1003")
    site.run(2.0)
    lines = {"first": (one, first), "other": (two, other), "third": (three, third)}
    party, gone = lines.pop(leaves)
    party.hang_up(gone)
    if leaves == "other":
        assert not site.switch.calls, "one person is left"
    else:
        assert [line.state for _, line in lines.values()] == ["up", "up"]
        all_three(site, *(f"phone:{who.name}" for who, _ in lines.values()))
    for who, left in lines.values():
        if left.state == "up":
            who.hang_up(left)
    site.run(3.0)
    outcomes = {record.outcome for record in site.records(CallRecord)}  # type: ignore[attr-defined]
    assert outcomes == {"answered"}
    site.nothing_left()


def test_in_a_recorded_queue_call_the_agents_talk_goes_on_at_the_other_phone() -> None:
    talk = Talk(replace(test_transfers.SETTINGS, agents={**test_transfers.SETTINGS.agents, "alice": OWN}))
    assert talk.alice.line.state == "up"
    third = talk.carol.call("1000", headers=names(talk.alice, talk.alice.line))
    assert third.state == "up"
    joined = talk.leg(talk.carol) if talk.carol.line.request else media(talk.site)["phone:1003"]
    assert talk.hears(talk.caller) == {talk.agent, joined}
    assert talk.recorded() == {0: {talk.caller}, 1: {talk.agent, joined}}
    talk.site.run(10.0)
    talk.alice.hang_up(talk.alice.line)
    assert talk.state("alice") is AgentState.TALKING
    assert talk.hears(talk.caller) == {joined}
    talk.site.run(10.0)
    talk.carol.hang_up(third)
    assert talk.state("alice") is AgentState.WRAP_UP
    alice = talk.totals().agent("alice")
    assert (alice.answered, alice.talks, round(alice.talk), alice.transferred) == (1, 1, 80, 0)
    kinds = [kind for kind, _ in talk.facts("call.joined", "conference.", "transfer.")]
    assert kinds == ["call.joined", "conference.started", "conference.ended"]
    talk.site.run(3.0)
    (record,) = (one for one in talk.site.records(CallRecord) if one.queue)  # type: ignore[attr-defined]
    assert (record.outcome, record.agent) == ("answered", "alice")
    talk.site.nothing_left()


def test_a_supervisor_who_may_barge_is_with_the_agent() -> None:
    """As by code or order; one who may only listen may not join."""
    talk = Watched()
    line = talk.vera.call("1000", headers=names(talk.alice, talk.alice.line))
    assert line.state == "up"
    watcher = talk.watcher
    talk.edges({talk.agent, watcher}, {talk.caller, watcher}, {talk.caller, talk.agent})
    ((_, started),) = talk.facts("supervise.started")
    assert (started["mode"], started["phone"], started["agent"]) == ("barge", "1009", "alice")
    talk.vera.hang_up(line)
    assert talk.hears(talk.caller) == {talk.agent}
    talk.stop((talk.carrier, talk.line))
    listener = Supervisor(phone="1009", queues=("*",), may=("listen", "whisper"))
    talk = Watched(replace(BASE, supervisors={"vera": listener}))
    assert talk.vera.call("1000", headers=names(talk.alice, talk.alice.line)).status == 403
    assert not talk.facts("supervise.started")
    talk.stop((talk.carrier, talk.line))


def test_a_customers_other_phone_in_an_agents_call() -> None:
    """Whose the call is does not change: it is over when the agent leaves, or the customer who began it."""
    for leaves in ("agent", "customer"):
        talk = Talk()
        third = talk.carrier.call("100", headers=names(talk.carrier, talk.line))
        assert third.state == "up"
        assert len(talk.hears(talk.agent)) == 2
        if leaves == "agent":
            talk.alice.hang_up(talk.alice.line)
        else:
            talk.carrier.hang_up(talk.line)
        assert {talk.alice.line.state, talk.line.state, third.state} == {"over"}
        assert talk.state("alice") is AgentState.WRAP_UP
        assert not talk.facts("transfer.")
        talk.site.nothing_left()


def test_orders_about_the_third() -> None:
    for verb, left in (("cancel", ["up", "over"]), ("complete", ["over", "up"])):
        talk = Talk(replace(test_transfers.SETTINGS, agents={"alice": OWN, "bob": Agent(phone="1002")}))
        third = talk.carol.call("1000", headers=names(talk.alice, talk.alice.line))
        talk.order(verb)
        assert [talk.alice.line.state, third.state] == left
        assert talk.state("alice") is AgentState.TALKING
        talk.carrier.hang_up(talk.line)
        talk.site.nothing_left()


def test_into_a_conference_by_its_own_rules() -> None:
    """The PIN is asked for as of anybody who comes."""
    site = Meeting(replace(moderated(), agents={"ann": Agent(phone="1001", phones=("1004",))}))
    ann, bob, _, fourth = site.phones
    lines = [site.come(ann, "9876"), site.come(bob, "1234")]
    joined = fourth.call("1000", headers=names(ann, lines[0]))
    assert joined.state == "up"
    assert len(site.room.members) == 2
    for digit in "1234#":
        site.key(fourth, digit)
    assert len(site.room.members) == 3
    assert bob.call("1000", headers=names(ann, lines[0])).status == 403
    for party, line in ((ann, lines[0]), (bob, lines[1]), (fourth, joined)):
        party.hang_up(line)
    site.nothing_left()


def test_what_is_refused() -> None:
    """§4: 400, 481, 603, 403, 488; nothing changes."""
    site, one, two, three, carrier = office()
    line = one.call("1002")
    (good, _) = names(one, line)
    (wrong, _) = names(one, line, tags=("no", "no"))
    for who, headers, status in (
        (one, (wrong,), 481),
        (one, (("Join", "nothing;to-tag=1;from-tag=2"),), 481),
        (one, (good, good), 400),
        (one, (good, ("Replaces", good[1])), 400),
        (one, (("Join", good[1].replace("from-tag", "tag")),), 400),
        (one, (("Join", ";;;"),), 400),
        (one, (("Join", f"{good[1]}, {good[1]}"),), 400),
        (three, (good,), 403),
        (carrier, (good,), 403),
    ):
        assert who.call("1002", headers=headers).status == status, headers
    assert line.state == two.line.state == "up"
    third = one.call("1000", headers=(good,))
    assert third.state == "up"
    assert one.call("1000", headers=(good,)).status == 488, "three are in it already"
    one.hang_up(third)
    all_three(site, "phone:1001", "phone:1002")
    one.hang_up(line)
    assert one.call("1002", headers=(good,)).status == 603, "it is over"
    site.run(40.0)
    assert one.call("1002", headers=(good,)).status == 481, "and forgotten"
    site.nothing_left()


def test_nobody_joins_what_rings() -> None:
    """Nobody talks there yet; and a call that rings here is none of ours (481)."""
    site, _, two, three, carrier = office()
    two.on_invite = "ring"
    line = carrier.call("100")
    ringing = two.line
    assert two.call("1000", headers=names(two, ringing)).status == 488
    assert three.call("1000", headers=names(two, ringing)).status == 403, "its pickup group is for Replaces"
    assert carrier.call("100", headers=names(carrier, line)).status == 481
    assert ringing.state == "ringing"
    carrier.hang_up(line)
    site.nothing_left()


def test_a_codec_that_only_passes_through_cannot_be_mixed() -> None:
    """§4: 488."""
    site, one, two, *_ = office()
    one.codecs = two.codecs = ("G729",)
    line = one.call("1002")
    assert line.state == "up"
    one.codecs = ("PCMA",)
    assert one.call("1000", headers=names(one, line)).status == 488
    assert line.state == "up"
    one.hang_up(line)
    site.nothing_left()


def test_a_third_whose_stream_cannot_be_met_changes_nothing() -> None:
    site, one, two, *_ = office()
    line = one.call("1002")
    offer = make_offer(two.caps(), 1, 1).replace(b"RTP/AVP", b"X/Y")
    assert two.call("1000", sdp=offer, headers=names(two, two.line)).status == 488
    all_three(site, "phone:1001", "phone:1002")
    one.hang_up(line)
    site.nothing_left()


def test_the_end_of_the_call_is_the_end_for_the_third() -> None:
    site, one, two, *_ = office()
    line = one.call("1002")
    third = two.call("1000", headers=names(two, two.line))
    (call,) = site.switch.calls
    site.give(HangUpCall(call))
    assert {line.state, two.line.state, third.state} == {"over"}
    site.nothing_left()


def test_in_another_request_it_is_400() -> None:
    """§4."""
    site, one, *_ = office()
    headers = Headers((("From", "<sip:1001@pbx.test>"), ("To", "<sip:pbx.test>"), ("Join", "a;to-tag=1;from-tag=2")))
    options = Request("OPTIONS", Uri.parse("sip:pbx.test"), headers)
    one.perform(one.ua.request(options, one.flow, site.now)[1])
    site.settle()
    assert one.responses[-1] == 400
    site.nothing_left()
