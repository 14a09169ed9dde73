"""What a new configuration changes, in lines for the log, `softswitch reload` and `softswitch diff`.

What a running switch cannot change stays as it is until a restart, and is said each time."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final

from softswitch.services.configuration_shape import file_path
from softswitch.services.faults import SECRET_KEYS, key_text
from softswitch.services.key_lines import KeyPath
from softswitch.switch.settings import Settings

AFTER_RESTART: Final = (
    ("server", "data_dir"),
    ("server", "database"),
    ("sip", "listen"),
    ("media", "address"),
    ("media", "ports"),
    ("media", "workers"),
    ("media", "backend"),
    ("api", "listen"),
    ("provisioning", "listen"),
    ("recording", "directory"),
)  # settings that a running switch cannot change: what they made is held by processes and sockets


def diff(old: Settings, new: Settings) -> list[str]:
    """Every setting that differs, one line each: `queues.support.wrap_up: 15.0 → 20.0`. Secrets are only said to have
    changed. Lines of settings that wait for a restart say so."""
    return [
        f"{key_text(file_path(path))}: {change}{' (after a restart)' if path[:2] in AFTER_RESTART else ''}"
        for path, change in _changes(old, new, ())
    ]


def held(new: Settings, started: Settings) -> Settings:
    """`new`, with what waits for a restart as it was when the switch was started."""
    for section, key in AFTER_RESTART:
        part: Any = getattr(new, section)
        part = replace(part, **{key: getattr(getattr(started, section), key)})
        new = replace(new, **{section: part})
    return new


def _changes(old: object, new: object, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if old == new:
        return
    if is_dataclass(old) and type(old) is type(new):
        for item in fields(old):
            yield from _changes(getattr(old, item.name), getattr(new, item.name), (*path, item.name))
    elif isinstance(old, dict) and isinstance(new, dict) and SECRET_KEYS.isdisjoint(path):
        for key in sorted(old.keys() | new.keys()):
            if key not in new:
                yield (*path, key), "removed"
            elif key in old:
                yield from _changes(old[key], new[key], (*path, key))
            else:
                yield (*path, key), "added" if is_dataclass(new[key]) else f"added, {_shown(new[key])}"
    elif path == ("routes",) and isinstance(old, tuple) and isinstance(new, tuple):
        for index in range(max(len(old), len(new))):
            if index >= len(new):
                yield (*path, index), "removed"
            elif index >= len(old):
                yield (*path, index), "added"
            else:
                yield from _changes(old[index], new[index], (*path, index))
    elif SECRET_KEYS.isdisjoint(path):
        yield path, f"{_shown(old)} → {_shown(new)}"
    else:
        yield path, "changed"


def _shown(value: object) -> str:
    match value:
        case None:
            return "none"
        case str():
            return f'"{value}"'
        case bool():
            return "true" if value else "false"
        case tuple():
            return f"[{', '.join(_shown(item) for item in value)}]"
    if is_dataclass(value):
        return "set"
    return str(value)
