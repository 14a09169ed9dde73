"""PASSporT (RFC 8225) in an Identity header field (RFC 8224), for SHAKEN (RFC 8588) and diversion (RFC 8946): built,
read and held against the call. No key is here: what must be signed or proved comes out as octets.

Full form only. Telephone numbers only: that is what SHAKEN asserts.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Sequence
from hashlib import sha256
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import msgspec

from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import PeerError

Attestation: TypeAlias = Literal["A", "B", "C"]  # full, partial, gateway: RFC 8588 §4

PASSED: Final = "TN-Validation-Passed"  # ATIS-1000074 §5.3.1
FAILED: Final = "TN-Validation-Failed"
UNCHECKED: Final = "No-TN-Validation"

MOST_FIELDS: Final = 5  # Identity header fields of one request: the caller's, and diversions
MOST_LENGTH: Final = 4096  # characters of one
_MOST_DESTINATIONS: Final = 10
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_\-]+")
_FIELD: Final = re.compile(r"\s*([A-Za-z0-9_\-.]+)\s*((?:;.*)?)", re.DOTALL)
_INFO: Final = re.compile(r";\s*info\s*=\s*<([^<>\s]+)>")
_PARAM: Final = re.compile(r';\s*([a-z0-9]+)\s*=\s*"?([A-Za-z0-9_.\-]+)"?\s*(?=;|$)', re.IGNORECASE)

STALE, NONE, UNREACHABLE, UNSUPPORTED, INVALID = 403, 428, 436, 437, 438
PHRASES: Final = {
    STALE: "Stale Date",
    NONE: "Use Identity Header",
    UNREACHABLE: "Bad Identity Info",
    UNSUPPORTED: "Unsupported Credential",
    INVALID: "Invalid Identity Header",
}  # RFC 8224 §6.2.2 and §6.2.4


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What became of a verification. `status` is 0 when the signature is good, else that of RFC 8224 §6.2.2 which would
    refuse the call; `why` is for the operator."""

    status: int
    why: str = ""
    attestation: str = ""

    @property
    def verstat(self) -> str:
        """`Failed`: it is wrong. `No`: there was nothing to look at, or it could not be looked at."""
        return PASSED if not self.status else UNCHECKED if self.status in (NONE, UNREACHABLE) else FAILED


class Proof(msgspec.Struct, frozen=True, gc=False):
    """What a key must prove: `signature` (ES256, r and s of 32 octets each, RFC 7518 §3.4) is of `signed`, by the
    certificate at `url`, whose owner has a right to `number`."""

    url: str
    signed: bytes
    signature: bytes
    number: str


class Claim(NamedTuple):
    """What is to be proved of one call to `called`, and the attestation if it is."""

    proofs: tuple[Proof, ...]
    attestation: str
    called: str = ""


class _Passport(NamedTuple):
    ppt: str
    proof: Proof
    claims: dict[str, Any]


def canonical(number: str) -> str:
    """A telephone number as PASSporT has it: digits alone, the country code first (RFC 8224 §8.3); empty: it is
    none."""
    digits = re.sub(r"[\s().\-]", "", number).removeprefix("+")
    return digits if digits.isascii() and digits.isdigit() and 0 < len(digits) <= 15 else ""


def shaken(x5u: str, orig: str, dest: str, iat: int, attest: str, origid: str) -> bytes:
    """What is signed for a call from `orig` to `dest` (canonical numbers): RFC 8588 §3 and §4, keys in the order of
    RFC 8225 §9."""
    claims = {"attest": attest, "dest": {"tn": [dest]}, "iat": iat, "orig": {"tn": orig}, "origid": origid}
    return _unsigned("shaken", x5u, claims)


def diverted(x5u: str, orig: str, dest: str, by: str, iat: int) -> bytes:
    """What is signed for a call that `by` passes on to `dest`: RFC 8946 §3."""
    return _unsigned("div", x5u, {"dest": {"tn": [dest]}, "div": {"tn": by}, "iat": iat, "orig": {"tn": orig}})


def field(signed: bytes, signature: bytes, x5u: str, ppt: str) -> str:
    """An Identity header field (RFC 8224 §4)."""
    return f"{signed.decode()}.{_encode(signature).decode()};info=<{x5u}>;alg=ES256;ppt={ppt}"


def origination(name: str) -> str:
    """An `origid` (RFC 8588 §5): a UUID that stays the same for `name`, and says nothing of it."""
    digest = bytearray(sha256(name.encode()).digest()[:16])
    digest[6], digest[8] = digest[6] & 0x0F | 0x80, digest[8] & 0x3F | 0x80  # RFC 9562 §5.8
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def claim(
    fields: Sequence[str], origins: Collection[str], destinations: Collection[str], now: Instant, max_age: float
) -> Claim | Verdict:
    """What the Identity header fields of a request claim, for a call from one of `origins` to one of `destinations`
    (canonical numbers); or the verdict when that can be told without a key (RFC 8224 §6.2). `max_age`: seconds."""
    if not fields:
        return Verdict(NONE, "no Identity header field")
    if len(fields) > MOST_FIELDS or any(len(text) > MOST_LENGTH for text in fields):
        return Verdict(INVALID, "too many Identity header fields, or too long")
    try:
        passports = [found for text in fields if (found := _read(text)) is not None]
        own = [one for one in passports if one.ppt == "shaken"]
        if len(own) != 1:
            raise PeerError(f"{len(own)} PASSporTs of a kind that is known", status=INVALID)
        return _held(own[0], [one for one in passports if one.ppt == "div"], origins, destinations, now, max_age)
    except PeerError as error:
        return Verdict(error.status, str(error))


