"""Supervision, transfers and conferences proven by listening: four parties with a tone each, a real switch with two
media processes, keys as RFC 4733 events, orders by the command line, REFER from a phone and from SIPp."""

import time
from collections.abc import Callable, Iterator

import pytest

from tests.interop import floor as people
from tests.interop import listen
from tests.interop.conftest import Office
from tests.interop.floor import Person
from tests.interop.four import HOSTS, SOUNDS, TONES, Floor, Site, nobody_talks, site_of_four
from tests.interop.rtp_peer import RtpPeer
from tests.interop.scenario import Scenario, sdp
from tests.interop.sip_user import SipUser
from tests.interop.switch_process import free_port, wait_until

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    tables = """
[agents.alice]
phone = "1001"
logged_in = true
[queues.support]
agents = ["alice"]
wrap_up = 0
music = "steady"
[supervisors.vera]
phone = "1009"
queues = ["support"]
may = ["listen", "whisper", "barge", "take"]
[codes.in_call]
[[routes]]
from = "trunk:carrier"
number = "2000"
to = "queue:support"
[[routes]]
from = "trunk:carrier"
number = "3000"
to = "answer:"
"""
    with site_of_four(tmp_path_factory.mktemp("floor"), tables) as made:
        yield made


@pytest.fixture
def floor(site: Site) -> Iterator[Floor]:
    with nobody_talks(site, "alice") as made:
        yield made


def test_listen_whisper_barge_take_and_what_is_recorded(floor: Floor) -> None:
    call = floor.call()
    began = time.time()
    floor.hear(caller="a", alice="c")
    said = floor.cli("supervise", "alice", "--from", "1009")
    assert (said.returncode, said.stdout) == (0, "alice: phone 1009 is rung, mode listen\n")
    floor.vera.take()
    listening = floor.hear(caller="a", alice="c", vera="ac")
    floor.vera.keys("2")
    floor.told(call, "supervise.mode")
    whispering = floor.hear(caller="a", alice="cv", vera="ac")
    floor.vera.keys("3")
    floor.told(call, "supervise.mode", 2)
    barging = floor.hear(caller="av", alice="cv", vera="ac")
    assert floor.cli("supervise", call, "--from", "1009", "--mode", "listen").returncode == 0
    floor.hear(caller="a", alice="c", vera="ac")
    assert floor.cli("supervise", call, "--from", "1003").returncode == 1, "1003 is no supervisor"
    floor.vera.keys("4")
    floor.alice.sip.hung_up()
    taken = floor.hear(caller="v", vera="c")
    floor.caller.sip.hang_up()
    floor.vera.sip.hung_up()

    row = next(row for row in floor.switch.records(2, since=began - 10) if row["id"] == call)
    path = floor.switch.data_dir / "recordings" / row["recording"]
    wait_until("the recording", lambda: path.exists() and not floor.switch.status()["live"]["recordings"])
    begun = floor.switch.get("ledger", call=call, kind="recording.started")["items"][0]["at"]
    assert begun <= began
    for (start, end), right in ((listening, "a"), (whispering, "a"), (barging, "av"), (taken, "v")):
        window = slice(int((start - begun) * listen.RATE), int((end - begun) * listen.RATE))
        assert people.found(listen.read(path, 0)[window], SOUNDS) == "c"
        assert people.found(listen.read(path, 1)[window], SOUNDS) == right
    kinds = [entry["kind"] for entry in floor.switch.get("ledger", call=call)["items"] if "supervise" in entry["kind"]]
    assert kinds == ["supervise.started", *["supervise.mode"] * 4, "supervise.ended"]


def test_consult_three_way_and_complete_in_one_recording(floor: Floor) -> None:
    began = time.time()
    call = floor.call()
    floor.alice.keys("*21003#")
    floor.third.take()
    private = floor.hear(caller="m", alice="t", third="a")
    assert floor.cli("transfer", call, "--three-way").returncode == 0
    three = floor.hear(caller="at", alice="ct", third="ac")
    floor.told(call, "conference.started")
    floor.alice.keys("*3")
    floor.alice.sip.hung_up()
    after = floor.hear(caller="t", third="c")
    floor.third.sip.hang_up()
    floor.caller.sip.hung_up()
    row = next(row for row in floor.switch.records(1, since=began) if row["id"] == call)
    path = floor.switch.data_dir / "recordings" / row["recording"]
    wait_until("the recording", lambda: path.exists() and not floor.switch.status()["live"]["recordings"])
    begun = floor.switch.get("ledger", call=call, kind="recording.started")["items"][0]["at"]
    for (start, end), right in ((private, "at"), (three, "at"), (after, "t")):
        window = slice(int((start - begun) * listen.RATE), int((end - begun) * listen.RATE))
        assert people.found(listen.read(path, 0)[window], SOUNDS) == "c"
        assert people.found(listen.read(path, 1)[window], SOUNDS) == right
    talks = {leg["party"]: leg["talk"] for leg in row["legs"]}
    assert talks["agent:alice"][-1][1] <= talks["phone:1003"][-1][1]
    assert sum(end - start for start, end in talks["trunk:carrier"]) < row["talk_seconds"]


