"""A SIP user agent for one call at a time over UDP, which carries whatever descriptions it is given: Chromium's."""

import hashlib
import queue
import random
import re
import socket
import threading

from softswitch.wire.sip import Request, Response, parse


class SipUser:
    """Known to the switch by its address. `call` and `wait` give the other side's description."""

    def __init__(self, user: str, host: str, port: int, switch: tuple[str, int]) -> None:
        self._user, self._host, self._port, self.switch = user, _bracketed(host), port, switch
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, port))
        self._socket.settimeout(0.1)
        self._requests: queue.Queue[Request] = queue.Queue()
        self._responses: queue.Queue[Response] = queue.Queue()
        self._tag, self._number = f"{random.getrandbits(48):x}", 0
        self._call_id = self._remote = self._target = ""
        self._local = f"<sip:{user}@{self._host}:{port}>;tag={self._tag}"
        self.invite: Request | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def call(self, number: str, offer: bytes, seconds: float = 20.0) -> bytes:
        """INVITE; the answer in the 200, or in an assertion the final response that it was instead."""
        self._call_id = f"{random.getrandbits(64):x}"
        host, port = _bracketed(self.switch[0]), self.switch[1]
        self._target = f"sip:{number}@{host}:{port}"
        self._remote = f"<sip:{number}@{host}:{port}>"
        self._send("INVITE", offer)
        while (response := self._responses.get(timeout=seconds)).status < 200:
            pass
        self._remote = str(response.headers.get("To"))
        if response.contacts:
            self._target = str(response.contacts[0].uri)
        self._send("ACK", number=self._number)
        assert response.status == 200, f"{response.status} {response.reason}: {response.headers.get('Warning')}"
        return response.body

    def wait(self, seconds: float = 20.0) -> bytes:
        """The offer of the next call."""
        self.invite = self._next("INVITE", seconds)
        self._call_id = self.invite.call_id
        self._remote = str(self.invite.headers.get("From"))
        self._target = str(self.invite.contacts[0].uri)
        return self.invite.body

    def answer(self, body: bytes, seconds: float = 10.0) -> None:
        """200 to the call that came."""
        assert self.invite is not None
        self._reply(self.invite, 200, body)
        self._next("ACK", seconds)

    def ask(self, method: str, *headers: str, seconds: float = 10.0) -> int:
        """Another request within the dialog; the status of its final response."""
        self._send(method, headers=headers)
        while (response := self._responses.get(timeout=seconds)).status < 200:
            pass
        return response.status

    def asked(self, method: str, seconds: float = 20.0) -> Request:
        """The next request of that method, which is answered."""
        return self._next(method, seconds)

    def register(self, domain: str, password: str, seconds: float = 10.0) -> None:
        """With digest (RFC 2617, MD5)."""
        self._target, self._remote = f"sip:{domain}", f"<sip:{self._user}@{domain}>"
        local, self._local = self._local, f"<sip:{self._user}@{domain}>;tag={self._tag}"
        self._call_id = f"{random.getrandbits(64):x}"
        self._send("REGISTER")
        asked = self._responses.get(timeout=seconds)
        found = re.search(r'nonce="([^"]*)"', asked.headers.get("WWW-Authenticate") or "")
        assert found is not None, asked
        secrets = (_md5(f"{self._user}:{domain}:{password}"), found[1], "00000001", "c", "auth")
        proof = _md5(":".join((*secrets, _md5(f"REGISTER:{self._target}"))))
        words = (
            f'username="{self._user}", realm="{domain}", nonce="{found[1]}", uri="{self._target}", response="{proof}"'
        )
        self._send("REGISTER", headers=(f'Authorization: Digest {words}, qop=auth, nc=00000001, cnonce="c"',))
        answer = self._responses.get(timeout=seconds)
        assert answer.status == 200, answer
        self._local = local

    def hang_up(self) -> None:
        self._send("BYE")
        response = self._responses.get(timeout=10.0)
        assert response.status == 200

    def hung_up(self, seconds: float = 20.0) -> Request:
        """The BYE of the other side, which is answered."""
        return self._next("BYE", seconds)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()

    def _next(self, method: str, seconds: float) -> Request:
        while True:
            request = self._requests.get(timeout=seconds)
            if request.method == method:
                return request

    def _send(self, method: str, body: bytes = b"", number: int = 0, headers: tuple[str, ...] = ()) -> None:
        if not number:
            self._number = number = self._number + 1
        kind = "Content-Type: application/sdp\r\n" if body else ""
        more = "".join(f"{header}\r\n" for header in headers)
        head = (
            f"{method} {self._target} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self._host}:{self._port};rport;branch=z9hG4bK{random.getrandbits(64):x}\r\n"
            f"Max-Forwards: 70\r\nFrom: {self._local}\r\nTo: {self._remote}\r\nCall-ID: {self._call_id}\r\n"
            f"CSeq: {number} {method}\r\nContact: <sip:{self._user}@{self._host}:{self._port}>\r\n"
            f"{kind}{more}Content-Length: {len(body)}\r\n\r\n"
        )
        self._socket.sendto(head.encode() + body, self.switch)

    def _reply(self, request: Request, status: int, body: bytes = b"") -> None:
        tag = None if "tag" in str(request.headers.get("To")) else self._tag
        response = Response.to_request(request, status, to_tag=tag)
        response.headers.add("Contact", f"<sip:{self._user}@{self._host}:{self._port}>")
        if body:
            response.headers.add("Content-Type", "application/sdp")
            response.body = body
            self._local = str(response.headers.get("To"))
        via = request.via
        to = self.switch if via.received is None else (via.received, via.rport or self.switch[1])
        self._socket.sendto(response.to_bytes(), to)

    def _read(self) -> None:
        last = b""
        while not self._stop.is_set():
            try:
                data, source = self._socket.recvfrom(65536)
            except TimeoutError:
                continue
            if data == last and not data.startswith(b"BYE"):
                continue  # sent again
            last = data
            message = parse(data)
            if isinstance(message, Response):
                self._responses.put(message)
                continue
            message.stamp(source[0], source[1])  # RFC 3581 §4
            if message.method == "INVITE":
                self._reply(message, 180)
            elif message.method != "ACK":
                self._reply(message, 200)
            self._requests.put(message)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()
