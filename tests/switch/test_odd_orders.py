"""What goes wrong, or comes in an order that nobody planned: the call still ends well and is told truly."""

from dataclasses import replace

import pytest

from softswitch.acd.model import AgentState, Fact, QueueSettings
from softswitch.sip.events import Accepted, Cancelled, Ended, InDialogAnswered, Invitation
from softswitch.sip.flow import Flow, Send
from softswitch.sip.offer_answer import Capabilities, answer, make_offer
from softswitch.switch.events import AgentCommand, Drain, HangUpCall, MediaLost, Reload, Reported
from softswitch.switch.records import CallRecord, SavedRecording
from softswitch.switch.settings import Agent, Menu, Phone, RingGroup, Route, Settings, Sip, Trunk
from softswitch.wire import control
from softswitch.wire.sip import parse
from tests.switch.site import HOST, Line, MediaProcess, Party, Site

PASSWORD = "correct horse"
SETTINGS = Settings(
    sip=Sip(domain="pbx.test", ring_seconds=20.0),
    phones={
        "1001": Phone(password=PASSWORD),
        "1002": Phone(password=PASSWORD),
        "1003": Phone(password=PASSWORD, max_calls=2, busy="play:busy"),
    },
    agents={"alice": Agent(phone="1001", logged_in=True), "late": Agent(phone="1001")},
    trunks={
        "carrier": Trunk(address="sip:198.51.100.10", country="370", backup="second", options_seconds=60.0),
        "second": Trunk(address="sip:198.51.100.20", options_seconds=0.0),
    },
    queues={"support": QueueSettings(agents=("alice",)), "evening": QueueSettings(agents=("late",))},
    ivr={"welcome": Menu(prompt="welcome", keys={"1": "queue:support"})},
    groups={
        "row": RingGroup(members=("phone:1002", "phone:1003"), mode="in-order", ring_seconds=8.0),
        "mixed": RingGroup(members=("trunk:carrier/99", "phone:1002"), mode="in-order", ring_seconds=8.0),
    },
    routes=(
        Route(source="any", number="100", to="queue:support"),
        Route(source="any", number="101", to="queue:evening"),
        Route(source="any", number="300", to="ivr:welcome"),
        Route(source="any", number="500", to="group:row"),
        Route(source="any", number="510", to="group:mixed"),
        Route(source="any", number="700", to="play:closed"),
        Route(source="any", number="800", to="answer:"),
        Route(source="any", number="900", to="agent:alice"),
        Route(source="phone:*", number="0.", to="trunk:carrier"),
        Route(source="trunk:*", number="052000001", to="phone:1002"),
    ),
)


def phones(site: Site) -> tuple[Party, Party, Party]:
    alice, bob, carol = (site.phone(f"100{n}", f"192.0.2.1{n}") for n in (1, 2, 3))
    return alice, bob, carol


def last_record(site: Site) -> CallRecord:
    site.run(3.0)
    record = site.records(CallRecord)[-1]
    assert isinstance(record, CallRecord)
    return record


def story(site: Site) -> list[str]:
    return [fact.kind for fact in site.saved if isinstance(fact, Fact) and fact.call]


def state(site: Site, agent: str = "alice") -> AgentState:
    view = site.switch.office.engine.agent_view(agent, site.now)
    assert view is not None
    return view.state


# ------------------------------------------------------------------------------------------------------------- accounts


@pytest.mark.parametrize("who_ends", ["holder", "held"])
def test_a_hold_that_lasts_to_the_end_is_counted(who_ends: str) -> None:
    site = Site(SETTINGS)
    alice, bob, _ = phones(site)
    line = alice.call("1002")
    site.run(4.0)
    bob.hold(bob.line)
    site.run(6.0)
    party, its = (bob, bob.line) if who_ends == "holder" else (alice, line)
    party.hang_up(its)
    record = last_record(site)
    assert record.hold_seconds == pytest.approx(6.0, abs=0.05)
    assert record.talk_seconds == pytest.approx(10.0, abs=0.05)
    site.nothing_left()


