"""B2BUA between phones: ringing, failures, hold, digits, codecs, races."""

from dataclasses import replace

import pytest

from softswitch.sip.events import Ended, Reinvited
from softswitch.switch.records import CallRecord
from softswitch.switch.settings import Phone, RingGroup, Route, Settings, Sip
from softswitch.wire.control import FileItem
from tests.switch.site import Site

PASSWORD = "correct horse"
SETTINGS = Settings(
    sip=Sip(domain="pbx.test", ring_seconds=30.0),
    phones={
        "1001": Phone(password=PASSWORD, name="Alice"),
        "1002": Phone(password=PASSWORD, max_calls=1),
        "1003": Phone(password=PASSWORD, no_answer="phone:1001", busy="play:busy", unavailable="early:unavailable/480"),
    },
)


def last_record(site: Site) -> CallRecord:
    site.run(4.0)
    record = site.records(CallRecord)[-1]
    assert isinstance(record, CallRecord)
    return record


def test_a_call_is_answered_and_ended_by_the_callee() -> None:
    """RFC 3261 §13, both sides; the callee sees who calls, not what the caller claims."""
    site = Site(SETTINGS)
    alice, bob = site.phone("1001", "192.0.2.10"), site.phone("1002", "192.0.2.11")
    line = alice.call("1002")
    assert line.state == "up"
    assert bob.line.request is not None
    assert bob.line.request.from_.uri.user == "1001"
    assert bob.line.request.from_.display == "Alice"
    assert bob.line.request.max_forwards == 69
    site.run(10.0)
    bob.hang_up(bob.line)
    assert line.state == "over"
    record = last_record(site)
    assert (record.outcome, record.hung_up_by, record.cause) == ("answered", "callee", 200)
    assert record.talk_seconds == pytest.approx(10.0, abs=0.05)
    site.nothing_left()


def test_a_wrong_password_gets_no_call_and_no_hint() -> None:
    """Unknown user and wrong password get the same answer."""
    site = Site(SETTINGS)
    wrong = site.party("1001", "192.0.2.66", password="guess")
    nobody = site.party("7777", "192.0.2.67", password="guess")
    assert wrong.call("1002").status == nobody.call("1002").status == 403
    assert not site.records(CallRecord)
    site.nothing_left()


def test_an_unknown_number_is_404() -> None:
    site = Site(SETTINGS)
    alice = site.phone("1001", "192.0.2.10")
    line = alice.call("5555")
    assert line.status == 404
    assert last_record(site).outcome == "failed"
    site.nothing_left()


def test_the_caller_gives_up() -> None:
    """CANCEL (RFC 3261 §9): the callee's phone stops ringing, the record says abandoned."""
    site = Site(SETTINGS)
    alice, bob = site.phone("1001", "192.0.2.10"), site.phone("1002", "192.0.2.11")
    bob.on_invite = "ring"
    line = alice.call("1002")
    assert line.status == 180
    site.run(3.0)
    alice.hang_up(line)
    assert bob.line.state == "over"
    record = last_record(site)
    assert (record.outcome, record.cause) == ("abandoned", 487)
    site.nothing_left()


@pytest.mark.parametrize(("status", "outcome"), [(486, "busy"), (603, "rejected"), (480, "failed"), (404, "failed")])
def test_the_callees_refusal_is_told_on(status: int, outcome: str) -> None:
    """RFC 3261 §16.7, RFC 3326."""
    site = Site(SETTINGS)
    alice, bob = site.phone("1001", "192.0.2.10"), site.phone("1002", "192.0.2.11")
    bob.on_invite = status
    assert alice.call("1002").status == status
    assert last_record(site).outcome == outcome
    site.nothing_left()


def test_a_phone_with_all_lines_taken_is_busy() -> None:
    site = Site(SETTINGS)
    alice, bob = site.phone("1001", "192.0.2.10"), site.phone("1002", "192.0.2.11")
    first = alice.call("1002")
    assert alice.call("1002").status == 486
    assert len(bob.lines) == 1
    alice.hang_up(first)
    site.nothing_left()


def test_no_answer_goes_on_to_the_next_target() -> None:
    site = Site(SETTINGS)
    alice, bob, carol = (site.phone(f"100{n}", f"192.0.2.1{n}") for n in (1, 2, 3))
    carol.on_invite = "ring"
    line = bob.call("1003")
    site.run(31.0)
    assert carol.line.state == "over"
    assert line.state == "up"
    assert alice.line.state == "up"
    bob.hang_up(line)
    assert last_record(site).destination == "phone:1001"
    site.nothing_left()


