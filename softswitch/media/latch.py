"""Who may speak on a leg: the rule of symmetric RTP, and its protection against a stranger (RFC 7362 §4, "latching").

1. `signalled`: only the signalled address is heard.
2. `learn`: the first source heard is locked. Afterwards everyone else is a stranger: dropped and counted, except that
   * the signalled address takes the lock over whenever it speaks (it is what the peer told us by SIP),
   * so does, from whoever is neither that nor there, a source at the host that the peer's SIP messages come from (a
     phone behind NAT signals an address that nobody can speak from, and a stranger may have been the first), and
   * after the locked source was silent for `RELATCH` seconds, a source that carries on its SSRC and sequence, or any
     source when SIP gave a new address meanwhile, takes the lock over (a peer behind NAT whose binding moved).
3. Sound goes to the lock; before there is one, to the signalled address. Wildcard, multicast and port 0 are never
   sent to.
"""

from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from softswitch.kernel.clock import Duration
from softswitch.kernel.errors import PeerError
from softswitch.media.arena import Address

RELATCH: Final[Duration] = 2.0
CARRY_ON: Final = 3000
"""Sequence numbers that a stream may have lost while its binding moved (RFC 3550 A.1, MAX_DROPOUT)."""

NOBODY: Final = 0
"""The key of no address."""


def may_take_over(
    *,
    learn: bool,
    locked: int,
    signalled: int,
    key: int,
    silent: Duration,
    continues: bool,
    resignalled: bool,
    at_home: bool = False,
) -> bool:
    """Whether the source `key`, which does not hold the lock, gets it. Keys name addresses, `NOBODY` none. `at_home`:
    it is where the peer's SIP messages come from, and who holds the lock is not."""
    if key == signalled:
        return True
    if not learn:
        return False
    if locked == NOBODY or (at_home and locked != signalled):
        return True
    return silent >= RELATCH and (continues or resignalled)


@lru_cache(maxsize=4096)
def destination(address: Address | None) -> Address | None:
    """The address if RTP may be sent there, None for wildcards, multicast, broadcast and port 0.

    Raises `PeerError` when the host is not an IP address or the port not a port."""
    if address is None:
        return None
    host, port = address
    try:
        ip = ip_address(host)
    except ValueError as error:
        raise PeerError(f"not an IP address: {host!r}") from error
    if not 0 <= port <= 65535:
        raise PeerError(f"not a port: {port}")
    if port == 0 or ip.is_unspecified or ip.is_multicast or host == "255.255.255.255":
        return None
    return (str(ip), port)
