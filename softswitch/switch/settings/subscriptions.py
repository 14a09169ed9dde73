"""What phones are told without a call: lamps, presence, waiting messages; and text from phone to phone."""

from dataclasses import dataclass
from typing import ClassVar

from softswitch.switch.settings.common import STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriptions:
    """`[subscriptions]`: SUBSCRIBE from phones. Lifetimes are seconds; `per_phone` and `total` are how many there may
    be; a subscription is told at most once every `interval` seconds. `identities`: whether lamps tell who talks with
    whom, or only that somebody does."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    enabled: bool = True
    per_phone: int = 200
    total: int = 20_000
    min_expires: int = 60
    max_expires: int = 3600
    interval: float = 0.5
    identities: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """`[messages]`: MESSAGE from phone to phone. `max_bytes` of a body; a phone may send `per_minute`, and `burst` of
    them at once. `trunks`: those that messages may leave by (none)."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    enabled: bool = True
    max_bytes: int = 1300
    per_minute: float = 30.0
    burst: int = 10
    trunks: tuple[str, ...] = ()
