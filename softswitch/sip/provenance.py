"""Where requests within a dialog come from.

RFC 3261 knows a dialog by Call-ID and tags alone, so whoever has learned these could end a call or move its sound. Here
a request counts when it comes from where the peer is known to be: addresses that have spoken in the dialog, and those
that the peer itself has named for its messages (Contact, Record-Route). About any other the floor above is asked.
"""

from collections.abc import Callable
from typing import TypeAlias

from softswitch.kernel.clock import Instant
from softswitch.sip.flow import Flow
from softswitch.sip.screening import Refusal
from softswitch.sip.session import Session
from softswitch.sip.transports import SECURE
from softswitch.wire.sip import NameAddr, Request

_MOST_HOSTS = 16

Judge: TypeAlias = Callable[[int, Request, Flow, Instant], Refusal | None]
"""Whether a request within a session's dialog may come from elsewhere: None, or what it is refused with."""


def anywhere(session: int, request: Request, flow: Flow, now: Instant) -> Refusal | None:
    """The judge of a user agent that was given none: dialogs as RFC 3261 has them."""
    return None


def familiar(session: Session, flow: Flow) -> bool:
    """Whether messages of the session's peer may come by `flow`: never in the clear where it speaks to us by TLS, and
    from addresses that are the peer's. Ports do not count: NATs choose others, and connections come and go."""
    if session.flow.transport in SECURE and flow.transport not in SECURE:
        return False
    return flow.remote[0] in session.hosts or flow.remote[0] in _named(session)


def heard_from(session: Session, flow: Flow) -> None:
    """The peer has spoken from there."""
    host = flow.remote[0]
    if host not in session.hosts:
        session.hosts = (*session.hosts[-_MOST_HOSTS + 1 :], host)


def _named(session: Session) -> set[str]:
    """Hosts that the peer's own messages name as where its requests come from."""
    dialogs = [*session.forks.values()]
    if session.dialog is not None:
        dialogs.append(session.dialog)
    hosts = {dialog.target.host.strip("[]") for dialog in dialogs}
    return hosts | {NameAddr.parse(route).uri.host.strip("[]") for dialog in dialogs for route in dialog.route_set}
