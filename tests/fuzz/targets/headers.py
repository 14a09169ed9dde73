"""Header fields by themselves: what is read can be written, and reads the same again."""

from collections.abc import Callable
from random import Random
from typing import Protocol, TypeVar

from softswitch.kernel.errors import LocalError, PeerError
from softswitch.sip.digest import Accepted, Credentials, DigestServer, answer, is_stale
from softswitch.sip.numbers import Pattern, e164, plain_number
from softswitch.wire.sip import NameAddr, Uri, Via
from softswitch.wire.sip.grammar import format_params, parse_params, quote, split_commas, unescape, unquote
from tests.fuzz.targets.target import Target, refused

_SERVER = DigestServer("pbx.example.com", bytes(16), ("SHA-256", "MD5"))
_CHALLENGE = _SERVER.challenges(1000.0)[1]
_KNOWN = Credentials("alice", "secret")
_GOOD = answer([_CHALLENGE], _KNOWN, "REGISTER", "sip:pbx.example.com", b"", Random(1), 1)
Value = TypeVar("Value")


class Written(Protocol):
    """What `str` writes."""


def _round(parse: Callable[[str], Written]) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        text = data.decode("utf-8", "surrogateescape")
        try:
            value = parse(text)
        except PeerError as error:
            refused(error)
            return
        written = str(value)
        assert "\r" not in written or "\r" in text
        assert str(parse(written)) == written

    return run


def _uri(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    try:
        uri = Uri.parse(text)
    except PeerError as error:
        refused(error)
        return
    again = Uri.parse(str(uri))
    assert str(again) == str(uri)
    assert again == uri
    _ = (uri.username, uri.host, uri.port, uri.params, uri.headers)


def _parameters(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    split_commas(text)
    unescape(text)
    assert unquote(quote(text)) == text
    try:
        found = parse_params(text)
    except PeerError as error:
        refused(error)
        return
    format_params(found)


def _authorization(data: bytes) -> None:
    """Whatever is claimed, only the right digest is accepted."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        verdict = _SERVER.verify(text, "REGISTER", "sip:pbx.example.com", b"", 1001.0, lambda user, name: None)
    except PeerError as error:
        refused(error)
        return
    assert not isinstance(verdict, Accepted)


def _challenge(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    values = text.split("\n")
    try:
        made = answer(values, _KNOWN, "INVITE", "sip:b@example.com", b"", Random(1), 1)
        assert "\r" not in made
        assert "\n" not in made
        is_stale(values)
    except PeerError as error:
        refused(error)


def _numbers(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    pattern, _, number = text.partition("\n")
    e164(number, "370")
    plain_number(number)
    try:
        Pattern(pattern).match(number)
    except LocalError:  # the operator's mistake, told by `check`
        return


_ADDRESSES = [
    b'"A \\"B\\" C" <sip:alice%40x@[2001:db8::1]:5070;transport=tcp;lr?Replaces=a%3Bto-tag%3Db>;tag=88sja8x;expires=60',
    b"sip:+1-212-555-0101:pw@gateway.com;user=phone",
    b"<tel:+1-201-555-0123;phone-context=example.com>;q=0.5",
    b'Alice <sips:a@b>;+sip.instance="<urn:uuid:0>";reg-id=1',
]
_VIAS = [
    b"SIP/2.0/UDP pc33.example.com:5070;branch=z9hG4bK776asdhds;rport;received=192.0.2.1",
    b"SIP / 2.0 / WSS [2001:db8::9:1];ttl=16;maddr=224.2.0.1;branch=z9hG4bK87asdks7;keep",
]
_URIS = [b"sip:alice%40x:p@[::1]:5060;transport=udp;lr;maddr=1.2.3.4?subject=a%20b&x=", b"tel:+370612;ext=1", b"sips:b"]

TARGETS = (
    Target("name-addr", _round(NameAddr.parse), _ADDRESSES, longest=512),
    Target("via", _round(Via.parse), _VIAS, longest=512),
    Target("uri", _uri, _URIS, longest=512),
    Target("parameters", _parameters, [b';a=b;c;d="x\\"y, z";e=[::1]', b'a, "b, c" <d,e>, f'], longest=512),
    Target("authorization", _authorization, [_GOOD.encode()], longest=1024),
    Target("challenge", _challenge, [_CHALLENGE.encode()], longest=1024),
    Target("numbers", _numbers, [b"0ZX[2-9].\n0612345678", b"+370XXXXXXXX\n+37061234567", b"*\n00"], longest=128),
)
