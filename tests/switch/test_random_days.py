"""Random days at a whole site: phones, a carrier, a menu, queues, ring groups, fallbacks, losses and bad luck in any
order. Whatever happens, nothing is thrown, every call leaves one record and a story in order, and nothing is left."""

import contextlib
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from softswitch.acd.model import AgentState, CallbackSettings, Fact, QueueSettings
from softswitch.acd.stats import Fold, Totals
from softswitch.acd.tally import SERVICE_LEVELS
from softswitch.kernel.errors import PeerError
from softswitch.sip.offer_answer import answer
from softswitch.sip.session_terms import PLAIN, Terms
from softswitch.switch.events import (
    AgentCommand,
    HangUpCall,
    MediaLost,
    Reload,
    Reported,
    SuperviseCommand,
    TransferCommand,
)
from softswitch.switch.records import CallRecord
from softswitch.switch.settings import (
    Agent,
    Codes,
    Collect,
    Consent,
    InCall,
    Menu,
    Phone,
    RingGroup,
    Route,
    Server,
    Settings,
    Sip,
    Supervisor,
    Survey,
    SurveyQuestion,
    Transfers,
    Trunk,
    Voicemail,
)
from softswitch.switch.stages.talking import TalkStage
from softswitch.wire import control
from softswitch.wire.sdp import parse_sdp
from tests.switch.site import START, Line, MediaProcess, Party, Site

PASSWORD = "correct horse"
NUMBERS = (
    "100",
    "100",
    "100",
    "200",
    "200",
    "300",
    "300",
    "400",
    "500",
    "600",
    "700",
    "800",
    "900",
    "901",
    "902",
    "903",
    "1001",
    "1002",
    "1003",
    "404",
)
CODES = ("*45", "*46", "*47", "*47*2", "*48", "*49", "*43", "*501001", "*511002", "*51carol", "*50404")
IN_CALL = ("*11003#", "*21002#", "*2903#", "*61001#", "*3", "*4", "*5", "*7", "*8", "*1100#", "*24", "1", "2", "3", "4")
TARGETS = ("queue:support", "queue:sales", "ivr:welcome", "phone:1001", "phone:1003", "agent:bob", "agent:carol",
           "trunk:carrier/77", "group:desk", "group:row", "play:closed", "conference:room",
           "survey:after")  # fmt: skip
