"""The servers behind a name, in the order in which a request tries them (RFC 2782, RFC 3263 §4.2 and §4.3).

Servers of one rank share its requests by their weights; a server's addresses stand together (RFC 7984 §4.2). What
failed lately is tried last: it may be the only one that is left.
"""

from collections.abc import Iterable
from random import Random

import msgspec

from softswitch.kernel.clock import Duration, Instant

PUT_BACK: Duration = 30.0
"""Seconds that a server which failed is tried last."""


class Hop(msgspec.Struct, frozen=True):
    """One address that a request may go to. `rank`: lower ones first; `weight` among the servers of a rank; `server`
    tells servers apart that have several addresses."""

    transport: str
    address: str
    port: int
    rank: int = 0
    weight: int = 0
    server: str = ""

    @property
    def remote(self) -> tuple[str, int]:
        """As in `Flow`."""
        return self.address, self.port


def weighted(hops: Iterable[Hop], dice: Random) -> list[Hop]:
    """All hops, by rank, and within a rank by the draw of RFC 2782 ("Usage rules")."""
    ranks: dict[int, dict[tuple[str, str], list[Hop]]] = {}
    for hop in hops:
        ranks.setdefault(hop.rank, {}).setdefault((hop.server, hop.transport), []).append(hop)
    ordered: list[Hop] = []
    for rank in sorted(ranks):
        servers = sorted(ranks[rank].values(), key=lambda addresses: addresses[0].weight)  # those of weight 0 first
        while servers:
            drawn = dice.randint(0, sum(addresses[0].weight for addresses in servers))
            running = 0
            for index, addresses in enumerate(servers):
                running += addresses[0].weight
                if running >= drawn:
                    ordered += servers.pop(index)
                    break
    return ordered


class Hops:
    """The hops of one name, and which of them failed lately."""

    __slots__ = ("_until", "known")

    def __init__(self, known: tuple[Hop, ...] = ()) -> None:
        self.known = known
        self._until: dict[tuple[str, int], Instant] = {}

    def located(self, known: tuple[Hop, ...]) -> None:
        """The name stands for these now; what is known of those that stay is kept."""
        self.known = known
        remotes = {hop.remote for hop in known}
        self._until = {remote: until for remote, until in self._until.items() if remote in remotes}

    def order(self, now: Instant, dice: Random) -> list[Hop]:
        """In the order to try them now."""
        if len(self.known) < 2:
            return list(self.known)
        return sorted(weighted(self.known, dice), key=lambda hop: self._until.get(hop.remote, 0.0) > now)

    def failed(self, remote: tuple[str, int], now: Instant, seconds: Duration = PUT_BACK) -> None:
        """It gave no answer, could not be reached, or said 503: it comes last for a while."""
        if any(hop.remote == remote for hop in self.known):
            self._until[remote] = now + seconds

    def well(self, remote: tuple[str, int]) -> None:
        """It answered."""
        self._until.pop(remote, None)
