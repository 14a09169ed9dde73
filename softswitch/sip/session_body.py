"""The session description in a message's body, alone or as a part of multipart/mixed (RFC 2046 §5.1, RFC 5621)."""

import re

from softswitch.wire.sip import Request, Response

SDP = "application/sdp"
_CONNECTION = re.compile(rb"^c=IN IP([46]) ([0-9A-Fa-f.:]+)", re.MULTILINE)


def session_description(message: Request | Response) -> bytes:
    """The SDP of `message`; empty when it has none."""
    if not message.body:
        return b""
    kind, parameters = _media_type(message.headers.get("Content-Type") or SDP)
    if kind == SDP:
        return message.body
    if not kind.startswith("multipart/"):
        return b""
    for head, body in _parts(message.body, parameters.get("boundary", "")):
        if _media_type(head.get("content-type", "text/plain"))[0] == SDP:
            return body
    return b""


def _media_type(value: str) -> tuple[str, dict[str, str]]:
    """`type/subtype` in lower case, and the parameters with their quotes taken off."""
    kind, _, rest = value.partition(";")
    parameters = {}
    for item in rest.split(";"):
        name, equals, text = item.partition("=")
        if equals:
            parameters[name.strip().lower()] = text.strip().strip('"')
    main, slash, sub = kind.partition("/")  # blanks may stand about the slash (RFC 3261 §25.1: SLASH)
    return f"{main.strip()}{slash}{sub.strip()}".lower(), parameters


def _parts(body: bytes, boundary: str) -> list[tuple[dict[str, str], bytes]]:
    """Header fields (names in lower case) and content of each part; none when the boundary is missing."""
    if not boundary:
        return []
    parts = []
    sections = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("utf-8", "surrogateescape"))
    for section in sections[1:]:
        if section.startswith(b"--"):
            break
        # The delimiter's line ends with a line break; a part may have no header fields at all.
        _, _, part = section.partition(b"\r\n")
        if part.startswith(b"\r\n"):
            head, content = b"", part[2:]
        else:
            head, _, content = part.partition(b"\r\n\r\n")
        fields = {}
        for line in head.decode("utf-8", "replace").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon:
                fields[name.strip().lower()] = value.strip()
        parts.append((fields, content))
    return parts


def media_host(body: bytes, signalled: str) -> str:
    """The host that decides which address of ours a description tells: where the peer's requests come from, unless it
    wants its sound at an address of the other family."""
    found = _CONNECTION.search(body)
    if found is None or (found[1] == b"6") == (":" in signalled):
        return signalled
    return found[2].decode("ascii", "replace")
