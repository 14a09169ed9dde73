"""Provisional responses that must arrive: RSeq, PRACK and their repetition (RFC 3262)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import PeerError
from softswitch.sip.dialog import takes_update
from softswitch.sip.events import Confirmed, Ended
from softswitch.sip.session import Offer, Phase, Reliable, Role, Session, Turn, Verb, What
from softswitch.sip.session_body import session_description
from softswitch.sip.session_terms import options_of
from softswitch.sip.session_uac import MOST_FORKS
from softswitch.sip.transaction import ServerTransaction
from softswitch.wire.sip import Request, Response

if TYPE_CHECKING:
    from softswitch.sip.session_layer import SessionLayer

_RACK = re.compile(r"(\d{1,10})[ \t]+(\d{1,10})[ \t]+(\S+)", re.ASCII)  # RFC 3262 §10
_LAST = 2**31  # §3: the first RSeq is below


# ---------------------------------------------------------------------------------------------------------------- UAS


def prepared(layer: SessionLayer, session: Session, request: Request) -> None:
    """Whether responses to this INVITE may be reliable, or must (§3)."""
    if session.terms.reliable == "off" or "100rel" not in options_of(request):
        return
    required = any(option.lower() == "100rel" for option in request.headers.all("Require"))
    first = layer.transactions.dice.randrange(1, _LAST)
    session.updates = takes_update(request)
    session.reliable = Reliable(session, request.cseq.number, required, first - 1)


def ring(layer: SessionLayer, session: Session, verb: Verb, now: Instant) -> bool:
    """Send a provisional response reliably, if it should be; False when an ordinary one will do. A further one waits
    until the last was acknowledged (§3)."""
    reliable = session.reliable
    if reliable is None or not (reliable.required or verb.body):
        return False
    if reliable.data is not None:
        reliable.waiting.append(verb)
    else:
        _send(layer, session, reliable, verb, now)
    return True


def _send(layer: SessionLayer, session: Session, reliable: Reliable, verb: Verb, now: Instant) -> None:
    tx, timers = session.invite, layer.transactions.timers
    assert isinstance(tx, ServerTransaction)
    body = b"" if session.settled is not None else verb.body
    reliable.rseq += 1
    fields = (*verb.headers, ("Require", "100rel"), ("RSeq", str(reliable.rseq)), ("Allow", layer.allow))
    layer.respond(session, tx, verb.status, now, verb.reason, fields, body)
    reliable.data = tx.data
    reliable.described = bool(body)
    reliable.offered = bool(body) and session.request is not None and not session.request.body
    reliable.interval = timers.t1
    reliable.repeat_at, reliable.give_up_at = now + timers.t1, now + timers.give_up
    layer.transactions.deadlines.set(reliable, reliable.repeat_at)


def wake(layer: SessionLayer, reliable: Reliable, now: Instant) -> None:
    """Send it again, in intervals that double; 64*T1 later the INVITE is refused (§3)."""
    if reliable.data is None:
        return
    if now >= reliable.give_up_at:
        reliable.data = None
        layer.step(reliable.session, What.NO_PRACK, None, now)
        return
    layer.emit(reliable.data)
    reliable.interval *= 2
    reliable.repeat_at = now + reliable.interval
    layer.transactions.deadlines.set(reliable, min(reliable.repeat_at, reliable.give_up_at))


def receive_prack(layer: SessionLayer, session: Session, tx: ServerTransaction, request: Request, now: Instant) -> None:
    """PRACK: 481 when it is for none of our responses that wait (§3). Raises `PeerError` (400)."""
    found = _RACK.fullmatch((request.headers.get("RAck") or "").strip())
    if found is None:
        raise PeerError("PRACK without a usable RAck")
    reliable = session.reliable
    wanted = None if reliable is None else (reliable.rseq, reliable.cseq, "INVITE")
    if reliable is None or reliable.data is None or (int(found[1]), int(found[2]), found[3]) != wanted:
        layer.respond(session, tx, 481, now)
        return
    open_still = session.phase in (Phase.INCOMING, Phase.ACCEPTING)
    if open_still and reliable.offered and not request.body:
        raise PeerError("PRACK without an answer to our offer")  # §5
    reliable.data = None
    layer.transactions.deadlines.cancel(reliable)
    if reliable.described:
        session.settled = request.from_.tag or ""
    if open_still and reliable.offered:
        reliable.offered = False
        layer.respond(session, tx, 200, now)
        layer.emit(Confirmed(session.id, session_description(request)))
    elif open_still and request.body and session.settled is not None and session.offer is Offer.STABLE:
        session.answering = tx  # §5: a new offer, which the 200 answers
        layer.step_offer(session, Turn.RECEIVED, request, now)
    else:
        layer.respond(session, tx, 200, now)
    layer.settle(session, now)


def go_on(layer: SessionLayer, session: Session, now: Instant) -> None:
    """What waited for an acknowledgement goes out."""
    reliable = session.reliable
    if reliable is None or reliable.data is not None or session.offer is not Offer.STABLE:
        return
    if session.phase is Phase.ACCEPTING:
        layer.step(session, What.PRACKED, reliable.accepting, now)
    elif session.phase is Phase.INCOMING and reliable.waiting:
        _send(layer, session, reliable, reliable.waiting.pop(0), now)


def holds_answer(session: Session) -> bool:
    """Whether a 2xx must wait: a response with SDP is not acknowledged yet, or an offer in an early dialog not
    answered (§3, §5)."""
    reliable = session.reliable
    if reliable is None:
        return False
    return session.offer is not Offer.STABLE or (reliable.data is not None and reliable.described)


def must_offer(session: Session) -> bool:
    """Whether the next provisional response must carry our offer: the INVITE had none, and this response will be the
    first that arrives for certain (RFC 3261 §13.2.1)."""
    reliable, request = session.reliable, session.request
    return reliable is not None and reliable.required and request is not None and not request.body


def stop(layer: SessionLayer, session: Session) -> None:
    """A final response goes out: nothing provisional is repeated any more, but a PRACK on its way is still taken."""
    if session.reliable is not None:
        session.reliable.waiting.clear()
        layer.transactions.deadlines.cancel(session.reliable)


def accept_later(layer: SessionLayer, session: Session, verb: Verb, now: Instant) -> None:
    """Keep the answer until the PRACK."""
    assert session.reliable is not None
    session.reliable.accepting = verb
    session.reliable.waiting.clear()


def not_acknowledged(layer: SessionLayer, session: Session, message: Any, now: Instant) -> None:
    """64*T1 without PRACK: a 5xx for the INVITE (§3)."""
    assert isinstance(session.invite, ServerTransaction)
    layer.respond(session, session.invite, 504, now, "No PRACK")
    layer.emit(Ended(session.id, "no-prack", None))


# ---------------------------------------------------------------------------------------------------------------- UAC


def take(layer: SessionLayer, session: Session, response: Response, now: Instant) -> bool:
    """A provisional response to our INVITE: acknowledge it if it is reliable. False: it is not to be looked at, a
    repetition or one that came too early (§4)."""
    headers = response.headers
    if "RSeq" not in headers or session.terms.reliable == "off":
        return True
    number, tag = (headers.get("RSeq") or "").strip(), response.to.tag or ""
    if not any(option.lower() == "100rel" for option in headers.all("Require")):
        return True
    if not tag or not (number.isascii() and number.isdigit()) or len(number) > 10:
        return False
    if session.phase not in (Phase.CALLING, Phase.PROCEEDING):
        return True
    if session.rseqs is None:
        session.rseqs = {}
    last, rseq = session.rseqs.get(tag), int(number)
    if last is None and len(session.rseqs) >= MOST_FORKS:
        return False
    if last is not None and rseq != last + 1:
        return False
    session.rseqs[tag] = rseq
    session.early[tag] = response
    dialog = layer.early_dialog(session, tag)
    if dialog is None:
        return True
    rack = (("RAck", f"{rseq} {response.cseq.number} INVITE"),)
    layer.start_within(session, dialog, dialog.request("PRACK", rack), Role.PRACK, now)
    if response.body and session.request is not None and session.request.body:
        session.settled = tag
    return True
