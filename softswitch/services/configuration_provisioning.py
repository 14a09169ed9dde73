"""What devices and their provisioning mean: addresses, models that need them, passwords that can be told."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Final
from urllib.parse import urlsplit

from softswitch.kernel.errors import LocalError
from softswitch.services.configuration_addresses import is_address
from softswitch.services.faults import Finding, closest
from softswitch.services.key_lines import KeyPath
from softswitch.services.provisioning.brands import BRANDS, PROGRAMS
from softswitch.services.provisioning.mac import plain_mac
from softswitch.switch.settings import Device, Phone, Provisioning, Settings

_MOST_LAMPS: Final = 100


def check_provisioning(settings: Settings) -> list[Finding]:
    """Everything that is wrong with `[provisioning]` and the devices of phones."""
    found = [*_site(settings.provisioning)]
    if settings.provisioning.listen is not None and settings.tls.certificate is None:
        found.append(
            Finding(("provisioning", "listen"), "needs a certificate: see [tls]; `softswitch certificate` makes one")
        )
    if settings.provisioning.require_client and settings.tls.client_ca is None:
        path = ("provisioning", "require_client")
        found.append(Finding(path, "needs client_ca in [tls]: whose certificates are good?"))
    owners: dict[str, str] = {}
    for name, phone in settings.phones.items():
        if phone.device is not None:
            found += _device(name, phone, phone.device, owners)
    return found


def _site(site: Provisioning) -> Iterator[Finding]:
    path: KeyPath = ("provisioning",)
    if site.listen is not None:
        host, _, port = site.listen.rpartition(":")
        if not is_address(host.strip("[]")) or not port.isdecimal() or int(port) > 65535:
            yield Finding((*path, "listen"), f'"{site.listen}" is not address:port, as in "0.0.0.0:8444"')
    if site.url is not None:
        parts = urlsplit(site.url)
        if parts.scheme != "https" or not parts.hostname:
            yield Finding((*path, "url"), "must begin with https:// and a host: files hold passwords")
    if site.port is not None and not 1 <= site.port <= 65535:
        yield Finding((*path, "port"), "must be 1 to 65535")
    for brand in site.brands:
        if brand not in BRANDS:
            yield Finding((*path, "brands", brand), f'"{brand}" is not a brand', closest(brand, BRANDS))
    for index, text in enumerate(site.allow):
        try:
            ip_network(text)
        except ValueError as error:
            yield Finding((*path, "allow", index), str(error))


def _device(name: str, phone: Phone, device: Device, owners: dict[str, str]) -> Iterator[Finding]:
    path: KeyPath = ("phones", name, "device")
    if device.mac is not None:
        try:
            mac = plain_mac(device.mac)
        except LocalError as error:
            yield Finding((*path, "mac"), str(error))
        else:
            other = owners.setdefault(mac, name)
            if other != name:
                yield Finding((*path, "mac"), f"is the device of phones.{other}, too")
    elif device.model not in PROGRAMS:
        yield Finding((*path, "model"), f"{device.model} phones are told apart by their mac: give it one")
    if phone.password is None:
        why = "the device must be told the password, a digest is not enough" if phone.ha1 else "there is no password"
        yield Finding((*path, "model"), f"cannot be provisioned: {why}", severity="warning")
    if phone.webrtc:
        yield Finding((*path, "model"), "is no browser: webrtc and device exclude each other")
    if len(device.lamps) > _MOST_LAMPS:
        yield Finding((*path, "lamps"), f"no device has more than {_MOST_LAMPS} keys")
