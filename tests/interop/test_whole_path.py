"""From a carrier through a menu (RFC 4733 digit) and a queue with music to an agent's phone; recorded; the times of the
call record are those of the wire."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop import listen
from tests.interop.baresip import Baresip
from tests.interop.conftest import CARRIER, PASSWORD, Office
from tests.interop.rtp_peer import RtpPeer
from tests.interop.scenario import Scenario, sdp
from tests.interop.switch_process import free_port, wait_until

pytestmark = pytest.mark.interop

AGENT_HZ = 600.0
CALLER_HZ = 1350.0
TALK = 4.0
CLOCKS = 0.01  # seconds that two of them may be apart


@pytest.fixture
def agent(office: Office, tmp_path: Path) -> Iterator[Baresip]:
    """anna's phone, which waits to be answered by hand."""
    phone = Baresip(office.switch, "1003", PASSWORD, AGENT_HZ, tmp_path, answer="manual")
    try:
        wait_until("agent", lambda: agent_state(office) == "ready")
        yield phone
    finally:
        phone.close()


@pytest.fixture
def caller() -> Iterator[RtpPeer]:
    """What the carrier's customer says and hears."""
    peer = RtpPeer(CALLER_HZ, free_port(host=CARRIER), CARRIER)
    yield peer
    peer.close()


def agent_state(office: Office) -> str:
    return str(next(row["state"] for row in office.switch.get("agents")["items"] if row["name"] == "anna"))


def within(value: float, low: float, high: float) -> bool:
    """Between what went before on the wire and what came after it."""
    return low - CLOCKS <= value <= high + CLOCKS


@pytest.mark.shows(peer="baresip", feature="agent of a queue")
def test_trunk_menu_queue_agent(office: Office, agent: Baresip, caller: RtpPeer) -> None:
    """Answered by the menu, key 1, music while the agent's phone rings, some seconds of talk, the agent hangs up."""
    port = caller.port
    long = Scenario().invite(sdp(port=port)).progress().answered().ack().receive("BYE", timeout=60000).ok()
    trunk = office.call(long, "3000")
    wait_until("the menu's prompt", lambda: caller.packets() > 25)
    pressed = time.time()
    caller.press("1")
    agent.expect("CALL_INCOMING")
    ringing = time.time()
    wait_until("music", lambda: time.time() > ringing + 2.0)
    music = caller.heard(ringing + 0.5, ringing + 2.0)
    accepted = time.time()
    agent.do("accept")
    established = agent.expect("CALL_ESTABLISHED")["at"]
    assert office.switch.get("calls")["items"][0]["queue"] == "support"
    wait_until("the talk", lambda: time.time() >= established + TALK)
    assert agent_state(office) == "talking"
    hung_up = time.time()
    agent.do("hangup")
    trunk.wait().all_well(1)

    record = office.records()[0]
    assert (record["outcome"], record["queue"], record["agent"]) == ("answered", "support", "anna")
    assert record["hung_up_by"] == "callee"
    answered, ended = trunk.moment("received", "SIP/2.0 200"), trunk.moment("received", "BYE")
    assert within(record["started"], trunk.moment("sent", "INVITE"), answered)
    assert within(record["ended"], hung_up, ended)
    assert within(record["talk_seconds"], hung_up - established, ended - accepted)
    assert within(record["ring_seconds"], accepted - ringing, established - pressed)
    assert len(record["legs"]) == 2

    assert listen.rms(music) > 0.005
    listen.hears_not(music, AGENT_HZ)
    listen.hears(caller.heard(established + 0.5), AGENT_HZ, TALK - 1.5)
    listen.hears(agent.heard(), CALLER_HZ, TALK - 1.5)
    path = office.switch.data_dir / "recordings" / record["recording"]
    wait_until("recording", path.exists)
    listen.hears(listen.read(path, 0), CALLER_HZ, TALK - 1.0)
    listen.hears(listen.read(path, 1), AGENT_HZ, TALK - 1.0)
    listen.hears_not(listen.read(path, 0), AGENT_HZ)
    kinds = [row["kind"] for row in office.switch.get("ledger", call=record["id"])["items"]]
    assert [kind for kind in kinds if kind in ("queue.entered", "offer.made", "queue.answered")] == [
        "queue.entered",
        "offer.made",
        "queue.answered",
    ]


def test_the_answer_at_the_trunk_is_on_time(office: Office) -> None:
    """A plain call: started, answered and ended of the record against the clocks of the two SIPp."""
    phone = office.phone(
        Scenario().called().reply(180, "Ringing").pause(700).reply(200, "OK", sdp()).receive("ACK").receive("BYE").ok()
    )
    trunk = office.call(Scenario().invite().progress().answered().ack().pause(1500).bye(), "1001")
    trunk.wait().all_well(1)
    phone.wait().all_well(1)
    record = office.records()[0]
    asked, rung = trunk.moment("sent", "INVITE"), trunk.moment("received", "SIP/2.0 180")
    said, told = phone.moment("sent", "SIP/2.0 200", "INVITE"), trunk.moment("received", "SIP/2.0 200", "INVITE")
    bye, ended = trunk.moment("sent", "BYE"), trunk.moment("received", "SIP/2.0 200", "BYE")
    assert within(record["started"], asked, rung)
    assert within(record["answered"], said, told)
    assert within(record["ended"], bye, ended)
    assert within(record["ring_seconds"], said - rung, told - asked)
    assert within(record["talk_seconds"], bye - told, ended - said)


@pytest.mark.shows(peer="SIPp", feature="keys (RFC 4733)")
def test_sipp_sends_the_digit(office: Office) -> None:
    """RFC 4733 events made by SIPp: key 2 of the menu rings the lobby's phone."""
    phone = office.phone(
        Scenario().called().reply(180, "Ringing").reply(200, "OK", sdp()).receive("ACK").receive("BYE").ok()
    )
    offer = sdp().replace("101", "96")  # the only payload type that SIPp's events have
    caller = Scenario().invite(offer).progress().answered().ack().pause(500).digits("2").pause(2500).bye()
    trunk = office.call(caller, "3000")
    trunk.wait().all_well(1)
    phone.wait().all_well(1)
    assert office.records()[0]["destination"] == "phone:lobby"
