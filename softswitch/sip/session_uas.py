"""What the called side does (RFC 3261 §13.3, §9.2), and both sides once the session stands (§15): actions of the
rows in `session_phases`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from softswitch.kernel.clock import Instant
from softswitch.sip import session_reliable, session_timer
from softswitch.sip.dialog import Dialog, uas_dialog
from softswitch.sip.events import Cancelled, Confirmed, Ended
from softswitch.sip.session import Session, Verb
from softswitch.sip.session_body import session_description
from softswitch.sip.transaction import ServerTransaction
from softswitch.wire.sip import Request

if TYPE_CHECKING:
    from softswitch.sip.session_layer import SessionLayer


def ring(layer: SessionLayer, session: Session, verb: Verb, now: Instant) -> None:
    """A provisional response; its To tag makes the early dialog (§13.3.1.1)."""
    if not session_reliable.ring(layer, session, verb, now):
        layer.respond(session, _invite(session), verb.status, now, verb.reason, verb.headers, verb.body)


def accept(layer: SessionLayer, session: Session, verb: Verb, now: Instant) -> None:
    """2xx: the dialog stands, and its ACK is awaited (§13.3.1.4)."""
    tx = _invite(session)
    request = session.request
    assert request is not None
    if session.dialog is None:
        session.dialog = uas_dialog(request, session.local_tag, session.flow, session.contact)
    session_reliable.stop(layer, session)
    fields = (*verb.headers, *session_timer.granted(layer, session, request, now))
    # RFC 6337 §3.1.1: an answer that has arrived for certain is not repeated.
    layer.respond(session, tx, verb.status, now, verb.reason, fields, verb.body if session.settled is None else b"")
    session.request = None
    layer.await_ack(session, tx, request, now)


def refuse(layer: SessionLayer, session: Session, verb: Verb, now: Instant) -> None:
    """300–699 (§13.3.1.2, §13.3.1.3)."""
    layer.respond(session, _invite(session), verb.status, now, verb.reason, verb.headers, verb.body)


def cancelled(layer: SessionLayer, session: Session, request: Request, now: Instant) -> None:
    """487 for the INVITE (§9.2)."""
    layer.respond(session, _invite(session), 487, now)
    layer.emit(Cancelled(session.id, request))


def ended_unanswered(layer: SessionLayer, session: Session, request: Request, now: Instant) -> None:
    """BYE in the early dialog: the INVITE gets 487 (§15.1.2)."""
    layer.respond(session, _invite(session), 487, now)
    layer.emit(Ended(session.id, "bye", request))


def confirmed(layer: SessionLayer, session: Session, ack: Request, now: Instant) -> None:
    """ACK: the session is established."""
    layer.emit(Confirmed(session.id, session_description(ack)))
    layer.settle(session, now)


def not_acknowledged(layer: SessionLayer, session: Session, message: Any, now: Instant) -> None:
    """64*T1 without ACK: BYE (§13.3.1.4)."""
    layer.emit(Ended(session.id, "no-ack", None))
    layer.bye(session, _dialog(session), now)


def leave(layer: SessionLayer, session: Session, message: Any, now: Instant) -> None:
    """BYE by our own will."""
    layer.bye(session, _dialog(session), now)


def ended(layer: SessionLayer, session: Session, request: Request, now: Instant) -> None:
    """BYE came; it is answered already."""
    layer.emit(Ended(session.id, "bye", request))


def gone(layer: SessionLayer, session: Session, message: Any, now: Instant) -> None:
    """The peer knows nothing of the dialog, so BYE would tell it nothing (§12.2.1.2)."""
    layer.emit(Ended(session.id, "dialog-gone", None))


def lost(layer: SessionLayer, session: Session, message: Any, now: Instant) -> None:
    """A request in the dialog got no answer: the dialog ends (§12.2.1.2); BYE may still reach the peer."""
    layer.emit(Ended(session.id, "timeout", None))
    layer.bye(session, _dialog(session), now)


def broken(layer: SessionLayer, session: Session, message: Any, now: Instant) -> None:
    """A request in the dialog could not be sent; BYE may find a new connection."""
    layer.emit(Ended(session.id, "transport", None))
    layer.bye(session, _dialog(session), now)


def _invite(session: Session) -> ServerTransaction:
    assert isinstance(session.invite, ServerTransaction)
    return session.invite


def _dialog(session: Session) -> Dialog:
    assert session.dialog is not None
    return session.dialog
