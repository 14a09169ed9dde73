"""What a session must remember to be taken up by another process: its dialog (RFC 3261 §12) and its timer (RFC 4028),
as plain values. Credentials are not among them: they stand in the configuration.

A remembered session may be a moment old. Requests of ours that it does not know of have used CSeq numbers, so the next
one leaves `LEAP` out: numbers must grow, not be contiguous (§12.2.2). A connection never outlives its process: its
number says nothing in another, and would name a stranger's.
"""

from math import inf
from typing import Final

import msgspec

from softswitch.kernel.clock import Instant
from softswitch.sip.dialog import Dialog
from softswitch.sip.flow import Flow
from softswitch.sip.session import Phase, Session, SessionTimer
from softswitch.sip.session_terms import PLAIN, Terms
from softswitch.wire.sip import Uri

LEAP: Final = 1000
"""CSeq numbers left out: more requests than a session sends between two looks at it."""
GONE: Final = -1
"""The number of a connection that is no more: what is sent there fails at once, and takes another way if it has one."""
_LASTING: Final = (Phase.ESTABLISHED, Phase.ANSWERED)


class TimerMemory(msgspec.Struct, frozen=True, array_like=True):
    """RFC 4028: seconds, whether we refresh, and when the session ends unless somebody does."""

    interval: int
    ours: bool
    expires: Instant


class SessionMemory(msgspec.Struct, frozen=True, array_like=True):
    """The fields of `Dialog` and of `Session` that count in an established session."""

    uac: bool
    call_id: str
    local: str
    remote: str
    local_tag: str
    remote_tag: str
    local_cseq: int
    remote_cseq: int
    route_set: tuple[str, ...]
    target: str
    flow: Flow
    contact: str
    max_forwards: int = 70
    terms: Terms = PLAIN
    updates: bool = False
    timer: TimerMemory | None = None


def remembered(session: Session) -> SessionMemory | None:
    """The session as it is now; None while it is not established, or when it is over."""
    dialog = session.dialog
    if dialog is None or session.phase not in _LASTING:
        return None
    timer = session.timer
    return SessionMemory(
        session.uac,
        dialog.call_id,
        dialog.local,
        dialog.remote,
        dialog.local_tag,
        dialog.remote_tag,
        dialog.local_cseq,
        dialog.remote_cseq,
        dialog.route_set,
        str(dialog.target),
        dialog.flow,
        dialog.contact,
        dialog.max_forwards,
        session.terms,
        session.updates,
        None if timer is None else TimerMemory(timer.interval, timer.ours, timer.expire_at),
    )


def recall(session: Session, memory: SessionMemory, now: Instant) -> None:
    """Make of a new session the one that is remembered. A timer that is due soon is refreshed soon, one that ran out
    meanwhile ends the session when it is looked at. Raises `PeerError` when the target is no URI."""
    flow = standing(memory.flow)
    session.dialog = Dialog(
        call_id=memory.call_id,
        local=memory.local,
        remote=memory.remote,
        local_tag=memory.local_tag,
        remote_tag=memory.remote_tag,
        local_cseq=memory.local_cseq + LEAP,
        remote_cseq=memory.remote_cseq,
        route_set=memory.route_set,
        target=Uri.parse(memory.target),
        flow=flow,
        contact=memory.contact,
        max_forwards=memory.max_forwards,
    )
    session.phase = Phase.ESTABLISHED
    session.terms = memory.terms
    session.updates = memory.updates
    if (timer := memory.timer) is not None:
        refresh_at = max(now, timer.expires - timer.interval / 2) if timer.ours else inf
        session.timer = SessionTimer(session, timer.interval, timer.ours, refresh_at, max(now, timer.expires))


def standing(flow: Flow) -> Flow:
    """The same way in another process."""
    return Flow(flow.transport, flow.remote, flow.listener, GONE) if flow.reliable else flow
