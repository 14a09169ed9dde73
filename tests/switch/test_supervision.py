"""Supervisors: who hears whom in each mode, who may, what is recorded and written down, and that nothing is left."""

from dataclasses import replace

import pytest

from softswitch.acd.model import AgentState, QueueSettings
from softswitch.switch.events import (
    AgentCommand,
    HangUpCall,
    RecordingCommand,
    Reload,
    SuperviseCommand,
    TransferCommand,
)
from softswitch.switch.records import CallRecord
from softswitch.switch.settings import Phone, Settings, Supervising, Supervisor
from tests.switch.site import Line, Party
from tests.switch.test_transfers import SETTINGS, Talk

EVERYTHING: tuple[Supervising, ...] = ("listen", "whisper", "barge", "take")
BASE = replace(
    SETTINGS,
    phones={**SETTINGS.phones, "1009": Phone(password="correct horse", max_calls=1)},
    supervisors={"vera": Supervisor(phone="1009", queues=("support",), may=EVERYTHING)},
)


class Watched(Talk):
    """vera's phone is 1009."""

    def __init__(self, settings: Settings = BASE) -> None:
        super().__init__(settings)
        self.vera = self.site.phone("1009", "192.0.2.19")

    def dial(self, number: str = "*501001") -> Line:
        return self.vera.call(number)

    def supervise(self, mode: Supervising = "listen", *, follow: bool = False, phone: str = "1009") -> None:
        self.site.give(SuperviseCommand("alice", mode, phone, follow, by="floor"))

    @property
    def watcher(self) -> int:
        return self.leg(self.vera)

    def edges(self, caller: set[int], agent: set[int], watcher: set[int]) -> None:
        """Exactly these are heard by each."""
        assert self.hears(self.caller) == caller
        assert self.hears(self.agent) == agent
        assert self.hears(self.watcher) == watcher

    def stop(self, *lines: tuple[Party, Line]) -> None:
        for party, line in lines:
            party.hang_up(line)
        self.site.nothing_left()


def test_listen_whisper_barge_by_keys() -> None:
    """1 listen, 2 whisper, 3 barge; the recording has what the caller hears, never a whisper."""
    talk = Watched()
    line = talk.dial()
    assert line.state == "up"
    caller, agent, watcher = talk.caller, talk.agent, talk.watcher
    talk.edges({agent}, {caller}, {caller, agent})
    assert talk.recorded() == {0: {caller}, 1: {agent}}
    for key, heard_by_caller, heard_by_agent, right in (
        ("2", {agent}, {caller, watcher}, {agent}),
        ("3", {agent, watcher}, {caller, watcher}, {agent, watcher}),
        ("1", {agent}, {caller}, {agent}),
    ):
        talk.site.press(watcher, key)
        talk.site.prompt_ends()  # the beep that only the supervisor hears
        talk.edges(heard_by_caller, heard_by_agent, {caller, agent})
        assert talk.recorded() == {0: {caller}, 1: right}
    assert not talk.site.media.digits, "the supervisor's keys are heard by nobody"
    assert talk.site.switch.desk.calls(talk.site.now)[0].supervisors == ("phone:1009 listen",)
    talk.site.run(10.0)
    talk.vera.hang_up(line)
    assert (talk.hears(caller), talk.hears(agent)) == ({agent}, {caller})
    told = talk.facts("supervise.")
    assert [(kind, data["mode"]) for kind, data in told] == [
        ("supervise.started", "listen"),
        ("supervise.mode", "whisper"),
        ("supervise.mode", "barge"),
        ("supervise.mode", "listen"),
        ("supervise.ended", "listen"),
    ]
    who = {"agent": "alice", "supervisor": "vera", "phone": "1009"}
    assert all(data.items() >= who.items() for _, data in told)
    assert talk.state("alice") is AgentState.TALKING
    talk.stop((talk.carrier, talk.line))


def test_take_over() -> None:
    """4: the agent's leg leaves, the supervisor is the other side; the recording goes on, alice's talk ends here."""
    talk = Watched()
    talk.dial()
    watcher = talk.watcher
    talk.site.press(watcher, "4")
    assert talk.alice.line.state == "over"
    assert talk.state("alice") is AgentState.WRAP_UP
    assert (talk.hears(talk.caller), talk.hears(watcher)) == ({watcher}, {talk.caller})
    assert talk.recorded() == {0: {talk.caller}, 1: {watcher}}
    assert len(talk.site.switch.calls) == 1, "the supervisor's own call is over, its leg is not"
    talk.site.run(30.0)
    assert round(talk.totals().agent("alice").talk) == 60
    talk.vera.hang_up(talk.vera.line)
    assert talk.line.state == "over"
    talk.site.run(3.0)
    records = [record for record in talk.site.records(CallRecord) if isinstance(record, CallRecord)]
    assert {record.destination for record in records} == {"supervise:alice", "phone:1009"}
    assert talk.facts("supervise.")[-1][1]["why"] == "took over"
    talk.site.nothing_left()


