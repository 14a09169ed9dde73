"""Where requests to configured addresses go: the servers behind a name, and the listener that they leave by.

The shell asks name servers and tells what it found (`HopsLocated`); until then, and when nothing is found, the name
itself stands in the flow and the shell looks for its address.
"""

from ipaddress import ip_address
from random import Random

from softswitch.kernel.clock import Duration, Instant
from softswitch.sip.flow import ANY_HOST, Addressing, Flow
from softswitch.sip.next_hop import PUT_BACK, Hop, Hops
from softswitch.sip.transports import port_of, transport_of
from softswitch.switch.settings import Settings
from softswitch.wire.sip import Uri

_MOST_RETRY_AFTER: Duration = 300.0


class NextHops:
    """By place: `trunk:NAME` or `phone:NAME`. `listen` as in `settings.Sip`."""

    def __init__(self, listen: tuple[str, ...], addressing: Addressing, dice: Random) -> None:
        self._addressing = addressing
        self._dice = dice
        self._places: dict[str, Hops] = {}
        self._listeners = [_listener(text) for text in listen]
        self._texts = listen

    def located(self, place: str, hops: tuple[Hop, ...]) -> None:
        """The address of `place` stands for these now."""
        self._places.setdefault(place, Hops()).located(hops)

    def configure(self, before: Settings, settings: Settings) -> None:
        """New settings: what is known of addresses that are the same stays."""
        old, new = _addresses(before), _addresses(settings)
        self._places = {place: hops for place, hops in self._places.items() if old.get(place) == new.get(place, "")}

    def awaited(self, place: str, uri: Uri) -> bool:
        """Whether the address is a name that has not been looked up yet."""
        hops = self._places.get(place)
        return (hops is None or not hops.known) and not _is_address(uri.host)

    def hops(self, place: str, uri: Uri) -> tuple[Hop, ...]:
        """All that `place` stands for; `uri` is its address in the configuration."""
        hops = self._places.get(place)
        return hops.known if hops is not None and hops.known else (as_written(uri),)

    def order(self, place: str, uri: Uri, now: Instant) -> list[Hop]:
        """In the order to try them now."""
        hops = self._places.get(place)
        return hops.order(now, self._dice) if hops is not None and hops.known else [as_written(uri)]

    def failed(self, place: str, remote: tuple[str, int], now: Instant, retry_after: Duration = 0.0) -> None:
        """This one comes last for a while; `retry_after`: seconds that a 503 asked for (RFC 3261 §21.5.4)."""
        hops = self._places.get(place)
        if hops is not None:
            hops.failed(remote, now, min(max(retry_after, PUT_BACK), _MOST_RETRY_AFTER))

    def well(self, place: str, remote: tuple[str, int]) -> None:
        """This one answered."""
        hops = self._places.get(place)
        if hops is not None:
            hops.well(remote)

    # ------------------------------------------------------------------------------------------------- which listener

    def flow(self, hop: Hop, wanted: str | None = None) -> Flow:
        """The flow to `hop` by the listener that fits; `wanted`: the entry of `sip.listen` that the party names."""
        return Flow(hop.transport, hop.remote, self._listener(hop.transport, hop.address, wanted))

    def _listener(self, transport: str, host: str, wanted: str | None) -> int:
        """Our socket of that transport and address family. Of several the wanted one (for another transport: the one
        at its address), else the one whose address packets to `host` leave from; the first when none is better."""
        ipv6 = ":" in host
        fitting = [
            number for number, (kind, own) in enumerate(self._listeners) if kind == transport and (":" in own) == ipv6
        ]
        if wanted is not None:
            own = _listener(wanted)[1]
            same = [number for number in fitting if self._listeners[number][1] == own]
            exact = [number for number in same if self._texts[number] == wanted]
            fitting = exact or same or fitting
        if len(fitting) > 1:
            source = self._addressing.source(host)
            fitting = [number for number in fitting if self._listeners[number][1] in (source, *ANY_HOST)] or fitting
            fitting.sort(key=lambda number: self._listeners[number][1] != source)
        return fitting[0] if fitting else 0


def as_written(uri: Uri) -> Hop:
    """What the address says by itself, host names as they are."""
    transport = transport_of(uri)
    return Hop(transport, uri.host.strip("[]"), port_of(uri, transport))


def _addresses(settings: Settings) -> dict[str, str | None]:
    trunks = {f"trunk:{name}": trunk.address for name, trunk in settings.trunks.items()}
    servers = {f"siprec:{name}": server.address for name, server in settings.siprec.items()}
    return trunks | servers | {f"phone:{name}": phone.contact for name, phone in settings.phones.items()}


def _is_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    return True


def _listener(text: str) -> tuple[str, str]:
    """Transport and host of an entry of `sip.listen`."""
    kind, _, rest = text.partition(":")
    host = rest.rpartition(":")[0].strip("[]")
    return kind, "127.0.0.1" if host == "localhost" else host
