"""Odd signals, one by one: what parties, trunks and media say at moments when nobody expects it."""

from dataclasses import replace

import pytest

from softswitch.sip.events import Cancelled, Ended, InDialogAnswered, Invitation
from softswitch.sip.offer_answer import Capabilities, answer, make_offer
from softswitch.switch.events import Drain, MediaLost, Reported
from softswitch.switch.records import CallRecord, SavedRecording
from softswitch.switch.settings import Trunk
from softswitch.wire import control
from tests.switch.odd_site import PASSWORD, SETTINGS, last_record, phones, story
from tests.switch.site import HOST, Line, MediaProcess, Site

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
