"""What the four transactions of RFC 3261 §17 share: states, inputs, rows, and the transaction itself.

Each transaction is a `Machine`: a table whose rows read (state, input) → (next state, action, tell), named after the
RFC's figures. An input without a row is ignored, as the RFC's figures mean it. `tell`: the transaction user hears of
it. A transaction has at most one deadline in the heap, the earlier of its retransmission and its expiry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum, auto
from math import inf
from typing import TYPE_CHECKING, Any, TypeAlias

from softswitch.kernel.clock import Duration, Instant
from softswitch.sip.flow import Flow, Send
from softswitch.sip.transports import TRANSPORTS
from softswitch.wire.sip import Request, Response

if TYPE_CHECKING:
    from softswitch.sip.transaction_layer import TransactionLayer


class State(IntEnum):
    """States of the RFC 3261 figures 5 to 8, and Accepted of RFC 6026."""

    CALLING = auto()
    TRYING = auto()
    PROCEEDING = auto()
    COMPLETED = auto()
    CONFIRMED = auto()
    ACCEPTED = auto()
    TERMINATED = auto()


class Input(IntEnum):
    """What can happen to a transaction. Responses come from the network at a client, from the user at a server."""

    REQUEST = auto()  # a retransmission
    ACK = auto()
    R1XX = auto()
    R2XX = auto()
    R3XX_6XX = auto()
    TRANSPORT_ERROR = auto()
    TIMER_100 = auto()  # §17.2.1: 100 after 200 ms
    TIMER_A = auto()
    TIMER_B = auto()
    TIMER_D = auto()
    TIMER_E = auto()
    TIMER_F = auto()
    TIMER_G = auto()
    TIMER_H = auto()
    TIMER_I = auto()
    TIMER_J = auto()
    TIMER_K = auto()
    TIMER_L = auto()
    TIMER_M = auto()


def response_input(status: int) -> Input:
    """Which input a response with `status` is."""
    return Input.R1XX if status < 200 else Input.R2XX if status < 300 else Input.R3XX_6XX


Action: TypeAlias = "Callable[[TransactionLayer, Any, Response | None, Instant], None]"
Row: TypeAlias = "tuple[State, Action | None, bool]"

TELL = True
QUIET = False


@dataclass(frozen=True, slots=True, eq=False)
class Machine:
    """One figure. In each state `repeat` names the timer that sends again, `expiry` the one that ends the state."""

    start: State
    rows: Mapping[tuple[State, Input], Row]
    repeat: Mapping[State, Input]
    expiry: Mapping[State, Input]


class Transaction:
    """The part that client and server transactions share. `owner` belongs to the transaction user."""

    __slots__ = ("data", "expire_at", "flow", "interval", "key", "machine", "method", "owner", "repeat_at", "state")

    def __init__(self, machine: Machine, key: object, method: str, flow: Flow) -> None:
        self.machine = machine
        self.key = key
        self.method = method
        self.flow = flow
        self.state = machine.start
        self.data: Send | None = None
        self.owner: Any = None
        self.interval: Duration = 0.0
        self.repeat_at: Instant = inf
        self.expire_at: Instant = inf

    def due_input(self, now: Instant) -> Input | None:
        """Which timer has fired; the expiry before the retransmission when both have."""
        if self.expire_at <= now:
            return self.machine.expiry.get(self.state)
        return self.machine.repeat.get(self.state) if self.repeat_at <= now else None


class ClientTransaction(Transaction):
    """`data` is the request as sent, in Completed the ACK. `acks` are the ACKs for 2xx by remote tag, to be repeated
    for repeated 2xx (RFC 3261 §13.2.2.4). `fallback` is the flow to take when this one fails: UDP for a
    large request, a new connection within a dialog. `role` and `tries` (with credentials) belong to the user.
    `offered`: the request had a body. After a 2xx only its `number` (CSeq) and `proof` (header fields with
    credentials) are kept of the request: at 600 calls a second 20,000 transactions linger."""

    __slots__ = ("acks", "fallback", "number", "offered", "proof", "request", "role", "tries")

    def __init__(self, machine: Machine, key: object, request: Request, flow: Flow) -> None:
        super().__init__(machine, key, request.method, flow)
        self.request: Request | None = request
        self.number = request.cseq.number
        self.proof: tuple[tuple[str, str], ...] = ()
        self.acks: dict[str, Send] = {}
        self.fallback: Flow | None = None
        self.offered = bool(request.body)
        self.role = 0
        self.tries = 0

    @property
    def sent(self) -> Request:
        """The request, while no 2xx has come."""
        assert self.request is not None
        return self.request


class ServerTransaction(Transaction):
    """`data` is the response that goes out again for a retransmitted request. `merge_key` finds merged requests
    (§8.2.2.2); `to_tag` is the tag of all our responses; `reply_port` is the Via's port (§18.2.2)."""

    __slots__ = ("id", "merge_key", "reply_port", "request", "to_tag")

    def __init__(self, machine: Machine, key: object, request: Request, flow: Flow, number: int) -> None:
        super().__init__(machine, key, request.method, flow)
        self.request: Request | None = request
        self.id = number
        self.reply_port = request.via.port or TRANSPORTS[flow.transport].port
        self.to_tag = ""
        self.merge_key: object = None
