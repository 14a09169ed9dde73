"""What desk phones and softphones are told: the device of a phone, and the site's part."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from softswitch.switch.settings.common import STRICT

Brand: TypeAlias = Literal["yealink", "snom", "grandstream", "cisco", "fanvil", "linphone", "baresip"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """The hardware (or the program) of a phone. `model`: a brand. `mac`: of a desk phone, in any usual spelling.
    `lamps`: extensions whose state its keys show, in order. `settings`: further ones in the brand's own terms; they go
    over ours."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    model: Brand
    mac: str | None = None
    lamps: tuple[str, ...] = ()
    settings: dict[str, str | int | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisioning:
    """`listen`: where phones fetch their files by HTTPS, with the certificate of `[tls]`; nowhere without it. `url`:
    how phones reach that, when it is not `https://DOMAIN:PORT`. `server`: where phones register, the domain unless
    given; `transport` and `port` likewise (the best one that is listened on). `allow`: networks from which files may be
    fetched. `require_client`: phones must show a certificate signed by `tls.client_ca`, such as the one that their
    maker gave them; `tls.require_client` is for SIP alone. `ntp`: a time server. `admin_password`: for the phones' own
    web pages, else each gets one of its own. `brands`: settings for all devices of a brand, in its own terms."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    listen: str | None = None
    url: str | None = None
    server: str | None = None
    transport: Literal["udp", "tcp", "tls"] | None = None
    port: int | None = None
    allow: tuple[str, ...] = ("0.0.0.0/0", "::/0")
    require_client: bool = False
    ntp: str | None = None
    admin_password: str | None = field(default=None, repr=False)
    brands: dict[str, dict[str, str | int | bool]] = field(default_factory=dict)
