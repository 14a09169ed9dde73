"""SIP messages for eyes and logs, without what would let anybody in or tell what a caller has typed."""

import re
from typing import Final

from softswitch.sip.secure_media import masked as without_keys

_CREDENTIALS: Final = re.compile(rb"(?im)^(?:proxy-)?authorization[ \t]*:[^\r\n]*(?:\r\n[ \t][^\r\n]*)*")
_PROOF: Final = re.compile(rb'(?i)\b(response|cnonce)([ \t]*=[ \t]*)(?:"[^"]*"|[^,\s]*)')
_COLLECTED: Final = re.compile(rb"(?im)^(x-collected[ \t]*:[ \t]*)[^\r\n]*")
_SIGNAL: Final = re.compile(rb"(?im)^(signal[ \t]*=[ \t]*)[^\r\n]*")  # application/dtmf-relay: a card, key by key


def masked(data: bytes) -> bytes:
    """A SIP message with stars for the proofs of passwords, media keys, collected digits and keys sent by INFO."""
    data = without_keys(data)
    head, end, body = data.partition(b"\r\n\r\n")
    lowered = head.lower()
    if b"authorization" in lowered:
        head = _CREDENTIALS.sub(_without_proof, head)
    if b"x-collected" in lowered:
        head = _COLLECTED.sub(rb"\1***", head)
    if b"application/dtmf-relay" in lowered:
        body = _SIGNAL.sub(rb"\1***", body)
    elif b"application/dtmf" in lowered:
        body = b"***"
    return head + end + body


def _without_proof(match: re.Match[bytes]) -> bytes:
    line = match[0]
    name, colon, value = line.partition(b":")
    if not value.lstrip().lower().startswith(b"digest"):
        return name + colon + b" ***"
    return name + colon + _PROOF.sub(rb'\1\2"***"', value)
