"""What SDP says about securing a stream: keys in `a=crypto` (SDES, RFC 4568), DTLS-SRTP (RFC 5763, 8122, 8842), ICE
(RFC 8839), and what we say.

Pure functions of a media section, the session's attributes and `Means`: our policy for the party, and octets from
somebody else's dice. Our keys stay the same through a dialog, so a description can be written again.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

import msgspec

from softswitch.kernel.errors import PeerError
from softswitch.wire.control import Dtls, Sdes, Security
from softswitch.wire.sdp import Attribute, Media

Srtp: TypeAlias = Literal["off", "accept", "optional", "required"]
"""`off`: plain RTP only. `accept`: SRTP when the peer offers it, our offers are plain. `optional`: our offers have keys
beside plain RTP (RFC 8643). `required`: nothing else."""

PLAIN_RTP: Final = ("RTP/AVP", "RTP/AVPF")
_SAVP: Final = ("RTP/SAVP", "RTP/SAVPF")
_OVER_DTLS: Final = ("UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF")
PROTOCOLS: Final = PLAIN_RTP + _SAVP + _OVER_DTLS

SUITES: Final = {  # RFC 4568 §6.2, RFC 7714 §14.1: octets of master key and salt; in the order of our offers
    "AES_CM_128_HMAC_SHA1_80": 30,
    "AEAD_AES_128_GCM": 28,
    "AEAD_AES_256_GCM": 44,
    "AES_CM_128_HMAC_SHA1_32": 30,
}
KEYS: Final = sum(SUITES.values())
"""Octets that `Means.keys` holds: a key for each suite."""

MID: Final = "0"
_HASHES: Final = {"sha-256": 32, "sha-384": 48, "sha-512": 64}  # RFC 8122 §5; MD5 and SHA-1 prove nothing any more
_CRYPTO: Final = re.compile(r"(\d{1,9}) +(\S+) +(\S+)((?: +\S+)*)", re.ASCII)
_LIFETIME: Final = re.compile(r"2\^\d{1,2}|[1-9]\d*", re.ASCII)
_HARMLESS: Final = re.compile(r"KDR=0|-?WSH=\d+|-\S+", re.ASCII)  # §6.3: what begins with "-" may be ignored
_UFRAG: Final = re.compile(r"[A-Za-z0-9+/]{4,256}", re.ASCII)  # RFC 8839 §5.4
_PWD: Final = re.compile(r"[A-Za-z0-9+/]{22,256}", re.ASCII)
_HOST_PRIORITY: Final = 126 << 24 | 65535 << 8 | 255  # RFC 8445 §5.1.2: type host, the only address, component 1
_OWN: Final = frozenset(("crypto", "fingerprint", "setup", "ice-ufrag", "ice-pwd", "candidate", "mid", "ssrc", "msid"))


@dataclass(frozen=True, slots=True)
class Means:
    """What we have to secure a leg with. `webrtc`: the party is a browser, so DTLS-SRTP, ICE and rtcp-mux it is (RFC
    8827). `keys`: `KEYS` octets of dice; `ufrag` and `pwd` are ours for ICE; `fingerprint` is the media process's
    (`a=fingerprint`), empty when it has none."""

    srtp: Srtp = "off"
    webrtc: bool = False
    keys: bytes = field(default=b"", repr=False)
    ufrag: str = ""
    pwd: str = field(default="", repr=False)
    fingerprint: str = ""

    def key(self, suite: str) -> bytes:
        """Our master key and salt for `suite`."""
        at = 0
        for name, size in SUITES.items():
            if name == suite:
                return self.keys[at : at + size]
            at += size
        raise KeyError(suite)


PLAIN_MEANS: Final = Means()


class Lines(msgspec.Struct, frozen=True):
    """What a description of ours says: the transport, attributes of the session and of the stream, each line with its
    end. `mux`: rtcp-mux is part of it."""

    proto: str
    session: str = ""
    stream: str = ""
    mux: bool = False


_PLAIN_LINES: Final = Lines(PLAIN_RTP[0])


class Crypto(msgspec.Struct, frozen=True):
    """One `a=crypto` that we can use. `key` is master key and salt."""

    tag: str
    suite: str
    key: bytes

    def __repr__(self) -> str:
        return f"Crypto({self.tag!r}, {self.suite!r})"


class _Secrets(msgspec.Struct, frozen=True):
    """What a section says about DTLS and ICE, the session's attributes behind its own."""

    hash: str
    fingerprint: str
    setup: str
    ufrag: str
    pwd: str


