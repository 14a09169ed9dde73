"""The configuration file: TOML to `Settings`, with every fault found at once, each with its line.

Secrets (`password`, `pin`, `token`, `database`, the digests of `ha1`) may be kept outside the file:
`password = { env = "CARRIER_PASSWORD" }` or `password = { file = "carrier.secret" }`, relative to the file.
"""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from softswitch.services.configuration_checks import check_settings
from softswitch.services.configuration_identity import with_stir
from softswitch.services.configuration_routing import with_lists
from softswitch.services.configuration_shape import file_path, shape
from softswitch.services.configuration_tls import with_certificates
from softswitch.services.configuration_values import Known
from softswitch.services.faults import ConfigurationError, Fault, Finding, key_text
from softswitch.services.key_lines import KeyPath, key_lines, line_of
from softswitch.switch.settings import Settings

__all__ = ["Configuration", "ConfigurationError", "Fault", "check", "load", "read"]

_TOML_PLACE: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


@dataclass(frozen=True, slots=True)
class Configuration:
    """A file's settings, and every fault that it has."""

    settings: Settings
    faults: tuple[Fault, ...]


def load(path: str | Path) -> Settings:
    """The settings of the file at `path`. Raises `ConfigurationError` with all faults when one is an error."""
    configuration = read(path)
    if any(fault.severity == "error" for fault in configuration.faults):
        raise ConfigurationError(configuration.faults)
    return configuration.settings


def check(path: str | Path) -> list[Fault]:
    """Every fault of the file at `path` in the order of its lines; `severity` is `error` or `warning`."""
    try:
        return list(read(path).faults)
    except ConfigurationError as error:
        return list(error.faults)


def read(path: str | Path) -> Configuration:
    """What can be read of the file at `path`; entries with errors are left out of the settings. Raises
    `ConfigurationError` when the file is not there or is not TOML."""
    path = Path(path)
    text = _text(path)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError([_syntax_fault(path, text, str(error))]) from error
    lines = key_lines(text)
    settings, findings = shape(data, path.parent)
    settings, unread = with_lists(settings, path.parent)
    findings += unread
    settings = with_certificates(settings, path.parent)
    settings, unread = with_stir(settings, path.parent)
    findings += unread
    shape_paths = [file_path(finding.path) for finding in findings]
    for finding in check_settings(settings, Known.of(data)):
        if not _follows(file_path(finding.path), shape_paths):
            findings.append(finding)
    return Configuration(settings, tuple(_placed(path, lines, findings)))


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError([Fault(str(path), 0, "", f"cannot be read: {error.strerror}")]) from error
    try:
        return data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigurationError([Fault(str(path), line, "", "not UTF-8 text")]) from error


def _syntax_fault(path: Path, text: str, message: str) -> Fault:
    place = _TOML_PLACE.search(message)
    line = int(place[1]) if place and place[1] else text.rstrip().count("\n") + 1
    message = _TOML_PLACE.sub("", message)
    return Fault(str(path), line, "", f"not TOML: {message[:1].lower()}{message[1:]}")


def _follows(path: KeyPath, faulty: Iterable[KeyPath]) -> bool:
    """Whether a finding at `path` may come from a fault of shape there or inside, which was left out."""
    return any(other[: len(path)] == path or path[: len(other)] == other for other in faulty)


def _placed(path: Path, lines: dict[KeyPath, int], findings: Iterable[Finding]) -> list[Fault]:
    faults = set()
    for finding in findings:
        key = finding.path if finding.path in lines else file_path(finding.path)
        line = line_of(lines, key)
        faults.add(Fault(str(path), line, key_text(key), finding.message, finding.suggestion, finding.severity))
    return sorted(faults, key=lambda fault: (fault.line, fault.key, fault.message))
