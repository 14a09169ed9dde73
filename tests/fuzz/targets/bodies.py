"""Bodies: session descriptions, keys by INFO. What is read can be answered, and the answer is a good one."""

from dataclasses import replace
from functools import partial

from softswitch.kernel.errors import PeerError
from softswitch.sip import relayed_media
from softswitch.sip.counterpart import counterpart_of
from softswitch.sip.offer_answer import Capabilities, accept, answer, formats_in, make_offer
from softswitch.sip.secure_media import KEYS, Means
from softswitch.wire import control, info
from softswitch.wire.sdp import parse_sdp
from tests.fuzz.targets.target import Target, refused

OURS = Capabilities(("PCMA", "PCMU", "G722", "opus"), True, "192.0.2.1", 4000)
_FINGERPRINT = f"sha-256 {':'.join(['0A'] * 32)}"
SECURE = replace(OURS, means=Means("accept", False, bytes(KEYS), "ufrag", "p" * 24, _FINGERPRINT))
BROWSER = replace(SECURE, means=replace(SECURE.means, webrtc=True))
_OFFER = make_offer(OURS, 1, 1)
_RICH = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 18 97 98 8 101\r\na=rtpmap:97 X-own/24000\r\na=fmtp:97 x=1;y\r\na=rtpmap:98 AMR/8000\r\n"
    b"a=fmtp:98 octet-align=1\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
    b"a=ptime:40\r\na=maxptime:80\r\n"
    b"m=video 5000 RTP/AVPF 99\r\nb=AS:512\r\na=rtpmap:99 H264/90000\r\na=fmtp:99 packetization-mode=1\r\n"
    b"a=rtcp-fb:99 nack pli\r\na=rtcp-mux\r\nm=image 4002 udptl t38\r\na=T38FaxVersion:0\r\n"
)
_SIX = (
    b"v=0\r\no=- 1 1 IN IP6 2001:db8::1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\na=ice-lite\r\n"
    b"m=audio 4000/2 RTP/AVP 9 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=rtcp:4001 IN IP4 192.0.2.9\r\n"
    b"a=rtcp-mux\r\na=inactive\r\nm=audio 0 RTP/AVP 0\r\n"
)
_SECURED = [make_offer(replace(SECURE, means=replace(SECURE.means, **changes)), 1, 1) for changes in
            ({"srtp": "optional"}, {"srtp": "required"}, {"webrtc": True})]  # fmt: skip
_SDPS = [_OFFER, _RICH, _SIX, *_SECURED]
_WORDS = (
    *(b"m=audio ", b"m=video ", b"m=image ", b"RTP/AVP", b"RTP/SAVP", b"UDP/TLS/RTP/SAVPF", b"udptl t38", b"c=IN IP4 "),
    *(b"c=IN IP6 ::", b"a=rtpmap:", b"a=fmtp:", b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:", b"a=setup:actpass"),
    *(
        b"a=sendonly",
        b"a=inactive",
        b"a=ice-ufrag:",
        b"a=candidate:",
        b"a=fingerprint:sha-256 ",
        b"a=ptime:",
        b"a=mid:",
    ),
    *(b"a=group:BUNDLE ", b"a=rtcp-mux", b"a=maxptime:", b"telephone-event/8000", b"opus/48000/2", b"/8000", b" 0 "),
)


def description(data: bytes) -> None:
    """RFC 8866, RFC 3264: read, answered by every kind of party, offered on, told to media."""
    try:
        parse_sdp(data)
    except PeerError as error:
        refused(error)
        return
    for caps in (OURS, SECURE, BROWSER):
        try:
            made, negotiated = answer(data, caps, 1, 1)
        except PeerError as error:
            refused(error)
            continue
        sections = parse_sdp(made).media
        assert len(sections) == len(parse_sdp(data).media)
        assert negotiated.security is not None or all(
            not section.port or "SAVP" not in section.proto for section in sections if section.kind == "audio"
        )
        control.encode([control.OpenLeg(1, 2, negotiated.to_leg_spec())])


def offered_on(data: bytes) -> None:
    """What a caller offers goes on to a callee by the book; two parties in one input, parted by a zero."""
    caller, _, callee = data.partition(b"\0")
    try:
        known, sections = formats_in(caller), relayed_media.sections_of(caller)
        far = counterpart_of(known, OURS.codecs, passthrough=True, through=True)
        texts = [
            relayed_media.written(media, 4002, media.proto, tuple(map(str, media.rtpmaps())), "sendrecv", mux=True)
            for media in (section.media for section in sections.values())
        ]
        offer = make_offer(OURS, 1, 1, far=far, sections=texts)
    except PeerError as error:
        refused(error)
        return
    parse_sdp(offer)
    assert offer.replace(b"\r\n", b"").decode().isprintable()
    try:
        result = partial(accept, our_offer=offer)(callee)
    except PeerError as error:
        refused(error)
        return
    control.encode([control.OpenLeg(1, 2, result.to_leg_spec())])


def key(data: bytes) -> None:
    """Keys by INFO: type and body parted by a line break."""
    kind, _, body = data.partition(b"\n")
    signal = info.parse(kind.decode("utf-8", "replace"), body)
    if signal is not None:
        again = info.parse(info.RELAY, info.build(signal.digit, signal.duration_ms))
        assert again is not None
        assert again.digit == signal.digit


TARGETS = (
    Target("sdp", description, _SDPS, _WORDS),
    Target("sdp-on", offered_on, [one + b"\0" + two for one, two in zip(_SDPS, reversed(_SDPS), strict=True)], _WORDS),
    Target("info", key, [b"application/dtmf-relay\nSignal=5\r\nDuration=160\r\n", b"application/dtmf\n#"], longest=256),
)