# ------------------------------------------------------------------------------------------------------- what they say


def crypto_of(attributes: Iterable[Attribute]) -> list[Crypto]:
    """The `a=crypto` lines that we can use, in their order. Unknown suites, several keys, MKI and session parameters
    that change the protection make a line unusable (RFC 4568 §6.1, §6.3, §7.1.2); a lifetime is tolerated."""
    found = []
    for name, value in attributes:
        if name == "crypto" and value is not None and (crypto := _crypto(value)) is not None:
            found.append(crypto)
    return found


def _crypto(value: str) -> Crypto | None:
    match = _CRYPTO.fullmatch(value.strip())
    if match is None:
        return None
    tag, suite, parameters, session = match.groups()
    size = SUITES.get(suite)
    method, _, rest = parameters.partition(":")
    if size is None or method.lower() != "inline" or any(not _HARMLESS.fullmatch(word) for word in session.split()):
        return None
    text, *more = rest.split("|")
    if ";" in rest or len(more) > 1 or (more and not _LIFETIME.fullmatch(more[0])):
        return None
    try:
        key = b64decode(text + "=" * (-len(text) % 4), validate=True)  # some phones leave the padding out
    except ValueError:
        return None
    return Crypto(tag, suite, key) if len(key) == size else None


def _secrets(media: Media, session: tuple[Attribute, ...]) -> _Secrets | None:
    """None without a usable fingerprint. Raises `PeerError` (488) on ICE credentials that cannot be any."""
    own = [value or "" for name, value in media.attributes if name == "fingerprint"]
    chosen = ""
    for value in own or [value or "" for name, value in session if name == "fingerprint"]:
        kind, _, digest = value.strip().partition(" ")
        size = _HASHES.get(kind.lower())
        octets = digest.strip().split(":")
        if size == len(octets) and all(re.fullmatch(r"[0-9A-Fa-f]{2}", octet, re.ASCII) for octet in octets):
            chosen = f"{kind.lower()} {digest.strip().upper()}"
            break
    if not chosen:
        return None
    kind, _, digest = chosen.partition(" ")
    setup = (_either(media, session, "setup") or "actpass").strip().lower()
    ufrag, pwd = (_either(media, session, name) or "" for name in ("ice-ufrag", "ice-pwd"))
    if ufrag or pwd:
        if not (_UFRAG.fullmatch(ufrag) and _PWD.fullmatch(pwd)):
            raise PeerError("SDP: bad ICE credentials", status=488)
        if any(name == "ice-lite" for name, _ in session):
            ufrag = pwd = ""  # neither side would check: the addresses count as they stand (RFC 8445 §2.5)
    return _Secrets(kind, digest, setup, ufrag, pwd)


def _either(media: Media, session: tuple[Attribute, ...], name: str) -> str | None:
    value = media.get(name)
    return value if value is not None else next((value for key, value in session if key == name), None)


def by_ice(security: Security | None) -> bool:
    """Whether addresses are found by ICE, so that those in the description say nothing (RFC 8839 §4.2.1.3)."""
    return isinstance(security, Dtls) and bool(security.ice_ufrag)


def common_attributes(attributes: tuple[Attribute, ...]) -> tuple[Attribute, ...]:
    """Those that say the same in each call: without keys, addresses and names of streams."""
    return tuple([attribute for attribute in attributes if attribute[0] not in _OWN])


# ---------------------------------------------------------------------------------------------------- answering offers


def refusal(media: Media, session: tuple[Attribute, ...], means: Means) -> str:
    """Why an offered section cannot be taken for its security; empty when it can."""
    try:
        _agree(media, session, means, "")
    except PeerError as error:
        return str(error)
    return ""


