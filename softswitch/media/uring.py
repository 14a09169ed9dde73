"""The backend for Linux 6.1 and later: io_uring.

Each open socket has one receive request that goes on for ever (multishot) and takes its buffers from the arena, so a
batch of packets is a slice of the completion ring and no system call of its own. Sends are queued as arrays and leave
with one call. A buffer holds the kernel's note of 16 octets, the source address, and then the packet.
"""

import ctypes
import socket
import struct
from collections.abc import Iterator, Sequence
from random import SystemRandom
from typing import Final, overload

import numpy as np

from softswitch.kernel.clock import Duration
from softswitch.kernel.errors import LocalError
from softswitch.media import ring as kernel
from softswitch.media.arena import SIZE, Address, Arena, Batch, Ints, Octets, Packets, Words
from softswitch.media.ports import Ports
from softswitch.media.ring import Buffers, Ring
from softswitch.wire.control import Slot

_SLOTS: Final = 8192
_FULL: Final = _SLOTS * 3 // 4
_ENTRIES: Final = 4096
_COMPLETIONS: Final = 16384  # more than ever come at once: a wait for so many ends by its time-out
_MANY: Final = 16  # of them at once: more wait, as likely as not
_NOTE: Final = 16  # struct io_uring_recvmsg_out
_MAPPED: Final = bytes(10) + b"\xff\xff"  # RFC 4291 §2.5.5.2
_NAME: Final = 16, 32  # room for a source address: IPv4, IPv6

_RTP, _TWIN, _RTCP, _WATCH, _SENT, _OTHER = range(6)  # what a completion belongs to
_KIND: Final = 56  # where `user_data` holds it, inverted: the bits of `_PLAIN_KIND` are set for RTP and twins alone
_TURN: Final = 40
_PLAIN_KIND: Final = 0xFE << _KIND
_PLAIN_FLAGS: Final = (kernel.F_BUFFER | kernel.F_MORE) << 32
_LOW = np.array(0xFFFFFFFF, np.uint64)  # of a completion's words: row; result
_SLOT = np.array(48, np.uint64)  # of a buffer's number in a completion's second word
_WITH_PACKET = np.uint64(kernel.F_BUFFER << 32)
_DONTWAIT = 0x40  # MSG_DONTWAIT
_POLLIN = 1
_MEMORIES: Final = 16  # that packets lie in: the arena, the banks of the sender
_SINGLES: Final = 64  # packets sent one by one that may wait to be handed over


def _mark(kind: int, turn: int, row: int) -> int:
    return (0xFF ^ kind) << _KIND | turn << _TURN | row


_FAMILY, _PORT, _PORT_FLOW = struct.Struct("=H"), struct.Struct("!H"), struct.Struct("!HI")


class _Message(ctypes.Structure):
    """struct msghdr."""

    _fields_ = (
        ("name", ctypes.c_uint64),
        ("name_len", ctypes.c_uint32),
        ("pad", ctypes.c_uint32),
        ("iov", ctypes.c_uint64),
        ("iov_len", ctypes.c_uint64),
        ("control", ctypes.c_uint64),
        ("control_len", ctypes.c_uint64),
        ("flags", ctypes.c_uint64),
    )


class _Names(Sequence[Address]):
    """The sources of a batch, spelled out when asked for."""

    __slots__ = ("_arena", "_slots")

    def __init__(self, arena: Arena, slots: Ints) -> None:
        self._arena = arena
        self._slots = slots

    def __len__(self) -> int:
        return len(self._slots)

    @overload
    def __getitem__(self, i: int) -> Address: ...
    @overload
    def __getitem__(self, i: slice) -> Sequence[Address]: ...
    def __getitem__(self, i: int | slice) -> Address | Sequence[Address]:
        if isinstance(i, slice):
            return _Names(self._arena, self._slots[i])
        return self.at(int(self._slots[i]))

    def at(self, slot: int) -> Address:
        """The source of the packet in `slot`."""
        name = self._arena.octets[slot, _NOTE : self._arena.offset].tobytes()
        port = name[2] << 8 | name[3]
        if len(name) == _NAME[0]:
            return socket.inet_ntop(socket.AF_INET, name[4:8]), port
        if name[8:20] == _MAPPED:
            return socket.inet_ntop(socket.AF_INET, name[20:24]), port
        return socket.inet_ntop(socket.AF_INET6, name[8:24]), port


