"""Menus, voicemail, opening hours, routes."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from softswitch.switch.settings.common import STRICT, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Collect:
    """Digits that the menu asks for; kept as `variable`, handed to the agent's side (header and event). `secret`: a
    card number or the like; a running recording is paused meanwhile, ledger and call record get stars, and the agent's
    phone is not told unless `to_agent`. `lookup`: the
    digits are the id of a customer, whose call it is from here on; `not_found` is for digits that are nobody's."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    variable: str
    min: int = 1
    max: int = 20
    end_key: str = "#"
    secret: bool = False
    to_agent: bool = False
    lookup: Literal["customers"] | None = None
    not_found: Target | None = None
    next: Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """Recording notice: `prompt`, then `key` agrees (others and silence do not record). No key: a notice only."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    prompt: str = "recording-notice"
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Menu:
    """One `[ivr.NAME]`. `prompt` and friends are catalogue names, or sound files by path. `hours` names `[hours.NAME]`;
    outside them the call goes to `closed`. `languages` maps keys to language codes: they are offered first."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    prompt: str | tuple[str, ...]
    keys: dict[str, Target] = field(default_factory=dict)
    collect: Collect | None = None
    timeout: float = 5.0
    digit_timeout: float = 3.0
    repeat: int = 2
    invalid_prompt: str = "invalid-choice"
    timeout_prompt: str | None = None
    on_timeout: Target | None = None
    on_invalid: Target | None = None
    hours: str | None = None
    closed: Target | None = None
    language: str | None = None
    languages: dict[str, str] = field(default_factory=dict)
    language_prompt: str = "choose-language"
    consent: Consent | None = None
    barge_in: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Voicemail:
    """One `[voicemail.NAME]`. `greeting` is a prompt. A message lasts `max_seconds` at most, and ends by `end_key`, by
    hang-up, or after `silence` seconds without a word (0: not). `notify`: a command that is run for each message of at
    least `min_seconds`; it is told of it by the environment (see `docs/callers.md`). `number` and `pin` open the box at
    any phone; its own phone (`mailbox` of the phone) is asked for the PIN with `ask_pin = "always"` only. `mail`: who
    gets each message as an attachment (see `[mail]`), and with `mail_delete` the box does not keep it. A box with
    `max_messages` takes no more (0: no limit)."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    greeting: str = "voicemail-greeting"
    max_seconds: float = 180.0
    min_seconds: float = 2.0
    max_messages: int = 200
    beep: bool = True
    silence: float = 8.0
    end_key: str = "#"
    language: str | None = None
    notify: str | None = None
    number: str | None = None
    pin: str | None = field(default=None, repr=False)
    ask_pin: Literal["elsewhere", "always"] = "elsewhere"
    mail: str | None = None
    mail_delete: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Opening hours: `mon-fri = "09:00-18:00"`, several spans by comma; `holidays` are dates `YYYY-MM-DD` or
    yearly `MM-DD`. `timezone` is an IANA name, the server's unless given."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    open: dict[str, str]
    holidays: tuple[str, ...] = ()
    timezone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The first route that fits decides. `source` (the file says `from`): `trunk:NAME`, `phone:NAME`, `trunk:*`,
    `phone:*` or `any`. `number`: an exact number, or a pattern where `X` is a digit, `Z` 1–9, `N` 2–9, `[..]` a set,
    `.` one or more of anything, `*` alone all. `caller`: a pattern, and `callers` a `[lists.NAME]`, for the number of
    who calls; with both it must fit both. `diverted_from`: a pattern for the number that was dialled first, of calls
    that somebody passed on to us. Hours as in menus. `hook` is asked before the call goes on to `to`.
    `reject_anonymous`: who hides the number gets 433 (RFC 5079)."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    source: str = "any"
    number: str = "*"
    to: Target = ""
    record: bool | None = None
    strip: int = 0
    prefix: str = ""
    hours: str | None = None
    closed: Target | None = None
    caller_id: str | None = None
    language: str | None = None
    caller: str | None = None
    callers: str | None = None
    diverted_from: str | None = None
    reject_anonymous: bool = False
    hook: str | None = None
