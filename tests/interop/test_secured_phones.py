"""SRTP with other people's programs: baresip by SDES and DTLS, Chromium by DTLS-SRTP and ICE, each talking both ways
with a plain phone through one real switch."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop import listen
from tests.interop.baresip import Baresip
from tests.interop.chromium import Chromium
from tests.interop.conftest import PASSWORD
from tests.interop.sip_user import SipUser
from tests.interop.switch_process import SwitchProcess, free_port, running_switch, wait_until

pytestmark = pytest.mark.interop

SECURE_HZ = 600.0
PLAIN_HZ = 950.0
BROWSER_HZ = 1350.0
BROWSER = "127.0.0.4"
TABLES = f"""
[phones.plain]
number = "1000"
password = "{PASSWORD}"
srtp = "off"
codecs = ["PCMA", "PCMU", "opus"]
[phones.accept]
number = "1001"
password = "{PASSWORD}"
[phones.optional]
number = "1002"
password = "{PASSWORD}"
srtp = "optional"
[phones.required]
number = "1003"
password = "{PASSWORD}"
srtp = "required"
[phones.browser]
number = "1004"
contact = "sip:browser@{BROWSER}:PORT"
codecs = ["opus", "PCMU"]
webrtc = true
[recording]
calls = "none"
"""


class Site:
    """The switch, the plain phone, and where the browser's signalling is."""

    def __init__(self, switch: SwitchProcess, directory: Path, browser: int) -> None:
        self.switch = switch
        self._directory = directory
        self._browser = browser
        self.begun = 0.0
        self.plain = self._phone("plain", PLAIN_HZ, codecs="PCMA,PCMU,opus")

    @contextlib.contextmanager
    def secure(self, name: str, mediaenc: str) -> Iterator[Baresip]:
        """A baresip that encrypts in this manner, registered."""
        phone = self._phone(name, SECURE_HZ, mediaenc=mediaenc)
        try:
            yield phone
        finally:
            phone.close()

    @contextlib.contextmanager
    def user(self) -> Iterator[SipUser]:
        """Signals for the browser."""
        user = SipUser("browser", BROWSER, self._browser, (self.switch.host, self.switch.port))
        try:
            yield user
        finally:
            user.close()

    def record(self) -> dict[str, Any]:
        """Of this test's call."""
        return self.switch.records(1, since=self.begun)[0]

    def over(self, *phones: Baresip) -> None:
        """The call is: no phone has one, and the switch neither."""
        for phone in (self.plain, *phones):
            phone.expect("CALL_CLOSED")
        self.switch.calls_over()
        self.switch.no_faults()

    def _phone(self, name: str, hertz: float, **options: str) -> Baresip:
        number = len(list(self._directory.iterdir()))
        phone = Baresip(self.switch, name, PASSWORD, hertz, self._directory / f"{number}", **options)
        try:
            wait_until(
                f"registration of {name}",
                lambda: name in [row["phone"] for row in self.switch.get("registrations")["items"]],
            )
        except BaseException:
            phone.close()
            raise
        return phone


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory, browser = tmp_path_factory.mktemp("secure"), free_port(BROWSER)
    with running_switch(directory / "switch", TABLES.replace("PORT", str(browser))) as switch:
        site = Site(switch, directory, browser)
        try:
            yield site
        finally:
            site.plain.close()


@pytest.fixture
def site(shared_site: Site) -> Site:
    """Without a call."""
    shared_site.switch.calls_over()
    shared_site.begun = time.time()
    return shared_site


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    browser = Chromium(BROWSER_HZ, tmp_path_factory.mktemp("browser"))
    try:
        yield browser
    finally:
        browser.close()


def hear(*phones: Baresip, seconds: float = 2.5) -> None:
    """Wait until each has heard so much in its latest call; with DTLS sound begins a little after the answer."""

    def heard(phone: Baresip) -> bool:
        try:
            return len(phone.heard()) > seconds * listen.RATE
        except ValueError:
            return False

    for phone in phones:
        wait_until(f"{seconds} s of sound at {phone.name}", lambda phone=phone: heard(phone), pause=0.3)