AT_WORK = tuple(state for state in AgentState if state not in (AgentState.LOGGED_OUT, AgentState.PAUSED))
QUEUE = QueueSettings(agents=("alice", "bob"), ring_seconds=12.0, retry_after=3.0, wrap_up=6.0, max_no_answer=2)
SETTINGS = Settings(
    sip=Sip(domain="pbx.test", ring_seconds=15.0),
    server=Server(max_calls=14),
    phones={
        "1001": Phone(password=PASSWORD, name="Alice"),
        "1002": Phone(password=PASSWORD, max_calls=1, busy="play:busy", dtmf="info"),
        "1003": Phone(password=PASSWORD, no_answer="phone:1001", busy="group:desk", unavailable="early:closed/480"),
    },
    agents={
        "alice": Agent(phone="1001", logged_in=True),
        "bob": Agent(phone="1002", logged_in=True),
        "carol": Agent(phone="1003"),
        "night": Agent(phone="1001"),
    },
    trunks={
        "carrier": Trunk(address="sip:198.51.100.10", max_calls=10, backup="second", country="370"),
        "second": Trunk(address="sip:198.51.100.20", options_seconds=0.0),
    },
    queues={
        "support": replace(
            QUEUE, max_wait=40.0, on_max_wait="queue:sales", announce_position=7.0, announce_estimate=True,
            keys={"5": "callback:", "6": "voicemail:box", "7": "callback:sales"}, keys_prompt="please-wait",
            resume_seconds=20.0, callback=CallbackSettings(to="trunk:carrier", pause=5.0, ring_seconds=8.0),
            join_when=AT_WORK, leave_when=AT_WORK,
        ),
        "sales": replace(
            QUEUE, agents=("bob", "carol", "night"), survey="after", welcome="welcome", agent_prompt="call-from-queue",
            max_length=3,
            on_full="ivr:welcome", on_empty="phone:1003", max_wait=60.0, announce_every=9.0,
            announce_prompt=("wait", "please-wait"), announce_order="random", max_estimate=900.0,
            on_max_estimate="voicemail:box", keys={"5": "callback:", "6": "voicemail:box"},
            callback=CallbackSettings(
                to="trunk:carrier", numbers=("+370.", "0X."), first="customer", pause=6.0, ring_seconds=9.0,
            ),
        ),
    },
    surveys={
        "after": Survey(
            questions=tuple(SurveyQuestion(kind=kind, seconds=7.0) for kind in ("csat", "voice", "nps")),
            share=60.0, timeout=4.0,
        ),
    },
    codes=Codes(in_call=InCall()),
    supervisors={
        "carol": Supervisor(phone="1003", queues=("*",), may=("listen", "whisper", "barge", "take")),
        "bob": Supervisor(phone="1002", agents=("alice",), may=("listen", "barge")),
    },
    transfers=Transfers(leave_out=True),
    voicemail={"box": Voicemail(max_seconds=9.0)},
    groups={
        "desk": RingGroup(members=("phone:1001", "agent:carol"), ring_seconds=10.0, no_answer="queue:support"),
        "row": RingGroup(members=("phone:1002", "trunk:carrier/99", "phone:1003"), mode="in-order", ring_seconds=8.0),
    },
    ivr={
        "welcome": Menu(
            prompt="welcome", keys={"1": "queue:support", "2": "queue:sales", "3": "phone:1003", "4": "ivr:ask"},
            on_timeout="group:desk", on_invalid="hangup:403", languages={"8": "lt", "9": "uk"},
        ),
        "ask": Menu(
            prompt="enter-number", collect=Collect(variable="account", min=2, max=4, next="queue:support"),
            consent=Consent(key="1"),
        ),
    },
    routes=(
        Route(number="100", to="queue:support"), Route(number="200", to="queue:sales"),
        Route(number="300", to="ivr:welcome"), Route(number="400", to="group:desk"),
        Route(number="500", to="group:row"), Route(number="600", to="trunk:carrier"),
        Route(number="700", to="play:closed"), Route(number="800", to="answer:"),
        Route(number="900", to="agent:alice"), Route(number="901", to="early:closed/486"),
        Route(number="902", to="hangup:603"), Route(number="903", to="conference:room"),
        Route(source="trunk:*", number="1001", to="phone:1001", record=True),
        Route(source="trunk:*", number="100[23]", to="phone:1003"),
    ),
)  # fmt: skip

SILENT_AT = {"answer", "voicemail:box", "room"}  # places where an answered caller rightly hears nothing


H264 = "a=rtpmap:99 H264/90000"
RICH = (
    "m=audio 4000 RTP/AVP 18 8 101\r\na=rtpmap:101 telephone-event/8000",
    f"m=video 5000 RTP/AVP 99\r\n{H264}",
    "m=audio 4002 RTP/AVP 97\r\na=rtpmap:97 X-own/24000\r\na=sendonly",
    "m=image 5002 udptl t38",
    f"m=video 0 RTP/AVP 99\r\n{H264}",
)


