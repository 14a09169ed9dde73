"""What a session may use beside RFC 3261: reliable provisional responses (RFC 3262) and session timers (RFC 4028)."""

from functools import lru_cache
from typing import Literal, TypeAlias

import msgspec

from softswitch.kernel.errors import PeerError
from softswitch.sip.screening import Refusal
from softswitch.wire.sip import Request, Response

Reliable: TypeAlias = Literal["off", "supported", "required"]
SHORTEST = 90  # seconds, RFC 4028 §4: no Min-SE may be smaller
# option tags: RFC 3262, 6228, 3911, 4488, 3891, 4538, 4028
OPTIONS = ("100rel", "199", "join", "norefersub", "replaces", "tdialog", "timer")


class Terms(msgspec.Struct, frozen=True, gc=False):
    """`reliable`: whether provisional responses may be, or must be, acknowledged. `session_expires`: seconds within
    which a session must be refreshed, 0 = no session timers. `min_se`: the fewest seconds that we put up with."""

    reliable: Reliable = "off"
    session_expires: int = 0
    min_se: int = SHORTEST

    @property
    def supported(self) -> str:
        """Our Supported header."""
        return supported(self.reliable != "off", bool(self.session_expires))


PLAIN = Terms()


@lru_cache(maxsize=4)
def supported(reliable: bool, timer: bool) -> str:
    """The option tags that we understand, less those that are switched off."""
    off = {"100rel": not reliable, "199": not reliable, "timer": not timer}
    return ", ".join(option for option in OPTIONS if not off.get(option, False))


@lru_cache(maxsize=64)
def invite_fields(terms: Terms) -> tuple[tuple[str, str], ...]:
    """What our INVITE says of its terms."""
    if terms is PLAIN:
        return ()
    fields = [("Supported", terms.supported)]
    if terms.reliable == "required":
        fields.append(("Require", "100rel"))
    if terms.session_expires:
        fields.append(("Session-Expires", str(max(terms.session_expires, terms.min_se))))
        if terms.min_se > SHORTEST:
            fields.append(("Min-SE", str(terms.min_se)))
    return tuple(fields)


def knows_recording(message: Request | Response) -> bool:
    """Whether the sender can show that it is recorded (RFC 7866 §6.2)."""
    return "record-aware" in (message.headers.get("Supported") or "")


def options_of(message: Request | Response) -> frozenset[str]:
    """The option tags that the sender understands, in lower case."""
    supported, required = message.headers.tokens("Supported"), message.headers.tokens("Require")
    return supported | required if required else supported


def refusal_of(request: Request, terms: Terms) -> Refusal | None:
    """Why an INVITE cannot be taken on these terms; None when it can. Raises `PeerError` (400) on garbage."""
    required = request.headers.tokens("Require")
    if required:
        ours = terms.supported.split(", ")
        off = [option for option in ("100rel", "timer") if option in required and option not in ours]
        if off:
            return Refusal(420, (("Unsupported", ", ".join(off)),))
    if terms.reliable == "required" and "100rel" not in options_of(request):
        return Refusal(421, (("Require", "100rel"),))  # RFC 3261 §21.4.15
    return too_short(request, terms)


def too_short(request: Request, terms: Terms) -> Refusal | None:
    """RFC 4028 §9: 422 when the sender could repeat the request with a longer interval. Raises `PeerError` (400)."""
    if "Session-Expires" not in request.headers and "Min-SE" not in request.headers:
        return None
    asked, _ = session_expires(request), min_se(request)
    if asked is None or not terms.session_expires or asked[0] >= terms.min_se or "timer" not in options_of(request):
        return None
    return Refusal(422, (("Min-SE", str(terms.min_se)),))


def session_expires(message: Request | Response) -> tuple[int, str] | None:
    """Seconds and `uac`, `uas` or nothing, as Session-Expires says (RFC 4028 §4). Raises `PeerError` (400)."""
    value = message.headers.get("Session-Expires")
    if value is None:
        return None
    seconds, *parameters = value.split(";")
    refresher = ""
    for parameter in parameters:
        name, _, text = parameter.partition("=")
        if name.strip().lower() == "refresher":
            refresher = text.strip().lower()
            if refresher not in ("uac", "uas"):
                raise PeerError("Session-Expires has no such refresher")
    return _seconds(seconds, "Session-Expires"), refresher


def min_se(message: Request | Response) -> int:
    """The sender's Min-SE in seconds (RFC 4028 §5). Raises `PeerError` (400)."""
    value = message.headers.get("Min-SE")
    return SHORTEST if value is None else max(SHORTEST, _seconds(value.partition(";")[0], "Min-SE"))


def _seconds(text: str, field: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdigit()) or len(text) > 10:
        raise PeerError(f"{field} is not a number of seconds")
    return int(text)
