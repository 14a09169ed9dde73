"""What a recording server may do to us, and what a call must not notice of it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from softswitch.acd.model import Fact
from softswitch.switch.events import MediaLost, Reload, Reported
from softswitch.switch.records import CallRecord
from softswitch.switch.settings import RecordingServer, Settings
from softswitch.wire import control
from softswitch.wire.sdp import parse_sdp
from tests.switch.recording_server import RecordingServer as Server
from tests.switch.site import Line, Party, Site
from tests.switch.test_siprec import SETTINGS, facts, fed, legs

ONCE = replace(SETTINGS, siprec={"main": RecordingServer(address="sip:srs@192.0.2.80", retry_seconds=0.0)})
PAIR = replace(
    SETTINGS,
    siprec={
        "main": RecordingServer(address="sip:srs@192.0.2.80", backup="spare"),
        "spare": RecordingServer(address="sip:srs@192.0.2.81"),
    },
)


def ready(settings: Settings = ONCE) -> tuple[Site, Server, Party, Party]:
    site = Site(settings)
    server = Server(site)
    return site, server, site.phone("1001", "192.0.2.10"), site.party("+37061234567", "198.51.100.10")


def undisturbed(site: Site, carrier: Party, line: Line) -> None:
    """Both still talk with each other, and the call ends as one that was answered, with nothing left."""
    assert line.state == "up"
    caller, agent = legs(site)
    assert site.media.hears(caller) == {agent}
    assert site.media.hears(agent) == {caller}
    carrier.hang_up(line)
    site.run(3.0)
    (record,) = site.records(CallRecord)
    assert isinstance(record, CallRecord)
    assert record.outcome == "answered"
    assert not site.switch.office.recording_servers.by_session
    site.nothing_left()


def all_refused(server: Server) -> None:
    server.to_answer = lambda offer: server.description(*("m=audio 0 RTP/AVP 8\r\n" for _ in parse_sdp(offer).media))


def no_sdp(server: Server) -> None:
    server.to_answer = lambda offer: b"garbage"


def too_few_lines(server: Server) -> None:
    server.to_answer = lambda offer: server.description()


def refuses(status: int) -> Callable[[Server], None]:
    def set_status(server: Server) -> None:
        server.on_invite = status

    return set_status


def silent(server: Server) -> None:
    server.site.parties.pop(server.remote)


def rings_for_ever(server: Server) -> None:
    server.on_invite = "ring"


FAULTS = {
    "420 no siprec": (refuses(420), 420),
    "488": (refuses(488), 488),
    "503": (refuses(503), 503),
    "603": (refuses(603), 603),
    "302": (refuses(302), 302),
    "401": (refuses(401), 401),
    "silent": (silent, 408),
    "rings for ever": (rings_for_ever, 408),
    "port 0 for both": (all_refused, 488),
    "an answer that is none": (no_sdp, 488),
    "an answer without lines": (too_few_lines, 488),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_call_goes_on_and_it_is_said(fault: str) -> None:
    site, server, _, carrier = ready()
    break_it, status = FAULTS[fault]
    break_it(server)
    line = carrier.call("100")
    site.run(20.0)
    (failed,) = facts(site, "siprec.failed")
    assert (failed.data["server"], failed.data["status"]) == ("main", status)
    assert [alarm.name for alarm in site.alarms] == ["siprec.main"]
    assert [log.event for log in site.logs if log.level == "error"] == ["call is not recorded by server"]
    assert not facts(site, "siprec.started", "siprec.ended")
    assert len(site.media.legs) == 2, "no port is kept for it"
    undisturbed(site, carrier, line)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_backup_takes_it(fault: str) -> None:
    site, server, _, carrier = ready(PAIR)
    spare = Server(site, "192.0.2.81")
    FAULTS[fault][0](server)
    line = carrier.call("100")
    site.run(20.0)
    assert spare.line.state == "up"
    assert len(fed(site, spare)) == 2
    assert spare.documents[0].mode == "complete"
    undisturbed(site, carrier, line)


@pytest.mark.parametrize("fault", FAULTS)
def test_calls_end_that_must_be_recorded(fault: str) -> None:
    server_settings = replace(ONCE.siprec["main"], on_failure="end")
    site, server, alice, carrier = ready(replace(ONCE, siprec={"main": server_settings}))
    FAULTS[fault][0](server)
    line = carrier.call("100")
    site.run(20.0)
    assert line.state == "over"
    assert alice.line.state == "over"
    (record,) = site.records(CallRecord)
    assert isinstance(record, CallRecord)
    assert (record.hung_up_by, record.reason) == ("switch", "no recording server takes the call")
    site.nothing_left()


def test_a_server_that_hangs_up_is_asked_again() -> None:
    site, server, _, carrier = ready(SETTINGS)
    line = carrier.call("100")
    site.run(5.0)
    server.hang_up(server.line)
    assert [fact.kind for fact in facts(site, "siprec.started", "siprec.failed", "siprec.ended")] == [
        "siprec.started", "siprec.failed", "siprec.ended",
    ]  # fmt: skip
    assert len(site.media.legs) == 2
    site.run(31.0)
    assert len(server.lines) == 2
    assert server.line.state == "up"
    assert server.documents[-1].mode == "complete"
    assert server.documents[-1].session == server.documents[0].session, "the same communication session"
    assert [bool(alarm.text) for alarm in site.alarms] == [True, False]
    undisturbed(site, carrier, line)


def test_a_server_that_hangs_up_gives_the_call_to_its_backup_at_once() -> None:
    site, server, _, carrier = ready(PAIR)
    spare = Server(site, "192.0.2.81")
    line = carrier.call("100")
    site.run(5.0)
    server.hang_up(server.line)
    assert spare.line.state == "up"
    assert len(server.lines) == 1
    undisturbed(site, carrier, line)


def test_a_server_that_failed_lately_is_tried_last() -> None:
    site, server, _, carrier = ready(PAIR)
    spare = Server(site, "192.0.2.81")
    server.on_invite = 503
    line = carrier.call("100")
    site.run(1.0)
    carrier.hang_up(line)
    site.run(5.0)
    line = carrier.call("100")
    site.run(1.0)
    assert (len(server.lines), len(spare.lines)) == (1, 2)
    undisturbed_again(site, carrier, line)


def undisturbed_again(site: Site, carrier: Party, line: Line) -> None:
    carrier.hang_up(line)
    site.run(3.0)
    assert len(site.records(CallRecord)) == 2
    site.nothing_left()


def test_one_stream_is_better_than_none() -> None:
    site, server, _, carrier = ready()
    server.to_line = lambda place, media: "m=audio 0 RTP/AVP 8\r\n" if place else server.taken(place, media)
    line = carrier.call("100")
    site.run(1.0)
    (started,) = facts(site, "siprec.started")
    assert started.data["streams"] == 1
    assert set(fed(site, server)) == {"1"}
    assert "recording server takes one side only" in [log.event for log in site.logs]
    undisturbed(site, carrier, line)


def test_changes_that_are_refused_are_told_in_full_the_next_time() -> None:
    site, server, alice, carrier = ready()
    line = carrier.call("100")
    site.run(1.0)
    happened = server._happened
    refused: list[object] = []

    def refuse(event: object) -> None:
        if type(event).__name__ == "Reinvited" and not refused:
            refused.append(event)
            server.perform(server.ua.reject_offer(server.line.session, 500, site.now))
        else:
            happened(event)  # type: ignore[arg-type]

    server._happened = refuse  # type: ignore[method-assign]
    alice.hold(alice.line)
    site.run(1.0)
    alice.resume(alice.line)
    site.run(1.0)
    assert [document.mode for document in server.documents] == ["complete", "partial", "complete"]
    assert len(fed(site, server)) == 2
    undisturbed(site, carrier, line)


def test_a_server_that_forgets_the_session_has_hung_up() -> None:
    """481 to a re-INVITE ends the dialog (RFC 5057 §5.1)."""
    site, server, alice, carrier = ready()
    line = carrier.call("100")
    site.run(1.0)
    server.ua._sessions._by_tag.clear()  # type: ignore[attr-defined]
    alice.hold(alice.line)
    alice.resume(alice.line, version=5)
    site.run(1.0)
    assert facts(site, "siprec.failed")
    undisturbed(site, carrier, line)


@pytest.mark.parametrize("after", [0.0, 1.0, 3.0, 4.5, 16.0])
def test_the_caller_leaves_while_a_silent_server_is_asked(after: float) -> None:
    site, server, _, carrier = ready(PAIR)
    silent(server)
    line = carrier.call("100")
    site.run(after)
    carrier.hang_up(line)
    site.nothing_left()
    assert not site.switch.office.recording_servers.by_session


def test_an_answer_that_comes_after_the_end() -> None:
    """The CANCEL crosses a 200: it is acknowledged and hung up, and no stream is opened for it."""
    site, server, _, carrier = ready()
    server.on_invite = "ring"
    line = carrier.call("100")
    site.run(1.0)
    held, site.lost = site.lost, lambda data: data.startswith(b"CANCEL")
    carrier.hang_up(line)
    server.answer(server.line)
    site.run(1.0)
    site.lost = held
    site.nothing_left()
    assert server.line.state == "over"


def test_media_that_cannot_open_a_stream() -> None:
    site, _, _, carrier = ready()
    perform = site.media.perform

    def refuse(command: control.Command) -> list[control.Report]:
        if isinstance(command, control.OpenLeg) and command.spec.remote == ("192.0.2.80", 7002):
            return [control.Failed(command.leg, "OpenLeg", "no such slot")]
        if isinstance(command, control.Connect):
            known = tuple(edge for edge in command.edges if edge.sink in site.media.legs)
            return perform(control.Connect(known))
        return perform(command)

    site.media.perform = refuse  # type: ignore[method-assign]
    line = carrier.call("100")
    site.run(2.0)
    (failed,) = facts(site, "siprec.failed")
    assert failed.data["reason"] == "media could not send to it"
    undisturbed(site, carrier, line)


def test_no_port_is_left_for_it() -> None:
    site, _, _, carrier = ready()
    site.media.free = site.media.free[:3]
    site.switch.office.fabric.workers[0].free = type(site.switch.office.fabric.workers[0].free)(site.media.free)
    line = carrier.call("100")
    site.run(1.0)
    (failed,) = facts(site, "siprec.failed")
    assert "no free port" in str(failed.data["reason"])
    assert len(site.switch.office.fabric.workers[0].free) == 1, "the one that was taken is given back"
    undisturbed(site, carrier, line)


def test_a_media_process_that_dies_takes_the_recording_session_along() -> None:
    site, server, _, carrier = ready()
    line = carrier.call("100")
    site.run(1.0)
    site.media = type(site.media)()
    site.give(MediaLost(0))
    site.give(Reported(0, (site.media.ready(),)))
    site.run(1.0)
    assert (line.state, server.line.state) == ("over", "over")
    site.nothing_left()


def test_a_server_that_a_reload_takes_away() -> None:
    """Who is recorded by it stays with it; its alarm goes."""
    site, server, _, carrier = ready()
    line = carrier.call("100")
    site.run(1.0)
    bare = replace(ONCE, siprec={}, queues={"support": replace(ONCE.queues["support"], siprec=None)})
    site.give(Reload(bare))
    site.run(1.0)
    assert server.line.state == "up"
    server.hang_up(server.line)
    site.run(40.0)
    assert not site.alarms
    undisturbed(site, carrier, line)


def test_facts_are_paired() -> None:
    """Each `siprec.started` has one `siprec.ended`."""
    site, server, _, carrier = ready(SETTINGS)
    line = carrier.call("100")
    for _ in range(3):
        site.run(35.0)
        if server.line.state == "up":
            server.hang_up(server.line)
    site.run(35.0)
    carrier.hang_up(line)
    site.nothing_left()
    kinds = [fact.kind for fact in site.saved if isinstance(fact, Fact) and fact.kind.startswith("siprec.")]
    assert kinds.count("siprec.started") == kinds.count("siprec.ended") == 4


ASKED = replace(PAIR, siprec={**PAIR.siprec, "main": replace(PAIR.siprec["main"], options_seconds=30.0)})


def test_a_server_that_answers_no_options_is_tried_last() -> None:
    """It is known to be down before a call needs it, and to be up again without one."""
    site, server, _, carrier = ready(ASKED)
    spare = Server(site, "192.0.2.81")
    silent(server)
    site.run(120.0)
    assert [(alarm.name, bool(alarm.text)) for alarm in site.alarms] == [("siprec.main", True)]
    line = carrier.call("100")
    site.run(0.1)
    assert spare.line.state == "up", "nothing of the call is lost"
    carrier.hang_up(line)
    site.parties[server.remote] = server
    site.run(60.0)
    assert [bool(alarm.text) for alarm in site.alarms] == [True, False]
    line = carrier.call("100")
    site.run(1.0)
    assert (len(server.lines), len(spare.lines)) == (1, 1)
    undisturbed_again(site, carrier, line)


def test_a_reload_takes_the_questions_away() -> None:
    site, server, _, _ = ready(ASKED)
    silent(server)
    site.run(120.0)
    site.give(Reload(PAIR))
    site.run(40.0)
    before = site.switch.office.ua.counts()["transactions"]
    site.run(120.0)
    assert before == site.switch.office.ua.counts()["transactions"] == 0
    assert [bool(alarm.text) for alarm in site.alarms] == [True, False]
    site.nothing_left()
