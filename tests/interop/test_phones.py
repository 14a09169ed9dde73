"""baresip and pyVoIP register, make and take a call; each hears the other's tone, and each channel of the recording
holds its own."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop import listen
from tests.interop.baresip import Baresip
from tests.interop.conftest import CARRIER, PASSWORD, Office
from tests.interop.pyvoip import PyVoip
from tests.interop.rtp_peer import RtpPeer
from tests.interop.scenario import Scenario, sdp
from tests.interop.switch_process import free_port, wait_until

pytestmark = pytest.mark.interop

BARESIP_HZ = 600.0
PYVOIP_HZ = 950.0
CARRIER_HZ = 1350.0


@pytest.fixture
def baresip(office: Office, tmp_path: Path) -> Iterator[Baresip]:
    """1003, registered."""
    phone = Baresip(office.switch, "1003", PASSWORD, BARESIP_HZ, tmp_path)
    try:
        wait_until("registration of baresip", lambda: "1003" in registered(office))
        yield phone
    finally:
        phone.close()


@pytest.fixture
def pyvoip(office: Office, tmp_path: Path) -> Iterator[PyVoip]:
    """1004, registered."""
    phone = PyVoip(office.switch, "1004", PASSWORD, PYVOIP_HZ, tmp_path)
    try:
        wait_until("registration of pyVoIP", lambda: "1004" in registered(office))
        yield phone
    finally:
        phone.close()


def talking(port: int) -> Scenario:
    """A caller with a stream at `port`, who hangs up when told to."""
    return Scenario().invite(sdp(port=port)).progress().answered().ack().until_told().bye()


def registered(office: Office) -> list[str]:
    return [row["phone"] for row in office.switch.get("registrations")["items"]]


def recording(office: Office, channel: int) -> listen.Samples:
    """The caller (0) or the called side (1) of this test's call."""
    name = office.records()[0]["recording"]
    assert name
    path = office.switch.data_dir / "recordings" / name
    wait_until("recording", path.exists)
    return listen.read(path, channel)


@pytest.mark.shows(peer="baresip", feature="codec PCMA")
@pytest.mark.shows(peer="baresip", feature="calls")
@pytest.mark.shows(peer="pyVoIP", feature="registers, UDP")
@pytest.mark.shows(peer="pyVoIP", feature="is called")
@pytest.mark.shows(peer="pyVoIP", feature="codec PCMU")
@pytest.mark.shows(peer="pyVoIP", feature="is hung up on")
def test_baresip_calls_pyvoip(office: Office, baresip: Baresip, pyvoip: PyVoip) -> None:
    """Both tones arrive, each where it belongs; the caller hangs up."""
    baresip.do("dial", "sip:1004@pbx.test")
    baresip.expect("CALL_ESTABLISHED")
    pyvoip.expect("answered")
    wait_until("3 s of sound", lambda: len(pyvoip.heard()) > 3 * listen.RATE)
    baresip.do("hangup")
    pyvoip.expect("ended")
    listen.hears(pyvoip.heard(), BARESIP_HZ, 2.0)
    listen.hears(baresip.heard(), PYVOIP_HZ, 2.0)
    listen.hears_not(pyvoip.heard(), PYVOIP_HZ)
    listen.hears(recording(office, 0), BARESIP_HZ, 2.0)
    listen.hears(recording(office, 1), PYVOIP_HZ, 2.0)
    assert [leg["codec"] for leg in office.records()[0]["legs"]] == ["PCMA", "PCMU"]
    assert office.records()[0]["hung_up_by"] == "caller"


