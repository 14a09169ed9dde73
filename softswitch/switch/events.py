"""The words between the switch core and the shell: what comes in, what the shell must do."""

from typing import Literal, TypeAlias

import msgspec

from softswitch.kernel.clock import Instant
from softswitch.sip.flow import Flow, Send
from softswitch.sip.next_hop import Hop
from softswitch.sip.passport import Proof, Verdict
from softswitch.switch.customers import Customer
from softswitch.switch.settings import Settings, Stir, Supervising
from softswitch.wire.control import Command, Report
from softswitch.wire.sip import Request, Response

# ------------------------------------------------------------------------------------------------------- events in


class Arrived(msgspec.Struct, frozen=True):
    """A SIP message came in by `flow`."""

    message: Request | Response
    flow: Flow


class FlowFailed(msgspec.Struct, frozen=True):
    """Bytes could not be sent, or the connection broke."""

    flow: Flow


class Certified(msgspec.Struct, frozen=True):
    """The peer on `flow` has shown a certificate that we believe; it is good for these hosts (RFC 5922 §7.1)."""

    flow: Flow
    names: tuple[str, ...]


class Reported(msgspec.Struct, frozen=True):
    """A media process said something (`Ready` first of all)."""

    worker: int
    reports: tuple[Report, ...]


class MediaLost(msgspec.Struct, frozen=True):
    """The connection to a media process broke: its legs are gone unless it comes back with them (`Ready` again)."""

    worker: int


class Reload(msgspec.Struct, frozen=True):
    """The configuration changed."""

    settings: Settings


class Drain(msgspec.Struct, frozen=True):
    """No new calls from here on."""


class HangUpCall(msgspec.Struct, frozen=True):
    """An operator ends a call."""

    call: str


class AgentCommand(msgspec.Struct, frozen=True):
    """An operator or a supervisor sets an agent's state. `phone`: where the agent logs in, when not at its own."""

    agent: str
    verb: Literal["login", "logout", "pause", "ready"]
    reason: str = ""
    by: str = "operator"
    phone: str = ""


class PhoneCommand(msgspec.Struct, frozen=True):
    """Set `what` of a phone (`switch/phones.py`): a forwarding, `dnd`, `call_waiting`. None: as the settings say."""

    phone: str
    what: str
    value: str | bool | None
    by: str = "operator"


class LetIn(msgspec.Struct, frozen=True):
    """The wrong passwords that came from `host` are forgotten: its lock-outs end."""

    host: str


class WrapUpCommand(msgspec.Struct, frozen=True):
    """An agent's wrap-up is to end in `seconds`."""

    agent: str
    seconds: float
    by: str = "operator"


class OutcomeCommand(msgspec.Struct, frozen=True):
    """What came of a call, noted for the agent who has or wraps it up (`call` empty: the one at hand)."""

    agent: str
    call: str
    code: str
    by: str = "operator"


class AskCallback(msgspec.Struct, frozen=True):
    """An operator or a program wants a customer to be called back by an agent of `queue`."""

    queue: str
    number: str
    by: str = "operator"
    head_start: float = 0.0


class CancelCallback(msgspec.Struct, frozen=True):
    """A call-back is not wanted any more."""

    callback: str
    by: str = "operator"


class RecordingCommand(msgspec.Struct, frozen=True):
    """An operator or a supervisor begins a call's recording, pauses it, or lets it go on."""

    call: str
    verb: Literal["start", "pause", "resume"]
    by: str = "operator"
    reason: str = ""


class TransferCommand(msgspec.Struct, frozen=True):
    """An operator or a program passes a call on: `blind`, `consult` or `join` with a target; `complete`, `cancel` or
    `three_way` of the consultation that goes on."""

    call: str
    verb: Literal["blind", "consult", "join", "complete", "cancel", "three_way"]
    target: str = ""
    by: str = "operator"


class SuperviseCommand(msgspec.Struct, frozen=True):
    """The supervisor at `phone` is rung and joins `agent`'s talk, or the next one with `follow`; one who is there
    changes to `mode`."""

    agent: str
    mode: Supervising
    phone: str
    follow: bool = False
    by: str = "operator"


class ConferenceCommand(msgspec.Struct, frozen=True):
    """An operator does something in a conference: to `member` (see `Conferences.members`), or to all; or has `number`
    rung, as `phone` might dial it; or has all who talk in a call (`member` is its id) go there."""

    conference: str
    verb: Literal["mute", "unmute", "kick", "lock", "unlock", "end", "invite", "gather"]
    member: str = ""
    number: str = ""
    phone: str = ""
    by: str = "operator"


class DialCommand(msgspec.Struct, frozen=True):
    """Ring the phone of `party` (a phone, its number, `agent:NAME`) for the new call `id`; when it is answered, call
    `to` (a number as that phone dials it, or a target) as if the phone had. `auto_answer`: the phone is asked to answer
    by itself. `token` is the API token that orders it, `by` its word for who wants it."""

    id: str
    party: str
    to: str
    token: str
    auto_answer: bool = False
    by: str = "operator"


class RecordingRoom(msgspec.Struct, frozen=True):
    """Whether there is room for new recordings; `refusal` says why not, empty: there is."""

    refusal: str = ""


class HookAnswered(msgspec.Struct, frozen=True):
    """What came of `AskHook` `number`: an HTTP answer, or `error` (`status` is 0 then). Comes exactly once."""

    number: int
    status: int
    body: bytes = b""
    error: str = ""


class CallerVerified(msgspec.Struct, frozen=True):
    """What came of `VerifyCaller` `number`. Comes exactly once."""

    number: int
    verdict: Verdict


