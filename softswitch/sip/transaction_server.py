"""The server transactions of RFC 3261 §17.2, INVITE as updated by RFC 6026 §7.1.

A transport error leaves the state alone where a response is still to be sent: the layer is told and takes the other
way of §18.2.2 first (§17.2.4).
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from softswitch.kernel.clock import Instant
from softswitch.sip.flow import Send
from softswitch.sip.transaction import QUIET, TELL, Input, Machine, Row, ServerTransaction, State
from softswitch.wire.sip import Response

if TYPE_CHECKING:
    from softswitch.sip.transaction_layer import TransactionLayer


def _send(layer: TransactionLayer, tx: ServerTransaction, response: Response | None, now: Instant) -> None:
    assert response is not None
    tx.data = Send(tx.flow, response.to_bytes())
    layer.out.append(tx.data)
    tx.repeat_at = inf


def _trying(layer: TransactionLayer, tx: ServerTransaction, _: Response | None, now: Instant) -> None:
    """§8.2.6.1: 100 carries no tag of ours."""
    assert tx.request is not None
    _send(layer, tx, Response.to_request(tx.request, 100), now)


def _accept(layer: TransactionLayer, tx: ServerTransaction, response: Response | None, now: Instant) -> None:
    """Timer L. The user repeats the 2xx, the transaction soaks up repeated INVITEs."""
    _send(layer, tx, response, now)
    tx.request = None
    tx.expire_at = now + layer.timers.give_up


def _refuse(layer: TransactionLayer, tx: ServerTransaction, response: Response | None, now: Instant) -> None:
    """Timers G (not over reliable transports) and H."""
    _send(layer, tx, response, now)
    tx.request = None
    if not tx.flow.reliable:
        tx.interval = layer.timers.t1
        tx.repeat_at = now + tx.interval
    tx.expire_at = now + layer.timers.give_up


def _retransmit_g(layer: TransactionLayer, tx: ServerTransaction, _: Response | None, now: Instant) -> None:
    tx.interval = min(2 * tx.interval, layer.timers.t2)
    tx.repeat_at = now + tx.interval
    layer.resend(tx)


def _send_again(layer: TransactionLayer, tx: ServerTransaction, _: Response | None, now: Instant) -> None:
    """The last response answers a repeated request."""
    layer.resend(tx)


def _confirm(layer: TransactionLayer, tx: ServerTransaction, _: Response | None, now: Instant) -> None:
    """Timer I: T4 over UDP, none over a reliable transport."""
    tx.data = None
    layer.linger(tx, layer.timers.t4, now)


def _finish(layer: TransactionLayer, tx: ServerTransaction, response: Response | None, now: Instant) -> None:
    """Timer J: 64*T1 over UDP, none over a reliable transport."""
    _send(layer, tx, response, now)
    tx.request = None
    layer.linger(tx, layer.timers.give_up, now)


_INVITE: dict[tuple[State, Input], Row] = {
    (State.PROCEEDING, Input.REQUEST): (State.PROCEEDING, _send_again, QUIET),
    (State.PROCEEDING, Input.TIMER_100): (State.PROCEEDING, _trying, QUIET),
    (State.PROCEEDING, Input.R1XX): (State.PROCEEDING, _send, QUIET),
    (State.PROCEEDING, Input.R2XX): (State.ACCEPTED, _accept, QUIET),
    (State.PROCEEDING, Input.R3XX_6XX): (State.COMPLETED, _refuse, QUIET),
    (State.PROCEEDING, Input.TRANSPORT_ERROR): (State.PROCEEDING, None, TELL),
    (State.ACCEPTED, Input.REQUEST): (State.ACCEPTED, None, QUIET),
    (State.ACCEPTED, Input.R2XX): (State.ACCEPTED, _send, QUIET),
    (State.ACCEPTED, Input.ACK): (State.ACCEPTED, None, TELL),
    (State.ACCEPTED, Input.TRANSPORT_ERROR): (State.ACCEPTED, None, TELL),
    (State.ACCEPTED, Input.TIMER_L): (State.TERMINATED, None, QUIET),
    (State.COMPLETED, Input.REQUEST): (State.COMPLETED, _send_again, QUIET),
    (State.COMPLETED, Input.TIMER_G): (State.COMPLETED, _retransmit_g, QUIET),
    (State.COMPLETED, Input.TRANSPORT_ERROR): (State.COMPLETED, None, TELL),
    (State.COMPLETED, Input.TIMER_H): (State.TERMINATED, None, TELL),
    (State.COMPLETED, Input.ACK): (State.CONFIRMED, _confirm, QUIET),
    (State.CONFIRMED, Input.ACK): (State.CONFIRMED, None, QUIET),
    (State.CONFIRMED, Input.TIMER_I): (State.TERMINATED, None, QUIET),
}

_NON_INVITE: dict[tuple[State, Input], Row] = {
    (State.TRYING, Input.REQUEST): (State.TRYING, None, QUIET),
    (State.TRYING, Input.R1XX): (State.PROCEEDING, _send, QUIET),
    (State.TRYING, Input.R2XX): (State.COMPLETED, _finish, QUIET),
    (State.TRYING, Input.R3XX_6XX): (State.COMPLETED, _finish, QUIET),
    (State.TRYING, Input.TRANSPORT_ERROR): (State.TRYING, None, TELL),
    (State.TRYING, Input.TIMER_J): (State.TERMINATED, None, QUIET),  # RFC 4320 §4.2: after Timer F nobody waits
    (State.PROCEEDING, Input.REQUEST): (State.PROCEEDING, _send_again, QUIET),
    (State.PROCEEDING, Input.R1XX): (State.PROCEEDING, _send, QUIET),
    (State.PROCEEDING, Input.R2XX): (State.COMPLETED, _finish, QUIET),
    (State.PROCEEDING, Input.R3XX_6XX): (State.COMPLETED, _finish, QUIET),
    (State.PROCEEDING, Input.TRANSPORT_ERROR): (State.PROCEEDING, None, TELL),
    (State.PROCEEDING, Input.TIMER_J): (State.TERMINATED, None, QUIET),
    (State.COMPLETED, Input.REQUEST): (State.COMPLETED, _send_again, QUIET),
    (State.COMPLETED, Input.TRANSPORT_ERROR): (State.TERMINATED, None, QUIET),  # Timer J is zero: no response is left
    (State.COMPLETED, Input.TIMER_J): (State.TERMINATED, None, QUIET),
}

# RFC 3261 figure 7 with RFC 6026 §7.1; the repeating timer is "100 after 200 ms" in Proceeding, G in Completed
INVITE_SERVER = Machine(
    start=State.PROCEEDING,
    rows=_INVITE,
    repeat={State.PROCEEDING: Input.TIMER_100, State.COMPLETED: Input.TIMER_G},
    expiry={State.ACCEPTED: Input.TIMER_L, State.COMPLETED: Input.TIMER_H, State.CONFIRMED: Input.TIMER_I},
)
# RFC 3261 figure 8
NON_INVITE_SERVER = Machine(
    start=State.TRYING,
    rows=_NON_INVITE,
    repeat={},
    expiry={State.TRYING: Input.TIMER_J, State.PROCEEDING: Input.TIMER_J, State.COMPLETED: Input.TIMER_J},
)
