"""Recording servers that get calls live (SIPREC)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from softswitch.sip.secure_media import Srtp
from softswitch.switch.settings.common import STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingServer:
    """`[siprec.NAME]`. Queues, phones and trunks name it with `siprec`; `all`: every other call goes to it, too.
    `listener`: the entry of `sip.listen` that its calls leave by; `backup`: the server tried next.

    A server that is silent for `timeout_seconds`, or has not answered after `answer_seconds`, has failed.
    `on_failure`: whether a call goes on that no server records; `retry_seconds` until they are tried again (0: not).
    `options_seconds`: how often it is asked whether it is there (0: calls alone tell)."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    address: str
    backup: str | None = None
    listener: str | None = None
    all: bool = False
    codecs: tuple[str, ...] = ("PCMA", "PCMU")
    srtp: Srtp = "off"
    timeout_seconds: float = 4.0
    answer_seconds: float = 15.0
    on_failure: Literal["continue", "end"] = "continue"
    retry_seconds: float = 30.0
    options_seconds: float = 0.0
    session_expires: int | None = None
