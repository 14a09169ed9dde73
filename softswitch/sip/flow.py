"""Where SIP bytes come from and where they go."""

from typing import Protocol

import msgspec

ANY_HOST = ("0.0.0.0", "::")  # where a listener at each address of the machine is bound
UNRELIABLE = frozenset(("udp",))  # RFC 3261 §17: the rest carries messages reliably and in order


class Flow(msgspec.Struct, frozen=True, gc=False):
    """`transport` is the URI parameter's value, lower case: `udp`, `tcp`, `tls`, `ws`, `wss`. `remote` is the peer's
    (IP address, port), an IPv6 address without brackets. `listener`: the shell's number of the listening socket.
    `connection`: the shell's number of the connection; 0 means: use one that goes to `remote`, or open it (never
    looked at for UDP)."""

    transport: str
    remote: tuple[str, int]
    listener: int = 0
    connection: int = 0

    @property
    def reliable(self) -> bool:
        """Whether the transport retransmits by itself (RFC 3261 §17)."""
        return self.transport not in UNRELIABLE

    @property
    def peer(self) -> str:
        """For people to read: `udp:192.0.2.1:5060`, `tls:[2001:db8::1]:5061`."""
        host, port = self.remote
        return f"{self.transport}:[{host}]:{port}" if ":" in host else f"{self.transport}:{host}:{port}"


class Send(msgspec.Struct, frozen=True, gc=False):
    """Effect: put `data` on `flow`. When that fails the shell calls `UserAgent.flow_failed(flow, now)`."""

    flow: Flow
    data: bytes


class Addressing(Protocol):
    """What the shell knows of our own addresses."""

    def signalling(self, flow: Flow) -> tuple[str, int]:
        """(host, port) by which the peer of `flow` reaches us: for Via and Contact."""

    def media(self, remote_host: str) -> str:
        """The address for SDP towards a peer at `remote_host`."""

    def source(self, remote_host: str) -> str:
        """Our address that packets to `remote_host` leave from when the system chooses."""

    def reliable(self, flow: Flow) -> Flow | None:
        """A TCP flow to where the UDP `flow` goes, if we can do TCP there (RFC 3261 §18.1.1)."""
