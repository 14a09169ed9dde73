"""Hardware addresses as people and phones write them."""

import re

from softswitch.kernel.errors import LocalError

_SEPARATORS = re.compile(r"[:.\- ]")
_PLAIN = re.compile(r"[0-9a-f]{12}")


def plain_mac(text: str) -> str:
    """Twelve hexadecimal digits, lower case, of `00:15:65:AA:BB:CC` and the like. Raises `LocalError`."""
    plain = _SEPARATORS.sub("", text).lower()
    if _PLAIN.fullmatch(plain) is None:
        raise LocalError(f'"{text}" is not a hardware address such as 00:15:65:12:34:56')
    return plain
