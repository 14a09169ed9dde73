"""SRTP and WebRTC legs at a whole site: who is offered what, who is refused, what ends with the keys."""

from dataclasses import replace

import pytest

from softswitch.sip.offer_answer import answer, make_offer
from softswitch.sip.secure_media import KEYS, Means
from softswitch.switch.events import Reported
from softswitch.switch.records import CallRecord
from softswitch.switch.settings import Phone, Settings, Sip
from softswitch.wire import control
from softswitch.wire.control import Dtls, Sdes
from softswitch.wire.sdp import parse_sdp
from tests.switch.site import Party, Site

PASSWORD = "correct horse"
PRINT = f"sha-256 {':'.join(['0A'] * 32)}"
SETTINGS = Settings(
    sip=Sip(domain="pbx.test", ring_seconds=30.0),
    phones={
        "plain": Phone(password=PASSWORD, srtp="off"),
        "usual": Phone(password=PASSWORD),
        "asked": Phone(password=PASSWORD, srtp="optional"),
        "strict": Phone(password=PASSWORD, srtp="required"),
        "browser": Phone(password=PASSWORD, webrtc=True),
    },
)


class Secure(Party):
    """A phone that knows SRTP."""

    means = Means("required", False, bytes([7]) * KEYS, "theirs", "p" * 24, PRINT)

    def caps(self, *codecs: str):  # type: ignore[no-untyped-def]  # of the parent
        return replace(super().caps(*codecs), means=self.means)


@pytest.fixture
def site() -> Site:
    site = Site(SETTINGS)
    site.media.ready = lambda: control.Ready(  # type: ignore[method-assign]  # one with a certificate
        control.VERSION, 4242, "test", ("PCMA", "PCMU"), tuple(site.media.free), 500, fingerprint=PRINT
    )
    site.give(Reported(0, (site.media.ready(),)))
    return site


def secure(site: Site, name: str, host: str, **means: object) -> Secure:
    phone = Secure(site, name, host, 5060, PASSWORD)
    phone.means = replace(Secure.means, **means)  # type: ignore[arg-type]  # of its fields
    phone.register()
    return phone


def full(sdp: bytes) -> bytes:
    """Browsers are full ICE agents."""
    return sdp.replace(b"a=ice-lite\r\n", b"")


def specs(site: Site) -> list[control.LegSpec]:
    return list(site.media.legs.values())


def test_srtp_and_rtp_legs_bridge(site: Site) -> None:
    """Keys on one side, none on the other; each leg's keys are its own."""
    caller, called = secure(site, "usual", "192.0.2.10"), site.phone("plain", "192.0.2.11")
    line = caller.call("plain")
    assert line.state == "up"
    assert parse_sdp(line.sdp).media[0].proto == "RTP/SAVP"
    assert parse_sdp(called.line.request.body).media[0].proto == "RTP/AVP"  # type: ignore[union-attr]
    assert [type(spec.security) for spec in specs(site)].count(Sdes) == 1
    caller.hang_up(line)
    site.nothing_left()


@pytest.mark.parametrize(
    ("name", "proto", "keys"),
    [("usual", "RTP/AVP", 0), ("asked", "RTP/AVP", 4), ("strict", "RTP/SAVP", 4), ("plain", "RTP/AVP", 0)],
)
def test_what_each_phone_is_offered(site: Site, name: str, proto: str, keys: int) -> None:
    caller = site.phone("plain", "192.0.2.10") if name != "plain" else site.phone("usual", "192.0.2.10")
    called = secure(site, name, "192.0.2.11", srtp="accept")
    line = caller.call(name)
    assert line.state == "up"
    section = parse_sdp(called.line.request.body).media[0]  # type: ignore[union-attr]
    assert section.proto == proto
    assert [name for name, _ in section.attributes].count("crypto") == keys
    assert sum(isinstance(spec.security, Sdes) for spec in specs(site)) == bool(keys)
    caller.hang_up(line)
    site.nothing_left()


def test_who_requires_srtp_and_offers_none_is_refused_before_anybody_rings(site: Site) -> None:
    caller, called = site.phone("strict", "192.0.2.10"), site.phone("plain", "192.0.2.11")
    assert caller.call("plain").status == 488
    assert not called.lines
    site.run(4.0)
    record = site.records(CallRecord)[-1]
    assert isinstance(record, CallRecord)
    assert "SRTP is required" in record.reason
    site.nothing_left()


def test_who_is_required_to_and_answers_plain_is_hung_up_on(site: Site) -> None:
    caller, called = site.phone("plain", "192.0.2.10"), site.phone("strict", "192.0.2.11")
    called.to_answer = lambda offer: answer(make_offer(called.caps(), 1, 1), called.caps(), 1, 1)[0]
    line = caller.call("strict")
    assert line.state == "over"
    assert not any(spec.codec and spec.security is None for spec in specs(site)[1:])
    site.nothing_left()


def test_a_browser_is_called_and_calls(site: Site) -> None:
    """Both ways by DTLS and ICE; the credentials of each leg are its own."""
    browser, plain = secure(site, "browser", "192.0.2.10", webrtc=True), site.phone("plain", "192.0.2.11")
    browser.to_answer = lambda offer: full(answer(full(offer), browser.caps(), 1, 1)[0])
    first = browser.call("plain", sdp=full(make_offer(browser.caps(), 1, 1)))
    assert first.state == "up"
    second = plain.call("browser")
    assert second.state == "up"
    found = [spec.security for spec in specs(site) if spec.security is not None]
    assert [type(security) for security in found] == [Dtls, Dtls]
    assert len({security.ice_pwd for security in found if isinstance(security, Dtls)}) == 2
    assert all(spec.latch == "learn" and spec.rtcp_mux for spec in specs(site) if spec.security is not None)
    browser.hang_up(first)
    plain.hang_up(second)
    site.nothing_left()


def test_a_call_without_its_keys_ends_with_a_clear_cause(site: Site) -> None:
    browser, plain = secure(site, "browser", "192.0.2.10", webrtc=True), site.phone("plain", "192.0.2.11")
    line = browser.call("plain")
    leg = next(id for id, spec in site.media.legs.items() if spec.security is not None)
    site.give(Reported(0, (control.Secured(leg, "AEAD_AES_128_GCM"),)))
    assert line.state == "up"
    (call,) = site.switch.calls.values()
    assert [leg.srtp for leg in call.view(site.now).legs] == ["AEAD_AES_128_GCM", ""]
    site.run(0.5)  # talk, as far as SIP knows
    site.give(Reported(0, (control.SecurityFailed(leg, "the DTLS certificate is not the one that SIP told of"),)))
    site.give(Reported(0, (control.SecurityFailed(leg, "again"), control.SecurityFailed(999, "nobody"))))
    assert line.state == plain.line.state == "over"
    site.run(4.0)
    record = site.records(CallRecord)[-1]
    assert isinstance(record, CallRecord)
    assert (record.outcome, record.cause) == ("failed", 488)
    assert [leg.srtp for leg in record.legs] == ["AEAD_AES_128_GCM", ""]
    assert "certificate" in record.reason
    site.nothing_left()


def test_keys_are_in_no_log_and_no_record(site: Site) -> None:
    caller = secure(site, "usual", "192.0.2.10")
    site.phone("plain", "192.0.2.11")
    line = caller.call("plain")
    security = next(spec.security for spec in specs(site) if spec.security is not None)
    assert isinstance(security, Sdes)
    caller.hang_up(line)
    site.nothing_left()
    said = f"{site.logs} {site.saved}"
    for key in (security.local_key, security.remote_key):
        assert repr(key) not in said
        assert key.hex() not in said