@pytest.mark.parametrize(
    "mediaenc",
    [
        pytest.param(kind, marks=pytest.mark.shows(peer="baresip", feature=feature))
        for kind, feature in {
            "srtp": "SRTP, SDES beside plain RTP",
            "srtp-mand": "SRTP, SDES",
            "srtp-mandf": "SRTP, SDES",
            "dtls_srtp": "SRTP, DTLS",
        }.items()
    ],
)
def test_a_secured_baresip_calls_a_plain_one(site: Site, mediaenc: str) -> None:
    """RFC 8643 (keys beside plain RTP), RFC 4568 (RTP/SAVP and SAVPF), RFC 5763 (DTLS without ICE)."""
    with site.secure("accept", mediaenc) as secure:
        secure.do("dial", "sip:1000@pbx.test")
        secure.expect("CALL_ESTABLISHED")
        site.plain.expect("CALL_ESTABLISHED")
        hear(secure, site.plain)
        secure.do("hangup")
        site.over(secure)
        listen.hears(secure.heard(), PLAIN_HZ, 1.5)
        listen.hears(site.plain.heard(), SECURE_HZ, 1.5)
    assert [bool(leg["srtp"]) for leg in site.record()["legs"]] == [True, False]


@pytest.mark.parametrize(("name", "number", "mediaenc"), [("optional", 1002, "srtp"), ("required", 1003, "srtp-mand")])
def test_a_plain_baresip_calls_a_secured_one(site: Site, name: str, number: int, mediaenc: str) -> None:
    """Our offer has the keys."""
    with site.secure(name, mediaenc) as secure:
        site.plain.do("dial", f"sip:{number}@pbx.test")
        site.plain.expect("CALL_ESTABLISHED")
        hear(secure, site.plain)
        site.plain.do("hangup")
        site.over(secure)
        listen.hears(secure.heard(), PLAIN_HZ, 1.5)
        listen.hears(site.plain.heard(), SECURE_HZ, 1.5)
    assert [bool(leg["srtp"]) for leg in site.record()["legs"]] == [False, True]


def test_plain_rtp_is_refused_where_srtp_is_required(site: Site) -> None:
    """488, and the reason in the record; the plain phone is not even rung."""
    with site.secure("required", "") as phone:
        phone.do("dial", "sip:1000@pbx.test")
        assert "488" in str(phone.expect("CALL_CLOSED"))
    site.switch.calls_over()
    assert "SRTP is required" in site.record()["reason"]


@pytest.mark.shows(peer="Chromium", feature="calls")
@pytest.mark.shows(peer="Chromium", feature="SRTP, DTLS and ICE")
@pytest.mark.parametrize(
    "codec",
    [
        pytest.param(codec, marks=pytest.mark.shows(peer="Chromium", feature=f"codec {codec}"))
        for codec in ("PCMU", "opus")
    ],
)
def test_chromium_calls_a_phone(site: Site, chromium: Chromium, codec: str) -> None:
    """RFC 8827: DTLS-SRTP and ICE with a browser; both tones arrive where they belong. The phone speaks A-law where the
    browser speaks opus."""
    with site.user() as user:
        chromium.take(user.call("1000", chromium.offer(f"audio/{codec}")))
        site.plain.expect("CALL_ESTABLISHED")
        chromium.connected()
        chromium.hears(PLAIN_HZ)
        hear(site.plain)
        facts = chromium.facts()
        user.hang_up()
        site.over()
    assert facts["dtls"] == "connected"
    assert facts["srtp"].startswith("SRTP_A")
    listen.hears(site.plain.heard(), BROWSER_HZ, 1.5)
    record = site.record()
    assert record["outcome"] == "answered"
    legs = [(leg["codec"], bool(leg["srtp"])) for leg in record["legs"]]
    assert legs == [(codec, True), ({"opus": "PCMA"}.get(codec, codec), False)]


@pytest.mark.shows(peer="Chromium", feature="is called")
def test_a_phone_calls_chromium(site: Site, chromium: Chromium) -> None:
    """Our offer to the browser: lite, actpass, one candidate."""
    with site.user() as user:
        site.plain.do("dial", "sip:1004@pbx.test")
        user.answer(chromium.answer(user.wait()))
        site.plain.expect("CALL_ESTABLISHED")
        chromium.connected()
        chromium.hears(PLAIN_HZ)
        hear(site.plain)
        site.plain.do("hangup")
        user.hung_up()
        site.over()
    listen.hears(site.plain.heard(), BROWSER_HZ, 1.5)


def test_chromium_with_another_certificate_is_not_talked_to(site: Site, chromium: Chromium) -> None:
    """RFC 8122 §6.2: the fingerprint in the description is not the browser's. The call ends, with a clear cause."""
    with site.user() as user:
        offer = chromium.offer("audio/PCMU")
        at = offer.index(b"a=fingerprint:sha-256 ") + len(b"a=fingerprint:sha-256 ")
        chromium.take(user.call("1000", offer[:at] + b":".join([b"AB"] * 32) + offer[at + 95 :]))
        user.hung_up()
        site.over()
    record = site.record()
    assert record["outcome"] == "failed"
    assert "certificate" in record["reason"]
