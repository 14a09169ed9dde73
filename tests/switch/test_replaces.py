"""INVITE with Replaces (RFC 3891): taking over a call, and picking one up, as one call with one recording."""

import pytest

from softswitch.sip.events import Ended
from softswitch.sip.offer_answer import make_offer
from softswitch.switch.events import AgentCommand
from softswitch.switch.records import CallRecord
from softswitch.switch.settings import Phone, Route, Settings, Sip, Trunk
from softswitch.wire.sip import Headers, Request, Uri
from tests.switch import test_pickup as pickup
from tests.switch.site import Line, Party, Site
from tests.switch.test_transfers import Talk

SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones={
        name: Phone(password="correct horse", pickup_groups=groups)
        for name, groups in (("1001", ()), ("1002", ("desk",)), ("1003", ("desk", "shop")), ("1004", ("shop",)))
    },
    trunks={"carrier": Trunk(address="sip:198.51.100.10")},
    routes=(
        Route(source="trunk:carrier", number="100", to="phone:1002"),
        Route(source="phone:*", number="9.", to="trunk:carrier", strip=1),
    ),
)


def names(
    party: Party, line: Line, tags: tuple[str, str] | None = None, early: bool = False
) -> tuple[tuple[str, str], ...]:
    """Replaces for the dialog that a party has at this line: our tag is its to-tag."""
    request = line.request
    if request is not None:  # it was called: our INVITE
        call_id, ours, theirs = request.call_id, request.from_.tag, tag_of(party, line)
    else:
        response = next(event.response for event in reversed(line.events) if hasattr(event, "response"))
        call_id, ours, theirs = response.call_id, response.to.tag, response.from_.tag
    ours, theirs = tags or (ours, theirs)
    only = ";early-only" if early else ""
    return (("Replaces", f"{call_id};to-tag={ours};from-tag={theirs}{only}"), ("Require", "replaces"))


def tag_of(party: Party, line: Line) -> str:
    """What a called party called its end."""
    session = party.ua._sessions.get(line.session)
    assert session is not None
    return session.local_tag


def office() -> tuple[Site, Party, Party, Party, Party]:
    site = Site(SETTINGS)
    phones = [site.phone(f"100{n}", f"192.0.2.1{n}") for n in (1, 2, 3)]
    return site, *phones, site.party("+37061234567", "198.51.100.10")


def media(site: Site) -> dict[str, int]:
    return {leg.peer: leg.id for leg in site.switch.office.fabric.legs.values() if not leg.over}


def test_a_ringing_call_is_picked_up() -> None:
    """§3: an early dialog that we began; the phone that rang is cancelled as completed elsewhere."""
    site, _, two, three, carrier = office()
    two.on_invite = "ring"
    line = carrier.call("100")
    taken = three.call("1002", headers=names(two, two.line, early=True))
    assert taken.state == line.state == "up"
    assert two.line.state == "over"
    (cancelled,) = (event for event in two.line.events if hasattr(event, "request"))
    assert "cause=200" in (cancelled.request.headers.get("Reason") or "")
    ids = media(site)
    assert site.media.hears(ids["trunk:carrier"]) == {ids["phone:1003"]}
    assert site.media.hears(ids["phone:1003"]) == {ids["trunk:carrier"]}
    assert len(site.switch.calls) == 1
    three.hang_up(taken)
    assert line.state == "over"
    site.run(3.0)
    outcomes = {record.source: record.outcome for record in site.records(CallRecord)}  # type: ignore[attr-defined]
    assert outcomes == {"trunk:carrier": "answered", "phone:1003": "answered"}
    site.nothing_left()


@pytest.mark.parametrize("side", ["caller", "callee"])
def test_an_answered_call_is_taken_over(side: str) -> None:
    """§3: the same phone, on another line; the replaced dialog gets BYE and the other party notices nothing."""
    site, one, two, _, _ = office()
    line = one.call("1002")
    who, old, other = (one, line, two) if side == "caller" else (two, two.line, one)
    new = who.call("1000", headers=names(who, old))
    assert (new.state, old.state) == ("up", "over")
    assert any(isinstance(event, Ended) and event.cause == "bye" for event in old.events)
    assert len(site.switch.calls) == 1
    ids = media(site)
    assert site.media.hears(ids[f"phone:{other.name}"]) == {ids[f"phone:{who.name}"]}
    assert site.media.hears(ids[f"phone:{who.name}"]) == {ids[f"phone:{other.name}"]}
    who.hang_up(new)
    site.run(3.0)
    assert not site.switch.calls
    site.nothing_left()


