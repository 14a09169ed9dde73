"""Text from the wire in XML documents: what XML cannot hold (XML 1.0 §2.2) becomes U+FFFD, bytes that are no UTF-8 and
control characters among it. One such character would make the whole document unreadable."""

import re
from typing import Final
from xml.sax import saxutils

_NO_CHAR: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def escape(text: str) -> str:
    """As the content of an element."""
    return saxutils.escape(_legible(text))


def quoted(text: str) -> str:
    """As the value of an attribute, with its quotes."""
    return saxutils.quoteattr(_legible(text))


def _legible(text: str) -> str:
    return text if text.isascii() and text.isprintable() else _NO_CHAR.sub("\ufffd", text)