class Retune(msgspec.Struct, frozen=True):
    """A setting of a queue or an agent was changed while the switch runs: `settings` are all of them with the change.
    Phones, trunks and the dial plan are the same. `value` is kept in the store, None: no longer changed."""

    settings: Settings
    path: tuple[str, ...]
    value: object
    by: str = "operator"


class CustomersChanged(msgspec.Struct, frozen=True):
    """Customers that are new or other than before, and ids of those who are none any more."""

    put: tuple[Customer, ...] = ()
    removed: tuple[str, ...] = ()
    by: str = "operator"


class PrioritiseCall(msgspec.Struct, frozen=True):
    """A waiting call gets `seconds` of head start more."""

    call: str
    seconds: float
    by: str = "operator"


class MoveCall(msgspec.Struct, frozen=True):
    """A waiting call goes to another queue and keeps its place: it waits there as if since it first waited."""

    call: str
    queue: str
    by: str = "operator"


class SendAway(msgspec.Struct, frozen=True):
    """Everybody who waits in the queue goes where callers of a closed queue go."""

    queue: str
    by: str = "operator"


class RecordingMoved(msgspec.Struct, frozen=True):
    """A recording has another name: it was converted. `to` empty: it is gone."""

    path: str
    to: str = ""


class DeleteMessage(msgspec.Struct, frozen=True):
    """An operator or a program deletes a message from a mailbox."""

    box: str
    path: str
    by: str = "operator"


class ResyncPhone(msgspec.Struct, frozen=True):
    """The phone is asked to fetch its configuration anew."""

    phone: str


class Readdressed(msgspec.Struct, frozen=True):
    """What `Addressing` says of our own addresses has changed."""


class HopsLocated(msgspec.Struct, frozen=True):
    """The address of `place` (`trunk:NAME`, `phone:NAME`) stands for these now."""

    place: str
    hops: tuple[Hop, ...]


SwitchEvent: TypeAlias = (
    HopsLocated
    | Readdressed
    | Arrived
    | FlowFailed
    | Certified
    | Reported
    | MediaLost
    | Reload
    | Drain
    | HangUpCall
    | AgentCommand
    | PhoneCommand
    | LetIn
    | AskCallback
    | CancelCallback
    | WrapUpCommand
    | OutcomeCommand
    | RecordingCommand
    | TransferCommand
    | SuperviseCommand
    | ConferenceCommand
    | DialCommand
    | RecordingRoom
    | HookAnswered
    | CallerVerified
    | Retune
    | CustomersChanged
    | PrioritiseCall
    | MoveCall
    | SendAway
    | RecordingMoved
    | DeleteMessage
    | ResyncPhone
)


# ------------------------------------------------------------------------------------------------------ effects out


class ToMedia(msgspec.Struct, frozen=True):
    """Commands for media process `worker`, in order."""

    worker: int
    commands: tuple[Command, ...]


class Save(msgspec.Struct, frozen=True):
    """A row for the store: a call record, a ledger entry, a binding, an agent's state (see `switch/records.py`)."""

    record: object


class AskHook(msgspec.Struct, frozen=True):
    """Post `body` (JSON) to `url`; `HookAnswered` must follow within `timeout` seconds. `token`: bearer."""

    number: int
    url: str
    timeout: float
    body: bytes
    token: str = ""


class DeleteRecording(msgspec.Struct, frozen=True):
    """Delete the recording at `path`, unless it is held."""

    path: str
    by: str


class RemoveFile(msgspec.Struct, frozen=True):
    """A sound file that was spoken for one conference is not needed any more."""

    path: str


class VerifyCaller(msgspec.Struct, frozen=True):
    """Have all `proofs` of a caller's number looked at, as `stir` says; `CallerVerified` must follow within its
    `timeout`."""

    number: int
    proofs: tuple[Proof, ...]
    stir: Stir


class Log(msgspec.Struct, frozen=True):
    """A line for the operator's log. `fields` hold plain values, never secrets."""

    level: Literal["debug", "info", "warning", "error"]
    event: str
    fields: dict[str, object] = msgspec.field(default_factory=dict)


class Security(msgspec.Struct, frozen=True):
    """Something that a guard of the switch's safety wants known: a line for the security log. `source` is an address,
    `account` who it says to be (both may be empty)."""

    event: str
    at: Instant
    source: str
    account: str
    reason: str
    number: str = ""


class Ban(msgspec.Struct, frozen=True):
    """Nothing is to be taken from `host` for so long."""

    host: str
    seconds: float
    reason: str


class Alarmed(msgspec.Struct, frozen=True):
    """The alarm `name` stands, for the reason `text`, or is over (empty)."""

    name: str
    text: str
    at: Instant


class Drained(msgspec.Struct, frozen=True):
    """After `Drain`: the last call has ended."""

    at: Instant


class Recovered(msgspec.Struct, frozen=True):
    """Nothing of an earlier control process is left to be decided."""


class AddressLearned(msgspec.Struct, frozen=True):
    """A carrier saw what we sent by `listener` come from there: our address outside a NAT (RFC 3581). `port` 0: the
    port says nothing. `Readdressed` follows when that is new."""

    listener: int
    host: str
    port: int


Effect: TypeAlias = (
    Send
    | ToMedia
    | Save
    | Log
    | Alarmed
    | Drained
    | Recovered
    | AskHook
    | VerifyCaller
    | DeleteRecording
    | RemoveFile
    | Security
    | Ban
    | AddressLearned
)
