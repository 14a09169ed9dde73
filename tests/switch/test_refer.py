"""RFC 3515 and RFC 5589: a phone transfers by REFER, blind and attended, from either side of a call."""

from dataclasses import replace

import pytest

from softswitch.acd.model import AgentState
from softswitch.sip.events import InDialogAnswered
from softswitch.switch.records import CallRecord
from softswitch.switch.settings import Agent, Settings
from softswitch.wire.sip import Headers, Request, Uri
from tests.switch.site import Line, Party, Site
from tests.switch.test_transfers import SETTINGS, Talk

PLAIN = replace(SETTINGS, agents={})


def refer(party: Party, line: Line, *values: str, headers: tuple[tuple[str, str], ...] = ()) -> int:
    """Send REFER within the line's dialog; the status of its answer."""
    fields = (*(("Refer-To", value) for value in values), *headers)
    party.perform(party.ua.send_in_dialog(line.session, "REFER", party.site.now, headers=fields))
    party.site.settle()
    answers = [e for e in line.events if isinstance(e, InDialogAnswered) and e.method == "REFER"]
    return answers[-1].status


def notified(line: Line) -> list[str]:
    """The status lines that NOTIFY brought, the last with its Subscription-State."""
    found = []
    for event in line.events:
        request = getattr(event, "request", None)
        if isinstance(request, Request) and request.method == "NOTIFY":
            assert request.content_type == "message/sipfrag"
            found.append(request.body.decode().strip())
            found += ["over"] if str(request.headers.get("Subscription-State")).startswith("terminated") else []
    return found


def pair(settings: Settings = PLAIN) -> tuple[Site, Party, Party, Party, Line]:
    """1001 talks with 1002."""
    site = Site(settings)
    one, two, three = (site.phone(f"100{n}", f"192.0.2.1{n}") for n in (1, 2, 3))
    line = one.call("1002")
    assert line.state == two.line.state == "up"
    return site, one, two, three, line


def media(site: Site) -> dict[str, int]:
    return {leg.peer: leg.id for leg in site.switch.office.fabric.legs.values() if not leg.over}


@pytest.mark.parametrize("side", ["caller", "callee"])
def test_blind(side: str) -> None:
    """RFC 5589 §6.1: 202, NOTIFY 100, 180, 200; the transferor's call ends, the other two talk."""
    site, one, two, three, line = pair()
    three.on_invite = "ring"
    who, own, other = (one, line, two) if side == "caller" else (two, two.line, one)
    assert refer(who, own, "<sip:1003@pbx.test>") == 202
    assert notified(own) == ["SIP/2.0 100 Trying", "SIP/2.0 180 Ringing"]
    left = f"phone:{other.name}"
    (tone,) = site.media.hears(media(site)[left])
    assert tone in site.media.players, "the transferee hears it ring"
    site.run(3.0)
    three.answer(three.line)
    assert notified(own)[2:] == ["SIP/2.0 200 OK", "over"]
    assert own.state == "over"
    ids = media(site)
    assert site.media.hears(ids["phone:1003"]) == {ids[left]}
    assert site.media.hears(ids[left]) == {ids["phone:1003"]}
    three.hang_up(three.line)
    site.nothing_left()


def test_blind_that_fails_gives_the_call_back() -> None:
    site, one, two, three, line = pair()
    three.on_invite = 486
    assert refer(two, two.line, "<sip:1003@pbx.test>") == 202
    assert notified(two.line) == ["SIP/2.0 100 Trying", "SIP/2.0 486 Busy Here", "over"]
    ids = media(site)
    assert site.media.hears(ids["phone:1001"]) == {ids["phone:1002"]}
    assert refer(two, two.line, "<sip:1003@pbx.test>") == 202
    events = [
        e.request.headers.get("Event")
        for e in two.line.events
        if getattr(e, "request", None) is not None and e.request.method == "NOTIFY"
    ]  # type: ignore[union-attr]  # events with a request
    assert events[0] == "refer"
    assert str(events[-1]).startswith("refer;id="), "RFC 3515 §2.4.6"
    one.hang_up(line)
    site.nothing_left()


def test_the_transferor_hangs_up_at_once() -> None:
    """RFC 5589 §6: it need not wait; the transferee goes on hearing the target ring."""
    site, one, two, three, line = pair()
    three.on_invite = "ring"
    assert refer(two, two.line, "<sip:1003@pbx.test>") == 202
    two.hang_up(two.line)
    assert three.line.state == "ringing"
    three.answer(three.line)
    ids = media(site)
    assert site.media.hears(ids["phone:1001"]) == {ids["phone:1003"]}
    one.hang_up(line)
    assert three.line.state == "over"
    site.nothing_left()