def test_two_holds_at_once_are_one_time() -> None:
    """Both sides hold for overlapping times: the record's hold is the time when anybody held."""
    site = Site(SETTINGS)
    alice, bob, _ = phones(site)
    line = alice.call("1002")
    alice.hold(line)
    site.run(4.0)
    bob.hold(bob.line)
    site.run(4.0)
    alice.resume(line)
    site.run(2.0)
    bob.resume(bob.line)
    site.run(5.0)
    alice.hang_up(line)
    assert last_record(site).hold_seconds == pytest.approx(10.0, abs=0.05)
    site.nothing_left()


def test_ringing_is_told_of_who_was_rung_last_when_nobody_answers() -> None:
    site = Site(SETTINGS)
    alice, bob, _ = phones(site)
    bob.on_invite = "ring"
    line = alice.call("1002")
    site.run(7.0)
    alice.hang_up(line)
    record = last_record(site)
    assert record.ring_seconds == pytest.approx(7.0, abs=0.05)
    assert record.talk_seconds == 0.0
    site.nothing_left()


def test_a_prompt_that_was_dialled_counts_as_answered() -> None:
    site = Site(SETTINGS)
    alice, *_ = phones(site)
    alice.call("700")
    site.prompt_ends()
    record = last_record(site)
    assert (record.outcome, record.destination, record.hung_up_by) == ("answered", "play:closed", "switch")
    assert record.answered is not None
    site.nothing_left()


def test_a_prompt_after_a_failure_does_not_hide_it() -> None:
    site = Site(SETTINGS)
    alice, _, carol = phones(site)
    carol.on_invite = 486
    alice.call("1003")
    site.prompt_ends()
    assert last_record(site).outcome == "busy"
    site.nothing_left()


def test_a_hang_up_in_the_menu_is_abandoned_and_the_ledger_knows_it_left() -> None:
    site = Site(SETTINGS)
    alice, *_ = phones(site)
    line = alice.call("300")
    site.run(1.0)
    alice.hang_up(line)
    record = last_record(site)
    assert (record.outcome, record.destination) == ("abandoned", "ivr:welcome")
    assert story(site) == ["call.started", "menu.entered", "menu.left", "call.ended"]
    site.nothing_left()


def test_an_operators_hang_up_in_the_queue_is_no_abandonment() -> None:
    site = Site(SETTINGS)
    carrier = site.party("+37061234567", "198.51.100.10")
    carrier.call("100")
    site.give(HangUpCall(next(iter(site.switch.calls))))
    record = last_record(site)
    assert (record.outcome, record.reason, record.hung_up_by) == ("failed", "operator", "switch")
    assert "queue.abandoned" not in story(site)
    assert "queue.left" in story(site)
    site.nothing_left()


def test_the_ledger_tells_a_whole_call_in_order() -> None:
    site = Site(SETTINGS)
    alice, *_ = phones(site)
    carrier = site.party("+37061234567", "198.51.100.10")
    line = carrier.call("300")
    site.press(next(iter(site.switch.calls.values())).leg.id, "1")
    site.run(5.0)
    carrier.hold(line)
    site.run(1.0)
    carrier.resume(line)
    carrier.hang_up(line)
    site.run(3.0)
    assert story(site) == [
        "call.started", "menu.entered", "menu.left", "queue.entered", "offer.made", "queue.answered",
        "recording.started", "call.answered", "call.held", "call.resumed", "talk.ended", "recording.ended",
        "call.ended",
    ]  # fmt: skip
    assert alice.line.state == "over"
    site.nothing_left()


def test_the_loser_of_a_group_is_in_the_record_too() -> None:
    groups = {"row": RingGroup(members=("phone:1002", "phone:1003"))}
    site = Site(replace(SETTINGS, groups=groups))
    alice, bob, carol = phones(site)
    bob.on_invite = carol.on_invite = "ring"
    line = alice.call("500")
    carol.answer(carol.line)
    alice.hang_up(line)
    record = last_record(site)
    assert sorted((leg.party, leg.status) for leg in record.legs) == [
        ("phone:1001", 200), ("phone:1002", 487), ("phone:1003", 200),
    ]  # fmt: skip
    site.nothing_left()


