"""Damage in the middle of real calls: what phones, the carrier and strangers send is damaged on its way, doubled, or
sent by another; media says things that cannot be. The switch throws nothing, and when all is over nothing is left."""

from random import Random

import pytest

from softswitch.acd.model import QueueSettings
from softswitch.kernel.errors import PeerError
from softswitch.sip.flow import Flow
from softswitch.switch.events import Arrived, FlowFailed, HangUpCall, Reported
from softswitch.switch.settings import Agent, Menu, Phone, Route, Settings, Sip, Trunk
from softswitch.wire import control
from softswitch.wire.sip import parse
from tests.fuzz.mutations import damaged
from tests.switch.site import HOST, Line, Party, Site

PASSWORD = "correct horse"
SETTINGS = Settings(
    sip=Sip(domain="pbx.test", ring_seconds=10.0),
    phones={"1001": Phone(password=PASSWORD), "1002": Phone(password=PASSWORD)},
    agents={"alice": Agent(phone="1001", logged_in=True)},
    trunks={"carrier": Trunk(address="sip:198.51.100.10", options_seconds=0.0)},
    queues={"support": QueueSettings(agents=("alice",), ring_seconds=8.0)},
    ivr={"welcome": Menu(prompt="welcome", keys={"1": "queue:support"})},
    routes=(
        Route(source="trunk:*", number="100", to="queue:support", record=True),
        Route(source="trunk:*", number="200", to="ivr:welcome"),
        Route(source="trunk:*", number="100X", to="phone:1002", record=True),
        Route(source="phone:*", number="0.", to="trunk:carrier"),
    ),
)


class Vandal:
    """Stands on the wire: each datagram to the switch may be damaged before it arrives, or come again later."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)
        self.site = Site(SETTINGS)
        self.carrier = self.site.party("+37061234567", "198.51.100.10")
        self.phones = [self.site.phone("1001", "192.0.2.11"), self.site.phone("1002", "192.0.2.12")]
        self.parties: list[Party] = [self.carrier, *self.phones]
        self.seen: list[bytes] = []
        self.strangers = 0
        self.site.lost = self.touch

    def touch(self, data: bytes) -> bool:
        """Called for every datagram; True loses it."""
        self.seen.append(data)
        del self.seen[:-200]
        return self.dice.random() < 0.05

    def step(self) -> None:
        dice, site = self.dice, self.site
        match dice.randrange(10):
            case 0 | 1:
                dice.choice(self.parties).call(dice.choice(("100", "200", "1001", "1002", "0123", "404")))
            case 2:
                self.on_a_line("answer", "reject", "hang_up", "hold")
            case 3 | 4 | 5:
                for _ in range(dice.randint(1, 20)):
                    self.inject()
            case 6:
                site.give(Reported(dice.choice((0, 0, 0, 7)), (self.nonsense(),)))
            case 7:
                dice.choice(self.parties).on_invite = dice.choice(("answer", "ring", "silent", 486))
            case 8:
                site.give(FlowFailed(Flow("udp", dice.choice(self.parties).remote)))
            case _:
                site.run(dice.choice((0.1, 1.0, 5.0, 20.0)))

    def inject(self) -> None:
        """Something that was on the wire, damaged (or not), from its sender or from another."""
        dice = self.dice
        if not self.seen:
            return
        data = dice.choice(self.seen)
        data = damaged(dice, data, 2) if dice.random() < 0.8 else data
        source = dice.choice([party.remote for party in self.parties] + [("203.0.113.66", 5060)])
        try:
            message = parse(data)
        except PeerError:
            return
        self.strangers += 1
        self.site.effects(self.site.switch.receive(Arrived(message, Flow("udp", source)), self.site.now))
        self.site.wire = type(self.site.wire)(
            sent for sent in self.site.wire if sent[1] in self.site.parties or sent[1] == (HOST, 5060)
        )
        self.site.settle()

    def on_a_line(self, *verbs: str) -> None:
        party = self.dice.choice(self.parties)
        lines: list[Line] = [line for line in party.lines.values() if line.state in ("ringing", "up", "calling")]
        if not lines:
            return
        line, verb = self.dice.choice(lines), self.dice.choice(verbs)
        if verb == "reject" and line.state == "ringing":
            party.reject(line, self.dice.choice((486, 480, 603, 500)))
        elif verb == "answer" and line.state == "ringing":
            party.answer(line)
        elif verb == "hold" and line.state == "up":
            party.hold(line, self.dice.randrange(100))
        elif verb == "hang_up":
            party.hang_up(line)

    def nonsense(self) -> control.Report:
        """What a media process with other ideas would say."""
        number = self.dice.choice((0, -1, 10**9, *list(self.site.media.legs)[:3]))
        return self.dice.choice(
            (
                control.Digit(number, self.dice.choice("0123456789*#ABCD"), 100),
                control.LegSilent(number, 400.0),
                control.LegHeard(number),
                control.LegLatched(number, ("203.0.113.9", 9)),
                control.PlayDone(number, "end", 1),
                control.RecordDone(10**9, "/nowhere.wav", "failed", 0, "disk full"),
                control.Failed(number, "Play", "no such file"),
                control.Grown(()),
            )
        )


@pytest.mark.parametrize("seed", range(20))
def test_damage_in_the_middle_of_calls(seed: int) -> None:
    vandal = Vandal(seed)
    for _ in range(150):
        vandal.step()
    assert vandal.strangers > 100
    site = vandal.site
    site.lost = lambda data: False
    for _ in range(3):  # an INVITE that was lost comes again until its timer B
        for call in tuple(site.switch.calls):
            site.give(HangUpCall(call))
        site.run(35.0)
    site.nothing_left()
