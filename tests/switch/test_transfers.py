"""Transfers of a queue's call by keys, by order and by REFER: who hears whom, what is recorded, whose talk it is."""

from dataclasses import replace

import pytest

from softswitch.acd.model import AgentState, Fact, QueueSettings
from softswitch.acd.stats import Totals
from softswitch.switch.call import Call
from softswitch.switch.events import AgentCommand, Reported, TransferCommand
from softswitch.switch.records import CallRecord
from softswitch.switch.settings import (
    Agent,
    Codes,
    InCall,
    Menu,
    Phone,
    Recording,
    Route,
    Settings,
    Sip,
    Transfers,
    Trunk,
)
from softswitch.wire import control
from tests.switch.site import Line, Party, Site

SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    codes=Codes(in_call=InCall()),
    phones={name: Phone(password="correct horse") for name in ("1001", "1002", "1003")},
    agents={"alice": Agent(phone="1001", logged_in=True), "bob": Agent(phone="1002")},
    trunks={"carrier": Trunk(address="sip:198.51.100.10")},
    queues={
        "support": QueueSettings(agents=("alice", "bob"), wrap_up=10.0),
        "sales": QueueSettings(agents=("bob",)),
    },
    ivr={"menu": Menu(prompt="welcome", keys={"1": "queue:sales"})},
    routes=(
        Route(source="trunk:carrier", number="100", to="queue:support"),
        Route(source="phone:*", number="7001", to="queue:support"),
        Route(source="phone:*", number="7002", to="ivr:menu"),
        Route(source="phone:*", number="9.", to="trunk:carrier", strip=1),
    ),
    recording=Recording(directory="/recordings"),
)


class Talk:
    """The carrier's caller talks with alice; bob's phone 1002 and 1003 are there."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.site = site = Site(settings)
        self.alice = site.phone("1001", "192.0.2.10")
        self.bob = site.phone("1002", "192.0.2.11")
        self.carol = site.phone("1003", "192.0.2.12")
        self.carrier = site.party("+37061234567", "198.51.100.10")
        self.line = self.carrier.call("100")
        site.run(60.0)
        (self.call,) = site.switch.calls.values()
        self.agent = self.leg(self.alice)

    def leg(self, party: Party) -> int:
        """The media id of a party's latest line."""
        return next(leg.id for leg in self.switch_legs() if leg.sip_call_id == call_id(party.line))

    def switch_legs(self) -> list[object]:
        return [leg for leg in self.site.switch.office.fabric.legs.values() if not leg.over]

    def keys(self, party: Party, digits: str) -> None:
        for digit in digits:
            self.site.press(self.leg(party), digit)

    def order(self, verb: str, target: str = "") -> None:
        self.site.give(TransferCommand(self.call.id, verb, target))  # type: ignore[arg-type]

    def hears(self, leg: int) -> set[int]:
        return self.site.media.hears(leg)

    @property
    def caller(self) -> int:
        return self.call.leg.id

    def recorded(self) -> dict[int, set[int]]:
        """The sources of each channel of the first recording."""
        recorder = min(self.site.media.recorders)
        found: dict[int, set[int]] = {0: set(), 1: set()}
        for source, sink, channel in self.site.media.edges:
            if sink == recorder:
                found[channel].add(source)
        return found

    def plays(self, leg: int) -> str:
        """What the one player that a leg hears plays."""
        (player,) = self.hears(leg)
        items = self.site.media.players[player].items
        return "music" if hasattr(items[0], "path") else "tone"

    def facts(self, *kinds: str) -> list[tuple[str, dict[str, object]]]:
        return [(f.kind, f.data) for f in self.site.saved if isinstance(f, Fact) and f.kind.startswith(kinds)]

    def totals(self) -> Totals:
        return Totals(fact for fact in self.site.saved if isinstance(fact, Fact))

    def state(self, agent: str) -> AgentState:
        view = self.site.switch.office.engine.agent_view(agent, self.site.now)
        assert view is not None
        return view.state

    def record(self) -> CallRecord:
        self.site.run(3.0)
        return next(r for r in self.site.records(CallRecord) if isinstance(r, CallRecord) and r.id == self.call.id)


def call_id(line: Line) -> str:
    if line.request is not None:
        return line.request.call_id
    for event in line.events:
        response = getattr(event, "response", None)
        if response is not None:
            return str(response.call_id)
    raise AssertionError("no dialog")


