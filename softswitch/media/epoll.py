"""The backend for every Linux: non-blocking sockets, `epoll`, one system call a packet."""

import select
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

from softswitch.kernel.clock import Duration
from softswitch.media.arena import SIZE, Address, Arena, Batch, Packets
from softswitch.media.ports import Ports
from softswitch.wire.control import Slot

_EVENTS: Final = 1024  # more than a look returns
_SLOTS: Final = 4 * _EVENTS
_STALL: Final = 0.015  # seconds since the last look after which sockets may hold several packets
_PATIENCE: Final = 16  # looks
_PASSES: Final = 8  # looks at the sockets then, before the clock gets its turn


class EpollBackend:
    """See `Backend`."""

    name = "epoll"

    def __init__(self, host: str, ports: tuple[int, int], why: str = "") -> None:
        """Raises `LocalError` when the range holds no pair."""
        self.why = why
        self._ports = Ports(host, ports)
        self.capacity = self._ports.capacity
        self.sent = self.dropped = 0
        self._epoll = select.epoll()
        self._readers: dict[int, tuple[Callable[..., Any], int, int, Address | None]] = {}
        self._report_rows: dict[int, int] = {}
        self._aims: list[Address | None] = [None] * self.capacity
        self._sendto: list[Callable[[memoryview | bytes, Address], int] | None] = [None] * self.capacity
        self._send: list[Callable[[memoryview | bytes], int] | None] = [None] * self.capacity
        self.arena = Arena(_SLOTS)
        self.full = False
        self._looked = 0.0
        self._arming: dict[int, int] = {}  # rows whose twin is not read yet, and how many looks it may wait
        self._passes = 1
        self._views = [self.arena.memory[i * SIZE : (i + 1) * SIZE] for i in range(_SLOTS)]
        self._used = 0
        self._events: list[tuple[int, int]] = []
        self._pending_reports: list[tuple[int, bytes, Address]] = []

    # -------------------------------------------------------------------------------------------------------- sockets

    def bind(self, count: int) -> list[Slot]:
        """See `Backend`."""
        slots = self._ports.bind(count)
        for slot in slots:
            self._sendto[slot.slot] = self._ports.rtp[slot.slot].sendto
        return slots

    def key(self, address: Address) -> int:
        """See `Backend`: Python's salted hash, which a stranger cannot aim at."""
        return hash(address) or 1

    def open(self, row: int) -> None:
        """See `Backend`."""
        rtp, rtcp = self._ports.rtp[row], self._ports.rtcp[row]
        self._ports.drain(row)
        self._readers[rtp.fileno()] = (rtp.recvfrom_into, row, 0, None)
        self._report_rows[rtcp.fileno()] = row
        self._epoll.register(rtp.fileno(), select.EPOLLIN)
        self._epoll.register(rtcp.fileno(), select.EPOLLIN)

    def close(self, row: int) -> None:
        """See `Backend`."""
        rtp, rtcp = self._ports.rtp[row].fileno(), self._ports.rtcp[row].fileno()
        self.settle(row, None)
        del self._readers[rtp], self._report_rows[rtcp]
        self._epoll.unregister(rtp)
        self._epoll.unregister(rtcp)
        self._aims[row] = None

    def aim(self, row: int, address: Address | None) -> None:
        """See `Backend`."""
        self._aims[row] = None if address is None else self._ports.wide(address)

    def settle(self, row: int, address: Address | None) -> None:
        """See `Backend`: makes or closes the connected twin; without it all works as well."""
        if (old := self._ports.unsettle(row)) is not None:
            self._send[row] = None
            self._arming.pop(row, None)
            del self._readers[old.fileno()]
            old.close()
        if address is None or (made := self._ports.settle(row, address)) is None:
            return
        self._readers[made.fileno()] = (made.recv_into, row, self.key(address), address)
        self._send[row] = made.send
        self._arming[row] = _PATIENCE

    def watch(self, fd: int) -> None:
        """See `Backend`."""
        self._epoll.register(fd, select.EPOLLIN)

    def unwatch(self, fd: int) -> None:
        """See `Backend`."""
        self._epoll.unregister(fd)

    # ------------------------------------------------------------------------------------------------------ receiving

    def wait(self, timeout: Duration | None, gather: Duration) -> list[int]:
        """See `Backend`."""
        if gather > 0:
            time.sleep(gather)
            timeout = 0.0 if timeout is None else max(timeout - gather, 0.0)
        self._events = self._epoll.poll(timeout)
        now = time.monotonic()
        self._passes = _PASSES if now - self._looked > _STALL else 1
        self._looked = now
        if self._arming:
            self._arm_twins()
        readers, reports = self._readers, self._report_rows
        return [fd for fd, _ in self._events if fd not in readers and fd not in reports]

    def _arm_twins(self) -> None:
        """Twins are read from when the first socket has nothing left: what waited there comes first. But strangers
        may keep that one full."""
        full = {fd for fd, _ in self._events}
        for row, looks in list(self._arming.items()):
            if looks and self._ports.rtp[row].fileno() in full:
                self._arming[row] = looks - 1
            else:
                del self._arming[row]
                self._epoll.register(self._ports.twins[row].fileno(), select.EPOLLIN)

    def batches(self) -> Iterator[Batch]:
        """See `Backend`: one packet a socket and look, so that a flood at one port leaves the others their turn."""
        for left in range(self._passes, 0, -1):
            if not self._events:
                return
            batch = self._read(self._events)
            if batch.rows:
                yield batch
            self._events = self._epoll.poll(0) if batch.rows and left > 1 else []

    def recycle(self) -> None:
        """See `Backend`."""
        self._used = 0
        self.full = False

    def _read(self, events: list[tuple[int, int]]) -> Batch:
        """The hottest loop of the process, so plainer than the rules."""
        readers, views, first = self._readers, self._views, self._used
        plain = self._ports.plain if self._ports.both else None
        rows: list[int] = []
        lengths: list[int] = []
        keys: list[int] = []
        addresses: list[Address] = []
        at = first
        for fd, _ in events:
            reader = readers.get(fd)
            if reader is None:
                if fd in self._report_rows:
                    self._read_report(fd)
                continue
            receive, row, key, address = reader
            try:
                if address is not None:
                    length = receive(views[at])
                else:
                    length, source = receive(views[at])
                    address = source[:2] if plain is None else plain(source[:2])
                    key = hash(address) or 1
            except OSError:
                continue  # nothing there after all, or an ICMP error for a packet of ours
            rows.append(row)
            lengths.append(length)
            keys.append(key)
            addresses.append(address)
            at += 1
        self._used = at
        self.full = at > _SLOTS - _EVENTS
        return Batch(range(first, at), rows, lengths, keys, addresses)

    def _read_report(self, fd: int) -> None:
        row = self._report_rows[fd]
        try:
            data, source = self._ports.rtcp[row].recvfrom(SIZE)
        except OSError:
            return
        self._pending_reports.append((row, data, self._ports.plain(source[:2])))

    def reports(self) -> list[tuple[int, bytes, Address]]:
        """See `Backend`."""
        if not self._pending_reports:
            return []
        reports, self._pending_reports = self._pending_reports, []
        return reports

    # -------------------------------------------------------------------------------------------------------- sending

    def send(self, packets: Packets) -> None:
        """See `Backend`."""
        memory, aims, sends, sendtos = packets.memory.data, self._aims, self._send, self._sendto
        done = 0
        starts, ends, rows = (np.asarray(some).tolist() for some in (packets.starts, packets.ends, packets.rows))
        for start, end, row in zip(starts, ends, rows, strict=True):
            try:
                if (send := sends[row]) is not None:
                    send(memory[start:end])
                elif (address := aims[row]) is not None:
                    sendtos[row](memory[start:end], address)
                else:
                    continue
                done += 1
            except OSError:
                self.dropped += 1
        self.sent += done

    def flush(self) -> None:
        """See `Backend`: nothing waits here."""

    def send_one(self, row: int, data: bytes) -> None:
        """See `Backend`."""
        self._to(self._ports.rtp[row], data, self._aims[row])

    def send_report(self, row: int, data: bytes, address: Address, mux: bool) -> None:
        """See `Backend`."""
        self._to(self._ports.rtp[row] if mux else self._ports.rtcp[row], data, self._ports.wide(address))

    def _to(self, via: socket.socket, data: bytes, address: Address | None) -> None:
        if address is None:
            return
        try:
            via.sendto(data, address)
            self.sent += 1
        except OSError:
            self.dropped += 1
