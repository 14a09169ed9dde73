"""What the worker asks of a backend: sockets, waiting, packets in and out. `epoll` and `uring` are
two; `choice` picks."""

from collections.abc import Iterator
from typing import Protocol

from softswitch.kernel.clock import Duration
from softswitch.media.arena import Address, Arena, Batch, Packets
from softswitch.wire.control import Slot


class Backend(Protocol):
    """One thread uses it. A row is a slot's number. `dropped` counts packets that the kernel would not take,
    `sent` those that it took."""

    name: str
    why: str
    """Why it is this one."""
    capacity: int
    sent: int
    dropped: int
    arena: Arena
    full: bool
    """Whether `recycle` must come before more packets can."""

    def bind(self, count: int) -> list[Slot]:
        """Bind up to `count` more slots; busy ports are left out."""

    def key(self, address: Address) -> int:
        """The name of an address in batches; never 0."""

    def watch(self, fd: int) -> None:
        """Let `wait` return when `fd` is readable."""

    def unwatch(self, fd: int) -> None:
        """Forget `fd`."""

    def wait(self, timeout: Duration | None, gather: Duration) -> list[int]:
        """Wait until something can be read, at most `timeout` seconds (None: for ever), but let packets gather for
        `gather` seconds first. Returns the watched descriptors that are readable."""

    def batches(self) -> Iterator[Batch]:
        """The packets that are there. Their memory in `arena` stays until `recycle`."""

    def recycle(self) -> None:
        """All packets so far are done with."""

    def reports(self) -> list[tuple[int, bytes, Address]]:
        """RTCP datagrams that came: row, octets, source."""

    def open(self, row: int) -> None:
        """Throw away what waits and listen."""

    def close(self, row: int) -> None:
        """Stop listening; the sockets stay bound."""

    def aim(self, row: int, address: Address | None) -> None:
        """Where RTP of the row goes."""

    def settle(self, row: int, address: Address | None) -> None:
        """The row's only source is known, or open again."""

    def send(self, packets: Packets) -> None:
        """Send all, at the latest with the next `flush`, `recycle` or `wait`, until which the memory must stay."""

    def flush(self) -> None:
        """What was to be sent leaves now."""

    def send_one(self, row: int, data: bytes) -> None:
        """Send one RTP packet."""

    def send_report(self, row: int, data: bytes, address: Address, mux: bool) -> None:
        """Send one RTCP packet."""
