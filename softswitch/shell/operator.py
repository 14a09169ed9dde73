"""What an operator may ask of a running switch, and order; the HTTP API and in-process views stand on it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Literal, Protocol

from softswitch.acd.reports import Question
from softswitch.acd.tally import Spreads
from softswitch.acd.why import AgentStory, CallStory
from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import PeerError
from softswitch.services.alarms import Alarms
from softswitch.services.certificates import Certificate
from softswitch.services.keeper import Keeper
from softswitch.services.recordings import Recordings
from softswitch.services.reporting import Reporter
from softswitch.services.store import Store
from softswitch.shell.bus import Bus
from softswitch.shell.driver import Core, Driver
from softswitch.shell.gate import Gate, source_key
from softswitch.shell.live_changes import LiveChanges, LiveViews
from softswitch.shell.security import SecurityLog
from softswitch.shell.trace import TraceRow, ladder
from softswitch.switch.events import (
    AgentCommand,
    AskCallback,
    CancelCallback,
    ConferenceCommand,
    DeleteMessage,
    DialCommand,
    HangUpCall,
    LetIn,
    OutcomeCommand,
    PhoneCommand,
    RecordingCommand,
    ResyncPhone,
    SuperviseCommand,
    TransferCommand,
    WrapUpCommand,
)
from softswitch.switch.quality import Distribution
from softswitch.switch.records import SavedMessage
from softswitch.switch.settings import Settings, Supervising
from softswitch.switch.status import midnight_before
from softswitch.switch.views import (
    AgentRow,
    CallbackRow,
    CallView,
    ConferenceRow,
    InvariantRow,
    LockRow,
    MailboxRow,
    PhoneRow,
    QueueRow,
    RegistrationRow,
    Status,
    TrunkRow,
    WaitingRow,
)

RecordingVerb = Literal["start", "pause", "resume"]
TransferVerb = Literal["blind", "consult", "join", "complete", "cancel", "three_way"]
Verb = Literal["login", "logout", "pause", "ready"]


class Views(LiveViews, Protocol):
    """What a core shows of itself (`switch.status.Desk`)."""

    @property
    def quality(self) -> Distribution:
        """How well ended legs fared."""

    def histograms(self) -> Mapping[str, Spreads]:
        """How waits, rings, talks and wrap-ups are spread, by queue."""

    def status(self, now: Instant) -> Status:
        """The switch in one glance."""

    def calls(self, now: Instant) -> Sequence[CallView]:
        """The live calls."""

    def call(self, id: str, now: Instant) -> CallView | None:
        """One live call."""

    def conferences(self) -> Sequence[ConferenceRow]:
        """Those that somebody is in."""

    def check_dial(self, order: DialCommand, now: Instant) -> None:
        """Raises `PeerError` when the call cannot be begun."""

    def check_conference(self, order: ConferenceCommand, now: Instant) -> None:
        """Raises `PeerError` when the order cannot be carried out."""

    def check_supervision(self, target: str, mode: Supervising, phone: str, follow: bool) -> str:
        """The agent; raises `PeerError` when the supervisor may not, or cannot."""

    def check_transfer(self, call: str, verb: str, target: str) -> None:
        """Raises `PeerError` when the order cannot be carried out."""

    def knows(self, host: str, now: Instant) -> bool:
        """Whether that address is a trunk's, a phone's, or somebody's with a password."""

    def locked(self, now: Instant) -> Sequence[LockRow]:
        """Who is not listened to after wrong passwords."""

    def spent(self, now: Instant) -> Mapping[str, float]:
        """What calls out have cost today, by party."""

    def invariants(self) -> Sequence[InvariantRow]:
        """What is true of the ACD at any time, and how often it had to be repaired today."""

    def why_call(self, id: str, now: Instant) -> Sequence[CallStory]:
        """A call's stays in queues, with every offer and skip."""

    def why_agent(self, name: str, now: Instant) -> AgentStory | None:
        """An agent's offers, and why it does not have the calls that wait."""

    def agents(self, now: Instant) -> Sequence[AgentRow]:
        """All agents."""

    def outcome_refusal(self, agent: str, call: str, code: str) -> str:
        """Why the agent cannot note that outcome; empty when it can."""

    def pause_refusal(self, reason: str) -> str:
        """Why nobody can pause for that reason; empty when one can."""

    def queues(self, now: Instant) -> Sequence[QueueRow]:
        """All queues."""

    def waiting(self, queue: str, now: Instant) -> Sequence[WaitingRow]:
        """Who waits in a queue, in order."""

    def callbacks(self, now: Instant) -> Sequence[CallbackRow]:
        """Call-backs to come."""

    def callback_refusal(self, queue: str, number: str) -> str:
        """Why the number cannot be called back from the queue; empty when it can."""

    def trunks(self, now: Instant) -> Sequence[TrunkRow]:
        """All trunks."""

    def mailboxes(self) -> Sequence[MailboxRow]:
        """All mailboxes."""

    def messages(self, box: str) -> Sequence[SavedMessage]:
        """The messages in a mailbox."""

    def reachable(self, phone: str, now: Instant) -> int:
        """At how many contacts the phone can be told something; raises `PeerError` 404."""

    def registrations(self, now: Instant) -> Sequence[RegistrationRow]:
        """All registrations."""

    def phones(self, now: Instant) -> Sequence[PhoneRow]:
        """All phones."""

    def check_phone(self, phone: str, what: str, value: object, now: Instant) -> None:
        """Raises `PeerError` when that cannot be set."""