class Day:
    """One site and the dice that move it."""

    def __init__(self, seed: int, slots: int = 500) -> None:
        self.dice = Random(seed)
        self.site = Site(SETTINGS, slots=slots)
        self.loss = 0.0
        self.site.lost = lambda data: self.dice.random() < self.loss
        site = self.site
        self.phones = [site.phone(f"100{n}", f"192.0.2.1{n}") for n in (1, 2, 3)]
        self.second_contact = site.party("1003", "192.0.2.23", password=PASSWORD)
        self.carrier = site.party("+37061234567", "198.51.100.10")
        self.second = site.party("+37060000000", "198.51.100.20")
        self.parties = [*self.phones, self.second_contact, self.carrier, self.second]
        for party in self.parties:
            party.to_answer = lambda offer, party=party: self.answer_to(party, offer)
        terms = Random(seed)  # of their own: PRACK and short session timers, or neither
        for party in self.parties:
            party.terms = terms.choice((PLAIN, Terms("supported", 90), Terms("off", 90), Terms("supported", 0)))
        self.ids: set[str] = set()
        self.version = 10
        often = [self.call, self.answer, self.key, self.time]
        sometimes = [
            self.hang_up, self.hold, self.resume, self.early, self.prompts_end, self.agent, self.manner, self.reject,
            self.offerless_reinvite, self.rich_reinvite, self.cross, self.info, self.prompts_end, self.agent,
            self.sequence, self.sequence, self.transfer, self.transfer, self.supervise, self.refer,
        ]  # fmt: skip
        seldom = [
            self.register, self.operator, self.reload, self.media_dies, self.media_errs, self.losses, self.duplicate,
            self.stray_report, self.silent_leg, self.code, self.replace, self.replace,
        ]  # fmt: skip
        self.actions: list[Callable[[], object]] = [*often * 8, *sometimes * 3, *seldom]

    # ------------------------------------------------------------------------------------------------ what may happen

    def lines(self, *states: str) -> list[tuple[Party, Line]]:
        return [(p, line) for p in self.parties for line in p.lines.values() if line.state in states]

    def pick(self, *states: str) -> tuple[Party, Line] | None:
        found = self.lines(*states)
        return self.dice.choice(found) if found else None

    def call(self) -> None:
        who = self.dice.choice([*self.parties, self.carrier, self.carrier, self.carrier])
        fields = (("Reason", "Q.850;cause=16"),) if self.dice.random() < 0.2 else ()
        hops = self.dice.choice((70, 70, 1))
        number = self.dice.choice(NUMBERS)
        sdp: bool | bytes = self.dice.random() < 0.85
        if self.dice.random() < 0.3:
            number, sdp = self.dice.choice((number, "1001", "1002", "1003", "400")), self.describe(who, RICH)
        who.call(number, sdp=sdp, headers=fields, hops=hops)

    def describe(self, who: Party, lines: tuple[str, ...]) -> bytes:
        """Some of `lines`, which are whole media sections."""
        some = [line for line in lines if self.dice.random() < 0.7] or [lines[0]]
        self.version += 1
        host = who.remote[0]
        head = f"v=0\r\no=- 1 {self.version} IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
        return (head + "".join(f"{line}\r\n" for line in some)).encode()

    def answer_to(self, who: Party, offer: bytes) -> bytes:
        """An answer by the book, or one that takes any codec and perhaps the video of the offer."""
        if self.dice.random() < 0.4:
            with contextlib.suppress(PeerError):
                return answer(offer, who.caps(), 1, self.version)[0]
        lines = []
        for media in parse_sdp(offer).media:
            if media.kind == "audio" and media.port:
                payload, entry = self.dice.choice(list(media.rtpmaps().items()))
                name = f"{entry.encoding}/{entry.clock}" + (f"/{entry.channels}" if entry.channels > 1 else "")
                way = self.dice.choice(("sendrecv", "sendrecv", "sendonly", "inactive"))
                lines.append(f"m=audio 4000 {media.proto} {payload}\r\na=rtpmap:{payload} {name}\r\na={way}")
            else:
                port = self.dice.choice((0, 5000)) if media.port else 0
                lines.append(f"m={media.kind} {port} {media.proto} {' '.join(media.formats)}\r\n{H264}")
        self.version += 1
        host = who.remote[0]
        head = f"v=0\r\no=- 1 {self.version} IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
        return (head + "".join(f"{line}\r\n" for line in lines)).encode()

    def rich_reinvite(self) -> None:
        """Other codecs, other lines: whatever a phone may come up with in the middle of a call."""
        if (found := self.pick("up")) is not None:
            found[0].reoffer(found[1], self.describe(found[0], RICH))

    def code(self) -> None:
        self.dice.choice(self.phones).call(self.dice.choice(CODES))

    def answer(self) -> None:
        if (found := self.pick("ringing")) is not None:
            found[0].answer(found[1])

    def reject(self) -> None:
        if (found := self.pick("ringing")) is not None:
            contact = (("Contact", f"<sip:{self.dice.choice(NUMBERS)}@pbx.test>"),)
            found[0].reject(found[1], self.dice.choice((486, 603, 480, 404, 500, 503, 302, 401, 487, 408)), contact)

    def hang_up(self) -> None:
        if (found := self.pick("calling", "up", "up")) is not None:
            found[0].hang_up(found[1])

    def hold(self) -> None:
        if (found := self.pick("up")) is not None:
            self.version += 1
            found[0].hold(found[1], self.version)

    def resume(self) -> None:
        if (found := self.pick("up")) is not None:
            self.version += 1
            found[0].resume(found[1], self.version)

    def offerless_reinvite(self) -> None:
        if (found := self.pick("up")) is not None:
            found[0].reoffer(found[1], b"")

    def early(self) -> None:
        found = self.pick("ringing")
        if found is not None and found[1].request is not None and found[1].request.body:
            found[0].early(found[1], self.dice.choice((180, 183, 199)))

    def info(self) -> None:
        if (found := self.pick("up")) is not None:
            found[0].info(found[1], self.dice.choice("0123456789*#"))

    def key(self) -> None:
        legs = [call.leg.id for call in self.site.switch.calls.values() if call.leg.up] + list(self.site.media.legs)
        if legs:
            self.site.press(self.dice.choice(legs), self.dice.choice("123456789*#0"))

    def sequence(self) -> None:
        """Keys of a command, in a talk if there is one."""
        talks = [call for call in self.site.switch.calls.values() if call.stage.label in ("talking", "supervising")]
        legs = [leg.id for call in talks for leg in (call.leg, *call.stage.legs()) if leg.up]
        keys = self.dice.choice(IN_CALL)
        for digit in keys if legs else "":
            if legs and (leg := self.dice.choice(legs[-2:])) in self.site.media.legs:
                self.site.press(leg, digit)

    def transfer(self) -> None:
        verb = self.dice.choice(("blind", "consult", "consult", "join", "complete", "cancel", "three_way"))
        call = self.dice.choice([*self.site.switch.calls, "nobody"])
        target = self.dice.choice(TARGETS) if verb in ("blind", "consult", "join") else ""
        self.site.give(TransferCommand(call, verb, target))  # type: ignore[arg-type]  # a verb by its name

    def supervise(self) -> None:
        agent, phone = self.dice.choice(("alice", "bob", "carol", "nobody")), self.dice.choice(("1002", "1003", "1009"))
        mode = self.dice.choice(("listen", "whisper", "barge", "take"))
        self.site.give(SuperviseCommand(agent, mode, phone, self.dice.random() < 0.5))  # type: ignore[arg-type]

    def refer(self) -> None:
        """To a number, or in place of another call of the same party."""
        if (found := self.pick("up")) is None:
            return
        party, line = found
        to = f"<sip:{self.dice.choice(NUMBERS)}@pbx.test>"
        other = self.dice.choice(list(party.lines.values()))
        if self.dice.random() < 0.4 and other.events and (heard := getattr(other.events[0], "response", None)):
            tags = f"%3Bto-tag%3D{heard.to.tag}%3Bfrom-tag%3D{heard.from_.tag}"
            to = f"<sip:1001@pbx.test?Replaces={heard.call_id}{tags}>"
        fields = (("Refer-To", to),)
        party.perform(party.ua.send_in_dialog(line.session, "REFER", self.site.now, headers=fields))
        self.site.settle()

    def replace(self) -> None:
        """INVITE with Replaces, for any dialog of anybody's."""
        if (found := self.pick("up", "calling", "over")) is None or not found[1].events:
            return
        if (heard := getattr(found[1].events[0], "response", None)) is not None:
            replaces = f"{heard.call_id};to-tag={heard.to.tag};from-tag={heard.from_.tag}"
            self.dice.choice((found[0], found[0], *self.parties)).call("1001", headers=(("Replaces", replaces),))

    def prompts_end(self) -> None:
        self.site.prompt_ends()

    def agent(self) -> None:
        verb = self.dice.choice(("login", "login", "login", "ready", "ready", "ready", "logout", "pause"))
        name = self.dice.choice(("alice", "bob", "carol", "night", "nobody"))
        self.site.give(AgentCommand(name, verb))  # type: ignore[arg-type]

    def register(self) -> None:
        who = self.dice.choice([*self.phones, self.second_contact])
        who.register(self.dice.choice((0, 90, 600, 600)))

    def manner(self) -> None:
        manners: tuple[str | int, ...] = ("answer", "answer", "ring", "ring", "ring", "silent", 486, 603, 503)
        self.dice.choice(self.parties).on_invite = self.dice.choice(manners)

    def time(self) -> None:
        self.site.run(self.dice.choice((0.0, 0.02, 0.5, 2.0, 5.0, 13.0)))

    def operator(self) -> None:
        self.site.give(HangUpCall(self.dice.choice([*self.site.switch.calls, "nobody"])))

    def reload(self) -> None:
        settings = SETTINGS
        if self.dice.random() < 0.5:
            names = ("bob", "carol") if self.dice.random() < 0.5 else ("bob",)
            settings = replace(
                SETTINGS,
                queues={"sales": replace(SETTINGS.queues["sales"], agents=names)},
                agents={name: SETTINGS.agents[name] for name in names},
                phones={name: phone for name, phone in SETTINGS.phones.items() if name != "1001"},
                groups={"desk": RingGroup(members=("phone:1002",))},
            )
        self.site.give(Reload(settings))

    def media_dies(self) -> None:
        if self.dice.random() < 0.2:
            self.site.media = MediaProcess(len(self.site.media.free))
            if self.dice.random() < 0.7:
                self.site.give(MediaLost(0))
                self.time()
            self.site.give(Reported(0, (self.site.media.ready(),)))

    def media_errs(self) -> None:
        legs = list(self.site.media.legs)
        if legs and self.dice.random() < 0.3:
            leg = self.dice.choice(legs)
            self.site.media.legs.pop(leg)
            self.site.media.slot_of.pop(leg)
            self.site.media.edges = {edge for edge in self.site.media.edges if leg not in edge[:2]}
            self.site.give(Reported(0, (control.Failed(leg, "OpenLeg", "slot is not free"),)))

    def stray_report(self) -> None:
        stray = self.dice.choice(
            (control.Digit(12, "1", 100), control.PlayDone(77, "failed", 0), control.LegSilent(5, 9.0),
             control.RecordDone(9, "x.wav", "failed", 0, "disk full"), control.Grown(())),
        )  # fmt: skip
        self.site.give(Reported(self.dice.choice((0, 0, 5)), (stray,)))

    def silent_leg(self) -> None:
        legs = list(self.site.media.legs)
        if legs and self.dice.random() < 0.3:
            self.site.give(Reported(0, (control.LegSilent(self.dice.choice(legs), 300.0),)))

    def losses(self) -> None:
        self.loss = self.dice.choice((0.0, 0.0, 0.0, 0.1, 0.3))

    def duplicate(self) -> None:
        """The next datagrams arrive twice."""
        self.call()
        self.site.wire.extend(list(self.site.wire))
        self.site.settle()

    def cross(self) -> None:
        """Two parties act before either hears of the other."""
        ringing, other = self.pick("ringing"), self.pick("calling", "up")
        if ringing is None or other is None:
            return
        site = self.site
        party, line = ringing
        line.state = "up"
        party.perform(party.ua.accept(line.session, b"", site.now))
        wire, site.wire = site.wire, type(site.wire)()
        other[1].state = "over"
        other[0].perform(other[0].ua.hang_up(other[1].session, site.now))
        site.wire.extend(wire)
        site.settle()

    # --------------------------------------------------------------------------------------------------------- oracle

    def step(self) -> None:
        action = self.dice.choice(self.actions)
        action()
        self.site.settle()
        self.check()

    def check(self) -> None:
        site = self.site
        office = site.switch.office
        self.ids |= set(site.switch.calls)
        assert not office.engine.check(site.now, live=set(site.switch.calls))
        slots = list(site.media.slot_of.values())
        assert len(slots) == len(set(slots))
        for call in site.switch.calls.values():
            assert not call.over
            leg = call.leg
            assert not leg.over
            hears = site.media.hears(leg.id) & (site.media.players.keys() | site.media.legs.keys())
            if leg.up and leg.opened and not hears and call.stage.label not in ("queued", "supervising"):
                partner_gone = call.stage.label == "ringing" and not any(one.ring_at for one in call.stage.legs())
                prompt_over = call.stage.label in ("menu", "playing", "survey")
                assert leg.held_at is not None or partner_gone or prompt_over or call.stage.at in SILENT_AT, (
                    call.stage.label, call.stage.at,
                )  # fmt: skip
            if leg.up and call.stage.label == "queued":
                assert hears, "a waiting caller hears something"
            if isinstance(call.stage, TalkStage):
                assert call.stage.callee.up
                assert all(not watcher.leg.over for watcher in call.stage.watchers)

    def all_leave(self) -> None:
        """Every call ends, and nothing is left."""
        site = self.site
        self.loss = 0.0
        for party in self.parties:
            party.on_invite = 480
        for party, line in self.lines("up", "calling", "ringing"):
            if line.state == "ringing":
                party.reject(line, 480)
            else:
                party.hang_up(line)
        for id in list(site.switch.calls):
            site.give(HangUpCall(id))
        site.nothing_left()

    def ends(self) -> None:
        site = self.site
        self.all_leave()
        self.check()
        records = Counter(record.id for record in site.saved if isinstance(record, CallRecord))
        started = [fact.call for fact in site.saved if isinstance(fact, Fact) and fact.kind == "call.started"]
        assert set(records) == set(started)
        assert self.ids <= set(started)
        assert set(records.values()) <= {1}
        for record in site.saved:
            if isinstance(record, CallRecord):
                sound(record)
        story(site)
        figures(site)
        for name in ("alice", "bob", "carol", "night"):
            view = site.switch.office.engine.agent_view(name, site.now)
            assert view is None or view.state not in (AgentState.TALKING, AgentState.OFFERED, AgentState.BUSY)


