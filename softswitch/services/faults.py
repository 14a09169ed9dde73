"""What is wrong with a configuration: findings inside the program, faults as people read them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, Literal, TypeAlias

from softswitch.kernel.errors import LocalError
from softswitch.services.key_lines import BARE, KeyPath

Severity: TypeAlias = Literal["error", "warning"]

SECRET_KEYS: Final = frozenset(
    {"password", "ha1", "pin", "token", "database", "admin_password"}
)  # their values are never shown


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong at `path`. `suggestion` is what may have been meant, ready to be typed."""

    path: KeyPath
    message: str
    suggestion: str = ""
    severity: Severity = "error"


@dataclass(frozen=True, slots=True)
class Fault:
    """A finding with its place. `line` counts from 1; 0: the file as a whole. `key` is written as in TOML."""

    file: str
    line: int
    key: str
    message: str
    suggestion: str = ""
    severity: Severity = "error"

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.line else f"{self.file}: "
        mark = "warning: " if self.severity == "warning" else ""
        key = f"{self.key}: " if self.key else ""
        hint = f'; did you mean "{self.suggestion}"?' if self.suggestion else ""
        return f"{place}{mark}{key}{self.message}{hint}"


class ConfigurationError(LocalError):
    """The configuration cannot be used. `faults` holds every fault found, warnings included."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


def key_text(path: KeyPath) -> str:
    """`path` as TOML writes it: `queues.support.agents[0]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if BARE.fullmatch(part) else f'"{part}"')
    return text


def closest(word: str, known: Iterable[str]) -> str:
    """The known word that `word` was probably meant to be, or nothing."""
    by_folded = {name.lower().replace("_", "-"): name for name in known}
    matches = get_close_matches(word.lower().replace("_", "-"), by_folded, n=1, cutoff=0.6)
    return by_folded[matches[0]] if matches else ""
