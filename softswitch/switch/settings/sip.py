"""SIP and media of the whole switch."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from softswitch.sip.session_terms import Reliable
from softswitch.switch.settings.common import STRICT

LEARN = "learn"
"""As external address: what carriers say that our requests come from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sip:
    """`domain` is the digest realm and the host of our addresses of record. `reject_unknown`: INVITEs from nobody we
    know get 403; False drops them in silence. `registration` bounds: RFC 3261 §10.2.8 and 423. `digest_algorithms` are
    offered in this order; MD5 alone by default, because baresip 1.0 and SIPp give up on a challenge that names another
    (RFC 8760 asks them to skip it). `max_diversions`: a call that was passed on so often is refused (482).

    `reliable`: PRACK (RFC 3262) is `off`, `supported` (used for early media with peers that know it) or `required`.
    `session_expires`: seconds within which a call must be refreshed (RFC 4028), 0 = never; a peer may ask for others,
    but for no fewer than `min_session_expires`.

    `dns_servers`: `address:port` of the name servers to ask, else the system's. `external_address`: what peers outside
    `local_networks` are told: an address, a host name that is looked up again and again, or `learn`.
    `external_addresses`: the same for single entries of `listen`. `keep_alive`: seconds between what holds the NAT
    binding of a phone open, 0 = never, and `keep_alive_by` what that is."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    domain: str = "softswitch.local"
    listen: tuple[str, ...] = ("udp:0.0.0.0:5060", "tcp:0.0.0.0:5060")
    dns_servers: tuple[str, ...] = ()
    external_address: str | None = None
    external_addresses: dict[str, str] = field(default_factory=dict)
    local_networks: tuple[str, ...] = (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "::1/128", "fc00::/7", "fe80::/10",
    )  # fmt: skip
    user_agent: str = "softswitch"
    min_expires: int = 60
    max_expires: int = 3600
    default_expires: int = 600
    max_contacts: int = 5
    nonce_seconds: int = 300
    digest_algorithms: tuple[Literal["MD5", "SHA-256", "SHA-512-256"], ...] = ("MD5",)
    keep_alive: float = 30.0
    keep_alive_by: Literal["options", "crlf"] = "options"
    max_forwards: int = 70
    max_diversions: int = 10
    ring_seconds: float = 60.0
    invite_seconds: float = 180.0
    max_message: int = 65535
    reliable: Reliable = "supported"
    session_expires: int = 1800
    min_session_expires: int = 90
    connections_per_source: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """`address`: one, or an IPv4 and an IPv6 one: then each port takes both (bound to all addresses of the machine),
    and a peer is told the one of its family. `ports` is inclusive. `codecs` are names of `sip.codec_table.CODECS`.
    `packet_ms`: audio in a packet of ours when the peer has no wish. `passthrough`: parties may agree on codecs that
    we do not decode. `video`: they may agree on video; `fax`: `t38` on images of fax machines, `off` on none. `align`:
    a caller who was answered before is asked for the codec of whom it talks with. `latch`: see `wire.control.LegSpec`.
    `silence`: hang up a talking call after that long without RTP from a side that should send (0 = never).
    `speech_facts`: of which calls talk, silence, overtalk and levels are measured (decoding what is only passed on
    costs more than measuring it). `dead_air`: seconds of silence on both sides of such a call until the ledger is told
    (0 = never)."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    address: str | tuple[str, ...] = "0.0.0.0"
    external_address: str | None = None
    ports: tuple[int, int] = (20000, 39999)
    codecs: tuple[str, ...] = ("PCMA", "PCMU")
    packet_ms: int = 20
    passthrough: bool = True
    video: bool = True
    fax: Literal["t38", "off"] = "t38"
    align: bool = False
    workers: int | Literal["auto"] = "auto"
    backend: Literal["auto", "epoll", "uring"] = "auto"
    latch: Literal["learn", "signalled"] = "learn"
    silence: float = 300.0
    speech_facts: Literal["none", "recorded", "all"] = "recorded"
    dead_air: float = 10.0

    @property
    def addresses(self) -> tuple[str, ...]:
        """As a sequence."""
        return (self.address,) if isinstance(self.address, str) else self.address

    @property
    def bound(self) -> str:
        """What the sockets are bound to: an address, or `*` for both families."""
        return "*" if len(self.addresses) > 1 else self.addresses[0]
