"""The switch as a process: name, data, API, log."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from softswitch.switch.settings.common import STRICT

Role: TypeAlias = Literal["read", "supervise", "operate", "admin"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    name: str = "softswitch"
    data_dir: str = "var"
    database: str = field(default="sqlite", repr=False)  # may hold a password
    language: str = "en"
    timezone: str = "UTC"
    tones: str = "eu"
    max_calls: int = 5000
    drain_seconds: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """One `[api.tokens.NAME]`: the token itself, or its SHA-256 in hexadecimal (`softswitch token` makes both). Each
    role may what the ones before it may: `read`, `supervise`, `operate`, `admin`."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    token: str | None = field(default=None, repr=False)
    sha256: str | None = None
    role: Role = "read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """`token` is of the role `admin`."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    listen: str = "127.0.0.1:8080"
    token: str | None = field(default=None, repr=False)
    tokens: dict[str, ApiToken] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json", "auto"] = "auto"
    file: str | None = None