def test_blind_by_keys_to_a_phone_whose_agent_takes_it() -> None:
    """`*1` 1 0 0 2 `#`: alice is free at once, the caller hears ringing, the recording goes on, and bob's part is
    bob's (FreePBX#124, asterisk#759; mikopbx#1125)."""
    talk = Talk()
    talk.site.give(AgentCommand("bob", "login"))
    talk.bob.on_invite = "ring"
    assert talk.recorded() == {0: {talk.caller}, 1: {talk.agent}}
    talk.keys(talk.alice, "*11002#")
    assert talk.alice.line.state == "over"
    assert talk.state("alice") is AgentState.WRAP_UP
    assert talk.plays(talk.caller) == "tone"
    assert talk.state("bob") is AgentState.BUSY
    talk.site.run(5.0)
    talk.bob.answer(talk.bob.line)
    assert talk.state("bob") is AgentState.TALKING
    bob = talk.leg(talk.bob)
    assert (talk.hears(talk.caller), talk.hears(bob)) == ({bob}, {talk.caller})
    assert talk.recorded() == {0: {talk.caller}, 1: {bob}}
    talk.site.run(3600.0)
    talk.carrier.hang_up(talk.line)
    totals, record = talk.totals(), talk.record()
    assert round(totals.agent("alice").talk) == 60
    assert round(totals.agent("bob").talk) == 3600
    assert talk.state("bob") is AgentState.WRAP_UP, "the wrap-up of the queue is his, too"
    assert (record.outcome, record.agent, record.queue) == ("answered", "bob", "support")
    assert {leg.party: [round(end - start) for start, end in leg.talk] for leg in record.legs} == {
        "trunk:carrier": [60, 3600],
        "agent:alice": [60],
        "agent:bob": [3600],
    }
    assert [kind for kind, _ in talk.facts("transfer.", "recording.")] == [
        "recording.started",
        "transfer.started",
        "transfer.completed",
        "recording.ended",
    ]
    talk.site.nothing_left()


def test_consult_complete() -> None:
    """`*2…#` then `*3`: the caller hears music, agent and third each other; then caller and third."""
    talk = Talk()
    talk.carol.on_invite = "ring"
    talk.keys(talk.alice, "*21003#")
    assert talk.plays(talk.caller) == "music"
    assert talk.plays(talk.agent) == "tone"
    talk.carol.answer(talk.carol.line)
    third = talk.leg(talk.carol)
    assert (talk.hears(talk.agent), talk.hears(third)) == ({third}, {talk.agent})
    assert talk.plays(talk.caller) == "music"
    assert talk.recorded() == {0: {talk.caller}, 1: {talk.agent, third}}
    talk.site.run(20.0)
    talk.keys(talk.alice, "*3")
    assert talk.alice.line.state == "over"
    assert (talk.hears(talk.caller), talk.hears(third)) == ({third}, {talk.caller})
    assert talk.recorded() == {0: {talk.caller}, 1: {third}}
    talk.site.run(30.0)
    talk.carol.hang_up(talk.carol.line)
    assert talk.line.state == "over"
    record = talk.record()
    assert record.agent == "alice"
    assert round(record.hold_seconds) == 20
    assert {leg.party: [round(end - start) for start, end in leg.talk] for leg in record.legs} == {
        "trunk:carrier": [60, 30],
        "agent:alice": [60],
        "phone:1003": [30],
    }
    assert round(talk.totals().agent("alice").talk) == 80
    talk.site.nothing_left()


@pytest.mark.parametrize("end", ["keys", "third", "agent", "caller"])
def test_consult_ends_in_every_other_way(end: str) -> None:
    talk = Talk()
    talk.keys(talk.alice, "*21003#")
    third = talk.leg(talk.carol)
    assert talk.hears(third) == {talk.agent}
    match end:
        case "keys":
            talk.keys(talk.alice, "*4")
        case "third":
            talk.carol.hang_up(talk.carol.line)
        case "agent":  # hanging up completes it
            talk.alice.hang_up(talk.alice.line)
            assert (talk.hears(talk.caller), talk.hears(third)) == ({third}, {talk.caller})
            assert talk.state("alice") is AgentState.WRAP_UP
        case "caller":
            talk.carrier.hang_up(talk.line)
            assert talk.alice.line.state == talk.carol.line.state == "over"
    if end in ("keys", "third"):
        assert talk.carol.line.state == "over"
        assert (talk.hears(talk.caller), talk.hears(talk.agent)) == ({talk.agent}, {talk.caller})
        assert talk.facts("transfer.")[-1][0] == "transfer.cancelled"
        talk.keys(talk.alice, "*3")  # nobody is consulted any more: a tone says so
        assert talk.line.state == "up"
    if end != "caller":
        talk.carrier.hang_up(talk.line)
    talk.site.nothing_left()


