"""Who calls: what a phone is known to be, what a trunk asserts, what is hidden, and who passed the call on.

A trunk is believed what it asserts (RFC 3325 §6: the trust domain) unless `trusted = false`; a phone is what we know it
to be, unless `trusted = true`. What the others assert is not looked at. What they ask to hide is hidden: that costs
nobody anything.
"""

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from softswitch.kernel.errors import PeerError
from softswitch.sip import diversion
from softswitch.sip.diversion import Diversion
from softswitch.sip.privacy import ANONYMOUS, asserted, hides_caller, number_of, remote_party, wanted
from softswitch.switch import diverting
from softswitch.switch.targets import Target
from softswitch.wire.sip import Headers, Request, Uri

if TYPE_CHECKING:
    from softswitch.switch.call import Call
    from softswitch.switch.office import Office

_MOST_NUMBER: Final = 128  # characters, as of a number that is dialled
_MOST_NAME: Final = 256
_MOST_UUI: Final = 512  # characters of User-to-User: four times what ISDN carries
_VERSTAT: Final = {  # ATIS-1000074 §5.3.1
    "tn-validation-passed": "TN-Validation-Passed",
    "tn-validation-failed": "TN-Validation-Failed",
    "no-tn-validation": "No-TN-Validation",
}


class Caller(NamedTuple):
    """`number` and `name` for our own eyes; `hidden`: for nobody else's. `caller_id`: the number of its own that a
    phone prefers to show outward. `verstat` is what the carrier found (empty: it says nothing)."""

    number: str
    name: str
    hidden: bool
    vouched: bool
    caller_id: str | None = None
    verstat: str = ""
    diversions: tuple[Diversion, ...] = ()
    user_to_user: str = ""


def calling_party(office: "Office", source: Target, request: Request) -> Caller:
    """Who calls. Raises `PeerError`: 500 for a critical privacy that we do not know (RFC 3323 §5), 400 for one that
    cannot be read."""
    kinds = wanted(request.headers) if "Privacy" in request.headers else frozenset()
    if source.kind == "phone":
        return _from_phone(office, source.name, request, kinds)
    return _from_trunk(office, source.name, request, kinds)


def take(call: "Call", caller: Caller) -> None:
    """What is known of the caller becomes the call's."""
    call.private = caller.hidden
    call.vouched = caller.vouched
    call.caller_id = caller.caller_id
    call.verstat = caller.verstat
    call.diversions, call.diverted_before = caller.diversions, len(caller.diversions)
    call.user_to_user = caller.user_to_user


def shown(office: "Office", phone: str, number: str, hidden: bool) -> tuple[str, bool]:
    """The number without the code to hide or show the caller's for one call (3GPP TS 22.030 §6.5.2), and whether it
    is hidden."""
    codes = office.settings.codes
    for code, hides in ((codes.hide_caller_id, True), (codes.show_caller_id, False)):
        if code and number.startswith(code) and len(number) > len(code):
            return number[len(code) :], hides
    return number, hidden


def told(call: "Call") -> dict[str, str]:
    """As variables, for hooks and call records: diversions, what a signature proved, what the caller's side sent for
    the agent's, which token of the API had it begun."""
    found = diverting.told(call)
    if call.verstat:
        found["verstat"] = call.verstat
    if call.attestation:
        found["attestation"] = call.attestation
    if call.ordered_by:
        found["ordered_by"] = call.ordered_by
    if call.user_to_user:
        found["user_to_user"] = call.user_to_user
    return found


def of_phone(office: "Office", name: str) -> Caller:
    """Who calls when that phone is the caller of a call that the switch begins."""
    phone = office.settings.phones[name]
    number = phone.number or name
    return Caller(number, phone.name or "", phone.hide_caller_id, _is_number(number))


def _from_phone(office: "Office", name: str, request: Request, kinds: frozenset[str]) -> Caller:
    phone = office.settings.phones[name]
    own, display = phone.number or name, phone.name or ""
    hidden = hides_caller(kinds) or (phone.hide_caller_id and "none" not in kinds)
    headers, caller_id = request.headers, None
    number, vouched = own, True
    try:
        if phone.trusted and (identities := asserted(headers)):
            number, said = number_of(identities)
            display, vouched = said or display, True
        elif "P-Preferred-Identity" in headers:  # RFC 3325 §9.2: which of its own it would be
            preferred, said = number_of(asserted(headers, "P-Preferred-Identity"))
            if preferred and preferred in (*phone.numbers, phone.caller_id):
                caller_id = preferred
    except PeerError as error:
        office.log("warning", "identity cannot be read", phone=name, reason=str(error))
    diversions = diversion.read(headers) if phone.trusted else ()
    return Caller(number or own, display, hidden, vouched and _is_number(number), caller_id, "", diversions)


def _from_trunk(office: "Office", name: str, request: Request, kinds: frozenset[str]) -> Caller:
    trunk, headers = office.settings.trunks[name], request.headers
    trusted = trunk.trusted is not False
    identity, hidden = request.from_, hides_caller(kinds)
    user, display = identity.uri.number, identity.display
    readable = True
    if trusted:
        try:
            if identities := asserted(headers):
                user, display = number_of(identities)
            elif (party := remote_party(headers)) is not None:
                user, display, hidden = party[0].uri.number, party[0].display, hidden or party[1]
        except PeerError as error:
            office.log("warning", "identity cannot be read", trunk=name, reason=str(error))
            readable = False
    verstat = _verstat(headers) if trusted else ""
    private = "history" in kinds  # RFC 7044 §10.1: of all entries
    diversions = tuple(_normal(office, name, one, private) for one in diversion.read(headers)) if trusted else ()
    uui = ", ".join(headers.all("User-to-User")) if trunk.user_to_user else ""
    if len(uui) > _MOST_UUI:
        office.log("warning", "User-to-User data is too long", trunk=name, characters=len(uui))
        uui = ""
    if not user or user.lower() == ANONYMOUS or hidden:
        return Caller(ANONYMOUS, "", hidden, False, None, verstat, diversions, uui)
    if len(user) > _MOST_NUMBER or len(display) > _MOST_NAME:
        office.log("warning", "identity is too long", trunk=name, characters=len(user) + len(display))
        readable, user, display = False, user[:_MOST_NUMBER], display[:_MOST_NAME]
    number = office.directory.normal(name, user)
    vouched = trusted and readable and verstat != "TN-Validation-Failed" and _is_number(number)
    return Caller(number, display, False, vouched, None, verstat, diversions, uui)


def _normal(office: "Office", trunk: str, one: Diversion, private: bool) -> Diversion:
    return one._replace(who=office.directory.normal(trunk, one.who[:_MOST_NUMBER]), private=one.private or private)


def _is_number(number: str) -> bool:
    return number.lstrip("+").isdigit()


def _verstat(headers: Headers) -> str:
    """`verstat` in what identifies the caller (ATIS-1000074 §5.3.1): a parameter of the URI, or of its user part."""
    for text in (*headers.all("P-Asserted-Identity"), headers.get("From") or ""):
        if (found := _SAID.search(text)) is not None:
            return _VERSTAT.get(found[1].lower(), "")
    return ""


_SAID: Final = re.compile(r";verstat=([A-Za-z\-]+)")


def marked(uri: Uri, verstat: str) -> Uri:
    """The same URI with `verstat`, for phones that show it."""
    return Uri(uri.scheme, uri.user, None, uri.host, uri.port, {**uri.params, "verstat": verstat})
