"""Digest access authentication for SIP: RFC 7616 and RFC 8760 over RFC 3261 §22, both sides.

The server keeps nothing until somebody proves to know a password: a nonce carries its time, a serial number and a
keyed hash over both, the realm and (if the caller gives it) the source. Only nonces used with a good digest are
remembered, in order to refuse a nonce count that was seen before. Algorithms `-sess` and `userhash` are not offered.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b, md5, new, sha256
from hmac import compare_digest
from random import Random
from typing import TypeAlias

from softswitch.kernel.clock import Duration, Instant
from softswitch.kernel.dice import token
from softswitch.kernel.errors import LocalError, PeerError

_md5 = partial(md5, usedforsecurity=False)
_HASHES: dict[str, Callable[[bytes], str]] = {
    "SHA-512-256": lambda data: new("sha512_256", data).hexdigest(),
    "SHA-256": lambda data: sha256(data).hexdigest(),
    "MD5": lambda data: _md5(data).hexdigest(),
}
ALGORITHMS = tuple(_HASHES)  # strongest first
_CANONICAL = {name.lower(): name for name in ALGORITHMS}

# auth-param = token EQUAL ( token / quoted-string )   RFC 3261 §25.1; a comma or the end follows. The last group
# takes what cannot be read. One pass in C: 3 µs for nine parameters, a loop of matches takes twice that.
_PARAMS = re.compile(
    r'\s*([\w!%*+`\'~.-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,|$)|\s*(\S.*)', re.ASCII | re.DOTALL
)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_ESCAPED = re.compile(r"\\(.)")
_NONCE = re.compile(r"([0-9a-f]{1,12})\.([0-9a-f]{1,12})\.([0-9a-f]{32})")
_COUNT = re.compile(r"[0-9a-fA-F]{8}")
_WINDOW = 64  # requests on one nonce may overtake each other by that many
_FUTURE = 1.0  # s; a nonce may come from a clock reading a little ahead of this one


def ha1(username: str, realm: str, password: str, algorithm: str) -> str:
    """H(username:realm:password), RFC 7616 §3.4.2; what may be stored instead of the password. Raises `LocalError`
    on an algorithm that is not in `ALGORITHMS`."""
    if algorithm not in _HASHES:
        raise LocalError(f"unknown digest algorithm {algorithm!r}; known are {', '.join(ALGORITHMS)}")
    return _HASHES[algorithm](_bytes(f"{username}:{realm}:{password}"))


def response(
    algorithm: str, ha1_value: str, nonce: str, method: str, uri: str, qop: str, nc: str, cnonce: str, body: bytes
) -> str:
    """The request-digest (RFC 7616 §3.4.1), with `qop` "" in the manner of RFC 2069."""
    digest = _HASHES[algorithm]
    a2 = f"{method}:{uri}:{digest(body)}" if qop == "auth-int" else f"{method}:{uri}"
    ha2 = digest(_bytes(a2))
    if not qop:
        return digest(_bytes(f"{ha1_value}:{nonce}:{ha2}"))
    return digest(_bytes(f"{ha1_value}:{nonce}:{nc}:{cnonce}:{qop}:{ha2}"))


# ------------------------------------------------------------------------------------------------------- the server


@dataclass(frozen=True, slots=True)
class Accepted:
    """`username` proved to know its password."""

    username: str


@dataclass(frozen=True, slots=True)
class Stale:
    """The password is right, the nonce is too old, unknown or used before: challenge again with `stale=True`."""


@dataclass(frozen=True, slots=True)
class Denied:
    """`reason` is for our log, not for the peer; `username` as claimed. `status` 400: the credentials make no sense
    (RFC 7616 §3.4.6); 403: they are wrong; challenge again or refuse."""

    reason: str
    status: int = 403
    username: str = ""


Verdict: TypeAlias = Accepted | Stale | Denied


class DigestServer:
    """Challenges and verifies. `secret`: 16–64 random bytes, new at each start; `algorithms` in order of preference;
    `nonce_seconds`: how long a nonce serves; `max_nonces`: how many used ones are remembered at most (about 200
    bytes each). Beyond that all nonces given out so far become stale, which costs their holders one round trip.
    """

    def __init__(
        self,
        realm: str,
        secret: bytes,
        algorithms: Sequence[str] = ("SHA-256", "MD5"),
        nonce_seconds: Duration = 300.0,
        max_nonces: int = 200_000,
    ) -> None:
        for name in algorithms:
            if name not in _HASHES:
                raise LocalError(f"unknown digest algorithm {name!r}; known are {', '.join(ALGORITHMS)}")
        if not 16 <= len(secret) <= 64:
            raise LocalError("the digest secret must have 16 to 64 bytes")
        self.realm = realm
        self._secret = secret
        self._algorithms = tuple(algorithms)
        self._seconds = nonce_seconds
        self._serial = 0
        self._quoted_realm = _quote(realm)
        # Hashed for users that do not exist, so that they cost the same time (RFC 7616 §5.2 on enumeration).
        self._nobody = {name: _HASHES[name](secret) for name in algorithms}
        self._used = _UsedNonces(nonce_seconds, max_nonces)

    def challenges(self, now: Instant, stale: bool = False, source: str = "") -> list[str]:
        """Values for WWW-Authenticate or Proxy-Authenticate headers, one for each algorithm (RFC 8760 §2.3). With
        `source` (an address), the nonce is good for that source only."""
        self._serial += 1
        stamp = f"{int(now * 1000):x}.{self._serial:x}"
        nonce = f"{stamp}.{self._seal(stamp, source)}"
        tail = ', qop="auth", stale=true' if stale else ', qop="auth"'
        return [
            f'Digest realm={self._quoted_realm}, nonce="{nonce}", algorithm={name}{tail}' for name in self._algorithms
        ]

    def pick(self, values: Sequence[str]) -> str | None:
        """The one of several Authorization values that is for our realm (RFC 3261 §22.3); the first if none is."""
        for value in values:
            if f"realm={self._quoted_realm}" in value:
                return value
        return values[0] if values else None

    def verify(
        self,
        authorization_value: str,
        method: str,
        uri: str,
        body: bytes,
        now: Instant,
        ha1_of: Callable[[str, str], str | None],
        source: str = "",
    ) -> Verdict:
        """Judge an Authorization or Proxy-Authorization value of a request with this method, Request-URI and body.

        `ha1_of(username, algorithm)` gives the stored H(A1), None for nobody. A user that does not exist costs the
        same work and is denied in the same way as a wrong password. A nonce that never was ours makes `Stale` only
        when the digest is right (RFC 7616 §3.3).
        """
        try:
            params = _parse(authorization_value)
        except PeerError as error:
            return Denied(str(error), 400)
        try:
            username, realm, nonce = _unescape(params["username"]), params["realm"], params["nonce"]
            claimed_uri, claimed = params["uri"], params["response"]
        except KeyError as missing:
            return Denied(f"digest without {missing.args[0]}", 400)
        if _unescape(realm) != self.realm:
            return Denied("digest for another realm")
        algorithm = _CANONICAL.get(params.get("algorithm", "MD5").lower(), "")
        if algorithm not in self._nobody:
            return Denied(f"digest algorithm {params.get('algorithm', 'MD5')} was not offered")
        qop, nc, cnonce = params.get("qop", ""), params.get("nc", ""), params.get("cnonce", "")
        if qop:
            if qop not in ("auth", "auth-int"):
                return Denied(f"digest qop {qop} was not offered", 400)
            if not cnonce or not _COUNT.fullmatch(nc):
                return Denied("digest with qop lacks cnonce or nc", 400)
        if claimed_uri != uri and not _same_uri(claimed_uri, uri):
            return Denied(f"digest is for {claimed_uri}, not for {uri}", 400)
        stored = ha1_of(username, algorithm)
        expected = response(
            algorithm, self._nobody[algorithm] if stored is None else stored, nonce, method, claimed_uri, qop, nc,
            cnonce, body,
        )  # fmt: skip
        right = compare_digest(expected.encode(), claimed.lower().encode("utf-8", "surrogateescape"))
        if stored is None or not right:
            return Denied("unknown user or wrong password", username=username)
        serial, issued = self._open(nonce, source)
        if serial < 0 or not issued - _FUTURE <= now < issued + self._seconds:
            return Stale()
        # Without qop there is no count: always 1, so such a nonce serves once.
        if not self._used.first_use(serial, issued, int(nc, 16) if qop else 1):
            return Stale()
        return Accepted(username)

    def _seal(self, stamp: str, source: str) -> str:
        return blake2b(_bytes(f"{stamp}|{self.realm}|{source}"), key=self._secret, digest_size=16).hexdigest()

    def _open(self, nonce: str, source: str) -> tuple[int, Instant]:
        """Serial number and time of a nonce of ours, (−1, 0) for any other text."""
        parts = _NONCE.fullmatch(nonce)
        if parts is None:
            return -1, 0.0
        seal = self._seal(f"{parts[1]}.{parts[2]}", source)
        if not compare_digest(seal, parts[3]):
            return -1, 0.0
        return int(parts[2], 16), int(parts[1], 16) / 1000

    def remembered(self) -> int:
        """How many used nonces are held in memory."""
        return len(self._used)


class _UsedNonces:
    """Nonce counts seen, in two generations by the nonce's time: a generation is thrown away as a whole when none of
    its nonces can serve any more. For each nonce: the highest count and a window of bits below it."""

    __slots__ = ("_floor", "_generations", "_limit", "_seconds")

    def __init__(self, seconds: Duration, limit: int) -> None:
        self._seconds = seconds
        self._limit = limit
        self._generations: dict[int, dict[int, tuple[int, int]]] = {}
        self._floor = 0  # serials up to this one were forgotten, so they are not taken

    def __len__(self) -> int:
        return sum(map(len, self._generations.values()))

    def first_use(self, serial: int, issued: Instant, count: int) -> bool:
        """True, and remembered, when `count` was not seen on this nonce."""
        if serial <= self._floor or count < 1:
            return False
        number = int(issued // self._seconds)
        generation = self._generations.get(number)
        if generation is None:
            for old in [key for key in self._generations if key < number - 1]:
                del self._generations[old]
            generation = self._generations[number] = {}
        seen = generation.get(serial)
        if seen is None:
            if len(self) >= self._limit:
                self._floor = max(serial, *(max(held) for held in self._generations.values() if held))
                self._generations.clear()
                return False
            generation[serial] = (count, 1)
            return True
        highest, window = seen
        if count > highest:
            shift = min(count - highest, _WINDOW)
            generation[serial] = (count, ((window << shift) | 1) & ((1 << _WINDOW) - 1))
            return True
        bit = 1 << (highest - count)
        if highest - count >= _WINDOW or window & bit:
            return False
        generation[serial] = (highest, window | bit)
        return True


# ------------------------------------------------------------------------------------------------------- the client


@dataclass(frozen=True, slots=True)
class Credentials:
    """An account at somebody else's switch. With `realm` it is told to that realm only."""

    username: str
    password: str
    realm: str | None = None

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r}, realm={self.realm!r})"