@pytest.mark.parametrize("who", ["agent", "caller", "third"])
def test_the_third_rings_and_somebody_leaves(who: str) -> None:
    talk = Talk()
    talk.carol.on_invite = "ring"
    talk.keys(talk.alice, "*21003#")
    match who:
        case "agent":  # semi-attended: the caller hears it ring
            talk.alice.hang_up(talk.alice.line)
            assert talk.plays(talk.caller) == "tone"
            assert talk.carol.line.state == "ringing", "the phone goes on ringing, it is not rung again"
            talk.carol.answer(talk.carol.line)
            assert talk.hears(talk.caller) == {talk.leg(talk.carol)}
        case "caller":
            talk.carrier.hang_up(talk.line)
            assert talk.carol.line.state == talk.alice.line.state == "over"
        case "third":
            talk.carol.reject(talk.carol.line, 486)
            assert talk.hears(talk.caller) == {talk.agent}
            assert talk.caller in talk.hears(talk.agent)
            assert len(talk.hears(talk.agent)) == 2, "a low tone says that it failed"
            talk.site.prompt_ends()
            assert talk.hears(talk.agent) == {talk.caller}
    if talk.line.state == "up":
        talk.carrier.hang_up(talk.line)
    talk.site.nothing_left()


def test_nobody_answers_the_consultation() -> None:
    talk = Talk()
    talk.carol.on_invite = "ring"
    talk.order("consult", "phone:1003")
    talk.site.run(61.0)
    assert talk.carol.line.state == "over"
    (failed,) = talk.facts("transfer.failed")
    assert failed[1]["how"] == "no-answer"
    assert talk.hears(talk.caller) == {talk.agent}
    talk.carrier.hang_up(talk.line)
    talk.site.nothing_left()


def test_three_way_and_one_leaves_after_the_other() -> None:
    """Each hears the others and not itself; the recording has the caller left, all others right."""
    talk = Talk()
    talk.keys(talk.alice, "*21003#")
    third = talk.leg(talk.carol)
    talk.keys(talk.alice, "*5")
    caller, agent = talk.caller, talk.agent
    assert talk.hears(caller) == {agent, third}
    assert talk.hears(agent) == {caller, third}
    assert talk.hears(third) == {caller, agent}
    assert talk.recorded() == {0: {caller}, 1: {agent, third}}
    talk.site.run(10.0)
    talk.alice.hang_up(talk.alice.line)
    assert (talk.hears(caller), talk.hears(third)) == ({third}, {caller})
    assert talk.recorded() == {0: {caller}, 1: {third}}
    talk.carol.hang_up(talk.carol.line)
    assert talk.line.state == "over"
    talk.site.nothing_left()


@pytest.mark.parametrize("who", ["third", "caller"])
def test_a_party_joins_by_order(who: str) -> None:
    """The API's `join`: the talk goes on while the third rings."""
    talk = Talk()
    talk.carol.on_invite = "ring"
    talk.order("join", "phone:1003")
    assert talk.hears(talk.caller) == {talk.agent}
    talk.carol.answer(talk.carol.line)
    third = talk.leg(talk.carol)
    assert talk.hears(third) == {talk.caller, talk.agent}
    if who == "third":
        talk.carol.hang_up(talk.carol.line)
        assert (talk.hears(talk.caller), talk.hears(talk.agent)) == ({talk.agent}, {talk.caller})
        assert [kind for kind, _ in talk.facts("conference.")] == ["conference.started", "conference.ended"]
    talk.carrier.hang_up(talk.line)
    assert talk.alice.line.state == talk.carol.line.state == "over"
    talk.site.nothing_left()


