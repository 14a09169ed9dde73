"""A file for a device, and the XML that most of them want."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias
from xml.sax.saxutils import escape, quoteattr

from softswitch.services.provisioning.account import Account

Render: TypeAlias = Callable[[Account], "ProvisionFile"]


@dataclass(frozen=True, slots=True)
class ProvisionFile:
    """`name` as the device asks for it, `content_type` as its maker serves it."""

    name: str
    content_type: str
    text: str


def element(tag: str, value: str, indent: int = 2, /, **attributes: str) -> str:
    """One line `<tag attribute="…">value</tag>`."""
    attached = "".join(f" {key}={quoteattr(text)}" for key, text in attributes.items())
    return f"{' ' * indent}<{tag}{attached}>{escape(value)}</{tag}>"


def lines(*rows: str) -> str:
    """A text of those lines."""
    return "\n".join(rows) + "\n"
