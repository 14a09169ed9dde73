"""3xx: a phone, or a carrier, says where else a call is to be rung (RFC 3261 §8.1.3.4, §21.3).

A phone's wish is done as if the phone had dialled it itself, with the rights and guards of a forwarding. A carrier's is
not, unless `redirect = true`, and then only to other numbers at the carrier's own address.
"""

from typing import TYPE_CHECKING

import msgspec

from softswitch.call.dial import Destination
from softswitch.kernel.clock import Instant
from softswitch.switch import diverting, forwarding
from softswitch.switch.dial_plan import Ringing
from softswitch.switch.targets import parse_target
from softswitch.wire.sip import NameAddr, Response, Uri
from softswitch.wire.sip.uri import escaped_user

if TYPE_CHECKING:
    from softswitch.switch.call import Call

_MOST = 10  # contacts that are looked at


def redirect(call: "Call", at: str, response: Response, now: Instant) -> str | Ringing | None:
    """Where the call goes on from `at`: a target, or several to be rung in turn. None: nowhere. An empty target: it
    goes round."""
    kind, _, name = at.partition(":")
    uris = _contacts(response)
    if kind == "phone":
        return _by_phone(call, name, uris, now)
    return _by_trunk(call, name.partition("/")[0], uris, now) if kind == "trunk" else None


def _by_phone(call: "Call", name: str, uris: list[Uri], now: Instant) -> str | Ringing | None:
    directory = call.office.directory
    phone = call.office.settings.phones.get(name)
    if phone is None or not phone.redirect:
        return None
    found = (directory.dialled(name, uri.number, now) for uri in uris)
    targets = list(dict.fromkeys(target for target in found if target is not None))
    if not targets:
        return None
    if forwarding.divert(call, name, "deflection", targets[0], now):
        return ""
    if len(targets) > 1:
        rung = [directory.ringing(parse_target(target), call, now) for target in targets]
        waves = tuple(wave for ringing in rung if ringing is not None and not ringing.always for wave in ringing.waves)
        if rung[0] is not None and not rung[0].always and waves:
            return Ringing(targets[0], waves, record=rung[0].record)
    return targets[0]


def _by_trunk(call: "Call", name: str, uris: list[Uri], now: Instant) -> str | Ringing | None:
    trunk = call.office.settings.trunks.get(name)
    if trunk is None or not trunk.redirect:
        return None
    own = {Uri.parse(trunk.address).host.lower(), (trunk.domain or "").lower()}
    users = [uri.number for uri in uris if uri.username and uri.host.lower() in own]
    if not users:
        return None
    if not diverting.divert(call, call.number, "deflection"):
        return ""
    guards = call.office.guards
    users = [user for user in dict.fromkeys(users) if not guards.refuses(name, user, call, now, leaving=True)]
    if not users:
        return Ringing(f"trunk:{name}", refusal=403)
    ringing = call.office.directory.trunk(name, call, call.number, now)
    waves = tuple(
        msgspec.structs.replace(wave, destinations=(_to(wave.destinations[0], user),))
        for user in users
        for wave in ringing.waves[:1]
    )
    for user in users if waves else ():
        guards.lets_out((name,), user, call, now, leaving=True)
    return msgspec.structs.replace(ringing, waves=waves) if waves else None


def _to(destination: Destination, user: str) -> Destination:
    """The same way, to another number."""
    uri, to, user = destination.uri, destination.to.uri, escaped_user(user)
    return msgspec.structs.replace(
        destination,
        uri=Uri(uri.scheme, user, None, uri.host, uri.port, uri.params),
        to=NameAddr("", Uri(to.scheme, user, None, to.host, to.port, to.params)),
    )


def _contacts(response: Response) -> list[Uri]:
    """The addresses that can be called, the most wanted first (§20.10: q)."""
    contacts = [one for one in response.contacts[:_MOST] if one.uri.scheme in ("sip", "sips", "tel")]
    return [one.uri for one in sorted(contacts, key=_wanted, reverse=True)]


def _wanted(contact: NameAddr) -> float:
    try:
        return min(max(float(contact.params.get("q") or 1), 0.0), 1.0)
    except ValueError:
        return 0.0
