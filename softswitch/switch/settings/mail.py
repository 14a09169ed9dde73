"""Where messages from mailboxes are mailed."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from softswitch.switch.settings.common import STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """`[mail]`: the SMTP server for `mail` of `[voicemail.NAME]`. `port`: 25, with `starttls` 587, with `tls` 465
    unless given. `attach`: the sound as it is or smaller; above `max_mb` the mail goes without. A mail that nobody
    takes is tried again for `keep_hours`."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    host: str | None = None
    port: int | None = None
    security: Literal["none", "starttls", "tls"] = "starttls"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sender: str = "softswitch@localhost"
    attach: Literal["wav", "mp3"] = "mp3"
    max_mb: float = 10.0
    timeout: float = 15.0
    keep_hours: float = 72.0
