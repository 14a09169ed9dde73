"""A name server on loopback for tests: real DNS messages over UDP, with whatever faults a test asks for."""

import socket
import threading

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset


class NameServer:
    """`zone`: name to rows `TTL TYPE DATA`. `mood`: `well`, `silent`, `servfail`, `garbage`, `loop` (CNAMEs in a
    circle), `other` (the answer to another question). Runs in a thread, so that blocking tests can use it too."""

    def __init__(self, zone: dict[str, list[str]], host: str = "127.0.0.1") -> None:
        self.zone = zone
        self.mood = "well"
        self.asked: list[tuple[str, str]] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, 0))
        self.address = f"{host}:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                data, source = self._socket.recvfrom(4096)
            except OSError:
                return
            if not data:
                return
            answer = self._answer(dns.message.from_wire(data))
            if answer:
                self._socket.sendto(answer, source)

    def _answer(self, query: dns.message.Message) -> bytes:
        question = query.question[0]
        name, kind = question.name.to_text(), question.rdtype.name
        self.asked.append((kind, name))
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA | dns.flags.RA
        match self.mood:
            case "silent":
                return b""
            case "garbage":
                return response.to_wire()[:2] + b"\x84\x00\x00\x01\xff\xff\x00\x00\x00\x00\xc0\x0c\xc0\x0c"
            case "servfail":
                response.set_rcode(dns.rcode.SERVFAIL)
            case "loop":
                response.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", f"x.{name}"))
                response.answer.append(dns.rrset.from_text(f"x.{name}", 60, "IN", "CNAME", name))
            case "other":
                response.question[0] = dns.rrset.RRset(dns.name.from_text("other.test"), 1, question.rdtype)
            case _:
                self._fill(response, name, kind)
        return response.to_wire()

    def _fill(self, response: dns.message.Message, name: str, kind: str) -> None:
        rows = self.zone.get(name.rstrip("."))
        for row in rows or ():
            ttl, row_kind, data = row.split(" ", 2)
            if row_kind == kind:
                response.answer.append(dns.rrset.from_text(name, int(ttl), "IN", kind, data))
        if rows is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
        if not response.answer:
            soa = "ns.test. root.test. 1 3600 600 86400 40"
            response.authority.append(dns.rrset.from_text("test.", 3600, "IN", "SOA", soa))

    def close(self) -> None:
        """The port is refused from now on."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            host, _, port = self.address.rpartition(":")
            waker.sendto(b"", (host, int(port)))
        self._thread.join(5.0)
        self._socket.close()