@pytest.mark.parametrize("mode", EVERYTHING)
def test_by_order_the_phone_rings_first(mode: Supervising) -> None:
    """Also a phone that has room for one call only."""
    talk = Watched()
    talk.vera.on_invite = "ring"
    talk.supervise(mode)
    assert talk.vera.line.state == "ringing"
    assert "1001" in str(talk.vera.line.request.headers.get("From")) if talk.vera.line.request else False
    assert talk.hears(talk.agent) == {talk.caller}
    talk.vera.answer(talk.vera.line)
    watcher = talk.watcher
    heard = {"listen": set(), "whisper": set(), "barge": {watcher}, "take": {watcher}}[mode]
    assert talk.hears(talk.caller) - {talk.agent} == heard
    if mode == "take":
        assert talk.alice.line.state == "over"
    else:
        talk.supervise("barge")  # who is there already only changes
        talk.site.prompt_ends()
        talk.edges({talk.agent, watcher}, {talk.caller, watcher}, {talk.caller, talk.agent})
        assert len(talk.vera.lines) == 1
    started = talk.facts("supervise.started")
    assert [data["by"] for _, data in started] == ["floor"]
    talk.vera.hang_up(talk.vera.line)
    assert talk.line.state == ("over" if mode == "take" else "up")
    talk.stop(*(() if mode == "take" else ((talk.carrier, talk.line),)))


@pytest.mark.parametrize("how", ["reject", "silence", "caller leaves", "operator"])
def test_the_supervisors_phone_does_not_answer(how: str) -> None:
    talk = Watched()
    talk.vera.on_invite = 486 if how == "reject" else "ring"
    talk.supervise()
    match how:
        case "silence":
            talk.site.run(61.0)
        case "caller leaves":
            talk.carrier.hang_up(talk.line)
            talk.vera.answer(talk.vera.line)  # nobody to listen to any more
            talk.site.run(10.0)
            talk.site.prompt_ends()
            talk.site.run(1.0)
        case "operator":
            (own,) = (id for id in talk.site.switch.calls if id != talk.call.id)
            talk.site.give(HangUpCall(own))
    assert talk.vera.line.state == "over"
    if talk.line.state == "up":
        talk.carrier.hang_up(talk.line)
    talk.site.nothing_left()


@pytest.mark.parametrize("who", ["caller", "agent"])
def test_the_talk_ends_and_so_does_the_supervision(who: str) -> None:
    talk = Watched()
    line = talk.dial()
    talk.site.press(talk.watcher, "3")
    party, own = (talk.carrier, talk.line) if who == "caller" else (talk.alice, talk.alice.line)
    party.hang_up(own)
    assert line.state == "over"
    assert talk.facts("supervise.")[-1][1]["why"] == "talk ended"
    talk.site.nothing_left()


def test_following_an_agent_across_calls() -> None:
    """`*51`: the supervisor waits for alice, stays when her call ends, and hears the next one in the same mode."""
    talk = Watched()
    line = talk.dial("*511001")
    talk.site.press(talk.watcher, "2")
    talk.site.prompt_ends()
    talk.carrier.hang_up(talk.line)
    assert line.state == "up"
    assert talk.hears(talk.watcher) == set()
    talk.site.give(AgentCommand("alice", "ready"))
    second = talk.carrier.call("100")
    talk.site.run(1.0)
    call = next(call for call in talk.site.switch.calls.values() if call.facts.queue)
    agent, watcher = talk.leg(talk.alice), talk.watcher
    assert talk.hears(agent) == {call.leg.id, watcher}
    assert talk.hears(watcher) == {call.leg.id, agent}
    assert talk.hears(call.leg.id) == {agent}
    assert len(talk.facts("supervise.started")) == 2
    talk.stop((talk.vera, line), (talk.carrier, second))


def test_waiting_for_an_agent_who_does_not_talk() -> None:
    talk = Watched()
    talk.carrier.hang_up(talk.line)
    refused = talk.dial()
    assert refused.status == 480
    line = talk.dial("*511001")
    assert line.state == "up"
    assert [kind for kind, _ in talk.facts("supervise.")] == ["supervise.waiting"]
    talk.stop((talk.vera, line))


def test_nobody_else_may() -> None:
    """Neither another phone, nor another queue, nor another mode; and it is written down."""
    settings = replace(
        BASE,
        queues={**BASE.queues, "sales": QueueSettings(agents=("alice",))},
        supervisors={
            "vera": Supervisor(phone="1009", agents=("alice",), may=("listen",)),
            "carol": Supervisor(phone="1003", queues=("sales",), may=EVERYTHING),
        },
    )
    talk = Watched(settings)
    for stranger in (talk.bob, talk.carol):
        line = stranger.call("*501001")
        assert line.status == 403
    line = talk.dial()
    watcher = talk.watcher
    for key in "234":
        talk.site.press(watcher, key)
        assert len(talk.hears(watcher)) == 3, "a low tone"
        talk.site.prompt_ends()
        talk.edges({talk.agent}, {talk.caller}, {talk.caller, talk.agent})
    talk.supervise("barge", phone="1003")
    assert not any(one.request for one in talk.carol.lines.values())
    assert [kind for kind, _ in talk.facts("supervise.")].count("supervise.refused") == 5
    talk.stop((talk.vera, line), (talk.carrier, talk.line))


