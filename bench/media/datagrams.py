"""Many UDP packets a system call, from many addresses, with the kernel's own time of arrival.

A handful of sockets serves thousands of phones: `sendmmsg` takes the packets of consecutive phones in one call, each
from an address of its own out of 127.0.0.0/8 (`IP_PKTINFO`), and `recvmmsg` brings what came with its time stamp
(`SO_TIMESTAMPNS`), taken when the sender's packet entered the loopback; so a delay does not hold the time that the
generator itself needed to look. The message heads are numpy tables that the kernel reads and writes in place.

This is cheaper than io_uring with a socket a phone (no completion, no re-arming, no buffer to give back), and runs
where io_uring is forbidden, so that both backends are measured under the same load.
"""

import ctypes
import socket
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Octets: TypeAlias = NDArray[np.uint8]

ROOM: Final = 512
"""Octets that a packet may usually have."""
_AT_ONCE: Final = 1024  # the kernel's own limit of one call (UIO_MAXIOV)
_PHONES_A_SOCKET: Final = 64
_ADDRESSES: Final = 250  # of one /24
_IP_PKTINFO: Final = 8
_SO_TIMESTAMPNS: Final = 35
_SO_RCVBUFFORCE: Final = 33

_HEAD: Final = np.dtype(
    {
        "names": ["name", "namelen", "iov", "iovlen", "control", "controllen", "flags", "length"],
        "offsets": [0, 8, 16, 24, 32, 40, 48, 56],
        "formats": ["u8", "u4", "u8", "u8", "u8", "u8", "i4", "u4"],
        "itemsize": 64,
    }
)  # struct mmsghdr
_PIECE: Final = np.dtype([("base", "u8"), ("length", "u8")])  # struct iovec
_NAME: Final = np.dtype([("family", "u2"), ("port", ">u2"), ("host", ">u4"), ("zero", "u8")])  # struct sockaddr_in
_SOURCE: Final = np.dtype(
    [
        ("length", "u8"),
        ("level", "i4"),
        ("type", "i4"),
        ("index", "i4"),
        ("source", ">u4"),
        ("host", "u4"),
        ("pad", "u4"),
    ]
)  # struct cmsghdr with struct in_pktinfo
_STAMP: Final = np.dtype([("length", "u8"), ("level", "i4"), ("type", "i4"), ("seconds", "i8"), ("nanoseconds", "i8")])

_libc = ctypes.CDLL(None, use_errno=True)
_libc.sendmmsg.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]
_libc.recvmmsg.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p]


def _where(table: NDArray[Any]) -> Ints:
    """The address of each row."""
    return table.ctypes.data + np.arange(len(table), dtype=np.int64) * table.strides[0]


