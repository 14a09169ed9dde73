"""SIPp against the session extensions: RFC 3262 (PRACK), 3311 (UPDATE), 4028 (session timers), 3891 (Replaces),
3911 (Join), 4538 (Target-Dialog) and 3515 (REFER), each with its malformed twin."""

import pytest

from tests.interop.conftest import Office
from tests.interop.scenario import Scenario, sdp
from tests.interop.sipp import Sipp
from tests.interop.switch_process import wait_until
from tests.interop.test_sipp_calls import answering, calling

pytestmark = pytest.mark.interop

RSEQ = ("RSeq", "([0-9]+)", "rseq")
TO_TAG = ("To", ".*;tag=([^;]*)", "totag")
TIMER = "Supported: timer\n"


def received(peer: Sipp, start: str) -> list[str]:
    """Messages that the peer got and that begin so."""
    return [text for _, way, text in peer.messages() if way == "received" and text.startswith(start)]


def field(text: str, name: str) -> str:
    """A header field's value."""
    return next(line.partition(":")[2].strip() for line in text.splitlines() if line.startswith(f"{name}:"))


@pytest.mark.shows(peer="SIPp", feature="PRACK and early UPDATE")
def test_early_media_is_acknowledged(office: Office) -> None:
    """RFC 3262 §3: a wrong RAck gets 481, the right one 200; RFC 3311: then UPDATE may offer in the early dialog."""
    phone = office.phone(
        Scenario()
        .called()
        .reply(183, "Session Progress", sdp())
        .pause(500)
        .reply(200, "OK", sdp())
        .receive("ACK")
        .receive("BYE")
        .ok()
    )
    trunk = office.call(
        Scenario()
        .invite(headers="Supported: 100rel\nAllow: INVITE, ACK, BYE, CANCEL, UPDATE, PRACK\n")
        .receive(100, optional=True)
        .receive(183, routes=True, take=RSEQ)
        .ask("PRACK", 481, headers="RAck: 1 1 INVITE\n")
        .ask("PRACK", 400, headers="RAck: one INVITE\n")
        .ask("PRACK", 200, headers="RAck: [$rseq] 1 INVITE\n")
        .ask("UPDATE", 200, sdp(version=2))
        .answered()
        .ack()
        .pause(100)
        .bye(),
        "1001",
    )
    trunk.wait().all_well(1)
    phone.wait().all_well(1)
    (early, *_) = received(trunk, "SIP/2.0 183")
    assert field(early, "Require") == "100rel"
    answer = next(text for text in received(trunk, "SIP/2.0 200") if field(text, "CSeq").endswith("INVITE"))
    assert "m=audio" not in answer, "the answer has arrived before"


@pytest.mark.shows(peer="SIPp", feature="PRACK and early UPDATE")
def test_reliable_responses_of_a_phone_in_order_and_out_of_order(office: Office) -> None:
    """RFC 3262 §4: PRACK for 5, none for 7, then one for 6."""

    def reliably(number: int) -> str:
        return f"Require: 100rel\nRSeq: {number}\n"

    phone = office.phone(
        Scenario()
        .called()
        .reply(183, "Session Progress", sdp(), headers=reliably(5))
        .receive("PRACK")
        .ok()
        .reply_later(180, "Ringing", headers=reliably(7))
        .pause(300)
        .reply_later(180, "Ringing", headers=reliably(6))
        .receive("PRACK")
        .ok()
        .reply_later(200, "OK")
        .receive("ACK")
        .receive("BYE")
        .ok()
    )
    trunk = office.call(calling(), "1001")
    trunk.wait().all_well(1)
    phone.wait().all_well(1)
    assert [field(text, "RAck") for text in received(phone, "PRACK")] == ["5 1 INVITE", "6 1 INVITE"]


@pytest.mark.shows(peer="SIPp", feature="session timers")
def test_session_expires_too_small(office: Office) -> None:
    """RFC 4028 §9: 422 with Min-SE; the retry is granted. Garbage is 400."""
    phone = office.phone(answering())
    trunk = office.call(
        Scenario()
        .invite(headers=f"{TIMER}Session-Expires: soon\n")
        .receive(400)
        .ack(failure=True)
        .invite(headers=f"{TIMER}Session-Expires: 30\n")
        .receive(422)
        .ack(failure=True)
        .invite(headers=f"{TIMER}Session-Expires: 90\nMin-SE: 90\n")
        .progress()
        .answered()
        .ack()
        .ask("UPDATE", 422, headers=f"{TIMER}Session-Expires: 20\n")
        .ask("UPDATE", 200, headers=f"{TIMER}Session-Expires: 90;refresher=uac\n")
        .bye(),
        "1001",
    )
    trunk.wait().all_well(1)
    phone.wait().all_well(1)
    assert [field(text, "Min-SE") for text in received(trunk, "SIP/2.0 422")] == ["90", "90"]
    granted = [text for text in received(trunk, "SIP/2.0 200") if "Session-Expires:" in text]
    assert [field(text, "Session-Expires") for text in granted] == ["90;refresher=uac"] * 2


@pytest.mark.shows(peer="SIPp", feature="session timers")
def test_a_phone_wants_a_longer_interval(office: Office) -> None:
    """RFC 4028 §7.3: our INVITE again with its Min-SE."""
    phone = office.phone(
        Scenario()
        .called()
        .reply(422, "Session Interval Too Small", headers="Min-SE: 3600\n")
        .receive("ACK")
        .called()
        .reply(180, "Ringing")
        .reply(200, "OK", sdp(), headers="Session-Expires: 3600;refresher=uac\n")
        .receive("ACK")
        .receive("BYE")
        .ok()
    )
    trunk = office.call(calling(), "1001")
    trunk.wait().all_well(1)
    phone.wait().all_well(1)
    invites = received(phone, "INVITE")
    assert [field(text, "Session-Expires") for text in invites] == ["1800", "3600"]
    assert field(invites[0], "Call-ID") == field(invites[1], "Call-ID")


