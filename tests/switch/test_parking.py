"""Parking: by key, by code while on hold, by REFER, by order; retrieved, rung back, given up; nothing is left over."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from softswitch.acd.model import Fact, QueueSettings
from softswitch.call.speech import say_digits
from softswitch.kernel.errors import PeerError
from softswitch.switch.events import HangUpCall, TransferCommand
from softswitch.switch.records import CallRecord
from softswitch.switch.settings import (
    Agent,
    Codes,
    InCall,
    Parking,
    Phone,
    Recording,
    Route,
    Settings,
    Sip,
    Trunk,
)
from tests.switch.site import HOST, Line, Party, Site
from tests.switch.watcher import Watcher

PASSWORD = "correct horse"
SETTINGS = Settings(
    sip=Sip(domain="pbx.test", ring_seconds=20.0),
    codes=Codes(in_call=InCall(who="phones")),
    phones={name: Phone(password=PASSWORD) for name in ("1001", "1002", "1003")},
    agents={"bob": Agent(phone="1002", logged_in=True), "carol": Agent(phone="1003", logged_in=True)},
    queues={"sales": QueueSettings(agents=("bob",), wrap_up=5.0)},
    trunks={"carrier": Trunk(address="sip:198.51.100.9")},
    parking={"main": Parking(slots="701-702", timeout=60.0, ring_back=10.0)},
    routes=(
        Route(number="600", source="any", to="queue:sales"),
        Route(number="800", source="trunk:carrier", to="park:main"),
        Route(number="701", source="trunk:carrier", to="park:main/701"),
    ),
    recording=Recording(directory="/recordings"),
)
AT = {place: ("en/parked-at", *(f"en/{name}" for name in say_digits(place, "en"))) for place in ("701", "702")}


class Talk:
    """The carrier's caller talks with bob; carol and alice are there."""

    def __init__(self, number: str = "600", settings: Settings = SETTINGS) -> None:
        self.site = site = Site(settings)
        self.alice, self.bob, self.carol = (site.phone(n, f"192.0.2.{n[2:]}") for n in ("1001", "1002", "1003"))
        self.carrier = site.party("+37061234567", "198.51.100.9")
        self.lamps: list[tuple[str, bool]] = []
        site.switch.office.parked.told = lambda place, taken, now: self.lamps.append((place, taken))
        self.line = self.carrier.call(number) if number == "600" else self.alice.call("1002")
        site.run(5.0)
        (self.call,) = site.switch.calls.values()
        self.bobs = self.bob.line

    def press(self, party: Party, keys: str) -> None:
        leg = next(leg for leg in (self.call.leg, *self.call.stage.legs()) if leg.peer.endswith(_who(party)))
        for key in keys:
            self.site.press(leg.id, key)
            self.site.run(0.2)

    def refer(self, party: Party, line: Line, number: str) -> None:
        fields = (("Refer-To", f"<sip:{number}@{HOST}>"),)
        party.perform(party.ua.send_in_dialog(line.session, "REFER", self.site.now, b"", "", fields))
        self.site.settle()

    def hold_and_dial(self, code: str) -> Line:
        self.bob.hold(self.bobs)
        return self.bob.call(code)

    @property
    def said(self) -> tuple[str, ...]:
        return self.site.media.played[-1]

    def facts(self, kind: str) -> list[Fact]:
        return [fact for fact in self.site.saved if isinstance(fact, Fact) and fact.kind == kind]

    def talking(self) -> bool:
        one, other = self.call.leg, *self.call.stage.legs()
        hears = self.site.media.hears
        return hears(one.id) == {other.id} and hears(other.id) == {one.id}

    def music(self) -> bool:
        (source,) = self.site.media.hears(self.call.leg.id)
        return not self.site.media.players[source].loops

    def done(self) -> None:
        for call in tuple(self.site.switch.calls):
            self.site.give(HangUpCall(call))
        self.site.nothing_left()
        assert not self.site.switch.office.parked.calls
        assert all(self.lamps.count((place, True)) == self.lamps.count((place, False)) for place in AT)


def _who(party: Party) -> str:
    return {"1002": "bob"}.get(party.name, party.name)


WAYS: dict[str, Callable[[Talk], object]] = {
    "key": lambda talk: talk.press(talk.bob, "*0"),
    "code": lambda talk: talk.hold_and_dial("*85"),
    "directed code": lambda talk: talk.hold_and_dial("*85701"),
    "refer": lambda talk: talk.refer(talk.bob, talk.bobs, "701"),
    "order": lambda talk: talk.site.give(TransferCommand(talk.call.id, "blind", "park:main")),
}