# ------------------------------------------------------------------------------------------------------------- signals


def test_the_reason_of_a_bye_reaches_the_other_side() -> None:
    """RFC 3326, from callee to caller and from caller to callee."""
    site = Site(SETTINGS)
    alice, bob, _ = phones(site)
    why = (("Reason", 'Q.850;cause=27;text="Destination out of order"'),)
    for ends_first in (True, False):
        line = alice.call("1002")
        party, its, other = (alice, line, bob.line) if ends_first else (bob, bob.line, line)
        party.perform(party.ua.hang_up(its.session, site.now, headers=why))
        site.settle()
        (ended,) = [event for event in other.events if isinstance(event, Ended)]
        assert ended.request is not None
        assert ended.request.headers.get("Reason") == why[0][1]
    site.nothing_left()


def test_the_reason_of_a_cancel_reaches_the_phone_that_rings() -> None:
    """RFC 3326 §3.1: the other phones of a caller's fork stop ringing without a missed call."""
    site = Site(SETTINGS)
    alice, bob, _ = phones(site)
    bob.on_invite = "ring"
    line = alice.call("1002")
    why = (("Reason", 'SIP;cause=200;text="Call completed elsewhere"'),)
    alice.perform(alice.ua.hang_up(line.session, site.now, headers=why))
    site.settle()
    (cancelled,) = [event for event in bob.line.events if isinstance(event, Cancelled)]
    assert cancelled.request.headers.get("Reason") == why[0][1]
    site.nothing_left()


def test_the_next_in_line_is_heard_ringing_after_early_media() -> None:
    """The first branch sang and failed: no dead air while the second rings."""
    site = Site(SETTINGS)
    alice, bob, carol = phones(site)
    bob.on_invite = carol.on_invite = "ring"
    alice.call("500")
    call = next(iter(site.switch.calls.values()))
    bob.early(bob.line)
    (early,) = call.stage.legs()
    assert site.media.hears(call.leg.id) == {early.id}
    bob.reject(bob.line, 480)
    assert carol.line.state == "ringing"
    (tone,) = site.media.hears(call.leg.id)
    assert isinstance(site.media.players[tone].items[0], control.ToneItem)
    alice.hang_up(alice.line)
    site.nothing_left()


def test_a_trunk_in_a_group_that_rings_out_does_not_end_the_search() -> None:
    """Its backup is passed over, because the trunk was in order; the next member rings."""
    site = Site(SETTINGS)
    alice, bob, _ = phones(site)
    carrier, second = site.party("a", "198.51.100.10"), site.party("b", "198.51.100.20")
    carrier.on_invite = "ring"
    line = alice.call("510")
    site.run(9.0)
    assert not second.lines
    assert bob.line.state == "up"
    assert line.state == "up"
    alice.hang_up(line)
    assert len(last_record(site).legs) == 3
    site.nothing_left()


@pytest.mark.parametrize(("said", "told"), [(302, 480), (401, 403), (407, 403), (487, 480), (486, 486)])
def test_what_means_nothing_to_the_caller_is_translated(said: int, told: int) -> None:
    site = Site(SETTINGS)
    alice, bob, _ = phones(site)
    bob.on_invite = said
    assert alice.call("1002").status == told
    site.nothing_left()


def test_users_of_others_cannot_write_our_headers() -> None:
    """A line break escaped in a user part stays escaped on the other side (RFC 3261 §25.1)."""
    site = Site(SETTINGS)
    alice, bob, _ = phones(site)
    carrier = site.party("x%0D%0AX-Evil:%20yes", "198.51.100.10")
    carrier.on_invite = "answer"
    carrier.call("900")
    assert alice.line.request is not None
    assert "X-Evil" not in alice.line.request.headers
    assert "%0D%0A" in str(alice.line.request.from_.uri)
    bob.call("06%0D%0AX-Evil:%20yes")
    assert carrier.line.request is not None
    assert "X-Evil" not in carrier.line.request.headers
    site.run(1.0)


