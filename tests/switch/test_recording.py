"""The recording of a call as the switch orders it: channels, pauses and who ordered them, secrets, a full disk."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from softswitch.acd.model import Fact, QueueSettings
from softswitch.media import wav
from softswitch.switch import recording
from softswitch.switch.events import RecordingCommand, RecordingRoom, Reported
from softswitch.switch.records import CallRecord, SavedRecording
from softswitch.switch.settings import Agent, Collect, Menu, Phone, Recording, Route, Server, Settings, Sip, Trunk
from softswitch.wire import control
from tests.switch.site import Line, Party, Site

SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones={"1001": Phone(password="correct horse"), "1002": Phone(password="correct horse")},
    agents={"alice": Agent(phone="1001", logged_in=True)},
    trunks={"carrier": Trunk(address="sip:198.51.100.10")},
    queues={"support": QueueSettings(agents=("alice",))},
    routes=(Route(source="trunk:carrier", number="100", to="queue:support"),),
    recording=Recording(directory="/recordings"),
)


def talking(settings: Settings = SETTINGS) -> tuple[Site, Party, Party, Line]:
    """The carrier's caller talks with alice, recorded."""
    site = Site(settings)
    alice, carrier = site.phone("1001", "192.0.2.10"), site.party("+37061234567", "198.51.100.10")
    line = carrier.call("100")
    site.run(1.0)
    return site, alice, carrier, line


def orders(site: Site) -> list[control.Command]:
    """Keep what media is told about recorders from now on."""
    told: list[control.Command] = []
    perform = site.media.perform

    def listen(command: control.Command) -> list[control.Report]:
        if isinstance(command, control.Record | control.PauseRecord | control.ResumeRecord | control.StopRecord):
            told.append(command)
        return perform(command)

    site.media.perform = listen  # type: ignore[method-assign]  # the site asks its media process by this name
    return told


def facts(site: Site, *kinds: str) -> list[Fact]:
    return [fact for fact in site.saved if isinstance(fact, Fact) and fact.kind in kinds]


def test_the_name_has_the_days_of_the_house_and_no_more_of_a_caller_than_a_file_can_hold() -> None:
    """Who calls from a number of 120 characters is recorded, too."""
    template = Recording(directory="/recordings", template="{date}/{caller}.{call}.wav")
    site = Site(replace(SETTINGS, server=Server(timezone="Pacific/Auckland"), recording=template))
    site.phone("1001", "192.0.2.10")
    told = orders(site)
    site.party("+" + "3" * 120, "198.51.100.10").call("100")
    site.run(1.0)
    (order,) = [command for command in told if isinstance(command, control.Record)]
    assert len(order.path.rpartition("/")[2].partition(".")[0]) == 80
    day = f"{datetime.fromtimestamp(site.now, ZoneInfo('Pacific/Auckland')):%Y-%m-%d}"
    assert order.path.startswith(f"/recordings/{day}/+333")


def test_the_header_of_the_core_is_that_of_media() -> None:
    assert recording._HEADER == wav.HEADER


@pytest.mark.parametrize(
    ("general", "queue", "channels"), [(2, None, {0, 1}), (1, None, {0}), (2, 1, {0}), (1, 2, {0, 1})]
)
def test_two_channels_or_one_as_configured(general: int, queue: int | None, channels: set[int]) -> None:
    settings = replace(
        SETTINGS,
        recording=replace(SETTINGS.recording, channels=general),
        queues={"support": QueueSettings(agents=("alice",), record_channels=queue)},  # type: ignore[arg-type]
    )
    site, _, carrier, line = talking(settings)
    (recorder,) = site.media.recorders
    assert {channel for _, sink, channel in site.media.edges if sink == recorder} == channels
    assert len([edge for edge in site.media.edges if edge[1] == recorder]) == 2
    carrier.hang_up(line)
    (row,) = site.records(SavedRecording)
    assert isinstance(row, SavedRecording)
    assert (row.channels, row.seconds, row.bytes) == (len(channels), 1.0, 80 + 16000 * len(channels))
    assert (row.queue, row.agent, row.caller, row.called) == ("support", "alice", "+37061234567", "100")
    site.nothing_left()


def test_a_pause_is_ordered_once_and_the_ledger_says_by_whom() -> None:
    site, _, carrier, line = talking()
    told = orders(site)
    (call,) = site.switch.calls
    for _ in range(2):
        site.give(RecordingCommand(call, "pause", "carol", "card number"))
    view = site.switch.desk.call(call, site.now)
    assert view is not None
    assert view.recording_paused
    site.run(3.0)
    site.give(RecordingCommand(call, "resume", "carol"))
    assert [type(order) for order in told] == [control.PauseRecord, control.ResumeRecord]
    assert [(fact.kind, fact.data["by"], fact.data["reason"]) for fact in facts(site, "recording.paused")] == [
        ("recording.paused", "carol", "card number")
    ]
    assert [fact.data["by"] for fact in facts(site, "recording.resumed")] == ["carol"]
    carrier.hang_up(line)
    site.give(RecordingCommand(call, "pause", "carol"))  # too late, and no fault
    site.nothing_left()


