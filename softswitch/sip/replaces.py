"""The Replaces header field (RFC 3891 §6.1): which dialog a new INVITE takes the place of."""

import msgspec

from softswitch.kernel.errors import PeerError
from softswitch.wire.sip import Headers


class Replaces(msgspec.Struct, frozen=True):
    """`to_tag` is the tag of the side that gets the INVITE, `from_tag` that of its peer. `early_only`: not when it has
    been answered."""

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False

    @classmethod
    def parse(cls, text: str) -> "Replaces":
        """Raises `PeerError` (400)."""
        call_id, *parameters = (part.strip() for part in text.split(";"))
        tags: dict[str, str] = {}
        early_only = False
        for parameter in parameters:
            name, equals, value = (part.strip() for part in parameter.partition("="))
            name = name.lower()
            if name in ("to-tag", "from-tag"):
                if not value or name in tags:
                    raise PeerError(f"Replaces has no usable {name}")
                tags[name] = value
            elif name == "early-only" and not equals:
                early_only = True
        if not call_id or len(tags) != 2 or any(sign in text for sign in ', \t"'):
            raise PeerError("Replaces names no dialog")
        return cls(call_id, tags["to-tag"], tags["from-tag"], early_only)


def replaces_of(headers: Headers) -> Replaces:
    """What an INVITE with Replaces wants. Raises `PeerError` (400, RFC 3891 §3)."""
    values = headers.all("Replaces")
    if len(values) != 1:
        raise PeerError("more than one Replaces")
    if "Join" in headers:
        raise PeerError("Replaces and Join")
    return Replaces.parse(values[0])