def test_options_within_a_dialog_is_answered() -> None:
    """RFC 3261 §11.2: some phones ask so whether the call still lives."""
    site = Site(SETTINGS)
    alice, *_ = phones(site)
    line = alice.call("1002")
    alice.perform(alice.ua.send_in_dialog(line.session, "OPTIONS", site.now))
    site.settle()
    (answered,) = [event for event in line.events if isinstance(event, InDialogAnswered)]
    assert answered.status == 200
    alice.hang_up(line)
    site.nothing_left()


def test_a_carriers_call_to_our_registered_contact_has_its_number_in_to() -> None:
    trunk = Trunk(address="sip:198.51.100.10", country="370", username="acct", password="x", options_seconds=0.0)
    site = Site(replace(SETTINGS, trunks={"carrier": trunk, "second": SETTINGS.trunks["second"]}))
    phones(site)
    carrier = site.party("+37061234567", "198.51.100.10")
    contact = site.switch.office.trunks.contact_user("carrier")
    offer = make_offer(Capabilities(("PCMA",), True, "198.51.100.10", 4000), 1, 1)
    invitation = Invitation(f"sip:{contact}@{HOST}", "<sip:+37061234567@x>", "<sip:+37052000001@x>", body=offer)
    _, outputs = carrier.ua.invite(invitation, carrier.flow, site.now)
    carrier.perform(outputs)
    site.settle()
    (call,) = site.switch.calls.values()
    assert call.called == "+37052000001"
    assert call.stage.label == "talking"


@pytest.mark.parametrize("number", ["+37052000001", "0037052000001", "052000001", "52000001"])
def test_a_route_in_national_spelling_fits_every_spelling(number: str) -> None:
    site = Site(SETTINGS)
    phones(site)
    carrier = site.party("+37061234567", "198.51.100.10")
    line = carrier.call(number)
    assert line.state == "up"
    carrier.hang_up(line)
    site.nothing_left()


def test_several_contacts_of_a_phone_are_one_call() -> None:
    """One that says busy leaves the others ringing; the limit of calls counts calls, not contacts."""
    site = Site(SETTINGS)
    alice, bob, carol = phones(site)
    others = [site.party("1003", f"192.0.2.{host}", password=PASSWORD) for host in (31, 32)]
    for other in others:
        other.register()
        other.on_invite = "ring"
    carol.on_invite = 486
    first = alice.call("1003")
    assert first.status == 180
    assert [other.line.state for other in others] == ["ringing", "ringing"]
    second = bob.call("1003")
    assert [len(other.lines) for other in others] == [2, 2], "the second call may ring"
    others[0].answer(next(iter(others[0].lines.values())))
    assert first.state == "up"
    assert next(iter(others[1].lines.values())).state == "over"
    alice.hang_up(first)
    bob.hang_up(second)
    site.nothing_left()


def test_a_hold_from_the_first_offer_on() -> None:
    """RFC 3264 §5.1: an INVITE with an inactive stream is on hold until its re-INVITE; the callee hears music."""
    site = Site(SETTINGS)
    alice, _bob, _ = phones(site)
    inactive = make_offer(Capabilities(("PCMA",), True, "192.0.2.11", 4000), 1, 1).replace(b"sendrecv", b"inactive")
    invitation = Invitation(
        f"sip:1002@{HOST}", "<sip:1001@x>", "<sip:1002@x>", body=inactive, credentials=alice.credentials
    )
    session, outputs = alice.ua.invite(invitation, alice.flow, site.now)
    line = alice.lines[session] = Line(session, "calling", offer=inactive)
    alice.perform(outputs)
    site.settle()
    (call,) = site.switch.calls.values()
    (callee,) = call.stage.legs()
    (music,) = site.media.hears(callee.id)
    assert not site.media.players[music].loops
    alice.resume(line)
    assert site.media.hears(callee.id) == {call.leg.id}
    alice.hang_up(line)
    site.nothing_left()


