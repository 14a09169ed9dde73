"""Control dies while two talk: they go on talking. DESIGN §1: audio never stops for a control crash.

Media hears of nothing, no phone is sent anything, and all that comes later is as if nothing had been: hold, BYE from
either side, one record with all of the talk, the recording, the agent's state, the figures."""

from dataclasses import replace

import msgspec
import pytest

from softswitch.acd.model import AgentState, Fact
from softswitch.acd.stats import Totals
from softswitch.sip.flow import Flow
from softswitch.sip.session_memory import GONE, LEAP
from softswitch.sip.session_terms import Terms
from softswitch.switch.events import HangUpCall, RecordingCommand, SuperviseCommand, TransferCommand
from softswitch.switch.records import SavedLiveCall, SavedRecording
from softswitch.switch.settings import Guards, Phone, Route, Settings, Sip, Supervisor, Trunk
from softswitch.wire import control
from tests.switch import test_siprec as siprec
from tests.switch.site import Line, Party, Site
from tests.switch.survival import crash, kept, nothing_left, the_record
from tests.switch.test_queue import PASSWORD, SETTINGS, state

PHONES = Settings(
    sip=Sip(domain="pbx.test"),
    phones={name: Phone(password=PASSWORD) for name in ("1001", "1002", "1003")},
    trunks={"carrier": Trunk(address="sip:198.51.100.10", username="us", password="secret")},
    routes=(Route(source="phone:*", number="9.", to="trunk:carrier", strip=1),),
    guards=Guards(rates={"": 0.60}),
)

VERA = {"vera": Supervisor(phone="1009", queues=("support",), may=("listen", "whisper"))}


def two_who_talk(seconds: float = 4.0) -> tuple[Site, Party, Party, Line]:
    site = Site(PHONES)
    one, two = site.phone("1001", "192.0.2.11"), site.phone("1002", "192.0.2.12")
    line = one.call("1002")
    site.run(seconds)
    return site, one, two, line


def served(seconds: float = 4.0, **more: object) -> tuple[Site, Party, Party, Line]:
    """A carrier's caller talks with agent alice, recorded."""
    site = Site(replace(SETTINGS, **more))  # type: ignore[arg-type]
    alice, carrier = site.phone("1001", "192.0.2.10"), site.party("+37061234567", "198.51.100.10")
    line = carrier.call("100")
    site.run(seconds)
    assert alice.line.state == line.state == "up"
    return site, alice, carrier, line


def sent(site: Site) -> list[bytes]:
    """What crosses the wire from now on."""
    crossed: list[bytes] = []

    def note(data: bytes) -> bool:
        crossed.append(data)
        return False

    site.lost = note
    return crossed


def told(site: Site) -> list[control.Command]:
    """What media is told from now on, but for questions."""
    commands: list[control.Command] = []
    perform = site.media.perform

    def listen(command: control.Command) -> list[control.Report]:
        if not isinstance(command, control.AskInventory | control.AskStats):
            commands.append(command)
        return perform(command)

    site.media.perform = listen  # type: ignore[method-assign]  # the site asks its media process by this name
    return commands


def test_who_talks_for_a_moment_is_never_written() -> None:
    """Not even beside others: at hundreds of short calls a second each would cost two lines of the journal."""
    site = Site(PHONES)
    one, _ = site.phone("1001", "192.0.2.11"), site.phone("1002", "192.0.2.12")
    for seconds in (0.1, 0.2, 0.2):
        line = one.call("1002")
        site.run(seconds)
        one.hang_up(line)
    site.run(2.0)
    assert not any(isinstance(row, SavedLiveCall) for row in site.saved)


def test_nobody_is_told_anything() -> None:
    site, one, two, line = two_who_talk()
    crossed, commands, edges = sent(site), told(site), set(site.media.edges)
    crash(site)
    site.run(60.0)
    assert not [data for data in crossed if not data.startswith((b"OPTIONS", b"SIP/2.0 200"))]
    assert commands == []
    assert site.media.edges == edges
    assert (line.state, two.line.state) == ("up", "up")
    (view,) = site.switch.desk.calls(site.now)
    assert (view.state, view.source, view.at, len(view.legs)) == ("talking", "phone:1001", "phone:1002", 2)
    assert {leg.codec for leg in view.legs} == {"PCMA"}
    shown = site.switch.desk.status(site.now).recovery
    assert shown is not None
    assert (shown.adopted, shown.ended) == (1, 0)
    one.hang_up(line)
    nothing_left(site)


