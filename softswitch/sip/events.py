"""What the SIP floor tells the floor above.

`session` and `tx` are numbers of one `UserAgent`, never used twice. Each session ends with exactly one of
`Rejected`, `Cancelled`, `Ended`, or by your own verb (`reject`, `hang_up`): after those verbs nothing comes up for the
session but `SessionClosed`, which always comes, once, when its last timer is gone (up to 32 s later, so do not hold
resources for it). A verb on a session or transaction that is over is no error: it returns no outputs, because the
event that tells so may have crossed it.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from softswitch.sip.digest import Credentials
from softswitch.sip.flow import Flow, Send
from softswitch.sip.session_terms import PLAIN, Terms
from softswitch.wire.sip import NameAddr, Request, Response, Uri

SessionId: TypeAlias = int
TxId: TypeAlias = int
Fields: TypeAlias = Sequence[tuple[str, str]]
EndCause: TypeAlias = Literal["bye", "no-ack", "no-prack", "expired", "timeout", "transport", "dialog-gone"]


class Invitation(msgspec.Struct, frozen=True):
    """An INVITE of ours. `from_` without tag. An empty `body` asks the peer for the offer. `route` are values of Route
    header fields, first hop first. `contact_user` is the user part of our Contact, `feature` what follows it
    (RFC 3840, as `;+sip.src`); the rest comes from `Addressing`.
    `call_id` is made up when None. `credentials` answer 401/407."""

    uri: Uri | str
    from_: NameAddr | str
    to: NameAddr | str
    body: bytes = b""
    content_type: str = "application/sdp"
    headers: Fields = ()
    route: Sequence[str] = ()
    credentials: Credentials | None = None
    call_id: str | None = None
    max_forwards: int = 70
    contact_user: str = ""
    terms: Terms = PLAIN
    feature: str = ""


class DialogIds(msgspec.Struct, frozen=True, gc=False):
    """What tells a dialog from others (RFC 3261 §12). `remote_tag` is empty while the peer has sent none; `ours`: the
    INVITE was ours."""

    call_id: str
    local_tag: str
    remote_tag: str
    ours: bool


class Invited(msgspec.Struct, frozen=True):
    """A new call. Multipart bodies are already cut down to their SDP part. 100 goes by itself after 200 ms."""

    session: SessionId
    request: Request
    flow: Flow


class Progressed(msgspec.Struct, frozen=True):
    """101–199 to our INVITE. `early` is the remote tag, which tells forks apart ("" when the peer gave none)."""

    session: SessionId
    response: Response
    early: str


class Accepted(msgspec.Struct, frozen=True):
    """2xx to our INVITE. Without an offer in the INVITE, `response.body` is the offer: answer with `confirm`."""

    session: SessionId
    response: Response


class Rejected(msgspec.Struct, frozen=True):
    """Our INVITE failed for good: `response` says how; None with 408 (no answer in time) and 503 (transport)."""

    session: SessionId
    status: int
    response: Response | None
    flow: Flow | None = None


class Cancelled(msgspec.Struct, frozen=True):
    """CANCEL came before our final response; 200 and 487 are sent."""

    session: SessionId
    request: Request


class Confirmed(msgspec.Struct, frozen=True):
    """ACK for our 2xx (to INVITE or re-INVITE). `body` is the answer if our 2xx carried the offer, else empty. If a
    reliable provisional response carried it, the answer comes as this, too, with its PRACK."""

    session: SessionId
    body: bytes


class Reinvited(msgspec.Struct, frozen=True):
    """re-INVITE, or UPDATE or PRACK with an offer: answer with `accept_offer` or `reject_offer`. An empty body asks
    for our offer; its answer comes as `Confirmed`."""

    session: SessionId
    request: Request


class RefreshDue(msgspec.Struct, frozen=True):
    """The session must be refreshed by a re-INVITE (the peer takes no UPDATE): `reinvite` with the description as it
    stands (RFC 4028 §7.4)."""

    session: SessionId


class OfferWithdrawn(msgspec.Struct, frozen=True):
    """CANCEL came for the re-INVITE that `Reinvited` told: the old state of the session stands (RFC 3261 §9.2)."""

    session: SessionId


class OfferAnswered(msgspec.Struct, frozen=True):
    """2xx to our `reinvite`. If that had no body, `response.body` is the offer: answer with `confirm`."""

    session: SessionId
    response: Response


class OfferRejected(msgspec.Struct, frozen=True):
    """Our `reinvite` was refused with `status`: the old state of the session stands (RFC 3261 §14.1)."""

    session: SessionId
    status: int


class Ended(msgspec.Struct, frozen=True):
    """The session is over, not by us. `bye`: BYE came (already answered), `request` is it. `no-ack`: our 2xx was never
    acknowledged. `timeout`, `transport`: a request of ours in the dialog got no answer or could not be sent.
    `dialog-gone`: the peer answered 481. `no-prack`: a reliable response was never acknowledged. `expired`: nobody
    refreshed the session (RFC 4028). BYE is sent where it can still help."""

    session: SessionId
    cause: EndCause
    request: Request | None


class InDialog(msgspec.Struct, frozen=True):
    """Another request in the dialog (INFO, REFER, MESSAGE …): `respond` to it."""

    session: SessionId
    tx: TxId
    request: Request


class InDialogAnswered(msgspec.Struct, frozen=True):
    """The final response to `send_in_dialog`; 408 or 503 without a response on time-out or transport failure."""

    session: SessionId
    method: str
    status: int
    response: Response | None


class Requested(msgspec.Struct, frozen=True):
    """A request outside dialogs: `respond` to it."""

    tx: TxId
    request: Request
    flow: Flow


class Responded(msgspec.Struct, frozen=True):
    """The final response to our `request`."""

    tx: TxId
    response: Response


class TimedOut(msgspec.Struct, frozen=True):
    """Our `request` got no final response in time (Timer F), or its transport failed."""

    tx: TxId


class SessionClosed(msgspec.Struct, frozen=True):
    """The last timer of the session is gone; forget its number."""

    session: SessionId


SipEvent: TypeAlias = (
    Invited
    | Progressed
    | Accepted
    | Rejected
    | Cancelled
    | Confirmed
    | Reinvited
    | RefreshDue
    | OfferWithdrawn
    | OfferAnswered
    | OfferRejected
    | Ended
    | InDialog
    | InDialogAnswered
    | Requested
    | Responded
    | TimedOut
    | SessionClosed
)
Output: TypeAlias = Send | SipEvent