@pytest.mark.parametrize("way", WAYS)
def test_parked_and_retrieved(way: str) -> None:
    """A recorded queue call: one recording, the agent's talk ends where it parks, another phone has the caller."""
    talk = Talk()
    site = talk.site
    recorder = set(site.media.recorders)
    assert recorder
    WAYS[way](talk)
    assert talk.call.stage.label == "parked"
    assert talk.call.view(site.now).at == "701"
    assert talk.music()
    assert talk.lamps == [("701", True)]
    if way not in ("order", "refer"):
        assert talk.said == AT["701"]
        site.prompt_ends()
    site.run(3.0)
    assert talk.bobs.state == "over"
    (parked,) = talk.facts("call.parked")
    assert (parked.data["slot"], parked.data["by"], parked.data["from_agent"]) == ("701", "phone:1002", "bob")
    (ended,) = talk.facts("talk.ended")
    assert ended.agent == "bob"
    assert site.switch.desk.agents(site.now)[0].state in ("wrap-up", "ready")
    taker = talk.alice.call("701")
    assert taker.state == "up"
    assert talk.talking()
    assert talk.lamps == [("701", True), ("701", False)]
    assert set(site.media.recorders) == recorder, "the recording goes on"
    (back,) = talk.facts("call.retrieved")
    assert (back.data["slot"], back.data["by"]) == ("701", "phone:1001")
    site.run(7.0)
    talk.alice.hang_up(taker)
    assert talk.line.state == "over"
    site.run(5.0)
    records = [one for one in site.saved if isinstance(one, CallRecord)]
    record = next(one for one in records if one.queue)
    assert (record.destination, record.outcome) == ("phone:1001", "answered")
    if "code" in way:
        assert next(one for one in records if one.called.startswith("*85")).destination == "play:parked-at"
    talk.done()


def test_an_agent_who_retrieves_a_queue_call_has_it() -> None:
    """By the ACD's account, as after any transfer."""
    talk = Talk()
    talk.press(talk.bob, "*0")
    talk.site.prompt_ends()
    taker = talk.carol.call("701")
    rows = {row.name: row.state for row in talk.site.switch.desk.agents(talk.site.now)}
    assert rows["carol"] == "talking"
    talk.carol.hang_up(taker)
    talk.done()


@pytest.mark.parametrize("who", ["caller", "callee"])
def test_either_side_of_a_call_between_phones_parks(who: str) -> None:
    """The keys are everybody's with `who = "phones"`; who dialled may park who was called."""
    talk = Talk("1002")
    party, line = (talk.alice, talk.line) if who == "caller" else (talk.bob, talk.bobs)
    other = talk.bobs if who == "caller" else talk.line
    leg = talk.call.leg if who == "caller" else talk.call.stage.legs()[0]
    for key in "*0":
        talk.site.press(leg.id, key)
    assert talk.said == AT["701"]
    assert talk.music()
    talk.site.prompt_ends()
    assert (line.state, other.state) == ("over", "up")
    talk.carol.call("701")
    assert talk.talking()
    assert party.line is line
    talk.done()


def test_carriers_callers_have_no_keys() -> None:
    talk = Talk()
    for key in "*0":
        talk.site.press(talk.call.leg.id, key)
    talk.site.run(10.0)
    assert talk.call.stage.label == "talking"
    talk.done()


@pytest.mark.parametrize("way", ["key", "code", "refer"])
def test_full_or_taken_leaves_the_talk_as_it_is(way: str) -> None:
    talk = Talk()
    lines = [talk.carrier.call("800") for _ in range(2)]
    assert {call.stage.at for call in talk.site.switch.calls.values()} >= {"701", "702"}
    assert talk.carrier.call("800").state == "over", "no place is left"
    if way == "key":
        talk.press(talk.bob, "*0")
    elif way == "code":
        line = talk.hold_and_dial("*85")
        assert talk.said == ("en/cannot-park",)
        talk.site.prompt_ends()
        assert line.state == "over"
        talk.bob.resume(talk.bobs)
    else:
        talk.refer(talk.bob, talk.bobs, "701")
    assert talk.call.stage.label == "talking"
    assert talk.bobs.state == "up"
    with pytest.raises(PeerError, match="no free place"):
        talk.site.switch.desk.check_transfer(talk.call.id, "blind", "park:main")
    talk.site.give(TransferCommand(talk.call.id, "blind", "park:main"))
    assert talk.call.stage.label == "talking"
    assert all(line.state == "up" for line in lines)
    talk.done()


