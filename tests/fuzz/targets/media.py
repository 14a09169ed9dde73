"""What comes to media ports and between our processes: RTP, RTCP, STUN, telephone events, control frames."""

from softswitch.kernel.errors import PeerError
from softswitch.media.ice_lite import IceLite
from softswitch.wire import control, dtmf, rtcp, rtp, stun
from tests.fuzz.targets.target import Target, refused

_REPORT = rtcp.Block(1, 2, 3, 4, 5, 6, 7)
_CHECK = stun.build(
    stun.BINDING_REQUEST, bytes(12), [(stun.USERNAME, b"ours:theirs"), (stun.PRIORITY, bytes(4))], b"password"
)
_COMMANDS = [
    control.encode([control.Hello(), control.OpenLeg(1, 2, control.LegSpec("PCMA", 8, 101, ("192.0.2.2", 4000)))]),
    control.encode([control.Play(3, (control.FileItem("x.wav"), control.ToneItem((440.0,), 100)), 0)]),
    control.encode([control.Connect((control.Edge(1, 2),)), control.Record(4, "y.wav")]),
]


def packet(data: bytes) -> None:
    """RFC 3550 §5.1: extension, CSRC list and padding never lead out of the packet."""
    rtp.is_rtcp(data)
    try:
        found = rtp.parse(data)
    except PeerError as error:
        refused(error)
        return
    assert 12 <= found.start <= found.end <= len(data)


def report(data: bytes) -> None:
    """RFC 3550 §6: what is read can be written, and reads the same again."""
    try:
        parts = rtcp.parse(data)
    except PeerError as error:
        refused(error)
        return
    if parts:
        assert rtcp.parse(rtcp.build(*parts)) == parts


def check(data: bytes) -> None:
    """RFC 8489, RFC 8445: only whoever knows the password is answered, and the answer is a good message."""
    stun.is_stun(data)
    try:
        found = IceLite("ours", "password", "theirs", 0.0).receive(data, ("192.0.2.9", 4000), 1, 1.0)
    except PeerError as error:
        refused(error)
        return
    if found is not None:
        assert stun.authentic(data, stun.parse(data), b"password")
        assert stun.authentic(found.answer, stun.parse(found.answer), b"password")


def events(data: bytes) -> None:
    """RFC 4733 §2.3: any payloads in any order; each key is told once."""
    for at in range(0, len(data), 5):
        payload = data[at : at + 4]
        try:
            event = dtmf.parse(payload)
        except PeerError as error:
            refused(error)
            continue
        assert dtmf.build(event)[:1] == payload[:1]


def frames(data: bytes) -> None:
    """Our own protocol: a broken frame is refused, and no other error leaves the reader."""
    reader = control.Frames()
    try:
        bodies = list(reader.feed(data))
    except PeerError as error:
        refused(error)
        return
    for body in bodies:
        for decode in (control.decode_commands, control.decode_reports):
            try:
                decode(body)
            except PeerError as error:
                refused(error)


TARGETS = (
    Target("rtp", packet, [rtp.build(8, True, 65535, 2**32 - 1, 1, bytes(160)), b"\xb3\x80" + bytes(34)], longest=512),
    Target(
        "rtcp",
        report,
        [rtcp.build(rtcp.SenderReport(1, 2, 3, 4, 5, (_REPORT,)), rtcp.Cname(1, "a@b"), rtcp.Bye((1,)))],
        longest=512,
    ),
    Target("stun", check, [_CHECK], longest=512),
    Target("telephone-event", events, [b"\x05\x0a\x00\xa0\x00\x05\x8a\x03\x20"], longest=256),
    Target("control", frames, _COMMANDS),
)
