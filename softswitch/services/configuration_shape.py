"""The shape of a configuration: keys and types. TOML data in, `Settings` and findings out.

pydantic validates the annotations of `switch/settings.py`; here the file's spelling is brought into theirs before
(`from` of a route, days of opening hours, secrets kept elsewhere), and its errors into sentences after.
"""

import os
import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time
from enum import Enum
from functools import cache
from math import isfinite
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, to_json

from softswitch.services.faults import SECRET_KEYS, Finding, closest
from softswitch.services.key_lines import KeyPath
from softswitch.switch.settings import Settings

Tree: TypeAlias = Any  # what tomllib returns

_DAYS: Final = re.compile(r"(?:mon|tue|wed|thu|fri|sat|sun|daily)[a-z]*(?:[-, ]+[a-z]+)*", re.IGNORECASE)
_EXPECTED: Final = {
    "string_type": "a string",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a table",
    "dataclass_type": "a table",
    "dataclass_exact_type": "a table",
}

_adapter = TypeAdapter(Settings)


def shape(data: Tree, directory: Path) -> tuple[Settings, list[Finding]]:
    """Settings made of all of `data` that is well-formed, and a finding for everything that is not. Secret files are
    relative to `directory`."""
    data = deepcopy(data)
    findings = _respell(data, directory)
    first = True
    while True:
        try:
            return _adapter.validate_json(to_json(data), strict=True), findings
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=True, include_input=False)
        faults = _faults(data, details)
        if first:
            findings += faults
            first = False
        for fault in faults:
            _prune(data, fault.path)


def file_path(path: KeyPath) -> KeyPath:
    """Where the file says what the settings have at `path`."""
    match path:
        case ("routes", int(), "source", *_):
            return (*path[:2], "from", *path[3:])
        case ("hours", str(), "open", *days):
            return (*path[:2], *days)
    return path


# ----------------------------------------------------------------------------------------------- spelling of the file


def _respell(data: Tree, directory: Path) -> list[Finding]:
    findings: list[Finding] = []
    _plain(data, (), directory, findings)
    for finding in findings:
        _prune(data, finding.path)
    for index, route in _tables(data, "routes"):
        if "source" in route:
            findings.append(Finding(("routes", index, "source"), "unknown key", "from"))
            del route["source"]
        if "from" in route:
            route["source"] = route.pop("from")
    for _, hours in _tables(data, "hours"):
        days = {key: hours.pop(key) for key in list(hours) if _DAYS.fullmatch(key)}
        if days or "open" not in hours:
            hours["open"] = {**hours.get("open", {}), **days} if isinstance(hours.get("open", {}), dict) else days
    return findings


def _tables(data: Tree, section: str) -> Iterable[tuple[str | int, dict[str, Any]]]:
    """The entries of a section that are tables, whatever the rest is."""
    entries = data.get(section)
    pairs = entries.items() if isinstance(entries, dict) else enumerate(entries) if isinstance(entries, list) else ()
    return [(name, entry) for name, entry in pairs if isinstance(entry, dict)]


def _plain(node: Tree, path: KeyPath, directory: Path, findings: list[Finding]) -> None:
    """Replace dates by their text and `{ env = … }`, `{ file = … }` by the secret; find numbers without a value."""
    items: Iterable[tuple[str | int, Tree]]
    items = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else ()
    for key, value in items:
        here = (*path, key)
        if isinstance(value, date | datetime | time):
            node[key] = value.isoformat()
        elif isinstance(value, float) and not isfinite(value):
            findings.append(Finding(here, "must be a number that can be reached"))
        elif isinstance(value, dict) and len(value) == 1 and _is_secret(here) and ({"env", "file"} & value.keys()):
            secret = _secret(value, directory)
            if isinstance(secret, str):
                node[key] = secret
            else:
                findings.append(Finding(here, secret[0]))
        else:
            _plain(value, here, directory, findings)


def _is_secret(path: KeyPath) -> bool:
    return path[-1] in SECRET_KEYS - {"ha1"} or "ha1" in path[:-1]


def _secret(source: Mapping[str, object], directory: Path) -> str | tuple[str]:
    """The secret, or what is wrong with its source."""
    ((kind, name),) = source.items()
    if not isinstance(name, str) or not name:
        return (f"{kind} must be a string",)
    if kind == "env":
        value = os.environ.get(name)
        return value or (f"the environment has no {name}",)
    try:
        return (directory / name).read_text(encoding="utf-8").strip() or (f"{name} is empty",)
    except (OSError, UnicodeDecodeError) as error:
        return (f"cannot read {name}: {getattr(error, 'strerror', None) or 'not UTF-8'}",)


