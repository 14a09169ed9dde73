"""Offers and answers of secured streams as whole descriptions: codecs, directions and security together."""

from dataclasses import replace

import pytest

from softswitch.kernel.errors import PeerError
from softswitch.sip.offer_answer import Capabilities, accept, answer, first_common, formats_in, make_offer
from softswitch.sip.secure_media import KEYS, Means, Srtp
from softswitch.wire.control import Dtls, Sdes
from softswitch.wire.sdp import parse_sdp

PRINT = f"sha-256 {':'.join(['0A'] * 32)}"
PHONE = Capabilities(("PCMU", "PCMA"), True, "192.0.2.7", 4000)
OURS = Capabilities(("PCMA", "PCMU", "opus"), True, "198.51.100.2", 20000)
# as Chromium writes it, shortened
CHROMIUM = (
    b"v=0\r\no=- 763 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=extmap-allow-mixed\r\n"
    b"m=audio 9 UDP/TLS/RTP/SAVPF 111 9 0 8 13 110 126\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n"
    b"a=candidate:9 1 udp 2122194687 4a3b.local 50946 typ host generation 0\r\na=ice-ufrag:ZnMP\r\n"
    b"a=ice-pwd:oQMoqUGAJ0/AF/4S3bgAIGcY\r\na=ice-options:trickle\r\n"
    b"a=fingerprint:sha-256 " + b":".join([b"BC"] * 32) + b"\r\na=setup:actpass\r\na=mid:0\r\n"
    b"a=sendrecv\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10\r\n"
    b"a=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:13 CN/8000\r\n"
    b"a=rtpmap:110 telephone-event/48000\r\na=rtpmap:126 telephone-event/8000\r\na=ssrc:388 cname:5VmD\r\n"
    b"m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:96 VP8/90000\r\na=mid:1\r\na=sendrecv\r\n"
)


def means(srtp: Srtp = "accept", webrtc: bool = False, seed: int = 1) -> Means:
    return Means(srtp, webrtc, bytes([seed]) * KEYS, f"ufrag{seed}", f"{seed}" * 24, PRINT)


def capable(srtp: Srtp = "accept", webrtc: bool = False, seed: int = 1, base: Capabilities = OURS) -> Capabilities:
    return replace(base, means=means(srtp, webrtc, seed))


def test_both_sides_take_the_same_keys_crosswise() -> None:
    """RFC 4568 §5.1: each side's key protects what it sends."""
    offer = make_offer(capable("required", seed=1, base=PHONE), 1, 1)
    reply, ours = answer(offer, capable(seed=2), 2, 1)
    theirs = accept(reply, offer)
    assert isinstance(ours.security, Sdes)
    assert isinstance(theirs.security, Sdes)
    assert (ours.security.local_key, ours.security.remote_key) == (
        theirs.security.remote_key,
        theirs.security.local_key,
    )
    assert parse_sdp(reply).media[0].proto == "RTP/SAVP"
    assert ours.to_leg_spec().security == ours.security


def test_opportunistic_keys_between_those_who_know_them() -> None:
    """RFC 8643: RTP/AVP with keys; who does not know them answers plain."""
    offer = make_offer(capable("optional", base=PHONE), 1, 1)
    assert parse_sdp(offer).media[0].proto == "RTP/AVP"
    reply, ours = answer(offer, capable(seed=2), 2, 1)
    assert isinstance(ours.security, Sdes)
    assert isinstance(accept(reply, offer).security, Sdes)
    reply, ours = answer(offer, OURS, 2, 1)
    assert ours.security is None
    assert accept(reply, offer).security is None


def test_chromium_is_answered() -> None:
    """RFC 8829: the video is refused and keeps its name, nothing is held though the address says nothing."""
    reply, agreed = answer(CHROMIUM, capable(webrtc=True), 2, 1)
    assert isinstance(agreed.security, Dtls)
    assert agreed.security.remote_ufrag == "ZnMP"
    assert (agreed.codec, agreed.remote, agreed.rtcp_mux) == ("opus", None, True)
    assert (agreed.direction_send, agreed.direction_receive, agreed.held_by_remote) == (True, True, False)
    described = parse_sdp(reply)
    audio, video = described.media
    assert dict(described.attributes) == {"group": "BUNDLE 0", "ice-lite": None}
    assert (audio.proto, audio.port, audio.get("mid"), audio.get("setup")) == (
        "UDP/TLS/RTP/SAVPF",
        20000,
        "0",
        "passive",
    )
    assert (video.port, video.get("mid")) == (0, "1")
    assert audio.get("rtcp-mux") is not None
    assert agreed.to_leg_spec(latch="signalled").latch == "learn"
    assert [entry.name for entry in formats_in(CHROMIUM, means(webrtc=True))] == ["opus", "G722", "PCMU", "PCMA"]