def test_two_supervisors_and_a_consultation() -> None:
    """Who listens hears everybody, who barges is heard by those who speak with the agent: not by a parked caller."""
    settings = replace(
        BASE, supervisors={**BASE.supervisors, "bob": Supervisor(phone="1002", agents=("*",), may=EVERYTHING)}
    )
    talk = Watched(settings)
    line = talk.dial()
    other = talk.bob.call("*501001")
    first, second = talk.watcher, talk.leg(talk.bob)
    talk.site.press(second, "3")
    talk.site.prompt_ends()
    assert talk.hears(first) == {talk.caller, talk.agent, second}
    assert talk.hears(second) == {talk.caller, talk.agent}
    talk.keys(talk.alice, "*21003#")
    third = talk.leg(talk.carol)
    assert talk.plays(talk.caller) == "music"
    assert talk.hears(talk.agent) == {third, second}
    assert talk.hears(third) == {talk.agent, second}
    assert talk.hears(first) == {talk.caller, talk.agent, third, second}
    talk.keys(talk.alice, "*5")
    assert talk.hears(talk.caller) == {talk.agent, third, second}
    assert talk.recorded() == {0: {talk.caller}, 1: {talk.agent, third, second}}
    talk.site.give(TransferCommand(talk.call.id, "complete"))
    assert line.state == other.state == "over", "they supervised alice, who is gone"
    talk.stop((talk.carrier, talk.line))


def test_hold_while_supervised() -> None:
    talk = Watched()
    line = talk.dial()
    talk.vera.hold(line)
    assert talk.hears(talk.watcher) == set()
    talk.vera.resume(line)
    assert talk.hears(talk.watcher) == {talk.caller, talk.agent}
    talk.alice.hold(talk.alice.line)
    assert talk.plays(talk.caller) == "music"
    assert talk.hears(talk.watcher) == {talk.caller}
    talk.stop((talk.vera, line), (talk.carrier, talk.line))


def test_keys_reach_nobody_else_and_come_back_to_media() -> None:
    """While somebody supervises, control passes keys on; afterwards media does again."""
    from softswitch.switch.settings import Codes

    talk = Watched(replace(BASE, codes=Codes()))
    assert talk.site.media.legs[talk.caller].keys
    line = talk.dial()
    assert not talk.site.media.legs[talk.caller].keys
    talk.site.press(talk.agent, "5")
    assert talk.site.media.digits == [(talk.caller, "5")]
    talk.vera.hang_up(line)
    assert talk.site.media.legs[talk.caller].keys
    talk.stop((talk.carrier, talk.line))


def test_the_recording_is_begun_and_paused_by_the_supervisor_and_the_agent() -> None:
    """A queue that does not record: 9 begins, 7 pauses, 8 resumes; `*9` is the agent's own."""
    talk = Watched(replace(BASE, queues={"support": replace(BASE.queues["support"], record=False)}))
    assert not talk.site.media.recorders
    line = talk.dial()
    watcher = talk.watcher
    talk.site.press(watcher, "7")
    assert not talk.facts("recording.")
    talk.site.press(watcher, "9")
    assert talk.recorded() == {0: {talk.caller}, 1: {talk.agent}}
    for key in "78":
        talk.site.press(watcher, key)
    talk.keys(talk.alice, "*9")  # it is recorded already
    assert [(kind, data.get("by", "")) for kind, data in talk.facts("recording.")] == [
        ("recording.started", ""),
        ("recording.ordered", "phone:1009"),
        ("recording.paused", "phone:1009"),
        ("recording.resumed", "phone:1009"),
    ]
    talk.stop((talk.vera, line), (talk.carrier, talk.line))


def test_the_order_to_record_one_call() -> None:
    talk = Watched(replace(BASE, queues={"support": replace(BASE.queues["support"], record=False)}))
    talk.site.give(RecordingCommand(talk.call.id, "start", "floor"))
    assert talk.recorded() == {0: {talk.caller}, 1: {talk.agent}}
    talk.stop((talk.carrier, talk.line))


def test_a_right_that_is_taken_away_ends_what_goes_on() -> None:
    talk = Watched()
    line = talk.dial()
    talk.site.give(Reload(replace(BASE, supervisors={"vera": Supervisor(phone="1009", queues=("sales",))})))
    assert line.state == "over"
    assert talk.hears(talk.caller) == {talk.agent}
    assert [kind for kind, _ in talk.facts("supervise.")] == [
        "supervise.started",
        "supervise.refused",
        "supervise.ended",
    ]
    talk.stop((talk.carrier, talk.line))


def test_the_agent_is_dialled_by_number_extension_or_name() -> None:
    agents = {**BASE.agents, "alice": replace(BASE.agents["alice"], number="201")}
    talk = Watched(replace(BASE, agents=agents))
    for number in ("*50201", "*501001", "*50alice"):
        line = talk.dial(number)
        assert line.state == "up", number
        talk.vera.hang_up(line)
    assert talk.dial("*5077").status == 404
    talk.stop((talk.carrier, talk.line))