def test_refer_from_the_agents_phone(floor: Floor) -> None:
    """RFC 5589 §6.1 on the wire; the caller hears it ring, then the third."""
    floor.call()
    assert floor.alice.sip.ask("REFER", "Refer-To: <sip:1003@pbx.test>") == 202
    assert b"100 Trying" in floor.alice.sip.asked("NOTIFY").body
    floor.third.take()
    told = [floor.alice.sip.asked("NOTIFY").body for _ in range(2)]
    assert [body.split()[1] for body in told] == [b"180", b"200"]
    floor.alice.sip.hung_up()
    floor.hear(caller="t", third="c")
    floor.caller.sip.hang_up()
    floor.third.sip.hung_up()


def test_following_an_agent_into_another_media_process(floor: Floor) -> None:
    """The supervisor stays on the line; a re-INVITE moves the stream to where the next call is."""
    floor.call()
    assert floor.cli("supervise", "alice", "--from", "1009", "--follow").returncode == 0
    floor.vera.take()
    floor.hear(vera="ac")
    worker = floor.talk()["legs"][0]["worker"]  # type: ignore[index]  # a row of the API
    floor.caller.sip.hang_up()
    floor.alice.sip.hung_up()
    held = []
    try:
        while not held or floor.switch.get("calls")["items"][-1]["legs"][0]["worker"] != worker:
            held.append(
                SipUser("x", HOSTS["caller"], free_port(host=HOSTS["caller"]), (floor.switch.host, floor.switch.port))
            )
            held[-1].call("3000", floor.caller.body())
            assert len(held) < 6
        floor.caller.rtp.close()
        floor.caller.rtp = RtpPeer(TONES["caller"], free_port(host=HOSTS["caller"]), HOSTS["caller"])
        floor.alice.rtp.close()
        floor.alice.rtp = RtpPeer(TONES["alice"], free_port(host=HOSTS["alice"]), HOSTS["alice"])
        call = floor.call()
        assert floor.talk()["legs"][0]["worker"] != worker  # type: ignore[index]  # likewise
        floor.vera.move()
        floor.hear(vera="ac", caller="a", alice="c")
        floor.vera.keys("3")
        floor.told(call, "supervise.mode")
        floor.hear(vera="ac", caller="av", alice="cv")
    finally:
        for other in held:
            other.hang_up()
            other.close()
    floor.vera.sip.hang_up()
    floor.caller.sip.hang_up()
    floor.alice.sip.hung_up()


@pytest.mark.shows(peer="SIPp", feature="blind transfer")
def test_sipp_refers(lone_office: Callable[..., Office]) -> None:
    """SIPp calls as the carrier and answers as the phone that refers: 202, NOTIFY 100, 180 and 200, then the BYE."""
    port = free_port(host=HOSTS["vera"])
    office = lone_office(f'[phones.1003]\ncontact = "sip:third@{HOSTS["vera"]}:{port}"\n')
    third = Person("vera", HOSTS["vera"], TONES["vera"], (office.switch.host, office.switch.port), port)
    try:
        refers = Scenario().called().reply(180, "Ringing").reply(200, "OK", sdp()).receive("ACK").pause(500)
        phone = office.phone(refers.refer("sip:1003@pbx.test").notified(3).receive("BYE").ok())
        trunk = office.call(Scenario().invite().progress().answered().ack().receive("BYE", timeout=20000).ok(), "1001")
        third.take()
        phone.wait().all_well(1)
        bodies = [text for _, way, text in phone.messages() if way == "received" and text.startswith("NOTIFY")]
        assert [text.strip().rpartition("SIP/2.0 ")[2] for text in bodies] == ["100 Trying", "180 Ringing", "200 OK"]
        third.sip.hang_up()
        trunk.wait().all_well(1)
    finally:
        third.close()
    (row,) = office.records()
    assert row["destination"] == "phone:1003"
    assert row["recording"], "a recording that runs goes on"
