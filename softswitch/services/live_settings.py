"""Settings of queues and agents that were changed while the switch runs, over those of the configuration file.

What was changed here goes before the file, setting by setting, until it is taken back; also after a restart, and after
the file was read again. A change is checked as the file is. One that no longer fits, because its queue or agent is gone
from the file or its value means nothing any more, is kept but has no effect, and says why.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from softswitch.acd.model import AgentSettings, QueueSettings
from softswitch.kernel.errors import LocalError
from softswitch.services.configuration_checks import check_settings
from softswitch.services.configuration_shape import shape
from softswitch.services.configuration_values import Known
from softswitch.services.faults import Finding, closest
from softswitch.switch.records import SavedSetting
from softswitch.switch.settings import Settings

KEYS: Final = {
    "queues": tuple(item.name for item in fields(QueueSettings)),
    "agents": tuple(item.name for item in fields(AgentSettings)),
}

Path_ = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LiveSetting:
    """A change that stands: `was` is what the file says. `unfit`: why it has no effect; empty: it has."""

    path: str
    value: object
    was: object
    by: str
    at: float
    unfit: str = ""


def parse_path(text: str) -> Path_:
    """`queues.support.wrap_up` or `agents.alice.skills.english`. Raises `LocalError` for anything that cannot be
    changed while the switch runs."""
    section, _, rest = text.partition(".")
    if section not in KEYS:
        raise LocalError(f'"{text}" cannot be changed while the switch runs: settings of queues and agents can')
    known = KEYS[section]
    parts = rest.split(".")
    for length in range(1, len(parts)):  # names may have dots in them
        name, key = ".".join(parts[:length]), parts[length]
        if name and key in known:
            entry = ".".join(parts[length + 1 :])
            return (section, name, key, entry) if entry else (section, name, key)
    key = parts[-1]
    hint = closest(key, known)
    raise LocalError(f'{section}: no setting "{key}" that can be changed{f"; did you mean {hint}?" if hint else ""}')


class LiveSettings:
    """`file` is what the configuration file says, `settings` what counts."""

    def __init__(self, file: Settings, saved: Iterable[SavedSetting] = ()) -> None:
        self.file = file
        self._changes = {change.path: change for change in saved}
        self._unfit: dict[str, str] = {}
        self.settings = self.over(file)

    def over(self, file: Settings) -> Settings:
        """Another file: the changes stand."""
        self.file = settings = file
        self._unfit = {}
        for path in sorted(self._changes, key=lambda path: (path.count("."), path)):
            try:
                settings = _with(settings, parse_path(path), self._changes[path].value)
            except LocalError as error:
                self._unfit[path] = str(error)
        self.settings = settings
        return settings

    def change(self, path: Path_, value: object, by: str, at: float) -> Settings:
        """One setting more or other; None takes the change back. What counts then. Raises `LocalError` when the value
        is wrong, or nothing was changed there."""
        text = ".".join(path)
        if value is None:
            if text not in self._changes:
                raise LocalError(f"{text} is as the configuration file says")
            del self._changes[text]
            return self.over(self.file)
        settings = _with(self.settings, path, value)
        self._changes[text] = SavedSetting(text, value, by, at)
        self._unfit.pop(text, None)
        self.settings = settings
        return settings

    def below(self, path: Path_) -> list[Path_]:
        """Changes of single entries of a table, which a change of the whole table stands in place of."""
        text = ".".join(path) + "."
        return [parse_path(changed) for changed in self._changes if changed.startswith(text)]

    def rows(self) -> list[LiveSetting]:
        """All changes that stand."""
        return [
            LiveSetting(path, change.value, self._was(path), change.by, change.at, self._unfit.get(path, ""))
            for path, change in sorted(self._changes.items())
        ]

    def _was(self, path: str) -> object:
        try:
            return value_at(self.file, parse_path(path))
        except LocalError:
            return None


def value_at(settings: Settings, path: Path_) -> Any:
    """What the settings say there. Raises `LocalError` when there is no such queue or agent."""
    entries = getattr(settings, path[0])
    if path[1] not in entries:
        hint = closest(path[1], entries)
        raise LocalError(f'no {path[0][:-1]} "{path[1]}"{f"; did you mean {hint}?" if hint else ""}')
    value = getattr(entries[path[1]], path[2])
    if len(path) > 3:
        if not isinstance(value, dict):
            raise LocalError(f"{'.'.join(path[:3])} is no table")
        return value.get(path[3])
    return value


def _with(settings: Settings, path: Path_, value: object) -> Settings:
    """The settings with one value other, checked as those of a file are."""
    section, name, key, *entry = path
    value_at(settings, path)
    given: dict[str, Any] = {"phone": "-"} if section == "agents" else {}
    given[key] = {entry[0]: value} if entry else value
    read, findings = shape({section: {name: given}}, Path())
    if findings:
        raise LocalError("; ".join(f"{'.'.join(path)}: {finding.message}" for finding in findings))
    parsed = getattr(getattr(read, section)[name], key)
    old = getattr(settings, section)[name]
    if entry:
        parsed = {**getattr(old, key), **parsed}
    new = replace(old, **{key: parsed})
    _check(settings, section, name, old, new)
    if section == "agents":
        return replace(settings, agents={**settings.agents, name: new})
    return replace(settings, queues={**settings.queues, name: new})


def _check(settings: Settings, section: str, name: str, old: Any, new: Any) -> None:
    """Raises `LocalError` for what is wrong with the new entry and was not with the old one: a sound file that went
    missing must not keep a queue from being closed."""
    before = {(finding.path, finding.message) for finding in _faults(settings, section, name, old)}
    wrong = [one for one in _faults(settings, section, name, new) if (one.path, one.message) not in before]
    if wrong:
        first = wrong[0]
        hint = f"; did you mean {first.suggestion}?" if first.suggestion else ""
        raise LocalError(f"{'.'.join(map(str, first.path))}: {first.message}{hint}")


def _faults(settings: Settings, section: str, name: str, entry: Any) -> list[Finding]:
    """Only the entry is looked at, by everything that is known: a site of thousands must not stand still for it."""
    sections = {item.name: getattr(settings, item.name) for item in fields(settings)}
    known = Known({part: frozenset(table) for part, table in sections.items() if isinstance(table, dict)})
    alone = replace(
        settings,
        phones={},
        groups={},
        ivr={},
        lists={},
        routes=(),
        agents={name: entry} if section == "agents" else {},
        queues={name: entry} if section == "queues" else {},
    )
    found = check_settings(alone, known)
    return [one for one in found if one.severity == "error" and one.path[:2] == (section, name)]
