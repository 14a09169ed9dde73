"""Garbage on every wire gives a value or a `PeerError`; what is a value can be written and read again."""

from dataclasses import replace
from functools import partial
from random import Random

import pytest

from softswitch.kernel.errors import PeerError
from softswitch.sip import relayed_media
from softswitch.sip.counterpart import counterpart_of
from softswitch.sip.offer_answer import Capabilities, accept, answer, formats_in, make_offer
from softswitch.sip.secure_media import KEYS, Means
from softswitch.wire import control, dtmf, rtcp, rtp, stun
from softswitch.wire.sdp import parse_sdp
from softswitch.wire.sip import Stream, parse
from tests.fuzz.mutations import damaged, rounds, survives

OURS = Capabilities(("PCMA", "PCMU"), True, "192.0.2.1", 4000)
WIDE = (
    b"v=0\r\no=- 1 1 IN IP6 2001:db8::1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\na=ice-lite\r\n"
    b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\nm=audio 4000/2 RTP/AVP 9 8 0 101\r\nb=AS:64\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:30\r\na=rtcp:4001 IN IP4 192.0.2.9\r\n"
    b"a=rtcp-mux\r\na=inactive\r\n"
)
RICH = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 18 97 98 8 101\r\na=rtpmap:97 X-own/24000\r\na=fmtp:97 x=1;y\r\na=rtpmap:98 AMR/8000\r\n"
    b"a=fmtp:98 octet-align=1\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:40\r\na=maxptime:80\r\n"
    b"m=video 5000 RTP/AVPF 99\r\nb=AS:512\r\na=rtpmap:99 H264/90000\r\na=fmtp:99 packetization-mode=1\r\n"
    b"a=rtcp-fb:99 nack pli\r\na=rtcp-mux\r\n"
)
OURS_SECURE = replace(
    OURS, means=Means("accept", False, bytes(KEYS), "ufrag", "p" * 24, f"sha-256 {':'.join(['0A'] * 32)}")
)
SECURED = [
    make_offer(replace(OURS_SECURE, means=replace(OURS_SECURE.means, **changes)), 1, 1)
    for changes in ({"srtp": "optional"}, {"srtp": "required"}, {"webrtc": True})
]
SDPS = [make_offer(OURS, 1, 1), make_offer(OURS, 1, 2, hold=True), WIDE]
INVITE = (
    b"INVITE sip:1001@192.0.2.1;user=phone SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2:5070;branch=z9hG4bK1;rport\r\n"
    b'f: "A \\" B" <sip:%%41@b>;tag=1\r\nt: <sip:1001@192.0.2.1>\r\ni: x@y\r\nCSeq: 1 INVITE\r\nm: <sip:a@b>\r\n'
    b"Max-Forwards: 70\r\nSupported: timer,\r\n 100rel\r\nc: application/sdp\r\nl: %d\r\n\r\n%s" % (len(WIDE), WIDE)
)
CHALLENGE = (
    b"SIP/2.0 401 Unauthorized\r\nv: SIP/2.0/TCP a.example:5060;branch=z9hG4bK2, SIP/2.0/UDP [::1]:5070\r\n"
    b"From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: z\r\nCSeq: 7 REGISTER\r\nContent-Length: 0\r\n"
    b'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256\r\n\r\n'
)
SIPS = [INVITE, CHALLENGE]
PACKETS = [
    rtp.build(8, True, 65535, 2**32 - 1, 1, bytes(160)),
    b"\xb3\x80" + bytes(10) + bytes(12) + b"\xbe\xde\x00\x02" + bytes(8) + bytes(159) + b"\x03",
]
REPORT = rtcp.Block(1, 2, 3, 4, 5, 6, 7)
REPORTS = [rtcp.build(rtcp.SenderReport(1, 2, 3, 4, 5, (REPORT,)), rtcp.Cname(1, "a@b"), rtcp.Bye((1,)))]
COMMANDS = [
    control.encode([control.Hello(), control.OpenLeg(1, 2, control.LegSpec("PCMA", 8, 101, ("192.0.2.2", 4000)))]),
    control.encode([control.Play(3, (control.FileItem("x.wav"), control.ToneItem((440.0,), 100)), 0)]),
    control.encode([control.Connect((control.Edge(1, 2),)), control.Record(4, "y.wav")]),
]


def test_sdp() -> None:
    """RFC 4566 and RFC 3264: what is read can be answered."""
    read = 0
    for data in rounds(SDPS, 6000, 1):
        if survives(parse_sdp, data) is None:
            continue
        read += 1
        made = survives(lambda body: answer(body, OURS, 1, 1), data)
        assert made is None or parse_sdp(made[0])
    assert read > 600


