"""dialog-info documents (RFC 4235): the dialogs of one resource, as a NOTIFY of the `dialog` package tells them."""

from collections.abc import Iterable
from typing import Final, Literal, TypeAlias

import msgspec

from softswitch.wire.xml_text import escape, quoted

TYPE: Final = "application/dialog-info+xml"
_NAMESPACE: Final = "urn:ietf:params:xml:ns:dialog-info"

DialogState: TypeAlias = Literal["trying", "early", "confirmed", "terminated"]


class Participant(msgspec.Struct, frozen=True, gc=False):
    """One end of a dialog (§4.1.6). `uri` is its identity, `target` where it is reached; both may be empty: not told.
    `rendering` False: it put the other on hold (the `+sip.rendering` of §4.1.6.2)."""

    uri: str = ""
    display: str = ""
    target: str = ""
    rendering: bool = True


class DialogElement(msgspec.Struct, frozen=True, gc=False):
    """One dialog, seen from the resource: `local` is the resource's end. Empty ids are left out (§4.1.1)."""

    id: str
    state: DialogState
    direction: Literal["", "initiator", "recipient"] = ""
    call_id: str = ""
    local_tag: str = ""
    remote_tag: str = ""
    local: Participant = Participant()
    remote: Participant = Participant()


def dialog_info(entity: str, version: int, dialogs: Iterable[DialogElement]) -> bytes:
    """The full state of `entity`, a SIP URI. `version` counts up within a subscription (§4.1)."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>\n',
        f'<dialog-info xmlns="{_NAMESPACE}" version="{version}" state="full" entity={quoted(entity)}>\n',
    ]
    lines += [_element(dialog) for dialog in dialogs]
    lines.append("</dialog-info>\n")
    return "".join(lines).encode()


def _element(dialog: DialogElement) -> str:
    attributes = "".join(
        f" {name}={quoted(value)}"
        for name, value in (
            ("id", dialog.id), ("call-id", dialog.call_id), ("local-tag", dialog.local_tag),
            ("remote-tag", dialog.remote_tag), ("direction", dialog.direction),
        )
        if value
    )  # fmt: skip
    local, remote = _end("local", dialog.local), _end("remote", dialog.remote)
    return f"<dialog{attributes}><state>{dialog.state}</state>{local}{remote}</dialog>\n"


def _end(name: str, end: Participant) -> str:
    if not end.uri:
        return ""
    display = f" display={quoted(end.display)}" if end.display else ""
    held = '<param pname="+sip.rendering" pval="no"/>' if not end.rendering else ""
    target = f"<target uri={quoted(end.target)}>{held}</target>" if end.target else ""
    return f"<{name}><identity{display}>{escape(end.uri)}</identity>{target}</{name}>"