def test_to_a_queue_from_an_agent() -> None:
    talk = Talk()
    assert refer(talk.alice, talk.alice.line, "sip:7001@192.0.2.1") == 202
    assert notified(talk.alice.line)[-2:] == ["SIP/2.0 200 OK", "over"]
    assert talk.alice.line.state == "over"
    assert talk.call.stage.label == "queued"
    talk.carrier.hang_up(talk.line)
    talk.site.nothing_left()


def test_without_a_subscription() -> None:
    """RFC 4488."""
    site, one, two, _, line = pair()
    assert refer(two, two.line, "<sip:1003@pbx.test>", headers=(("Refer-Sub", "false"),)) == 200
    assert not notified(two.line)
    one.hang_up(line)
    site.nothing_left()


def test_who_is_rung_learns_who_referred() -> None:
    """RFC 3892: Referred-By goes along as it came; garbage is refused."""
    site, one, two, three, line = pair()
    bad = (("Referred-By", "<<<"),)
    assert refer(two, two.line, "<sip:1003@pbx.test>", headers=bad) == 400
    referrer = (("Referred-By", "<sip:1002@pbx.test>;cid=1"),)
    assert refer(two, two.line, "<sip:1003@pbx.test>", headers=referrer) == 202
    request = three.line.request
    assert request is not None
    assert request.headers.get("Referred-By") == "<sip:1002@pbx.test>;cid=1"
    one.hang_up(line)
    again = one.call("1003")
    assert three.line.request is not None
    assert "Referred-By" not in three.line.request.headers
    one.hang_up(again)
    site.nothing_left()


def test_nobody_is_referred_who_is_in_no_call() -> None:
    """RFC 3515 §2.4.2."""
    site, one, _, _, line = pair()
    headers = Headers((("From", "<sip:1001@pbx.test>"), ("To", "<sip:pbx.test>"), ("Refer-To", "<sip:1003@pbx.test>")))
    one.perform(one.ua.request(Request("REFER", Uri.parse("sip:pbx.test"), headers), one.flow, site.now)[1])
    site.settle()
    assert one.responses[-1] == 403
    one.hang_up(line)
    site.nothing_left()


def test_what_is_refused() -> None:
    """Nothing changes, and nobody is rung."""
    site, one, two, three, line = pair(replace(SETTINGS, agents={"bob": Agent(phone="1002")}))
    carrier = site.party("+37061234567", "198.51.100.10")
    for values, status in (
        ((), 400),
        (("<sip:1003@pbx.test>", "<sip:1001@pbx.test>"), 400),
        (("<<<",), 400),
        (("<https://example.com>",), 416),
        (("<sip:1003@pbx.test;method=BYE>",), 403),
        (("<sip:nobody@pbx.test>",), 404),
        (("<sip:1003@pbx.test?Replaces=%3B%3B%3B>",), 400),
        (("<sip:1002@pbx.test>",), 482),  # itself
        (("<sip:1001@pbx.test>",), 482),  # whom it talks with
    ):
        assert refer(two, two.line, *values) == status, values
    nowhere = "<sip:1003@pbx.test?Replaces=no-such-dialog%3Bto-tag%3D1%3Bfrom-tag%3D2>"
    assert refer(two, two.line, nowhere) == 202
    assert notified(two.line) == ["SIP/2.0 100 Trying", "SIP/2.0 481 Call/Transaction Does Not Exist", "over"]
    assert not three.lines
    from_outside = two.call("9100")
    site.settle()
    assert carrier.line.state == "up"
    assert refer(carrier, carrier.line, "<sip:1003@pbx.test>") == 403, "a carrier refers nobody"
    one.hang_up(line)
    two.hang_up(from_outside)
    site.nothing_left()


