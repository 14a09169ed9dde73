"""Signalling over TLS and secure WebSocket with other people's programs: baresip with SDES, JsSIP in Chromium. Each
registers, calls a plain phone and is called by it, and both hear each other."""

import base64
import contextlib
import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from softswitch.services.certificates import make_self_signed
from tests.interop import jssip, listen
from tests.interop.baresip import Baresip
from tests.interop.chromium import Chromium
from tests.interop.conftest import PASSWORD
from tests.interop.switch_process import SwitchProcess, free_port, running_switch, wait_until
from tests.interop.test_secured_phones import hear

pytestmark = pytest.mark.interop

PLAIN_HZ, SECURE_HZ, BROWSER_HZ = 950.0, 600.0, 1350.0
TABLES = f"""
[phones.plain]
number = "1000"
password = "{PASSWORD}"
[phones.secure]
number = "1001"
password = "{PASSWORD}"
srtp = "required"
[phones.browser]
number = "1002"
password = "{PASSWORD}"
codecs = ["opus", "PCMU"]
webrtc = true
[ivr.welcome]
prompt = "welcome"
[ivr.welcome.keys]
1 = "phone:plain"
[[routes]]
from = "phone:browser"
number = "3000"
to = "ivr:welcome"
[recording]
calls = "none"
"""


@dataclass
class Site:
    """A switch with listeners for UDP, TLS and secure WebSocket, and a plain phone."""

    switch: SwitchProcess
    plain: Baresip
    tls: int
    wss: int
    authority: Path
    begun: float = 0.0

    def registered(self, name: str) -> dict[str, Any]:
        """The row of a phone, once it is there."""

        def row() -> dict[str, Any] | None:
            rows = self.switch.get("registrations")["items"]
            return next((row for row in rows if row["phone"] == name), None)

        found: dict[str, Any] = wait_until(f"registration of {name}", row)
        return found

    def over(self, *phones: Baresip) -> dict[str, Any]:
        """No phone has a call, nor the switch; the call's record."""
        for phone in phones:
            phone.expect("CALL_CLOSED")
        self.switch.calls_over()
        self.switch.no_faults()
        return self.switch.records(1, since=self.begun)[0]


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("tls")
    tls, wss = free_port(), free_port()
    public, secret = make_self_signed(("pbx.test", "127.0.0.1"), 30, datetime.now(UTC))
    (directory / "tls.crt").write_bytes(public)
    (directory / "tls.key").write_bytes(secret)

    def base(text: str) -> str:
        more = f'"tls:127.0.0.1:{tls}", "wss:127.0.0.1:{wss}"'
        files = f'[tls]\ncertificate = "{directory}/tls.crt"\nkey = "{directory}/tls.key"\n'
        return text.replace("listen = [", f"listen = [{more}, ", 1) + files

    with running_switch(directory / "switch", TABLES, base=base) as switch, contextlib.ExitStack() as stack:
        plain = Baresip(switch, "plain", PASSWORD, PLAIN_HZ, directory)
        stack.callback(plain.close)
        site = Site(switch, plain, tls, wss, directory / "tls.crt")
        site.registered("plain")
        yield site


@pytest.fixture
def site(shared_site: Site) -> Site:
    """Without a call."""
    shared_site.switch.calls_over()
    shared_site.begun = time.time()
    return shared_site


@pytest.fixture
def secure(site: Site, tmp_path: Path) -> Iterator[Baresip]:
    """baresip over TLS, which checks our certificate."""
    phone = Baresip(
        *(site.switch, "secure", PASSWORD, SECURE_HZ, tmp_path),
        transport="tls",
        port=site.tls,
        authority=str(site.authority),
        mediaenc="srtp-mand",
    )
    try:
        row = site.registered("secure")
        assert row["source"].startswith("tls:127.0.0.1:")
        yield phone
    finally:
        phone.close()


