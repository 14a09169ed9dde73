"""Who is who, and how to ring them: phones, agents, groups and trunks as destinations.

Sources are told by what they cannot forge at will: a trunk by its network or by the contact of our registration with
it, a phone by its fixed address or its digest (`switch/admission.py`).
"""

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from softswitch.call.dial import Destination, Wave, by_phone
from softswitch.call.stream_policy import StreamPolicy
from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import LocalError
from softswitch.sip.digest import Credentials
from softswitch.sip.flow import Flow
from softswitch.sip.gruu import bare
from softswitch.sip.numbers import e164
from softswitch.sip.privacy import ANONYMOUS
from softswitch.sip.relayed_media import KINDS
from softswitch.sip.session_terms import Terms
from softswitch.sip.transports import SECURE, transport_of
from softswitch.switch import presentation
from softswitch.switch.defence import Network, networks, within
from softswitch.switch.dial_plan import Ringing
from softswitch.switch.settings import Phone, Settings, Trunk
from softswitch.switch.targets import Target, is_number, parse_target
from softswitch.wire.control import LISTEN_ANSWER, LISTEN_PROGRESS
from softswitch.wire.sip import NameAddr, Uri
from softswitch.wire.sip.uri import escaped, escaped_user

if TYPE_CHECKING:
    from softswitch.switch.call import Call
    from softswitch.switch.office import Office

_HOSTS_A_CALL = 4  # of one trunk; the caller waits `timeout_seconds` for each that is silent
_FURTHER: dict[tuple[bool, bool], tuple[str, ...]] = {  # streams beside the sound, by leave for video and fax
    (False, False): (), (True, False): ("video",), (False, True): ("image",), (True, True): KINDS,
}  # fmt: skip
_LEAVE_IT = 5.0  # seconds longer than the ACD lets an offer ring: it is the ACD's to say that nobody answered


