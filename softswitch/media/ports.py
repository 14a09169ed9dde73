"""The UDP sockets of a media process: a pair a slot (RTP, RTCP), and a twin of the RTP socket for a settled source.

The twin is bound to the same port and connected to that source: the kernel prefers the best match, so it takes the
source's packets, and without addresses to build and routes to look up sending costs about 40 % less. Everyone else's
packets still reach the first socket, to be judged and counted.
"""

import errno
import socket
from typing import Final

from softswitch.kernel.errors import LocalError
from softswitch.media.arena import Address
from softswitch.wire.control import Slot

_RTP_BUFFER: Final = 128 * 1024  # octets; about 100 packets: two seconds of a stalled process
_RTCP_BUFFER: Final = 16 * 1024
_MAPPED: Final = "::ffff:"
_BUSY: Final = (errno.EADDRINUSE, errno.EACCES)


class Ports:
    """`host` `*` is every address of both families: IPv4 peers then come and go as IPv4-mapped IPv6 addresses (RFC
    3493 §3.7), which `wide` and `plain` translate. Slot n is the n-th even port of the range and the odd one after it.
    `rtp` and `rtcp` by row, once bound; `twins` by row, while settled."""

    def __init__(self, host: str, ports: tuple[int, int]) -> None:
        """Raises `LocalError` when the range holds no pair."""
        self.both = host == "*"
        self.family = socket.AF_INET6 if ":" in host or self.both else socket.AF_INET
        self._host = "::" if self.both else host
        self._first = ports[0] + ports[0] % 2
        self.capacity = max((ports[1] - self._first + 1) // 2, 0)
        if not self.capacity:
            raise LocalError(f"ports {ports[0]}-{ports[1]}: no room for an even port and the odd one after it")
        self._next = 0
        self.rtp: dict[int, socket.socket] = {}
        self.rtcp: dict[int, socket.socket] = {}
        self.twins: dict[int, socket.socket] = {}

    def bind(self, count: int) -> list[Slot]:
        """Up to `count` more slots; busy ports are left out. Raises `LocalError` when the address is not ours or
        descriptors run out at the first slot."""
        slots: list[Slot] = []
        while len(slots) < count and self._next < self.capacity:
            row = self._next
            port = self._first + 2 * row
            try:
                rtp = self._socket(port, _RTP_BUFFER)
                try:
                    rtcp = self._socket(port + 1, _RTCP_BUFFER)
                except OSError:
                    rtp.close()
                    raise
            except OSError as error:
                if error.errno in _BUSY:
                    self._next += 1
                    continue
                if slots or self.rtp:
                    break  # out of descriptors or memory: what is bound stays
                raise LocalError(f"cannot bind {self._host} port {port}: {error.strerror}") from error
            self._next += 1
            self.rtp[row], self.rtcp[row] = rtp, rtcp
            slots.append(Slot(row, port))
        return slots

    def wide(self, address: Address) -> Address:
        """As the sockets want it."""
        return (f"{_MAPPED}{address[0]}", address[1]) if self.both and ":" not in address[0] else address

    def plain(self, address: Address) -> Address:
        """As people write it."""
        return (address[0].removeprefix(_MAPPED), address[1]) if self.both else address

    def drain(self, row: int) -> None:
        """Throw away what waits in the RTP socket (old RTCP does no harm: it names neither host nor SSRC of the new
        peer)."""
        try:
            while True:
                self.rtp[row].recv(1)
        except OSError:
            return

    def settle(self, row: int, address: Address) -> socket.socket | None:
        """Make the twin of `row`, connected to `address`; None when the kernel refuses, and all works as well."""
        main = self.rtp[row]
        try:
            # After its own bind, so that busy ports are seen.
            main.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            try:
                made = self._socket(main.getsockname()[1], _RTP_BUFFER, shared=True)
            finally:
                main.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
        except OSError:
            return None
        try:
            made.connect(self.wide(address))
        except OSError:
            made.close()
            return None
        self.twins[row] = made
        return made

    def unsettle(self, row: int) -> socket.socket | None:
        """The twin that was, for the caller to close."""
        return self.twins.pop(row, None)

    def _socket(self, port: int, buffer: int, *, shared: bool = False) -> socket.socket:
        made = socket.socket(self.family, socket.SOCK_DGRAM)
        try:
            made.setblocking(False)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            if self.family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not self.both)
            if shared:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            made.bind((self._host, port))
        except OSError:
            made.close()
            raise
        return made