@pytest.mark.parametrize("who", ["caller", "callee"])
def test_a_bye_from_either_side_ends_it_with_one_right_record(who: str) -> None:
    site, one, two, line = two_who_talk(4.0)
    began = site.now - 4.0
    crash(site, after=2.0)
    site.run(4.0)
    if who == "caller":
        one.hang_up(line)
    else:
        two.hang_up(two.line)
    assert (line.state, two.line.state) == ("over", "over")
    record = the_record(site)
    assert (record.outcome, record.hung_up_by, record.cause) == ("answered", who, 200)
    assert (record.source, record.called, record.destination) == ("phone:1001", "1002", "phone:1002")
    assert record.started == pytest.approx(began, abs=0.1)
    assert record.talk_seconds == pytest.approx(10.0, abs=0.1)
    assert record.ended == pytest.approx(began + 10.0, abs=0.1)
    assert {leg.party for leg in record.legs} == {"phone:1001", "phone:1002"}
    for leg in record.legs:
        assert (leg.received, leg.codec) == (100, "PCMA")
        ((since, until),) = leg.talk
        assert until - since == pytest.approx(10.0, abs=0.1)
    nothing_left(site)


def test_our_own_bye_is_in_order_for_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 3261 §12.2.2: a CSeq number below the last one is out of order, whatever the journal had missed."""
    site, _, two, line = two_who_talk()
    (call,) = site.switch.calls.values()
    for _ in range(20):  # the journal does not look at these
        site.switch.office.drive(site.switch.office.ua.send_in_dialog(call.leg.session, "INFO", site.now))
        site.run(0.1)
    crash(site)
    crossed = sent(site)
    (id,) = site.switch.calls
    site.give(HangUpCall(id))
    byes = [data for data in crossed if data.startswith(b"BYE ")]
    assert len(byes) == 2
    assert all(data[data.index(b"CSeq: ") :][:20] > b"CSeq: %d BYE" % LEAP for data in byes)
    assert (line.state, two.line.state) == ("over", "over")
    nothing_left(site)


def test_hold_and_retrieval_by_reinvite() -> None:
    site, one, _, line = two_who_talk()
    crash(site)
    (call,) = site.switch.calls.values()
    callee = call.stage.legs()[0]
    one.hold(line, 2)
    assert call.leg.state == "held"
    assert site.media.played[-1] == ("en/music/hold",)
    (music,) = site.media.hears(callee.id)
    assert music in site.media.players
    site.run(3.0)
    one.resume(line, 3)
    assert call.leg.state == "talking"
    assert site.media.hears(callee.id) == {call.leg.id}
    assert site.media.hears(call.leg.id) == {callee.id}
    one.hang_up(line)
    assert the_record(site).hold_seconds == pytest.approx(3.0, abs=0.1)
    nothing_left(site)


def test_held_before_and_retrieved_after() -> None:
    site, _, two, line = two_who_talk()
    two.hold(two.line, 2)
    site.run(2.0)
    crash(site, after=2.0)
    (call,) = site.switch.calls.values()
    assert call.stage.legs()[0].state == "held"
    (music,) = site.media.hears(call.leg.id)
    assert music in site.media.players  # begun anew: players belong to who plays them
    site.run(1.0)
    two.resume(two.line, 3)
    assert site.media.hears(call.leg.id) == {call.stage.legs()[0].id}
    two.hang_up(two.line)
    record = the_record(site)
    assert record.hold_seconds == pytest.approx(5.0, abs=0.1)
    assert record.talk_seconds == pytest.approx(9.0, abs=0.1)
    assert line.state == "over"
    nothing_left(site)


def test_offer_in_our_reinvite_continues_the_description() -> None:
    """RFC 3264 §8: same session id, the version one higher when anything changed, the port that media has."""
    site, one, _, line = two_who_talk()
    before = line.sdp
    crash(site)
    one.reoffer(line, b"")  # a re-INVITE without an offer asks for ours
    (call,) = site.switch.calls.values()
    assert call.leg.sdp.split(b"\r\n")[1].split()[:2] == before.split(b"\r\n")[1].split()[:2]
    audio = next(row for row in call.leg.sdp.split(b"\r\n") if row.startswith(b"m=audio"))
    assert audio.split()[1] in before
    one.hang_up(line)
    nothing_left(site)


def test_the_agent_talks_on_and_wraps_up() -> None:
    site, alice, carrier, line = served()
    assert state(site) is AgentState.TALKING
    crash(site)
    assert state(site) is AgentState.TALKING
    waits = carrier.call("100")  # alice has no time
    site.run(5.0)
    assert alice.line.state == "up"
    assert len(alice.lines) == 1
    carrier.hang_up(waits)
    carrier.hang_up(line)
    assert state(site) is AgentState.WRAP_UP
    site.run(20.0)
    assert state(site) is AgentState.READY
    nothing_left(site)


def test_figures_are_those_of_a_day_without_a_crash() -> None:
    site, alice, _, _ = served(4.0)
    crash(site, after=2.0)
    site.run(4.0)
    alice.hang_up(alice.line)
    site.run(20.0)
    totals = Totals(fact for fact in site.saved if isinstance(fact, Fact))
    queue, agent = totals.queue("support"), totals.agent("alice")
    assert (queue.entered, queue.answered, queue.lost, queue.lost_talks, queue.talks) == (1, 1, 0, 0, 1)
    assert (agent.answered, agent.talks, agent.lost_talks, agent.wrap_ups) == (1, 1, 0, 1)
    assert queue.talk == agent.talk == pytest.approx(10.0, abs=0.1)
    row = next(row for row in site.switch.desk.queues(site.now) if row.name == "support")
    assert (row.offered, row.answered) == (1, 1)
    nothing_left(site)


def test_its_recording_goes_on_in_one_file() -> None:
    site, alice, _, _ = served()
    (path,) = site.media.recorders.values()
    commands = told(site)
    crash(site)
    site.run(3.0)
    assert not [one for one in commands if isinstance(one, control.Record | control.StopRecord | control.Disconnect)]
    alice.hang_up(alice.line)
    record = the_record(site)
    (row,) = site.records(SavedRecording)
    assert isinstance(row, SavedRecording)
    assert path.endswith(row.path)
    assert (row.path, row.call, row.queue, row.agent) == (record.recording, record.id, "support", "alice")
    nothing_left(site)


def test_a_pause_of_the_recording_outlives_the_crash() -> None:
    site, alice, _, _ = served()
    (id,) = site.switch.calls
    site.give(RecordingCommand(id, "pause", by="alice"))
    site.run(1.0)
    crash(site)
    assert site.switch.calls[id].recording.paused
    commands = told(site)
    site.give(RecordingCommand(id, "resume", by="alice"))
    assert [type(command) for command in commands] == [control.ResumeRecord]
    alice.hang_up(alice.line)
    nothing_left(site)


def test_it_can_be_passed_on_afterwards() -> None:
    site, one, two, line = two_who_talk()
    three = site.phone("1003", "192.0.2.13")
    crash(site)
    (id,) = site.switch.calls
    site.give(TransferCommand(id, "blind", "phone:1003"))
    site.run(2.0)
    assert three.line.state == "up"
    assert two.line.state == "over"
    one.hang_up(line)
    record = the_record(site)
    assert (record.outcome, record.destination) == ("answered", "phone:1003")
    assert [leg.party for leg in record.legs if leg.talk] == ["phone:1001", "phone:1002", "phone:1003"]
    nothing_left(site)


def test_a_second_crash_is_survived_like_the_first() -> None:
    site, one, two, line = two_who_talk(4.0)
    for _ in range(3):
        crash(site, after=2.0)
        site.run(4.0)
    assert (line.state, two.line.state) == ("up", "up")
    one.hang_up(line)
    record = the_record(site)
    assert record.talk_seconds == pytest.approx(22.0, abs=0.2)
    nothing_left(site)


def test_without_its_streams_it_is_ended() -> None:
    site, _, two, line = two_who_talk()
    crash(site, media=False)
    assert (line.state, two.line.state) == ("over", "over")
    assert the_record(site).outcome == "interrupted"
    nothing_left(site)


def test_a_call_that_had_ended_a_moment_before_is_not_brought_back() -> None:
    """The journal may be behind; media is not. The record is that of a call that ended in order."""
    site, one, two, line = two_who_talk()
    saved = list(site.saved)
    one.hang_up(line)
    site.saved[:] = saved
    crash(site)
    assert not site.switch.calls
    assert two.line.state == "over"
    record = the_record(site)
    assert (record.outcome, record.cause, record.reason) == ("answered", 200, "control process died as it ended")
    assert record.talk_seconds == pytest.approx(4.0, abs=0.1)
    nothing_left(site)


def test_what_it_costs_is_charged_for_all_of_its_time() -> None:
    site = Site(PHONES)
    one = site.phone("1001", "192.0.2.11")
    carrier = site.party("carrier", "198.51.100.10")
    line = one.call("9+37060000001")
    site.run(28.0)
    assert carrier.line.state == "up"
    crash(site, after=2.0)
    site.run(30.0)
    carrier.hang_up(carrier.line)
    assert line.state == "over"
    (fact,) = (fact for fact in site.records(Fact) if isinstance(fact, Fact) and fact.kind == "guard.charged")
    assert fact.data["cost"] == pytest.approx(0.60, abs=0.01)
    (ended,) = (fact for fact in site.records(Fact) if isinstance(fact, Fact) and fact.kind == "call.ended")
    ((name, way, _, seconds),) = ended.data["trunks"]  # type: ignore[misc]
    assert (name, way) == ("carrier", "out")
    assert seconds == pytest.approx(60.0, abs=0.2)
    nothing_left(site)


def test_a_supervisor_is_hung_up_on_and_the_talk_goes_on() -> None:
    site, alice, _, line = served(phones={**SETTINGS.phones, "1009": Phone(password=PASSWORD)}, supervisors=VERA)
    boss = site.phone("1009", "192.0.2.19")
    site.give(SuperviseCommand("alice", "whisper", "1009"))
    site.run(2.0)
    assert boss.line.state == "up"
    crash(site)
    assert boss.line.state == "over"
    assert (line.state, alice.line.state) == ("up", "up")
    callers = set(site.media.legs)
    assert len(callers) == 2
    for leg in callers:
        assert site.media.hears(leg) == callers - {leg}
    alice.hang_up(alice.line)
    nothing_left(site)


def test_a_recording_server_gets_the_rest_in_a_new_session() -> None:
    """RFC 7866 knows no way to go on with a recording session: the old one ends, the call does not notice."""
    site, server, alice, carrier, line = siprec.talking()
    site.run(2.0)
    (old,) = (one for one in server.lines.values() if one.state == "up")
    crash(site)
    site.run(2.0)
    assert (line.state, alice.line.state) == ("up", "up")
    assert old.state == "over"
    assert server.line.state == "up"
    assert len(server.lines) == 2
    own, other = siprec.legs(site)
    assert siprec.fed(site, server) == {"1": {own}, "2": {other}}
    carrier.hang_up(line)
    assert server.line.state == "over"
    nothing_left(site)


def test_a_session_timer_runs_on() -> None:
    """RFC 4028 §10: who does not refresh in time is gone, whichever process counts."""
    site = Site(replace(PHONES, sip=replace(PHONES.sip, session_expires=120)))
    one, two = site.phone("1001", "192.0.2.11"), site.phone("1002", "192.0.2.12")
    one.terms = two.terms = Terms("supported", 120)
    line = one.call("1002")
    site.run(30.0)
    crash(site)
    crossed = sent(site)
    site.run(60.0)
    assert [data for data in crossed if data.startswith((b"UPDATE", b"INVITE"))]
    assert (line.state, two.line.state) == ("up", "up")
    site.run(600.0)
    assert (line.state, two.line.state) == ("up", "up")
    one.hang_up(line)
    nothing_left(site)


def test_a_phone_on_a_connection_is_reached_by_its_next_one() -> None:
    site, one, two, line = two_who_talk()
    (row,) = kept(site)
    memory = row.memory
    session = msgspec.structs.replace(memory.own.session, flow=Flow("tls", ("192.0.2.11", 40000), 0, 7))
    own = msgspec.structs.replace(memory.own, session=session)
    site.saved.append(SavedLiveCall(row.id, row.at, msgspec.structs.replace(memory, own=own)))
    crash(site)
    (call,) = site.switch.calls.values()
    way = site.switch.office.ua.way(call.leg.session)
    assert way is not None
    assert way.connection == GONE  # nobody else's
    one.register()
    assert site.switch.office.ua.way(call.leg.session) == Flow("udp", ("192.0.2.11", 5060))
    two.hang_up(two.line)
    assert line.state == "over"  # our BYE took it
    nothing_left(site)
