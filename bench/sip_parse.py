"""CPU of reading and writing SIP messages: `python bench/sip_parse.py` (best of several runs, microseconds).

Fresh: every message has a From, To, Contact and Request-URI never seen before, so no cache of parsed addresses helps.
Repeated: the addresses of one dialog come again, as in the messages of a call after the first.
"""

import time
from collections.abc import Callable
from itertools import count

from softswitch.wire.sip import Headers, NameAddr, Request, Response, Stream, Uri, Via, parse

_SDP = (
    "v=0\r\no=- 1700000000 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 8 0 9 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:9 G722/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=sendrecv\r\n"
)
_INVITE = (
    "INVITE sip:{to}@pbx.example.com SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-524287-1---{n:016x};rport\r\n"
    "Max-Forwards: 70\r\n"
    "Contact: <sip:{who}@192.0.2.10:5060;transport=udp>\r\n"
    "To: <sip:{to}@pbx.example.com>\r\n"
    'From: "Alice" <sip:{who}@pbx.example.com>;tag={tag}\r\n'
    "Call-ID: {n:x}-84b4c76e66710@192.0.2.10\r\n"
    "CSeq: 1 INVITE\r\n"
    "Allow: INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, MESSAGE, OPTIONS, INFO, SUBSCRIBE\r\n"
    "Content-Type: application/sdp\r\n"
    "Supported: replaces, norefersub, extended-refer, timer, outbound, path\r\n"
    "User-Agent: Some Phone 5.5.0\r\n"
    "Session-Expires: 1800;refresher=uac\r\n"
    "Allow-Events: presence, kpml, talk\r\n"
    "Content-Length: {length}\r\n\r\n{body}"
)
_BATCH = 500
_RUNS = 15
_serial = count(1)


def _invites(fresh: bool) -> list[bytes]:
    out = []
    for _ in range(_BATCH):
        n = next(_serial)
        m = n if fresh else 0
        text = _INVITE.format(n=n, to=2_000_000 + m, who=3_000_000 + m, tag=f"t{m:x}", length=len(_SDP), body=_SDP)
        out.append(text.encode())
    return out


def _touch(data: bytes) -> None:
    message = parse(data)
    _ = message.via.branch, message.from_.tag, message.to.uri, message.call_id, message.cseq.method


def _build(n: int) -> bytes:
    headers = Headers()
    headers.add("Via", f"SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{n:x};rport")
    headers.add("Max-Forwards", "70")
    headers.add("From", f"<sip:1001@pbx.example.com>;tag={n:x}")
    headers.add("To", "<sip:1002@pbx.example.com>")
    headers.add("Call-ID", f"{n:x}@pbx.example.com")
    headers.add("CSeq", "1 INVITE")
    headers.add("Contact", "<sip:192.0.2.1:5060>")
    headers.add("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REFER, NOTIFY")
    headers.add("Supported", "replaces, timer")
    headers.add("Content-Type", "application/sdp")
    return Request("INVITE", Uri("sip", "1002", None, "192.0.2.20", 5060), headers, _BODY).to_bytes()


_BODY = _SDP.encode()


def _best(what: str, action: Callable[[list[bytes]], object], prepare: Callable[[], list[bytes]], each: int) -> None:
    best = float("inf")
    for _ in range(_RUNS):
        batch = prepare()
        start = time.process_time_ns()
        action(batch)
        best = min(best, (time.process_time_ns() - start) / each / 1000)
    print(f"{what:<52}{best:8.2f} µs")


def main() -> None:
    """Print the table."""

    def read(batch: list[bytes]) -> None:
        for data in batch:
            _touch(data)

    def fresh() -> list[bytes]:
        return _invites(True)

    def repeated() -> list[bytes]:
        return _invites(False)

    def write(batch: list[bytes]) -> None:
        for message in parsed:
            message.to_bytes()

    def build(batch: list[bytes]) -> None:
        for n in range(_BATCH):
            _build(n)

    def answer(batch: list[bytes]) -> None:
        for message in parsed:
            Response.to_request(message, 180, to_tag="abc").to_bytes()

    def stream(batch: list[bytes]) -> None:
        Stream().feed(b"".join(batch))

    def stamp(batch: list[bytes]) -> None:
        for message in parsed:
            message.copy().stamp("192.0.2.99", 5062)

    def via(batch: list[bytes]) -> None:
        for _ in range(_BATCH):
            Via.parse("SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-524287-1;rport")

    def name_addr(batch: list[bytes]) -> None:
        for _ in range(_BATCH):
            NameAddr.parse('"Alice" <sip:1001@pbx.example.com>;tag=8a7b6c5d')

    parsed = [message for data in repeated() if isinstance(message := parse(data), Request)]
    _best("parse INVITE (14 fields, SDP) and 5 views, fresh", read, fresh, _BATCH)
    _best("parse INVITE (14 fields, SDP) and 5 views, repeated", read, repeated, _BATCH)
    _best("to_bytes of that INVITE", write, repeated, _BATCH)
    _best("build and write an INVITE of 10 fields", build, repeated, _BATCH)
    _best("180 to that INVITE, written", answer, repeated, _BATCH)
    _best("copy and stamp received/rport", stamp, repeated, _BATCH)
    _best("Stream.feed, one message of a large read", stream, repeated, _BATCH)
    _best("Via.parse", via, repeated, _BATCH)
    _best("NameAddr.parse, repeated", name_addr, repeated, _BATCH)


if __name__ == "__main__":
    main()
