"""baresip and pyVoIP register, make and take a call; each hears the other's tone, and each channel of the recording
holds its own."""

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
from tests.interop.test_sipp_calls import calling

pytestmark = pytest.mark.interop

BARESIP_HZ = 600.0
PYVOIP_HZ = 950.0
CARRIER_HZ = 1350.0


@pytest.fixture
def baresip(office: Office, tmp_path: Path) -> Iterator[Baresip]:
    """1003, registered."""
    phone = Baresip(office.switch, "1003", PASSWORD, BARESIP_HZ, tmp_path)
    try:
        wait_until("registration of baresip", lambda: "1003" in registered(office), 10.0)
        yield phone
    finally:
        phone.close()


@pytest.fixture
def pyvoip(office: Office, tmp_path: Path) -> Iterator[PyVoip]:
    """1004, registered."""
    phone = PyVoip(office.switch, "1004", PASSWORD, PYVOIP_HZ, tmp_path)
    try:
        wait_until("registration of pyVoIP", lambda: "1004" in registered(office), 10.0)
        yield phone
    finally:
        phone.close()


def registered(office: Office) -> list[str]:
    return [row["phone"] for row in office.switch.get("registrations")["items"]]


def recording(office: Office, channel: int) -> listen.Samples:
    """The caller (0) or the called side (1) of this test's call."""
    name = office.records()[0]["recording"]
    assert name
    path = office.switch.data_dir / "recordings" / name
    wait_until("recording", path.exists, 5.0)
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
    wait_until("3 s of sound", lambda: len(pyvoip.heard()) > 3 * listen.RATE, 10.0)
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
    wait_until("3 s of sound", lambda: len(pyvoip.heard()) > 3 * listen.RATE, 10.0)
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
        trunk = office.call(calling(3000, port), "1003")
        baresip.expect("CALL_ESTABLISHED")
        trunk.wait(10.0).all_well(1)
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
        caller = Scenario().invite(sdp(port=port)).progress().answered().ack().receive("BYE", timeout=20000).ok()
        trunk = office.call(caller, "1003")
        baresip.expect("CALL_ESTABLISHED")
        wait_until("sound", lambda: carrier.packets() > 75, 5.0)
        baresip.do("hold")
        before = carrier.packets()
        wait_until("music", lambda: carrier.packets() > before + 100, 5.0)
        baresip.do("resume")
        before = carrier.packets()
        wait_until("sound", lambda: carrier.packets() > before + 75, 5.0)
        baresip.do("hangup")
        trunk.wait(10.0).all_well(1)
    finally:
        carrier.close()
    heard = carrier.heard()
    second = listen.RATE
    listen.hears(heard[: int(1.4 * second)], BARESIP_HZ, 0.8)
    listen.hears_not(heard[int(2.0 * second) : int(3.3 * second)], BARESIP_HZ)
    assert listen.rms(heard[int(2.0 * second) : int(3.3 * second)]) > 0.005
    listen.hears(heard[int(-1.0 * second) :], BARESIP_HZ, 0.6)


@pytest.mark.shows(peer="baresip", feature="registers, TCP")
def test_baresip_over_tcp(office: Office, tmp_path: Path) -> None:
    """RFC 3261 §18: registered by a TCP connection, called through it."""
    phone = Baresip(office.switch, "1003", PASSWORD, BARESIP_HZ, tmp_path, transport="tcp")
    port = free_port(host=CARRIER)
    carrier = RtpPeer(CARRIER_HZ, port, CARRIER)
    try:
        wait_until("registration of baresip", lambda: "1003" in registered(office), 10.0)
        assert office.switch.get("registrations")["items"][0]["source"].startswith("tcp:")
        trunk = office.call(calling(2500, port), "1003")
        phone.expect("CALL_ESTABLISHED")
        trunk.wait(10.0).all_well(1)
    finally:
        carrier.close()
        phone.close()
    listen.hears(carrier.heard(), BARESIP_HZ, 1.5)
    listen.hears(phone.heard(), CARRIER_HZ, 1.5)
    assert office.records()[0]["destination"] == "phone:1003"