def test_a_party_of_three_holds() -> None:
    """Whoever holds hears nothing, the others go on; when nobody is left to hear, there is music."""
    talk = Talk()
    talk.keys(talk.alice, "*61003#")
    third = talk.leg(talk.carol)
    talk.alice.hold(talk.alice.line)
    assert talk.hears(talk.agent) == set()
    assert (talk.hears(talk.caller), talk.hears(third)) == ({third}, {talk.caller})
    view = talk.call.view(talk.site.now)
    assert (view.state, view.held_by) == ("talking", ("agent:alice",)), "two are left to talk"
    talk.carol.hold(talk.carol.line)
    view = talk.call.view(talk.site.now)
    assert (view.state, view.held_by) == ("on hold", ("agent:alice", "phone:1003"))
    assert talk.plays(talk.caller) == "music"
    talk.alice.resume(talk.alice.line)
    assert talk.hears(talk.caller) == {talk.agent}
    talk.carrier.hang_up(talk.line)
    talk.site.nothing_left()


@pytest.mark.parametrize("leave_out", [False, True])
def test_back_to_the_queue_at_the_old_place(leave_out: bool) -> None:
    """The call keeps its arrival: it goes before one that came meanwhile; alice is not asked again if so configured."""
    talk = Talk(replace(SETTINGS, transfers=Transfers(leave_out=leave_out)))
    for agent, verb in (("bob", "login"), ("bob", "pause"), ("alice", "pause")):
        talk.site.give(AgentCommand(agent, verb))  # type: ignore[arg-type]  # a verb by its name
    later = talk.carrier.call("100")
    talk.site.run(5.0)
    talk.keys(talk.alice, "*17001#")
    waiting = talk.site.switch.office.engine.waiting("support", talk.site.now)
    assert next(row.call for row in waiting) == talk.call.id
    assert talk.plays(talk.caller) == "music"
    assert talk.recorded()[0] == {talk.caller}
    talk.site.give(AgentCommand("alice", "ready"))
    talk.site.run(1.0)
    labels = {call.id == talk.call.id: call.stage.label for call in talk.site.switch.calls.values()}
    assert labels == ({True: "queued", False: "talking"} if leave_out else {True: "talking", False: "queued"})
    talk.site.give(AgentCommand("bob", "ready"))
    talk.site.run(1.0)
    assert talk.call.stage.label == "talking"
    assert talk.call.facts.agent == ("bob" if leave_out else "alice")
    assert len(talk.recorded()[1]) == 1
    talk.carrier.hang_up(talk.line)
    talk.carrier.hang_up(later)
    talk.site.nothing_left()


@pytest.mark.parametrize(
    ("target", "label"),
    [("queue:sales", "queued"), ("ivr:menu", "menu"), ("trunk:carrier/0037", "ringing"), ("agent:bob", "talking"),
     ("play:closed", "playing"), ("phone:1003", "talking")],
)  # fmt: skip
def test_blind_by_order_to_every_kind_of_target(target: str, label: str) -> None:
    talk = Talk()
    talk.carrier.on_invite = "ring"
    talk.order("blind", target)
    assert talk.alice.line.state == "over"
    assert talk.call.stage.label == label
    talk.carrier.hang_up(talk.line)
    talk.site.nothing_left()
    ends = [kind for kind, _ in talk.facts("transfer.") if kind != "transfer.started"]
    assert ends == ["transfer.completed" if label in ("talking", "playing") else "transfer.failed"]


def test_a_blind_transfer_that_nobody_takes_is_still_an_answered_call() -> None:
    talk = Talk()
    talk.carol.on_invite = 486
    talk.order("blind", "phone:1003")
    talk.site.run(10.0)
    talk.site.prompt_ends()
    assert talk.line.state == "over"
    record = talk.record()
    assert (record.outcome, record.agent) == ("answered", "alice")
    assert round(record.talk_seconds) == 60
    talk.site.nothing_left()


def test_an_agent_passes_on_a_call_of_ones_own() -> None:
    """alice has called carol, and consults bob: the call goes on between carol and bob, whatever side alice was on."""
    site = Site(SETTINGS)
    alice, bob, carol = (site.phone(f"100{n}", f"192.0.2.1{n}") for n in (1, 2, 3))
    own = alice.call("1003")
    (call,) = site.switch.calls.values()
    caller = call.leg.id
    for digit in "*21002#*3":
        site.press(caller, digit)
    assert own.state == "over"
    ids = {leg.peer: leg.id for leg in site.switch.office.fabric.legs.values() if not leg.over}
    assert site.media.hears(ids["phone:1003"]) == {ids["phone:1002"]}
    assert site.media.hears(ids["phone:1002"]) == {ids["phone:1003"]}
    bob.hang_up(bob.line)
    assert carol.line.state == "over"
    site.nothing_left()