def test_busy_plays_a_prompt_when_so_configured() -> None:
    site = Site(SETTINGS)
    bob, carol = site.phone("1002", "192.0.2.12"), site.phone("1003", "192.0.2.13")
    carol.on_invite = 486
    line = bob.call("1003")
    assert line.state == "up"
    assert site.media.played == [("en/busy",)]
    site.prompt_ends()
    assert line.state == "over"
    site.nothing_left()


def test_early_prompt_then_a_status() -> None:
    """Early media (RFC 3960): 183 with a prompt, then the refusal."""
    site = Site(SETTINGS)
    bob = site.phone("1002", "192.0.2.12")
    line = bob.call("1003")
    assert line.status == 183
    assert line.sdp
    site.prompt_ends()
    assert (line.state, line.status) == ("over", 480)
    site.nothing_left()


def test_hold_and_resume_from_either_side() -> None:
    """RFC 3264 §8.4: who is held hears music, who holds hears nothing; the time is accounted."""
    site = Site(SETTINGS)
    alice, bob = site.phone("1001", "192.0.2.10"), site.phone("1002", "192.0.2.11")
    line = alice.call("1002")
    call = next(iter(site.switch.calls.values()))
    callee = call.stage.legs()[0]
    for phone, held_line, leg, other in ((alice, line, call.leg, callee), (bob, bob.line, callee, call.leg)):
        phone.hold(held_line, version=2)
        (view,) = site.switch.desk.calls(site.now)
        assert (view.state, view.held_by) == ("on hold", (f"phone:{phone.name}",))
        (music,) = site.media.hears(other.id)
        assert site.media.players[music].items == (FileItem("en/music/hold"),)
        assert not site.media.hears(leg.id)
        site.run(5.0)
        phone.resume(held_line, version=3)
        (view,) = site.switch.desk.calls(site.now)
        assert (view.state, view.held_by) == ("talking", ())
        assert site.media.hears(other.id) == {leg.id}
        assert site.media.hears(leg.id) == {other.id}
    assert not any(isinstance(event, Reinvited) for event in line.events + bob.line.events)
    alice.hang_up(line)
    assert last_record(site).hold_seconds == pytest.approx(10.0, abs=0.05)
    site.nothing_left()


def test_delayed_offer() -> None:
    """RFC 3264 §4, RFC 3261 §13.2.1: INVITE without SDP gets our offer in the 200; the ACK has the answer."""
    site = Site(SETTINGS)
    alice, bob = site.phone("1001", "192.0.2.10"), site.phone("1002", "192.0.2.11")
    line = alice.call("1002", sdp=False)
    assert line.state == "up"
    call = next(iter(site.switch.calls.values()))
    callee = call.stage.legs()[0]
    assert site.media.legs[call.leg.id].remote == ("192.0.2.10", 4000)
    assert site.media.hears(call.leg.id) == {callee.id}
    bob.hang_up(bob.line)
    site.nothing_left()


def test_early_media_from_the_callee_is_heard() -> None:
    site = Site(SETTINGS)
    alice, bob = site.phone("1001", "192.0.2.10"), site.phone("1002", "192.0.2.11")
    bob.on_invite = "ring"
    line = alice.call("1002")
    bob.early(bob.line)
    assert line.status == 183
    call = next(iter(site.switch.calls.values()))
    early = call.stage.legs()[0]
    assert site.media.hears(call.leg.id) == {early.id}
    bob.answer(bob.line)
    assert line.state == "up"
    assert site.media.hears(call.leg.id) == {early.id}
    alice.hang_up(line)
    site.nothing_left()


def test_info_digits_become_rfc_4733() -> None:
    """RFC 6086 INFO from a phone that has nothing better."""
    site = Site(SETTINGS)
    alice, bob = site.phone("1001", "192.0.2.10"), site.phone("1002", "192.0.2.11")
    line = alice.call("1002")
    callee = next(iter(site.switch.calls.values())).stage.legs()[0]
    alice.info(line, "5")
    assert site.media.digits == [(callee.id, "5")]
    bob.hang_up(bob.line)
    site.nothing_left()


def test_an_offer_without_a_common_codec_rings_nobody() -> None:
    """488, before the callee's phone rings."""
    site = Site(replace(SETTINGS, media=replace(SETTINGS.media, codecs=("PCMU",))))
    alice, bob = site.phone("1001", "192.0.2.10"), site.phone("1002", "192.0.2.11")
    settings = site.switch.office.settings
    site.switch.office.directory._settings = replace(settings, media=replace(settings.media, codecs=("G722",)))
    assert alice.call("1002").status == 488
    assert not bob.lines
    site.nothing_left()


def test_no_free_port_is_503_and_rings_nobody() -> None:
    site = Site(SETTINGS, slots=0)
    alice, bob = site.phone("1001", "192.0.2.10"), site.phone("1002", "192.0.2.11")
    assert alice.call("1002").status == 503
    assert not bob.lines
    assert any("free port" in str(log.fields) for log in site.logs)
    site.nothing_left()