def answer_security(
    media: Media, session: tuple[Attribute, ...], means: Means, address: str, port: int, previous: str = ""
) -> tuple[Lines, Security | None]:
    """What we answer to an offered section, and what is agreed. `address`, `port`: where we receive; `previous`: our
    `a=setup` so far. Raises `PeerError` (488) when policy or content forbids it."""
    agreed, tag = _agree(media, session, means, previous)
    if agreed is None:
        return Lines(media.proto), None
    if isinstance(agreed, Sdes):
        return Lines(media.proto, "", _crypto_line(tag, agreed.suite, agreed.local_key)), agreed
    mid = media.get("mid")
    grouped = mid is not None and any(name == "group" and (value or "").startswith("BUNDLE") for name, value in session)
    at_session = f"a=group:BUNDLE {mid}\r\n" if grouped else ""
    lines = "" if mid is None else f"a=mid:{mid}\r\n"
    if agreed.ice_ufrag:
        at_session += "a=ice-lite\r\n"
        lines += _ice_lines(means, address, port)
    lines += f"a=fingerprint:{means.fingerprint}\r\na=setup:{agreed.role}\r\n"
    return Lines(media.proto, at_session, lines, True), agreed


def _agree(media: Media, session: tuple[Attribute, ...], means: Means, previous: str) -> tuple[Security | None, str]:
    """The security that an offered section leads to, and the tag of its `a=crypto`."""
    if media.proto in PLAIN_RTP and media.get("crypto") is None and not (means.webrtc or means.srtp == "required"):
        return None, ""  # most calls by far
    if media.proto not in PROTOCOLS:
        raise PeerError(f"transport {media.proto} is not supported", status=488)
    if means.webrtc:
        secrets = _secrets(media, session)
        if secrets is None or media.proto in PLAIN_RTP:
            raise PeerError("a WebRTC phone must offer DTLS-SRTP (UDP/TLS/RTP/SAVPF)", status=488)
        return _agree_dtls(media, secrets, means, previous), ""
    if means.srtp == "off":
        if media.proto in PLAIN_RTP:
            return None, ""
        raise PeerError(f"{media.proto} is offered, but SRTP is off for this party", status=488)
    if media.proto not in _OVER_DTLS and (usable := crypto_of(media.attributes)):
        crypto = usable[0]
        return Sdes(crypto.suite, means.key(crypto.suite), crypto.key), crypto.tag
    if media.proto not in PLAIN_RTP:
        if (secrets := _secrets(media, session)) is not None:
            return _agree_dtls(media, secrets, means, previous), ""
        raise PeerError(f"{media.proto} is offered without a key or fingerprint that we can use", status=488)
    if means.srtp == "required":
        raise PeerError("SRTP is required, and plain RTP is offered", status=488)
    return None, ""


def _agree_dtls(media: Media, secrets: _Secrets, means: Means, previous: str) -> Dtls:
    if not means.fingerprint:
        raise PeerError("the media process has no DTLS certificate", status=488)
    if media.get("rtcp-mux") is None:
        raise PeerError("DTLS-SRTP is offered without rtcp-mux", status=488)
    if secrets.setup not in ("actpass", "active", "passive"):
        raise PeerError(f"a=setup:{secrets.setup} cannot be answered", status=488)
    stays_active = secrets.setup == "actpass" and previous == "active"  # RFC 8842 §5.3: roles last
    role = "active" if secrets.setup == "passive" or stays_active else "passive"
    return _dtls(secrets, role, means.ufrag, means.pwd)


def _dtls(theirs: _Secrets, role: str, ufrag: str, pwd: str) -> Dtls:
    if not theirs.ufrag:
        return Dtls(theirs.hash, theirs.fingerprint, role)
    return Dtls(theirs.hash, theirs.fingerprint, role, ufrag, pwd, theirs.ufrag, theirs.pwd)


# ----------------------------------------------------------------------------------------------- offers, and answers to


def offer_security(means: Means, address: str, port: int, previous: Media | None = None) -> Lines:
    """What our offer says; a later one goes on with what `previous`, our section so far, has."""
    if previous is None or not previous.port:
        if means.webrtc:
            return _offer_dtls(means, _OVER_DTLS[1], MID, _ice_lines(means, address, port))
        if means.srtp in ("off", "accept"):
            return _PLAIN_LINES
        return _offer_keys(means, _SAVP[0] if means.srtp == "required" else PLAIN_RTP[0])
    if previous.get("fingerprint") is not None:
        ice = "" if previous.get("ice-ufrag") is None else _ice_lines(means, address, port)
        return _offer_dtls(means, previous.proto, previous.get("mid"), ice)
    if previous.get("crypto") is not None:
        return _offer_keys(means, previous.proto)
    return Lines(previous.proto)


