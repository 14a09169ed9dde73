"""The client transactions of RFC 3261 §17.1, INVITE as updated by RFC 6026 §7.2."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from softswitch.kernel.clock import Instant
from softswitch.sip.flow import Send
from softswitch.sip.transaction import QUIET, TELL, ClientTransaction, Input, Machine, Row, State
from softswitch.wire.sip import Headers, Request, Response

if TYPE_CHECKING:
    from softswitch.sip.transaction_layer import TransactionLayer


def _retransmit_a(layer: TransactionLayer, tx: ClientTransaction, _: Response | None, now: Instant) -> None:
    """§17.1.1.2: the interval doubles without bound."""
    tx.interval *= 2
    tx.repeat_at = now + tx.interval
    layer.resend(tx)


def _retransmit_e(layer: TransactionLayer, tx: ClientTransaction, _: Response | None, now: Instant) -> None:
    """§17.1.2.2: doubles up to T2 in Trying, is T2 in Proceeding."""
    t2 = layer.timers.t2
    tx.interval = t2 if tx.state is State.PROCEEDING else min(2 * tx.interval, t2)
    tx.repeat_at = now + tx.interval
    layer.resend(tx)


def _stop(layer: TransactionLayer, tx: ClientTransaction, _: Response | None, now: Instant) -> None:
    """In Proceeding an INVITE is neither repeated nor timed."""
    tx.repeat_at = tx.expire_at = inf


def _linger_m(layer: TransactionLayer, tx: ClientTransaction, _: Response | None, now: Instant) -> None:
    """Timer M: 2xx of other forks and repeated 2xx still come up."""
    tx.repeat_at = inf
    tx.expire_at = now + layer.timers.give_up
    tx.request = tx.data = None


def _acknowledge(layer: TransactionLayer, tx: ClientTransaction, response: Response | None, now: Instant) -> None:
    """§17.1.1.3, then Timer D: 32 s over UDP, none over a reliable transport."""
    assert response is not None
    tx.data = Send(tx.flow, ack_for_failure(tx.sent, response).to_bytes())
    layer.resend(tx)
    layer.linger(tx, layer.timers.d, now)


def _acknowledge_again(layer: TransactionLayer, tx: ClientTransaction, _: Response | None, now: Instant) -> None:
    layer.resend(tx)


def _linger_k(layer: TransactionLayer, tx: ClientTransaction, response: Response | None, now: Instant) -> None:
    """Timer K: T4 over UDP, none over a reliable transport."""
    tx.data = None
    if response is not None and response.status < 300:
        tx.request = None
    layer.linger(tx, layer.timers.t4, now)


def ack_for_failure(invite: Request, response: Response) -> Request:
    """The ACK of a 300–699 response (§17.1.1.3): the INVITE's Via, the response's To."""
    return _same_branch(invite, "ACK", response.headers.get("To") or "")


def cancel_for(invite: Request) -> Request:
    """The CANCEL of `invite` (§9.1)."""
    return _same_branch(invite, "CANCEL", invite.headers.get("To") or "")


def _same_branch(invite: Request, method: str, to: str) -> Request:
    """A request that takes the INVITE's way and branch. Its credentials go along (§22.1)."""
    source = invite.headers
    headers = Headers()
    headers.add("Via", source.all("Via")[0])
    for name in ("From", "Call-ID"):
        headers.add(name, source.get(name) or "")
    headers.add("To", to)
    headers.add("CSeq", f"{invite.cseq.number} {method}")
    headers.add("Max-Forwards", source.get("Max-Forwards") or "70")
    for name in ("Route", "Authorization", "Proxy-Authorization"):
        for value in source.all(name) if name in source else ():
            headers.add(name, value)
    return Request(method, invite.uri, headers, b"")


_INVITE: dict[tuple[State, Input], Row] = {
    (State.CALLING, Input.TIMER_A): (State.CALLING, _retransmit_a, QUIET),
    (State.CALLING, Input.TIMER_B): (State.TERMINATED, None, TELL),
    (State.CALLING, Input.TRANSPORT_ERROR): (State.TERMINATED, None, TELL),
    (State.CALLING, Input.R1XX): (State.PROCEEDING, _stop, TELL),
    (State.CALLING, Input.R2XX): (State.ACCEPTED, _linger_m, TELL),
    (State.CALLING, Input.R3XX_6XX): (State.COMPLETED, _acknowledge, TELL),
    (State.PROCEEDING, Input.R1XX): (State.PROCEEDING, None, TELL),
    (State.PROCEEDING, Input.R2XX): (State.ACCEPTED, _linger_m, TELL),
    (State.PROCEEDING, Input.R3XX_6XX): (State.COMPLETED, _acknowledge, TELL),
    (State.PROCEEDING, Input.TIMER_B): (State.TERMINATED, None, TELL),  # §9.1: 64*T1 after CANCEL
    (State.COMPLETED, Input.R3XX_6XX): (State.COMPLETED, _acknowledge_again, QUIET),
    (State.COMPLETED, Input.TRANSPORT_ERROR): (State.TERMINATED, None, QUIET),  # the user has its final response
    (State.COMPLETED, Input.TIMER_D): (State.TERMINATED, None, QUIET),
    (State.ACCEPTED, Input.R2XX): (State.ACCEPTED, None, TELL),
    (State.ACCEPTED, Input.TIMER_M): (State.TERMINATED, None, QUIET),
}

_NON_INVITE: dict[tuple[State, Input], Row] = {
    (State.TRYING, Input.TIMER_E): (State.TRYING, _retransmit_e, QUIET),
    (State.TRYING, Input.TIMER_F): (State.TERMINATED, None, TELL),
    (State.TRYING, Input.TRANSPORT_ERROR): (State.TERMINATED, None, TELL),
    (State.TRYING, Input.R1XX): (State.PROCEEDING, None, TELL),
    (State.TRYING, Input.R2XX): (State.COMPLETED, _linger_k, TELL),
    (State.TRYING, Input.R3XX_6XX): (State.COMPLETED, _linger_k, TELL),
    (State.PROCEEDING, Input.TIMER_E): (State.PROCEEDING, _retransmit_e, QUIET),
    (State.PROCEEDING, Input.TIMER_F): (State.TERMINATED, None, TELL),
    (State.PROCEEDING, Input.TRANSPORT_ERROR): (State.TERMINATED, None, TELL),
    (State.PROCEEDING, Input.R1XX): (State.PROCEEDING, None, TELL),
    (State.PROCEEDING, Input.R2XX): (State.COMPLETED, _linger_k, TELL),
    (State.PROCEEDING, Input.R3XX_6XX): (State.COMPLETED, _linger_k, TELL),
    (State.COMPLETED, Input.TIMER_K): (State.TERMINATED, None, QUIET),
}

# RFC 3261 figure 5 with RFC 6026 §7.2
INVITE_CLIENT = Machine(
    start=State.CALLING,
    rows=_INVITE,
    repeat={State.CALLING: Input.TIMER_A},
    expiry={
        State.CALLING: Input.TIMER_B,
        State.PROCEEDING: Input.TIMER_B,
        State.COMPLETED: Input.TIMER_D,
        State.ACCEPTED: Input.TIMER_M,
    },
)
# RFC 3261 figure 6
NON_INVITE_CLIENT = Machine(
    start=State.TRYING,
    rows=_NON_INVITE,
    repeat={State.TRYING: Input.TIMER_E, State.PROCEEDING: Input.TIMER_E},
    expiry={State.TRYING: Input.TIMER_F, State.PROCEEDING: Input.TIMER_F, State.COMPLETED: Input.TIMER_K},
)
