"""Who may send within a call from another address than its party does: the judge of `sip/provenance.py`.

A party is believed there what it would be believed with a new call: a trunk by its networks, its certificate or the
contact that only it was told, a phone by its fixed address, an address that it has registered from, or its password.
ACK and CANCEL cannot be challenged (RFC 3261 §22.1), so these need an address.
"""

from typing import TYPE_CHECKING

from softswitch.kernel.clock import Instant
from softswitch.sip.flow import Flow
from softswitch.sip.screening import Refusal
from softswitch.sip.transports import SECURE
from softswitch.switch import admission
from softswitch.switch.events import Security
from softswitch.switch.targets import Target, parse_target
from softswitch.wire.sip import Request

if TYPE_CHECKING:
    from softswitch.switch.office import Office

_UNCHALLENGED = ("ACK", "CANCEL")


class Provenance:
    """One for the whole switch."""

    def __init__(self, office: "Office") -> None:
        self._office = office

    def objects_to(self, session: int, request: Request, flow: Flow, now: Instant) -> Refusal | None:
        """What a request within the dialog of `session` is refused with, None if it may come by `flow`."""
        office = self._office
        if office.settings.defence.dialogs == "any":
            return None
        leg = office.fabric.sessions.get(session)
        way = office.ua.way(session)
        if way is not None and way.transport in SECURE and flow.transport not in SECURE:
            verdict: Refusal | bool = False  # less than TLS, whoever it is
        elif leg is None:  # a recording server, if anybody
            servers = office.recording_servers
            verdict = session in servers.by_session and servers.at_host(flow.remote[0])
        else:
            verdict = self._is_party(parse_target(leg.peer), request, flow, now)
        if isinstance(verdict, Refusal):
            return verdict
        if verdict:
            return None
        party = "" if leg is None else leg.peer
        what = f"{request.method} within a call"
        office.log("warning", f"{what} came from elsewhere", party=party, source=flow.peer)
        office.outbox.append(Security("stray", now, flow.remote[0], party, what))
        return Refusal(403)

    def _is_party(self, party: Target, request: Request, flow: Flow, now: Instant) -> Refusal | bool:
        """Whether it comes from the party; or what it is asked for first."""
        settings = self._office.settings
        if party.kind == "trunk":
            if self._office.admission.is_trunk(party.name, request, flow):
                return True
            trunk = settings.trunks.get(party.name)
            able = trunk is not None and trunk.username is not None and trunk.password is not None
            return able and self._proof({party}, request, flow, now)
        agent = settings.agents.get(party.name) if party.kind == "agent" else None
        names = (party.name,) if agent is None else agent.devices
        if any(self._is_at(name, flow.remote[0], now) for name in names):
            return True
        able = any(phone.password or phone.ha1 for name in names if (phone := settings.phones.get(name)) is not None)
        return able and self._proof({Target("phone", name) for name in names}, request, flow, now)

    def _is_at(self, phone: str, host: str, now: Instant) -> bool:
        bindings = self._office.registrations.bindings(phone, now)
        return any(one.flow.remote[0] == host for one in bindings) or self._office.directory.is_phone(phone, host)

    def _proof(self, parties: set[Target], request: Request, flow: Flow, now: Instant) -> Refusal | bool:
        if request.method in _UNCHALLENGED:
            return False
        match self._office.admission.digest(request, flow, now):
            case admission.Challenge(headers):
                return Refusal(401, headers)
            case admission.Refusal(status):
                return Refusal(status)
            case account:
                return account in parties