# ----------------------------------------------------------------------------------------------------------------- ACD


def test_answer_and_hang_up_in_one_instant_leave_no_agent_behind() -> None:
    """The ACD has joined them when the caller is found gone: the agent's phone is hung up, the agent is free."""
    site = Site(SETTINGS)
    alice, *_ = phones(site)
    carrier = site.party("+37061234567", "198.51.100.10")
    alice.on_invite = "ring"
    carrier.call("100")
    (call,) = site.switch.calls.values()
    alice.line.state = "up"
    (accepted,) = [
        output for output in alice.ua.accept(alice.line.session, _answer(alice), site.now) if isinstance(output, Send)
    ]
    office = site.switch.office
    outputs = office.ua.receive(parse(accepted.data), Flow("udp", alice.remote), site.now)
    assert any(isinstance(output, Accepted) for output in outputs)
    office.drive([*outputs, Ended(call.leg.session, "timeout", None)])
    site.effects(site.switch.wake(site.now))
    site.settle()
    assert alice.line.state == "over"
    assert state(site) is not AgentState.TALKING
    assert not office.engine.check(site.now, live=set(site.switch.calls))


def _answer(party: Party) -> bytes:
    assert party.line.request is not None
    return answer(party.line.request.body, Capabilities(("PCMA",), True, party.remote[0], 4000), 1, 1)[0]


def test_two_agents_at_one_phone_do_not_get_two_calls() -> None:
    site = Site(SETTINGS)
    alice, *_ = phones(site)
    site.give(AgentCommand("late", "login"))
    carrier = site.party("+37061234567", "198.51.100.10")
    first = carrier.call("100")
    assert alice.line.state == "up"
    second = carrier.call("101")
    assert len(alice.lines) == 1
    assert state(site, "late") is AgentState.BUSY
    carrier.hang_up(first)
    assert len(alice.lines) == 2
    carrier.hang_up(second)
    site.nothing_left()


def test_a_call_dialled_to_an_agent_keeps_the_queue_away() -> None:
    site = Site(SETTINGS)
    alice, bob, _ = phones(site)
    own = bob.call("900")
    assert state(site) is AgentState.BUSY
    carrier = site.party("+37061234567", "198.51.100.10")
    carrier.call("100")
    assert len(alice.lines) == 1
    bob.hang_up(own)
    assert len(alice.lines) == 2
    assert last_record(site).destination == "agent:alice"


def test_agents_that_a_reload_brings_are_logged_in_as_configured() -> None:
    site = Site(replace(SETTINGS, agents={"alice": SETTINGS.agents["alice"]}, queues={}, routes=()))
    phones(site)
    site.give(Reload(replace(SETTINGS, agents={**SETTINGS.agents, "bob": Agent(phone="1002", logged_in=True)})))
    assert state(site, "bob") is AgentState.READY


# --------------------------------------------------------------------------------------------------- trunks and media


def test_calls_that_a_trunk_leaves_unanswered_take_it_out() -> None:
    """Evidence of health is not only in OPTIONS: two dead calls, and the next goes to the backup at once."""
    trunks = {**SETTINGS.trunks, "carrier": replace(SETTINGS.trunks["carrier"], options_seconds=3600.0)}
    site = Site(replace(SETTINGS, trunks=trunks))
    alice, *_ = phones(site)
    carrier = site.party("a", "198.51.100.10")
    site.run(1.0)
    second = site.party("b", "198.51.100.20")
    del site.parties[carrier.remote]
    for _ in range(3):
        line = alice.call("061234567")
        site.run(5.0)
        assert line.state == "up"
        alice.hang_up(line)
    line = alice.call("061234567")
    assert second.line.state == "up", "without a wait"
    assert not site.switch.office.trunks.usable("carrier")
    alice.hang_up(line)


