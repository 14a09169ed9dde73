"""A site in virtual time: one `Switch`, phones and a carrier made of the same SIP core, a media process that only
answers. No socket, no clock: `Site.run` moves the time from deadline to deadline."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import msgspec

from softswitch.kernel.clock import Instant
from softswitch.sip.digest import Credentials
from softswitch.sip.events import (
    Accepted,
    Cancelled,
    Confirmed,
    Ended,
    InDialog,
    Invitation,
    Invited,
    Output,
    Progressed,
    Reinvited,
    Rejected,
    Requested,
    Responded,
    SipEvent,
)
from softswitch.sip.flow import Flow, Send
from softswitch.sip.offer_answer import Capabilities, answer, make_offer
from softswitch.sip.session_terms import OPTIONS, PLAIN
from softswitch.sip.user_agent import ALLOW, UserAgent
from softswitch.switch.events import (
    AddressLearned,
    Alarmed,
    Arrived,
    AskHook,
    Ban,
    Drain,
    Effect,
    Log,
    Recovered,
    RemoveFile,
    Reported,
    Save,
    Security,
    SwitchEvent,
    ToMedia,
    VerifyCaller,
)
from softswitch.switch.settings import Settings
from softswitch.switch.switch import Switch
from softswitch.wire import control
from softswitch.wire.sip import Headers, Request, Uri, parse

HOST = "192.0.2.1"
START: Instant = 1_800_000_000.0


class At:
    """Addressing of one party with one address."""

    def __init__(self, host: str, port: int) -> None:
        self.address = (host, port)

    def signalling(self, flow: Flow) -> tuple[str, int]:
        return self.address

    def media(self, remote_host: str) -> str:
        return self.address[0]

    def source(self, remote_host: str) -> str:
        return self.address[0]

    def reliable(self, flow: Flow) -> Flow | None:
        return None


class MediaProcess:
    """Answers commands as the media process would, and remembers what lives."""

    def __init__(self, slots: int = 500) -> None:
        self.pid = 4242
        self.codecs = ("PCMU", "PCMA", "G722", "opus", "L16", "L16/8000")
        self.free = [control.Slot(number, 20000 + 2 * number) for number in range(slots)]
        self.legs: dict[int, control.LegSpec] = {}
        self.slot_of: dict[int, int] = {}
        self.edges: set[tuple[int, int, int]] = set()
        self.players: dict[int, control.Play] = {}
        self.recorders: dict[int, str] = {}
        self.played: list[tuple[str, ...]] = []
        self.digits: list[tuple[int, str]] = []
        self.rooms: dict[int, dict[int, tuple[float, float]]] = {}  # members with what they speak and hear
        self.speech = control.SpeechFacts(60.0, 20.0, 2.0, 1.0, 50.0, 9, 3, -18.04, 1.0, -60.0)

    def ready(self) -> control.Ready:
        free = tuple(slot for slot in self.free if slot.slot not in self.slot_of.values())
        return control.Ready(control.VERSION, self.pid, "test", self.codecs, free, len(self.free))

    def perform(self, command: control.Command) -> list[control.Report]:
        match command:
            case control.OpenLeg(leg, slot, spec):
                assert slot not in self.slot_of.values(), "two legs on one port"
                self.legs[leg] = spec
                self.slot_of[leg] = slot
            case control.UpdateLeg(leg, spec):
                assert leg in self.legs, "update of a leg that is not open"
                self.legs[leg] = spec
            case control.CloseLeg(leg):
                heard = self.speech if self.legs.pop(leg).listen & control.LISTEN_SPEECH else None
                slot = self.slot_of.pop(leg)
                self.edges = {edge for edge in self.edges if leg not in edge[:2]}
                self._leave_rooms(leg)
                stats = msgspec.structs.replace(self.figures(leg), speech=heard)
                return [control.LegClosed(leg, stats), control.Grown((control.Slot(slot, 20000 + 2 * slot),))]
            case control.Connect(edges):
                for edge in edges:
                    assert edge.source in self.legs or edge.source in self.players, "edge from nowhere"
                    assert edge.sink in self.legs or edge.sink in self.recorders, "edge to nowhere"
                    self.edges.add((edge.source, edge.sink, edge.channel))
            case control.Disconnect(edges):
                for edge in edges:
                    self.edges.discard((edge.source, edge.sink, edge.channel))
            case control.Play(player, items):
                self.players[player] = command
                self.played.append(tuple(item.path if isinstance(item, control.FileItem) else "tone" for item in items))
            case control.StopPlay(player):
                self._leave_rooms(player)
                if self.players.pop(player, None) is not None:
                    return [self._done(player, "stopped")]
            case control.Record(recorder, path):
                self.recorders[recorder] = path
            case control.StopRecord(recorder):
                path = self.recorders.pop(recorder)
                self._leave_rooms(recorder)
                self.edges = {edge for edge in self.edges if edge[1] != recorder}
                return [control.RecordDone(recorder, path, "stopped", 8000)]
            case control.OpenRoom(room):
                self.rooms[room] = {}
            case control.JoinRoom(room, member, speak, hear):
                assert member in (*self.legs, *self.players, *self.recorders), "nobody joins a room"
                self.rooms[room][member] = (speak, hear)
            case control.LeaveRoom(room, member):
                self.rooms[room].pop(member, None)
            case control.CloseRoom(room):
                del self.rooms[room]
            case control.SendDigits(leg, digits):
                self.digits.append((leg, digits))
            case control.AskStats(asked, process_only):
                told = [] if process_only else [self.figures(leg) for leg in asked or self.legs if leg in self.legs]
                legs, players, recorders = len(self.legs), len(self.players), len(self.recorders)
                return [*told, control.WorkerStats(legs, players, recorders, 1000, 3, 5, 5, 1, 0.5)]
            case control.AskInventory():
                return [
                    control.Inventory(tuple(self.legs), tuple(self.players), tuple(self.recorders), tuple(self.rooms))
                ]
        return []

    def figures(self, leg: int) -> control.LegStats:
        """A stream that lost 2 % and hears the peer say that it is heard worse."""
        lost = {"lost": 2, "expected": 102, "max_jitter_ms": 7.0, "remote_loss": 0.05, "remote_mos": 3.9}
        values = {"received": 100, "received_bytes": 17200, "sent": 100, "sent_bytes": 17200, "late": 0, "duplicate": 0}
        path = {"rejected": 0, "jitter_ms": 0.5, "remote_lost": 5, "remote_jitter_ms": 0.5, "round_trip_ms": 12.0}
        return control.LegStats(leg, **lost, **values, **path, mos=4.2)

    def finish(self, player: int) -> control.Report:
        """A player has come to its end."""
        del self.players[player]
        self._leave_rooms(player)
        return self._done(player, "end")

    def _done(self, player: int, cause: str) -> control.Report:
        self.edges = {edge for edge in self.edges if edge[0] != player}
        return control.PlayDone(player, cause, 1000)

    def _leave_rooms(self, member: int) -> None:
        for members in self.rooms.values():
            members.pop(member, None)

    def lose_everything(self) -> None:
        """It died, and another one began."""
        self.pid += 1
        for held in (self.legs, self.slot_of, self.edges, self.players, self.recorders, self.rooms):
            held.clear()

    def hears(self, leg: int) -> set[int]:
        return {source for source, sink, _ in self.edges if sink == leg}


@dataclass
class Line:
    """One session at a party."""

    session: int
    state: str = "new"
    status: int = 0
    sdp: bytes = b""
    offer: bytes = b""
    request: Request | None = None
    events: list[SipEvent] = field(default_factory=list)


class Party:
    """A phone or a carrier. `on_invite` decides what it does with a call: `ring`, `answer`, a status, or nothing."""

    def __init__(self, site: "Site", name: str, host: str, port: int = 5060, password: str | None = None) -> None:
        self.site = site
        self.name = name
        self.remote = (host, port)
        self.flow = Flow("udp", (HOST, 5060))
        self.scheme = "sip"
        self.ua = UserAgent(
            At(host, port), Random(f"{name}@{host}:{port}"), None, (*ALLOW, "NOTIFY"), (*OPTIONS, "siprec")
        )
        self.terms = PLAIN
        self.credentials = Credentials(name, password) if password else None
        self.lines: dict[int, Line] = {}
        self.on_invite: str | int = "answer"
        self.answers: dict[str, int] = {}
        self.responses: list[int] = []
        self.registered_contact = ""
        self.codecs: tuple[str, ...] = ("PCMA", "PCMU")
        self.to_answer: Callable[[bytes], bytes] = lambda offer: answer(offer, self.caps(), 1, 1)[0]
        site.parties[self.remote] = self

    # what a user does

    def register(self, expires: int = 600) -> None:
        headers = Headers()
        headers.add("From", f"<sip:{self.name}@pbx.test>")
        headers.add("To", f"<sip:{self.name}@pbx.test>")
        headers.add("Contact", f"<sip:{self.name}@{self.remote[0]}:{self.remote[1]}>")
        headers.add("Expires", str(expires))
        request = Request("REGISTER", Uri.parse("sip:pbx.test"), headers)
        _, outputs = self.ua.request(request, self.flow, self.site.now, self.credentials)
        self.perform(outputs)
        self.site.settle()

    def caps(self, *codecs: str) -> Capabilities:
        return Capabilities(codecs or self.codecs, True, self.remote[0], 4000)

    def call(
        self, number: str, *, sdp: bool | bytes = True, headers: tuple[tuple[str, str], ...] = (), hops: int = 70
    ) -> Line:
        offer = make_offer(self.caps(), 1, 1) if sdp is True else sdp or b""
        invitation = Invitation(
            f"{self.scheme}:{number}@{HOST}", f"<sip:{self.name}@{self.remote[0]}>", f"<sip:{number}@{HOST}>",
            body=offer, credentials=self.credentials, contact_user=self.name, headers=headers, max_forwards=hops,
            terms=self.terms,
        )  # fmt: skip
        session, outputs = self.ua.invite(invitation, self.flow, self.site.now)
        line = Line(session, "calling", offer=offer)
        self.lines[session] = line
        self.perform(outputs)
        self.site.settle()
        return line

    def answer(self, line: Line) -> None:
        offered = line.request.body if line.request is not None else b""
        line.sdp = self.to_answer(offered) if offered else make_offer(self.caps(), 1, 1)
        line.state = "up"
        self.perform(self.ua.accept(line.session, line.sdp, self.site.now))
        self.site.settle()

    def early(self, line: Line, status: int = 183) -> None:
        assert line.request is not None
        line.sdp = self.to_answer(line.request.body)
        self.perform(self.ua.ring(line.session, status, self.site.now, body=line.sdp))
        self.site.settle()

    def reject(self, line: Line, status: int, headers: tuple[tuple[str, str], ...] = ()) -> None:
        line.state = "over"
        self.perform(self.ua.reject(line.session, status, self.site.now, headers=headers))
        self.site.settle()

    def hang_up(self, line: Line) -> None:
        line.state = "over"
        self.perform(self.ua.hang_up(line.session, self.site.now))
        self.site.settle()

    def reoffer(self, line: Line, sdp: bytes) -> None:
        self.perform(self.ua.reinvite(line.session, sdp, self.site.now))
        self.site.settle()

    def hold(self, line: Line, version: int = 2) -> None:
        self.reoffer(line, make_offer(self.caps(), 1, version, hold=True))

    def resume(self, line: Line, version: int = 3) -> None:
        self.reoffer(line, make_offer(self.caps(), 1, version))

    def info(self, line: Line, digit: str) -> None:
        body = f"Signal={digit}\r\nDuration=160\r\n".encode()
        now = self.site.now
        self.perform(self.ua.send_in_dialog(line.session, "INFO", now, body, "application/dtmf-relay"))
        self.site.settle()

    # what the core says

    def perform(self, outputs: list[Output]) -> None:
        for output in outputs:
            if isinstance(output, Send):
                self.site.wire.append((self.remote, output.flow.remote, output.data))
            else:
                self._happened(output)

    def _happened(self, event: SipEvent) -> None:
        now = self.site.now
        match event:
            case Invited(session, request):
                line = self.lines[session] = Line(session, "ringing", request=request)
                assert self.ua.adopt(session, self.terms) is None
                if isinstance(self.on_invite, int):
                    line.state = "over"
                    self.perform(self.ua.reject(session, self.on_invite, now))
                elif self.on_invite != "silent":
                    self.perform(self.ua.ring(session, 180, now))
                    if self.on_invite == "answer":
                        self.site.later.append(lambda: self.answer(line) if line.state == "ringing" else None)
                return
            case Requested(tx, request):
                headers: tuple[tuple[str, str], ...] = ()
                if request.method == "REGISTER":
                    self.registered_contact = request.contacts[0].uri.username
                    headers = (("Contact", f"<{request.contacts[0].uri}>;expires=300"),)
                self.perform(self.ua.respond(tx, 200, now, headers=headers))
                return
            case InDialog(session, tx):
                self.perform(self.ua.respond(tx, 200, now))
            case Responded(_, response):
                self.responses.append(response.status)
                return
        line_of = self.lines.get(getattr(event, "session", 0))
        if line_of is None:
            return
        line_of.events.append(event)
        match event:
            case Progressed(_, response):
                line_of.status = response.status
                line_of.sdp = response.body or line_of.sdp
            case Accepted(_, response):
                line_of.state, line_of.status, line_of.sdp = "up", 200, response.body
                if not line_of.offer:
                    confirmation = answer(response.body, self.caps(self.codecs[0]), 1, 1)[0]
                    self.perform(self.ua.confirm(line_of.session, confirmation, now))
            case Rejected(_, status):
                line_of.state, line_of.status = "over", status
            case Cancelled() | Ended():
                line_of.state = "over"
            case Reinvited(_, request):
                self.perform(self.ua.accept_offer(line_of.session, self.to_answer(request.body), now))
            case Confirmed():
                pass

    @property
    def line(self) -> Line:
        """The latest line."""
        return list(self.lines.values())[-1]


class Site:
    """`saved` and `logs` collect what the switch wanted kept and said."""

    def __init__(self, settings: Settings, slots: int = 500, workers: int = 1) -> None:
        self.now = START
        self.parties: dict[tuple[str, int], Party] = {}
        self.connections: dict[tuple[str, int], Flow] = {}  # of parties that are not reached by UDP
        self.wire: deque[tuple[tuple[str, int], tuple[str, int], bytes]] = deque()
        self.later: deque[Callable[[], object]] = deque()
        self.processes = [MediaProcess(slots) for _ in range(workers)]
        self.saved: list[object] = []
        self.logs: list[Log] = []
        self.drained = False
        self.recovered = False
        self.asked: list[AskHook] = []
        self.security: list[Security] = []
        self.bans: list[Ban] = []
        self.learned: list[AddressLearned] = []
        self.alarms: list[Alarmed] = []
        self.to_verify: list[VerifyCaller] = []
        self.removed: list[str] = []  # files
        self.lost: Callable[[bytes], bool] = lambda data: False
        self.switch = Switch(settings, At(HOST, 5060), Random(7), self.now, lambda name, language: f"{language}/{name}")
        self.switch.restore((), {}, (), self.now)
        self.effects(self.switch.start(self.now))
        for number, process in enumerate(self.processes):
            self.give(Reported(number, (process.ready(),)))

    @property
    def media(self) -> MediaProcess:
        """The first one, which most sites have alone."""
        return self.processes[0]

    @media.setter
    def media(self, process: MediaProcess) -> None:
        self.processes[0] = process

    def party(self, name: str, host: str, port: int = 5060, password: str | None = None) -> Party:
        return Party(self, name, host, port, password)

    def phone(self, name: str, host: str, password: str = "correct horse") -> Party:
        """A phone that has registered."""
        phone = Party(self, name, host, 5060, password)
        phone.register()
        return phone

    def phone_by_tls(self, name: str, host: str, password: str = "correct horse", scheme: str = "sip") -> Party:
        """A phone that has registered by TLS, and calls `scheme` URIs."""
        phone = Party(self, name, host, 5060, password)
        phone.scheme = scheme
        phone.flow = Flow("tls", (HOST, 5060), 0, 1)
        self.connections[phone.remote] = Flow("tls", phone.remote, 1, len(self.connections) + 1)
        phone.register()
        return phone

    def give(self, event: SwitchEvent) -> None:
        self.effects(self.switch.receive(event, self.now))
        self.settle()

    def effects(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(flow, data):
                    self.wire.append(((HOST, 5060), flow.remote, data))
                case ToMedia(worker, commands):
                    for command in commands:
                        reports = tuple(self.processes[worker].perform(command))
                        if reports:
                            self.later.append(lambda to=worker, reports=reports: self.give(Reported(to, reports)))
                case Save(record):
                    self.saved.append(record)
                case Log():
                    self.logs.append(effect)
                case Security():
                    self.security.append(effect)
                case Ban():
                    self.bans.append(effect)
                case AskHook():
                    self.asked.append(effect)
                case Alarmed():
                    self.alarms.append(effect)
                case AddressLearned():
                    self.learned.append(effect)
                case VerifyCaller():
                    self.to_verify.append(effect)
                case RemoveFile(path):
                    self.removed.append(path)
                case Recovered():
                    self.recovered = True
                case _:
                    self.drained = True

    def settle(self) -> None:
        """Deliver until nothing is on the wire."""
        while self.wire or self.later:
            if self.wire:
                source, target, data = self.wire.popleft()
                if self.lost(data):
                    continue
                message = parse(data)
                if target == (HOST, 5060):
                    flow = self.connections.get(source) or Flow("udp", source)
                    self.effects(self.switch.receive(Arrived(message, flow), self.now))
                elif target in self.parties:
                    party = self.parties[target]
                    flow = Flow(party.flow.transport, source, 0, party.flow.connection)
                    party.perform(party.ua.receive(message, flow, self.now))
            else:
                self.later.popleft()()

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while True:
            self.settle()
            times = [self.switch.deadline(), *(party.ua.deadline() for party in self.parties.values())]
            due = min((time for time in times if time is not None), default=float("inf"))
            if due > end:
                break
            self.now = max(self.now, due)
            self.effects(self.switch.wake(self.now))
            for party in self.parties.values():
                party.perform(party.ua.wake(self.now))
        self.now = end

    def prompt_ends(self) -> None:
        """Every player that is not endless comes to its end."""
        for player, play in list(self.media.players.items()):
            if play.loops and player in self.media.players:
                self.give(Reported(0, (self.media.finish(player),)))

    def press(self, leg: int, digit: str, method: str = "rfc4733") -> None:
        self.give(Reported(0, (control.Digit(leg, digit, 100, method),)))

    def records(self, kind: type) -> list[object]:
        return [record for record in self.saved if isinstance(record, kind)]

    def nothing_left(self) -> None:
        """After the last timers: no call, leg, port, player, recorder, transaction or dialog."""
        self.give(Drain())  # no more probes of trunks
        self.run(70.0)
        live = self.switch.desk.status(self.now).live
        assert not any(live.values()), live
        assert not self.switch.calls
        assert not self.switch.office.guards.held
        for media in self.processes:
            assert not media.legs
            assert not media.recorders
            assert not [play for play in media.players.values() if play.loops]
            assert not media.edges
            assert not media.rooms