def sound(record: CallRecord) -> None:
    """The figures of one record agree with each other."""
    length = record.ended - record.started
    for part in (record.wait_seconds, record.ring_seconds, record.talk_seconds, record.hold_seconds):
        assert -1e-6 <= part <= length + 1e-6, record
    assert record.hold_seconds <= record.talk_seconds + 1e-6, record
    assert record.wait_seconds + record.talk_seconds <= length + 1e-6, record
    assert (record.answered is not None) >= (record.talk_seconds > 0)
    assert record.cause
    assert len({leg.call_id for leg in record.legs}) == len(record.legs), "a leg is named once"


def figures(site: Site) -> None:
    """The fold over the ledger agrees with itself and with the records, and holds nothing of what is over."""
    totals, fold = Totals(), Fold()
    for fact in site.saved:
        if isinstance(fact, Fact):
            totals.add(fact)
            fold.add(fact)
    assert not fold.open(), fold.open()
    queues, agents = totals.queues.values(), totals.agents.values()
    for queue in queues:
        assert queue.waiting == queue.lost == 0
        assert 0 <= queue.within <= queue.answered == sum(queue.waits.counts)
        assert 0 <= queue.hold <= queue.talk + 1e-6
        for name in SERVICE_LEVELS:
            assert 0.0 <= (queue.service_level_by(name) or 0.0) <= 1.0
        assert queue.reopened <= queue.cases <= queue.answered
    assert sum(queue.talk for queue in queues) == pytest.approx(sum(agent.talk for agent in agents))
    assert sum(queue.talks for queue in queues) == sum(agent.talks for agent in agents)
    assert sum(queue.wrap_up for queue in queues) == pytest.approx(sum(agent.wrap_up for agent in agents))
    for agent in agents:
        assert 0 <= agent.at_work <= agent.logged_in <= fold.last - START + 1e-6
    legs = [leg for record in site.saved if isinstance(record, CallRecord) for leg in record.legs]
    over = Counter(leg.party.removeprefix("trunk:") for leg in legs if leg.party.startswith("trunk:"))
    assert {name: trunk.calls for name, trunk in totals.trunks.items()} == over


