"""What is wrong with the switch right now, for people and programs: an alarm stays until its cause is gone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from softswitch.kernel.clock import Instant
from softswitch.switch.events import Alarmed

Say: TypeAlias = Callable[[str, str, dict[str, object]], None]
"""level, event, fields: a line for the operator's log."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """`name` is for programs (`recording`, `disk` …), `text` for people."""

    name: str
    text: str
    since: Instant


class Alarms:
    """Each change is said once in the log."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._raised: dict[str, Alarm] = {}

    def set(self, name: str, text: str, now: Instant) -> None:
        """`name` is wrong, or wrong in another way."""
        before = self._raised.get(name)
        self._raised[name] = Alarm(name, text, before.since if before is not None else now)
        if before is None:
            self._say("error", "alarm", {"alarm": name, "reason": text})

    def obey(self, alarmed: Alarmed) -> None:
        """What the switch says."""
        if alarmed.text:
            self.set(alarmed.name, alarmed.text, alarmed.at)
        else:
            self.clear(alarmed.name)

    def clear(self, name: str) -> None:
        """It is well again."""
        if self._raised.pop(name, None) is not None:
            self._say("info", "alarm is over", {"alarm": name})

    def active(self) -> list[Alarm]:
        """The alarms that stand, the oldest first."""
        return sorted(self._raised.values(), key=lambda alarm: (alarm.since, alarm.name))
