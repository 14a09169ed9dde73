"""A SIP peer over UDP that writes its messages letter by letter, as odd devices do."""

import random
import re
import socket
import time

from softswitch.wire.sip import Request, Response, parse

SDP = (
    "v=0\r\no=- 20518 0 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
)


class RawPeer:
    """One address. `switch` is where its datagrams go."""

    def __init__(self, host: str, port: int, switch: tuple[str, int]) -> None:
        self.host, self.switch = host, switch
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, port))
        self.port = int(self._socket.getsockname()[1])
        self.sdp = SDP.format(host=host, port=30000 + self.port % 20000)

    def close(self) -> None:
        self._socket.close()

    def send(self, data: bytes | str) -> None:
        """One datagram; text has LF alone where it means CRLF."""
        if isinstance(data, str):
            data = re.sub(r"\r?\n", "\r\n", data).encode("utf-8", "surrogateescape")
        self._socket.sendto(data, self.switch)

    def heard(self, seconds: float = 10.0) -> Request | Response:
        """The next message, whatever it is. Raises `TimeoutError`."""
        end = time.monotonic() + seconds
        while True:
            self._socket.settimeout(max(end - time.monotonic(), 0.001))
            data, source = self._socket.recvfrom(65536)
            if not data.strip(b"\r\n\0"):
                continue
            message = parse(data)
            if isinstance(message, Request):
                message.stamp(*source[:2])
            return message

    def response(self, call_id: str, method: str = "INVITE", seconds: float = 10.0) -> Response:
        """The final response to the request of that call and method. Raises `TimeoutError`."""
        while True:
            message = self.heard(seconds)
            if not isinstance(message, Response) or message.status < 200:
                continue
            if (message.call_id, message.cseq.method) == (call_id, method):
                return message

    def request(self, method: str, seconds: float = 10.0, call_id: str = "") -> Request:
        """The next request of that method. Raises `TimeoutError`."""
        while True:
            message = self.heard(seconds)
            if isinstance(message, Request) and message.method == method and call_id in ("", message.call_id):
                return message

    def quiet(self, seconds: float = 0.3) -> list[Request | Response]:
        """What comes within that time."""
        found = []
        try:
            while True:
                found.append(self.heard(seconds))
        except TimeoutError:
            return found

    def reply(self, request: Request, status: int, *lines: str, body: str = "", tag: str = "callee") -> None:
        """A response in the usual form, with further header lines; no To tag when `tag` is empty."""
        to = str(request.headers.get("To"))
        if tag and "tag=" not in to:
            to += f";tag={tag}"
        head = [f"SIP/2.0 {status} Whatever", *(f"Via: {via}" for via in request.headers.all("Via"))]
        head += [f"From: {request.headers.get('From')}", f"To: {to}", f"Call-ID: {request.call_id}"]
        head += [f"CSeq: {request.headers.get('CSeq')}", *lines]
        head += ["Content-Type: application/sdp"] if body else []
        self.send("\n".join([*head, f"Content-Length: {len(body.encode())}", "", body]))


class Call:
    """A call that the peer makes. Each part of the INVITE may be written otherwise."""

    def __init__(self, peer: RawPeer, number: str = "300", user: str = "+15550001", **parts: str) -> None:
        host, port = peer.host, peer.port
        self.peer = peer
        self.parts = {
            "uri": f"sip:{number}@{peer.switch[0]}:{peer.switch[1]}",
            "via": f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{token()};rport",
            "forwards": "Max-Forwards: 70",
            "from": f"From: <sip:{user}@{host}:{port}>;tag={token()}",
            "to": f"To: <sip:{number}@{peer.switch[0]}>",
            "call_id": f"Call-ID: {token()}@{host}",
            "cseq": "CSeq: 1 INVITE",
            "contact": f"Contact: <sip:{user}@{host}:{port}>",
            "more": "",
            "type": "Content-Type: application/sdp",
            "length": "",
            "body": peer.sdp,
        } | parts
        self.call_id = self.parts["call_id"].partition(":")[2].strip()
        self.answer: Response | None = None
        self._number = int(re.findall(r"\d+", self.parts["cseq"])[0])

    def text(self) -> str:
        """The INVITE as it goes out."""
        parts = self.parts
        body = re.sub(r"\r?\n", "\r\n", parts["body"])
        length = parts["length"] or f"Content-Length: {len(body.encode())}"
        names = ("via", "forwards", "from", "to", "call_id", "cseq", "contact", "more", "type")
        lines = [parts[name] for name in names if parts[name]]
        if length != "none":
            lines.append(length)
        return "\n".join([f"INVITE {parts['uri']} SIP/2.0", *lines, "", body])

    def invite(self) -> Response:
        """The final response, which is acknowledged."""
        self.peer.send(self.text())
        self.answer = self.peer.response(self.call_id)
        self.ack()
        return self.answer

    def ack(self) -> None:
        assert self.answer is not None
        self.peer.send(self.within("ACK", number=self._number))

    def within(self, method: str, *lines: str, body: str = "", number: int = 0, branch: str = "") -> str:
        """A request within the dialog."""
        assert self.answer is not None
        contacts = self.answer.contacts
        target = str(contacts[0].uri) if contacts else self.parts["uri"]
        if not number:
            self._number = number = self._number + 1
        branch = branch or f"z9hG4bK{token()}"
        kind = ["Content-Type: application/sdp"] if body else []
        return "\n".join([
            f"{method} {target} SIP/2.0", f"Via: SIP/2.0/UDP {self.peer.host}:{self.peer.port};branch={branch};rport",
            "Max-Forwards: 70", f"From: {self.answer.headers.get('From')}", f"To: {self.answer.headers.get('To')}",
            f"Call-ID: {self.call_id}", f"CSeq: {number} {method}",
            f"Contact: <sip:x@{self.peer.host}:{self.peer.port}>", *lines, *kind,
            f"Content-Length: {len(body.encode())}", "", body,
        ])  # fmt: skip

    def ask(self, method: str, *lines: str, body: str = "", branch: str = "") -> int:
        """A request within the dialog; the status of its final response."""
        self.peer.send(self.within(method, *lines, body=body, branch=branch))
        response = self.peer.response(self.call_id, method)
        if method == "INVITE":
            self.peer.send(self.within("ACK", number=self._number))
        return response.status

    def over(self) -> None:
        assert self.ask("BYE") == 200


def token() -> str:
    return f"{random.getrandbits(64):016x}"