CALLBACK_ENDS = ("callback.connected", "callback.cancelled", "callback.expired", "callback.failed")


def said_of(facts: list[Fact], call: str) -> set[object]:
    return {fact.data.get("cause") for fact in facts if fact.call == call and fact.kind == "callback.attempted"}


def story(site: Site) -> None:
    """The ledger tells a call's story in order and each part of it once."""
    told: dict[str, list[str]] = {}
    for fact in site.saved:
        if isinstance(fact, Fact) and fact.call:
            told.setdefault(fact.call, []).append(fact.kind)
    facts = [fact for fact in site.saved if isinstance(fact, Fact)]
    connected = Counter(fact.call for fact in facts if fact.kind == "callback.connected" and fact.agent)
    wishes = Counter(str(fact.data["callback"]) for fact in facts if fact.kind == "callback.asked")
    ends = Counter(str(fact.data["callback"]) for fact in facts if fact.kind in CALLBACK_ENDS)
    assert all(count == 1 for count in (*wishes.values(), *ends.values())), "a call-back with two ends"
    assert len(wishes) - len(ends) == len(site.switch.office.engine.callbacks(site.now))
    for call, kinds in told.items():
        assert kinds[0] == "call.started" or said_of(facts, call) & {"closed", "stopped"}, (call, kinds)
        if kinds[0] != "call.started":
            continue  # an attempt that was put off before it became a call
        counts = Counter(kinds)
        assert counts["call.started"] == counts["call.ended"] == 1, kinds
        assert counts["call.answered"] <= 1 + counts["transfer.completed"] + counts["supervise.started"], kinds
        ends = counts["transfer.completed"] + counts["transfer.failed"] + counts["transfer.cancelled"]
        assert counts["transfer.started"] == ends, kinds
        for begin, end in (("supervise.started", "supervise.ended"), ("conference.joined", "conference.left"),
                           ("conference.started", "conference.ended")):  # fmt: skip
            assert counts[begin] == counts[end], kinds
        assert counts["menu.entered"] == counts["menu.left"], kinds
        assert counts["recording.started"] == counts["recording.ended"], kinds
        assert counts["recording.started"] <= 1 + counts["voicemail.entered"] + counts["survey.asked"], kinds
        assert counts["survey.asked"] == counts["survey.ended"] <= 1 + counts["transfer.started"], kinds
        left = counts["queue.answered"] + counts["queue.abandoned"] + counts["queue.left"] + counts["queue.overflowed"]
        assert counts["queue.entered"] == left - counts["queue.returned"], kinds
        made = counts["queue.answered"] + counts["callback.taken"] + counts["offer.failed"] + counts["offer.withdrawn"]
        assert counts["offer.made"] == made, kinds
        talked = counts["queue.answered"] - counts["queue.returned"] + connected[call] + counts["talk.started"]
        assert talked == counts["talk.ended"], kinds
        assert counts["voicemail.left"] <= counts["voicemail.entered"], kinds
        if counts["queue.answered"] and counts["call.answered"] and not counts["transfer.started"]:
            assert kinds.index("queue.answered") < kinds.index("call.answered"), kinds
        after = [
            kind for kind in kinds[kinds.index("call.ended") + 1 :] if not kind.startswith(("wrapup.", "queue.resumed"))
        ]
        assert not after, kinds


FIRST = int(os.environ.get("RANDOM_DAYS_FROM", "0"))  # a longer hunt: other seeds, more steps
LAST = int(os.environ.get("RANDOM_DAYS_TO", "20"))
STEPS = int(os.environ.get("RANDOM_DAYS_STEPS", "200"))


@pytest.mark.parametrize("seed", [*range(FIRST, LAST), 56])  # 56: a survey on a line that was just lost
def test_whatever_happens_nothing_is_left_and_every_call_has_its_record(seed: int) -> None:
    day = Day(seed, slots=(500, 6, 500)[seed % 3])
    for _ in range(STEPS):
        day.step()
    day.ends()
