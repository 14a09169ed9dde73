"""What calls need of the switch around them: user agent, fabric, ACD, prompts, ledger and log.

Whatever a call does ends up in one of two places: the outbox (effects for the shell) or the list of user-agent
outputs that the switch works off before it returns.
"""

from collections import deque
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Literal

from softswitch.acd.engine import Engine
from softswitch.acd.model import AcdEffect, AcdEvent, DeviceBusy, DeviceReachable, Fact, OfferId, Reconfigured
from softswitch.acd.strategies import FindStrategy, built_in
from softswitch.call.fabric import Fabric
from softswitch.kernel.clock import Instant
from softswitch.kernel.deadlines import Deadlines
from softswitch.kernel.errors import LocalError
from softswitch.sip.events import Output
from softswitch.sip.flow import Addressing, Flow
from softswitch.sip.screening import Refusal
from softswitch.sip.session_terms import OPTIONS
from softswitch.sip.user_agent import UserAgent
from softswitch.switch.added_streams import AddedStreams
from softswitch.switch.admission import Admission
from softswitch.switch.callbacks import Callbacks
from softswitch.switch.conferences import Conferences
from softswitch.switch.customers import Customers, LastAgents
from softswitch.switch.defence import Defence
from softswitch.switch.dial_plan import Calendar, DialPlan
from softswitch.switch.dialog_names import DialogNames
from softswitch.switch.directory import Directory
from softswitch.switch.events import Effect, Log, Save
from softswitch.switch.faxing import Faxes
from softswitch.switch.guards import Guards
from softswitch.switch.hooks import Hooks
from softswitch.switch.mailboxes import Mailboxes
from softswitch.switch.next_hops import NextHops, as_written
from softswitch.switch.parking import Parked
from softswitch.switch.phones import Phones
from softswitch.switch.pin_locks import PinLocks
from softswitch.switch.provenance import Provenance
from softswitch.switch.recording import RunningRecording
from softswitch.switch.registrations import Registrations
from softswitch.switch.seats import Seats, sit
from softswitch.switch.settings import Settings
from softswitch.switch.siprec import RecordingServers
from softswitch.switch.stir import Sign, no_key
from softswitch.switch.subscriptions import Subscriptions
from softswitch.switch.supervision import Supervision
from softswitch.switch.targets import SECTIONS, Target, parse_target
from softswitch.switch.trunks import Trunks
from softswitch.switch.wishes import most_skilled
from softswitch.wire.control import FileItem, PlayItem
from softswitch.wire.sip import Request, Uri

if TYPE_CHECKING:
    from softswitch.switch.call import Call

# name, language -> path of the sound file. Raises `LocalError` when there is none.
LogLevel = Literal["debug", "info", "warning", "error"]
FindPrompt = Callable[[str, str], str]