class SwitchCore(Core, Protocol):
    """A core that can be looked at (`switch.switch.Switch`)."""

    @property
    def desk(self) -> Views:
        """Its views."""


@dataclass(frozen=True, slots=True)
class Counters:
    """What the shell has counted since start, for `/metrics`. `kept_out`: messages that the gate did not take, by why;
    `security`: events by name; `bans` and lock-outs
    (`locked`): those that stand."""

    messages_in: int
    messages_out: int
    bad_messages: int
    junk: int
    faults: int
    dropped_datagrams: int
    tcp_connections: int
    tcp_refused: int
    tls_failures: int
    websockets_refused: int
    connections_timed_out: int
    rows_written: int
    rows_waiting: int
    rows_dropped: int
    trace_bytes: int
    kept_out: dict[str, int] = field(default_factory=dict)
    security: dict[str, int] = field(default_factory=dict)
    bans: int = 0
    locked: int = 0


class Operator:
    """`reload` returns what changed, in lines; it raises `ConfigurationError`. `drain` returns at once."""

    def __init__(
        self,
        views: Views,
        driver: Driver,
        store: Store,
        recordings: Recordings,
        bus: Bus,
        keeper: Keeper,
        alarms: Alarms,
        *,
        reload: Callable[[], Awaitable[list[str]]],
        drain: Callable[[], None],
        counters: Callable[[], Counters],
        settings: Callable[[], Settings],
        live: LiveChanges,
        gate: Gate,
        security: SecurityLog,
        reporter: Reporter,
        certificate: Callable[[], Certificate | None],
    ) -> None:
        self.views = views
        self.store = store
        self.recordings = recordings
        self.bus = bus
        self.keeper = keeper
        self.alarms = alarms
        self.reload = reload
        self.drain = drain
        self.counters = counters
        self.certificate = certificate
        self._driver = driver
        self._settings = settings
        self.live = live
        self.gate = gate
        self.security = security
        self._reporter = reporter

    @property
    def settings(self) -> Settings:
        """The configuration as it is now."""
        return self._settings()

    @property
    def midnight(self) -> Instant:
        """When today began in the server's time zone."""
        return midnight_before(self.now, self.settings.server.timezone)

    async def report(self, question: Question) -> bytes:
        """The report as JSON, with everything up to now in it. Raises `LocalError`."""
        await self.store.writer.flush()
        return await self._reporter.make(question)

    @property
    def now(self) -> Instant:
        """The switch's clock."""
        return self._driver.clock()

    def status(self) -> Status:
        """The switch in one glance."""
        return self.views.status(self.now)

    def hang_up(self, call: str) -> bool:
        """End a live call; False when there is none of that id."""
        if self.views.call(call, self.now) is None:
            return False
        self._driver.give(HangUpCall(call))
        return True

    def dial(self, party: str, to: str, by: str, token: str, *, auto_answer: bool = False) -> CallView | None:
        """Have a phone's user call: the phone is rung, then `to`. The call (None: it has ended already). Raises
        `PeerError` (403, 404, 409, 422, 503)."""
        order = DialCommand(f"{int(self.now):x}{token_hex(5)}", party, to, token, auto_answer, by)
        refusal = None
        try:
            self.views.check_dial(order, self.now)
        except PeerError as error:
            refusal = error
        self._driver.give(order)  # a refused one, too: the refusal belongs into ledger and security log
        if refusal is not None:
            raise refusal
        return self.views.call(order.id, self.now)

    def record(self, call: str, verb: RecordingVerb, by: str, reason: str = "") -> CallView | None:
        """Begin the recording of a live call, pause it, or let it go on; how the call is then, None when there is none
        of that id. Raises `PeerError` 409 when it is not being recorded."""
        view = self.views.call(call, self.now)
        if view is None:
            return None
        self._driver.give(RecordingCommand(call, verb, by, reason))
        after = self.views.call(call, self.now)
        if after is not None and (
            not (after.recording or after.recording_server) or (verb == "pause" and not after.recording_paused)
        ):
            raise PeerError(f"call {call} is not being recorded", status=409)
        return after

    def transfer(self, call: str, verb: TransferVerb, target: str, by: str) -> CallView | None:
        """Pass a live call on; how it is then (None: it has ended). Raises `PeerError` (404, 409, 422)."""
        self.views.check_transfer(call, verb, target)
        self._driver.give(TransferCommand(call, verb, target, by))
        return self.views.call(call, self.now)

    def supervise(self, target: str, mode: Supervising, phone: str, follow: bool, by: str) -> str:
        """Ring the supervisor's phone, or change what the supervisor does; the agent's name. Raises `PeerError` (403,
        404, 409)."""
        agent = self.views.check_supervision(target, mode, phone, follow)
        self._driver.give(SuperviseCommand(agent, mode, phone, follow, by))
        return agent

    def conference(self, order: ConferenceCommand) -> ConferenceRow | None:
        """Do something in a conference; how it is then (None: nobody is in it any more, or yet). Raises `PeerError`
        (404, 409, 422, 503)."""
        self.views.check_conference(order, self.now)
        self._driver.give(order)
        return next((row for row in self.views.conferences() if row.name == order.conference), None)

    def ask_callback(self, queue: str, number: str, by: str = "operator", head_start: float = 0.0) -> CallbackRow:
        """Have a customer called back; the one to come. Raises `PeerError` 422 when that may not be."""
        refusal = self.views.callback_refusal(queue, number)
        if refusal:
            raise PeerError(refusal, status=422)
        self._driver.give(AskCallback(queue, number, by, head_start))
        for row in self.views.callbacks(self.now):
            if (row.queue, row.number) == (queue, number):
                return row
        raise PeerError(f"{number} could not be called back", status=409)

    def cancel_callback(self, id: str, by: str = "operator") -> bool:
        """Give a call-back up; False when there is none of that id."""
        if all(row.id != id for row in self.views.callbacks(self.now)):
            return False
        self._driver.give(CancelCallback(id, by))
        return True

    def agent(self, name: str) -> AgentRow | None:
        """One agent."""
        return next((row for row in self.views.agents(self.now) if row.name == name), None)

    def command_agent(
        self, name: str, verb: Verb, reason: str = "", by: str = "operator", phone: str = ""
    ) -> AgentRow | None:
        """Set an agent's state (`phone`: log in there); what it is then, or None when there is no such agent. Raises
        `PeerError` 409 when the agent cannot log in there, or there is no such reason for a pause."""
        if self.agent(name) is None:
            return None
        if verb == "login" and (refusal := self.views.seat_refusal(name, phone, self.now)):
            raise PeerError(refusal, status=409)
        if verb == "pause" and (refusal := self.views.pause_refusal(reason)):
            raise PeerError(refusal, status=409)
        self._driver.give(AgentCommand(name, verb, reason, by, phone))
        return self.agent(name)

    def wrap_up(self, name: str, seconds: float, by: str = "operator") -> AgentRow | None:
        """Let an agent's wrap-up end in so many seconds. Raises `PeerError` 409 when it is not in wrap-up."""
        row = self.agent(name)
        if row is None:
            return None
        if row.state != "wrap-up":
            raise PeerError(f"agent {name} is not in wrap-up", status=409)
        self._driver.give(WrapUpCommand(name, seconds, by))
        return self.agent(name)

    def outcome(self, name: str, call: str, code: str, by: str = "operator") -> bool | None:
        """Note what came of a call that the agent has or wraps up (`call` empty: the one at hand); None when there is
        no such agent. Raises `PeerError` 409 when it has none such, or the queue knows no such code."""
        if self.agent(name) is None:
            return None
        refusal = self.views.outcome_refusal(name, call, code)
        if refusal:
            raise PeerError(refusal, status=409)
        self._driver.give(OutcomeCommand(name, call, code, by))
        return True

    def set_phone(self, name: str, what: str, value: str | bool | None, by: str = "operator") -> PhoneRow:
        """Set a forwarding (a target or a number; empty: off), `dnd` or `call_waiting` of a phone; None: as the
        settings say. How the phone is then. Raises `PeerError` (404, 422)."""
        self.views.check_phone(name, what, value, self.now)
        self._driver.give(PhoneCommand(name, what, value, by))
        return next(row for row in self.views.phones(self.now) if row.name == name)

    def let_in(self, address: str) -> bool:
        """Lift the ban of an address and its lock-outs; False when there is neither. Raises `ValueError` on what is no
        address."""
        key = source_key(address, strict=True)
        locked = {row.address for row in self.views.locked(self.now) if source_key(row.address) == key}
        for host in locked | {key.partition("/")[0]}:
            self._driver.give(LetIn(host))
        return self.gate.unban(address) or bool(locked)

    def resync(self, phone: str) -> int:
        """Ask the phone to fetch its configuration anew; at how many contacts. Raises `PeerError` 404, and 409 when it
        is not registered."""
        found = self.views.reachable(phone, self.now)
        if not found:
            raise PeerError(f"phone {phone} is not registered", status=409)
        self._driver.give(ResyncPhone(phone))
        return found

    def delete_message(self, box: str, path: str, by: str = "operator") -> bool:
        """Delete a message from a mailbox; False when there is none of that path."""
        if all(message.path != path for message in self.views.messages(box)):
            return False
        self._driver.give(DeleteMessage(box, path, by))
        return True

    async def trace(self, id: str) -> list[TraceRow]:
        """The SIP messages of a call (live or ended), or of one SIP Call-ID; empty when none are remembered."""
        call = self.views.call(id, self.now)
        if call is not None:
            call_ids = {leg.sip_call_id for leg in call.legs}
        else:
            record, _ = await self.store.call(id)
            call_ids = {leg.call_id for leg in record.legs} if record is not None else {id}
        return await asyncio.to_thread(ladder, self._driver.trace.snapshot(), call_ids)
