"""io_uring through ctypes: the kernel's two rings mapped as numpy arrays.

A submission is 64 octets of a structured array, a completion 16; so a hundred sends are a few vector stores and one
system call. With `DEFER_TASKRUN` all completions are posted inside `enter` on our own thread: no memory barriers are
needed. Layouts and numbers are those of linux/io_uring.h.
"""

import ctypes
import errno
import mmap
import os
import platform
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from softswitch.kernel.clock import Duration
from softswitch.media.arena import Ints, Words

_SETUP, _ENTER, _REGISTER = 425, 426, 427  # asm-generic/unistd.h: the same on every architecture

_CQSIZE, _CLAMP, _SUBMIT_ALL, _COOP, _SINGLE, _DEFER = 1 << 3, 1 << 4, 1 << 7, 1 << 8, 1 << 12, 1 << 13
_GETEVENTS, _EXT_ARG = 1 << 0, 1 << 3
_REGISTER_PBUF_RING = 22
_OFF_SQES = 0x10000000
_NORMAL = (errno.ETIME, errno.EINTR, errno.EBUSY, errno.EAGAIN)  # of a wait
_DISABLED = Path("/proc/sys/kernel/io_uring_disabled")

OP_RECVMSG: Final = 10
OP_POLL_ADD: Final = 6
OP_ASYNC_CANCEL: Final = 14
OP_SEND: Final = 26
BUFFER_SELECT: Final = 1 << 5  # IOSQE
SKIP_SUCCESS: Final = 1 << 6
MULTISHOT: Final = 1 << 1  # IORING_RECV_MULTISHOT, in ioprio
F_BUFFER: Final = 1
F_MORE: Final = 2

SQE: Final = np.dtype(
    [
        ("opcode", "u1"),
        ("flags", "u1"),
        ("ioprio", "u2"),
        ("fd", "i4"),
        ("addr2", "u8"),
        ("addr", "u8"),
        ("len", "u4"),
        ("op_flags", "u4"),
        ("user_data", "u8"),
        ("buf_group", "u2"),
        ("personality", "u2"),
        ("addr_len", "u2"),
        ("pad0", "u2"),
        ("pad1", "u8"),
        ("pad2", "u8"),
    ]
)
OPAQUE: Final = np.dtype(("V", SQE.itemsize))
SQE_WORDS, SQE_ADDRESS, SQE_LENGTH = 8, 2, 3  # in words of 64 bits: all of it, `addr`, and `len`, its lower half
CQE: Final = np.dtype([("user_data", "u8"), ("res", "i4"), ("flags", "u4")])
_BUFFER = np.dtype([("addr", "u8"), ("len", "u4"), ("bid", "u2"), ("tail", "u2")])

Entries = NDArray[np.void]


class _SqOffsets(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_uint32) for name in ("head", "tail", "mask", "entries", "flags", "dropped", "array", "resv")),
        ("user", ctypes.c_uint64),
    )


class _CqOffsets(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_uint32) for name in ("head", "tail", "mask", "entries", "overflow", "cqes", "flags", "resv")),
        ("user", ctypes.c_uint64),
    )


class _Parameters(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_uint32) for name in ("sq_entries", "cq_entries", "flags", "cpu", "idle", "features", "wq")),
        ("resv", ctypes.c_uint32 * 3),
        ("sq", _SqOffsets),
        ("cq", _CqOffsets),
    )


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_int64), ("nanoseconds", ctypes.c_int64))


class _EventsArgument(ctypes.Structure):
    _fields_ = (
        ("sigmask", ctypes.c_uint64),
        ("sigmask_size", ctypes.c_uint32),
        ("min_wait_us", ctypes.c_uint32),
        ("ts", ctypes.c_uint64),
    )


class _BufferRegistration(ctypes.Structure):
    _fields_ = (
        ("ring_addr", ctypes.c_uint64),
        ("ring_entries", ctypes.c_uint32),
        ("bgid", ctypes.c_uint16),
        ("flags", ctypes.c_uint16),
        ("resv", ctypes.c_uint64 * 3),
    )


_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long
_long = ctypes.c_long  # a variadic function gets plain ints as 32 bits: each argument must be told