def test_a_lost_media_process_leaves_nothing_and_the_recording_is_told() -> None:
    site = Site(SETTINGS)
    phones(site)
    carrier = site.party("+37061234567", "198.51.100.10")
    carrier.call("100")
    carrier.call("700")
    site.run(5.0)
    site.give(MediaLost(0))
    site.media = MediaProcess()
    site.run(3.0)
    live = site.switch.desk.status(site.now).live
    assert (live["streams"], live["players"], live["recordings"], live["legs"]) == (0, 0, 0, 0)
    assert story(site).index("recording.ended") < story(site).index("call.ended")
    assert {record.cause for record in site.saved if isinstance(record, CallRecord)} == {503}
    (recording,) = site.records(SavedRecording)
    assert isinstance(recording, SavedRecording)
    assert recording.seconds == pytest.approx(5.0, abs=0.1)
    assert carrier.call("700").status == 503
    site.give(Reported(0, (site.media.ready(),)))
    assert carrier.call("700").state == "up"
    site.prompt_ends()
    site.nothing_left()


def test_a_stream_that_media_cannot_open_ends_the_call() -> None:
    site = Site(SETTINGS)
    alice, bob, _ = phones(site)
    line = alice.call("1002")
    (call,) = site.switch.calls.values()
    leg = call.leg.id
    del site.media.legs[leg]
    del site.media.slot_of[leg]
    site.media.edges = {edge for edge in site.media.edges if leg not in edge[:2]}
    site.give(Reported(0, (control.Failed(leg, "OpenLeg", "slot 3 is not free"),)))
    assert line.state == bob.line.state == "over"
    record = last_record(site)
    assert (record.outcome, record.cause) == ("failed", 503)
    site.nothing_left()


def test_a_disk_that_is_full_ends_the_recording_and_not_the_call() -> None:
    site = Site(SETTINGS)
    phones(site)
    carrier = site.party("+37061234567", "198.51.100.10")
    line = carrier.call("100")
    (recorder,) = site.media.recorders
    path = site.media.recorders.pop(recorder)
    site.media.edges = {edge for edge in site.media.edges if edge[1] != recorder}
    site.give(Reported(0, (control.RecordDone(recorder, path, "failed", 4000, "disk full"),)))
    assert line.state == "up"
    carrier.hang_up(line)
    assert last_record(site).outcome == "answered"
    assert story(site).count("recording.ended") == 1
    site.nothing_left()


def test_one_who_only_listens_is_not_hung_up_for_silence() -> None:
    """RFC 3264 §6.1: a recvonly party owes us no packets."""
    site = Site(SETTINGS)
    alice, *_ = phones(site)
    line = alice.call("1002")
    (call,) = site.switch.calls.values()
    caps = Capabilities(("PCMA", "PCMU"), True, "192.0.2.11", 4000)
    alice.reoffer(line, make_offer(caps, 1, 2).replace(b"sendrecv", b"recvonly"))
    site.give(Reported(0, (control.LegSilent(call.leg.id, 300.0),)))
    assert line.state == "up"
    alice.resume(line)
    site.give(Reported(0, (control.LegSilent(call.leg.id, 300.0),)))
    assert line.state == "over"
    site.nothing_left()


def test_reports_of_a_media_process_that_nobody_knows_are_harmless() -> None:
    site = Site(SETTINGS)
    for report in (control.PlayDone(7, "failed", 0), control.Grown(()), control.Inventory((1,), (2,), (3,))):
        site.give(Reported(9, (report,)))
    assert 9 not in site.switch.office.fabric.workers


def test_music_that_cannot_be_read_does_not_spin() -> None:
    """The player fails, the caller waits on in silence, and nobody asks for it again in a loop."""
    site = Site(SETTINGS)
    carrier = site.party("+37061234567", "198.51.100.10")
    line = carrier.call("100")
    asked = len(site.media.played)
    (music,) = site.media.players
    del site.media.players[music]
    site.media.edges.clear()
    site.give(Reported(0, (control.PlayDone(music, "failed", 0),)))
    site.run(10.0)
    assert len(site.media.played) == asked
    carrier.hang_up(line)
    site.nothing_left()


