"""The dial plan: which route a call takes. The first route of the configuration that fits decides."""

import msgspec

from softswitch.call.dial import Wave
from softswitch.call.hours import OpeningHours
from softswitch.kernel.clock import Instant
from softswitch.sip.numbers import Pattern
from softswitch.switch.settings import Route, Settings
from softswitch.switch.targets import Target


class Ringing(msgspec.Struct, frozen=True):
    """How to ring a target. `fallbacks`: next target by kind of failure (`busy`,
    `no-answer`, `unavailable`, `rejected`, `failed`; `any` fits all), the first that fits.
    `refusal`: a status that says at once why it cannot be rung."""

    target: str
    waves: tuple[Wave, ...] = ()
    fallbacks: tuple[tuple[str, str | None], ...] = ()
    record: bool = False
    refusal: int = 0

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


class DialPlan:
    """Routes indexed by exact number, so that thousands of direct numbers cost no scan."""

    def __init__(self, settings: Settings, calendar: Calendar) -> None:
        self._calendar = calendar
        self._routes = settings.routes
        self._exact: dict[str, list[int]] = {}
        self._patterns: list[tuple[int, Pattern]] = []
        for index, route in enumerate(settings.routes):
            if any(sign in route.number for sign in "XZN[.*") and not route.number.lstrip("*#").isdigit():
                self._patterns.append((index, Pattern(route.number)))
            else:
                self._exact.setdefault(route.number, []).append(index)
        self._extensions = {phone.number or name: name for name, phone in settings.phones.items()} | {
            name: name for name in settings.phones
        }

    def extension(self, number: str) -> str | None:
        """The phone that has this number."""
        return self._extensions.get(number)

    def decide(self, source: Target, numbers: tuple[str, ...], now: Instant) -> Decision | None:
        """The route for a call from `source` (a trunk or a phone) to the number, given in every spelling it may have
        in the configuration (as dialled, E.164). Phones reach extensions without a route. None: nobody is there."""
        found = [index for number in numbers for index in self._exact.get(number, ())]
        best = min((index for index in found if _fits(self._routes[index], source)), default=len(self._routes))
        for index, pattern in self._patterns:
            if index >= best:
                break
            if _fits(self._routes[index], source) and any(pattern.match(number) for number in numbers):
                best = index
                break
        if best < len(self._routes):
            return self._decision(self._routes[best], numbers[0], now)
        if source.kind == "phone":
            for number in numbers:
                phone = self.extension(number)
                if phone is not None:
                    return Decision(f"phone:{phone}", number)
        return None

    def _decision(self, route: Route, number: str, now: Instant) -> Decision:
        target = route.to
        if not self._calendar.is_open(route.hours, now):
            target = route.closed or "play:closed"
        return Decision(target, route.prefix + number[route.strip :], route.record, route.caller_id, route.language)


def _fits(route: Route, source: Target) -> bool:
    if route.source == "any":
        return True
    kind, _, name = route.source.partition(":")
    return kind == source.kind and name in ("*", source.name)