def test_keys_that_are_no_command_reach_the_other_side() -> None:
    """Media passes no keys on while they may be commands; what is none is sent on, in order, once it is sure."""
    talk = Talk()
    assert not talk.site.media.legs[talk.caller].keys
    talk.keys(talk.alice, "5*0*")
    assert [(leg, digit) for leg, digit in talk.site.media.digits] == [(talk.caller, "5"), (talk.caller, "*0")]
    talk.site.run(5.0)
    assert talk.site.media.digits[-1] == (talk.caller, "*")
    talk.site.press(talk.caller, "7")
    assert talk.site.media.digits[-1] == (talk.agent, "7"), "the caller's keys are never commands"
    talk.keys(talk.alice, "*7")
    assert talk.site.switch.desk.calls(talk.site.now)[0].recording_paused
    talk.keys(talk.alice, "*8")
    assert not talk.site.switch.desk.calls(talk.site.now)[0].recording_paused
    assert [data["by"] for kind, data in talk.facts("recording.paused", "recording.resumed")] == ["agent:alice"] * 2
    talk.carrier.hang_up(talk.line)
    talk.site.nothing_left()


def test_a_number_without_its_end_key_is_dialled_after_a_pause_and_a_wrong_one_refused() -> None:
    talk = Talk()
    talk.keys(talk.alice, "*24444#")
    assert len(talk.hears(talk.agent)) == 2
    talk.site.prompt_ends()
    talk.keys(talk.alice, "*21003")
    assert not talk.carol.lines
    talk.site.run(4.5)
    assert talk.carol.line.state == "up"
    talk.carrier.hang_up(talk.line)
    talk.site.nothing_left()


def test_without_in_call_codes_keys_stay_in_media() -> None:
    talk = Talk(replace(SETTINGS, codes=Codes()))
    assert talk.site.media.legs[talk.caller].keys
    talk.keys(talk.alice, "*21003#")
    assert not talk.carol.lines
    assert not talk.site.media.digits
    talk.carrier.hang_up(talk.line)
    talk.site.nothing_left()


def test_media_that_is_lost_ends_a_consultation() -> None:
    from softswitch.switch.events import MediaLost

    talk = Talk()
    talk.keys(talk.alice, "*21003#")
    talk.site.give(MediaLost(0))
    assert talk.line.state == talk.alice.line.state == talk.carol.line.state == "over"
    assert isinstance(talk.call, Call)


def test_the_former_agents_talk_ends_before_the_next_ones_begins() -> None:
    """In the ledger, so that whoever adds up never has one call with two agents."""
    talk = Talk()
    talk.site.give(AgentCommand("bob", "login"))
    talk.keys(talk.alice, "*21002#*3")
    kinds = [kind for kind, _ in talk.facts("talk.", "transfer.")]
    assert kinds == ["transfer.started", "transfer.consulting", "transfer.completed", "talk.ended", "talk.started"]
    talk.carrier.hang_up(talk.line)
    totals = talk.totals()
    assert dict(totals.agent("alice").transfers) == {"consult": 1}
    assert dict(totals.queue("support").transfers) == {"consult": 1}
    talk.site.nothing_left()


@pytest.mark.parametrize("what", ["silence", "security"])
def test_a_third_party_whose_stream_fails_is_all_that_goes(what: str) -> None:
    talk = Talk()
    talk.keys(talk.alice, "*61003#")
    third = talk.leg(talk.carol)
    told = control.LegSilent(third, 300.0) if what == "silence" else control.SecurityFailed(third, "no keys")
    talk.site.give(Reported(0, (told,)))
    assert talk.carol.line.state == "over"
    assert (talk.hears(talk.caller), talk.hears(talk.agent)) == ({talk.agent}, {talk.caller})
    talk.site.give(Reported(0, (control.LegSilent(talk.agent, 300.0),)))
    assert talk.line.state == "over"
    talk.site.nothing_left()
