"""Who calls: what a phone is known to be, what a trunk asserts, what is hidden."""

import re
from typing import TYPE_CHECKING

from softswitch.kernel.errors import PeerError
from softswitch.switch.directory import ANONYMOUS
from softswitch.switch.targets import Target
from softswitch.wire.sip import NameAddr, Request

if TYPE_CHECKING:
    from softswitch.switch.office import Office


def calling_party(office: "Office", source: Target, request: Request) -> tuple[str, str]:
    """Number and name of who calls. A phone is what we know it to be; a trunk is believed what it asserts."""
    settings = office.settings
    if source.kind == "phone":
        phone = settings.phones[source.name]
        return phone.number or source.name, phone.name or ""
    identity = request.from_
    asserted = (request.headers.all("P-Asserted-Identity") or ("",))[0]
    if asserted:
        try:
            identity = NameAddr.parse(asserted)
        except PeerError:
            office.log("debug", "unreadable P-Asserted-Identity", peer=str(source))
    user = identity.uri.username
    if not user or user.lower() == ANONYMOUS or wants_privacy(request):
        return ANONYMOUS, ""
    return office.directory.normal(source.name, user), identity.display or ""


def wants_privacy(request: Request) -> bool:
    """RFC 3325 §9.3: the asserted identity is for nobody's eyes."""
    privacy = request.headers.get("Privacy")
    return privacy is not None and "id" in re.split(r"[;,\s]+", privacy.lower())


def vouched(request: Request, caller: str) -> bool:
    """Whether the number is the caller's as far as can be told: not hidden, and not one whose signature the carrier
    found to be wrong (ATIS-1000074 §5.3.1, `verstat`)."""
    if caller == ANONYMOUS or not caller.lstrip("+").isdigit():
        return False
    identities = (*request.headers.all("P-Asserted-Identity"), request.headers.get("From") or "")
    return not any("verstat=tn-validation-failed" in identity.lower() for identity in identities)