def _offer_keys(means: Means, proto: str) -> Lines:
    keys = "".join([_crypto_line(str(tag), suite, means.key(suite)) for tag, suite in enumerate(SUITES, 1)])
    return Lines(proto, "", keys)


def _offer_dtls(means: Means, proto: str, mid: str | None, ice: str) -> Lines:
    if not means.fingerprint:
        raise PeerError("the media process has no DTLS certificate", status=488)
    session = "" if mid is None else f"a=group:BUNDLE {mid}\r\n"
    stream = "" if mid is None else f"a=mid:{mid}\r\n"
    if ice:
        session += "a=ice-lite\r\n"
    stream += f"{ice}a=fingerprint:{means.fingerprint}\r\na=setup:actpass\r\n"
    return Lines(proto, session, stream, True)


def accepted_security(
    theirs: Media, session: tuple[Attribute, ...], ours: Media, our_session: tuple[Attribute, ...] = ()
) -> Security | None:
    """What their answer agrees to; our keys are read from our own offer. Raises `PeerError` (488) when it does not
    fit: what was offered secured is never answered plain."""
    if theirs.proto.removesuffix("F") != ours.proto.removesuffix("F"):
        raise PeerError(f"the answer changes the transport to {theirs.proto}", status=488)
    if ours.proto in _OVER_DTLS:
        return _accepted_dtls(theirs, session, ours, our_session)
    offered = {crypto.tag: crypto for crypto in crypto_of(ours.attributes)}
    chosen = crypto_of(theirs.attributes) if offered else []
    for crypto in chosen:
        mine = offered.get(crypto.tag)
        if mine is not None and mine.suite == crypto.suite:
            return Sdes(crypto.suite, mine.key, crypto.key)
    if ours.proto in PLAIN_RTP and not (offered and theirs.get("crypto") is not None):
        return None
    raise PeerError("the answer has no key for a suite that we offered", status=488)


def _accepted_dtls(
    theirs: Media, session: tuple[Attribute, ...], ours: Media, our_session: tuple[Attribute, ...]
) -> Dtls:
    secrets = _secrets(theirs, session)
    if secrets is None:
        raise PeerError("the answer has no fingerprint that we can use", status=488)
    if theirs.get("rtcp-mux") is None:
        raise PeerError("the answer lacks rtcp-mux", status=488)
    if secrets.setup not in ("active", "passive"):
        raise PeerError(f"the answer says a=setup:{secrets.setup}", status=488)
    role = "passive" if secrets.setup == "active" else "active"
    ufrag, pwd = (_either(ours, our_session, name) or "" for name in ("ice-ufrag", "ice-pwd"))
    return _dtls(secrets, role, ufrag, pwd)


# -------------------------------------------------------------------------------------------------------------- writing


def _crypto_line(tag: str, suite: str, key: bytes) -> str:
    return f"a=crypto:{tag} {suite} inline:{b64encode(key).decode()}\r\n"


def _ice_lines(means: Means, address: str, port: int) -> str:
    """We are lite: one host candidate, told at once (RFC 8839 §4.1, RFC 8838 §8.2)."""
    candidate = f"a=candidate:1 1 UDP {_HOST_PRIORITY} {address} {port} typ host\r\na=end-of-candidates\r\n"
    return f"a=ice-ufrag:{means.ufrag}\r\na=ice-pwd:{means.pwd}\r\n{candidate}"


# ------------------------------------------------------------------------------------------------ secrets out of sight

_UNIQUE: Final = re.compile(rb"a=(?:crypto|ice-ufrag|ice-pwd|candidate|fingerprint|mid|setup):[^\r\n]*\r\n")


def has_secrets(description: bytes) -> bool:
    """Whether a description of ours secures a stream."""
    return b"a=crypto:" in description or b"a=fingerprint:" in description


def without_secrets(section: bytes) -> bytes:
    """A section of ours without the lines that differ from call to call, for caches."""
    return _UNIQUE.sub(b"", section)


_SECRET: Final = re.compile(rb"(a=crypto:[^\r\n]*?inline:|a=ice-pwd:)[^\s|;]+", re.IGNORECASE)


def masked(data: bytes) -> bytes:
    """A SIP message or description without the keys in it, for eyes and logs."""
    return _SECRET.sub(rb"\1***", data)