@pytest.mark.shows(peer="pyVoIP", feature="calls")
@pytest.mark.shows(peer="pyVoIP", feature="hangs up")
def test_pyvoip_calls_baresip(office: Office, baresip: Baresip, pyvoip: PyVoip) -> None:
    """The other way round; the caller hangs up."""
    pyvoip.do("call", number="1003")
    pyvoip.expect("answered")
    baresip.expect("CALL_ESTABLISHED")
    wait_until("3 s of sound", lambda: len(pyvoip.heard()) > 3 * listen.RATE)
    pyvoip.do("hang up")
    baresip.expect("CALL_CLOSED")
    listen.hears(pyvoip.heard(), BARESIP_HZ, 2.0)
    listen.hears(baresip.heard(), PYVOIP_HZ, 2.0)
    listen.hears(recording(office, 0), PYVOIP_HZ, 2.0)
    listen.hears(recording(office, 1), BARESIP_HZ, 2.0)


@pytest.mark.shows(peer="baresip", feature="is called")
def test_the_carrier_calls_baresip(office: Office, baresip: Baresip) -> None:
    """SIPp signals for the carrier, an RTP endpoint of its own speaks for it."""
    port = free_port(host=CARRIER)
    carrier = RtpPeer(CARRIER_HZ, port, CARRIER)
    try:
        trunk = office.call(talking(port), "1003")
        baresip.expect("CALL_ESTABLISHED")
        wait_until("3 s of sound", lambda: carrier.packets() > 150)
        trunk.go_on()
        trunk.wait().all_well(1)
        baresip.expect("CALL_CLOSED")
    finally:
        carrier.close()
    listen.hears(carrier.heard(), BARESIP_HZ, 2.0)
    listen.hears(baresip.heard(), CARRIER_HZ, 2.0)
    listen.hears(recording(office, 0), CARRIER_HZ, 2.0)
    listen.hears(recording(office, 1), BARESIP_HZ, 2.0)


@pytest.mark.shows(peer="baresip", feature="hold and resume")
def test_baresip_holds_and_resumes(office: Office, baresip: Baresip) -> None:
    """RFC 3264 §8.4: the carrier hears music instead of the phone while it is held, and the phone again afterwards."""
    port = free_port(host=CARRIER)
    carrier = RtpPeer(CARRIER_HZ, port, CARRIER)
    try:
        caller = Scenario().invite(sdp(port=port)).progress().answered().ack().receive("BYE").ok()
        trunk = office.call(caller, "1003")
        baresip.expect("CALL_ESTABLISHED")
        heard = lambda: carrier.heard(time.time() - 0.5)  # noqa: E731
        there = lambda: len(heard()) > 3000 and listen.snr(heard(), BARESIP_HZ) > 20.0  # noqa: E731
        music = lambda: listen.rms(heard()) > 0.005 and listen.longest_tone(heard(), BARESIP_HZ)[1] == 0.0  # noqa: E731
        wait_until("sound", there)
        baresip.do("hold")
        wait_until("music", music)
        baresip.do("resume")
        wait_until("sound again", there)
        baresip.do("hangup")
        trunk.wait().all_well(1)
    finally:
        carrier.close()


@pytest.mark.shows(peer="baresip", feature="registers, TCP")
def test_baresip_over_tcp(office: Office, tmp_path: Path) -> None:
    """RFC 3261 §18: registered by a TCP connection, called through it."""
    phone = Baresip(office.switch, "1003", PASSWORD, BARESIP_HZ, tmp_path, transport="tcp")
    port = free_port(host=CARRIER)
    carrier = RtpPeer(CARRIER_HZ, port, CARRIER)
    try:
        wait_until("registration of baresip", lambda: "1003" in registered(office))
        assert office.switch.get("registrations")["items"][0]["source"].startswith("tcp:")
        trunk = office.call(talking(port), "1003")
        phone.expect("CALL_ESTABLISHED")
        wait_until("2 s of sound", lambda: carrier.packets() > 100)
        trunk.go_on()
        trunk.wait().all_well(1)
    finally:
        carrier.close()
        phone.close()
    listen.hears(carrier.heard(), BARESIP_HZ, 1.5)
    listen.hears(phone.heard(), CARRIER_HZ, 1.5)
    assert office.records()[0]["destination"] == "phone:1003"
