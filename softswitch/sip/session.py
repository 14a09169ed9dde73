"""An INVITE session as data: its phase, its place in offer/answer, and what it remembers.

Two machines run beside each other. The phase (calling, ringing, established …) is RFC 3261 §13, §9 and §15; the
offer's place within the established session is §14, RFC 3311 and RFC 6337. Their tables are `session_phases.py` and
`session_offer.py`.
"""

from dataclasses import dataclass, field
from enum import IntEnum, auto

import msgspec

from softswitch.kernel.clock import Duration, Instant
from softswitch.sip.dialog import Dialog
from softswitch.sip.digest import Credentials
from softswitch.sip.events import Fields
from softswitch.sip.flow import Flow, Send
from softswitch.sip.session_terms import PLAIN, Terms
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
    ACCEPTING = auto()  # UAS: answered, but the 2xx waits for a PRACK (RFC 3262 §3)
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
    ACCEPT_LATER = auto()  # verb, while a reliable response with SDP is not acknowledged
    PRACKED = auto()  # it is
    NO_PRACK = auto()  # 64*T1 without PRACK
    REJECT = auto()  # verb
    HANG_UP = auto()  # verb
    CANCEL = auto()
    ACK = auto()
    NO_ACK = auto()  # 64*T1 without ACK
    BYE = auto()
    EXPIRED = auto()  # nobody refreshed the session in time (RFC 4028 §10)
    GONE = auto()  # 481 to a request of ours in the dialog
    LOST = auto()  # time-out of a request of ours in the dialog
    BROKEN = auto()  # transport failure of a request of ours in the dialog


class Offer(IntEnum):
    """Whose turn it is in an established session, or in an early dialog whose first offer was answered reliably."""

    STABLE = auto()
    OURS = auto()  # our re-INVITE or UPDATE is out
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
    TOO_SHORT = auto()  # 422: again, with a longer interval (RFC 4028 §7.4)
    REFUSED = auto()  # other final responses
    RECEIVED = auto()  # re-INVITE, or UPDATE or PRACK with a body
    ACCEPT_INVITE = auto()  # verb
    ACCEPT_UPDATE = auto()  # verb, for an offer in UPDATE or PRACK
    REJECT = auto()  # verb
    ACKED = auto()
    WITHDRAWN = auto()  # CANCEL for their re-INVITE


class Role(IntEnum):
    """What a client transaction is for its owner."""

    REQUEST = auto()  # outside dialogs
    INVITE = auto()
    REINVITE = auto()
    IN_DIALOG = auto()
    PRACK = auto()
    REFRESH = auto()
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
    (§13.3.1.4). `offered`: it carries our offer, and the ACK the answer."""

    session: "Session"
    tx: ServerTransaction
    cseq: int
    offered: bool
    interval: Duration
    repeat_at: Instant
    give_up_at: Instant


@dataclass(slots=True, eq=False)
class Reliable:
    """RFC 3262 §3 at the UAS: provisional responses that must arrive. `rseq` numbers the last one of INVITE `cseq`;
    `data` is it while no PRACK came, with SDP if `described`, which is our offer if `offered`. `waiting` are those
    that go next, `accepting` the answer that waits behind them. `required`: all of them must be reliable."""

    session: "Session"
    cseq: int
    required: bool
    rseq: int
    data: Send | None = None
    described: bool = False
    offered: bool = False
    waiting: list[Verb] = field(default_factory=list)
    accepting: Verb | None = None
    interval: Duration = 0.0
    repeat_at: Instant = 0.0
    give_up_at: Instant = 0.0


@dataclass(slots=True, eq=False)
class SessionTimer:
    """RFC 4028: the session ends at `expire_at` unless it is refreshed, by us at `refresh_at` if `ours`."""

    session: "Session"
    interval: int
    ours: bool
    refresh_at: Instant
    expire_at: Instant


class Session:
    """`early` are the responses that made early dialogs at the UAC, by remote tag; `forks` their dialogs, and after
    the 2xx those that came too late. `invite` is the first INVITE's transaction, `reinvite` that of our re-INVITE,
    `answering` that of their re-INVITE or UPDATE. `offering` is what our re-INVITE carries, `wanted` what the next
    one will that waits for its turn. `live` counts transactions. `pending` are their requests that the floor above
    still owes a response. `parting` are header fields for our CANCEL or BYE. `terms` is what may be used beside RFC
    3261. `reliable` is the UAS's part of RFC 3262, `rseqs` the UAC's: the last RSeq by remote tag. `settled` is the
    remote tag of the early dialog whose first offer has been answered reliably. `updates`: the peer takes UPDATE.
    `hosts`: addresses that the peer has spoken from."""

    __slots__ = (
        "answering",
        "call_id",
        "contact",
        "credentials",
        "dialog",
        "early",
        "flow",
        "forks",
        "hosts",
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
        "reliable",
        "request",
        "rseqs",
        "settled",
        "terms",
        "timer",
        "uac",
        "unacknowledged",
        "updates",
        "wanted",
    )

    def __init__(self, number: int, *, uac: bool, call_id: str, local_tag: str, flow: Flow, contact: str) -> None:
        self.id = number
        self.uac = uac
        self.call_id = call_id
        self.local_tag = local_tag
        self.flow = flow
        self.hosts: tuple[str, ...] = (flow.remote[0],)
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
        self.terms: Terms = PLAIN
        self.reliable: Reliable | None = None
        self.rseqs: dict[str, int] | None = None
        self.settled: str | None = None
        self.timer: SessionTimer | None = None
        self.updates = False
        self.live = 0
