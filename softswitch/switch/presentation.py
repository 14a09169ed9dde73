"""How a party is shown to others: From, P-Asserted-Identity, Privacy, Remote-Party-ID, Diversion, by trust.

Outward, From names nobody when the caller hides (RFC 3323 §4.1), and Privacy says so. A hidden number that is the
trunk's own goes out asserted, because the carrier knows whose it is and may have to (RFC 3325 §7); somebody else's only
to a trunk of our trust domain (`trusted = true`).
"""

from typing import TYPE_CHECKING

from softswitch.kernel.clock import Instant
from softswitch.sip import diversion
from softswitch.sip.numbers import written
from softswitch.sip.privacy import ANONYMOUS, NOBODY
from softswitch.switch import diverting, stir
from softswitch.switch.identity import marked
from softswitch.switch.ownership import owns
from softswitch.switch.settings import Phone, Settings, Trunk
from softswitch.wire.sip import NameAddr, Uri
from softswitch.wire.sip.uri import escaped_user

if TYPE_CHECKING:
    from softswitch.call.leg import Leg
    from softswitch.switch.call import Call

HeaderFields = tuple[tuple[str, str], ...]


def to_trunk(
    call: "Call", name: str, shown: str, dialled: str, host: str, now: Instant
) -> tuple[NameAddr, HeaderFields]:
    """From and the header fields that identify the caller to the carrier of the trunk `name`. `shown` is the number to
    show, `host` that of our addresses there."""
    trunk = call.office.settings.trunks[name]
    nobody = call.caller == ANONYMOUS and shown in (ANONYMOUS, "")
    hidden = nobody or call.private
    number = escaped_user(written(shown, trunk.number_form, trunk.country, trunk.national_prefix))
    display = "" if hidden else call.caller_name
    identity = NameAddr(display, Uri("sip", number, None, host))
    headers: list[tuple[str, str]] = []
    may = not hidden or trunk.trusted is True or owns(call, trunk, shown)
    tells = may and trunk.trusted is not False and not nobody
    if tells and trunk.identity in ("p-asserted-identity", "both"):
        headers.append(("P-Asserted-Identity", str(identity)))
    if trunk.identity == "remote-party-id":
        if tells:
            params = {"party": "calling", "screen": "yes", "privacy": "full" if hidden else "off"}
            headers.append(("Remote-Party-ID", str(NameAddr(display, identity.uri, params))))
    elif hidden:
        headers.append(("Privacy", "id"))
    headers += _diversions(call, trunk, dialled, host)
    if trunk.stir.sign and (tells or not hidden):
        headers += stir.identity(call, name, shown, dialled, now)
    if call.user_to_user and trunk.user_to_user:
        headers.append(("User-to-User", call.user_to_user))
    if hidden:
        return NameAddr("Anonymous", NOBODY), tuple(headers)
    if trunk.identity == "p-asserted-identity" and trunk.username:
        return NameAddr(call.caller_name, Uri("sip", escaped_user(trunk.username), None, host)), tuple(headers)
    return NameAddr(call.caller_name, identity.uri), tuple(headers)


def to_phone(call: "Call", phone: Phone, domain: str) -> tuple[NameAddr, HeaderFields]:
    """From and the header fields that identify the caller to a phone of ours."""
    headers: list[tuple[str, str]] = []
    hidden = call.private or call.caller in (ANONYMOUS, "")
    uri = NOBODY if hidden else Uri("sip", escaped_user(call.caller), None, domain)
    if phone.verstat and call.verstat:
        uri = marked(uri, call.verstat)
    if phone.trusted and call.caller not in (ANONYMOUS, ""):
        asserted = Uri("sip", escaped_user(call.caller), None, domain)
        headers.append(("P-Asserted-Identity", str(NameAddr(call.caller_name, asserted))))
        if hidden:
            headers.append(("Privacy", "id"))
    if call.diversions:
        headers += diversion.written(call.diversions, domain, phone.trusted)
    if call.user_to_user:
        headers.append(("User-to-User", call.user_to_user))
    return NameAddr("Anonymous" if hidden else call.caller_name, uri), tuple(headers)


def connected(call: "Call", leg: "Leg | None", at: str) -> HeaderFields:
    """Whom the caller has reached, for responses to a phone of ours: P-Asserted-Identity (RFC 3325 §9.1). `leg` has
    answered; without one it is `at` that rings. Carriers and phones that do not want it are told nothing."""
    settings = call.office.settings
    kind, _, caller = call.source.partition(":")
    phone = settings.phones.get(caller) if kind == "phone" else None
    if phone is None or not phone.connected_id:
        return (("Reason", call.stir_reason),) if call.stir_reason else ()
    reached = party(call, settings, at if leg is None else leg.peer)
    return () if reached is None else (("P-Asserted-Identity", str(reached)),)


def changed(call: "Call", leg: "Leg", far: "Leg", now: Instant) -> None:
    """A phone of ours that has talked with somebody talks with `far` from now on: it is told so (RFC 4916)."""
    if leg.peer.startswith("trunk:") or leg.answered_at is None or leg.answered_at >= now:
        return
    office = call.office
    phone = office.settings.phones.get(office.directory.seat(leg.peer))
    if phone is None or not phone.connected_id:
        return
    if far.peer != call.source:
        reached = party(call, office.settings, far.peer)
    elif call.private or call.caller in (ANONYMOUS, ""):
        reached = None
    else:
        uri = Uri("sip", escaped_user(call.caller), None, office.settings.sip.domain)
        reached = NameAddr(call.caller_name, uri)
    if reached is not None:
        call.drive(office.ua.update(leg.session, now, (("P-Asserted-Identity", str(reached)),)))


def party(call: "Call", settings: Settings, peer: str) -> NameAddr | None:
    """Name and number of a phone, an agent, or whoever a trunk was dialled for; None for all else, and who hides."""
    kind, _, name = peer.partition(":")
    domain = settings.sip.domain
    match kind:
        case "phone" if name in settings.phones:
            phone = settings.phones[name]
            if phone.hide_caller_id:
                return None
            return NameAddr(phone.name or "", Uri("sip", escaped_user(phone.number or name), None, domain))
        case "agent" if name in settings.agents:
            agent = settings.agents[name]
            owner = settings.phones.get(agent.phone)
            number = agent.phone if owner is None else owner.number or agent.phone
            display = agent.name or (owner.name if owner is not None else "") or name
            return NameAddr(display, Uri("sip", escaped_user(number), None, domain))
        case "trunk":
            return NameAddr("", Uri("sip", escaped_user(call.number), None, domain))
    return None


def _diversions(call: "Call", trunk: Trunk, dialled: str, host: str) -> list[tuple[str, str]]:
    if trunk.diversion == "none":
        return []
    passed = diverting.outward(call)
    if not passed:
        return []
    form = trunk.number_form, trunk.country, trunk.national_prefix
    passed = tuple(one._replace(who=escaped_user(written(one.who, *form))) for one in passed)
    tell = trunk.trusted is True
    headers: list[tuple[str, str]] = []
    if trunk.diversion in ("diversion", "both"):
        headers += diversion.written(passed, host, tell)
    if trunk.diversion in ("history-info", "both"):
        headers += diversion.history(passed, escaped_user(dialled), host, tell)
    return headers
