"""What calls out of the house may cost: classes of service, numbers that nobody may call, prices."""

from dataclasses import dataclass, field
from typing import ClassVar, Final

from softswitch.switch.settings.common import STRICT

PREMIUM: Final = (
    "+1900", "+1976", "+1809", "+1876", "+7803", "+7809", "+31900", "+31906", "+31909", "+32900", "+33897", "+33899",
    "+34803", "+34806", "+34807", "+34905", "+351760", "+351761", "+353158", "+35890", "+359900", "+370900", "+371900",
    "+372900", "+38090", "+39892", "+39894", "+39895", "+39899", "+41900", "+41901", "+41906", "+420900", "+43900",
    "+43930", "+449", "+45901", "+46900", "+46939", "+46944", "+4782", "+48700", "+48703", "+48704", "+49137", "+49900",
    "+870", "+881", "+882", "+883", "+979",
)  # fmt: skip
"""Premium rate and shared revenue as national numbering plans have them, Caribbean call-back fraud (+1 809, 876), and
ITU-T E.164 country codes of satellites, networks and international premium rate (870, 881, 882, 883, 979)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceClass:
    """One `[classes.NAME]`, named by `cos` of phones and trunks. Patterns as in routes, for the number as dialled, as
    it leaves by the trunk, or in E.164. In `hours` `may_call` counts, outside them `closed_may_call`. 0: no limit.
    Money is in the unit of `[guards] rates`."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    may_call: tuple[str, ...] = ("*",)
    may_not_call: tuple[str, ...] = ()
    hours: str | None = None
    closed_may_call: tuple[str, ...] = ()
    calls_at_once: int = 0
    calls_per_minute: int = 0
    calls_per_hour: int = 0
    spend_per_day: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """`[guards]`, for every call that leaves by a trunk. `blocked` and `countries` are E.164 prefixes (`"*"`: all
    countries). `emergency` numbers are never refused. `rates`: price a minute by E.164 prefix, the longest counts,
    `"*"` is for the rest. `cos` is the class of phones that name none, `transit_cos` of calls that came from a trunk
    and leave by one with nobody of the house in between. `cut`: calls end when the money of the day is used up."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    blocked: tuple[str, ...] = PREMIUM
    countries: tuple[str, ...] = ("*",)
    emergency: tuple[str, ...] = ("112", "911", "999", "110", "000", "101", "102", "103", "104")
    rates: dict[str, float] = field(default_factory=dict)
    spend_per_day: float = 0.0
    cos: str | None = None
    transit_cos: str | None = None
    cut: bool = True