def answer(
    challenges: list[str],
    credentials: Credentials,
    method: str,
    uri: str,
    body: bytes,
    dice: Random,
    nonce_count: int,
) -> str:
    """The Authorization (Proxy-Authorization) value for the strongest of `challenges`, the values of the
    WWW-Authenticate (Proxy-Authenticate) headers.

    `nonce_count` is 1 for a nonce's first use. Raises `PeerError` (401) when no challenge can be met: another scheme
    or realm, `-sess` or unknown algorithms, an unknown qop.
    """
    best: tuple[int, dict[str, str], str, str] | None = None
    obstacles = []
    for value in challenges:
        try:
            params = _parse(value)
        except PeerError as error:
            obstacles.append(str(error))
            continue
        algorithm = _CANONICAL.get(params.get("algorithm", "MD5").lower(), "")
        offered = [item.strip().lower() for item in params.get("qop", "").split(",") if item.strip()]
        qop = "auth" if "auth" in offered else "auth-int" if "auth-int" in offered else ""
        if "realm" not in params or "nonce" not in params:
            obstacles.append("challenge without realm or nonce")
        elif credentials.realm is not None and _unescape(params["realm"]) != credentials.realm:
            obstacles.append(f"challenge of realm {params['realm']!r}, the password is for {credentials.realm!r}")
        elif not algorithm:
            obstacles.append(f"algorithm {params['algorithm']} is not supported")
        elif offered and not qop:
            obstacles.append(f"qop {params['qop']!r} is not supported")
        elif best is None or ALGORITHMS.index(algorithm) < best[0]:
            best = (ALGORITHMS.index(algorithm), params, algorithm, qop)
    if best is None:
        raise PeerError(f"no usable challenge: {'; '.join(obstacles) or 'none was sent'}", status=401)
    _, params, algorithm, qop = best
    secret = ha1(credentials.username, _unescape(params["realm"]), credentials.password, algorithm)
    nc = f"{nonce_count:08x}" if qop else ""
    cnonce = token(dice, 64) if qop else ""
    proof = response(algorithm, secret, params["nonce"], method, uri, qop, nc, cnonce, body)
    fields = [
        f'Digest username={_quote(credentials.username)}, realm="{params["realm"]}", nonce="{params["nonce"]}"',
        f'uri="{uri}", response="{proof}"',
    ]
    if "algorithm" in params:  # echoed only then: old servers choke on a parameter that they did not send
        fields.append(f"algorithm={algorithm}")
    if qop:
        fields.append(f'cnonce="{cnonce}", qop={qop}, nc={nc}')
    if "opaque" in params:
        fields.append(f'opaque="{params["opaque"]}"')
    return ", ".join(fields)


