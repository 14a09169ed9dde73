"""What the configuration says about who calls: lists of numbers, and hooks that are asked what to do with a call."""

from dataclasses import dataclass, field
from typing import ClassVar

from softswitch.switch.settings.common import STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberList:
    """One `[lists.NAME]` for `callers` of routes: numbers as calls bring them (E.164 from trunks that say their
    country) or patterns as in routes. `file`: a CSV file, relative to the configuration, whose first column is added;
    it is read with the configuration."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    numbers: tuple[str, ...] = ()
    file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """One `[hooks.NAME]`: an address that is asked by HTTP POST what to do with a call, for `timeout` seconds at most.
    `on_error`: `continue`, or the target of calls for which no good answer came. `next`: where `hook:NAME` leads
    unless the answer names a target. `secrets`: digits collected with `secret` are sent too. `at_once`: questions under
    way; more than that fail at once. After `failures` in a row it is left alone for `rest` seconds."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    url: str
    timeout: float = 1.5
    on_error: str = "continue"
    next: str | None = None
    token: str | None = field(default=None, repr=False)
    secrets: bool = False
    at_once: int = 20
    failures: int = 5
    rest: float = 30.0