class Directory:
    """Compiled from the settings; asks the registrar and the trunks for what changes."""

    def __init__(self, settings: Settings, office: "Office") -> None:
        self._settings = settings
        self._office = office
        self._trunk_networks = [
            (network, name) for name, trunk in settings.trunks.items() for network in _trunk_networks(trunk)
        ]
        self._phone_networks = [
            (network, name) for name, phone in settings.phones.items() for network in _phone_networks(phone)
        ]
        self._terms: dict[Target, Terms] = {}
        self.agents_of_phone: dict[str, list[str]] = {}
        self.reseat(settings)

    def reseat(self, settings: Settings) -> None:
        """Agents may have other phones than before; phones and trunks are the same."""
        self._settings = settings
        self.agents_of_phone = {}
        for name, agent in settings.agents.items():
            for phone in agent.devices:
                self.agents_of_phone.setdefault(phone, []).append(name)

    # ------------------------------------------------------------------------------------------------- who sends this

    def trunk_at(self, host: str) -> str | None:
        """The trunk that has this address, or whose network holds it; the narrowest network wins."""
        return self._office.trunks.at(host) or _narrowest(self._trunk_networks, host)

    def accepts(self, phone: str, host: str) -> bool:
        """Whether the phone's password counts when it comes from `host`."""
        allowed = self._settings.phones[phone].accept_from
        return not allowed or within(host, networks(allowed))

    def phone_at(self, host: str) -> str | None:
        """The phone with a fixed address that `host` is."""
        return _narrowest(self._phone_networks, host)

    def is_trunk(self, name: str, host: str) -> bool:
        """Whether the trunk has this address, or its networks hold it; others may, too."""
        own = tuple(network for network, of in self._trunk_networks if of == name)
        return self._office.trunks.has(name, host) or within(host, own)

    def is_phone(self, name: str, host: str) -> bool:
        """Whether `host` is a fixed address of the phone; others may have it, too."""
        return within(host, tuple(network for network, of in self._phone_networks if of == name))

    # ------------------------------------------------------------------------------------------------------ how to ring

    def ringing(self, target: Target, call: "Call", now: Instant) -> Ringing | None:
        """How to ring `target`; None when it is nothing to ring, or not there (any more)."""
        settings = self._settings
        match target.kind:
            case "phone" if target.name in settings.phones:
                return self.phone(target.name, call, now)
            case "agent" if target.name in settings.agents:
                return self.agent(target.name, call, now)
            case "group" if target.name in settings.groups:
                return self.group(target.name, call, now)
            case "trunk" if target.name in settings.trunks:
                return self.trunk(target.name, call, target.number or call.number, now)
        return None

    def seat(self, peer: str) -> str:
        """The phone at which a party is, as `phone:NAME` or `agent:NAME`; empty for others."""
        kind, _, name = peer.partition(":")
        if kind == "agent":
            agent = self._settings.agents.get(name)
            return "" if agent is None else agent.phone
        return name if kind == "phone" and name in self._settings.phones else ""

    def same_party(self, one: str, other: str) -> bool:
        """Whether the two parties are one person's phones."""
        seats = self.seat(one), self.seat(other)
        if not all(seats):
            return False
        agents = (set(self.agents_of_phone.get(seat, ())) for seat in seats)
        return seats[0] == seats[1] or bool(set.intersection(*agents))

    def dialled(self, phone: str, number: str, now: Instant) -> str | None:
        """The target that `number` reaches when it is dialled at this phone; None also for what no trunk can dial. The
        route's hook is not asked."""
        settings = self._settings.phones.get(phone)
        caller = phone if settings is None else settings.number or phone
        decision = self._office.plan.decide(Target("phone", phone), (number,), now, caller)
        if decision is None:
            return None
        target = parse_target(decision.target)
        if target.kind == "trunk" and not target.number:
            return f"{decision.target}/{decision.number}" if is_number(decision.number) else None
        return decision.target

    def phone(self, name: str, call: "Call", now: Instant) -> Ringing:
        """A phone at all its contacts, unless it forwards everything."""
        phone, phones = self._settings.phones[name], self._office.phones
        target = f"phone:{name}"
        fallbacks, always = phones.fallbacks(name, now), phones.forward(name, "always", now) or ""
        seconds = phone.ring_seconds or self._settings.sip.ring_seconds
        if phone.reject_anonymous and (call.private or call.caller in (ANONYMOUS, "")):
            return Ringing(target, refusal=433)  # RFC 5079
        if phones.dnd(name) or self.full(name):
            return Ringing(target, fallbacks=fallbacks, refusal=486, always=always, forwards=True)
        destinations = self._phone_destinations(name, target, call, (), now)
        if not destinations:
            return Ringing(target, fallbacks=fallbacks, refusal=480, always=always, forwards=True)
        waves = (Wave(destinations, seconds),)
        return Ringing(target, waves, fallbacks, call.wants_recording(False), always=always, forwards=True)

    def intercom(self, name: str, call: "Call", now: Instant, ring_seconds: float = 0.0) -> Ringing:
        """A phone that is to answer by itself: only if it allows that, is in no call and may be disturbed."""
        phone, target = self._settings.phones[name], f"phone:{name}"
        if not phone.intercom:
            return Ringing(target, refusal=403)
        if self._office.phones.dnd(name) or self.calls_at(name):
            return Ringing(target, refusal=486)
        headers = tuple(_answer_after(self._settings.sip.domain))
        destinations = self._phone_destinations(name, target, call, headers, now)
        if not destinations:
            return Ringing(target, refusal=480)
        wave = Wave(destinations, ring_seconds or phone.ring_seconds or self._settings.sip.ring_seconds)
        return Ringing(target, (wave,), record=call.wants_recording(False))

    def caller(
        self, phones: tuple[str, ...], target: str, call: "Call", shown: NameAddr, now: Instant, *, auto_answer: bool
    ) -> Ringing:
        """Phones whose user wants to call `shown`: the first to be answered does. They show it as if it called them.
        Forwardings and do-not-disturb are for those whom others call."""
        headers = [("X-Call-Id", call.id), *(_answer_after(self._settings.sip.domain) if auto_answer else ())]
        free = [phone for phone in phones if not self.full(phone)]
        destinations = tuple(
            to
            for phone in free
            for to in self._phone_destinations(phone, f"phone:{phone}", call, tuple(headers), now, shown)
        )
        if not destinations:
            return Ringing(target, refusal=480 if free else 486)
        seconds = self._settings.phones[free[0]].ring_seconds or self._settings.sip.ring_seconds
        return Ringing(target, (Wave(destinations, seconds),))

    def agent(
        self,
        name: str,
        call: "Call",
        now: Instant,
        ring_seconds: float = 0.0,
        queue: str = "",
        auto_answer: bool = False,
    ) -> Ringing:
        """An agent's phones. The call's facts go along as headers."""
        agent = self._settings.agents[name]
        devices = tuple(phone for phone in agent.devices if not self._office.phones.dnd(phone))
        if not queue:
            devices = tuple(phone for phone in devices if not self.full(phone))
        if not devices:
            return Ringing(f"agent:{name}", refusal=486)
        seconds = ring_seconds or self._settings.sip.ring_seconds
        headers = [("X-Call-Id", call.id)]
        if queue:
            headers.append(("X-Queue", queue))
        if call.callback:
            headers.append(("X-Callback", call.callback))
        told = {key: value for key, value in call.facts.collected.items() if key not in call.withheld}
        if told:
            pairs = (f"{key}={_escaped_value(value)}" for key, value in told.items())
            headers.append(("X-Collected", ";".join(pairs)))
        if call.language_chosen:
            headers.append(("X-Language", call.language))
        if auto_answer:
            headers += _answer_after(self._settings.sip.domain)
        # A call that the ACD did not give keeps the agent busy like any call at that phone.
        waves = [
            Wave(found, seconds)
            for phone in devices
            if (
                found := self._phone_destinations(
                    phone, f"agent:{name}" if queue else f"phone:{phone}", call, tuple(headers), now
                )
            )
        ]
        if not waves:
            return Ringing(f"agent:{name}", refusal=480)
        parts = len(waves) if agent.ring == "in-turn" else 1
        if parts == 1:
            waves = [Wave(tuple(to for wave in waves for to in wave.destinations), seconds)]
        last = seconds / parts + (_LEAVE_IT if queue else 0.0)
        waves = [Wave(wave.destinations, seconds / parts) for wave in waves[:-1]] + [Wave(waves[-1].destinations, last)]
        return Ringing(f"agent:{name}", tuple(waves), record=call.wants_recording(False))

    def group(self, name: str, call: "Call", now: Instant) -> Ringing:
        """A ring group: all members at once, or one after the other."""
        group = self._settings.groups[name]
        waves: list[Wave] = []
        for member in group.members:
            waves.extend(self._member(member, call, now).waves)
        if group.mode == "all":
            everyone = tuple(to for wave in waves if not wave.fail_over_only for to in wave.destinations)
            waves = [Wave(everyone, group.ring_seconds)] if everyone else []
        else:
            waves = [Wave(wave.destinations, group.ring_seconds, wave.fail_over_only, wave.patience) for wave in waves]
        fallbacks = (("any", group.no_answer),)
        return Ringing(f"group:{name}", tuple(waves), fallbacks, call.wants_recording(False), 0 if waves else 480)

    def trunk(self, name: str, call: "Call", number: str, now: Instant) -> Ringing:
        """A number over a trunk, with its backups for when it cannot be reached. Nothing else makes destinations of
        trunks, so no call leaves without the guards' leave."""
        target = f"trunk:{name}"
        waves: list[Wave] = []
        seen: set[str] = set()
        busy = barred = clear = False
        used: list[str] = []
        next_name: str | None = name
        while next_name is not None and next_name not in seen:
            seen.add(next_name)
            trunk = self._settings.trunks[next_name]
            if self._office.guards.refuses(next_name, number, call, now):
                barred = True
                break
            if not self._office.trunks.usable(next_name):
                self._office.log("info", "trunk is down, trying the next", call=call.id, trunk=next_name)
            elif trunk.max_calls and self._office.fabric.parties[f"trunk:{next_name}"] >= trunk.max_calls:
                busy = True
                self._office.log("warning", "trunk is full", call=call.id, trunk=next_name, max_calls=trunk.max_calls)
            elif call.secured and transport_of(Uri.parse(trunk.address)) not in SECURE:
                clear = True
                self._office.log("warning", "a sips call leaves by TLS only", call=call.id, trunk=next_name)
            else:
                seconds = self._settings.sip.invite_seconds
                for flow in self._office.trunks.flows(next_name, now)[:_HOSTS_A_CALL]:
                    destination = self._trunk_destination(next_name, trunk, call, number, flow, now)
                    waves.append(Wave((destination,), seconds, bool(waves), trunk.timeout_seconds))
                used.append(next_name)
            next_name = trunk.backup
        refusal = 0 if waves else 403 if barred and not busy else 480 if clear and not busy else 503
        if used:
            self._office.guards.lets_out(used, number, call, now)
        if busy and not waves:
            self._office.fact("trunk.full", call.started, call.id, trunk=name)
        return Ringing(target, tuple(waves), record=call.wants_recording(False), refusal=refusal)

    # ---------------------------------------------------------------------------------------------------------- streams

    def phone_stream(self, name: str, remote_host: str) -> StreamPolicy:
        phone = self._settings.phones[name]
        return self._policy(phone, remote_host)

    def trunk_stream(self, name: str, remote_host: str) -> StreamPolicy:
        trunk = self._settings.trunks[name]
        return self._policy(trunk, remote_host)

    def terms(self, peer: Target) -> Terms:
        """What may be used with that trunk or phone beside RFC 3261."""
        known = self._terms.get(peer)
        if known is None:
            sip = self._settings.sip
            parties = self._settings.trunks if peer.kind == "trunk" else self._settings.phones
            party = parties[peer.name]
            expires = sip.session_expires if party.session_expires is None else party.session_expires
            known = self._terms[peer] = Terms(party.reliable or sip.reliable, expires, sip.min_session_expires)
        return known

    def _policy(self, party: Phone | Trunk, remote_host: str) -> StreamPolicy:
        """What the party says for itself, else what `[media]` says for all."""
        media = self._settings.media
        codecs, undecoded = party.codecs or media.codecs, self._office.fabric.undecoded
        if undecoded:
            codecs = tuple(name for name in codecs if name not in undecoded) or codecs
        webrtc = isinstance(party, Phone) and party.webrtc
        video = media.video if party.video is None else party.video
        fax = (party.fax or media.fax) == "t38"
        plain = not (webrtc or party.srtp == "required")  # what is relayed is in the clear
        return StreamPolicy(
            codecs,
            self._office.addressing.media(remote_host),
            party.dtmf,
            media.latch,
            media.silence,
            media.packet_ms if party.packet_ms is None else party.packet_ms,
            media.passthrough if party.passthrough is None else party.passthrough,
            _FURTHER[video and plain, fax and plain],
            media.dead_air,
            party.srtp,
            webrtc,
            _wishes(party.detect) if isinstance(party, Trunk) else 0,
        )

    # ---------------------------------------------------------------------------------------------------------- within

    def _member(self, member: str, call: "Call", now: Instant) -> Ringing:
        target = parse_target(member)
        match target.kind:
            case "phone":
                ringing = self.phone(target.name, call, now)  # who forwards everything is not there
                return Ringing(member, refusal=480) if ringing.always else ringing
            case "agent":
                return self.agent(target.name, call, now)
            case "trunk":
                return self.trunk(target.name, call, target.number or call.number, now)
        self._office.log("warning", "a ring group rings phones, agents and trunks only", member=member)
        return Ringing(member, refusal=480)

    def full(self, phone: str) -> bool:
        """Whether the phone is in as many calls as it takes."""
        limit = self._office.phones.limit(phone)
        return limit > 0 and self.calls_at(phone) >= limit

    def calls_at(self, phone: str) -> int:
        """Calls that the phone is in. One with several contacts has a leg for each while it rings: calls count, not
        legs."""
        agents = self.agents_of_phone.get(phone, ())
        return self._office.fabric.calls_at((f"phone:{phone}", *(f"agent:{agent}" for agent in agents)))

    def _phone_destinations(
        self,
        name: str,
        peer: str,
        call: "Call",
        headers: tuple[tuple[str, str], ...],
        now: Instant,
        shown: NameAddr | None = None,
    ) -> tuple[Destination, ...]:
        """`shown`: in place of the caller."""
        phone = self._settings.phones[name]
        from_, identity = presentation.to_phone(call, phone, self._settings.sip.domain)
        if shown is None:
            headers += identity
        else:
            from_ = shown
        if call.referred_by:
            headers += (("Referred-By", call.referred_by),)
        to = NameAddr(phone.name or "", Uri("sip", phone.number or name, None, self._settings.sip.domain))
        contact_user = from_.uri.user or ANONYMOUS
        terms = self.terms(Target("phone", name))
        meant = call.instance[1] if call.instance is not None and call.instance[0] == name else ""
        if phone.contact is not None and not meant:
            uri = Uri.parse(phone.contact)
            flow = self._office.next_hops.flow(
                self._office.next_hops.order(f"phone:{name}", uri, now)[0], phone.listener
            )
            if call.secured and flow.transport not in SECURE:
                return ()
            stream = self.phone_stream(name, flow.remote[0])
            return (Destination(peer, uri, flow, from_, to, stream, contact_user, headers=headers, terms=terms),)
        bindings = self._office.registrations.bindings(name, now)
        if meant:  # RFC 5627 §5.2
            bindings = tuple(binding for binding in bindings if bare(binding.instance) == meant)
        if call.secured:  # RFC 5630 §5.3
            bindings = tuple(binding for binding in bindings if binding.flow.transport in SECURE)
        return by_phone(
            (
                binding.instance if binding.outbound else "",
                Destination(
                    peer,
                    Uri.parse(binding.destination),
                    binding.flow,
                    from_,
                    to,
                    self.phone_stream(name, binding.flow.remote[0]),
                    contact_user,
                    route=binding.route,
                    headers=headers,
                    terms=terms,
                ),
            )
            for binding in bindings
        )

    def _trunk_destination(
        self, name: str, trunk: Trunk, call: "Call", number: str, flow: Flow, now: Instant
    ) -> Destination:
        address = Uri.parse(trunk.address)
        flow, route = self._office.trunks.way(name, flow)
        dialled = escaped_user(trunk.prefix + number[trunk.strip :])
        domain = trunk.domain or address.host
        shown = self.shown_number(trunk, call)
        from_, headers = presentation.to_trunk(call, name, shown, dialled, domain, now)
        return Destination(
            f"trunk:{name}",
            Uri(address.scheme, dialled, None, address.host, address.port, address.params),
            flow,
            from_,
            NameAddr("", Uri("sip", dialled, None, domain)),
            self.trunk_stream(name, flow.remote[0]),
            self._office.trunks.contact_user(name),
            route=route,
            headers=headers,
            credentials=Credentials(trunk.username, trunk.password) if trunk.username and trunk.password else None,
            terms=self.terms(Target("trunk", name)),
        )

    def shown_number(self, trunk: Trunk, call: "Call") -> str:
        """The caller's number outward: the trunk's own, unless the caller's may pass."""
        if call.caller_id is not None:
            return call.caller_id
        source = parse_target(call.source)
        phone = self._settings.phones.get(source.name) if source.kind == "phone" else None  # gone after a reload
        own = None if phone is None else phone.caller_id
        if trunk.pass_caller_id:
            return own or call.caller or ANONYMOUS
        return own or trunk.caller_id or trunk.username or call.caller or ANONYMOUS

    def spellings(self, source: str, number: str) -> tuple[str, ...]:
        """The dialled number as it came; for a trunk that says how, also in E.164, without the "+", and nationally."""
        target = parse_target(source)
        if target.kind != "trunk":
            return (number,)
        trunk = self._settings.trunks[target.name]
        normal = self.normal(target.name, number)
        forms = [number, normal]
        if normal.startswith("+"):
            forms.append(normal[1:])
            code = "+" + (trunk.country or "").lstrip("+")
            if len(code) > 1 and normal.startswith(code):
                forms.append(trunk.national_prefix + normal[len(code) :])
        return tuple(dict.fromkeys(forms))

    def normal(self, trunk_name: str, number: str) -> str:
        """A number that came from a trunk, in E.164 as far as the trunk's settings tell."""
        trunk = self._settings.trunks[trunk_name]
        try:
            return e164(number, trunk.country, trunk.national_prefix, trunk.international_prefix)
        except LocalError:
            return number


