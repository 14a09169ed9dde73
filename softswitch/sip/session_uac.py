"""What the calling side does (RFC 3261 §13.2, §9.1): actions of the rows in `session_phases`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from softswitch.kernel.clock import Instant
from softswitch.sip import session_timer
from softswitch.sip.dialog import uac_dialog
from softswitch.sip.events import Accepted, Ended, Progressed, Rejected
from softswitch.sip.session import Session, Verb, What
from softswitch.sip.transaction import ClientTransaction
from softswitch.sip.transaction_client import cancel_for
from softswitch.wire.sip import Response

if TYPE_CHECKING:
    from softswitch.sip.dialog import Dialog
    from softswitch.sip.session_layer import SessionLayer

MOST_FORKS: Final = 32
"""Dialogs that one INVITE of ours may make. A callee that goes on making up To tags is not listened to: each would cost
memory, and a PRACK or a BYE with its repetitions."""


def invite_input(status: int, offered: bool) -> What:
    """What a response to our INVITE is for the phase; `offered`: the INVITE had the offer."""
    if status >= 300:
        return What.FAILURE
    if status >= 200:
        return What.SUCCESS if offered else What.SUCCESS_WITH_OFFER
    return What.PROVISIONAL if status > 100 else What.TRYING


def progress(layer: SessionLayer, session: Session, response: Response, now: Instant) -> None:
    """Each To tag is an early dialog of its own (§12.1, forking)."""
    tag = response.to.tag or ""
    if response.status == 199:  # RFC 6228 §4: that early dialog is over, and says nothing of the others
        session.early.pop(tag, None)  # its numbers stay, should it speak again after all
        if session.settled == tag:
            session.settled = None
        return
    if tag:
        if tag not in session.early and len(session.early) >= MOST_FORKS:
            return
        session.early[tag] = response
    layer.emit(Progressed(session.id, response, tag))


def accepted(layer: SessionLayer, session: Session, response: Response, now: Instant) -> None:
    """2xx with the answer: the ACK goes at once."""
    _confirm_dialog(session, response)
    _acknowledge(layer, session, _dialog(session))
    session_timer.agreed(layer, session, response, now)
    layer.emit(Accepted(session.id, response))
    layer.settle(session, now)


def accepted_with_offer(layer: SessionLayer, session: Session, response: Response, now: Instant) -> None:
    """2xx with the offer: the ACK carries our answer and waits for `confirm`."""
    _confirm_dialog(session, response)
    session_timer.agreed(layer, session, response, now)
    layer.emit(Accepted(session.id, response))


def confirm(layer: SessionLayer, session: Session, verb: Verb, now: Instant) -> None:
    """ACK with our answer."""
    _acknowledge(layer, session, _dialog(session), verb.body)
    layer.settle(session, now)


def again(layer: SessionLayer, session: Session, response: Response, now: Instant) -> None:
    """A further 2xx (§13.2.2.4): repeat the ACK; a fork that is one too many gets ACK and BYE."""
    tx = _invite(session)
    tag = response.to.tag or ""
    if (ack := tx.acks.get(tag)) is not None:
        layer.emit(ack)
    elif session.dialog is not None and session.dialog.remote_tag != tag and len(tx.acks) < MOST_FORKS:
        fork = session.dialog.fork(response)
        if (early := session.forks.get(tag)) is not None:
            fork.remote_cseq, fork.local_cseq = early.remote_cseq, early.local_cseq
        session.forks[tag] = fork
        _acknowledge(layer, session, fork)
        layer.bye(session, fork, now)


def cancel(layer: SessionLayer, session: Session, message: Any, now: Instant) -> None:
    """CANCEL (§9.1): only after a provisional response; 64*T1 later nothing is awaited any more."""
    tx = _invite(session)
    request = cancel_for(tx.sent)
    for name, value in session.parting:
        request.headers.add(name, value)
    layer.transactions.start_cancel(tx, request, now)
    layer.transactions.expect_final(tx, now)


def acknowledge_and_leave(layer: SessionLayer, session: Session, response: Response, now: Instant) -> None:
    """The 2xx crossed our CANCEL: ACK, then BYE (§9.1, RFC 5407 §3.1.2)."""
    _confirm_dialog(session, response)
    _acknowledge(layer, session, _dialog(session))
    layer.bye(session, _dialog(session), now)


def decline_offer_and_leave(layer: SessionLayer, session: Session, message: Any, now: Instant) -> None:
    """Hung up between 2xx and our answer: the 2xx must still be acknowledged."""
    _acknowledge(layer, session, _dialog(session))
    layer.bye(session, _dialog(session), now)


def acknowledge_ended(layer: SessionLayer, session: Session, message: Any, now: Instant) -> None:
    """BYE came before our answer was known: acknowledge all the same, so that the 2xx is not repeated."""
    _acknowledge(layer, session, _dialog(session))
    layer.emit(Ended(session.id, "bye", message))


def ended_early(layer: SessionLayer, session: Session, message: Any, now: Instant) -> None:
    """BYE in an early dialog: the callee's 2xx was lost for 64*T1 and it gave up. The INVITE is cancelled."""
    layer.emit(Ended(session.id, "bye", message))
    cancel(layer, session, None, now)


def rejected(layer: SessionLayer, session: Session, response: Response, now: Instant) -> None:
    """300–699 for good."""
    layer.emit(Rejected(session.id, response.status, response, session.flow))


def timed_out(layer: SessionLayer, session: Session, message: Any, now: Instant) -> None:
    """Timer B: treated as 408 (§8.1.3.1)."""
    layer.emit(Rejected(session.id, 408, None, session.flow))


def unreachable(layer: SessionLayer, session: Session, message: Any, now: Instant) -> None:
    """Transport failure: treated as 503 (§8.1.3.1)."""
    layer.emit(Rejected(session.id, 503, None, session.flow))


def _confirm_dialog(session: Session, response: Response) -> None:
    """The route set and target come from the 2xx, the sequence numbers from an early dialog of its tag (§13.2.2.4)."""
    assert session.request is not None
    early = session.forks.pop(response.to.tag or "", None)
    session.dialog = uac_dialog(session.request, response, session.flow, session.contact)
    if early is not None:
        session.dialog.remote_cseq = early.remote_cseq
        session.dialog.local_cseq = early.local_cseq
    # A fork that had a PRACK of ours may send a 2xx yet; our BYE to it counts on from there.
    if session.forks:
        number = session.request.cseq.number
        session.forks = {tag: fork for tag, fork in session.forks.items() if fork.local_cseq > number}
    session.early.clear()
    session.request = None


def _acknowledge(layer: SessionLayer, session: Session, dialog: Dialog, body: bytes = b"") -> None:
    tx = _invite(session)
    layer.acknowledge(dialog, tx, tx.number, body)


def _dialog(session: Session) -> Dialog:
    assert session.dialog is not None
    return session.dialog


def _invite(session: Session) -> ClientTransaction:
    assert isinstance(session.invite, ClientTransaction)
    return session.invite
