"""Lamps: what the `dialog` package (RFC 4235) tells of phones, agents, queues, conferences and feature codes.

A lamp is a resource, written `kind:name`. Those of phones and agents show their calls; the rest only burn or do not,
which is told as one dialog that is confirmed or terminated, because that is what phones light a lamp for.

| resource | dialled | burns |
|---|---|---|
| `phone:NAME`, `agent:NAME` | the extension, the agent's number | a dialog for each call of it |
| `queue:NAME` | the number that leads there | while callers wait |
| `conference:NAME` | the number that leads there | while somebody is in it |
| `park:PLACE` | the parking place | while a call is parked there |
| `login:PHONE`, `pause:PHONE` | the feature codes at that phone | while an agent there is logged in, is paused |
| `dnd:PHONE` | the code that switches it on, at that phone | while it is not to be disturbed |
| `forward:PHONE` | the code that forwards all calls, at that phone | while it does |

The index of who has which legs is kept only while somebody watches.
"""

from typing import TYPE_CHECKING, Final

from softswitch.call.leg import Leg, LegState
from softswitch.kernel.clock import Instant
from softswitch.sip.subscription import Subscription
from softswitch.switch.targets import parse_target
from softswitch.wire.dialog_info import DialogElement, DialogState, Participant, dialog_info
from softswitch.wire.sip import Uri
from softswitch.wire.sip.uri import escaped_user

if TYPE_CHECKING:
    from softswitch.switch.office import Office

PACKAGE: Final = "dialog"
_ANONYMOUS: Final = "sip:anonymous@anonymous.invalid"  # RFC 3323 §4.1
_STATES: Final[dict[LegState, DialogState]] = {
    LegState.TRYING: "trying",
    LegState.RINGING: "early",
    LegState.EARLY: "early",
    LegState.UP: "confirmed",
    LegState.HELD: "confirmed",
}
_NOBODY: Final = Participant(_ANONYMOUS, "Anonymous", _ANONYMOUS)
_LIT: Final = ("queue", "conference")  # kinds of target that are lamps themselves


