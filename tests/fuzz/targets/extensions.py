"""What extensions bring: diversions, privacy, Replaces, session timers, presence, WebSocket,
records of name servers."""

from softswitch.kernel.errors import PeerError
from softswitch.shell.masking import masked
from softswitch.shell.websocket import WebSocketFraming
from softswitch.sip import diversion, outbound, privacy, session_terms
from softswitch.sip.locating import Answer, Naptr, Srv, locate
from softswitch.sip.named_dialogs import Join, Replaces, TargetDialog, join_of, replaces_of, target_dialog_of
from softswitch.wire import dialog_info, pidf
from softswitch.wire.sip import BadMessage, Request, Response, Uri, parse
from tests.fuzz.targets.target import Target, refused

_INVITE = (
    "INVITE sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\n"
    "To: <sip:b@example.com>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContact: <sip:a@192.0.2.1>\r\n"
)
_FIELDS = (
    'Diversion: "B" <sip:100@x>;reason=user-busy;counter=2;privacy=full, <tel:+3701>;reason=no-answer',
    "History-Info: <sip:100@x?Reason=SIP%3Bcause%3D486>;index=1, <sip:200@x;cause=302>;index=1.1;mp=1",
    "Diversion: <sip:%0d%0aX:y@x>;reason=unknown",
    "Privacy: id;header;critical",
    'P-Asserted-Identity: "A" <sip:+3701@x>, <tel:+3701;phone-context=x>',
    'Remote-Party-ID: "A" <sip:1@x>;party=calling;privacy=full;screen=yes',
    "Replaces: 98732@x;from-tag=r33th4x0r;to-tag=ff87ff;early-only",
    "Join: 98732@x;from-tag=r33th4x0r;to-tag=ff87ff;x=y\r\nTarget-Dialog: a;local-tag=1;remote-tag=2",
    "Session-Expires: 4000;refresher=uac",
    "Min-SE: 90\r\nSupported: timer, 100rel\r\nRequire: 100rel",
    'Contact: <sip:a@192.0.2.1>;+sip.instance="<urn:uuid:0>";reg-id=1\r\nSupported: path, outbound',
)
_PIDF = pidf.pidf("sip:a@x", pidf.Presence("open", "at lunch", "meal"))
_OURS = {"udp": (4, 6), "tcp": (4,), "tls": (4,)}
_UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
)


def _frame(payload: bytes) -> bytes:
    """A masked text frame with a zero mask (RFC 6455 §5.2)."""
    return b"\x81\xfe" + len(payload).to_bytes(2, "big") + bytes(4) + payload


def fields(data: bytes) -> None:
    """Header fields of extensions in an INVITE that is otherwise good."""
    try:
        message = parse(_INVITE.encode() + data + b"\r\n\r\n")
    except PeerError as error:
        refused(error)
        return
    assert isinstance(message, Request)
    terms = session_terms.Terms()
    told = diversion.read(message.headers)
    for name, value in (*diversion.written(told, "pbx", True), *diversion.history(told, "1", "pbx", False)):
        assert name
        assert not any(sign < " " and sign != "\t" for sign in value), value
    diversion.total(told)
    for read in (
        lambda: privacy.hides_caller(privacy.wanted(message.headers)),
        lambda: privacy.number_of(privacy.asserted(message.headers)),
        lambda: privacy.remote_party(message.headers),
        lambda: replaces_of(message.headers),
        lambda: join_of(message.headers),
        lambda: target_dialog_of(message.headers),
        lambda: session_terms.refusal_of(message, terms),
        lambda: session_terms.too_short(message, terms),
        lambda: session_terms.session_expires(message),
        lambda: session_terms.min_se(message),
        lambda: outbound.wanted(message),
        lambda: [outbound.reg_id(contact) for contact in message.contacts],
    ):
        try:
            read()
        except PeerError as error:
            refused(error)


def named(data: bytes) -> None:
    """RFC 3891 §6.1, RFC 3911 §7.1, RFC 4538 §7: all parts are there."""
    for kind in (Replaces, Join, TargetDialog):
        try:
            found = kind.parse(data.decode("utf-8", "surrogateescape"))
        except PeerError as error:
            refused(error)
            continue
        assert all(getattr(found, name) for name in found.__struct_fields__[:3])


