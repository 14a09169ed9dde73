"""Control dies amid calls that cannot be gone on with: everybody gets a BYE that says why, media has nothing left, and
each call has its one record with true times. Complaint: calls that a crash cut are in no record at all."""

from base64 import b64encode
from dataclasses import replace

import msgspec
import pytest

from softswitch.acd.model import Fact
from softswitch.call.causes import reason_header
from softswitch.sip.events import Ended
from softswitch.sip.flow import Flow
from softswitch.switch.events import Log, TransferCommand
from softswitch.switch.records import ForgottenLiveCall, SavedLiveCall, SavedRecording
from softswitch.switch.settings import Menu, Phone, Route
from softswitch.wire.control import Sdes
from tests.switch.site import Line, Party, Site
from tests.switch.survival import crash, kept, lines, nothing_left, the_record
from tests.switch.test_queue import SETTINGS
from tests.switch.test_secured_calls import SETTINGS as SECURED
from tests.switch.test_secured_calls import secure

TABLES = replace(
    SETTINGS,
    phones={**SETTINGS.phones, "1003": Phone(password="correct horse")},
    ivr={"welcome": Menu(prompt="welcome", keys={"1": "queue:support"})},
    routes=(
        *SETTINGS.routes,
        Route(source="trunk:carrier", number="101", to="ivr:welcome"),
        Route(source="trunk:carrier", number="1003", to="phone:1003"),
    ),
)


@pytest.fixture
def site() -> Site:
    return Site(TABLES)


def told_why(line: Line) -> str:
    """The Reason of the BYE with which the line ended."""
    (ended,) = (event for event in line.events if isinstance(event, Ended))
    assert ended.request is not None
    assert ended.request.method == "BYE"
    return ended.request.headers.get("Reason") or ""


def test_a_caller_in_a_menu_is_hung_up_on_and_recorded_as_interrupted(site: Site) -> None:
    carrier = site.party("+37061234567", "198.51.100.10")
    line = carrier.call("101")
    site.run(5.0)
    began = site.now - 5.0
    crash(site, after=2.0)
    assert line.state == "over"
    assert told_why(line) == reason_header(503, 41)[1]
    record = the_record(site)
    assert (record.outcome, record.cause, record.hung_up_by) == ("interrupted", 503, "switch")
    assert record.reason == "control process died"
    assert (record.source, record.caller, record.called) == ("trunk:carrier", "+37061234567", "101")
    assert record.started == pytest.approx(began)
    assert record.ended == pytest.approx(began + 7.0)  # media played on for the two seconds
    (leg,) = record.legs
    assert (leg.party, leg.call_id, leg.codec) == ("trunk:carrier", line_call_id(carrier, line), "PCMA")
    assert leg.received == 100  # media told its last figures
    nothing_left(site)


def line_call_id(party: Party, line: Line) -> str:
    dialog = party.ua.dialog_of(line.session)
    if dialog is not None:
        return dialog.call_id
    (ended,) = (event for event in line.events if isinstance(event, Ended))
    assert ended.request is not None
    return ended.request.call_id


def test_a_caller_who_waits_is_told_and_the_wait_is_in_the_record(site: Site) -> None:
    carrier = site.party("+37061234567", "198.51.100.10")
    line = carrier.call("100")
    site.run(5.0)
    crash(site, after=1.0)
    assert line.state == "over"
    record = the_record(site)
    assert (record.outcome, record.queue) == ("interrupted", "support")
    assert record.wait_seconds == pytest.approx(6.0, abs=0.1)
    queue = next(row for row in site.switch.desk.queues(site.now) if row.name == "support")
    assert queue.waiting == 0
    nothing_left(site)


def test_when_media_died_too_the_call_ends_when_it_was_last_known_to_live(site: Site) -> None:
    carrier = site.party("+37061234567", "198.51.100.10")
    line = carrier.call("101")
    site.run(25.0)
    began = site.now - 25.0
    crash(site, after=3600.0, media=False)
    assert line.state == "over"  # told at once all the same
    record = the_record(site)
    assert record.started == pytest.approx(began)
    assert began + 20.0 <= record.ended <= began + 25.0  # the journal's pulse is ten seconds
    nothing_left(site)


def test_one_whom_nobody_had_answered_has_a_record(site: Site) -> None:
    phone = site.phone("1003", "192.0.2.12")
    phone.on_invite = "ring"
    carrier = site.party("+37061234567", "198.51.100.10")
    carrier.call("1003")
    site.run(3.0)
    began = site.now - 3.0
    crash(site)
    record = the_record(site)
    assert (record.outcome, record.answered, record.talk_seconds) == ("interrupted", None, 0.0)
    assert (record.source, record.caller, record.called) == ("trunk:carrier", "+37061234567", "1003")
    assert record.started == pytest.approx(began)
    assert began <= record.ended <= began + 3.0
    crash(site)
    assert the_record(site) == record  # once


