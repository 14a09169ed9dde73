"""Session timers (RFC 4028): who refreshes a session, how often, and what becomes of one that nobody refreshes.

Every INVITE and UPDATE that succeeds is a refresh, whatever else it was for.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import PeerError
from softswitch.sip.dialog import takes_update
from softswitch.sip.events import Ended, Fields, RefreshDue
from softswitch.sip.session import Phase, Role, Session, SessionTimer, What
from softswitch.sip.session_terms import SHORTEST, min_se, options_of, session_expires
from softswitch.sip.transaction import ClientTransaction
from softswitch.wire.sip import Request, Response

if TYPE_CHECKING:
    from softswitch.sip.session_layer import SessionLayer

_LONGEST = 86_400 * 7  # seconds; who wants more wants no timer


# ---------------------------------------------------------------------------------------------------- what is agreed


def granted(layer: SessionLayer, session: Session, request: Request, now: Instant) -> Fields:
    """What our 2xx to the peer's INVITE or UPDATE says of the timer, which begins anew (§9). We take the peer's
    interval; one that the peer leaves to us it refreshes itself, if it can."""
    terms, timer = session.terms, session.timer
    if not terms.session_expires:
        return ()
    _note_methods(session, request)
    asked, able = session_expires(request), "timer" in options_of(request)
    if asked is not None:
        seconds, refresher = asked
        if seconds < terms.min_se:  # it knows nothing of 422
            return ()
    elif able or timer is not None:
        seconds = max(terms.session_expires if timer is None else timer.interval, min_se(request))
        refresher = "" if timer is None else "uas" if timer.ours else "uac"
    else:
        return ()
    if not able:
        refresher = "uas"
    refresher = refresher or "uac"
    _start(layer, session, seconds, refresher == "uas", now)
    fields = [("Session-Expires", f"{seconds};refresher={refresher}")]
    if able:
        fields.append(("Require", "timer"))
    return fields


def agreed(layer: SessionLayer, session: Session, response: Response, now: Instant) -> None:
    """A 2xx to our INVITE or UPDATE: the timer begins anew as it says, or there is none (§7.2)."""
    if not session.terms.session_expires:
        return
    try:
        asked = session_expires(response)
    except PeerError:
        asked = None
    if asked is None:
        stop(layer, session)
    else:
        _note_methods(session, response)
        _start(layer, session, max(asked[0], SHORTEST), asked[1] != "uas", now)


def again(session: Session) -> Fields:
    """What our re-INVITE or UPDATE says of the timer: interval and refresher stay (§7.4)."""
    terms, timer = session.terms, session.timer
    if not terms.session_expires:
        return ()
    fields = [("Supported", terms.supported)]
    if timer is not None:
        fields.append(("Session-Expires", f"{timer.interval};refresher={'uac' if timer.ours else 'uas'}"))
        if timer.interval > terms.session_expires:
            fields.append(("Min-SE", str(max(SHORTEST, terms.min_se))))
    return fields


def longer(session: Session, response: Response) -> int:
    """The interval that a 422 asks for; 0 when it is none that could help (§7.3)."""
    try:
        wanted = min_se(response)
    except PeerError:
        return 0
    had = session.terms.session_expires if session.timer is None else session.timer.interval
    return wanted if had < wanted <= _LONGEST and session.terms.session_expires else 0


def longer_invite(tx: ClientTransaction, response: Response) -> Request | None:
    """Our INVITE again with the interval that the 422 asks for (§7.3); None when it is no use."""
    request = tx.sent
    try:
        had, wanted = session_expires(request), min_se(response)
    except PeerError:
        return None
    if had is None or not had[0] < wanted <= _LONGEST:
        return None
    headers = request.headers.copy()
    headers.remove("Via")
    headers.set("CSeq", f"{request.cseq.number + 1} INVITE")
    headers.set("Session-Expires", str(wanted))
    headers.set("Min-SE", str(wanted))
    return Request(request.method, request.uri, headers, request.body)


def _start(layer: SessionLayer, session: Session, seconds: int, ours: bool, now: Instant) -> None:
    seconds = min(seconds, _LONGEST)
    timer = session.timer
    if timer is None:
        timer = session.timer = SessionTimer(session, seconds, ours, inf, inf)
    timer.interval, timer.ours = seconds, ours
    timer.refresh_at = now + seconds / 2 if ours else inf  # §7.2: half the interval
    timer.expire_at = now + seconds - min(32.0, seconds / 3)  # §10
    layer.transactions.deadlines.set(timer, min(timer.refresh_at, timer.expire_at))


def _note_methods(session: Session, message: Request | Response) -> None:
    if "Allow" in message.headers:
        session.updates = takes_update(message)


def stop(layer: SessionLayer, session: Session) -> None:
    """There is no timer any more."""
    if session.timer is not None:
        layer.transactions.deadlines.cancel(session.timer)
        session.timer = None


# ------------------------------------------------------------------------------------------------------- when it fires


def wake(layer: SessionLayer, timer: SessionTimer, now: Instant) -> None:
    """Refresh, or end the session that nobody refreshed."""
    session = timer.session
    if session.timer is not timer:
        return
    if now >= timer.expire_at:
        session.timer = None
        layer.step(session, What.EXPIRED, None, now)
        return
    timer.refresh_at = inf
    layer.transactions.deadlines.set(timer, timer.expire_at)
    _refresh(layer, session, now)


def _refresh(layer: SessionLayer, session: Session, now: Instant) -> None:
    """UPDATE where the peer takes it, since it disturbs no media; else a re-INVITE (§7.4)."""
    dialog = session.dialog
    if dialog is None or session.phase is not Phase.ESTABLISHED:
        return
    if not session.updates:
        layer.emit(RefreshDue(session.id))
        return
    layer.start_within(session, dialog, dialog.request("UPDATE", again(session)), Role.REFRESH, now)


def refreshed(layer: SessionLayer, session: Session, tx: ClientTransaction, response: Response, now: Instant) -> None:
    """A final response to our UPDATE."""
    status, timer = response.status, session.timer
    if session.phase is not Phase.ESTABLISHED:
        return
    if status < 300:
        if session.dialog is not None:
            session.dialog.refresh(response)
        agreed(layer, session, response, now)
    elif status in (481, 408):
        layer.step(session, What.GONE if status == 481 else What.LOST, response, now)
    elif timer is None:
        return
    elif status == 422 and (seconds := longer(session, response)):
        timer.interval = seconds
        _refresh(layer, session, now)
    elif status in (491, 500):
        pause = layer.transactions.dice.randrange(210, 401) / 100  # as for RFC 3261 §14.1
        timer.refresh_at = now + pause
        layer.transactions.deadlines.set(timer, min(timer.refresh_at, timer.expire_at))
    elif session.updates:
        session.updates = False  # whatever its Allow said
        _refresh(layer, session, now)


def expired(layer: SessionLayer, session: Session, message: Any, now: Instant) -> None:
    """§10: BYE, though the peer is likely gone."""
    assert session.dialog is not None
    layer.emit(Ended(session.id, "expired", None))
    layer.bye(session, session.dialog, now)
