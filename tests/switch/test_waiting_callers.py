"""What a waiting caller hears and may press, where the place goes, and that the caller may leave at any moment."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from msgspec.structs import replace as replace_struct

from softswitch.acd.model import CallbackSettings, Fact, QueueSettings
from softswitch.switch.events import AskCallback, CancelCallback, Drain, MediaLost, RecordingRoom, Reported
from softswitch.switch.records import CallRecord, SavedRecording
from softswitch.switch.settings import Agent, Phone, Route, Settings, Sip, Trunk, Voicemail
from softswitch.wire import control
from tests.switch.site import Line, MediaProcess, Party, Site

PASSWORD = "correct horse"
RULES = CallbackSettings(to="trunk:carrier", pause=60.0, ring_seconds=20.0)
QUEUE = QueueSettings(
    agents=("alice",),
    ring_seconds=15.0,
    keys={"1": "callback:", "2": "queue:sales", "9": "voicemail:box", "0": "phone:1002"},
    keys_prompt="press-one-for-callback",
    callback=RULES,
)
SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones={"1001": Phone(password=PASSWORD), "1002": Phone(password=PASSWORD)},
    agents={"alice": Agent(phone="1001", logged_in=True), "bob": Agent(phone="1002")},
    trunks={"carrier": Trunk(address="sip:198.51.100.10", caller_id="+37052000000")},
    queues={"support": QUEUE, "sales": QueueSettings(agents=("bob",))},
    voicemail={"box": Voicemail(max_seconds=30.0, silence=5.0)},
    routes=(
        Route(source="trunk:carrier", number="100", to="queue:support"),
        Route(source="trunk:carrier", number="200", to="voicemail:box"),
        Route(source="trunk:carrier", number="300", to="callback:support"),
    ),
)


def site_with(queue: QueueSettings = QUEUE, **queues: QueueSettings) -> tuple[Site, Party, Party]:
    site = Site(replace(SETTINGS, queues={**SETTINGS.queues, "support": queue, **queues}))
    alice = site.phone("1001", "192.0.2.10")
    alice.on_invite = "ring"
    return site, alice, site.party("+37061234567", "198.51.100.10")


def press(site: Site, *digits: str) -> None:
    """The caller of the call that waits longest."""
    for digit in digits:
        site.press(next(iter(site.switch.calls.values())).leg.id, digit)


def facts(site: Site, kind: str) -> list[Fact]:
    return [fact for fact in site.saved if isinstance(fact, Fact) and fact.kind == kind]


def played(site: Site) -> list[str]:
    return [name.partition("/")[2] for names in site.media.played for name in names if name.startswith("en/")]


# ------------------------------------------------------------------------------------------------------------- sounds


def test_messages_wait_for_one_another_and_stale_positions_are_left_out() -> None:
    site, alice, carrier = site_with(replace(QUEUE, welcome="welcome", announce_position=5.0))
    alice.on_invite = 486
    carrier.call("100")
    site.run(12.0)
    assert played(site) == ["welcome"]
    site.prompt_ends()
    assert played(site)[1:] == ["press-one-for-callback"]
    site.prompt_ends()
    assert played(site)[2:] == ["you-are-next", "press-one-for-callback"]
    site.prompt_ends()
    assert played(site)[4:] == ["music/hold"]
    carrier.hang_up(next(iter(carrier.lines.values())))
    site.nothing_left()


def test_the_estimate_is_said_in_whole_minutes() -> None:
    site, alice, carrier = site_with(replace(QUEUE, keys_prompt=None, announce_position=60.0, announce_estimate=True))
    alice.on_invite = "answer"
    first = carrier.call("100")
    second = carrier.call("100")
    site.run(1.0)
    assert played(site)[-4:] == ["you-are-next", "estimated-wait", "number-3", "minute-many"]
    for line in (first, second):
        carrier.hang_up(line)
    site.nothing_left()


# --------------------------------------------------------------------------------------------------------------- keys


def test_a_key_leads_to_a_phone_while_the_announcement_plays() -> None:
    site, alice, carrier = site_with(replace(QUEUE, welcome="welcome"))
    bob = site.phone("1002", "192.0.2.11")
    line = carrier.call("100")
    press(site, "0")
    assert bob.line.state == "up"
    assert alice.line.state == "over"
    assert facts(site, "queue.left")[0].data["reason"] == "key"
    carrier.hang_up(line)
    site.nothing_left()


def test_keys_that_mean_nothing_change_nothing() -> None:
    site, alice, carrier = site_with()
    line = carrier.call("100")
    press(site, "7", "#", "*")
    assert alice.line.state == "ringing"
    alice.answer(alice.line)
    press(site, "0")
    assert line.state == "up"
    assert next(iter(site.switch.calls.values())).stage.label == "talking"
    carrier.hang_up(line)
    site.nothing_left()


def test_overflow_to_another_queue_keeps_the_place() -> None:
    site, alice, carrier = site_with(replace(QUEUE, max_wait=60.0, on_max_wait="queue:sales", keys_prompt=None))
    alice.on_invite = 486
    first = carrier.call("100")
    site.run(30.0)
    second = carrier.call("100")
    press_second = list(site.switch.calls.values())[1]
    site.press(press_second.leg.id, "2")  # of its own choice: no older there than it is
    site.run(31.0)
    ranks = {view.call: view.rank for view in site.switch.office.engine.waiting("sales", site.now)}
    order = [view.call for view in site.switch.office.engine.waiting("sales", site.now)]
    assert len(ranks) == 2
    assert order[0] == next(iter(site.switch.calls))
    for line in (first, second):
        carrier.hang_up(line)
    site.nothing_left()


def test_a_queue_that_does_not_keep_the_place() -> None:
    site, alice, carrier = site_with(
        replace(QUEUE, max_wait=60.0, on_max_wait="queue:sales", keys_prompt=None, keep_place=False)
    )
    alice.on_invite = 486
    line = carrier.call("100")
    site.run(61.0)
    (view,) = site.switch.office.engine.waiting("sales", site.now)
    assert view.rank == pytest.approx(view.entered)
    carrier.hang_up(line)
    site.nothing_left()


# ---------------------------------------------------------------------------------------------------------- call-backs


def ask(site: Site, carrier: Party) -> None:
    """A caller who asks to be called back, and confirms the number."""
    carrier.call("100")
    press(site, "1")
    site.prompt_ends()
    press(site, "1")
    site.prompt_ends()


def test_asked_for_in_the_queue_the_number_is_read_out_and_confirmed() -> None:
    site, alice, carrier = site_with(replace(QUEUE, keys_prompt=None))
    alice.on_invite = 486
    line = carrier.call("100")
    press(site, "1")
    assert played(site)[1:5] == ["callback-number", "plus", "number-3", "number-7"]
    assert played(site)[-1] == "callback-confirm"
    press(site, "1")
    assert played(site)[-1] == "callback-confirmed"
    site.prompt_ends()
    assert line.state == "over"
    (wanted,) = site.switch.office.engine.callbacks(site.now)
    assert (wanted.number, wanted.queue) == ("+37061234567", "support")
    site.run(3.0)
    assert not site.media.recorders


def test_agent_first_from_the_key_to_the_talk() -> None:
    site, alice, carrier = site_with()
    alice.on_invite = 486
    ask(site, carrier)
    alice.on_invite = "ring"
    carrier.on_invite = "ring"
    site.run(6.0)
    offer = alice.line
    assert offer.request is not None
    assert offer.request.headers.get("X-Callback") == site.switch.office.engine.callbacks(site.now)[0].callback
    assert offer.request.from_.uri.username == "+37061234567"
    alice.answer(offer)
    out = carrier.line
    assert out.request is not None
    assert out.request.uri.username == "+37061234567"
    assert out.request.from_.uri.username == "+37052000000"
    carrier.answer(out)
    call = next(iter(site.switch.calls.values()))
    assert (call.stage.label, call.leg.peer) == ("talking", "trunk:carrier")
    assert site.media.hears(call.leg.id) == {call.stage.legs()[0].id}
    site.run(20.0)
    carrier.hang_up(out)
    assert offer.state == "over"
    site.run(3.0)
    record = [record for record in site.saved if isinstance(record, CallRecord)][-1]
    assert (record.outcome, record.agent, record.source) == ("answered", "alice", "callback:support")
    assert record.talk_seconds == pytest.approx(20.0, abs=0.1)
    assert facts(site, "callback.connected")[0].agent == "alice"
    site.nothing_left()


def test_customer_first_the_agent_rings_once_the_customer_is_there() -> None:
    site, alice, carrier = site_with(replace(QUEUE, callback=replace(RULES, first="customer")))
    alice.on_invite = 486
    ask(site, carrier)
    alice.on_invite = "ring"
    carrier.on_invite = "ring"
    site.run(6.0)
    assert len([line for line in alice.lines.values() if line.state == "ringing"]) == 0
    carrier.answer(carrier.line)
    assert alice.line.state == "ringing"
    call = next(iter(site.switch.calls.values()))
    assert call.stage.label == "queued"
    assert site.media.hears(call.leg.id)
    alice.answer(alice.line)
    assert call.stage.label == "talking"
    carrier.hang_up(carrier.line)
    site.nothing_left()


@pytest.mark.parametrize("status", [486, 480, 603, 503])
def test_a_customer_who_is_not_reached_is_called_again_later(status: int) -> None:
    site, alice, carrier = site_with()
    alice.on_invite = 486
    ask(site, carrier)
    alice.on_invite = "answer"
    carrier.on_invite = status
    site.run(6.0)
    site.prompt_ends()  # the agent is told
    (wanted,) = site.switch.office.engine.callbacks(site.now)
    assert (wanted.state, wanted.attempts) == ("paused", 1)
    assert alice.line.state == "over"
    carrier.on_invite = "answer"
    site.run(66.0)
    assert facts(site, "callback.connected")
    carrier.hang_up(carrier.line)
    site.nothing_left()


def test_the_agent_gives_up_while_the_customer_rings() -> None:
    site, alice, carrier = site_with()
    alice.on_invite = 486
    ask(site, carrier)
    alice.on_invite = "answer"
    carrier.on_invite = "ring"
    site.run(6.0)
    out = carrier.line
    alice.hang_up(alice.line)
    assert out.state == "over"
    (wanted,) = site.switch.office.engine.callbacks(site.now)
    assert wanted.attempts == 0
    site.nothing_left()


def test_cancelled_while_the_customer_rings() -> None:
    site, alice, carrier = site_with()
    alice.on_invite = 486
    ask(site, carrier)
    alice.on_invite = "answer"
    carrier.on_invite = "ring"
    site.run(6.0)
    (wanted,) = site.switch.office.engine.callbacks(site.now)
    site.give(CancelCallback(wanted.callback, "supervisor"))
    assert carrier.line.state == "over"
    assert alice.line.state == "over"
    assert not site.switch.office.engine.callbacks(site.now)
    site.nothing_left()


def test_another_number_only_within_the_patterns() -> None:
    """Toll rules: nobody can make the switch dial what the settings do not name."""
    site, alice, carrier = site_with(replace(QUEUE, callback=replace(RULES, numbers=("+3706XXXXXXX",))))
    alice.on_invite = 486
    carrier.call("100")
    press(site, "1", "2", *"0090055512345", "#")
    assert "invalid-entry" in played(site)
    press(site, "*", *"37069999999", "#", "1")
    (wanted,) = site.switch.office.engine.callbacks(site.now)
    assert wanted.number == "+37069999999"
    site.prompt_ends()
    site.nothing_left()


def test_without_patterns_no_other_number_can_be_typed() -> None:
    site, alice, carrier = site_with()
    alice.on_invite = 486
    line = carrier.call("100")
    press(site, "1", "2", "2", "2")
    assert line.state == "up"
    assert next(iter(site.switch.calls.values())).stage.label == "queued"
    assert not site.switch.office.engine.callbacks(site.now)
    carrier.hang_up(line)
    site.nothing_left()


def test_an_agent_who_answers_meanwhile_has_the_caller() -> None:
    site, alice, carrier = site_with()
    line = carrier.call("100")
    press(site, "1")
    alice.answer(alice.line)
    assert next(iter(site.switch.calls.values())).stage.label == "talking"
    press(site, "1")
    assert not site.switch.office.engine.callbacks(site.now)
    carrier.hang_up(line)
    site.nothing_left()


def test_silence_leads_back_to_the_queue() -> None:
    site, alice, carrier = site_with()
    alice.on_invite = 486
    line = carrier.call("100")
    press(site, "1")
    for _ in range(4):
        site.prompt_ends()
        site.run(9.0)
    call = next(iter(site.switch.calls.values()))
    assert call.stage.label == "queued"
    assert site.media.hears(call.leg.id)
    assert not site.switch.office.engine.callbacks(site.now)
    carrier.hang_up(line)
    site.nothing_left()


def test_from_a_menu_or_a_route_without_waiting_first() -> None:
    site, alice, carrier = site_with()
    alice.on_invite = 486
    line = carrier.call("300")
    press(site, "1")
    site.prompt_ends()
    assert line.state == "over"
    assert len(site.switch.office.engine.callbacks(site.now)) == 1
    site.nothing_left()


def test_draining_begins_no_call_back() -> None:
    site, alice, carrier = site_with()
    alice.on_invite = 486
    ask(site, carrier)
    site.give(Drain())
    alice.on_invite = "answer"
    lines = len(carrier.lines)
    site.run(30.0)
    assert len(carrier.lines) == lines
    assert site.drained


# ----------------------------------------------------------------------------------------------------------- voicemail


def test_a_message_is_recorded_between_the_beep_and_the_hash_key() -> None:
    site, _, carrier = site_with()
    line = carrier.call("200")
    assert played(site) == ["voicemail-greeting"]
    site.prompt_ends()
    assert site.media.played[-1] == ("tone",)
    assert not site.media.recorders
    site.prompt_ends()
    ((recorder, path),) = site.media.recorders.items()
    assert path.startswith("recordings/voicemail/box/")
    leg = next(iter(site.switch.calls.values())).leg.id
    assert (leg, recorder, 0) in site.media.edges
    site.run(10.0)
    press(site, "#")
    assert played(site)[-1] == "voicemail-saved"
    site.prompt_ends()
    assert line.state == "over"
    site.run(3.0)
    (row,) = [row for row in site.saved if isinstance(row, SavedRecording)]
    assert (row.channels, row.caller) == (1, "+37061234567")
    assert facts(site, "voicemail.left")[0].data["box"] == "box"
    site.nothing_left()


def test_silence_ends_a_message_and_so_does_the_longest_time() -> None:
    site, _, carrier = site_with()
    carrier.call("200")
    site.prompt_ends()
    site.prompt_ends()
    talk = [0.0]
    figures = site.media.figures

    def told(leg: int) -> control.LegStats:
        return replace_struct(figures(leg), speech=replace_struct(site.media.speech, talk=talk[0]))

    site.media.figures = told  # type: ignore[method-assign]
    for _ in range(12):
        talk[0] += 0.5
        site.run(1.0)
    assert site.media.recorders
    site.run(7.0)
    assert not site.media.recorders
    site.prompt_ends()
    site.nothing_left()


def test_as_a_last_resort_of_a_queue() -> None:
    site, _alice, carrier = site_with(replace(QUEUE, max_wait=10.0, on_max_wait="voicemail:box", keys_prompt=None))
    line = carrier.call("100")
    site.run(11.0)
    assert played(site)[-1] == "voicemail-greeting"
    press(site, "5")  # the greeting is known
    site.prompt_ends()
    assert site.media.recorders
    carrier.hang_up(line)
    site.run(3.0)
    record = [record for record in site.saved if isinstance(record, CallRecord)][-1]
    assert (record.outcome, record.destination) == ("overflow", "voicemail:box")
    assert record.recording.startswith("voicemail/box/")
    site.nothing_left()


def test_a_full_disk_takes_no_message() -> None:
    site, _, carrier = site_with()
    site.give(RecordingRoom("no room"))
    line = carrier.call("200")
    site.prompt_ends()
    site.prompt_ends()
    assert played(site)[-1] == "try-later"
    site.prompt_ends()
    assert line.state == "over"
    site.nothing_left()


# ------------------------------------------------------------------------------------------------- leaving at any time

Moment = Callable[[Site, Party, Party], Line]


def _welcome(site: Site, alice: Party, carrier: Party) -> Line:
    return carrier.call("100")


def _keys_prompt(site: Site, alice: Party, carrier: Party) -> Line:
    line = carrier.call("100")
    site.prompt_ends()
    return line


def _announcement(site: Site, alice: Party, carrier: Party) -> Line:
    alice.on_invite = 486
    line = carrier.call("100")
    for _ in range(3):
        site.prompt_ends()
    site.run(31.0)
    return line


def _confirming(site: Site, alice: Party, carrier: Party) -> Line:
    line = carrier.call("100")
    press(site, "1")
    return line


def _asked_to_confirm(site: Site, alice: Party, carrier: Party) -> Line:
    line = _confirming(site, alice, carrier)
    site.prompt_ends()
    return line


def _confirmed(site: Site, alice: Party, carrier: Party) -> Line:
    carrier.on_invite = 486
    line = _confirming(site, alice, carrier)
    press(site, "1")
    return line


def _greeting(site: Site, alice: Party, carrier: Party) -> Line:
    line = carrier.call("100")
    press(site, "9")
    return line


def _beep(site: Site, alice: Party, carrier: Party) -> Line:
    line = _greeting(site, alice, carrier)
    site.prompt_ends()
    return line


def _message(site: Site, alice: Party, carrier: Party) -> Line:
    line = _beep(site, alice, carrier)
    site.prompt_ends()
    site.run(3.0)
    return line


def _saved(site: Site, alice: Party, carrier: Party) -> Line:
    line = _message(site, alice, carrier)
    press(site, "#")
    return line


def _agent_prompt(site: Site, alice: Party, carrier: Party) -> Line:
    line = carrier.call("100")
    alice.answer(alice.line)
    return line


def _called_back(site: Site, alice: Party, carrier: Party) -> Line:
    alice.on_invite = 486
    ask(site, carrier)
    alice.on_invite = "answer"
    carrier.on_invite = "ring"
    site.run(6.0)
    carrier.answer(carrier.line)
    return carrier.line


MOMENTS = (
    *(_welcome, _keys_prompt, _announcement, _confirming, _asked_to_confirm, _confirmed, _greeting, _beep, _message),
    *(_saved, _agent_prompt, _called_back),
)


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.__name__.strip("_"))
@pytest.mark.parametrize("first", ["agent", "customer"])
def test_the_caller_leaves_at_any_moment_and_nothing_is_left(moment: Moment, first: str) -> None:
    rules = replace(RULES, first=first)  # type: ignore[arg-type]
    site, alice, carrier = site_with(
        replace(QUEUE, welcome="welcome", announce_position=30.0, agent_prompt="call-from-queue", callback=rules)
    )
    line = moment(site, alice, carrier)
    carrier.hang_up(line)
    alice.on_invite = 480
    for wanted in site.switch.office.engine.callbacks(site.now):
        site.give(CancelCallback(wanted.callback))
    site.run(3.0)
    assert line.state == "over"
    assert not site.switch.calls
    site.nothing_left()


def test_a_callback_waits_seconds_for_media_that_are_not_there_yet() -> None:
    """After a restart the ledger's call-backs are there before the media processes are; it was put off for a minute,
    and others went before."""
    site, alice, _ = site_with()
    alice.on_invite = "ring"
    site.give(MediaLost(0))
    site.give(AskCallback("support", "+37061234567"))
    (wanted,) = site.switch.office.engine.callbacks(site.now)
    assert (wanted.state, wanted.attempts) == ("paused", 0)
    site.media = MediaProcess()
    site.give(Reported(0, (site.media.ready(),)))
    site.run(4.0)
    assert alice.line.state == "ringing"
