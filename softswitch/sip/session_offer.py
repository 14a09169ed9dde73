"""Offers within an established session: re-INVITE both ways (RFC 3261 §14), UPDATE from the peer (RFC 3311), and
whose turn it is (RFC 3264 §4, RFC 6337). The table reads (offer, turn) → (next offer, action)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from softswitch.kernel.clock import Instant
from softswitch.sip import session_timer
from softswitch.sip.dialog import Dialog
from softswitch.sip.events import Confirmed, OfferAnswered, OfferRejected, OfferWithdrawn, Reinvited
from softswitch.sip.session import Offer, Phase, Role, Session, Turn, Verb, What
from softswitch.sip.session_body import SDP, session_description
from softswitch.sip.session_terms import too_short
from softswitch.sip.transaction import ClientTransaction, ServerTransaction
from softswitch.wire.sip import Request, Response

if TYPE_CHECKING:
    from softswitch.sip.session_layer import SessionLayer

Action: TypeAlias = Callable[..., None]
_VERSION = re.compile(rb"^o=(\S+ \S+) (\d{1,19}) ", re.MULTILINE)


# ----------------------------------------------------------------------------------------------- what comes from peer


def receive_offer(
    layer: SessionLayer, session: Session, dialog: Dialog, tx: ServerTransaction, request: Request, now: Instant
) -> None:
    """A re-INVITE or UPDATE in `dialog`. Raises `PeerError` (400)."""
    short = too_short(request, session.terms)
    early = session.phase is not Phase.ESTABLISHED
    if short is not None:
        layer.respond(session, tx, short.status, now, headers=short.headers)
    elif tx.method == "UPDATE" and not request.body:
        dialog.refresh(request)
        # In an early dialog the timer is not agreed on yet.
        fields = () if early else session_timer.granted(layer, session, request, now)
        layer.respond(session, tx, 200, now, headers=fields)
    elif early and (tx.method == "INVITE" or not _settled(session, dialog)):
        # The INVITE's own offer is open: 491 if it is ours (RFC 3311 §5.2), or if our 2xx waits for its ACK
        # (RFC 6337 §4.3); 500 if the peer still waits for our answer.
        if session.uac or session.phase is Phase.ANSWERED:
            layer.respond(session, tx, 491, now)
        else:
            _refuse_for_now(layer, session, tx, now)
    elif session.offer is Offer.THEIRS:
        _refuse_for_now(layer, session, tx, now)
    elif session.offer in (Offer.OURS, Offer.TO_CONFIRM, Offer.UNACKED):
        layer.respond(session, tx, 491, now)
    else:
        dialog.refresh(request)
        session.answering = tx
        layer.step_offer(session, Turn.RECEIVED, request, now)


def receive_offer_response(
    layer: SessionLayer, session: Session, tx: ClientTransaction, response: Response, now: Instant
) -> None:
    """A response to our re-INVITE, or to our UPDATE with an offer."""
    status = response.status
    if status < 200:
        if session.phase is Phase.OVER:
            layer.transactions.expect_final(tx, now)  # it was hung up on while no response had come
        return
    if status < 300 and (ack := tx.acks.get(response.to.tag or "")) is not None:
        layer.emit(ack)
    elif session.phase is Phase.OVER:
        if status < 300 and session.dialog is not None and tx.method == "INVITE":
            layer.acknowledge(session.dialog, tx, response.cseq.number)
    elif tx is not session.reinvite:
        return  # a repeated 2xx whose ACK waits for `confirm`
    elif status >= 300:
        session.reinvite = None
        if status in (481, 408) and session.phase is Phase.ESTABLISHED:
            layer.step(session, What.GONE if status == 481 else What.LOST, response, now)
        elif status == 422 and (seconds := session_timer.longer(session, response)) and session.timer is not None:
            session.timer.interval = seconds
            layer.step_offer(session, Turn.TOO_SHORT, response, now)
        else:
            layer.step_offer(session, Turn.GLARE if status == 491 else Turn.REFUSED, response, now)
    elif session.offer is Offer.OURS:
        assert session.dialog is not None
        session.dialog.refresh(response)
        if session.phase is Phase.ESTABLISHED:
            session_timer.agreed(layer, session, response, now)
        layer.step_offer(session, Turn.ANSWERED if tx.offered else Turn.ANSWERED_WITH_OFFER, response, now)


def _settled(session: Session, dialog: Dialog) -> bool:
    """Whether an UPDATE may carry an offer in this early dialog."""
    return session.settled is not None and session.settled == dialog.remote_tag


def _refuse_for_now(layer: SessionLayer, session: Session, tx: ServerTransaction, now: Instant) -> None:
    """§14.2: 500, to be tried again after 0 to 10 s."""
    layer.respond(session, tx, 500, now, headers=(("Retry-After", str(layer.transactions.dice.randrange(11))),))


# ------------------------------------------------------------------------------------------------------------ actions


def _send(layer: SessionLayer, session: Session, message: Any, now: Instant) -> None:
    """The re-INVITE goes out; in an early dialog an UPDATE instead."""
    dialog = session.dialog
    assert dialog is not None
    assert session.wanted is not None
    session.offering, session.wanted = session.wanted, None
    body, headers = session.offering
    if not any(name.lower() == "allow" for name, _ in headers):
        headers = (*headers, ("Allow", layer.allow))
    kind = next((value for name, value in headers if name == "Content-Type"), SDP)
    headers = tuple(field for field in headers if field[0] != "Content-Type")
    if session.phase is Phase.ESTABLISHED:
        headers = (*headers, *session_timer.again(session))
        request = dialog.request("INVITE", headers, body, kind)
    else:
        request = dialog.request("UPDATE", headers, body, kind)
    session.reinvite = layer.start_within(session, dialog, request, Role.REINVITE, now)


def _answered(layer: SessionLayer, session: Session, response: Response, now: Instant) -> None:
    _acknowledge(layer, session, b"")
    layer.emit(OfferAnswered(session.id, response))


def _answered_with_offer(layer: SessionLayer, session: Session, response: Response, now: Instant) -> None:
    layer.emit(OfferAnswered(session.id, response))


def _confirm(layer: SessionLayer, session: Session, verb: Verb, now: Instant) -> None:
    _acknowledge(layer, session, verb.body)


def decline(layer: SessionLayer, session: Session) -> None:
    """The session ends between the peer's offer in a 2xx and our answer: the 2xx is acknowledged all the same
    (§13.2.2.4)."""
    session.offer = Offer.STABLE
    _acknowledge(layer, session, b"")


def _acknowledge(layer: SessionLayer, session: Session, body: bytes) -> None:
    tx, dialog = session.reinvite, session.dialog
    assert tx is not None
    assert dialog is not None
    session.reinvite = session.offering = None
    if tx.method == "INVITE":
        layer.acknowledge(dialog, tx, tx.number, body)


def _glare(layer: SessionLayer, session: Session, response: Response, now: Instant) -> None:
    """§14.1: the owner of the Call-ID waits 2.1 to 4 s, the other side 0 to 2 s, in steps of 10 ms."""
    if session.wanted is None:
        session.wanted = session.offering
    dice = layer.transactions.dice
    pause = dice.randrange(210, 401) if session.uac else dice.randrange(201)
    layer.transactions.deadlines.set(session, now + pause / 100)


def _again(layer: SessionLayer, session: Session, response: Response, now: Instant) -> None:
    if session.wanted is None:
        session.wanted = session.offering
    session.offering = None


def _refused(layer: SessionLayer, session: Session, response: Response | None, now: Instant) -> None:
    session.offering = None
    layer.emit(OfferRejected(session.id, 408 if response is None else response.status))


def _received(layer: SessionLayer, session: Session, request: Request, now: Instant) -> None:
    layer.emit(Reinvited(session.id, request))


def _accept(layer: SessionLayer, session: Session, verb: Verb, now: Instant) -> None:
    tx = _take_answering(session)
    request = tx.request
    assert request is not None
    fields = verb.headers
    if session.wanted is not None and verb.body:
        session.wanted = (_later(session.wanted[0], verb.body), session.wanted[1])
    if tx.method != "PRACK" and session.phase is Phase.ESTABLISHED:
        fields = (*fields, *session_timer.granted(layer, session, request, now))
    layer.respond(session, tx, 200, now, None, fields, verb.body)
    if tx.method == "INVITE":
        layer.await_ack(session, tx, request, now)


def _later(offer: bytes, said: bytes) -> bytes:
    """An offer of ours that had to wait, under a version above that of what we have said meanwhile (RFC 3264 §8)."""
    mine, other = _VERSION.search(offer), _VERSION.search(said)
    if mine is None or other is None or int(mine[2]) > int(other[2]):
        return offer
    return offer[: mine.start(2)] + b"%d" % (int(other[2]) + 1) + offer[mine.end(2) :]


def _reject(layer: SessionLayer, session: Session, verb: Verb, now: Instant) -> None:
    layer.respond(session, _take_answering(session), verb.status, now, verb.reason, verb.headers)


def _withdrawn(layer: SessionLayer, session: Session, cancel: Request, now: Instant) -> None:
    layer.respond(session, _take_answering(session), 487, now)
    layer.emit(OfferWithdrawn(session.id))


def _take_answering(session: Session) -> ServerTransaction:
    tx, session.answering = session.answering, None
    assert tx is not None
    return tx


def _acked(layer: SessionLayer, session: Session, ack: Request, now: Instant) -> None:
    layer.emit(Confirmed(session.id, session_description(ack)))


OFFERS: dict[tuple[Offer, Turn], tuple[Offer, Action | None]] = {
    (Offer.STABLE, Turn.REINVITE): (Offer.OURS, _send),
    (Offer.STABLE, Turn.RECEIVED): (Offer.THEIRS, _received),
    (Offer.OURS, Turn.ANSWERED): (Offer.STABLE, _answered),
    (Offer.OURS, Turn.ANSWERED_WITH_OFFER): (Offer.TO_CONFIRM, _answered_with_offer),
    (Offer.OURS, Turn.GLARE): (Offer.WAITING, _glare),
    (Offer.OURS, Turn.TOO_SHORT): (Offer.STABLE, _again),
    (Offer.OURS, Turn.REFUSED): (Offer.STABLE, _refused),
    (Offer.TO_CONFIRM, Turn.CONFIRM): (Offer.STABLE, _confirm),
    (Offer.WAITING, Turn.RETRY): (Offer.OURS, _send),
    (Offer.WAITING, Turn.RECEIVED): (Offer.THEIRS, _received),
    (Offer.THEIRS, Turn.ACCEPT_INVITE): (Offer.UNACKED, _accept),
    (Offer.THEIRS, Turn.ACCEPT_UPDATE): (Offer.STABLE, _accept),
    (Offer.THEIRS, Turn.REJECT): (Offer.STABLE, _reject),
    (Offer.THEIRS, Turn.WITHDRAWN): (Offer.STABLE, _withdrawn),
    (Offer.UNACKED, Turn.ACKED): (Offer.STABLE, _acked),
}
