"""What a phone must be told to be one of this switch's, whatever its brand."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import resources
from zoneinfo import ZoneInfo

from softswitch.kernel.errors import LocalError
from softswitch.kernel.printable import printable
from softswitch.services.provisioning.mac import plain_mac
from softswitch.switch.settings import Brand, Phone, Settings

_PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061}
_BEST_FIRST = ("tls", "tcp", "udp")


@dataclass(frozen=True, slots=True)
class Lamp:
    """A key that shows the state of `number` and dials it; `pickup` is dialled before it while it rings."""

    number: str
    label: str
    pickup: str


@dataclass(frozen=True, slots=True)
class Account:
    """`domain` is the host of the phone's address, `server` where its requests go (`transport`: udp, tcp or tls).
    `codecs` in order. `srtp`: off, optional, required. `posix_timezone`: as in POSIX's TZ;
    `utc_offset`: its hours in winter.
    `admin_password`: for the device's own pages. `url`: where its file is fetched, empty when it is not served.
    `extra`: settings in the brand's terms; they go over ours."""

    name: str
    brand: Brand
    mac: str
    number: str
    display: str
    password: str
    domain: str
    server: str
    port: int
    transport: str
    expires: int
    codecs: tuple[str, ...]
    srtp: str
    dtmf: str
    language: str
    posix_timezone: str
    utc_offset: float
    ntp: str
    voicemail: str
    admin_password: str
    url: str
    lamps: tuple[Lamp, ...]
    extra: Mapping[str, str]


def account_of(settings: Settings, name: str, admin_password: str = "", url: str = "") -> Account:
    """The account of the phone `name`. Raises `LocalError` when it has no device, or its password is not known."""
    phone = settings.phones.get(name)
    if phone is None:
        raise LocalError(f"there is no phone {name}")
    device = phone.device
    if device is None:
        raise LocalError(f'phones.{name} has no device: give it one, as in device = {{ model = "yealink", mac = "…" }}')
    if phone.password is None:
        digests = " (a digest is not enough: the device must be told the password)" if phone.ha1 else ""
        raise LocalError(f"phones.{name} has no password{digests}")
    site = settings.provisioning
    transport, port = _reached_by(settings)
    brand = device.model
    extra = {**site.brands.get(brand, {}), **device.settings}
    zone = settings.server.timezone
    return Account(
        name=name,
        brand=brand,
        mac=plain_mac(device.mac) if device.mac else "",
        number=phone.number or name,
        display=_one_line(phone.name or phone.number or name),
        password=_one_line(phone.password),
        domain=settings.sip.domain,
        server=site.server or settings.sip.domain,
        port=site.port or port,
        transport=transport,
        expires=settings.sip.default_expires,
        codecs=phone.codecs or settings.media.codecs,
        srtp=_srtp(phone, transport),
        dtmf=phone.dtmf,
        language=phone.language or settings.server.language,
        posix_timezone=_posix(zone),
        utc_offset=_winter_hours(zone),
        ntp=site.ntp or "",
        voicemail=settings.codes.mailbox if phone.mailbox else "",
        admin_password=site.admin_password or admin_password,
        url=url,
        lamps=tuple(_lamp(settings, number) for number in device.lamps),
        extra={key: _text(value) for key, value in extra.items()},
    )


def _reached_by(settings: Settings) -> tuple[str, int]:
    """Transport and port: as the settings say, else the safest that is listened on."""
    listening: dict[str, int] = {}
    for text in settings.sip.listen:
        transport, _, rest = text.partition(":")
        listening.setdefault(transport, int(rest.rpartition(":")[2]))
    wanted = settings.provisioning.transport
    best: str = wanted or next((transport for transport in _BEST_FIRST if transport in listening), "udp")
    return best, listening.get(best, 0) or _PORTS[best]


def _srtp(phone: Phone, transport: str) -> str:
    """What the device offers. Keys in the clear help nobody, so who merely may gets them with TLS only."""
    if phone.srtp == "accept":
        return "optional" if transport == "tls" else "off"
    return phone.srtp


def _lamp(settings: Settings, number: str) -> Lamp:
    return Lamp(number, _label(settings, number), settings.codes.pickup)


def _label(settings: Settings, number: str) -> str:
    for name, phone in settings.phones.items():
        if number in (name, phone.number):
            return _one_line(phone.name or number)
    return number


def _winter_hours(zone: str) -> float:
    there = ZoneInfo(zone)
    offsets = (datetime(2024, month, 15, tzinfo=there).utcoffset() for month in (1, 7))
    return min((offset or timedelta()).total_seconds() for offset in offsets) / 3600


def _posix(zone: str) -> str:
    """The rule that a TZif file ends with (RFC 8536 §3.3), as `EET-2EEST,M3.5.0/3,M10.5.0/4`."""
    place, _, city = zone.rpartition("/")
    package = ".".join(["tzdata", "zoneinfo", *(place.split("/") if place else ())])
    return resources.files(package).joinpath(city).read_bytes().rsplit(b"\n", 2)[-2].decode("ascii")


def _text(value: str | int | bool) -> str:
    return str(int(value)) if isinstance(value, bool) else _one_line(str(value))


def _one_line(text: str) -> str:
    """Without control characters: they would end a line, and no XML may have them."""
    return printable(text, " ")


def provisioned(settings: Settings) -> dict[str, Phone]:
    """The phones that have a device."""
    return {name: phone for name, phone in settings.phones.items() if phone.device is not None}
