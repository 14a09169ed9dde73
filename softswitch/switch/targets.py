"""Targets: where a call goes, written `kind:name` wherever the configuration names a destination.

| written | meaning |
|---|---|
| `queue:NAME` `ivr:NAME` `group:NAME` `phone:NAME` `agent:NAME` | the section of that name |
| `conference:NAME` | everybody who is there hears the others; any name will do |
| `directory:`, `directory:GROUP` | spell a name on the keys: of any phone that is listed, or of the group's members |
| `trunk:NAME`, `trunk:NAME/NUMBER` | out over a trunk: to the number that was dialled, or to NUMBER |
| `survey:NAME` | the questions of `[surveys.NAME]`, then the end |
| `park:NAME`, `park:NAME/SLOT` | wait in a slot of `[parking.NAME]` until somebody dials its number |
| `page:NAME` | speak to the phones of `[paging.NAME]`, one way |
| `voicemail:NAME` | a greeting and a message, kept as a recording |
| `callback:`, `callback:QUEUE` | ask to be called back by that queue (the one that the caller is in) |
| `play:PROMPT` | answer, play a prompt (a catalogue name or a sound file), hang up |
| `echo:` | answer and send back what the caller says |
| `answer:` | answer and hold the line |
| `early:PROMPT`, `early:PROMPT/STATUS` | play a prompt as early media (RFC 3960), then refuse with STATUS (480) |
| `hangup:`, `hangup:STATUS` | refuse with STATUS (480); an answered call just ends |
| `hook:NAME` | ask `[hooks.NAME]`, then go on to where it says |

A name may have variables in it, each with a default: `queue:{product|support}` (see `templates.py`).
"""

import re
from functools import lru_cache
from typing import Final

import msgspec

from softswitch.kernel.errors import LocalError
from softswitch.switch.templates import by_default

SECTIONS: Final = {"queue": "queues", "ivr": "ivr", "group": "groups", "phone": "phones", "agent": "agents"} | {
    "trunk": "trunks",
    "survey": "surveys",
    "hook": "hooks",
    "voicemail": "voicemail",
    "park": "parking",
    "page": "paging",
}  # kinds whose name is a section of the configuration, and that section's table
KINDS: Final = (*SECTIONS, "callback", "play", "echo", "answer", "early", "hangup", "conference", "directory")
DEFAULT_STATUS: Final = 480  # RFC 3261 §21.4.18: temporarily unavailable; unlike 6xx it lets a caller's proxy try on

NAME: Final = re.compile(r"[A-Za-z0-9_+][A-Za-z0-9_.+\-]*")
_NUMBER: Final = re.compile(r"[0-9*#+A-Za-z][0-9*#A-Za-z.\-]*")
_STATUS: Final = re.compile(r"[4-6][0-9][0-9]")  # final failures, RFC 3261 §21.4 to §21.6


class Target(msgspec.Struct, frozen=True, gc=False):
    """`name` is the section, room or prompt (empty for `echo`, `answer`, `hangup`;
    the queue of `callback`, the group of `directory`). `status` is the SIP status of
    `early` and `hangup`, `number` what `trunk:NAME/NUMBER` dials."""

    kind: str
    name: str = ""
    status: int = 0
    number: str = ""

    def __str__(self) -> str:
        match self.kind:
            case "hangup":
                return f"hangup:{self.status}"
            case "early":
                return f"early:{self.name}/{self.status}"
            case "trunk" | "park" if self.number:
                return f"{self.kind}:{self.name}/{self.number}"
        return f"{self.kind}:{self.name}"


@lru_cache(maxsize=4096)
def parse_target(text: str) -> Target:
    """The target that `text` writes. Raises `LocalError` saying what is wrong; whether a queue of that name exists is
    not checked here. Variables stand for their defaults."""
    text = by_default(text)
    kind, colon, rest = text.partition(":")
    if not colon:
        raise LocalError(f'"{text}" is not a target: write kind:name, as in "queue:support"')
    if kind not in KINDS:
        raise LocalError(f'"{kind}" is no kind of target; there are {", ".join(KINDS)}')
    match kind:
        case "echo" | "answer":
            if rest:
                raise LocalError(f'"{kind}:" takes no name')
            return Target(kind)
        case "callback" | "directory":
            return Target(kind, _name(kind, rest) if rest else "")
        case "hangup":
            return Target(kind, status=_status(rest) if rest else DEFAULT_STATUS)
        case "play":
            return Target(kind, _prompt(kind, rest))
        case "early":
            prompt, slash, status = rest.rpartition("/")
            if slash and status.isdigit():
                return Target(kind, _prompt(kind, prompt), status=_status(status))
            return Target(kind, _prompt(kind, rest), status=DEFAULT_STATUS)
        case "trunk" | "park":
            name, slash, number = rest.partition("/")
            if slash and not is_number(number):
                raise LocalError(f'"{number}" is not a number to dial')
            return Target(kind, _name(kind, name), number=number)
    return Target(kind, _name(kind, rest))


def is_number(text: str) -> bool:
    """Whether `text` can stand as the NUMBER of `trunk:NAME/NUMBER`."""
    return _NUMBER.fullmatch(text) is not None


def _name(kind: str, name: str) -> str:
    if not name:
        raise LocalError(f'"{kind}:" needs a name, as in "{kind}:support"')
    if NAME.fullmatch(name) is None:
        raise LocalError(f'"{name}" is not a name: letters, digits and _ . + - only')
    return name


def _prompt(kind: str, name: str) -> str:
    if not name or name != name.strip() or not name.isprintable():
        raise LocalError(f'"{kind}:" needs a prompt: a name from the catalogue or a sound file')
    return name


def _status(text: str) -> int:
    if _STATUS.fullmatch(text) is None:
        raise LocalError(f'"{text}" is not a status that refuses a call: 400 to 699')
    return int(text)
