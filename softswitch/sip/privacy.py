"""What a party wants hidden (Privacy: RFC 3323, RFC 3325, RFC 7044 §10.1) and who it is asserted to be (RFC 3325)."""

import re
from typing import Final

from softswitch.kernel.errors import PeerError
from softswitch.wire.sip import Headers, NameAddr, Uri
from softswitch.wire.sip.grammar import is_token

ANONYMOUS: Final = "anonymous"  # in place of a number that is hidden or that nobody told
NOBODY: Final = Uri("sip", ANONYMOUS, None, "anonymous.invalid")  # RFC 3323 §4.1.1.3
# What a B2BUA does by nature: no Via, Contact, Call-ID or SDP of one side is seen at the other. `id` and `history` we
# obey; `critical` is thus never a reason to fail for these.
_SERVED: Final = frozenset({"none", "header", "session", "user", "id", "history", "critical"})


def wanted(headers: Headers) -> frozenset[str]:
    """The privacy types asked for, in lower case; empty: nothing was said. Raises `PeerError`: 400 for what is no
    list of tokens, 500 when one that we do not know is `critical` (RFC 3323 §5)."""
    lines = headers.all("Privacy")
    if not lines:
        return frozenset()
    kinds = [kind for line in lines for kind in re.split(r"\s*[;,]\s*", line.strip().lower())]
    if not all(is_token(kind) for kind in kinds):
        raise PeerError(f"malformed Privacy {lines[0][:80]!r}")
    found = frozenset(kinds)
    if "critical" in found and not found <= _SERVED:
        raise PeerError(f"no such privacy service: {', '.join(sorted(found - _SERVED))}", status=500)
    return found - {"critical"}


def hides_caller(kinds: frozenset[str]) -> bool:
    """Whether who calls is for nobody's eyes: `id` hides what is asserted (RFC 3325 §9.3), `user` and `header` what
    the caller says (RFC 3323 §4.2). `none` says that nothing is to be hidden."""
    return "none" not in kinds and bool(kinds & {"id", "user", "header"})


def asserted(headers: Headers, name: str = "P-Asserted-Identity") -> tuple[NameAddr, ...]:
    """The identities of a header field: a sip: or sips: URI, a tel: URI, or one of each (RFC 3325 §9.1). A second one
    of a kind is left out (RFC 5876 §4.5). Raises `PeerError` (400)."""
    found: list[NameAddr] = []
    for text in headers.all(name):
        one = NameAddr.parse(text)
        if one.uri.scheme not in ("sip", "sips", "tel"):
            continue  # RFC 5876 §4.5: other schemes are ignored
        if all((one.uri.scheme == "tel") != (other.uri.scheme == "tel") for other in found):
            found.append(one)
    return tuple(found)


def number_of(identities: tuple[NameAddr, ...]) -> tuple[str, str]:
    """The number that identities stand for, the telephone number before a name; and the name to display."""
    names = [one.display for one in identities if one.display]
    users = [one.uri.number for one in identities]
    best = next((user for user in users if user.lstrip("+").isdigit()), users[0] if users else "")
    return best, names[0] if names else ""


def remote_party(headers: Headers) -> tuple[NameAddr, bool] | None:
    """Remote-Party-ID of the caller (draft-ietf-sip-privacy-04, which older carriers speak), and whether it is
    private; None without one. Raises `PeerError` (400)."""
    for text in headers.all("Remote-Party-ID"):
        one = NameAddr.parse(text)
        if (one.params.get("party") or "calling").lower() == "calling":
            return one, (one.params.get("privacy") or "off").strip('"').lower() not in ("off", "none", "name")
    return None