@pytest.fixture(scope="module")
def browser(shared_site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """JsSIP over WSS, registered; of all certificates that no authority vouches for, it believes this one."""
    key = x509.load_pem_x509_certificate(shared_site.authority.read_bytes()).public_key()
    digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    flag = f"--ignore-certificate-errors-spki-list={base64.b64encode(digest).decode()}"
    scripts = {"/jssip.js": jssip.script()}
    page = Chromium(BROWSER_HZ, tmp_path_factory.mktemp("browser"), "jssip_phone.html", scripts, (flag,))
    try:
        page.run(f'start("wss://127.0.0.1:{shared_site.wss}", "browser", "{PASSWORD}")')
        until(page, "registered")
        yield page
        page.run("ua.stop()")
        until(page, "unregistered")
    finally:
        page.close()


def until(page: Chromium, what: str) -> None:
    """Wait until this happened in the page, and forget what happened before."""
    try:
        wait_until(f"{what} in JsSIP", lambda: page.run(f"happened.includes({what!r})"))
    except TimeoutError as error:
        raise AssertionError(f"{error}; {page.run('happened')}") from None
    page.run(f"happened.splice(0, happened.indexOf({what!r}) + 1)")


@pytest.mark.shows(peer="baresip", feature="registers, TLS")
@pytest.mark.shows(peer="baresip", feature="SRTP, SDES")
def test_baresip_over_tls_calls_and_is_called(site: Site, secure: Baresip) -> None:
    """RFC 3261 §26.3, RFC 4568: signalling by TLS, keys in it, sound encrypted on that side."""
    secure.do("dial", "sip:1000@pbx.test")
    for phone in (secure, site.plain):
        phone.expect("CALL_ESTABLISHED")
    hear(secure, site.plain)
    secure.do("hangup")
    record = site.over(secure, site.plain)
    listen.hears(secure.heard(), PLAIN_HZ, 1.5)
    listen.hears(site.plain.heard(), SECURE_HZ, 1.5)
    assert [bool(leg["srtp"]) for leg in record["legs"]] == [True, False]

    site.begun = time.time()
    site.plain.do("dial", "sip:1001@pbx.test")
    for phone in (secure, site.plain):
        phone.expect("CALL_ESTABLISHED")
    hear(secure, site.plain)
    site.plain.do("hangup")
    record = site.over(secure, site.plain)
    listen.hears(secure.heard(), PLAIN_HZ, 1.5)
    listen.hears(site.plain.heard(), SECURE_HZ, 1.5)
    assert [bool(leg["srtp"]) for leg in record["legs"]] == [False, True]


@pytest.mark.shows(peer="JsSIP", feature="registers, WSS")
def test_jssip_is_registered_by_its_connection(site: Site, browser: Chromium) -> None:
    """RFC 7118 §5: the contact names no place in the world; the way to it is the connection that it came by."""
    row = site.registered("browser")
    assert ".invalid;transport=ws" in row["contact"]
    assert row["source"].startswith("wss:127.0.0.1:")


@pytest.mark.shows(peer="JsSIP", feature="calls")
@pytest.mark.shows(peer="JsSIP", feature="hangs up")
@pytest.mark.shows(peer="JsSIP", feature="SRTP, DTLS and ICE")
def test_jssip_calls_a_phone(site: Site, browser: Chromium) -> None:
    browser.run('call("1000")')
    site.plain.expect("CALL_ESTABLISHED")
    until(browser, "confirmed")
    browser.hears(PLAIN_HZ)
    hear(site.plain)
    facts = browser.facts()
    browser.run("session.terminate()")
    record = site.over(site.plain)
    listen.hears(site.plain.heard(), BROWSER_HZ, 1.5)
    assert facts["dtls"] == "connected"
    assert [bool(leg["srtp"]) for leg in record["legs"]] == [True, False]


@pytest.mark.shows(peer="JsSIP", feature="GRUU")
def test_jssip_has_gruus_and_is_reached_by_them(site: Site, browser: Chromium) -> None:
    """RFC 5627: given with its registration; its Contact in the calls that it makes, and good to call it by."""
    public, temporary = (browser.run(f"String(ua.contact.{name})") for name in ("pub_gruu", "temp_gruu"))
    assert public.startswith("sip:browser@pbx.test;gr=urn:uuid:")
    assert temporary.startswith("sip:tgruu.")
    browser.run('call("1000")')
    site.plain.expect("CALL_ESTABLISHED")
    until(browser, "confirmed")
    site.plain.do("hangup")
    until(browser, "ended Terminated")
    site.over(site.plain)
    for uri in (public, temporary):
        site.begun = time.time()
        site.plain.do("dial", uri)
        until(browser, "session incoming")
        browser.run("answer()")
        until(browser, "confirmed")
        site.plain.expect("CALL_ESTABLISHED")
        browser.run("session.terminate()")
        assert site.over(site.plain)["called"] == "1002"


@pytest.mark.shows(peer="JsSIP", feature="keys (RFC 4733)")
def test_jssip_presses_a_key_in_a_menu(site: Site, browser: Chromium) -> None:
    """RFC 4733 from the browser; the call then goes to the plain phone."""
    browser.run('call("3000")')
    until(browser, "confirmed")
    ready = "session.connection.getSenders().some(sender => sender.dtmf?.canInsertDTMF)"  # DTLS may take its time
    wait_until("keys of the browser's", lambda: browser.run(ready))
    browser.run('session.sendDTMF("1", {transportType: "RFC2833"})')
    site.plain.expect("CALL_ESTABLISHED")
    browser.hears(PLAIN_HZ)
    browser.run("session.terminate()")
    site.over(site.plain)


@pytest.mark.shows(peer="JsSIP", feature="is called")
@pytest.mark.shows(peer="JsSIP", feature="hold and resume")
@pytest.mark.shows(peer="JsSIP", feature="is hung up on")
def test_a_phone_calls_jssip_which_holds_and_resumes(site: Site, browser: Chromium) -> None:
    """Re-INVITEs of the browser within the dialog, and BYE from the other side, by one connection."""
    site.plain.do("dial", "sip:1002@pbx.test")
    until(browser, "session incoming")
    browser.run("answer()")
    until(browser, "confirmed")
    site.plain.expect("CALL_ESTABLISHED")
    browser.hears(PLAIN_HZ)
    hear(site.plain)
    browser.run("new Promise(done => session.hold({}, done))")
    browser.run("new Promise(done => session.unhold({}, done))")
    browser.hears(PLAIN_HZ)
    site.plain.do("hangup")
    until(browser, "ended Terminated")
    site.over(site.plain)
    listen.hears(site.plain.heard(), BROWSER_HZ, 1.5)