class Datagrams:
    """`packets` [phones, room] and `lengths` are what each phone sends next; `ports` the ports that they send to."""

    def __init__(self, phones: int, room: int = ROOM) -> None:
        self.phones = phones
        self.packets: Octets = np.zeros((phones, room), np.uint8)
        self._group = np.arange(phones) // _PHONES_A_SOCKET
        pairs = [_pair() for _ in range(int(self._group[-1]) + 1)]
        self._sockets = [pair[0] for pair in pairs]
        self._reports = [pair[1] for pair in pairs]
        self._fds = [one.fileno() for one in self._sockets]
        number = np.arange(phones)
        hosts = (127 << 24) + (20 << 16) + ((number // _ADDRESSES) << 8) + number % _ADDRESSES + 1
        self.addresses = [
            (socket.inet_ntoa(int(host).to_bytes(4, "big")), self._sockets[group].getsockname()[1])
            for host, group in zip(hosts, self._group, strict=True)
        ]
        self._names = np.zeros(phones, _NAME)
        self._names["family"] = socket.AF_INET
        self._names["host"] = 127 << 24 | 1
        self._sources = np.zeros(phones, _SOURCE)
        self._sources["length"], self._sources["type"], self._sources["source"] = 28, _IP_PKTINFO, hosts
        self._pieces = np.zeros(phones, _PIECE)
        self._pieces["base"] = _where(self.packets)
        self._out = _heads(self._names, self._pieces, self._sources)
        self._out_at = self._out.ctypes.data
        self._from = np.zeros(_AT_ONCE, _NAME)
        self._stamps = np.zeros(_AT_ONCE, _STAMP)
        self._octets: Octets = np.zeros((_AT_ONCE, ROOM), np.uint8)
        self._room = np.zeros(_AT_ONCE, _PIECE)
        self._room["base"], self._room["length"] = _where(self._octets), ROOM
        self._in = _heads(self._from, self._room, self._stamps)
        self._in_at = self._in.ctypes.data

    @property
    def lengths(self) -> NDArray[np.uint64]:
        """Octets of each phone's next packet."""
        return self._pieces["length"]

    @property
    def arena(self) -> Octets:
        """[1,024, ROOM]: where `receive` puts what has come."""
        return self._octets

    @property
    def ports(self) -> NDArray[np.uint16]:
        """The port on 127.0.0.1 that each phone sends to."""
        return self._names["port"]

    def speak_as(self, phones: slice, other: int) -> None:
        """From now on `phones` send from the address of `other`, which shares their socket."""
        self._sources["source"][phones] = self._sources["source"][other]

    def send(self, first: int, last: int) -> int:
        """The packets of the phones `first` … `last` − 1. Returns how many the kernel refused."""
        refused = 0
        while first < last:
            group = first // _PHONES_A_SOCKET
            end = min(last, (group + 1) * _PHONES_A_SOCKET)
            done = _libc.sendmmsg(self._fds[group], self._out_at + first * 64, end - first, 0)
            if done <= 0:
                refused, done = refused + 1, 1  # one that the kernel does not want; the others go on
            first += done
        return refused

    def receive(self) -> tuple[NDArray[np.uint16], Floats, Ints, Octets]:
        """What has come, at most 1,024 packets: the port that each comes from, its time of arrival in seconds
        (`CLOCK_REALTIME`), its length and octets. The octets stay until the next call."""
        n = 0
        for fd in self._fds:
            got = _libc.recvmmsg(fd, self._in_at + n * 64, _AT_ONCE - n, socket.MSG_DONTWAIT, None)
            if got > 0:
                n += got
                if n == _AT_ONCE:
                    break
        heads, stamps = self._in[:n], self._stamps[:n]
        heads["namelen"], heads["controllen"] = 16, _STAMP.itemsize
        at = stamps["seconds"] + stamps["nanoseconds"] * 1e-9
        return self._from["port"][:n].astype(np.uint16), at, heads["length"].astype(np.int64), self._octets[:n]

    def drop_reports(self) -> int:
        """Read and forget what came to the RTCP ports; how many packets that were."""
        count = 0
        for waiting in self._reports:
            try:
                while waiting.recv(2048):
                    count += 1
            except BlockingIOError:
                pass
        return count

    def close(self) -> None:
        for one in (*self._sockets, *self._reports):
            one.close()


def _heads(names: NDArray[Any], pieces: NDArray[Any], controls: NDArray[Any]) -> NDArray[Any]:
    heads = np.zeros(len(names), _HEAD)
    heads["name"], heads["namelen"] = _where(names), names.itemsize
    heads["iov"], heads["iovlen"] = _where(pieces), 1
    heads["control"], heads["controllen"] = _where(controls), controls.itemsize
    return heads


def _pair() -> tuple[socket.socket, socket.socket]:
    """Sockets on an even port and the next one, on all addresses of the loopback."""
    for _ in range(200):
        first = _socket()
        port = _bind(first, 0)
        if port % 2 == 0:
            second = _socket()
            try:
                _bind(second, port + 1)
            except OSError:
                second.close()
            else:
                return first, second
        first.close()
    raise SystemExit("no pair of free ports")


def _socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    try:
        made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 1 << 22)  # as root only
    except PermissionError:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    return made


def _bind(one: socket.socket, port: int) -> int:
    """On every address, since each phone has one of its own; only the loopback's are ever spoken to."""
    one.bind(("0.0.0.0", port))
    return int(one.getsockname()[1])
