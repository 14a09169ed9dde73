"""Single values of a configuration: what is an address, a network, a time zone, a language, a codec, a password."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from ipaddress import ip_address, ip_network
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from softswitch.call.speech import LANGUAGES
from softswitch.kernel.errors import LocalError
from softswitch.services.faults import Finding, Severity, closest
from softswitch.services.key_lines import KeyPath
from softswitch.sip.codec_table import CODECS, PACKET_TIMES
from softswitch.sip.transports import DIALLED
from softswitch.switch.settings import Media, Phone, Settings, Trunk

HOST: Final = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.\-]+)"
_SIP_URI: Final = re.compile(
    rf"sips?:(?:[^@\s<>\"]+@)?(?P<host>{HOST})(?::(?P<port>\d{{1,5}}))?(?P<params>(?:;[A-Za-z0-9\-]+(?:=[^;\s]+)?)*)"
)
_HOST_NAME: Final = re.compile(r"(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9.\-]*[A-Za-z0-9])?\.?")
_SIGNED: Final = frozenset({("queues", "priority"), ("queues", "weights")})  # numbers that may be below zero
_BROWSERS: Final = ("opus", "G722", "PCMU", "PCMA")  # what every WebRTC endpoint, or Chromium, takes (RFC 7874 §3)
_CODEC_NAMES_ELSEWHERE: Final = {  # as other switches and phones write them
    "alaw": "PCMA", "g711a": "PCMA", "g.711a": "PCMA", "ulaw": "PCMU", "mulaw": "PCMU", "g711u": "PCMU",
    "g711": "PCMU", "g.722": "G722", "g.729": "G729", "g729a": "G729", "slin": "L16/8000", "slin16": "L16",
}  # fmt: skip
_SHORT_PASSWORD: Final = 8
_MOST: Final = 10**10  # seconds of 300 years


@dataclass(frozen=True, slots=True)
class Known:
    """The names that the file has, by section, whether their entries are well-formed or not."""

    names: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, data: Mapping[str, object]) -> "Known":
        """From what tomllib returned."""
        return cls({section: frozenset(table) for section, table in data.items() if isinstance(table, dict)})

    def __getitem__(self, section: str) -> frozenset[str]:
        return self.names.get(section, frozenset())


class ValueChecks:
    """What checks of sections are made of. Each method adds its findings at `path`."""

    def __init__(self, settings: Settings, known: Known) -> None:
        self.settings = settings
        self.known = known
        self.findings: list[Finding] = []

    def _error(self, path: KeyPath, message: str, suggestion: str = "") -> None:
        self.findings.append(Finding(path, message, suggestion))

    def _warn(self, path: KeyPath, message: str) -> None:
        severity: Severity = "warning"
        self.findings.append(Finding(path, message, severity=severity))

    def _try(self, path: KeyPath, parse: Callable[..., object], *values: object) -> None:
        try:
            parse(*values)
        except LocalError as error:
            self._error(path, str(error).removeprefix("hours: "))

    def _numbers(self, value: object, path: KeyPath) -> None:
        """No number of the settings is below zero, but for `_SIGNED`, and none beyond what clocks can count."""
        if isinstance(value, int | float):
            if value < 0 and not {(path[0], key) for key in path[2:]} & _SIGNED:
                self._error(path, "must not be below 0")
            elif abs(value) > _MOST:
                self._error(path, f"must be a number up to {_MOST}")
        for key, inner in _children(value):
            self._numbers(inner, (*path, key))

    def _ip(self, path: KeyPath, text: str) -> bool:
        try:
            ip_address(text)
        except ValueError:
            self._error(path, f'"{text}" is not an IP address')
            return False
        return True

    def _port(self, path: KeyPath, text: str) -> int:
        port = int(text)
        if not 1 <= port <= 65535:
            self._error(path, f"{port} is not a port: 1 to 65535")
        return port

    def _host_name(self, path: KeyPath, text: str | None) -> None:
        if text is not None and _HOST_NAME.fullmatch(text) is None:
            try:
                ip_address(text)
            except ValueError:
                self._error(path, f'"{text}" is neither a host name nor an IP address')

    def _networks(self, path: KeyPath, texts: Iterable[str]) -> None:
        for index, text in enumerate(texts):
            try:
                ip_network(text)
            except ValueError:
                try:
                    hint = str(ip_network(text, strict=False))
                except ValueError:
                    hint = ""
                self._error((*path, index), f'"{text}" is not a network, as in "198.51.100.0/24"', hint)

    def _sip_uri(self, path: KeyPath, text: str) -> None:
        match = _SIP_URI.fullmatch(text)
        if match is None:
            hint = f"sip:{text}" if _SIP_URI.fullmatch(f"sip:{text}") else ""
            self._error(path, f'"{text}" is not a SIP URI, as in "sip:198.51.100.10:5060"', hint)
            return
        if match["port"]:
            self._port(path, match["port"])
        transport = re.search(r";transport=([^;]*)", match["params"], re.IGNORECASE)
        if transport and transport[1].lower() not in DIALLED:
            self._error(path, f'"{transport[1]}" is not a transport that we can call by: {", ".join(DIALLED)}')

    def _language(self, path: KeyPath, code: str | None) -> None:
        if code is not None and code not in LANGUAGES:
            listed = ", ".join(LANGUAGES)
            self._error(path, f'no language "{code}": there are {listed}', {"ua": "uk", "lit": "lt"}.get(code, ""))

    def _timezone(self, path: KeyPath, name: str) -> bool:
        if _is_timezone(name):
            return True
        self._error(path, f'no time zone "{name}"', closest(name, available_timezones()))
        return False

    def _password(self, path: KeyPath, password: str | None, user: str) -> None:
        if password is None:
            return
        if not password:
            self._error(path, "is empty")
        elif password == user:
            self._warn(path, "weak: the same as the user name")
        elif password.lower().startswith("change-me"):
            self._warn(path, "weak: the one of the example")
        elif len(password) < _SHORT_PASSWORD:
            self._warn(path, f"weak: shorter than {_SHORT_PASSWORD} characters")

    def _streams(self, path: KeyPath, party: Media | Phone | Trunk) -> None:
        """Codecs and packet times, of everybody or of one party."""
        names, where = party.codecs or (), (*path, "codecs")
        for index, name in enumerate(names):
            if name not in CODECS:
                listed = ", ".join(CODECS)
                meant = _CODEC_NAMES_ELSEWHERE.get(name.lower()) or closest(name, CODECS)
                self._error((*where, index), f'no codec "{name}"; there are {listed}', meant)
        if names and all(name in CODECS and not CODECS[name].mixed for name in names):
            self._warn(where, "can only be passed on: no prompt, queue, music or recording in them; PCMA can")
        if isinstance(party, Phone) and party.webrtc:
            usable = party.codecs or self.settings.media.codecs
            if not any(name in _BROWSERS for name in usable):
                listed = ", ".join(_BROWSERS)
                self._error((*path, "webrtc"), f"a browser knows {listed}, and the codecs here are {', '.join(usable)}")
        if party.packet_ms is not None and party.packet_ms not in PACKET_TIMES:
            self._error((*path, "packet_ms"), f"must be one of {', '.join(map(str, PACKET_TIMES))}")


def _is_timezone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


@cache
def _field_names(kind: type) -> tuple[str, ...]:
    return tuple(item.name for item in fields(kind)) if is_dataclass(kind) else ()


def _children(value: object) -> Iterable[tuple[str | int, Any]]:
    if isinstance(value, dict):
        return value.items()
    if isinstance(value, tuple):
        return enumerate(value)
    kind: Any = type(value)  # mypy does not take a type for hashable
    return [(name, getattr(value, name)) for name in _field_names(kind)]