class UringBackend:
    """See `Backend`."""

    name = "uring"

    def __init__(self, host: str, ports: tuple[int, int], why: str = "") -> None:
        """Raises `LocalError` when the range holds no pair or the kernel does not let us."""
        self.why = why
        self._ports = Ports(host, ports)
        self.capacity = capacity = self._ports.capacity
        self._wide = self._ports.family == socket.AF_INET6
        name = _NAME[self._wide]
        try:
            self._ring = Ring(_ENTRIES, _COMPLETIONS)
            self.arena = Arena(_SLOTS, _NOTE + name)
            self._memory = self.arena.octets.ctypes.data
            self._buffers = Buffers(self._ring, 0, self._memory, _SLOTS, SIZE)
        except OSError as error:
            raise LocalError(f"io_uring cannot be used: {kernel.why_not() or error.strerror}") from error
        self._message = _Message(name_len=name)
        # The source's address and the packet's first octets, as one item: a row of a view would be copied word by word.
        front = np.dtype(("V", name + self.arena.heads.itemsize))
        self._fronts = self.arena.octets[:, _NOTE : _NOTE + front.itemsize].view(front)[:, 0]
        self._offset = np.array(self.arena.offset)
        self._front_words = front.itemsize // 8
        self.sent = self.dropped = 0
        self.full = False
        self._arming: list[int] = []  # rows whose twin is not read yet
        self._last = 0  # completions of the last look
        self._used: list[Ints] = []
        self._used_count = 0
        self._turn = 0
        self._turns = np.zeros((3, capacity), np.int64)  # of the receive request that runs: RTP, twin, RTCP
        self._rtp: Ints = np.zeros(capacity, np.int32)  # descriptors, by row
        self._rtcp: Ints = np.zeros(capacity, np.int32)
        self._names = np.zeros((capacity + _SINGLES, 32), np.uint8)  # where rows send to: sockaddr; then reports
        self._names_base = self._names.ctypes.data
        self._name_octets = self._names.data.cast("B")
        self._sends = np.zeros(capacity + _SINGLES, kernel.SQE)  # what is the same in all of a row's submissions
        self._sends["opcode"], self._sends["flags"] = kernel.OP_SEND, kernel.SKIP_SUCCESS
        self._sends["op_flags"], self._sends["user_data"] = _DONTWAIT, _mark(_SENT, 0, 0)
        self._opaque = self._sends.view(kernel.OPAQUE)
        self._aimed: set[int] = set()
        self._bases: dict[int, tuple[Octets, int]] = {}  # id of a memory → itself, its address
        self._watched: set[int] = set()
        self._unarmed: set[int] = set()
        self._batch: Batch | None = None
        self._reports: list[tuple[int, bytes, Address]] = []
        self._singles = np.zeros(_SINGLES * SIZE, np.uint8)
        self._single = 0  # the next to be used
        self._spelled: dict[Address, bytes] = {}
        dice = SystemRandom()
        self._salt = np.array([dice.getrandbits(63) * 2 + 1 for _ in range(3)], np.uint64)
        self._name_len = 28 if self._wide else 16

    # -------------------------------------------------------------------------------------------------------- sockets

    def bind(self, count: int) -> list[Slot]:
        """See `Backend`."""
        slots = self._ports.bind(count)
        for slot in slots:
            row = slot.slot
            self._rtp[row] = self._sends["fd"][row] = self._ports.rtp[row].fileno()
            self._rtcp[row] = self._ports.rtcp[row].fileno()
        return slots

    def key(self, address: Address) -> int:
        """See `Backend`: the IPv4 address itself; an IPv6 address mixed with salt that a stranger does not know."""
        return int(self._keys(np.frombuffer(self._sockaddr(address), np.uint64).reshape(1, -1))[0])

    def _sockaddr(self, address: Address) -> bytes:
        host, port = self._ports.wide(address)
        family = self._ports.family
        head = _FAMILY.pack(family) + (_PORT_FLOW.pack(port, 0) if self._wide else _PORT.pack(port))
        return head + socket.inet_pton(family, host) + bytes(8)

    def _keys(self, names: np.ndarray) -> Ints:
        """`names` [n, 2 or more]: 64-bit words, first those of a socket address."""
        if not self._wide:
            plain: Ints = names.view(np.int64)[:, 0]
            return plain
        mixed = (names[:, 0] & np.uint64(0xFFFFFFFF)) * self._salt[0]
        mixed ^= names[:, 1] * self._salt[1]
        mixed ^= (mixed >> np.uint64(29)) + names[:, 2] * self._salt[2]
        keys: Ints = (mixed ^ (mixed >> np.uint64(32)) | np.uint64(1)).view(np.int64)
        return keys

    def open(self, row: int) -> None:
        """See `Backend`."""
        self._ports.drain(row)
        self._receive(_RTP, row)
        self._receive(_RTCP, row)

    def close(self, row: int) -> None:
        """See `Backend`."""
        self.settle(row, None)
        self._cancel(_RTP, row)
        self._cancel(_RTCP, row)
        self.aim(row, None)

    def _descriptor(self, kind: int, row: int) -> int:
        if kind == _TWIN:
            return self._ports.twins[row].fileno()
        return int(self._rtp[row] if kind == _RTP else self._rtcp[row])

    def _receive(self, kind: int, row: int) -> None:
        """Start the request; a number tells it from earlier ones of the same socket."""
        self._turn = self._turn % 0xFFFF + 1
        self._turns[kind, row] = self._turn
        entry = self._ring.place()[0]
        entry["opcode"], entry["flags"] = kernel.OP_RECVMSG, kernel.BUFFER_SELECT
        entry["ioprio"] = kernel.MULTISHOT
        entry["fd"] = self._descriptor(kind, row)
        entry["addr"], entry["len"] = ctypes.addressof(self._message), 1
        entry["user_data"] = _mark(kind, self._turn, row)

    def _cancel(self, kind: int, row: int) -> None:
        turn = int(self._turns[kind, row])
        if not turn:
            return
        self._turns[kind, row] = 0
        entry = self._ring.place()[0]
        entry["opcode"], entry["flags"] = kernel.OP_ASYNC_CANCEL, kernel.SKIP_SUCCESS
        entry["fd"] = -1
        entry["addr"] = _mark(kind, turn, row)
        entry["user_data"] = _mark(_OTHER, 0, 0)

    def aim(self, row: int, address: Address | None) -> None:
        """See `Backend`. Who has no aim has no name either, and the kernel refuses."""
        self._ring.submit()  # what waits was for the old one
        if address is None:
            self._aimed.discard(row)
        else:
            self._aimed.add(row)
            self._names[row] = np.frombuffer(self._sockaddr(address).ljust(32, b"\0"), np.uint8)
        self._name(row)

    def _name(self, row: int) -> None:
        named = row in self._aimed and row not in self._ports.twins
        self._sends["addr2"][row] = self._names_base + 32 * row if named else 0
        self._sends["addr_len"][row] = self._name_len if named else 0

    def settle(self, row: int, address: Address | None) -> None:
        """See `Backend`: makes or closes the connected twin; without it all works as well."""
        if row in self._ports.twins:
            self._cancel(_TWIN, row)
            self._ring.submit()
            old = self._ports.unsettle(row)
            assert old is not None
            old.close()
            self._sends["fd"][row] = self._rtp[row]
        if address is not None and (made := self._ports.settle(row, address)) is not None:
            self._sends["fd"][row] = made.fileno()
            self._arming.append(row)
        self._name(row)

    def watch(self, fd: int) -> None:
        """See `Backend`."""
        self._watched.add(fd)
        self._unarmed.add(fd)

    def unwatch(self, fd: int) -> None:
        """See `Backend`."""
        self._watched.discard(fd)
        if fd in self._unarmed:
            self._unarmed.discard(fd)
            return
        entry = self._ring.place()[0]
        entry["opcode"], entry["flags"], entry["fd"] = kernel.OP_ASYNC_CANCEL, kernel.SKIP_SUCCESS, -1
        entry["addr"], entry["user_data"] = _mark(_WATCH, 0, fd), _mark(_OTHER, 0, 0)
        self._ring.submit()

    # ------------------------------------------------------------------------------------------------------ receiving

    def wait(self, timeout: Duration | None, gather: Duration) -> list[int]:
        """See `Backend`."""
        for fd in self._unarmed:
            entry = self._ring.place()[0]
            entry["opcode"], entry["fd"], entry["op_flags"] = kernel.OP_POLL_ADD, fd, _POLLIN
            entry["user_data"] = _mark(_WATCH, 0, fd)
        self._unarmed.clear()
        # With a small wanted count the kernel handles about 20 packets a call: ask for more than can come, also when we
        # are behind and have no time to gather.
        if gather > 0:
            self._ring.wait(_COMPLETIONS, gather)
        elif self._last >= _MANY:
            self._ring.wait(_COMPLETIONS, 0.0)
        else:
            self._ring.wait(1, timeout)
        found = self._ring.completions()
        self._last = len(found)
        if self._arming:
            self._arm_twins()
        return self._sort(found)

    def _arm_twins(self) -> None:
        """One look after a twin was made: what waited in the first socket then has come by now, and comes first."""
        for row in self._arming:
            if row in self._ports.twins and not self._turns[_TWIN, row]:
                self._receive(_TWIN, row)
        self._arming.clear()

    def _sort(self, found: Words) -> list[int]:
        """Take the completions apart. Returns the watched descriptors that are readable."""
        self._batch = None
        if not len(found):
            return []
        readable: list[int] = []
        every = np.bitwise_and.reduce
        if (
            int(every(found[:, 0])) & _PLAIN_KIND != _PLAIN_KIND
            or int(every(found[:, 1])) & _PLAIN_FLAGS != _PLAIN_FLAGS
        ):
            found = self._plain(found, readable)
            if not len(found):
                return readable
        user, rest = found[:, 0], found[:, 1]
        slots: Ints = (rest >> _SLOT).view(np.int64)
        self._use(slots)
        rows: Ints = (user & _LOW).view(np.int64)
        lengths: Ints = (rest & _LOW).view(np.int64) - self._offset
        fronts = self._fronts[slots].view(np.uint64).reshape(-1, self._front_words)
        names = _Names(self.arena, slots)
        self._batch = Batch(slots, rows, lengths, self._keys(fronts), names, fronts[:, -2:])
        return readable

    def _plain(self, found: Words, readable: list[int]) -> Words:
        """Those that are packets on RTP sockets; all that is more or less than that is seen to."""
        user, rest = found[:, 0], found[:, 1]
        long = (rest & _LOW).astype(np.uint32).view(np.int32) >= self.arena.offset
        plain = (user >= np.uint64(_PLAIN_KIND)) & (rest & _WITH_PACKET != 0) & long
        ended = rest & np.uint64(_PLAIN_FLAGS) != np.uint64(_PLAIN_FLAGS)
        for mark, result, flags in found[~plain | ended].view(kernel.CQE)[:, 0].tolist():
            self._odd(mark >> _KIND ^ 0xFF, mark >> _TURN & 0xFFFF, mark & 0xFFFFFFFF, result, flags, readable)
        packets: Words = found[plain]
        return packets

    def _odd(self, kind: int, turn: int, row: int, result: int, flags: int, readable: list[int]) -> None:
        """A completion that is not a packet on an RTP socket, or the last of its request."""
        if kind == _WATCH:
            if row in self._watched:
                readable.append(row)
                self._unarmed.add(row)
            return
        if kind == _SENT:
            self.dropped += 1
            self.sent -= 1
            return
        if kind > _RTCP:
            return
        if kind == _RTCP and flags & kernel.F_BUFFER:
            slot = flags >> 16
            self._use(np.array([slot]))
            if result >= self.arena.offset:
                data = self.arena.octets[slot, self.arena.offset : result].tobytes()
                self._reports.append((row, data, _Names(self.arena, np.array([slot]))[0]))
        elif flags & kernel.F_BUFFER and result < self.arena.offset:
            self._use(np.array([flags >> 16]))
        if not flags & kernel.F_MORE and self._turns[kind, row] == turn:
            self._receive(kind, row)  # ended by an error for a packet of ours, or for want of buffers

    def _use(self, slots: Ints) -> None:
        self._used.append(slots)
        self._used_count += len(slots)
        self.full = self._used_count > _FULL

    def batches(self) -> Iterator[Batch]:
        """See `Backend`: all in one."""
        if self._batch is not None:
            batch, self._batch = self._batch, None
            yield batch

    def recycle(self) -> None:
        """See `Backend`."""
        if self._used:
            self._ring.submit()  # what is relayed still lies there
            self._buffers.give(np.concatenate(self._used) if len(self._used) > 1 else self._used[0])
            self._used.clear()
            self._used_count = 0
        self.full = False

    def reports(self) -> list[tuple[int, bytes, Address]]:
        """See `Backend`."""
        if not self._reports:
            return []
        reports, self._reports = self._reports, []
        return reports

    # -------------------------------------------------------------------------------------------------------- sending

    def send(self, packets: Packets) -> None:
        """See `Backend`."""
        starts, ends = np.asarray(packets.starts), np.asarray(packets.ends)
        self._queue(np.asarray(packets.rows), starts + self._base(packets.memory), ends - starts)

    def flush(self) -> None:
        """See `Backend`."""
        self._ring.submit()

    def _base(self, memory: Octets) -> int:
        """Where the memory begins; asking numpy takes longer than sending a packet."""
        known = self._bases.get(id(memory))
        if known is None or known[0] is not memory:
            if len(self._bases) >= _MEMORIES:
                self._bases.clear()
            known = self._bases[id(memory)] = memory, memory.ctypes.data
        return known[1]

    def _queue(self, rows: Ints, addresses: Ints, lengths: Ints) -> None:
        done, count = 0, len(rows)
        while done < count:
            entries = self._ring.places(count - done)
            part = slice(done, done + len(entries))
            entries[:] = self._opaque[rows[part]]  # numpy copies structures field by field, opaque items at once
            words = entries.view(np.int64).reshape(-1, kernel.SQE_WORDS)
            words[:, kernel.SQE_ADDRESS] = addresses[part]
            words[:, kernel.SQE_LENGTH] += lengths[part]
            done = part.stop
        self.sent += count

    def send_one(self, row: int, data: bytes) -> None:
        """See `Backend`."""
        if row in self._aimed:
            self._send_bytes(row, data)

    def send_report(self, row: int, data: bytes, address: Address, mux: bool) -> None:
        """See `Backend`."""
        if (name := self._spelled.get(address)) is None:
            if len(self._spelled) > self.capacity:
                self._spelled.clear()
            name = self._spelled[address] = self._sockaddr(address).ljust(32, b"\0")
        via = self.capacity + self._single
        self._name_octets[32 * via : 32 * via + 32] = name
        self._sends["fd"][via] = (self._rtp if mux else self._rtcp)[row]
        self._sends["addr2"][via] = self._names_base + 32 * via
        self._sends["addr_len"][via] = self._name_len
        self._send_bytes(via, data)

    def _send_bytes(self, row: int, data: bytes) -> None:
        at = self._single * SIZE
        self._singles.data[at : at + len(data)] = data
        entry = self._ring.places(1)
        entry[0] = self._opaque[row]
        words = entry.view(np.int64)
        words[kernel.SQE_ADDRESS] = self._base(self._singles) + at
        words[kernel.SQE_LENGTH] += len(data)
        self.sent += 1
        self._single = (self._single + 1) % _SINGLES
        if not self._single:
            self._ring.submit()  # before their memory is used again