def _held(
    own: _Passport,
    diversions: list[_Passport],
    origins: Collection[str],
    destinations: Collection[str],
    now: Instant,
    max_age: float,
) -> Claim:
    attest = own.claims.get("attest")
    if attest not in ("A", "B", "C") or not isinstance(own.claims.get("origid"), str):
        raise PeerError("no attest or origid of RFC 8588", status=INVALID)
    orig = own.proof.number
    if orig not in origins:
        raise PeerError("orig is not who calls", status=INVALID)
    proofs, reached = [own.proof], _destinations(own.claims)
    _check_age(own.claims, now, max_age)
    waiting = list(diversions)
    while not reached & set(destinations):  # RFC 8946 §4.2: each diversion begins where the one before led
        step = next((one for one in waiting if _number(one.claims, "div") in reached), None)
        if step is None:
            raise PeerError("dest is not who is called", status=INVALID)
        waiting.remove(step)
        if _number(step.claims, "orig") != orig:
            raise PeerError("a diversion of another call", status=INVALID)
        _check_age(step.claims, now, max_age)
        proofs.append(step.proof)
        reached = _destinations(step.claims)
    return Claim(tuple(proofs), str(attest), min(reached & set(destinations)))


def _check_age(claims: dict[str, Any], now: Instant, max_age: float) -> None:
    iat = claims.get("iat")
    if not isinstance(iat, int) or isinstance(iat, bool):
        raise PeerError("iat is no time", status=INVALID)
    if abs(now - iat) > max_age:
        raise PeerError(f"signed {now - iat:.0f} seconds ago", status=STALE)


def _read(text: str) -> _Passport | None:
    """None for a kind that we do not know, which is as if it were not there (RFC 8224 §6.2 step 1). Raises
    `PeerError`."""
    match = _FIELD.fullmatch(text)
    if match is None:
        raise PeerError("malformed Identity header field", status=INVALID)
    token, rest = match.groups()
    info = _INFO.search(rest)
    params = {name.lower(): value for name, value in _PARAM.findall(_INFO.sub("", rest))}
    if params.get("ppt", "shaken") not in ("shaken", "div"):
        return None
    parts = token.split(".")
    if len(parts) != 3 or not all(parts):
        raise PeerError("not the full form of PASSporT", status=INVALID)
    head, claims, signature = _json(parts[0]), _json(parts[1]), _decoded(parts[2])
    ppt = head.get("ppt")
    if ppt not in ("shaken", "div"):
        return None
    if params.get("ppt", ppt) != ppt:
        raise PeerError("ppt is one thing outside and another inside", status=INVALID)
    if head.get("alg") != "ES256" or params.get("alg", "ES256") != "ES256":
        raise PeerError("signed by an algorithm that is not ES256", status=INVALID)  # RFC 8225 §8.1: no other
    if head.get("typ") != "passport" or len(signature) != 64:
        raise PeerError("no PASSporT", status=INVALID)
    url = head.get("x5u")
    if info is None or not isinstance(url, str) or info[1] != url:
        raise PeerError("info does not name the certificate that x5u names", status=UNREACHABLE)
    signed = f"{parts[0]}.{parts[1]}".encode()
    return _Passport(str(ppt), Proof(url, signed, signature, _number(claims, "orig")), claims)


def _number(claims: dict[str, Any], name: str) -> str:
    who = claims.get(name)
    number = who.get("tn") if isinstance(who, dict) else None
    if not isinstance(number, str) or not canonical(number):
        raise PeerError(f"{name} is no telephone number", status=INVALID)
    return canonical(number)


def _destinations(claims: dict[str, Any]) -> set[str]:
    dest = claims.get("dest")
    numbers = dest.get("tn") if isinstance(dest, dict) else None
    if not isinstance(numbers, list) or not 0 < len(numbers) <= _MOST_DESTINATIONS:
        raise PeerError("dest has no telephone numbers", status=INVALID)
    return {canonical(number) for number in numbers if isinstance(number, str)} - {""}


def _json(part: str) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(_decoded(part))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PeerError("a part of the PASSporT is not JSON", status=INVALID) from error
    if not isinstance(value, dict):
        raise PeerError("a part of the PASSporT is no object", status=INVALID)
    return value


def _decoded(part: str) -> bytes:
    if _BASE64URL.fullmatch(part) is None or len(part) % 4 == 1:
        raise PeerError("not base64url (RFC 7515 §2)", status=INVALID)
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _unsigned(ppt: str, x5u: str, claims: dict[str, Any]) -> bytes:
    head = {"alg": "ES256", "ppt": ppt, "typ": "passport", "x5u": x5u}
    return b".".join(_encode(msgspec.json.encode(part)) for part in (head, claims))


def _encode(octets: bytes) -> bytes:
    return urlsafe_b64encode(octets).rstrip(b"=")
