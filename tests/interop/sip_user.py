"""A SIP user agent over UDP, one line or more at one address, which carries whatever descriptions it is given."""

import hashlib
import queue
import random
import re
import socket
import threading

from softswitch.wire.sip import Request, Response, parse
from tests.interop.switch_process import PATIENCE


class SipUser:
    """One line. Known to the switch by its address; `call` and `wait` give the other side's description."""

    def __init__(self, user: str, host: str, port: int, switch: tuple[str, int]) -> None:
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((host, port))
        sock.settimeout(0.1)
        self._begin(user, host, port, switch, sock)
        self._lines = [self]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _begin(self, user: str, host: str, port: int, switch: tuple[str, int], sock: socket.socket) -> None:
        self._user, self._host, self._port, self.switch = user, _bracketed(host), port, switch
        self._socket = sock
        self._requests: queue.Queue[Request] = queue.Queue()
        self._responses: queue.Queue[Response] = queue.Queue()
        self._tag, self._number = f"{random.getrandbits(48):x}", 0
        self.call_id = self._remote = self._target = ""
        self._local = f"<sip:{user}@{self._host}:{port}>;tag={self._tag}"
        self.invite: Request | None = None
        self._branch = ""

    def another(self) -> "SipUser":
        """A further line at the same address. Calls that come are its own until it has one."""
        line = SipUser.__new__(SipUser)
        line._begin(self._user, self._host, self._port, self.switch, self._socket)
        self._lines.append(line)
        return line

    @property
    def busy(self) -> bool:
        """Whether it has had a call, or has one."""
        return bool(self.call_id)

    def call(self, number: str, offer: bytes, seconds: float = PATIENCE, headers: tuple[str, ...] = ()) -> bytes:
        """INVITE; the answer in the 200, or in an assertion the final response that it was instead."""
        self.dial(number, offer, headers)
        response = self.answered(seconds)
        assert response.status == 200, f"{response.status} {response.reason}: {response.headers.get('Warning')}"
        return response.body

    def dial(self, number: str, offer: bytes, headers: tuple[str, ...] = ()) -> None:
        """INVITE, and no waiting."""
        self.call_id = f"{random.getrandbits(64):x}"
        host, port = _bracketed(self.switch[0]), self.switch[1]
        self._target = f"sip:{number}@{host}:{port}"
        self._remote = f"<sip:{number}@{host}:{port}>"
        self._send("INVITE", offer, headers=headers)

    def progressed(self, status: int, seconds: float = PATIENCE) -> Response:
        """The provisional response of that status."""
        while (response := self._responses.get(timeout=seconds)).status != status:
            assert response.status < 200, f"{response.status} {response.reason}"
        self._remote = str(response.headers.get("To"))
        return response

    def answered(self, seconds: float = PATIENCE) -> Response:
        """The final response to `dial`, acknowledged."""
        while (response := self._responses.get(timeout=seconds)).status < 200 or response.cseq.method != "INVITE":
            pass
        self._remote = str(response.headers.get("To"))
        if response.status >= 300:  # RFC 3261 §17.1.1.3
            self._send("ACK", number=self._number, branch=self._branch)
            return response
        if response.contacts:
            self._target = str(response.contacts[0].uri)
        self._send("ACK", number=self._number)
        return response

    def wait(self, seconds: float = PATIENCE) -> bytes:
        """The offer of the next call."""
        self.invite = self._next("INVITE", seconds)
        self.call_id = self.invite.call_id
        self._remote = str(self.invite.headers.get("From"))
        self._target = str(self.invite.contacts[0].uri)
        return self.invite.body

    def answer(self, body: bytes, seconds: float = PATIENCE) -> None:
        """200 to the call that came."""
        assert self.invite is not None
        self._reply(self.invite, 200, body)
        self._next("ACK", seconds)

    def refuse(self, status: int) -> None:
        """Another final response to the call that came."""
        assert self.invite is not None
        self._reply(self.invite, status)

    def ask(self, method: str, *headers: str, seconds: float = PATIENCE, body: bytes = b"") -> int:
        """Another request within the dialog; the status of its final response."""
        self._send(method, body, headers=headers)
        while (response := self._responses.get(timeout=seconds)).status < 200 or response.cseq.method != method:
            pass
        if method == "INVITE":
            self._send("ACK", number=self._number, branch="" if response.status < 300 else self._branch)
        return response.status

    def asked(self, method: str, seconds: float = PATIENCE) -> Request:
        """The next request of that method, which is answered."""
        return self._next(method, seconds)

    def register(self, domain: str, password: str, seconds: float = PATIENCE) -> None:
        """With digest (RFC 2617, MD5)."""
        self._target, self._remote = f"sip:{domain}", f"<sip:{self._user}@{domain}>"
        local, self._local = self._local, f"<sip:{self._user}@{domain}>;tag={self._tag}"
        self.call_id = f"{random.getrandbits(64):x}"
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

    def replaces(self) -> str:
        """This dialog as a Replaces header of another names it, seen from the switch (RFC 3891 §3)."""
        theirs = self._remote.rpartition("tag=")[2]
        ours = self._local.rpartition("tag=")[2]
        return f"{self.call_id};to-tag={theirs};from-tag={ours}"

    def hang_up(self) -> None:
        assert self.ask("BYE") == 200

    def hung_up(self, seconds: float = PATIENCE) -> Request:
        """The BYE of the other side, which is answered."""
        return self._next("BYE", seconds)

    def close(self) -> None:
        self._stop.set()
        self._socket.sendto(b"", self._socket.getsockname())  # wakes the reader
        self._thread.join()
        self._socket.close()

    def _next(self, method: str, seconds: float) -> Request:
        while True:
            request = self._requests.get(timeout=seconds)
            if request.method == method:
                return request

    def _send(
        self, method: str, body: bytes = b"", number: int = 0, headers: tuple[str, ...] = (), branch: str = ""
    ) -> None:
        if not number:
            self._number = number = self._number + 1
        branch = branch or f"z9hG4bK{random.getrandbits(64):x}"
        if method == "INVITE":
            self._branch = branch
        kind = "Content-Type: application/sdp\r\n" if body else ""
        more = "".join(f"{header}\r\n" for header in headers)
        head = (
            f"{method} {self._target} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self._host}:{self._port};rport;branch={branch}\r\n"
            f"Max-Forwards: 70\r\nFrom: {self._local}\r\nTo: {self._remote}\r\nCall-ID: {self.call_id}\r\n"
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
        seen: set[bytes] = set()
        while not self._stop.is_set():
            try:
                data, source = self._socket.recvfrom(65536)
            except TimeoutError:
                continue
            if self._stop.is_set():
                break
            message = parse(data)
            again = data in seen
            seen.add(data)
            line = self._line_of(message.call_id)
            if isinstance(message, Response):
                if not again and line.call_id == message.call_id:
                    line._responses.put(message)
                continue
            message.stamp(source[0], source[1])  # RFC 3581 §4
            if message.method == "INVITE" and not again:
                line._reply(message, 180)
            elif message.method not in ("ACK", "INVITE"):
                line._reply(message, 200)
            if not again:
                line._requests.put(message)

    def _line_of(self, call_id: str) -> "SipUser":
        """Who has that call; a new one is the latest line's while that has none, else the first's."""
        known = next((line for line in self._lines if line.call_id == call_id), None)
        return known or (self._lines[0] if self._lines[-1].busy else self._lines[-1])


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()
