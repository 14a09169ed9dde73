"""What a phone says of itself beside its settings: where its calls are forwarded, do not disturb, call waiting.

Said with feature codes, by API or command line; it goes before the configuration until it is taken back, and is kept in
the store. A forwarding by number has the phone's own rights: it goes only where the phone may dial, judged when it is
said and again for every call.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import PeerError
from softswitch.switch.events import Save
from softswitch.switch.records import SavedPhone
from softswitch.switch.settings import Phone
from softswitch.switch.targets import parse_target
from softswitch.switch.views import PhoneRow

if TYPE_CHECKING:
    from softswitch.switch.office import Office

Forward: TypeAlias = Literal["always", "busy", "no_answer", "unavailable"]
FORWARDS: Final[tuple[Forward, ...]] = ("always", "busy", "no_answer", "unavailable")
SWITCHES: Final = ("dnd", "call_waiting")
_NUMBER: Final = frozenset("0123456789*#+")


class PhoneState(msgspec.Struct, frozen=True, omit_defaults=True):
    """None: as the settings say. A forwarding is a target, a number as the phone dials it, or empty: none."""

    always: str | None = None
    busy: str | None = None
    no_answer: str | None = None
    unavailable: str | None = None
    dnd: bool | None = None
    call_waiting: bool | None = None


_AS_SETTINGS: Final = PhoneState()
_GONE: Final = Phone()  # a reload took it away while it rang


class Phones:
    """One for the switch."""

    def __init__(self, office: "Office") -> None:
        self._office = office
        self._states: dict[str, PhoneState] = {}
        self.last_callers: dict[str, str] = {}  # by phone: the number that rang it last

    def restore(self, saved: Iterable[SavedPhone]) -> None:
        """What was said before the restart. What cannot be read any more is left out, loudly."""
        for row in saved:
            try:
                self._states[row.name] = msgspec.convert(row.data, PhoneState)
            except msgspec.ValidationError as error:
                self._office.log("warning", "a phone's state cannot be read", phone=row.name, error=str(error))

    # ------------------------------------------------------------------------------------------------- what counts

    def dnd(self, phone: str) -> bool:
        """Whether nobody may ring the phone."""
        said = self._states.get(phone, _AS_SETTINGS).dnd
        return self._settings(phone).dnd if said is None else said

    def call_waiting(self, phone: str) -> bool:
        """Whether a phone in a call may be rung by another."""
        said = self._states.get(phone, _AS_SETTINGS).call_waiting
        return self._settings(phone).call_waiting if said is None else said

    def limit(self, phone: str) -> int:
        """Calls at once; 0: any number."""
        return self._settings(phone).max_calls if self.call_waiting(phone) else 1

    def forward(self, phone: str, kind: Forward, now: Instant) -> str | None:
        """The target of that forwarding; None: there is none, or it leads nowhere (any more)."""
        said: str | None = getattr(self._states[phone], kind) if phone in self._states else None
        if said is None:
            target: str | None = getattr(self._settings(phone), kind)
            return target
        return self._target(phone, said, now) if said else None

    def fallbacks(self, phone: str, now: Instant) -> tuple[tuple[str, str | None], ...]:
        """As `Ringing` has them."""
        if phone not in self._states:  # nearly all phones, for every call
            settings = self._settings(phone)
            busy, no_answer, unavailable = settings.busy, settings.no_answer, settings.unavailable
            return (("busy", busy), ("no-answer", no_answer), ("unavailable", unavailable))
        return (
            ("busy", self.forward(phone, "busy", now)),
            ("no-answer", self.forward(phone, "no_answer", now)),
            ("unavailable", self.forward(phone, "unavailable", now)),
        )

    def _target(self, phone: str, said: str, now: Instant) -> str | None:
        target = self._reached(phone, said, now)
        return None if target is None or self._barred(phone, target) else target

    def _barred(self, phone: str, target: str) -> str:
        """Why the guards let nothing of the phone go there; empty when they may."""
        if not target.startswith("trunk:"):
            return ""
        goal = parse_target(target)
        return self._office.guards.bars(phone, goal.name, goal.number)

    def _reached(self, phone: str, said: str, now: Instant) -> str | None:
        if ":" in said:
            return said if self._office.there(said) else None
        return self._office.directory.dialled(phone, said, now)

    def _settings(self, phone: str) -> Phone:
        return self._office.settings.phones.get(phone, _GONE)

    # ------------------------------------------------------------------------------------------------------- orders

    def refusal(self, phone: str, what: str, value: object, now: Instant) -> str:
        """Why that cannot be set; empty when it can."""
        if what in SWITCHES:
            return "" if value is None or isinstance(value, bool) else f"{what} is on, off, or as the settings say"
        if what not in FORWARDS:
            return f"no {what} of phones: there are {', '.join((*FORWARDS, *SWITCHES))}"
        if value is None or value == "":
            return ""
        if not isinstance(value, str) or (":" not in value and not _NUMBER.issuperset(value)):
            return f"{value} is neither a number nor a target"
        target = self._reached(phone, value, now)
        if target is None:
            return f"{value} leads nowhere from phone {phone}"
        if barred := self._barred(phone, target):
            return f"calls of phone {phone} may not go to {value}: {barred}"
        return "a phone cannot be forwarded to itself" if target == f"phone:{phone}" else ""

    def check(self, phone: str, what: str, value: object, now: Instant) -> None:
        """Raises `PeerError`: 404 without such a phone, 422 for what cannot be set."""
        if phone not in self._office.settings.phones:
            raise PeerError(f"no phone {phone}", status=404)
        if refusal := self.refusal(phone, what, value, now):
            raise PeerError(refusal, status=422)

    def set(self, phone: str, what: str, value: object, by: str, now: Instant) -> bool:
        """False when that cannot be. None: as the settings say."""
        office = self._office
        if phone not in office.settings.phones or self.refusal(phone, what, value, now):
            return False
        state = msgspec.structs.replace(self._states.get(phone, _AS_SETTINGS), **{what: value})
        if state != self._states.get(phone, _AS_SETTINGS):
            self._states[phone] = state
            office.outbox.append(Save(SavedPhone(phone, msgspec.to_builtins(state), now)))
            office.fact("phone.changed", now, phone=phone, what=what, value=value, by=by)
        if what == "dnd":
            office.tell_reachable(phone, now)
        elif what == "always":
            office.subscriptions.forwarded(phone, now)
        return True

    def rows(self, now: Instant) -> list[PhoneRow]:
        """All phones, with what counts."""
        office = self._office
        return [
            PhoneRow(
                name=name,
                number=phone.number or name,
                display=phone.name or "",
                reachable=office.registrations.reachable(name, now),
                calls=office.directory.calls_at(name),
                dnd=self.dnd(name),
                call_waiting=self.call_waiting(name),
                forward={kind: to for kind in FORWARDS if (to := self._shown(name, kind))},
                said=msgspec.to_builtins(self._states.get(name, _AS_SETTINGS)),
            )
            for name, phone in office.settings.phones.items()
        ]

    def _shown(self, phone: str, kind: Forward) -> str | None:
        said: str | None = getattr(self._states.get(phone, _AS_SETTINGS), kind)
        by_settings: str | None = getattr(self._settings(phone), kind)
        return by_settings if said is None else said