class Lamps:
    """Looks at calls, the ACD and conferences; keeps nothing but the index of legs and what it made of them."""

    def __init__(self, office: "Office") -> None:
        self._office = office
        self._legs: dict[str, dict[Leg, None]] = {}  # by phone
        self._phone_of: dict[Leg, str] = {}
        self._rooms: set[str] = set()  # conferences that somebody is in, as was told
        self._elements: dict[str, tuple[DialogElement, ...]] = {}  # by resource, as long as nothing moves

    # ------------------------------------------------------------------------------------------------- what there is

    def resource(self, phone: str, number: str, now: Instant) -> str | None:
        """The lamp that `phone` means by `number`; None: there is none for it."""
        office, codes = self._office, self._office.settings.codes
        for kind, field in (("login", "login"), ("pause", "pause"), ("dnd", "dnd_on"), ("forward", "forward_always")):
            code: str = getattr(codes, field)
            if code and number == code:
                return f"{kind}:{phone}"
        if office.parked.lot_of(number):
            return f"park:{number}"
        target = office.directory.dialled(phone, number, now)
        parsed = None if target is None else parse_target(target)
        if parsed is not None and parsed.kind in _LIT:
            return f"{parsed.kind}:{parsed.name}"
        if parsed is not None and parsed.kind in ("phone", "agent"):
            kind, name = parsed.kind, parsed.name
        else:
            agents = office.settings.agents
            named = [name for name, agent in agents.items() if number and agent.number == number]
            if not named:
                return None
            kind, name = "agent", named[0]
        seat = office.directory.seat(f"{kind}:{name}")
        return f"{kind}:{name}" if seat and (seat == phone or office.settings.phones[seat].watched) else None

    # ------------------------------------------------------------------------------------------------------ watching

    def watch(self) -> None:
        """Somebody watches from here on."""
        fabric = self._office.fabric
        if fabric.moved is None:
            fabric.moved = dict.fromkeys(leg for leg in fabric.sessions.values() if not leg.over)

    def unwatch(self) -> None:
        """Nobody watches any more: calls go their way unseen."""
        self._office.fabric.moved = None
        self._legs.clear()
        self._rooms.clear()
        self._phone_of.clear()
        self._elements.clear()

    def moved(self) -> set[str]:
        """Take in what happened to legs; the phones that it happened at."""
        office = self._office
        moved, office.fabric.moved = office.fabric.moved or {}, {}
        phones = set()
        for leg in moved:
            now_at = "" if leg.over else office.directory.seat(leg.peer)
            before = self._phone_of.get(leg, "")
            if before and before != now_at:
                self._part(leg, before)
                phones.add(before)
            if now_at:
                self._phone_of[leg] = now_at
                self._legs.setdefault(now_at, {})[leg] = None
                phones.add(now_at)
        for phone in phones:
            for resource in self.of_phone(phone):
                self._elements.pop(resource, None)
        return phones

    def _part(self, leg: Leg, phone: str) -> None:
        del self._phone_of[leg]
        legs = self._legs[phone]
        del legs[leg]
        if not legs:
            del self._legs[phone]

    def of_phone(self, phone: str) -> list[str]:
        """The lamps that show calls of the phone."""
        agents = self._office.directory.agents_of_phone.get(phone, ())
        return [f"phone:{phone}", *(f"agent:{agent}" for agent in agents)]

    def of_agent(self, agent: str) -> list[str]:
        """The lamps that show what the agent said."""
        settings = self._office.settings.agents.get(agent)
        devices = () if settings is None else settings.devices
        return [f"{kind}:{phone}" for kind in ("login", "pause") for phone in devices]

    def rooms(self) -> list[str]:
        """The lamps of conferences that somebody came into first, or left last, since this was asked."""
        now_there = set(self._office.conferences.by_name)
        changed, self._rooms = now_there ^ self._rooms, now_there
        lamps = [f"conference:{name}" for name in sorted(changed)]
        for lamp in lamps:
            self.forget(lamp)
        return lamps

    def forget(self, resource: str) -> None:
        """What was made of it may be another now."""
        self._elements.pop(resource, None)

    def looked(self, resource: str, now: Instant) -> bool:
        """Look at a lamp that shows no calls; whether it burns as it did not before."""
        before = self._elements.get(resource)
        self._elements[resource] = found = self._look(resource, now)
        return found != before

    def configured(self) -> None:
        """Other names, other seats."""
        self._elements.clear()

    def talking(self, phone: str) -> bool:
        """Whether a call of the phone rings or is up."""
        return phone in self._legs

    # ----------------------------------------------------------------------------------------------------- documents

    def compose(self, subscription: Subscription, now: Instant) -> bytes:
        """The full state. A dialog that the watcher was told of and that is over is named once more, terminated: many
        phones wait for that word."""
        resource = subscription.resource
        elements = self._elements.get(resource)
        if elements is None:
            elements = self._elements[resource] = self._look(resource, now)
        here = {element.id for element in elements}
        told: tuple[DialogElement, ...] = subscription.told if isinstance(subscription.told, tuple) else ()
        over = [
            DialogElement(one.id, "terminated", one.direction, one.call_id, one.local_tag, one.remote_tag)
            for one in told
            if one.id not in here
        ]
        subscription.told = tuple(element for element in elements if element.state != "terminated")
        return dialog_info(subscription.entity, subscription.version, (*elements, *over))

    def _look(self, resource: str, now: Instant) -> tuple[DialogElement, ...]:
        kind, _, name = resource.partition(":")
        office = self._office
        if kind in ("phone", "agent"):
            agent = office.settings.agents.get(name) if kind == "agent" else None
            phones = (name,) if kind == "phone" else () if agent is None else agent.devices
            legs = [leg for phone in phones for leg in self._legs.get(phone, ())]
            return tuple(self._dialog(leg) for leg in legs)
        return (DialogElement(kind, "confirmed" if self.lit(kind, name, now) else "terminated", "recipient"),)

    def lit(self, kind: str, name: str, now: Instant) -> bool:
        """Whether a lamp burns that shows no calls."""
        office = self._office
        if kind == "queue":
            queue = office.engine.queue_view(name, now)
            return queue is not None and queue.waiting > 0
        if kind == "conference":
            return name in office.conferences.by_name
        if kind == "park":
            return name in office.parked.calls
        if kind in ("dnd", "forward"):
            if name not in office.settings.phones:
                return False
            return office.phones.dnd(name) if kind == "dnd" else bool(office.phones.forward(name, "always", now))
        views = [office.engine.agent_view(agent, now) for agent in office.directory.agents_of_phone.get(name, ())]
        if kind == "login":
            return any(view is not None and view.logged_in for view in views)
        return any(view is not None and view.logged_in and view.pause is not None for view in views)

    def _dialog(self, leg: Leg) -> DialogElement:
        office = self._office
        ids = office.ua.dialog_of(leg.session)
        call = office.calls.get(leg.owner)
        local = remote = Participant()
        if office.settings.subscriptions.identities:
            local = self._local(leg)
            if call is not None:
                hidden = call.private and leg is not call.leg
                number, name = (call.called, "") if leg is call.leg else (call.caller, call.caller_name)
                remote = _NOBODY if hidden else self._remote(number, name)
        told = office.dialog_names.of(leg)
        return DialogElement(
            id=f"{leg.id:x}",
            state=_STATES[leg.state],
            direction="recipient" if ids is not None and ids.ours else "initiator",
            call_id=told.call_id,
            local_tag=told.remote_tag,  # the phone's own: the document speaks from its side
            remote_tag=told.local_tag,
            local=local,
            remote=remote,
        )

    def _local(self, leg: Leg) -> Participant:
        phone = self._office.settings.phones[self._phone_of[leg]]
        uri = self._uri(phone.number or self._phone_of[leg])
        return Participant(uri, phone.name or "", uri, leg.state is not LegState.HELD)

    def _remote(self, number: str, name: str) -> Participant:
        uri = self._uri(number or "anonymous")
        return Participant(uri, name, uri)

    def _uri(self, user: str) -> str:
        return str(Uri("sip", escaped_user(user), None, self._office.settings.sip.domain))
