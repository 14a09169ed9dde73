"""SRTP with other people's programs: baresip by SDES and DTLS, Chromium by DTLS-SRTP and ICE, each talking both ways
with a plain phone through a real switch."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.interop import listen
from tests.interop.baresip import Baresip
from tests.interop.chromium import Chromium
from tests.interop.conftest import PASSWORD
from tests.interop.sip_user import SipUser
from tests.interop.switch_process import SwitchProcess, free_port, wait_until

pytestmark = pytest.mark.interop

SECURE_HZ = 600.0
PLAIN_HZ = 950.0
BROWSER_HZ = 1350.0
BROWSER = "127.0.0.4"


def tables(browser: int, srtp: str = "accept") -> str:
    return f"""
[phones.secure]
number = "1001"
password = "{PASSWORD}"
srtp = "{srtp}"
[phones.plain]
number = "1002"
password = "{PASSWORD}"
srtp = "off"
codecs = ["PCMA", "PCMU", "opus"]
[phones.browser]
number = "1003"
contact = "sip:browser@{BROWSER}:{browser}"
codecs = ["opus", "PCMU"]
webrtc = true
[recording]
calls = "none"
"""


@pytest.fixture
def phone(tmp_path: Path) -> Iterator[Callable[..., Baresip]]:
    """Registered baresips: `phone(switch, name, hertz, …)`."""
    made: list[Baresip] = []

    def start(switch: SwitchProcess, name: str, hertz: float, **options: str) -> Baresip:
        made.append(Baresip(switch, name, PASSWORD, hertz, tmp_path, **options))
        wait_until(
            f"registration of {name}",
            lambda: name in [row["phone"] for row in switch.get("registrations")["items"]],
            10.0,
        )
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.fixture
def chromium(tmp_path: Path) -> Iterator[Chromium]:
    browser = Chromium(BROWSER_HZ, tmp_path)
    try:
        yield browser
    finally:
        browser.close()


def talked(switch: SwitchProcess, one: Baresip, other: Baresip) -> None:
    """The first has called the second: both are heard, and the call ends well."""
    one.expect("CALL_ESTABLISHED")
    other.expect("CALL_ESTABLISHED")
    wait_until("3 s of sound", lambda: spoken_to(one) > 3.0, 15.0, pause=0.3)
    one.do("hangup")
    other.expect("CALL_CLOSED")
    switch.calls_over()
    listen.hears(one.heard(), PLAIN_HZ if other_is_plain(other) else SECURE_HZ, 2.0)
    listen.hears(other.heard(), SECURE_HZ if other_is_plain(other) else PLAIN_HZ, 2.0)
    switch.no_faults()


def spoken_to(phone: Baresip) -> float:
    """Seconds that it heard so far; with DTLS they begin a little after the answer."""
    try:
        return len(phone.heard()) / listen.RATE
    except ValueError:
        return 0.0


def other_is_plain(phone: Baresip) -> bool:
    return phone.name == "plain"


@pytest.mark.parametrize("mediaenc", ["srtp", "srtp-mand", "srtp-mandf", "dtls_srtp"])
def test_a_secured_baresip_calls_a_plain_one(own_switch, phone, mediaenc: str) -> None:  # type: ignore[no-untyped-def]
    """RFC 8643 (keys beside plain RTP), RFC 4568 (RTP/SAVP and SAVPF), RFC 5763 (DTLS without ICE)."""
    switch = own_switch(tables(free_port(BROWSER)))
    secure = phone(switch, "secure", SECURE_HZ, mediaenc=mediaenc)
    plain = phone(switch, "plain", PLAIN_HZ)
    secure.do("dial", "sip:1002@pbx.test")
    talked(switch, secure, plain)


@pytest.mark.parametrize("srtp", ["optional", "required"])
def test_a_plain_baresip_calls_a_secured_one(own_switch, phone, srtp: str) -> None:  # type: ignore[no-untyped-def]
    """Our offer has the keys."""
    switch = own_switch(tables(free_port(BROWSER), srtp))
    secure = phone(switch, "secure", SECURE_HZ, mediaenc="srtp" if srtp == "optional" else "srtp-mand")
    plain = phone(switch, "plain", PLAIN_HZ)
    plain.do("dial", "sip:1001@pbx.test")
    talked(switch, plain, secure)


@pytest.mark.parametrize("codec", ["PCMU", "opus"])
def test_chromium_calls_a_phone(own_switch, phone, chromium: Chromium, codec: str) -> None:  # type: ignore[no-untyped-def]
    """RFC 8827: DTLS-SRTP and ICE with a browser; both tones arrive where they belong."""
    port = free_port(BROWSER)
    switch = own_switch(tables(port))
    plain = phone(switch, "plain", PLAIN_HZ, codecs=codec)
    user = SipUser("browser", BROWSER, port, (switch.host, switch.port))
    try:
        chromium.take(user.call("1002", chromium.offer(f"audio/{codec}")))
        plain.expect("CALL_ESTABLISHED")
        chromium.connected()
        chromium.hears(PLAIN_HZ)
        wait_until("3 s of sound", lambda: spoken_to(plain) > 3.0, 15.0, pause=0.3)
        facts = chromium.facts()
        user.hang_up()
        plain.expect("CALL_CLOSED")
    finally:
        user.close()
    assert facts["dtls"] == "connected"
    assert facts["srtp"].startswith("SRTP_A")
    listen.hears(plain.heard(), BROWSER_HZ, 2.0)
    switch.calls_over()
    record = switch.records(1)[0]
    assert record["outcome"] == "answered"
    assert [bool(leg["srtp"]) for leg in record["legs"]] == [True, False]
    switch.no_faults()


def test_a_phone_calls_chromium(own_switch, phone, chromium: Chromium) -> None:  # type: ignore[no-untyped-def]
    """Our offer to the browser: lite, actpass, one candidate."""
    port = free_port(BROWSER)
    switch = own_switch(tables(port))
    plain = phone(switch, "plain", PLAIN_HZ, codecs="PCMU")
    user = SipUser("browser", BROWSER, port, (switch.host, switch.port))
    try:
        plain.do("dial", "sip:1003@pbx.test")
        user.answer(chromium.answer(user.wait()))
        plain.expect("CALL_ESTABLISHED")
        chromium.connected()
        chromium.hears(PLAIN_HZ)
        wait_until("3 s of sound", lambda: spoken_to(plain) > 3.0, 15.0, pause=0.3)
        plain.do("hangup")
        user.hung_up()
    finally:
        user.close()
    listen.hears(plain.heard(), BROWSER_HZ, 2.0)
    switch.calls_over()
    switch.no_faults()


def test_chromium_with_another_certificate_is_not_talked_to(own_switch, phone, chromium: Chromium) -> None:  # type: ignore[no-untyped-def]
    """RFC 8122 §6.2: the fingerprint in the description is not the browser's. The call ends, with a clear cause."""
    port = free_port(BROWSER)
    switch = own_switch(tables(port))
    phone(switch, "plain", PLAIN_HZ, codecs="PCMU")
    user = SipUser("browser", BROWSER, port, (switch.host, switch.port))
    try:
        offer = chromium.offer("audio/PCMU")
        at = offer.index(b"a=fingerprint:sha-256 ") + len(b"a=fingerprint:sha-256 ")
        forged = offer[:at] + b":".join([b"AB"] * 32) + offer[at + 95 :]
        chromium.take(user.call("1002", forged))
        user.hung_up()
    finally:
        user.close()
    switch.calls_over()
    record = switch.records(1)[0]
    assert record["outcome"] == "failed"
    assert "certificate" in record["reason"]
    switch.no_faults()


def test_plain_rtp_is_refused_where_srtp_is_required(own_switch, phone) -> None:  # type: ignore[no-untyped-def]
    """488, and the reason in the record."""
    switch = own_switch(tables(free_port(BROWSER), "required"))
    secure = phone(switch, "secure", SECURE_HZ)
    phone(switch, "plain", PLAIN_HZ)
    secure.do("dial", "sip:1002@pbx.test")
    assert "488" in str(secure.expect("CALL_CLOSED"))
    switch.calls_over()
    assert "SRTP is required" in switch.records(1)[0]["reason"]
