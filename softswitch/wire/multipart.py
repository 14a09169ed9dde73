"""Bodies of several parts in one message (RFC 2046 §5.1, RFC 5621)."""

from collections.abc import Iterable
from hashlib import blake2b


def multipart(parts: Iterable[tuple[str, str, bytes]]) -> tuple[str, bytes]:
    """`parts` are (Content-Type, Content-Disposition or nothing, content). Returns the message's Content-Type and its
    body. The boundary is made of the content, so it is in no part of it."""
    sections = []
    digest = blake2b(digest_size=12)
    for kind, disposition, content in parts:
        head = f"Content-Type: {kind}\r\n"
        if disposition:
            head += f"Content-Disposition: {disposition}\r\n"
        sections.append(head.encode() + b"\r\n" + content)
        digest.update(content)
    boundary = digest.hexdigest()
    mark = b"--" + boundary.encode()
    body = b"".join(mark + b"\r\n" + section + b"\r\n" for section in sections) + mark + b"--\r\n"
    return f"multipart/mixed;boundary={boundary}", body
