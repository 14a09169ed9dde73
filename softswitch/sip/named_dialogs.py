"""Header fields that name a dialog: Replaces (RFC 3891 §6.1), Join (RFC 3911 §7.1), Target-Dialog (RFC 4538 §7)."""

import msgspec

from softswitch.kernel.errors import PeerError
from softswitch.wire.sip import Headers


class Replaces(msgspec.Struct, frozen=True):
    """`to_tag` is the tag of the side that gets the INVITE, `from_tag` that of its peer. `early_only`: not when it has
    been answered."""

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False

    @classmethod
    def parse(cls, text: str) -> "Replaces":
        """Raises `PeerError` (400)."""
        call_id, to_tag, from_tag, others = _dialog(text, "Replaces", "to-tag", "from-tag")
        return cls(call_id, to_tag, from_tag, "early-only" in others)


class Join(msgspec.Struct, frozen=True):
    """The tags as in `Replaces`."""

    call_id: str
    to_tag: str
    from_tag: str

    @classmethod
    def parse(cls, text: str) -> "Join":
        """Raises `PeerError` (400)."""
        call_id, to_tag, from_tag, _ = _dialog(text, "Join", "to-tag", "from-tag")
        return cls(call_id, to_tag, from_tag)


class TargetDialog(msgspec.Struct, frozen=True):
    """A dialog between the sender of the request and who gets it. Whose tag is the local one is read both ways by those
    who send it; both tags together name the dialog either way."""

    call_id: str
    local_tag: str
    remote_tag: str

    @classmethod
    def parse(cls, text: str) -> "TargetDialog":
        """Raises `PeerError` (400)."""
        call_id, local_tag, remote_tag, _ = _dialog(text, "Target-Dialog", "local-tag", "remote-tag")
        return cls(call_id, local_tag, remote_tag)


def replaces_of(headers: Headers) -> Replaces:
    """What an INVITE with Replaces wants. Raises `PeerError` (400, RFC 3891 §3)."""
    value = _only(headers, "Replaces")
    if "Join" in headers:
        raise PeerError("Replaces and Join")
    return Replaces.parse(value)


def join_of(headers: Headers) -> Join:
    """What an INVITE with Join wants. Raises `PeerError` (400, RFC 3911 §4)."""
    return Join.parse(_only(headers, "Join"))


def target_dialog_of(headers: Headers) -> TargetDialog:
    """The dialog that a request outside of it is about. Raises `PeerError` (400)."""
    return TargetDialog.parse(_only(headers, "Target-Dialog"))


def _only(headers: Headers, field: str) -> str:
    values = headers.all(field)
    if len(values) != 1:
        raise PeerError(f"one {field} is needed")
    return values[0]


def _dialog(text: str, field: str, first: str, second: str) -> tuple[str, str, str, set[str]]:
    """Call-ID, both tags, and the names of parameters without a value. Raises `PeerError` (400)."""
    call_id, *parameters = (part.strip() for part in text.split(";"))
    tags: dict[str, str] = {}
    others: set[str] = set()
    for parameter in parameters:
        name, equals, value = (part.strip() for part in parameter.partition("="))
        name = name.lower()
        if name in (first, second):
            if not value or name in tags:
                raise PeerError(f"{field} has no usable {name}")
            tags[name] = value
        elif not equals:
            others.add(name)
    if not call_id or len(tags) != 2 or any(sign in part for part in (call_id, *tags.values()) for sign in ', \t"'):
        raise PeerError(f"{field} names no dialog")
    return call_id, tags[first], tags[second], others