def is_stale(challenges: list[str]) -> bool:
    """Whether the peer says that only the nonce was bad (RFC 7616 §3.3): a second try is right."""
    for value in challenges:
        try:
            if _parse(value).get("stale", "").lower() == "true":
                return True
        except PeerError:
            continue
    return False


def claimed_user(authorization_value: str) -> str:
    """Who an Authorization value says to be; empty when that cannot be read."""
    try:
        return _unescape(_parse(authorization_value).get("username", ""))
    except PeerError:
        return ""


# ------------------------------------------------------------------------------------------------------ the grammar


def _parse(value: str) -> dict[str, str]:
    """Parameters of a `Digest …` value, names in lower case, quoted strings without quotes but still escaped."""
    if value[:7].lower() != "digest ":
        raise PeerError("not a Digest header", status=400)
    if _CONTROL.search(value) is not None:  # they would stand in our own header
        raise PeerError("control characters in a Digest header", status=400)
    found = _PARAMS.findall(value, 7)
    params = {name.lower(): quoted or plain for name, quoted, plain, _ in found}
    if found and found[-1][3]:
        raise PeerError(f"Digest header not readable at {found[-1][3][:20]!r}", status=400)
    if len(params) != len(found):
        raise PeerError("Digest header repeats a parameter", status=400)
    return params


def _same_uri(claimed: str, uri: str) -> bool:
    """Equal but for what proxies and sloppy phones change: case, parameters, default port, the user left out
    (pyVoIP signs the server's address only). RFC 7616 §3.4.6 lets the server judge; RFC 3261 §22.4 item 5 says why."""
    left, right = _bare(claimed), _bare(uri)
    return left == right or ("@" not in left and left == f"{right.partition(':')[0]}:{right.partition('@')[2]}")


def _bare(uri: str) -> str:
    text = uri.strip().strip("<>").lower()
    for mark in (";", "?"):
        text = text.partition(mark)[0]
    return text.removesuffix(":5060").removesuffix(":5061")


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _unescape(text: str) -> str:
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