def test_an_agent_pauses_and_resumes_by_feature_code() -> None:
    """From a second line of the phone: only the calls that this phone is in."""
    site, alice, carrier, line = talking()
    told = orders(site)
    for code, kind in (("*41", control.PauseRecord), ("*42", control.ResumeRecord)):
        second = alice.call(code)
        site.run(0.5)
        site.prompt_ends()
        site.run(1.0)
        assert second.state == "over"
        assert type(told[-1]) is kind
    assert [fact.data["by"] for fact in facts(site, "recording.paused", "recording.resumed")] == ["phone:1001"] * 2
    stranger = site.phone("1002", "192.0.2.11")
    stranger.call("*41")
    site.run(0.5)
    site.prompt_ends()
    assert len(told) == 2
    carrier.hang_up(line)
    site.nothing_left()


@pytest.mark.parametrize("to_agent", [False, True])
def test_secret_digits_are_neither_recorded_nor_written_down(to_agent: bool) -> None:
    """The recording pauses for the menu, on top of any pause ordered by hand; ledger and record get stars, the agent
    the number only when the menu says so."""
    collect = Collect(variable="card", min=4, max=4, secret=True, to_agent=to_agent, next="queue:support")
    menu = Menu(prompt="welcome", collect=collect)
    route = Route(source="trunk:carrier", number="100", to="queue:support")
    settings = replace(SETTINGS, ivr={"card": menu}, routes=(route,))
    site, alice, carrier, line = talking(settings)
    told = orders(site)
    (call,) = site.switch.calls.values()
    call.go("ivr:card", site.now)  # as a transfer does: the recorder goes on
    site.give(RecordingRoom())  # so that the step is settled
    assert [type(order) for order in told] == [control.PauseRecord]
    site.give(RecordingCommand(call.id, "pause", "carol"))
    site.give(RecordingCommand(call.id, "resume", "carol"))
    assert len(told) == 1, "the menu still needs the pause"
    for digit in "4929":
        site.press(call.leg.id, digit)
    assert [type(order) for order in told] == [control.PauseRecord, control.ResumeRecord]
    site.run(1.0)
    assert alice.line.request is not None
    assert alice.line.request.headers.get("X-Collected") == ("card=4929" if to_agent else None)
    carrier.hang_up(line)
    site.run(3.0)
    (left,) = facts(site, "menu.left")
    assert (left.data["keys"], left.data["collected"]) == ("****", {"card": "****"})
    (row,) = site.records(CallRecord)
    assert isinstance(row, CallRecord)
    assert row.collected == {"card": "****"}
    assert not any("4929" in repr(saved) for saved in site.saved)
    site.nothing_left()


def test_without_room_a_call_is_not_recorded_and_goes_on() -> None:
    site = Site(SETTINGS)
    site.phone("1001", "192.0.2.10")
    carrier = site.party("+37061234567", "198.51.100.10")
    site.give(RecordingRoom("less than 1 GB free"))
    line = carrier.call("100")
    site.run(1.0)
    assert line.state == "up"
    assert not site.media.recorders
    assert [fact.data["reason"] for fact in facts(site, "recording.skipped")] == ["less than 1 GB free"]
    assert [log.event for log in site.logs if log.level == "error"] == ["call is not recorded"]
    carrier.hang_up(line)
    site.give(RecordingRoom())
    site.run(1.0)
    line = carrier.call("100")
    site.run(1.0)
    assert len(site.media.recorders) == 1
    carrier.hang_up(line)
    site.nothing_left()


def test_a_recording_of_an_earlier_control_process_is_kept() -> None:
    """Media outlived control and closes what nobody knows: the row is written, the keeper will name its call."""
    site = Site(SETTINGS)
    done = control.RecordDone(77, "/recordings/2026-08-01/c1.wav", "stopped", 16000)
    site.give(Reported(0, (done, replace_path(done, "/elsewhere/c2.wav"))))
    (row,) = site.records(SavedRecording)
    assert isinstance(row, SavedRecording)
    assert (row.path, row.call, row.seconds) == ("2026-08-01/c1.wav", "", 2.0)


def replace_path(done: control.RecordDone, path: str) -> control.RecordDone:
    return control.RecordDone(done.recorder, path, done.cause, done.frames)