def test_no_call_is_taken_between_the_last_call_and_the_end() -> None:
    site = Site(SETTINGS)
    alice, *_ = phones(site)
    site.give(Drain())
    assert site.drained
    assert alice.call("1002").status == 503


# ----------------------------------------------------------------------------------------------------- offer and answer


def test_a_caller_who_holds_while_waiting_is_held_when_the_agent_answers() -> None:
    """The agent hears music, not silence, and the hold is accounted from the answer on."""
    site = Site(SETTINGS)
    alice, *_ = phones(site)
    alice.on_invite = "ring"
    carrier = site.party("+37061234567", "198.51.100.10")
    line = carrier.call("100")
    (call,) = site.switch.calls.values()
    carrier.hold(line)
    site.run(5.0)
    alice.answer(alice.line)
    (agent,) = call.stage.legs()
    (music,) = site.media.hears(agent.id)
    assert not site.media.players[music].loops
    site.run(4.0)
    carrier.resume(line)
    assert site.media.hears(agent.id) == {call.leg.id}
    site.run(3.0)
    alice.hang_up(alice.line)
    record = last_record(site)
    assert record.hold_seconds == pytest.approx(4.0, abs=0.05)
    assert record.talk_seconds == pytest.approx(7.0, abs=0.05)
    assert [kind for kind in story(site) if kind in ("call.held", "call.resumed")] == ["call.held", "call.resumed"]
    site.nothing_left()


def test_early_answers_and_the_final_one_may_differ() -> None:
    """RFC 3261 §13.2.1, as forking proxies do it: each new description on the branch is taken; the last one holds."""
    site = Site(SETTINGS)
    alice, bob, _ = phones(site)
    bob.on_invite = "ring"
    line = alice.call("1002")
    (call,) = site.switch.calls.values()
    (leg,) = call.stage.legs()
    offer = bob.line.request.body if bob.line.request is not None else b""
    for status, codec, port in ((183, "PCMA", 4000), (183, "PCMA", 4010), (183, "PCMU", 4020), (180, "", 0)):
        sdp = answer(offer, Capabilities((codec,), True, "192.0.2.12", port), 1, 1)[0] if codec else b""
        bob.perform(bob.ua.ring(bob.line.session, status, site.now, body=sdp))
        site.settle()
        if codec:
            assert (site.media.legs[leg.id].codec, site.media.legs[leg.id].remote) == (codec, ("192.0.2.12", port))
        assert site.media.hears(call.leg.id) == {leg.id}
    sdp = answer(offer, Capabilities(("PCMA",), True, "192.0.2.12", 4030), 1, 1)[0]
    bob.perform(bob.ua.accept(bob.line.session, sdp, site.now))
    site.settle()
    assert line.state == "up"
    assert site.media.legs[leg.id].remote == ("192.0.2.12", 4030)
    assert site.media.legs[leg.id].codec == "PCMA"
    alice.hang_up(line)
    site.nothing_left()


def test_a_200_without_a_description_after_early_media_takes_that_one() -> None:
    """RFC 3261 §13.2.1: the reliable answer is in the 200, but many put it only into the 183."""
    site = Site(SETTINGS)
    alice, bob, _ = phones(site)
    bob.on_invite = "ring"
    line = alice.call("1002")
    bob.early(bob.line)
    bob.perform(bob.ua.accept(bob.line.session, b"", site.now))
    site.settle()
    assert line.state == "up"
    (call,) = site.switch.calls.values()
    (callee,) = call.stage.legs()
    assert site.media.hears(callee.id) == {call.leg.id}
    alice.hang_up(line)
    site.nothing_left()


def test_a_200_without_any_description_is_no_call() -> None:
    site = Site(SETTINGS)
    alice, bob, _ = phones(site)
    bob.on_invite = "ring"
    line = alice.call("1002")
    bob.line.state = "up"
    bob.perform(bob.ua.accept(bob.line.session, b"", site.now))
    site.settle()
    assert (line.state, line.status) == ("over", 488)
    assert bob.line.state == "over"
    assert [leg.status for leg in last_record(site).legs] == [488, 488]
    site.nothing_left()
