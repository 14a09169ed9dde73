"""What the settings of addresses mean: listeners that parties name, external addresses, name servers, media."""

from collections.abc import Iterator
from ipaddress import ip_address
from itertools import combinations

from softswitch.services.faults import Finding, closest, key_text
from softswitch.services.key_lines import KeyPath
from softswitch.sip.flow import ANY_HOST
from softswitch.switch.settings import LEARN, Settings


def check_addresses(settings: Settings) -> Iterator[Finding]:
    """Everything about our own addresses that has no meaning, or another than meant."""
    sip, media = settings.sip, settings.media
    for index, text in enumerate(sip.dns_servers):
        host, _, port = text.rpartition(":")
        if not is_address(host.strip("[]")) or not port.isdecimal() or not 1 <= int(port) <= 65535:
            yield Finding(("sip", "dns_servers", index), f'"{text}" is not address:port, as in "192.0.2.53:53"')
    for listener, external in sip.external_addresses.items():
        path: KeyPath = ("sip", "external_addresses", listener)
        if listener not in sip.listen:
            yield Finding(path, f'"{listener}" is not in sip.listen', closest(listener, sip.listen))
        if external != LEARN and not is_address(external) and "." not in external:
            yield Finding(path, f'"{external}" is neither an address nor a host name')
    for section, parties in (("trunks", settings.trunks), ("phones", settings.phones)):
        for name, party in parties.items():
            if party.listener is not None and party.listener not in sip.listen:
                message = f'"{party.listener}" is not in sip.listen'
                yield Finding((section, name, "listener"), message, closest(party.listener, sip.listen))
    if LEARN in (sip.external_address, *sip.external_addresses.values()) and not settings.trunks:
        yield Finding(("sip", "external_address"), "nothing to learn from: there are no trunks", severity="warning")
    yield from _one_port_each(settings)
    yield from _media(media.addresses)
    external_media = media.external_address
    if external_media is not None and external_media != LEARN and not is_address(external_media):
        yield Finding(("media", "external_address"), f'"{external_media}" is not an IP address')


def _one_port_each(settings: Settings) -> Iterator[Finding]:
    """No two listeners can have one port of one address."""
    listeners: list[tuple[KeyPath, str]] = [
        *((("sip", "listen", index), text) for index, text in enumerate(settings.sip.listen)),
        (("api", "listen"), f"tcp:{settings.api.listen}"),
    ]
    if settings.provisioning.listen is not None:
        listeners.append((("provisioning", "listen"), f"tcp:{settings.provisioning.listen}"))
    for (first, one), (path, other) in combinations(listeners, 2):
        listed_twice = one == other and first[:2] == path[:2]  # which is said of the list
        if _meet(one, other) and not listed_twice:
            yield Finding(path, f"the port is that of {key_text(first)}, {one}")


def _meet(one: str, other: str) -> bool:
    (udp, host, port), (other_udp, other_host, other_port) = _bound(one), _bound(other)
    if (udp, port) != (other_udp, other_port) or port == "0":
        return False
    hosts = {host, other_host}
    return len(hosts) == 1 or ((":" in host) == (":" in other_host) and not hosts.isdisjoint(ANY_HOST))


def _bound(listener: str) -> tuple[bool, str, str]:
    """Whether by UDP, address and port."""
    transport, _, rest = listener.partition(":")
    host, _, port = rest.rpartition(":")
    return transport == "udp", host.strip("[]"), port


def _media(addresses: tuple[str, ...]) -> Iterator[Finding]:
    path: KeyPath = ("media", "address")
    bad = [text for text in addresses if not is_address(text)]
    for text in bad:
        yield Finding(path, f'"{text}" is not an IP address')
    if not bad and (not 1 <= len(addresses) <= 2 or len({":" in text for text in addresses}) != len(addresses)):
        yield Finding(path, "must be one address, or an IPv4 and an IPv6 one", '["0.0.0.0", "::"]')


def is_address(text: str) -> bool:
    """Whether `text` is an IP address, without brackets."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