class Office:
    """Shared by all calls; owns nothing of a single call."""

    def __init__(
        self,
        settings: Settings,
        addressing: Addressing,
        find_prompt: FindPrompt,
        dice: Random,
        now: Instant,
        vault: Random | None = None,
        find_strategy: FindStrategy = built_in,
    ) -> None:
        self.settings = settings
        self.seats = Seats(settings)
        self.addressing = addressing
        self.dice = dice
        self.secret = (vault or dice).randbytes(32)  # of what we give out and recognise later
        self.ua = UserAgent(addressing, dice, supported=(*OPTIONS, "gruu", "outbound", "path"), judge=self._judge)
        self.fabric = Fabric(now, vault or dice)
        self.engine = Engine(settings.queues, settings.agents, now, dice, settings.acd, find_strategy)
        self.outbox: list[Effect] = []
        self.outputs: deque[Output] = deque()
        self.decisions: deque[AcdEffect] = deque()
        self.deadlines: Deadlines[str] = Deadlines()
        self.offers: dict[OfferId, str] = {}
        self.calls: dict[str, Call] = {}  # the live ones
        self.recordings: dict[int, RunningRecording] = {}  # by recorder
        self.dictations: dict[int, str] = {}  # calls in which something is dictated, by recorder
        self.recording_refusal = ""  # why no new recording may begin
        self.ended: list[Call] = []  # over since the switch looked last
        self.hooks = Hooks(self)
        self.customers = Customers()
        self.last_agents = LastAgents(settings.acd.remember_days * 86400)
        self._most_skilled: dict[str, dict[str, int]] = {}
        self.calendar = Calendar(settings)
        self.plan = DialPlan(settings, self.calendar)
        self.phones = Phones(self)
        self.parked = Parked(settings)
        self.next_hops = NextHops(settings.sip.listen, addressing, dice)
        self.directory = Directory(settings, self)
        self.guards = Guards(settings, self)
        self.defence = Defence(settings, self)
        self.registrations = Registrations(settings, self)
        self.trunks = Trunks(settings, self, now)
        self.admission = Admission(settings, self)
        self.provenance = Provenance(self)
        self.supervision = Supervision(self)
        self.pins = PinLocks(self)
        self.conferences = Conferences(self)
        self.callbacks = Callbacks(self)
        self.subscriptions = Subscriptions(settings, self)
        self.dialog_names = DialogNames(vault or dice)
        self.mailboxes = Mailboxes(self)
        self.recording_servers = RecordingServers(self)
        self.faxes = Faxes(self)
        self.added_streams = AddedStreams(self)
        self.parked.told = self.subscriptions.parked
        self._find_prompt = find_prompt
        self.sign: Sign = no_key
        self.tally: Callable[[Fact], None] = _untold  # the live numbers

    def _judge(self, session: int, request: Request, flow: Flow, now: Instant) -> Refusal | None:
        return self.provenance.objects_to(session, request, flow, now)

    def configure(self, settings: Settings, now: Instant) -> None:
        """New settings for what comes; calls go on under those they began with, where they hold them."""
        self.next_hops.configure(self.settings, settings)
        settings = self.settings = self.seats.over(settings)
        self.calendar = Calendar(settings)
        self.plan = DialPlan(settings, self.calendar)
        self.parked.configure(settings)
        self.directory = Directory(settings, self)
        self.guards.configure(settings)
        self.defence.configure(settings)
        self.registrations.configure(settings)
        self.trunks.configure(settings, now)
        self.admission.configure(settings)
        self._take(now)
        self.supervision.configured(now)
        self.subscriptions.configure(settings, now)
        self.recording_servers.configure(now)

    def retune(self, settings: Settings, now: Instant) -> None:
        """Other settings of queues and agents, and nothing else that is new."""
        self.settings = self.seats.over(settings)
        self.directory.reseat(self.settings)
        self._take(now)

    def sit(self, agent: str, phone: str, by: str, now: Instant) -> str:
        """Log an agent in at `phone` (empty: at its own); why not, or nothing."""
        return sit(self, agent, phone, by, now)

    def reseat(self) -> None:
        """Agents may sit elsewhere than before."""
        self.settings = self.seats.seated()
        self.directory.reseat(self.settings)

    def _take(self, now: Instant) -> None:
        settings = self.settings
        self.last_agents.seconds = settings.acd.remember_days * 86400
        self._most_skilled.clear()
        self.acd(Reconfigured(settings.queues, settings.agents, settings.acd), now)

    def most_skilled(self, queue: str) -> dict[str, int]:
        """The highest proficiency by skill among the agents of a queue."""
        most = self._most_skilled.get(queue)
        if most is None:
            most = self._most_skilled[queue] = most_skilled(self, queue)
        return most

    def there(self, target: str) -> bool:
        """Whether `target` is one, and what it names is configured."""
        try:
            parsed = parse_target(target)
        except LocalError:
            return False
        section = SECTIONS.get(parsed.kind)
        return section is None or parsed.name in getattr(self.settings, section)

    def drive(self, outputs: list[Output]) -> None:
        """Outputs of the user agent, to be worked off in order."""
        self.outputs.extend(outputs)

    def acd(self, event: AcdEvent, now: Instant) -> None:
        """Tell the ACD; what it decides is worked off in order."""
        self.decisions.extend(self.engine.receive(event, now))

    # ------------------------------------------------------------------------------------- what the ACD knows of phones

    def tell_busy(self, phone: str, now: Instant) -> None:
        """Tell the ACD how many calls keep the agents of `phone` busy that it did not give to that very agent."""
        for agent in self.directory.agents_of_phone.get(phone, ()):
            self.acd(DeviceBusy(agent, self._own_calls(agent)), now)

    def _own_calls(self, agent: str) -> int:
        """Calls at the agent's phones that are not this agent's from the ACD."""
        parties, agents_of_phone = self.fabric.parties, self.directory.agents_of_phone
        devices = self.settings.agents[agent].devices
        others = {other for phone in devices for other in agents_of_phone[phone] if other != agent}
        return sum(parties[f"phone:{phone}"] for phone in devices) + sum(parties[f"agent:{other}"] for other in others)

    def tell_reachable(self, phone: str, now: Instant) -> None:
        """Tell the ACD whether the agents of `phone` can be rung, at this or another of their phones."""
        reachable = self.takes_calls(phone, now)
        self.subscriptions.reachable(phone, now)
        for agent in self.directory.agents_of_phone.get(phone, ()):
            devices = self.settings.agents[agent].devices
            anywhere = reachable or any(self.takes_calls(other, now) for other in devices)
            self.acd(DeviceReachable(agent, anywhere), now)

    def takes_calls(self, phone: str, now: Instant) -> bool:
        """Whether the phone can be rung, and may be."""
        return self.registrations.reachable(phone, now) and not self.phones.dnd(phone)

    def fact(self, kind: str, now: Instant, call: str = "", **data: object) -> None:
        """One line of the ledger."""
        self.note(Fact(kind, now, call, data=data))

    def note(self, fact: Fact) -> None:
        """A fact goes into the ledger and into the live numbers, once each."""
        self.tally(fact)
        self.outbox.append(Save(fact))

    def log(self, level: LogLevel, event: str, **fields: object) -> None:
        """One line of the operator's log."""
        self.outbox.append(Log(level, event, fields))

    def flow_to(self, uri: Uri) -> Flow:
        """The flow for requests to an address of the configuration. Names are resolved by the shell."""
        return self.next_hops.flow(as_written(uri))

    def closed_target(self, target: str | None) -> Target:
        """Where calls go outside opening hours."""
        return parse_target(target or "play:closed")

    def sound(self, name: str) -> str:
        """The path of a sound file that may be there or not; empty: it is not."""
        try:
            return self._find_prompt(name, self.settings.server.language)
        except LocalError:
            return ""

    def prompts(self, names: tuple[str, ...], language: str) -> tuple[PlayItem, ...]:
        """The sound files of these prompts; one that is missing is left out, loudly: silence beats a dropped call."""
        items: list[PlayItem] = []
        for name in names:
            try:
                items.append(FileItem(self._find_prompt(name, language)))
            except LocalError as error:
                self.log("error", "prompt missing", prompt=name, language=language, error=str(error))
        return tuple(items)


def _untold(fact: Fact) -> None:
    """Nobody counts yet."""