def test_three_who_talk_all_get_a_bye(site: Site) -> None:
    """A consultation cannot be gone on with: nobody stays in dead air."""
    one, two, three = (site.phone(f"100{n}", f"192.0.2.1{n}") for n in (1, 2, 3))
    line = one.call("1002")
    site.run(1.0)
    (id,) = site.switch.calls
    site.give(TransferCommand(id, "consult", "phone:1003"))
    site.run(5.0)
    assert three.line.state == "up"
    crash(site)
    for party in (line, two.line, three.line):
        assert party.state == "over"
        assert told_why(party) == reason_header(503, 41)[1]
    record = the_record(site)
    assert record.outcome == "interrupted"
    assert record.talk_seconds == pytest.approx(8.0, abs=0.5)
    assert {leg.party for leg in record.legs} == {"phone:1001", "phone:1002", "phone:1003"}
    nothing_left(site)


def test_its_recording_is_closed_and_belongs_to_the_call(site: Site) -> None:
    site.phone("1001", "192.0.2.10")
    third = site.phone("1003", "192.0.2.12")
    carrier = site.party("+37061234567", "198.51.100.10")
    carrier.call("100")
    site.run(1.0)
    (id,) = site.switch.calls
    site.give(TransferCommand(id, "consult", "phone:1003"))
    site.run(2.0)
    assert third.line.state == "up"
    (path,) = site.media.recorders.values()
    crash(site)
    record = the_record(site)
    (row,) = site.records(SavedRecording)
    assert isinstance(row, SavedRecording)
    assert path.endswith(row.path)
    assert (row.path, row.call, row.queue, row.agent) == (record.recording, record.id, "support", "alice")
    assert not site.media.recorders
    nothing_left(site)


def test_a_phone_whose_connection_died_is_told_when_it_comes_back(site: Site) -> None:
    """RFC 3261 §18.1.1 knows no way to a phone behind NAT but its own connection."""
    carrier = site.party("+37061234567", "198.51.100.10")
    carrier.call("101")
    site.run(2.0)
    (row,) = kept(site)
    own = row.memory.own
    session = msgspec.structs.replace(
        own.session, flow=Flow("tls", ("192.0.2.12", 40000), 0, 7), target="sip:1003@192.0.2.12:5060"
    )
    peer = msgspec.structs.replace(own, peer="phone:1003", session=session)
    site.saved.append(SavedLiveCall(row.id, row.at, msgspec.structs.replace(row.memory, own=peer)))
    crash(site)
    assert site.switch.recovery.unreached
    sent: list[bytes] = []
    site.lost = lambda data: bool(sent.append(data))  # type: ignore[func-returns-value]
    site.phone("1003", "192.0.2.12")
    assert not site.switch.recovery.unreached
    (bye,) = (data for data in sent if data.startswith(b"BYE "))
    assert session.call_id.encode() in bye
    assert reason_header(503, 41)[1].encode() in bye
    nothing_left(site)


def test_status_log_and_ledger_say_what_was_done(site: Site) -> None:
    carrier = site.party("+37061234567", "198.51.100.10")
    carrier.call("101")
    site.run(2.0)
    crash(site)
    shown = site.switch.desk.status(site.now).recovery
    assert shown is not None
    assert (shown.adopted, shown.ended, shown.waiting) == (0, 1, 0)
    (line,) = (log for log in site.logs if isinstance(log, Log) and log.event == "calls of a dead control process")
    assert line.fields == {"adopted": 0, "ended": 1}
    (fact,) = (fact for fact in site.records(Fact) if isinstance(fact, Fact) and fact.kind == "switch.recovered")
    assert fact.data == {"adopted": 0, "ended": 1}
    assert site.recovered


def test_an_orderly_end_leaves_nothing_to_recover(site: Site) -> None:
    carrier = site.party("+37061234567", "198.51.100.10")
    line = carrier.call("101")
    site.run(1.0)
    assert kept(site)
    carrier.hang_up(line)
    nothing_left(site)
    crash(site)
    assert site.switch.desk.status(site.now).recovery is None


def test_a_call_that_ends_at_once_is_never_written_down(site: Site) -> None:
    carrier = site.party("+37061234567", "198.51.100.10")
    line = carrier.call("101")
    site.run(0.1)
    carrier.hang_up(line)
    site.run(5.0)
    assert not [record for record in site.saved if isinstance(record, SavedLiveCall | ForgottenLiveCall)]


def test_no_key_of_a_secured_stream_is_written_down() -> None:
    """RFC 4568 §7: whoever reads the store must not be able to listen. The call is ended like others."""
    site = Site(SECURED)
    caller, called = secure(site, "usual", "192.0.2.10"), site.phone("plain", "192.0.2.11")
    line = caller.call("plain")
    site.run(1.0)
    (spec,) = (spec for spec in site.media.legs.values() if isinstance(spec.security, Sdes))
    assert isinstance(spec.security, Sdes)
    (line_kept,) = lines(site)
    text = line_kept.decode()
    for key in (spec.security.local_key, spec.security.remote_key):
        assert b64encode(key).decode() not in text
        assert b64encode(b64encode(key)).decode()[:-4] not in text
    assert "a=crypto" not in text
    assert b64encode(b"a=crypto").decode()[:8] not in text
    crash(site)
    assert (line.state, called.line.state) == ("over", "over")
    assert the_record(site).outcome == "interrupted"
    nothing_left(site)