@pytest.mark.parametrize("dead", ["", "one", "two"])
def test_attended_with_replaces(dead: str) -> None:
    """RFC 5589 §7: alice's phone consults carol on a second line, then joins caller and carol. The recording of the
    queue's call goes on; the consultation call ends by itself."""
    talk = Talk()
    second = talk.alice.call("1003")
    third = talk.carol.line
    to_replace = second.events[-1].response  # type: ignore[union-attr]  # its 200
    replaces = f"{to_replace.call_id}%3Bto-tag%3D{to_replace.to.tag}%3Bfrom-tag%3D{to_replace.from_.tag}"
    line = next(one for one in talk.alice.lines.values() if one.request is not None)
    if dead == "one":
        talk.carrier.hang_up(talk.line)
        talk.alice.hang_up(second)
    elif dead == "two":
        talk.carol.hang_up(third)
        assert refer(talk.alice, line, f"<sip:1003@pbx.test?Replaces={replaces}>") == 202
        assert notified(line)[-2:] == ["SIP/2.0 481 Call/Transaction Does Not Exist", "over"]
        assert line.state == "up"
        talk.carrier.hang_up(talk.line)
    else:
        assert refer(talk.alice, line, f"<sip:1003@pbx.test?Replaces={replaces}>") == 202
        assert notified(line) == ["SIP/2.0 100 Trying", "SIP/2.0 200 OK", "over"]
        assert line.state == second.state == "over"
        assert third.state == "up"
        ids = media(talk.site)
        assert talk.hears(talk.caller) == {ids["phone:1003"]}
        assert talk.hears(ids["phone:1003"]) == {talk.caller}
        assert talk.recorded() == {0: {talk.caller}, 1: {ids["phone:1003"]}}
        talk.site.run(5.0)
        talk.carol.hang_up(third)
        assert talk.line.state == "over"
        talk.site.run(3.0)
        assert len(talk.site.records(CallRecord)) == 2
    talk.site.nothing_left()


def test_attended_to_an_agent_whom_a_queue_gave() -> None:
    """A phone consults a queue and leaves its own caller with the agent: that is one conversation of the agent's, who
    is not free meanwhile; what the queue records goes on in the call that is joined to it."""
    talk = Talk()
    talk.carrier.hang_up(talk.line)
    talk.site.run(20.0)
    outer = talk.carol.call("9100")
    second = talk.carol.call("7001")
    talk.site.run(30.0)
    assert talk.state("alice") is AgentState.TALKING
    answer = second.events[-1].response  # type: ignore[union-attr]  # its 200
    replaces = f"{answer.call_id}%3Bto-tag%3D{answer.to.tag}%3Bfrom-tag%3D{answer.from_.tag}"
    assert refer(talk.carol, outer, f"<sip:7001@pbx.test?Replaces={replaces}>") == 202
    assert outer.state == second.state == "over"
    ids = media(talk.site)
    assert talk.hears(ids["trunk:carrier"]) == {ids["agent:alice"]}
    assert talk.state("alice") is AgentState.TALKING
    (call,) = talk.site.switch.calls.values()
    assert call.recording.running
    talk.site.run(40.0)
    talk.carrier.hang_up(talk.carrier.line)
    assert talk.state("alice") is AgentState.WRAP_UP
    alice = talk.totals().agent("alice")
    assert (alice.talks, round(alice.talk)) == (2, 60 + 30 + 40)
    talk.site.run(3.0)
    row = next(r for r in talk.site.records(CallRecord) if isinstance(r, CallRecord) and r.id == call.id)
    assert (row.agent, row.queue) == ("alice", "support")
    talk.site.nothing_left()


def test_attended_while_the_target_still_rings() -> None:
    """RFC 5589 §7.5: the consultation rings; it is rung for the first call instead."""
    talk = Talk()
    talk.carol.on_invite = "ring"
    second = talk.alice.call("1003")
    ringing = second.events[-1].response  # type: ignore[union-attr]  # its 180
    line = next(one for one in talk.alice.lines.values() if one.request is not None)
    tags = f"%3Bto-tag%3D{ringing.to.tag}%3Bfrom-tag%3D{ringing.from_.tag}"
    wrong = f"<sip:1003@pbx.test?Replaces={ringing.call_id}%3Bto-tag%3D1%3Bfrom-tag%3D2>"
    assert refer(talk.alice, line, wrong) == 202
    assert notified(line)[-2] == "SIP/2.0 481 Call/Transaction Does Not Exist"
    assert refer(talk.alice, line, f"<sip:1003@pbx.test?Replaces={ringing.call_id}{tags}>") == 202
    assert second.state == "over"
    talk.carol.answer(talk.carol.line)
    assert line.state == "over"
    assert talk.hears(talk.caller) == {media(talk.site)["phone:1003"]}
    talk.carrier.hang_up(talk.line)
    talk.site.nothing_left()
