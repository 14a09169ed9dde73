"""Conference rooms, and the keys that are pressed in them."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from softswitch.switch.settings.common import STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class Conference:
    """One `[conferences.NAME]`. Phones dial `number`; `phones`, if any, are the only ones that may; callers of trunks
    come by routes to `conference:NAME`.

    Who types `moderator_pin` is a moderator, and so are the phones in `moderators`, which are asked for nothing; `pin`
    lets others in. `wait_for_moderator`: music until the first one comes. `end_with_moderator`: the conference ends
    when the last one leaves. `max_members` 0: as many as come. `announce` says to all who comes and leaves: by a
    `tone`, or by the `name` that the member has recorded. `muted`: whoever is no moderator comes in muted. `record`:
    one `mix`, or also a file of each of the `members`. `idle_timeout`: seconds that somebody may be alone, or wait for
    a moderator, before the conference ends (0: for ever)."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    number: str | None = None
    pin: str | None = field(default=None, repr=False)
    moderator_pin: str | None = field(default=None, repr=False)
    moderators: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    max_members: int = 0
    wait_for_moderator: bool = False
    end_with_moderator: bool = False
    announce: Literal["none", "tone", "name"] = "tone"
    muted: bool = False
    record: Literal["none", "mix", "members"] = "none"
    language: str | None = None
    music: str = "hold"
    idle_timeout: float = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConferenceKeys:
    """Keys that members of a conference press; empty switches one off. Those from `mute_all` on are the moderators'."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    mute: str = "*1"
    count: str = "*2"
    louder: str = "*3"
    quieter: str = "*4"
    mute_all: str = "*5"
    unmute_all: str = "*6"
    lock: str = "*7"
    eject_last: str = "*8"
    end: str = "*9"
    digit_timeout: float = 4.0
