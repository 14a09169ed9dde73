"""Parking places: which call waits at which number, and who parked it there."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from softswitch.kernel.clock import Instant
from softswitch.switch.settings import Settings
from softswitch.switch.targets import Target

if TYPE_CHECKING:
    from softswitch.switch.call import Call


class Parked:
    """All places of all lots. `told` hears of each place that is taken or becomes free: number, taken, when; lamps
    hang on it."""

    def __init__(self, settings: Settings) -> None:
        self.calls: dict[str, Call] = {}  # by place
        self.told: Callable[[str, bool, Instant], None] = _nobody
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """New settings; who is parked stays where it is."""
        self._lots = {name: lot.numbers for name, lot in settings.parking.items()}
        self._lot_of = {number: name for name, numbers in self._lots.items() for number in numbers}

    @property
    def first_lot(self) -> str:
        """Where calls are parked when nobody says where; empty: nowhere."""
        return next(iter(self._lots), "")

    def lot_of(self, place: str) -> str:
        """The lot that has this number; empty: none."""
        return self._lot_of.get(place, "")

    def free(self, lot: str, wanted: str = "") -> str:
        """A free place of the lot, the wanted one if one is; empty: none."""
        places = self._lots.get(lot, ())
        if wanted:
            return wanted if wanted in places and wanted not in self.calls else ""
        return next((place for place in places if place not in self.calls), "")

    def refusal(self, target: Target) -> str:
        """Why no call can be parked at that target; empty when one can, or when the target is no parking place."""
        if target.kind != "park" or self.free(target.name, target.number):
            return ""
        return f"{target} is taken" if target.number else f"{target} has no free place"

    def take(self, place: str, call: "Call", now: Instant) -> None:
        """The call waits there from now on."""
        self.calls[place] = call
        self.told(place, True, now)

    def leave(self, place: str, now: Instant) -> None:
        """It does no more."""
        del self.calls[place]
        self.told(place, False, now)


def _nobody(place: str, taken: bool, now: Instant) -> None:
    """No lamps hang here."""