def test_secured_sdp() -> None:
    """Keys, fingerprints, ICE: an answer that is made has a way to keys, or is plain where that was offered."""
    answered = 0
    for data in rounds(SECURED, 4000, 5):
        for caps in (OURS_SECURE, replace(OURS_SECURE, means=replace(OURS_SECURE.means, webrtc=True))):
            made = survives(lambda body, caps=caps: answer(body, caps, 1, 1), data)
            if made is not None:
                answered += 1
                section = parse_sdp(made[0]).media[0]
                assert made[1].security is not None or not section.port or section.proto.startswith("RTP/AVP")
    assert answered > 400


def test_stun() -> None:
    """RFC 8489: what is read is a message that says its own length; a damaged one is not authentic."""
    whole = stun.build(stun.BINDING_REQUEST, bytes(12), [(stun.USERNAME, b"a:b"), (stun.PRIORITY, bytes(4))], b"pwd")
    for data in rounds([whole], 4000, 6):
        message = survives(stun.parse, data)
        if message is not None and data != whole:
            assert stun.FINGERPRINT not in message.attributes or not stun.authentic(data, message, b"pwd")


def test_sip_datagrams() -> None:
    """RFC 3261: a request that is read can be answered, and its own bytes read again."""
    read = 0
    for data in rounds(SIPS, 6000, 2):
        message = survives(parse, data)
        if message is not None:
            read += 1
            parse(message.to_bytes())
    assert read > 300


def offered_on(data: bytes) -> bytes:
    """Our offer to the callee of whoever sent `data`, as a call makes it."""
    known, sections = formats_in(data), relayed_media.sections_of(data)
    far = counterpart_of(known, OURS.codecs, passthrough=True, through=True)
    texts = []
    for media in (section.media for section in sections.values()):
        formats = tuple(str(payload) for payload in media.rtpmaps())
        texts.append(relayed_media.written(media, 4002, media.proto, formats, "sendrecv", mux=True))
    if far.silent and not texts:
        raise PeerError("nothing is offered that can be passed on", status=488)  # as `first_offer` does
    return make_offer(OURS, 1, 1, far=far, sections=texts)


def test_sdp_of_two_parties() -> None:
    """Whatever a caller offers is offered on by the book, and whatever a callee answers to that gives a value or a
    `PeerError`; what is agreed on can be told to media, video included."""
    agreed = pictures = 0
    offers, replies = rounds([RICH], 1500, 11), rounds([RICH], 1500, 12)
    pairs = [
        *zip(offers, replies, strict=True),
        *((RICH, reply) for reply in replies),
        *((bad, RICH) for bad in offers),
    ]
    for data, reply in pairs:
        if (offer := survives(offered_on, data)) is None:
            continue
        kinds = [media.kind for media in parse_sdp(offer).media]
        assert kinds in (["audio"], ["audio", "video"], ["video"])  # the last for who offers no sound
        assert offer.replace(b"\r\n", b"").decode().isprintable()
        if (result := survives(partial(accept, our_offer=offer), reply)) is not None:
            agreed += 1
            control.encode([control.OpenLeg(1, 2, result.to_leg_spec())])
        for media in (survives(partial(relayed_media.accepted, our_offer=offer), reply) or {}).values():
            pictures += 1
            control.encode([control.OpenLeg(3, 4, relayed_media.spec_of(media, mux=True, latch="learn"))])
    assert agreed > 300
    assert pictures > 300


@pytest.mark.parametrize("seed", range(3))
def test_sip_streams(seed: int) -> None:
    """RFC 3261 §18.3: any bytes, cut anywhere: messages, complaints, or an end."""
    dice = Random(seed)
    for _ in range(400):
        stream = Stream()
        data = b"".join(damaged(dice, dice.choice(SIPS), 2) for _ in range(3))
        try:
            while data:
                size = dice.randint(1, 700)
                list(stream.feed(data[:size]))
                data = data[size:]
        except PeerError:
            pass


def test_rtp() -> None:
    """RFC 3550 §5.1: header extension, CSRC list and padding never lead out of the packet."""
    for data in rounds(PACKETS, 6000, 3):
        packet = survives(rtp.parse, data)
        if packet is not None:
            assert 12 <= packet.start <= packet.end <= len(data)
        rtp.is_rtcp(data)


def test_rtcp() -> None:
    """RFC 3550 §6.4: what is read can be written."""
    for data in rounds(REPORTS, 6000, 4):
        parts = survives(rtcp.parse, data)
        if parts:
            rtcp.build(*parts)


def test_telephone_events() -> None:
    """RFC 4733 §2.3: any payload, any order."""
    dice = Random(5)
    for _ in range(3000):
        survives(dtmf.parse, dice.randbytes(dice.randint(0, 8)))


def test_control_frames() -> None:
    """Length, MessagePack and types may be wrong in any way; a frame that is refused ends nothing else."""
    for data in rounds(COMMANDS, 6000, 6):
        frames = control.Frames()
        try:
            bodies = list(frames.feed(data))
        except PeerError:
            continue
        for body in bodies:
            survives(control.decode_commands, body)
            survives(control.decode_reports, body)