def test_wrong_and_empty_places_are_said() -> None:
    talk = Talk()
    line = talk.alice.call("702")
    assert (line.state, talk.said) == ("up", ("en/nobody-parked",))
    talk.site.prompt_ends()
    assert line.state == "over"
    assert talk.alice.call("703").status == 404
    line = talk.alice.call("*85")
    assert talk.said == ("en/cannot-park",), "it holds nobody"
    talk.site.prompt_ends()
    talk.hold_and_dial("*85709")
    assert talk.said == ("en/cannot-park",), "no such place"
    assert talk.call.stage.label == "talking"
    talk.done()


def test_nobody_outside_takes_a_parked_call() -> None:
    """A carrier's caller who is routed to a place is parked there, if it is free."""
    talk = Talk()
    talk.press(talk.bob, "*0")
    stranger = talk.carrier.call("701")
    assert stranger.status == 486
    assert talk.call.stage.label == "parked"
    talk.done()


def test_two_dial_the_place_at_once() -> None:
    talk = Talk()
    talk.press(talk.bob, "*0")
    one, other = talk.alice.call("701"), talk.carol.call("701")
    assert talk.talking()
    assert talk.said == ("en/nobody-parked",)
    assert (one.state, other.state) == ("up", "up")
    talk.done()


def test_the_parker_is_rung_back() -> None:
    talk = Talk()
    talk.press(talk.bob, "*0")
    talk.site.prompt_ends()
    talk.bob.on_invite = "ring"
    talk.site.run(61.0)
    assert talk.bob.line.state == "ringing"
    assert talk.call.stage.label == "ringing"
    talk.bob.answer(talk.bob.line)
    assert talk.talking()
    (timeout,) = talk.facts("call.park_timeout")
    assert timeout.data["back_to"] == "1002"
    talk.done()


def test_a_parker_who_does_not_answer_leaves_the_call_parked() -> None:
    """Again and again, but not for ever."""
    talk = Talk()
    talk.press(talk.bob, "*0")
    talk.site.prompt_ends()
    talk.bob.on_invite = "ring"
    talk.site.run(61.0)
    talk.site.run(11.0)
    assert talk.call.stage.label == "parked"
    talk.site.run(3600.0)
    assert talk.call.stage.label == "playing", "nobody ever came: the caller is told so"
    talk.site.prompt_ends()
    assert talk.line.state == "over"
    talk.done()


def test_a_lot_says_where_calls_go_in_the_end() -> None:
    lot = replace(SETTINGS.parking["main"], then="phone:1001")
    talk = Talk(settings=replace(SETTINGS, parking={"main": lot}))
    talk.press(talk.bob, "*0")
    talk.site.prompt_ends()
    talk.bob.register(0)
    talk.site.run(61.0)
    assert talk.alice.line.state == "up"
    assert talk.talking()
    talk.done()


def test_the_lamp_of_a_place() -> None:
    """RFC 4235: it burns while a call waits there."""
    site = Site(SETTINGS)
    watcher = Watcher(site, "1003", "192.0.2.13")
    carrier = site.party("+37061234567", "198.51.100.9")
    assert watcher.subscribe("701").status == 200
    line = carrier.call("800")
    site.run(1.0)
    assert watcher.lamps()[-1] == [("confirmed", "recipient")]
    carrier.hang_up(line)
    site.run(1.0)
    assert watcher.lamps()[-1] == [("terminated", "recipient")]
    watcher.again(watcher.replies[-1], "701", expires=0)
    site.nothing_left()


MOMENTS = ("announcing", "parked", "ringing back", "retrieved")


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("who", ["caller", "phone", "drain"])
def test_somebody_vanishes(who: str, moment: str) -> None:
    """At each moment, the caller or the phone that has to do with it; or the switch stops."""
    talk = Talk()
    talk.press(talk.bob, "*0")
    phone, line = talk.bob, talk.bobs
    if moment != "announcing":
        talk.site.prompt_ends()
    if moment == "ringing back":
        talk.bob.on_invite = "ring"
        talk.site.run(61.0)
        line = talk.bob.line
    if moment == "retrieved":
        line = talk.alice.call("701")
        phone = talk.alice
    if who == "caller":
        talk.carrier.hang_up(talk.line)
        assert talk.call.over
    elif who == "phone" and line.state == "up":
        phone.hang_up(line)
        assert talk.call.over is (moment == "retrieved")
    elif who == "phone" and line.state == "ringing":
        phone.reject(line, 480)
        assert talk.call.stage.label == "parked"
    talk.done()


def test_the_taker_has_no_common_codec() -> None:
    talk = Talk()
    talk.press(talk.bob, "*0")
    talk.alice.codecs = ("G729",)
    assert talk.alice.call("701").status == 488
    assert talk.call.stage.label == "parked"
    talk.done()
