"""How a leg's stream looks in the words of the control protocol: codecs, addresses, keys, what is listened for."""

from typing import TypeAlias

import msgspec


class Other(msgspec.Struct, frozen=True, array_like=True):
    """Another format that was agreed on beside the first (RFC 3264 §6.1), or another number of the first: the
    offerer's numbers are those that it receives, the answerer's those that it receives (§5.1, §6.1).

    `payload_type` sends it; it arrives with `arrives`, with `payload_type` when that is −1. `clock` and `fmtp` as in
    `LegSpec`. `telephone-event` may stand here too."""

    codec: str
    payload_type: int
    arrives: int = -1
    clock: int = 0
    fmtp: str = ""


LISTEN_DTMF = 1
"""Keys in the sound itself (ITU-T Q.24), told as `Digit` with method `inband`."""
LISTEN_SPEECH = 2
"""Talk, silence, overtalk, dead air, levels: `LegStats.speech`, and `Heard` of dead air."""
LISTEN_PROGRESS = 4
"""Tones of networks and fax machines, told as `Heard`."""
LISTEN_ANSWER = 8
"""From the moment it is set: who answered, told as `Heard`."""


DATAGRAMS = "udptl"
"""The codec of a transparent stream that is no RTP: every datagram passes as it is (UDPTL, ITU-T T.38)."""


class Sdes(msgspec.Struct, frozen=True, array_like=True, tag="sdes"):
    """SRTP with keys from SDP (RFC 4568): `suite` is the name of `a=crypto`, the keys are master key and salt in a row;
    ours protects what we send. The keys appear in no text."""

    suite: str
    local_key: bytes
    remote_key: bytes

    def __repr__(self) -> str:
        return f"Sdes({self.suite!r})"


class Dtls(msgspec.Struct, frozen=True, array_like=True, tag="dtls"):
    """SRTP with keys from a DTLS handshake (RFC 5763). The peer's certificate must have `fingerprint`, written as in
    SDP, by `fingerprint_hash`. `role` is ours: `active` or `passive`. With `ice_ufrag` the peer must first show by
    connectivity checks that it is there; we are lite (RFC 8445 §2.5)."""

    fingerprint_hash: str
    fingerprint: str
    role: str
    ice_ufrag: str = ""
    ice_pwd: str = ""
    remote_ufrag: str = ""
    remote_pwd: str = ""

    def __repr__(self) -> str:
        return f"Dtls({self.role!r}, {self.fingerprint_hash!r}, ice_ufrag={self.ice_ufrag!r})"


Security: TypeAlias = Sdes | Dtls


class LegSpec(msgspec.Struct, frozen=True, array_like=True):
    """How a leg's stream looks, as negotiated.

    `codec` is the RTP name (`PCMU`, `PCMA`, …), empty until an answer is known: then nothing is decoded or sent.
    `remote`/`remote_rtcp` are (IP address, port); None sends nothing until the peer's source is latched.
    `event_type`: RFC 4733 payload type, −1 if not negotiated. `send`/`receive` are ours: hold clears them.
    `latch`: `signalled` takes packets from the signalled address only; `learn` locks onto the first source heard
    (symmetric RTP), prefers the signalled address while it speaks, and shuts strangers out afterwards.
    `silence`: seconds without a packet until `LegSilent`; 0 never.
    `also`: other formats that the peer may send; what it sends is what it is sent from then on. `clock`: RTP clock in
    Hz, 0 for the codec's usual one. `max_packet_ms`: longer packets are not passed through to it; 0 is no bound.
    `transparent`: packets and RTCP go to who hears the leg as they are, headers and all (video: feedback names SSRCs
    and sequence numbers of the far end, RFC 4585); `codec` is then any word, and nothing is decoded.
    `listen`: what detectors listen for, `LISTEN_…` bits; only sound that media can decode is listened to.
    `dead_air`: seconds that both sides of a bridge must be silent until it is told; 0 never.
    `keys`: whether keys of those whom this leg hears are passed on to it as events or tones. False: control does it.
    `security`: None is plain RTP; otherwise nothing goes out and nothing is believed without it.
    `event_clock`: Hz in which telephone-events count, 0 for that of the sound.
    `host`: where the peer's SIP messages come from; a source there is no stranger, with `learn`.
    """

    codec: str = ""
    payload_type: int = 0
    event_type: int = -1
    remote: tuple[str, int] | None = None
    remote_rtcp: tuple[str, int] | None = None
    send: bool = True
    receive: bool = True
    packet_ms: int = 20
    latch: str = "learn"
    rtcp_mux: bool = False
    silence: float = 0.0
    fmtp: str = ""
    also: tuple[Other, ...] = ()
    clock: int = 0
    max_packet_ms: int = 0
    transparent: bool = False
    listen: int = 0
    dead_air: float = 0.0
    keys: bool = True
    security: Security | None = None
    event_clock: int = 0
    host: str = ""
