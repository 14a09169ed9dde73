"""What telephones can do beyond a call: parking places, paging."""

from dataclasses import dataclass
from typing import ClassVar

from softswitch.switch.settings.common import STRICT, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Parking:
    """Places where calls wait until somebody dials their number. `slots`: the numbers, as `701-720`. After `timeout`
    seconds the phone that parked is rung for `ring_back` seconds, then the call goes `then`."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    slots: str
    timeout: float = 120.0
    ring_back: float = 30.0
    then: Target | None = None
    music: str = "hold"

    @property
    def numbers(self) -> tuple[str, ...]:
        """All slots. Raises `ValueError` for what is no range."""
        first, dash, last = self.slots.partition("-")
        if not dash:
            last = first
        if not (first.isdecimal() and last.isdecimal() and len(first) == len(last) and int(first) <= int(last)):
            raise ValueError(self.slots)
        return tuple(str(number).zfill(len(first)) for number in range(int(first), int(last) + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """Phones that answer by themselves, all at once, and hear who called; one way. Only those with `intercom`."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    phones: tuple[str, ...]
    seconds: float = 60.0
