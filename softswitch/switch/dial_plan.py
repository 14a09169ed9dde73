"""The dial plan: which route a call takes. The first route of the configuration that fits decides."""

import msgspec

from softswitch.call.dial import Wave
from softswitch.call.hours import OpeningHours
from softswitch.kernel.clock import Instant
from softswitch.sip.numbers import Pattern
from softswitch.switch.settings import Route, Settings
from softswitch.switch.targets import Target

_DAY = 86_400.0
_LONGEST = 128  # of a number: matching patterns with several dots takes the square of it, and more


class Ringing(msgspec.Struct, frozen=True):
    """How to ring a target. `fallbacks`: next target by kind of failure (`busy`,
    `no-answer`, `unavailable`, `rejected`, `failed`; `any` fits all), the first that fits.
    `refusal`: a status that says at once why it cannot be rung. `always`: a phone that forwards everything there;
    `forwards`: the fallbacks are its own forwardings."""

    target: str
    waves: tuple[Wave, ...] = ()
    fallbacks: tuple[tuple[str, str | None], ...] = ()
    record: bool = False
    refusal: int = 0
    always: str = ""
    forwards: bool = False

    def fallback(self, how: str) -> str | None:
        """Where the call goes when ringing ended this way; None: nowhere."""
        return next((target for kind, target in self.fallbacks if kind in (how, "any")), None)


class Decision(msgspec.Struct, frozen=True, gc=False):
    """Where a call goes, and the number that is dialled there."""

    target: str
    number: str
    record: bool | None = None
    caller_id: str | None = None
    language: str | None = None
    hook: str | None = None


class Calendar:
    """The `[hours.NAME]` of the configuration."""

    def __init__(self, settings: Settings) -> None:
        self._hours = {
            name: OpeningHours.parse(hours.open, hours.holidays, hours.timezone or settings.server.timezone)
            for name, hours in settings.hours.items()
        }

    def is_open(self, name: str | None, now: Instant) -> bool:
        """True without a name."""
        return name is None or self._hours[name].is_open(now)

    def opens(self, name: str | None, now: Instant) -> Instant:
        """When it is open next; a day from now when that cannot be told."""
        change = None if name is None else self._hours[name].next_change(now)
        return now + _DAY if change is None else change

    def is_holiday(self, name: str | None, now: Instant) -> bool:
        """Whether today is one of the holidays of these hours; False without a name."""
        return name is not None and self._hours[name].is_holiday_at(now)


class Numbers:
    """A list of callers' numbers: single ones in a set, patterns one after the other."""

    def __init__(self, numbers: tuple[str, ...]) -> None:
        patterns = {number for number in numbers if _is_pattern(number)}
        self._exact = frozenset(numbers) - patterns
        self._patterns = [Pattern(number) for number in numbers if number in patterns]

    def __contains__(self, number: str) -> bool:
        return number in self._exact or any(pattern.match(number) for pattern in self._patterns)


class DialPlan:
    """Routes indexed by exact number, so that thousands of direct numbers cost no scan."""

    def __init__(self, settings: Settings, calendar: Calendar) -> None:
        self._calendar = calendar
        self._routes = settings.routes
        self._exact: dict[str, list[int]] = {}
        self._patterns: list[tuple[int, Pattern]] = []
        for index, route in enumerate(settings.routes):
            if _is_pattern(route.number):
                self._patterns.append((index, Pattern(route.number)))
            else:
                self._exact.setdefault(route.number, []).append(index)
        lists = {name: Numbers(numbers.numbers) for name, numbers in settings.lists.items()}
        self._callers: dict[int, tuple[Numbers, ...]] = {}  # by route: all of them must have the caller's number
        for index, route in enumerate(settings.routes):
            own = (Numbers((route.caller,)),) if route.caller is not None else ()
            listed = (lists[route.callers],) if route.callers is not None else ()
            if own or listed:
                self._callers[index] = own + listed
        self._diverted = {
            index: Pattern(route.diverted_from)
            for index, route in enumerate(settings.routes)
            if route.diverted_from is not None
        }
        self._places = {
            place: f"park:{name}/{place}" for name, lot in settings.parking.items() for place in lot.numbers
        } | {room.number: f"conference:{name}" for name, room in settings.conferences.items() if room.number}
        self._extensions = {phone.number or name: name for name, phone in settings.phones.items()} | {
            name: name for name in settings.phones
        }

    def extension(self, number: str) -> str | None:
        """The phone that has this number."""
        return self._extensions.get(number)

    def decide(
        self,
        source: Target,
        numbers: tuple[str, ...],
        now: Instant,
        caller: str = "",
        diverted_from: str | None = None,
        hidden: bool = False,
    ) -> Decision | None:
        """The route for a call from `source` (a trunk or a phone), whose number is `caller`, to the number, given in
        every spelling it may have in the configuration (as dialled, E.164). `diverted_from`: who was dialled first.
        Phones reach extensions, parking places and conferences without a route. None: nobody is there."""
        if len(numbers[0]) > _LONGEST:
            return None
        caller = caller[:_LONGEST]
        found = [index for number in numbers for index in self._exact.get(number, ())]
        fitting = (index for index in found if self._fits(index, source, caller, diverted_from))
        best = min(fitting, default=len(self._routes))
        for index, pattern in self._patterns:
            if index >= best:
                break
            if self._fits(index, source, caller, diverted_from) and any(pattern.match(number) for number in numbers):
                best = index
                break
        if best < len(self._routes) and hidden and self._routes[best].reject_anonymous:
            return Decision("hangup:433", numbers[0])
        if best < len(self._routes):
            return self._decision(self._routes[best], numbers[0], now)
        if source.kind == "phone":
            for number in numbers:
                phone = self.extension(number)
                if phone is not None:
                    return Decision(f"phone:{phone}", number)
                if number in self._places:
                    return Decision(self._places[number], number)
        return None

    def _decision(self, route: Route, number: str, now: Instant) -> Decision:
        target = route.to
        if not self._calendar.is_open(route.hours, now):
            target = route.closed or "play:closed"
        shaped = route.prefix + number[route.strip :]
        return Decision(target, shaped, route.record, route.caller_id, route.language, route.hook)

    def _fits(self, index: int, source: Target, caller: str, diverted_from: str | None) -> bool:
        if not _comes_from(self._routes[index], source):
            return False
        diverted = self._diverted.get(index)
        if diverted is not None and (diverted_from is None or not diverted.match(diverted_from)):
            return False
        return all(caller in numbers for numbers in self._callers.get(index, ()))


def _is_pattern(number: str) -> bool:
    return any(sign in number for sign in "XZN[.*") and not number.lstrip("*#").isdigit()


def _comes_from(route: Route, source: Target) -> bool:
    if route.source == "any":
        return True
    kind, _, name = route.source.partition(":")
    return kind == source.kind and name in ("*", source.name)
