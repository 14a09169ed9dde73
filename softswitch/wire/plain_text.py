"""Text from the wire for those who take nothing but UTF-8: JSON, databases, logs.

The parser keeps bytes that are not UTF-8 as lone surrogates (PEP 383), so that a message is sent on as it came. A log
line, a row or a page cannot hold them: there they become U+FFFD.
"""

import re
from typing import Any, Final

import msgspec

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_encode: Final = msgspec.json.Encoder().encode
_encode_any: Final = msgspec.json.Encoder(enc_hook=repr).encode


def plain(text: str) -> str:
    """`text` as UTF-8 can hold it."""
    if text.isascii():
        return text
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:  # a lone surrogate that stands for no byte: JSON can write one (RFC 8259 §8.2)
        return _SURROGATE.sub("\ufffd", text)


def encode(value: object) -> bytes:
    """`value` as JSON. Raises `TypeError` for what JSON has no word for."""
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return _encode(_plain(msgspec.to_builtins(value)))


def encode_any(value: object) -> bytes:
    """The same for logs: what JSON has no word for is written as its `repr`."""
    try:
        return _encode_any(value)
    except UnicodeEncodeError:
        return _encode(_plain(msgspec.to_builtins(value, enc_hook=repr)))


def _plain(value: Any) -> Any:
    match value:
        case str():
            return plain(value)
        case dict():
            return {_plain(key): _plain(held) for key, held in value.items()}
        case list() | tuple():
            return [_plain(held) for held in value]
        case _:
            return value