CALLER = "from-tag=[pid]c[call_number]"


def named_wrongly(header: str) -> Scenario:
    """A call, and INVITEs whose header names its dialog by a wrong tag (481), and twice (400)."""
    good = f"{header}: [call_id];to-tag=[$totag];{CALLER}\n"
    return (
        Scenario()
        .invite()
        .progress()
        .receive(200, routes=True, take=TO_TAG)
        .ack()
        .dialog("wrong")
        .invite(headers=f"{header}: [call_id];to-tag=wrong;{CALLER}\n")
        .receive(100, optional=True)
        .receive(481)
        .ack(failure=True)
        .dialog("two")
        .invite(headers=good + good)
        .receive(100, optional=True)
        .receive(400)
        .ack(failure=True)
    )


@pytest.mark.shows(peer="SIPp", feature="INVITE with Replaces")
def test_replaces(office: Office) -> None:
    """RFC 3891 §3: a wrong tag 481, two of them 400, early-only 486; then the call goes on in another dialog, and the
    first one gets BYE."""
    phone = office.phone(answering())
    good = f"Replaces: [call_id];to-tag=[$totag];{CALLER}\n"
    trunk = office.call(
        named_wrongly("Replaces")
        .dialog("early")
        .invite(headers=good.replace("\n", ";early-only\n"))
        .receive(100, optional=True)
        .receive(486)
        .ack(failure=True)
        .dialog("good")
        .invite(headers=f"Require: replaces\n{good}")
        .receive(100, optional=True)
        .answered()
        .ack()
        .receive("BYE")
        .ok()
        .pause(200)
        .bye(),
        "1001",
    )
    trunk.wait().all_well(1)
    phone.wait().all_well(1)
    answered = [row for row in office.records(5) if row["outcome"] == "answered"]
    assert len(answered) == 2, "the call, and the INVITE that went into it"
    assert sum(bool(row["recording"]) for row in answered) == 1


def _joined(office: Office) -> bool:
    """Whether a call that has three parties is up."""
    return any(len(call["legs"]) == 3 for call in office.switch.get("calls")["items"])


@pytest.mark.shows(peer="SIPp", feature="INVITE with Join")
def test_join(office: Office) -> None:
    """RFC 3911 §4: a wrong tag 481, two of them 400; then the caller is in the call by two dialogs, and both get BYE
    when the other side leaves."""
    phone = office.phone(
        Scenario().called().reply(180, "Ringing").reply(200, "OK", sdp()).receive("ACK").until_told().bye()
    )
    good = f"Join: [call_id];to-tag=[$totag];{CALLER}\n"
    trunk = office.call(
        named_wrongly("Join")
        .dialog("third")
        .invite(headers=f"Require: join\n{good}")
        .receive(100, optional=True)
        .answered()
        .ack()
        .receive("BYE")
        .ok()
        .receive("BYE")
        .ok(),
        "1001",
    )
    wait_until("three in a call", lambda: _joined(office))
    phone.go_on()
    trunk.wait().all_well(1)
    phone.wait().all_well(1)


@pytest.mark.shows(peer="SIPp", feature="REFER outside of the dialog (Target-Dialog)")
def test_refer_with_target_dialog(office: Office) -> None:
    """RFC 4538: about no call 403, garbage 400; about the phone's own call 202, NOTIFYs, and the call goes on."""
    about = "Target-Dialog: [call_id];local-tag=[pid]s[call_number];remote-tag=[$caller]\n"
    phone = office.phone(
        Scenario()
        .called()
        .reply(180, "Ringing")
        .reply(200, "OK", sdp())
        .receive("ACK")
        .refer_outside("1001", "sip:9000@pbx.test", 403)
        .refer_outside("1001", "sip:9000@pbx.test", 400, "Target-Dialog: [call_id]\n")
        .refer_outside("1001", "sip:9000@pbx.test", 403, about.replace("[$caller]", "wrong"))
        .refer_outside("1001", "sip:9000@pbx.test", 202, f"Require: tdialog\n{about}")
        .notified(2)
        .receive("BYE")
        .ok()
    )
    trunk = office.call(Scenario().invite().progress().answered().ack().until_told().bye(), "1001")
    phone.wait().all_well(1)
    trunk.go_on()
    trunk.wait().all_well(1)
    told = [text.strip().splitlines()[-1] for text in received(phone, "NOTIFY")]
    assert told == ["SIP/2.0 100 Trying", "SIP/2.0 200 OK"]


def test_refer_in_a_circle(office: Office) -> None:
    """RFC 3515: to oneself 482, garbage 400, nobody 404; the call goes on."""
    phone = office.phone(
        Scenario()
        .called()
        .reply(180, "Ringing")
        .reply(200, "OK", sdp())
        .receive("ACK")
        .ask("REFER", 482, headers="Refer-To: <sip:1001@pbx.test>\n")
        .ask("REFER", 400, headers="Refer-To: <<<\n")
        .ask("REFER", 400)
        .ask("REFER", 404, headers="Refer-To: <sip:nobody@pbx.test>\n")
        .bye()
    )
    trunk = office.call(Scenario().invite().progress().answered().ack().receive("BYE").ok(), "1001")
    trunk.wait().all_well(1)
    phone.wait().all_well(1)
