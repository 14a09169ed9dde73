"""An INVITE session as data: its phase, its place in offer/answer, and what it remembers.

Two machines run beside each other. The phase (calling, ringing, established …) is RFC 3261 §13, §9 and §15; the
offer's place within the established session is §14, RFC 3311 and RFC 6337. Their tables are `session_phases.py` and
`session_offer.py`.
"""

from dataclasses import dataclass
from enum import IntEnum, auto

import msgspec

from softswitch.kernel.clock import Duration, Instant
from softswitch.sip.dialog import Dialog
from softswitch.sip.digest import Credentials
from softswitch.sip.events import Fields
from softswitch.sip.flow import Flow
from softswitch.sip.transaction import ClientTransaction, ServerTransaction
from softswitch.wire.sip import Request, Response


class Phase(IntEnum):
    """Where the session is."""

    CALLING = auto()  # UAC: INVITE is out, nothing came back
    PROCEEDING = auto()  # UAC: a provisional response came
    CANCEL_HELD = auto()  # UAC: hung up, but CANCEL must wait for a provisional response (§9.1)
    CANCELLING = auto()  # UAC: CANCEL is out, the final response is awaited
    CONFIRMING = auto()  # UAC: the 2xx brought the offer, ACK waits for our answer
    INCOMING = auto()  # UAS: no final response yet
    ANSWERED = auto()  # UAS: 2xx is out, ACK is awaited
    LEAVING = auto()  # UAS: hung up before ACK, BYE must wait for it (§15)
    ESTABLISHED = auto()
    OVER = auto()


class What(IntEnum):
    """What can happen to a session's phase."""

    PROVISIONAL = auto()  # 101–199
    TRYING = auto()  # 100
    SUCCESS = auto()  # 2xx to our INVITE, which had the offer
    SUCCESS_WITH_OFFER = auto()  # 2xx to our INVITE, which had none
    CHALLENGE = auto()  # 401 or 407 that we can answer
    FAILURE = auto()  # 300–699
    TIMEOUT = auto()  # Timer B
    UNREACHABLE = auto()  # transport failure
    CONFIRM = auto()  # verb
    RING = auto()  # verb
    ACCEPT = auto()  # verb
    REJECT = auto()  # verb
    HANG_UP = auto()  # verb
    CANCEL = auto()
    ACK = auto()
    NO_ACK = auto()  # 64*T1 without ACK
    BYE = auto()
    GONE = auto()  # 481 to a request of ours in the dialog
    LOST = auto()  # time-out of a request of ours in the dialog
    BROKEN = auto()  # transport failure of a request of ours in the dialog


class Offer(IntEnum):
    """Whose turn it is in an established session."""

    STABLE = auto()
    OURS = auto()  # our re-INVITE is out
    TO_CONFIRM = auto()  # its 2xx brought the offer, ACK waits for our answer
    WAITING = auto()  # 491 came, we try again later (§14.1)
    THEIRS = auto()  # re-INVITE or UPDATE came, the floor above thinks
    UNACKED = auto()  # 2xx to their re-INVITE is out, ACK is awaited


class Turn(IntEnum):
    """What can happen to an offer within an established session."""

    REINVITE = auto()  # `wanted` may go
    RETRY = auto()  # the time after a 491 has passed
    ANSWERED = auto()  # 2xx to our re-INVITE, which had the offer
    ANSWERED_WITH_OFFER = auto()  # 2xx to our re-INVITE, which had none
    CONFIRM = auto()  # verb
    GLARE = auto()  # 491
    REFUSED = auto()  # other final responses
    RECEIVED = auto()  # re-INVITE, or UPDATE with a body
    ACCEPT_INVITE = auto()  # verb
    ACCEPT_UPDATE = auto()  # verb
    REJECT = auto()  # verb
    ACKED = auto()
    WITHDRAWN = auto()  # CANCEL for their re-INVITE


class Role(IntEnum):
    """What a client transaction is for its owner."""

    REQUEST = auto()  # outside dialogs
    INVITE = auto()
    REINVITE = auto()
    IN_DIALOG = auto()
    BYE = auto()


class Verb(msgspec.Struct, frozen=True):
    """What the floor above asks for, with its arguments."""

    status: int = 0
    reason: str | None = None
    headers: Fields = ()
    body: bytes = b""


@dataclass(slots=True, eq=False)
class Unacknowledged:
    """A 2xx of ours to an INVITE that waits for ACK number `cseq`: repeated from T1 to T2, given up after 64*T1
    (§13.3.1.4)."""

    session: "Session"
    tx: ServerTransaction
    cseq: int
    interval: Duration
    repeat_at: Instant
    give_up_at: Instant


class Session:
    """`early` are the responses that made early dialogs at the UAC, by remote tag; `forks` their dialogs, and after
    the 2xx those that came too late. `invite` is the first INVITE's transaction, `reinvite` that of our re-INVITE,
    `answering` that of their re-INVITE or UPDATE. `offering` is what our re-INVITE carries, `wanted` what the next
    one will that waits for its turn. `live` counts transactions. `pending` are their requests that the floor above
    still owes a response. `parting` are header fields for our CANCEL or BYE."""

    __slots__ = (
        "answering",
        "call_id",
        "contact",
        "credentials",
        "dialog",
        "early",
        "flow",
        "forks",
        "id",
        "invite",
        "live",
        "local_tag",
        "offer",
        "offering",
        "parting",
        "pending",
        "phase",
        "reinvite",
        "request",
        "uac",
        "unacknowledged",
        "wanted",
    )

    def __init__(self, number: int, *, uac: bool, call_id: str, local_tag: str, flow: Flow, contact: str) -> None:
        self.id = number
        self.uac = uac
        self.call_id = call_id
        self.local_tag = local_tag
        self.flow = flow
        self.contact = contact
        self.phase = Phase.CALLING if uac else Phase.INCOMING
        self.offer = Offer.STABLE
        self.request: Request | None = None
        self.invite: ClientTransaction | ServerTransaction | None = None
        self.reinvite: ClientTransaction | None = None
        self.dialog: Dialog | None = None
        self.forks: dict[str, Dialog] = {}
        self.early: dict[str, Response] = {}
        self.credentials: Credentials | None = None
        self.unacknowledged: Unacknowledged | None = None
        self.answering: ServerTransaction | None = None
        self.offering: tuple[bytes, Fields] | None = None
        self.wanted: tuple[bytes, Fields] | None = None
        self.parting: Fields = ()
        self.pending: dict[int, ServerTransaction] = {}
        self.live = 0