def test_one_free_port_is_not_enough_for_two_legs() -> None:
    site = Site(SETTINGS, slots=1)
    alice, _ = site.phone("1001", "192.0.2.10"), site.phone("1002", "192.0.2.11")
    assert alice.call("1002").status == 503
    site.nothing_left()


def test_the_media_process_dies() -> None:
    """Its calls end with a clear word, nothing is left of them."""
    from softswitch.switch.events import MediaLost

    site = Site(SETTINGS)
    alice, bob = site.phone("1001", "192.0.2.10"), site.phone("1002", "192.0.2.11")
    line = alice.call("1002")
    site.give(MediaLost(0))
    site.media = type(site.media)()
    assert line.state == bob.line.state == "over"
    assert any(isinstance(event, Ended) for event in line.events)
    assert last_record(site).reason == "media process lost"
    site.nothing_left()


def test_all_members_of_a_group_ring_and_the_first_to_answer_wins() -> None:
    settings = replace(
        SETTINGS,
        groups={"desk": RingGroup(members=("phone:1001", "phone:1003"))},
        routes=(Route(source="phone:*", number="600", to="group:desk"),),
    )
    site = Site(settings)
    alice, bob, carol = (site.phone(f"100{n}", f"192.0.2.1{n}") for n in (1, 2, 3))
    alice.on_invite = carol.on_invite = "ring"
    line = bob.call("600")
    assert alice.line.state == carol.line.state == "ringing"
    carol.answer(carol.line)
    assert line.state == "up"
    assert alice.line.state == "over"
    bob.hang_up(line)
    site.nothing_left()


def test_members_in_order_ring_one_after_the_other() -> None:
    settings = replace(
        SETTINGS,
        groups={"desk": RingGroup(members=("phone:1001", "phone:1003"), mode="in-order", ring_seconds=10.0)},
        routes=(Route(source="phone:*", number="600", to="group:desk"),),
    )
    site = Site(settings)
    alice, bob, carol = (site.phone(f"100{n}", f"192.0.2.1{n}") for n in (1, 2, 3))
    alice.on_invite = "ring"
    line = bob.call("600")
    assert not carol.lines
    site.run(11.0)
    assert alice.line.state == "over"
    assert carol.line.state == "up"
    bob.hang_up(line)
    site.nothing_left()


def test_answer_and_cancel_cross() -> None:
    """RFC 3261 §9.1: a 200 that crossed our CANCEL is acknowledged and hung up."""
    site = Site(SETTINGS)
    alice, bob = site.phone("1001", "192.0.2.10"), site.phone("1002", "192.0.2.11")
    bob.on_invite = "ring"
    line = alice.call("1002")
    # Both act before either hears of the other.
    bob.perform(bob.ua.accept(bob.line.session, b"", site.now))
    held, site.wire = site.wire, type(site.wire)()
    alice.hang_up(line)
    site.wire.extend(held)
    site.settle()
    site.run(40.0)
    assert line.state == "over"
    assert bob.line.state == "over"
    site.nothing_left()


def test_too_many_hops_is_483() -> None:
    """RFC 3261 §16.3: a call that goes in circles ends."""
    site = Site(SETTINGS)
    alice, _ = site.phone("1001", "192.0.2.10"), site.phone("1002", "192.0.2.11")
    assert alice.call("1002", hops=0).status == 483
    site.nothing_left()


def test_forwarding_in_circles_ends() -> None:
    phones = {
        "1001": Phone(password=PASSWORD, unavailable="phone:1002"),
        "1002": Phone(password=PASSWORD, unavailable="phone:1001"),
        "1003": Phone(password=PASSWORD),
    }
    site = Site(replace(SETTINGS, phones=phones))
    carol = site.phone("1003", "192.0.2.13")
    assert carol.call("1001").status == 480, "nobody is there: no phone forwards a call twice"
    site.nothing_left()


def test_an_unregistered_phone_is_unavailable() -> None:
    site = Site(SETTINGS)
    alice = site.phone("1001", "192.0.2.10")
    assert alice.call("1002").status == 480
    bob = site.phone("1002", "192.0.2.11")
    bob.register(expires=0)
    assert alice.call("1002").status == 480
    site.nothing_left()


def test_the_media_process_tells_how_it_fares() -> None:
    """Late ticks and dropped packets are there to be seen in `status`, without being asked for."""
    site = Site(SETTINGS)
    site.run(6.0)
    (worker,) = site.switch.desk.status(site.now).workers
    assert (worker.ticks, worker.late_ticks, worker.dropped) == (1000, 3, 1)
