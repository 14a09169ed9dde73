"""Answering 401 and 407 to requests of ours (RFC 3261 §22.2, §22.3)."""

from random import Random

from softswitch.kernel.errors import PeerError
from softswitch.sip import digest
from softswitch.sip.transaction import ClientTransaction
from softswitch.wire.sip import Request, Response

_TRIES = 2  # a fresh challenge, and one more when only its nonce was stale, or a proxy and the server both ask


def authorized(
    tx: ClientTransaction, response: Response, credentials: digest.Credentials | None, dice: Random
) -> Request | None:
    """The request of `tx` again, with credentials and the next CSeq, without Via; None when it is no use to try.

    A challenge to a request that carried an answer already means a wrong password, unless it says `stale`.
    """
    if credentials is None or tx.tries >= _TRIES:
        return None
    asks, answers = (
        ("WWW-Authenticate", "Authorization")
        if response.status == 401
        else ("Proxy-Authenticate", "Proxy-Authorization")
    )
    challenges = response.headers.all(asks)
    request = tx.sent
    if answers in request.headers and tx.tries > 0 and not digest.is_stale(challenges):
        return None
    try:
        value = digest.answer(challenges, credentials, request.method, str(request.uri), request.body, dice, 1)
    except PeerError:
        return None
    headers = request.headers.copy()
    headers.remove("Via")
    headers.set("CSeq", f"{request.cseq.number + 1} {request.method}")
    headers.set(answers, value)
    return Request(request.method, request.uri, headers, request.body)


def proof_of(request: Request) -> tuple[tuple[str, str], ...]:
    """The header fields of `request` that carry credentials; the ACK of its 2xx repeats them (§22.1)."""
    headers = request.headers
    return tuple((name, value) for name in ("Authorization", "Proxy-Authorization") for value in headers.all(name))