def presence(data: bytes) -> None:
    """RFC 3863: what is read can be written; no document type, no entities."""
    try:
        found = pidf.read(data)
    except PeerError as error:
        refused(error)
        return
    again = pidf.read(pidf.pidf("sip:a@x", found))
    assert again.basic == found.basic
    who = dialog_info.Participant(found.note, found.note)
    assert dialog_info.dialog_info("sip:a@x", 1, [dialog_info.DialogElement("1", "confirmed", local=who, remote=who)])


def websocket(data: bytes) -> None:
    """RFC 6455, RFC 7118: after a good handshake any bytes."""
    for start in (_UPGRADE, b""):
        framing = WebSocketFraming(())
        for item in framing.feed(start + data):
            if isinstance(item, BadMessage):
                refused(item)
            elif isinstance(item, Request | Response):
                item.to_bytes()
        framing.good_bye()


def records(data: bytes) -> None:
    """RFC 3263: whatever the name servers say, the search ends, with hops that can be sent to."""
    text = data.decode("utf-8", "replace").split("\n")
    try:
        uri = Uri.parse(text[0])
    except PeerError:
        return
    search = locate(uri, _OURS)
    said = [_answer(line) for line in text[1:9]] or [Answer((), 60.0)]
    try:
        questions = next(search)
        for _ in range(20):
            questions = search.send(tuple(said[number % len(said)] for number in range(len(questions))))
        raise AssertionError("asks for ever")
    except StopIteration as end:
        found = end.value
    assert all(hop.transport in _OURS and 0 < hop.port < 65536 for hop in found.hops)


def _answer(line: str) -> Answer:
    """`srv 1 2 5060 name`, `naptr 1 2 s SIP+D2U name`, an address, or nothing."""
    words = line.split()
    match words:
        case ["srv", rank, weight, port, name] if all(word.isdecimal() for word in (rank, weight, port)):
            return Answer((Srv(int(rank) % 65536, int(weight) % 65536, int(port) % 65536, name),), 60.0)
        case ["naptr", order, preference, flags, service, name] if order.isdecimal() and preference.isdecimal():
            return Answer((Naptr(int(order) % 65536, int(preference) % 65536, flags, service, name),), 60.0)
        case [address]:
            return Answer((address,), 60.0)
    return Answer((), 5.0, failed=bool(words))


def secrets(data: bytes) -> None:
    """What goes to a log has no proof of a password, wherever it stands."""
    proof = b"0123456789abcdef0123456789abcdef"
    head = _INVITE.encode() + b'Authorization: Digest username="a", response="' + proof + b'", nonce="n"\r\n'
    shown = masked(head + data.replace(b"\r\n\r\n", b"\r\n") + b"\r\n\r\n")
    assert proof not in shown


_RECORDS = [
    b"sip:example.com\nnaptr 1 2 s SIP+D2T _sip._tcp.example.com\nsrv 1 2 5060 a.example.com\n192.0.2.1\n::1",
    b"sips:example.com;transport=tcp\nsrv 0 0 5061 .\n",
]
TARGETS = (
    Target(
        "extension-fields", fields, [field.encode() for field in _FIELDS], (b"index=1", b"counter=", b"tel:+"), 1024
    ),
    Target(
        "named-dialogs",
        named,
        [b"98732@x;from-tag=r33th4x0r;to-tag=ff87ff;early-only", b"a;local-tag=1;remote-tag=2"],
        longest=256,
    ),
    Target("presence", presence, [_PIDF], (b"<!DOCTYPE", b"<!ENTITY", b"&lt;", b"<basic>closed</basic>"), 2048),
    Target("websocket", websocket, [_frame(_INVITE.encode() + b"\r\n"), b"\x89\x80" + bytes(4)], longest=2048),
    Target("name-records", records, _RECORDS, (b"naptr ", b"srv ", b"SIPS+D2T", b"\n"), 512),
    Target("masking", secrets, [b"Signal=5\r\n", b"a=crypto:1 AES inline:abc\r\n"], longest=1024),
)