def _call(number: int, *arguments: int) -> int:
    result: int = _syscall(_long(number), *map(_long, arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def why_not() -> str:
    """Why io_uring with all that we need cannot be used here; empty when it can."""
    if platform.system() != "Linux":
        return "not Linux"
    try:
        Ring(8, 16).close()
    except OSError as error:
        if error.errno == errno.ENOSYS:
            return "the kernel has none, or the container hides it"
        if error.errno in (errno.EPERM, errno.EACCES):
            setting = _DISABLED.read_text().strip() if _DISABLED.exists() else "0"
            if setting != "0":
                return f"switched off by sysctl kernel.io_uring_disabled = {setting}"
            return "forbidden, as containers' seccomp profiles do"
        if error.errno == errno.EINVAL:
            return f"kernel {platform.release()} is older than 6.1"
        return os.strerror(error.errno or 0)
    return ""


class Ring:
    """A pair of rings. Only the thread that made it may use it (`SINGLE_ISSUER`)."""

    def __init__(self, entries: int, completions: int) -> None:
        """Raises `OSError` when the kernel does not let us."""
        parameters = _Parameters(flags=_CQSIZE | _CLAMP | _SUBMIT_ALL | _COOP | _SINGLE | _DEFER)
        parameters.cq_entries = completions
        self.fd = _call(_SETUP, entries, ctypes.addressof(parameters))
        sq, cq = parameters.sq, parameters.cq
        self.entries = parameters.sq_entries
        size = max(sq.array + 4 * self.entries, cq.cqes + CQE.itemsize * parameters.cq_entries)
        self._map = mmap.mmap(self.fd, size, mmap.MAP_SHARED | mmap.MAP_POPULATE)
        self._sqe_map = mmap.mmap(
            self.fd, self.entries * SQE.itemsize, mmap.MAP_SHARED | mmap.MAP_POPULATE, offset=_OFF_SQES
        )
        words = memoryview(self._map).cast("I")
        self._words = words
        self._sq_head, self._sq_tail = sq.head // 4, sq.tail // 4
        self._cq_head, self._cq_tail = cq.head // 4, cq.tail // 4
        self._cq_mask = parameters.cq_entries - 1
        order = np.frombuffer(self._map, np.uint32, self.entries, sq.array)
        order[:] = np.arange(self.entries)
        self.sqes: Entries = np.frombuffer(self._sqe_map, SQE, self.entries)
        self._opaque = self.sqes.view(OPAQUE)
        self._cqes: Words = np.frombuffer(self._map, np.uint64, 2 * parameters.cq_entries, cq.cqes).reshape(-1, 2)
        self._tail = words[self._sq_tail]
        self.queued = 0
        self._timespec = _Timespec()
        self._argument = _EventsArgument(ts=ctypes.addressof(self._timespec))
        self._enter = (_long(_ENTER), _long(self.fd))
        self._with_time = (
            _long(_GETEVENTS | _EXT_ARG),
            _long(ctypes.addressof(self._argument)),
            _long(ctypes.sizeof(self._argument)),
        )
        self._without = (_long(0), _long(0), _long(0))

    def close(self) -> None:
        """End all requests and give the memory back."""
        del self.sqes, self._opaque, self._cqes
        self._words.release()
        self._sqe_map.close()
        self._map.close()
        os.close(self.fd)

    def place(self) -> Entries:
        """The next free submission, all zero, to be filled in."""
        if self.queued == self.entries:
            self.submit()
        at = (self._tail + self.queued) & (self.entries - 1)
        self.queued += 1
        entry = self.sqes[at : at + 1]
        entry.view(np.uint64)[:] = 0
        return entry

    def places(self, most: int) -> Entries:
        """Up to `most` submissions in a row, at least one, each to be written over as a whole (`OPAQUE`)."""
        if self.queued == self.entries:
            self.submit()
        at = (self._tail + self.queued) & (self.entries - 1)
        count = min(most, self.entries - self.queued, self.entries - at)
        self.queued += count
        return self._opaque[at : at + count]

    def submit(self) -> None:
        """Hand all filled submissions to the kernel."""
        if self.queued:
            self._hand_over(_long(0), self._without)

    def wait(self, completions: int, timeout: Duration | None) -> None:
        """Submit, and wait for so many completions or for `timeout` seconds (None: for ever)."""
        if timeout is None:
            self._argument.ts = 0
        else:
            self._argument.ts = ctypes.addressof(self._timespec)
            self._timespec.seconds, self._timespec.nanoseconds = divmod(max(int(timeout * 1e9), 0), 1_000_000_000)
        self._hand_over(_long(completions), self._with_time)

    def _hand_over(self, completions: ctypes.c_long, rest: tuple[ctypes.c_long, ...]) -> None:
        count, self.queued = self.queued, 0
        self._tail = (self._tail + count) & 0xFFFFFFFF
        self._words[self._sq_tail] = self._tail
        result = _syscall(*self._enter, _long(count), completions, *rest)
        if result < 0 and (code := ctypes.get_errno()) not in _NORMAL:
            raise OSError(code, os.strerror(code))
        if left := (self._tail - self._words[self._sq_head]) & 0xFFFFFFFF:  # interrupted, or short of memory
            _syscall(*self._enter, _long(left), _long(0), *self._without)

    def completions(self) -> Words:
        """What has completed since the last call, as a copy: [n, 2], the words of `CQE`."""
        head, tail = self._words[self._cq_head], self._words[self._cq_tail]
        at = head & self._cq_mask
        end = at + ((tail - head) & 0xFFFFFFFF)
        found = self._cqes[at:end].copy()
        if end > len(self._cqes):
            found = np.concatenate((found, self._cqes[: end - len(self._cqes)]))
        self._words[self._cq_head] = tail
        return found


class Buffers:
    """A ring of buffers that the kernel picks from when packets come: slot n of the memory at `address`, `size` octets
    each, is buffer n. `count` is a power of two, at most 32,768."""

    def __init__(self, ring: Ring, group: int, address: int, count: int, size: int) -> None:
        self._map = mmap.mmap(-1, count * _BUFFER.itemsize, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)
        self._ring: Entries = np.frombuffer(self._map, _BUFFER, count)
        self._tail = 0
        self._mask = count - 1
        # What is written for each slot, and the ring, as items: a structure would be written field by field.
        entries = np.zeros(count, _BUFFER)
        entries["addr"] = np.arange(count) * size + address
        entries["len"], entries["bid"] = size, np.arange(count)
        self._entries, self._items = (some.view(np.dtype(("V", _BUFFER.itemsize))) for some in (entries, self._ring))
        self._tail_field = self._ring["tail"][:1]
        where = self._ring.ctypes.data
        registration = _BufferRegistration(ring_addr=where, ring_entries=count, bgid=group)
        _call(_REGISTER, ring.fd, _REGISTER_PBUF_RING, ctypes.addressof(registration), 1)
        self.give(np.arange(count))

    def give(self, slots: Ints) -> None:
        """These slots may be filled again."""
        count = len(slots)
        at = self._tail & self._mask
        first = min(count, self._mask + 1 - at)
        items = self._entries[slots]
        self._items[at : at + first] = items[:first]
        if first < count:
            self._items[: count - first] = items[first:]
        self._tail = (self._tail + count) & 0xFFFF
        self._tail_field[0] = self._tail