@pytest.mark.parametrize("side", ["caller", "agent"])
def test_in_a_recorded_queue_call(side: str) -> None:
    """One recording, each side on its channel; the agent's talk goes on being the agent's."""
    talk = Talk()
    if side == "caller":
        new = talk.carrier.call("100", headers=names(talk.carrier, talk.line))
    else:
        new = talk.alice.call("1001", headers=names(talk.alice, talk.alice.line))
    assert new.state == "up"
    assert len(talk.site.switch.calls) == 1
    ids = media(talk.site)
    agent = next(id for peer, id in ids.items() if peer in ("agent:alice", "phone:1001"))
    assert talk.recorded() == {0: {ids["trunk:carrier"]}, 1: {agent}}
    assert talk.hears(ids["trunk:carrier"]) == {agent}
    view = talk.site.switch.office.engine.agent_view("alice", talk.site.now)
    assert view is not None
    assert view.state == "talking"
    talk.site.run(5.0)
    (talk.carrier if side == "caller" else talk.alice).hang_up(new)
    talk.site.run(3.0)
    (record,) = (one for one in talk.site.records(CallRecord) if one.queue)  # type: ignore[attr-defined]
    assert (record.outcome, record.agent) == ("answered", "alice")
    alice = talk.totals().agent("alice")
    assert (alice.answered, alice.talks, round(alice.talk), alice.transferred) == (1, 1, 65, 0)
    assert not talk.facts("transfer.")
    talk.site.nothing_left()


def test_another_codec_in_the_place_of_the_old_one() -> None:
    site, one, two, _, _ = office()
    line = one.call("1002")
    two.codecs = ("PCMU",)
    new = two.call("1000", headers=names(two, two.line))
    assert new.state == line.state == "up"
    one.hang_up(line)
    site.nothing_left()


def test_what_is_refused() -> None:
    """§3: nothing changes."""
    site, one, two, three, carrier = office()
    line = one.call("1002")
    (good, _) = names(one, line)
    wrong = names(one, line, tags=("no", "no"))[0]
    for who, headers, status in (
        (one, (wrong,), 481),
        (one, (("Replaces", "nothing;to-tag=1;from-tag=2"),), 481),
        (one, (good, good), 400),
        (one, (good, ("Join", good[1])), 400),
        (one, (("Replaces", good[1].replace("from-tag", "tag")),), 400),
        (one, (("Replaces", ";;;"),), 400),
        (one, (("Replaces", f"{good[1]}, {good[1]}"),), 400),
        (one, (("Replaces", f"{good[1]};early-only"),), 486),
        (three, (good,), 403),
        (carrier, (good,), 403),
    ):
        assert who.call("1002", headers=headers).status == status, headers
    assert line.state == two.line.state == "up"
    one.hang_up(line)
    assert one.call("1002", headers=(good,)).status == 603, "it is over"
    site.run(40.0)
    assert one.call("1002", headers=(good,)).status == 481, "and forgotten"
    site.nothing_left()


def test_nobody_takes_what_rings_elsewhere() -> None:
    """A pickup group's members may; others may not; and a call that rings here is no call of ours (481)."""
    site, one, two, three, carrier = office()
    two.on_invite = "ring"
    four = site.phone("1004", "192.0.2.14")
    line = carrier.call("100")
    assert four.call("1002", headers=names(two, two.line)).status == 403
    assert one.call("1002", headers=names(two, two.line)).status == 403
    assert carrier.call("100", headers=names(carrier, line)).status == 481
    assert two.line.state == "ringing"
    before = names(two, two.line)
    carrier.hang_up(line)
    assert three.call("1002", headers=before).status == 481
    site.nothing_left()


def test_the_offer_of_a_queue_is_not_taken() -> None:
    """The ACD gave it to an agent."""
    talk = Talk()
    talk.carrier.hang_up(talk.line)
    talk.site.run(30.0)
    talk.alice.on_invite = "ring"
    talk.carrier.call("100")
    talk.site.run(1.0)
    ringing = talk.alice.line
    assert talk.alice.call("1001", headers=names(talk.alice, ringing)).status == 403
    talk.carrier.hang_up(talk.carrier.line)
    talk.site.nothing_left()


def test_a_stream_that_cannot_be_met_changes_nothing() -> None:
    site, one, two, _, _ = office()
    line = one.call("1002")
    bad = make_offer(two.caps(), 1, 1).replace(b"RTP/AVP", b"X/Y")
    old = two.line
    assert two.call("1000", sdp=bad, headers=names(two, old)).status == 488
    assert line.state == old.state == "up"
    one.hang_up(line)
    site.nothing_left()


def test_in_another_request_it_is_400() -> None:
    """§3."""
    site, one, _, _, _ = office()
    headers = Headers(
        (("From", "<sip:1001@pbx.test>"), ("To", "<sip:pbx.test>"), ("Replaces", "a;to-tag=1;from-tag=2"))
    )
    options = Request("OPTIONS", Uri.parse("sip:pbx.test"), headers)
    one.perform(one.ua.request(options, one.flow, site.now)[1])
    site.settle()
    assert one.responses[-1] == 400
    site.nothing_left()


def test_an_agent_picks_up_what_rings_at_another_agent() -> None:
    """By the rules of pickup: the ACD gives the call to whom it may."""
    office = pickup.Office()
    site, bob = office.site, office.bob
    caller = office.alice.call("600")
    site.run(1.0)
    assert bob.line.state == "ringing"
    headers = names(bob, bob.line, early=True)
    assert office.eve.call("1002", headers=headers).status == 403, "she serves another queue"
    site.give(AgentCommand("carol", "login"))
    taken = office.carol.call("1002", headers=headers)
    assert taken.state == caller.state == "up"
    assert pickup.talk_together(site)
    office.done((office.carol, taken))