@pytest.mark.parametrize(
    ("offer", "srtp", "reason"),
    [
        (make_offer(PHONE, 1, 1), "required", "SRTP is required"),
        (make_offer(capable("required", base=PHONE), 1, 1), "off", "SRTP is off"),
        (CHROMIUM, "off", "SRTP is off"),
    ],
)
def test_what_policy_forbids_is_488_before_anybody_is_rung(offer: bytes, srtp: Srtp, reason: str) -> None:
    with pytest.raises(PeerError, match=reason) as caught:
        first_common(offer, OURS.codecs, means(srtp))
    assert caught.value.status == 488
    assert not formats_in(offer, means(srtp))


def test_an_offer_to_a_browser_and_its_answer() -> None:
    """RFC 5763 §5: actpass from us, active from it."""
    offer = make_offer(capable(webrtc=True), 1, 1)
    described = parse_sdp(offer)
    assert dict(described.attributes) == {"group": "BUNDLE 0", "ice-lite": None}
    assert described.media[0].get("setup") == "actpass"
    assert described.media[0].get("rtcp-mux") is not None
    browser = CHROMIUM.replace(b"setup:actpass", b"setup:active").replace(b" 0 1", b" 0")
    agreed = accept(browser[: browser.index(b"m=video")], offer)
    assert isinstance(agreed.security, Dtls)
    assert (agreed.security.role, agreed.security.ice_ufrag) == ("passive", "ufrag1")
    assert (agreed.remote, agreed.held_by_remote) == (None, False)


def test_plain_answers_to_what_was_required_are_refused() -> None:
    offer = make_offer(capable("required"), 1, 1)
    plain, _ = answer(make_offer(PHONE, 1, 1), PHONE, 2, 1)
    with pytest.raises(PeerError, match="changes the transport"):
        accept(plain, offer)


@pytest.mark.parametrize("srtp", ["accept", "required"])
def test_a_later_offer_of_ours_goes_on_secured(srtp: Srtp) -> None:
    """RFC 4568 §7.1.4: the same keys again, so nobody starts anew; the version stays."""
    first = make_offer(capable("required", seed=2, base=PHONE), 1, 1)
    reply, agreed = answer(first, capable(srtp), 2, 1)
    again = make_offer(capable(srtp), 2, 2, previous=reply)
    section = parse_sdp(again).media[0]
    assert section.proto == "RTP/SAVP"
    answered, _ = answer(again, capable("required", seed=2, base=PHONE), 1, 2, previous=first)
    assert accept(answered, again).security == agreed.security


def test_a_later_offer_of_ours_to_a_browser_keeps_its_names() -> None:
    reply, agreed = answer(
        CHROMIUM.replace(b"mid:0", b"mid:a").replace(b"BUNDLE 0", b"BUNDLE a"), capable(webrtc=True), 2, 1
    )
    again = parse_sdp(make_offer(capable(webrtc=True), 2, 2, previous=reply))
    assert again.media[0].get("mid") == "a"
    assert again.media[0].get("ice-ufrag") == "ufrag1"
    assert ("group", "BUNDLE a") in again.attributes
    assert agreed.security is not None


def test_their_re_offer_changes_their_key_alone() -> None:
    first = make_offer(capable("required", seed=2, base=PHONE), 1, 1)
    reply, before = answer(first, capable(), 2, 1)
    second = make_offer(capable("required", seed=3, base=PHONE), 1, 2)
    _, after = answer(second, capable(), 2, 2, previous=reply)
    assert isinstance(before.security, Sdes)
    assert isinstance(after.security, Sdes)
    assert before.security.local_key == after.security.local_key
    assert before.security.remote_key != after.security.remote_key
