"""What every request is checked for before anybody looks at its meaning (RFC 3261 §8.2)."""

from dataclasses import dataclass

from softswitch.sip.session_body import SDP, session_description
from softswitch.sip.transports import SECURE
from softswitch.wire.rs_metadata import REQUEST_TYPE
from softswitch.wire.sip import Request

_SCHEMES = ("sip", "sips", "tel")
_MOST_HOPS = 70  # Via, Route and Record-Route: no honest path is longer than Max-Forwards (§8.1.1.6)
_NO_HOPS_NEEDED = ("OPTIONS", "REGISTER")  # §11.2: OPTIONS with Max-Forwards 0 is for us; we are the registrar


@dataclass(frozen=True, slots=True)
class Refusal:
    """A final response with the header fields that the RFC asks for."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()


# RFC 5630 §5.1.2, §5.3: a sips URI is carried by TLS on every hop, or not at all; §9 has the code
SIPS_NOT_ALLOWED = Refusal(480, (("Warning", '380 softswitch "SIPS Not Allowed"'),))


def screen(
    request: Request, allow: frozenset[str], allow_value: str, supported: frozenset[str], transport: str
) -> Refusal | None:
    """Why `request` must be refused; None if it may pass. ACK and CANCEL are not screened (§8.2.2.3)."""
    method, headers = request.method, request.headers
    if headers.crowded(_MOST_HOPS):
        return Refusal(400)
    if method not in allow:
        return Refusal(405, (("Allow", allow_value),))  # §8.2.1
    if request.uri.scheme not in _SCHEMES:
        return Refusal(416)  # §8.2.2.1
    if request.uri.scheme == "sips" and transport not in SECURE:
        return SIPS_NOT_ALLOWED
    if "Require" in headers:
        wanted = [option for option in headers.all("Require") if option.lower() not in supported]
        if wanted:
            return Refusal(420, (("Unsupported", ", ".join(wanted)),))  # §8.2.2.3
    if method != "INVITE" and ("Replaces" in headers or "Join" in headers):
        return Refusal(400)  # RFC 3891 §3, RFC 3911 §4
    if method in ("INVITE", "UPDATE", "PRACK") and request.body:
        if "Content-Encoding" in headers and (headers.get("Content-Encoding") or "").lower() != "identity":
            return Refusal(415, (("Accept-Encoding", "identity"),))  # §8.2.3
        asks = request.to.tag is not None and (request.content_type or "").partition(";")[0].strip() == REQUEST_TYPE
        if not session_description(request) and not asks:
            return Refusal(415, (("Accept", SDP),))
    return None


def hops_used_up(request: Request) -> bool:
    """Whether a request that would go further may not (§16.3 step 3). Raises `PeerError` (400) on garbage."""
    return request.method not in _NO_HOPS_NEEDED and request.max_forwards == 0
