"""Globally routable user agent URIs (RFC 5627): names for one of the phones of an address of record.

A public one is the address of record with the phone's instance in `gr`. A temporary one tells nobody whose it is, nor
that two are of the same phone: the number of a binding, enciphered and with a proof. It is good as long as that binding
lives under the Call-ID that it was made for (§5.1), over a restart of the registrar, too: the key is kept with the
bindings.
"""

from hashlib import blake2b
from hmac import compare_digest
from typing import Final

from softswitch.wire.sip import Request, Uri
from softswitch.wire.sip.grammar import unquote
from softswitch.wire.sip.uri import escaped

_PREFIX: Final = "tgruu."
_PART: Final = 8  # octets of the number, of what tells two apart, and of the proof
_PLAIN: Final = frozenset("-_.!~*'()[]/:&+$")  # RFC 3261 §25.1: paramchar beside letters, digits and escapes


def wanted(request: Request) -> bool:
    """Whether a REGISTER comes from a phone that wants GRUUs (§4.2)."""
    return "gruu" in request.headers.tokens("Supported")


def bare(instance: str) -> str:
    """An instance without quotes and angle brackets, as it stands in `gr`."""
    return unquote(instance).removeprefix("<").removesuffix(">")


def public(aor: Uri, instance: str) -> Uri:
    """The public GRUU of an instance (§3.1.1)."""
    value = "".join(
        sign if sign in _PLAIN or (sign.isascii() and sign.isalnum()) else escaped(sign) for sign in bare(instance)
    )
    return Uri(aor.scheme, aor.user, None, aor.host, aor.port, {"gr": value})


def is_temporary(uri: Uri) -> bool:
    """Whether it has the form of ours (§3.1.2: `gr` without a value)."""
    return uri.params.get("gr", "") is None and uri.username.startswith(_PREFIX)


class Mint:
    """Makes temporary GRUUs and reads them; `key` is its secret."""

    def __init__(self, key: bytes) -> None:
        self.key = key

    def number(self, *names: str) -> bytes:
        """What stands for a binding of those names."""
        return self._hash("n", "\0".join(names).encode())

    def temporary(self, aor: Uri, number: bytes, turn: int) -> Uri:
        """The temporary GRUU for a binding's number; another one at each turn."""
        salt = self._hash("s", number, turn.to_bytes(8, "big"))
        hidden = _xor(number, self._hash("x", salt))
        text = (salt + hidden + self._hash("p", salt, hidden)).hex()
        return Uri(aor.scheme, _PREFIX + text, None, aor.host, aor.port, {"gr": None})

    def read(self, uri: Uri) -> bytes | None:
        """The number that a temporary GRUU hides; None: it is none of this mint's."""
        try:
            octets = bytes.fromhex(uri.username.removeprefix(_PREFIX))
        except ValueError:
            return None
        salt, hidden, proof = octets[:_PART], octets[_PART : 2 * _PART], octets[2 * _PART :]
        if len(octets) != 3 * _PART or not compare_digest(proof, self._hash("p", salt, hidden)):
            return None
        return _xor(hidden, self._hash("x", salt))

    def _hash(self, purpose: str, *parts: bytes) -> bytes:
        return blake2b(b"".join(parts), digest_size=_PART, key=self.key, person=purpose.encode()).digest()


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
