"""What the settings of feature codes, keys during a call and supervisors mean."""

from collections.abc import Collection, Iterator
from dataclasses import fields
from typing import Any, Final

from softswitch.call.menu import KEYPAD
from softswitch.services.faults import Finding, closest
from softswitch.services.key_lines import KeyPath
from softswitch.switch.settings import Codes, ConferenceKeys, InCall, Settings, Supervisor

_TAKE_NUMBERS: Final = (
    *("supervise", "supervise_on", "hide_caller_id", "show_caller_id", "pickup", "intercom", "park"),
    *("forward_always", "forward_busy", "forward_no_answer", "forward_unavailable"),
)
_TABLES: Final = ("in_call", "conference")  # of `[codes]`: keys during a call


def dialled_codes(codes: Codes) -> dict[str, str]:
    """The feature codes that are on, with their keys in the configuration."""
    names = (item.name for item in fields(Codes) if item.name not in _TABLES)
    return {code: name for name in names if (code := getattr(codes, name))}


def check_codes(settings: Settings) -> Iterator[Finding]:
    """Feature codes that cannot be dialled, or that stand in each other's way."""
    codes = settings.codes
    yield from _table(("codes",), codes, [item.name for item in fields(Codes) if item.name not in _TABLES])
    for code, name in dialled_codes(codes).items():
        for longer, other in dialled_codes(codes).items():
            if name in _TAKE_NUMBERS and other != name and longer.startswith(code):
                yield Finding(("codes", other), f'"{longer}" begins with codes.{name}, which takes a number')
    if codes.in_call is not None:
        yield from _keys_in_calls("in_call", codes.in_call)
    yield from _keys_in_calls("conference", codes.conference)


def _keys_in_calls(table: str, keys: InCall | ConferenceKeys) -> Iterator[Finding]:
    path = ("codes", table)
    names = [item.name for item in fields(keys) if item.name not in ("digit_timeout", "who")]
    yield from _table(path, keys, names)
    said = {name: code for name in names if (code := getattr(keys, name))}
    for name, code in said.items():
        for other, shorter in said.items():
            if code != shorter and code.startswith(shorter):
                yield Finding((*path, name), f'"{code}" is never reached: codes.{table}.{other} is "{shorter}"')
    if not 1 <= keys.digit_timeout <= 30:
        yield Finding((*path, "digit_timeout"), "must be 1 to 30")


def _table(path: KeyPath, table: Any, names: list[str]) -> Iterator[Finding]:
    used: dict[str, str] = {}
    for name in names:
        code = getattr(table, name)
        if code and not KEYPAD.issuperset(code):
            yield Finding((*path, name), f'"{code}" cannot be dialled: digits, * and # only')
        elif code and code in used:
            yield Finding((*path, name), f'"{code}" is also {".".join(map(str, path))}.{used[code]}')
        used.setdefault(code, name)


def check_supervisor(
    name: str, supervisor: Supervisor, phones: Collection[str], queues: Collection[str], agents: Collection[str]
) -> Iterator[Finding]:
    """Who supervises from a phone that is none, or nobody."""
    path: KeyPath = ("supervisors", name)
    if supervisor.phone not in phones:
        yield Finding((*path, "phone"), f'no phone "{supervisor.phone}"', closest(supervisor.phone, phones))
    for key, known, one in (("queues", queues, "queue"), ("agents", agents, "agent")):
        for index, wanted in enumerate(getattr(supervisor, key)):
            if wanted != "*" and wanted not in known:
                yield Finding((*path, key, index), f'no {one} "{wanted}"', closest(wanted, known))
    if not supervisor.queues and not supervisor.agents:
        yield Finding(path, 'supervises nobody: name queues or agents, "*" is all', severity="warning")
    if not supervisor.may:
        yield Finding((*path, "may"), "may nothing", severity="warning")
