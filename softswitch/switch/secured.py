"""Calls for `sips` URIs stay on TLS however they are joined with others (RFC 5630 §5.1.1.3).

What is dialled is kept to it by the directory, which gives such a call no destination in the clear. Here is the rule
for calls that stand already: pickup, parking, Replaces, REFER with Replaces, supervision.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from softswitch.call.leg import Leg
from softswitch.sip.transports import SECURE

if TYPE_CHECKING:
    from softswitch.switch.call import Call


def downgrades(calls: Iterable["Call"], legs: Iterable[Leg]) -> bool:
    """Whether these legs cannot be joined out of these calls: one of the calls is for a sips URI, and one of the legs
    is not reached by TLS."""
    return any(call.secured for call in calls) and not all(_by_tls(leg) for leg in legs)


def passes_on(call: "Call", to: "Call") -> None:
    """A party of `call` goes into the call `to`, which must be as careful from now on."""
    to.secured = to.secured or call.secured


def _by_tls(leg: Leg) -> bool:
    way = leg.ua.way(leg.session)
    return way is not None and way.transport in SECURE