def _answer_after(domain: str) -> list[tuple[str, str]]:
    """Asks a phone to answer by itself. There is no one way that all take: RFC 5373, and what desk phones know."""
    return [
        ("Answer-Mode", "Auto"),
        ("Call-Info", f"<sip:{domain}>;answer-after=0"),
        ("Alert-Info", "<http://localhost>;info=alert-autoanswer;delay=0"),
    ]


def _escaped_value(text: str) -> str:
    """A value in `X-Collected`: what would end the pair or the header goes as in URIs."""
    return "".join(escaped(sign) if sign in ";=%" or not sign.isprintable() else sign for sign in text)


def _wishes(detect: tuple[str, ...]) -> int:
    wishes = {"tones": LISTEN_PROGRESS, "answer": LISTEN_ANSWER}
    return sum(wishes[what] for what in set(detect))


def _trunk_networks(trunk: Trunk) -> list[Network]:
    networks = [ip_network(text, strict=False) for text in trunk.accept_from]
    return networks + _literal(Uri.parse(trunk.address).host)


def _phone_networks(phone: Phone) -> list[Network]:
    known = phone.password or phone.ha1  # then `accept_from` bounds where the password counts, and is no proof
    own = [] if known else [ip_network(text, strict=False) for text in phone.accept_from]
    return own + (_literal(Uri.parse(phone.contact).host) if phone.contact is not None else [])


def _literal(host: str) -> list[Network]:
    try:
        return [ip_network(host.strip("[]"))]
    except ValueError:
        return []


def _narrowest(networks: list[tuple[Network, str]], host: str) -> str | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    fitting = [(network.prefixlen, name) for network, name in networks if address in network]
    return max(fitting)[1] if fitting else None
