"""Phones that do anything at any moment with forwarding, pickup, parking, paging, keys, clicks and Join: whatever they
do, who hears whom stays sound, the ACD's invariants hold, and nothing is left at the end."""

from dataclasses import replace
from random import Random

import pytest

from softswitch.acd.model import QueueSettings
from softswitch.switch.events import (
    AgentCommand,
    DialCommand,
    HangUpCall,
    MediaLost,
    PhoneCommand,
    Reload,
    Reported,
    TransferCommand,
)
from softswitch.switch.records import CallRecord
from softswitch.switch.settings import (
    Agent,
    Codes,
    InCall,
    Paging,
    Parking,
    Phone,
    Recording,
    RingGroup,
    Route,
    Settings,
    Sip,
    Trunk,
)
from softswitch.switch.stages.talking import TalkStage
from tests.switch.site import HOST, Line, MediaProcess, Party, Site
from tests.switch.test_join import names

NAMES = ("1001", "1002", "1003", "1004", "1005")
PHONE = Phone(password="correct horse", pickup_groups=("all",), intercom=True, max_calls=2)
SETTINGS = Settings(
    sip=Sip(domain="pbx.test", ring_seconds=15.0),
    codes=Codes(in_call=InCall(who="phones", digit_timeout=1.0)),
    phones=dict.fromkeys(NAMES, PHONE),
    agents={name: Agent(phone=name, logged_in=True) for name in NAMES[:3]},
    queues={"sales": QueueSettings(agents=NAMES[:3], wrap_up=2.0, ring_seconds=10.0)},
    trunks={"carrier": Trunk(address="sip:198.51.100.9")},
    groups={"all": RingGroup(members=tuple(f"phone:{name}" for name in NAMES), ring_seconds=8.0)},
    parking={"main": Parking(slots="701-703", timeout=20.0, ring_back=5.0)},
    paging={"floor": Paging(phones=NAMES, seconds=15.0)},
    routes=(
        Route(number="600", source="any", to="queue:sales"),
        Route(number="601", source="any", to="group:all"),
        Route(number="602", source="any", to="page:floor"),
        Route(number="603", source="trunk:*", to="park:main"),
        Route(number="9X.", source="phone:*", to="trunk:carrier"),
    ),
    recording=Recording(directory="/recordings", calls="all"),
)
LESS = (
    replace(SETTINGS, parking={}),
    replace(SETTINGS, paging={}, groups={}, routes=SETTINGS.routes[:1], phones=dict.fromkeys(NAMES[:4], PHONE)),
    replace(SETTINGS, agents=dict(list(SETTINGS.agents.items())[:2]), queues={}, routes=SETTINGS.routes[1:]),
)
NUMBERS = (*NAMES, "600", "600", "601", "602", "701", "702", "703", "**1001", "**1003", "*8", "*8", "*85", "*85702")
CODES = ("*721004", "*73", "*901005", "*921001", "*941002", "*78", "*79", "*79", "*70", "*71", "*69", "*801003", "*91")
KEYS = ("*0", "*0", "*11003#", "*21004#", "*3", "*4", "*5", "*61005#")


