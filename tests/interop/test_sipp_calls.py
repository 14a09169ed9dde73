"""SIPp as carrier and as phone, through a real switch: the call flows of RFC 3261 and RFC 3264."""

import pytest

from tests.interop.conftest import PASSWORD, Office
from tests.interop.scenario import Scenario, sdp

_DIRECTIONS = ("a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive")

pytestmark = pytest.mark.interop


def answering() -> Scenario:
    """A phone that rings, answers, and is hung up on."""
    return Scenario().called().reply(180, "Ringing").reply(200, "OK", sdp()).receive("ACK").receive("BYE").ok()


def calling(milliseconds: int = 100, port: int = 0) -> Scenario:
    """A caller who is answered, and hangs up."""
    return Scenario().invite(sdp(port=port)).progress().answered().ack().pause(milliseconds).bye()


@pytest.mark.shows(peer="SIPp", feature="calls")
@pytest.mark.shows(peer="SIPp", feature="is called")
@pytest.mark.shows(peer="SIPp", feature="1,000 calls at 50 a second")
def test_a_thousand_calls_at_fifty_a_second(office: Office) -> None:
    """SIPp as trunk and as phone: none failed, nothing sent twice."""
    before = office.switch.status()["calls_total"]
    phone = office.phone(answering(), calls=1000, trace=False)
    trunk = office.call(calling(), "1001", calls=1000, rate=50, trace=False, extra=("-rp", "1000"))
    trunk.wait(60.0).all_well(1000)
    phone.wait().all_well(1000)
    office.switch.calls_over()
    assert office.switch.status()["calls_total"] - before == 1000
    assert {row["outcome"] for row in office.records(1000)} == {"answered"}


@pytest.mark.shows(peer="SIPp", feature="hangs up")
@pytest.mark.shows(peer="SIPp", feature="is hung up on")
def test_the_called_side_hangs_up(office: Office) -> None:
    """RFC 3261 §15: BYE from the phone reaches the caller."""
    office.between(
        Scenario().invite().progress().answered().ack().receive("BYE").ok(),
        Scenario().called().reply(180, "Ringing").reply(200, "OK", sdp()).receive("ACK").pause(100).bye(),
    )
    assert office.records(1)[0]["hung_up_by"] == "callee"


@pytest.mark.shows(peer="SIPp", feature="its own cancelled")
def test_cancel_stops_the_ringing(office: Office) -> None:
    """RFC 3261 §9: the caller's CANCEL is answered, the INVITE gets 487, and the phone is cancelled."""
    office.between(
        Scenario()
        .invite()
        .receive(100, optional=True)
        .receive(180)
        .pause(50)
        .cancel()
        .receive(200)
        .receive(487)
        .ack(failure=True),
        Scenario()
        .called()
        .reply(180, "Ringing")
        .receive("CANCEL")
        .ok()
        .reply_to_invite(487, "Request Terminated")
        .receive("ACK"),
    )
    assert office.records(1)[0]["outcome"] == "abandoned"


@pytest.mark.shows(peer="SIPp", feature="refuses a call")
def test_busy_reaches_the_caller(office: Office) -> None:
    """RFC 3261 §21.4.24: 486 from the phone."""
    office.between(
        Scenario().invite().progress().receive(486).ack(failure=True),
        Scenario().called().reply(486, "Busy Here").receive("ACK"),
    )
    assert office.records(1)[0]["outcome"] == "busy"


def test_no_answer_ends_the_ringing(office: Office) -> None:
    """After the phone's `ring_seconds` it is cancelled and the caller hears that nobody answered."""
    office.between(
        Scenario().invite().progress().receive(480).ack(failure=True),
        Scenario()
        .called()
        .reply(180, "Ringing")
        .receive("CANCEL")
        .ok()
        .reply_to_invite(487, "Request Terminated")
        .receive("ACK"),
    )
    assert office.records(1)[0]["outcome"] == "no-answer"


@pytest.mark.shows(peer="SIPp", feature="hold and resume")
def test_hold_and_resume_by_reinvite(office: Office) -> None:
    """RFC 3264 §8.4: the caller holds with sendonly and gets recvonly or inactive, and talks again afterwards."""
    phone = office.phone(answering())
    caller = Scenario().invite().progress().answered().ack().pause(200)
    caller.reinvite(sdp("sendonly", 2)).pause(300).reinvite(sdp("sendrecv", 3)).pause(200).bye()
    trunk = office.call(caller, "1001")
    trunk.wait().all_well(1)
    phone.wait().all_well(1)
    answers = [text for _, way, text in trunk.messages() if way == "received" and text.startswith("SIP/2.0 200")]
    directions = [line for text in answers for line in text.split() if line in _DIRECTIONS]
    assert directions in (["a=sendrecv", "a=recvonly", "a=sendrecv"], ["a=recvonly", "a=sendrecv"])
    assert office.records(1)[0]["hold_seconds"] == pytest.approx(0.3, abs=0.15)


@pytest.mark.shows(peer="SIPp", feature="delayed offer")
def test_delayed_offer(office: Office) -> None:
    """RFC 3264 §5, RFC 3261 §13.2.1: an INVITE without a body; the offer comes in the 200, the answer in the ACK."""
    office.between(
        Scenario().invite(None).progress().answered().ack(sdp()).pause(200).bye(),
        answering(),
    )


@pytest.mark.shows(peer="SIPp", feature="early media")
def test_early_media(office: Office) -> None:
    """RFC 3960: a 183 with SDP of the phone reaches the caller with SDP of ours."""
    phone = office.phone(
        Scenario()
        .called()
        .reply(183, "Session Progress", sdp())
        .pause(300)
        .reply(200, "OK", sdp())
        .receive("ACK")
        .receive("BYE")
        .ok()
    )
    trunk = office.call(
        Scenario().invite().receive(100, optional=True).receive(183).answered().ack().pause(100).bye(), "1001"
    )
    trunk.wait().all_well(1)
    phone.wait().all_well(1)
    early = next(text for _, way, text in trunk.messages() if way == "received" and text.startswith("SIP/2.0 183"))
    assert "m=audio" in early
    assert "c=IN IP4 127.0.0.1" in early


@pytest.mark.shows(peer="SIPp", feature="calls over TCP")
def test_calls_over_tcp(office: Office) -> None:
    """RFC 3261 §18: the carrier's side over TCP, the phone's over UDP."""
    phone = office.phone(answering(), calls=20)
    trunk = office.call(calling(), "1001", calls=20, rate=20, transport="t1")
    trunk.wait().all_well(20)
    phone.wait().all_well(20)


@pytest.mark.shows(peer="SIPp", feature="registers, UDP")
def test_a_phone_registers_and_is_called(office: Office) -> None:
    """RFC 3261 §10, RFC 7616: SIPp answers the challenge; calls then go to its contact; it unregisters."""
    port = office.lobby_port
    register = Scenario().register("1002", contact_port=port).receive(401)
    register.register("1002", PASSWORD, contact_port=port).receive(200)
    office.from_phone(register).wait().all_well(1)
    assert "1002" in [row["phone"] for row in office.switch.get("registrations")["items"]]

    phone = office.phone(answering())
    trunk = office.call(calling(), "1002")
    trunk.wait().all_well(1)
    phone.wait().all_well(1)

    leave = Scenario().register("1002", contact_port=port, expires=0).receive(401)
    leave.register("1002", PASSWORD, contact_port=port, expires=0).receive(200)
    office.from_phone(leave).wait().all_well(1)
    assert "1002" not in [row["phone"] for row in office.switch.get("registrations")["items"]]