# ------------------------------------------------------------------------------------------------ pydantic to sentences


def _faults(data: Tree, details: Iterable[ErrorDetails]) -> list[Finding]:
    findings: dict[KeyPath, Finding] = {}
    kinds: dict[KeyPath, list[str]] = {}  # what could stand there, members of a union gathered
    words: dict[KeyPath, list[str]] = {}
    for detail in details:
        path, kind = detail["loc"], detail["type"]
        if kind == "unexpected_keyword_argument":
            known = [str(file_path((*path[:-1], name))[-1]) for name in field_names(path[:-1])]
            known += ["mon-fri", "sat", "sun", "daily"] if path[0] == "hours" else []
            findings[path] = Finding(path, "unknown key", closest(str(path[-1]), known))
        elif kind == "missing" and isinstance(path[-1], str):
            findings[path] = Finding(path, "missing")
        elif kind in ("missing", "too_short", "too_long"):
            path = path[:-1] if kind == "missing" else path
            findings[path] = Finding(path, f"must be a list of {len(get_args(_type_at(path)))} items")
        elif kind in ("literal_error", "enum"):
            path = _within(data, path)
            words.setdefault(path, []).extend(_literals(_type_at(path)))
        else:
            path = _within(data, path)
            kinds.setdefault(path, []).append(_EXPECTED.get(kind, detail["msg"].lower()))
    for path in {**kinds, **words}:
        value = _at(data, path)
        choice = [f'"{word}"' for word in words.get(path, ())]
        if path not in kinds and isinstance(value, str):
            message = f'"{value}" is none of {", ".join(choice)}'
            findings[path] = Finding(path, message, closest(value, words[path]))
        else:
            message = " or ".join(dict.fromkeys(kinds.get(path, []) + choice))
            findings.setdefault(path, Finding(path, f"must be {message}"))
    return list(findings.values())


def _within(data: Tree, path: KeyPath) -> KeyPath:
    """`path` without the names of union members that pydantic puts at its end."""
    for length, key in enumerate(path):
        listed = isinstance(data, list) and isinstance(key, int) and key < len(data)
        if not listed and not (isinstance(data, dict) and key in data):
            return path[:length]
        data = data[key]
    return path


def _at(data: Tree, path: KeyPath) -> Tree:
    for key in path:
        data = data[key]
    return data


def _prune(data: Tree, path: KeyPath) -> None:
    """Take the faulty thing away, and with it the entry that cannot be without it; list indexes stay."""
    for length, key in enumerate(path):  # from the first list on, the list goes as a whole; a route is emptied
        if isinstance(key, int) and path[0] != "routes":
            path = path[:length]
            break
    while path:
        node = _at(data, path[:-1]) if _within(data, path[:-1]) == path[:-1] else None
        if isinstance(node, list) and isinstance(path[-1], int):
            node[path[-1]] = {}
            return
        if isinstance(node, dict) and path[-1] in node:
            del node[path[-1]]
            return
        path = path[:-1]


# -------------------------------------------------------------------------------------- what the settings say of a path


def field_names(path: KeyPath) -> tuple[str, ...]:
    """The keys that the table at `path` may have; none when it is free."""
    kind = _type_at(path)
    return tuple(item.name for item in fields(kind)) if isinstance(kind, type) and is_dataclass(kind) else ()


def _literals(kind: Any) -> list[str]:
    """The words that may stand there, of literals and enumerations."""
    members = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    words = [str(word) for member in members if get_origin(member) is Literal for word in get_args(member)]
    return words + [
        str(word.value)
        for member in members
        if isinstance(member, type) and issubclass(member, Enum)
        for word in member
    ]


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _type_at(path: KeyPath) -> Any:
    kind: Any = Settings
    for key in path:
        if get_origin(kind) in (Union, UnionType):
            inner = [part for part in get_args(kind) if part is not NoneType]
            kind = next((part for part in inner if is_dataclass(part) or get_origin(part) in (tuple, dict)), inner[0])
        if isinstance(kind, type) and is_dataclass(kind):
            kind = _hints(kind).get(str(key))
        elif get_origin(kind) is dict:
            kind = get_args(kind)[1]
        elif get_origin(kind) is tuple:
            kind = get_args(kind)[0]
        else:
            return None
    if get_origin(kind) in (Union, UnionType):
        inner = [part for part in get_args(kind) if part is not NoneType]
        return inner[0] if len(inner) == 1 else kind
    return kind