class Day:
    """Dice decide who does what next."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)
        self.clicks = 0
        self.site = Site(SETTINGS)
        self.phones = [self.site.phone(name, f"192.0.2.{name[2:]}") for name in NAMES]
        for phone in self.phones:
            phone.on_invite = "ring"
        self.carrier = self.site.party("carrier", "198.51.100.9")
        self.acts = (
            *[self.call] * 8, *[self.answer] * 4, *[self.hang_up] * 3, *[self.code] * 2, *[self.keys] * 3,
            *[self.prompts] * 3, *[self.wait] * 4, *[self.click] * 2, self.join, self.join,
            self.refer, self.hold, self.manner, self.order, self.vanish, self.reload, self.media_dies,
        )  # fmt: skip

    def lines(self, *states: str) -> list[tuple[Party, Line]]:
        parties = (*self.phones, self.carrier)
        return [(party, line) for party in parties for line in party.lines.values() if line.state in states]

    def call(self) -> None:
        party = self.dice.choice((*self.phones, self.carrier))
        party.call(
            self.dice.choice(("600", "601", "603", "1001")) if party is self.carrier else self.dice.choice(NUMBERS)
        )

    def code(self) -> None:
        self.dice.choice(self.phones).call(self.dice.choice(CODES))

    def answer(self) -> None:
        if ringing := self.lines("ringing"):
            party, line = self.dice.choice(ringing)
            if self.dice.random() < 0.8:
                party.answer(line)
            else:
                party.reject(line, self.dice.choice((486, 480, 603)))

    def hang_up(self) -> None:
        if lines := self.lines("up", "calling"):
            party, line = self.dice.choice(lines)
            party.hang_up(line)

    def keys(self) -> None:
        if self.site.switch.office.fabric.legs:
            leg = self.dice.choice(list(self.site.media.legs))
            for key in self.dice.choice(KEYS):
                if leg in self.site.media.legs:
                    self.site.press(leg, key)
                self.site.run(0.2)

    def prompts(self) -> None:
        self.site.prompt_ends()

    def wait(self) -> None:
        self.site.run(self.dice.choice((0.5, 3.0, 12.0, 25.0)))

    def refer(self) -> None:
        if up := [(party, line) for party, line in self.lines("up") if party is not self.carrier]:
            party, line = self.dice.choice(up)
            fields = (("Refer-To", f"<sip:{self.dice.choice(('701', '702', *NAMES))}@{HOST}>"),)
            party.perform(party.ua.send_in_dialog(line.session, "REFER", self.site.now, b"", "", fields))
            self.site.settle()

    def click(self) -> None:
        self.clicks += 1
        party = self.dice.choice((*NAMES, *(f"agent:{name}" for name in NAMES[:3])))
        to = self.dice.choice((*NUMBERS, "9123", "queue:sales", "park:main", "group:all", "page:floor"))
        self.site.give(DialCommand(f"click{self.clicks}", party, to, "crm", self.dice.random() < 0.3))

    def join(self) -> None:
        """By one of the two who talk, or by anybody."""
        if up := self.lines("up"):
            party, line = self.dice.choice(up)
            who = party if self.dice.random() < 0.8 else self.dice.choice(self.phones)
            who.call("600" if who is self.carrier else "1000", headers=names(party, line)[:1])

    def hold(self) -> None:
        if up := self.lines("up"):
            party, line = self.dice.choice(up)
            party.hold(line, int(self.site.now * 10) % 100_000)

    def manner(self) -> None:
        self.dice.choice(self.phones).on_invite = self.dice.choice(("answer", "ring", "ring", "ring", 486, "silent"))

    def order(self) -> None:
        name = self.dice.choice(NAMES)
        if calls := list(self.site.switch.calls):
            target = self.dice.choice(("park:main", "park:main/703", f"phone:{name}", "queue:sales"))
            self.site.give(TransferCommand(self.dice.choice(calls), "blind", target))
        self.site.give(PhoneCommand(name, "always", self.dice.choice((None, "", "1001", "phone:1002"))))
        self.site.give(AgentCommand(self.dice.choice(NAMES[:3]), self.dice.choice(("login", "ready", "pause"))))

    def vanish(self) -> None:
        phone = self.dice.choice(self.phones)
        phone.register(0 if self.dice.random() < 0.5 else 600)

    def reload(self) -> None:
        """A phone, an agent, or the parking places are gone, or there again."""
        settings = self.dice.choice((SETTINGS, SETTINGS, *LESS))
        self.site.give(Reload(settings))

    def media_dies(self) -> None:
        """The media process is gone, and a new one comes."""
        if self.dice.random() < 0.3:
            self.site.media = MediaProcess()
            self.site.give(MediaLost(0))
            self.sound()
            self.site.give(Reported(0, (self.site.media.ready(),)))

    def sound(self) -> None:
        """What must hold at any moment."""
        site, office = self.site, self.site.switch.office
        assert not office.engine.check(site.now, set(site.switch.calls))
        for place, call in office.parked.calls.items():
            assert (call.stage.label, call.stage.at, call.over) == ("parked", place, False)
        parked = [call for call in site.switch.calls.values() if call.stage.label == "parked"]
        assert len(parked) == len(office.parked.calls)
        owners = {leg.id: leg.owner for leg in office.fabric.legs.values() if not leg.over}
        for source, sink, _ in site.media.edges:
            if source in owners and sink in owners:
                assert owners[source] == owners[sink], "two calls hear each other"
        for call in site.switch.calls.values():
            assert len(call.forwarded_by) == len(set(call.forwarded_by))
            for leg in (call.leg, *call.stage.legs()):
                assert leg.owner == call.id
                assert not leg.over
            if isinstance(call.stage, TalkStage):
                assert call.stage.callee is not call.leg


@pytest.mark.parametrize("seed", range(16))
def test_whatever_phones_do(seed: int) -> None:
    day = Day(seed)
    for _ in range(60):
        day.dice.choice(day.acts)()
        day.sound()
    for phone in day.phones:
        phone.on_invite = 486
    for party, line in day.lines("up", "calling"):
        if line.state in ("up", "calling"):
            party.hang_up(line)
    for party, line in day.lines("ringing"):
        if line.state == "ringing":
            party.reject(line, 486)
    for call in tuple(day.site.switch.calls):
        day.site.give(HangUpCall(call))
    day.site.nothing_left()
    assert len({record.id for record in day.site.saved if isinstance(record, CallRecord)}) > 0
    known = ("call loops through targets", "media process lost", "call refused", "recording failed, the call goes on")
    faults = [line for line in day.site.logs if line.level == "error" and line.event not in known]
    assert not faults
