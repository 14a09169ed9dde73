"""What the settings of identity mean: own numbers, who is trusted, how diversions are told."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from softswitch.kernel.errors import LocalError
from softswitch.services.faults import Finding
from softswitch.services.key_lines import KeyPath
from softswitch.sip.numbers import Pattern
from softswitch.switch.settings import Settings

_FILES: Final = ("key", "certificate", "anchors", "crl_issuers")
_MOST_TIMEOUT: Final = 10.0
_SOON: Final = timedelta(days=7)


def check_identity(settings: Settings) -> Iterator[Finding]:
    """Everything that is wrong with well-formed settings of identity."""
    for name, phone in settings.phones.items():
        yield from _patterns(("phones", name, "numbers"), phone.numbers)
    for name, trunk in settings.trunks.items():
        path: KeyPath = ("trunks", name)
        yield from _patterns((*path, "numbers"), trunk.numbers)
        if trunk.number_form == "national" and trunk.country is None:
            yield Finding((*path, "number_form"), "needs country: without it no number is national")
        if trunk.trusted is False and trunk.identity in ("p-asserted-identity", "remote-party-id"):
            text = "never used: a trunk with trusted = false is told nothing but From"
            yield Finding((*path, "identity"), text, severity="warning")
    yield from _stir(settings)
    for index, route in enumerate(settings.routes):
        if route.diverted_from is not None:
            yield from _patterns(("routes", index, "diverted_from"), (route.diverted_from,), single=True)


def with_stir(settings: Settings, directory: Path) -> tuple[Settings, list[Finding]]:
    """The settings with the files of `[stir]` relative to `directory`; and what is wrong with those files."""
    stir = settings.stir
    files: dict[str, Any] = {
        name: str(directory.absolute() / path) for name in _FILES if (path := getattr(stir, name)) is not None
    }
    if any(not _is_url(place) for place in stir.crl):
        files["crl"] = tuple(one if _is_url(one) else str(directory.absolute() / one) for one in stir.crl)
    if not files:
        return settings, []
    from softswitch.services import stir_keys  # a twentieth of a second, for those who sign

    stir = replace(stir, **files)
    findings: list[Finding] = []
    for name in ("certificate", "anchors", "crl_issuers"):
        if name in files:
            try:
                found = stir_keys.certificates(files[name])
            except LocalError as error:
                findings.append(Finding(("stir", name), str(error)))
                continue
            left = min(one.not_valid_after_utc for one in found) - datetime.now(UTC)
            if name == "certificate" and left < _SOON:
                when = "has expired" if left < timedelta() else f"expires in {left.days} days"
                findings.append(Finding(("stir", name), f"{stir.certificate} {when}", severity="warning"))
    if "key" in files and not any(finding.severity == "error" for finding in findings):
        try:
            stir_keys.private_key(stir)
        except LocalError as error:
            findings.append(Finding(("stir", "key"), str(error)))
    elif "key" in files and not Path(files["key"]).is_file():
        findings.append(Finding(("stir", "key"), f"{files['key']} cannot be read: No such file or directory"))
    return replace(settings, stir=stir), findings


def _is_url(place: str) -> bool:
    return urlsplit(place).scheme in ("http", "https")


def _stir(settings: Settings) -> Iterator[Finding]:
    stir = settings.stir
    signs = [name for name, trunk in settings.trunks.items() if trunk.stir.sign]
    verifies = [name for name, trunk in settings.trunks.items() if trunk.stir.verify != "off"]
    if signs and not stir.signing_service:
        for needed in ("key", "x5u"):
            if getattr(stir, needed) is None:
                text = f"needs stir.{needed}, or stir.signing_service"
                yield Finding(("trunks", signs[0], "stir", "sign"), text)
    if verifies and stir.anchors is None and not stir.verification_service:
        text = "needs stir.anchors, or stir.verification_service: no root is trusted"
        yield Finding(("trunks", verifies[0], "stir", "verify"), text)
    for name in ("x5u", "signing_service", "verification_service"):
        url = getattr(stir, name)
        if url is not None and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
            yield Finding(("stir", name), f'"{url}" is no URL: https://host/…')
        elif url is not None and any(sign in url for sign in '<>" '):
            yield Finding(("stir", name), f'"{url}" cannot stand in a header field')
        elif name != "x5u" and url is not None and url.endswith("/"):
            yield Finding(("stir", name), "must not end in /: /stir/v1/… is added")
    if stir.x5u is not None and urlsplit(stir.x5u).scheme == "http":
        yield Finding(("stir", "x5u"), "others fetch it by https only (ATIS-1000074)", severity="warning")
    for index, network in enumerate(stir.allow_networks):
        try:
            ip_network(network, strict=False)
        except ValueError:
            yield Finding(("stir", "allow_networks", index), f'"{network}" is no network, as in "10.0.0.0/8"')
    if not 0.1 <= stir.timeout <= _MOST_TIMEOUT:
        yield Finding(("stir", "timeout"), f"must be 0.1 to {_MOST_TIMEOUT:.0f}: callers hear nothing meanwhile")
    for index, place in enumerate(stir.crl):
        if place.startswith("http:") and not stir.allow_http:
            yield Finding(("stir", "crl", index), "must be https, or a file")
        elif not _is_url(place) and not Path(place).is_file():
            yield Finding(("stir", "crl", index), f"{place} cannot be read: No such file or directory")
    if stir.crl and stir.anchors is None:
        yield Finding(("stir", "crl"), "is never looked at: there are no stir.anchors", severity="warning")
    if stir.crl_required and not stir.crl:
        yield Finding(("stir", "crl_required"), "needs stir.crl: every caller would be refused")
    if stir.crl_seconds < 60:
        yield Finding(("stir", "crl_seconds"), "must be at least 60")
    if stir.max_age < 1:
        yield Finding(("stir", "max_age"), "must be 1 or more seconds")


def _patterns(path: KeyPath, numbers: tuple[str, ...], single: bool = False) -> Iterator[Finding]:
    for index, number in enumerate(numbers):
        try:
            Pattern(number)
        except LocalError as error:
            yield Finding(path if single else (*path, index), str(error))
