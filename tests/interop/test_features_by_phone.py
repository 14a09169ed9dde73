"""Pickup, parking and forwarding proven by listening: four parties with a tone each, a real switch with two media
processes; a baresip picks up."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from softswitch.wire.sdp import parse_sdp
from tests.interop import listen
from tests.interop.baresip import Baresip
from tests.interop.floor import Person, found
from tests.interop.four import SOUNDS, TONES, Floor, Site, nobody_talks, site_of_four
from tests.interop.switch_process import wait_until

pytestmark = pytest.mark.interop

PASSWORD = "correct-horse-battery"
BARESIP_HZ = 2100.0
GROUP = 'pickup_groups = ["all"]'


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    tables = f"""
[phones.1004]
password = "{PASSWORD}"
pickup_groups = ["all"]
[agents.alice]
phone = "1001"
logged_in = true
[queues.support]
agents = ["alice"]
wrap_up = 0
music = "steady"
[parking.main]
slots = "701-705"
music = "steady"
[codes.in_call]
[[routes]]
from = "trunk:carrier"
number = "2000"
to = "queue:support"
[[routes]]
from = "trunk:carrier"
number = "1001"
to = "phone:1001"
"""
    with site_of_four(tmp_path_factory.mktemp("features"), tables, alice=GROUP, third=GROUP) as made:
        yield made
        made[0].nothing_left(transactions=False)


@pytest.fixture
def floor(site: Site) -> Iterator[Floor]:
    with nobody_talks(site, "alice") as made:
        yield made


def begin(floor: Floor, number: str) -> None:
    """The carrier calls; a thread waits for the answer."""
    threading.Thread(target=lambda: floor.caller.sip.call(number, floor.caller.body()), daemon=True).start()


def speak(person: Person, answer: bytes) -> None:
    """Begin to send: somebody has to be the first."""
    media = parse_sdp(answer).media[0]
    person.rtp.redirect((media.connection or "127.0.0.1", media.port))


def test_a_ringing_call_is_picked_up(floor: Floor) -> None:
    begin(floor, "1001")
    floor.alice.sip.wait()
    speak(floor.third, floor.third.sip.call("**1001", floor.third.body()))
    cancel = floor.alice.sip.asked("CANCEL")
    assert cancel.headers.get("Reason") == 'SIP;cause=200;text="Call completed elsewhere"'
    floor.hear(caller="t", third="c")
    floor.third.sip.hang_up()
    floor.caller.sip.hung_up()


@pytest.mark.shows(peer="baresip", feature="picks up (`*8`)")
def test_baresip_picks_up(floor: Floor, tmp_path: Path) -> None:
    phone = Baresip(floor.switch, "1004", PASSWORD, BARESIP_HZ, tmp_path)
    try:
        rows = lambda: [row["phone"] for row in floor.switch.get("registrations")["items"]]  # noqa: E731
        wait_until("registration of baresip", lambda: "1004" in rows())
        begin(floor, "1001")
        floor.alice.sip.wait()
        phone.do("dial", "sip:*8@pbx.test")
        phone.expect("CALL_ESTABLISHED")
        floor.caller.rtp.hears(BARESIP_HZ)
        since = time.time()
        wait_until("2 s more", lambda: time.time() > since + 2.0)
        floor.caller.sip.hang_up()
        phone.expect("CALL_CLOSED")
        listen.hears(phone.heard(), TONES["caller"], 1.5)
    finally:
        phone.close()


def test_parked_by_key_and_retrieved_in_one_recording(floor: Floor) -> None:
    began = time.time()
    call = floor.call()
    before = floor.hear(caller="a", alice="c")
    floor.alice.keys("*0")
    floor.told(call, "call.parked")
    said = floor.switch.get("ledger", call=call, kind="call.parked")["items"][0]["at"]
    floor.alice.sip.hung_up()
    assert listen.rms(floor.alice.rtp.heard(said, time.time())) > 0.01, "where it is parked is said"
    floor.hear(caller="m")
    assert floor.switch.get(f"calls/{call}")["state"] == "parked"
    floor.third.sip.call("701", floor.third.body())
    after = floor.hear(caller="t", third="c")
    floor.caller.sip.hang_up()
    floor.third.sip.hung_up()
    row = next(row for row in floor.switch.records(2, since=began - 1) if row["id"] == call)
    path = floor.switch.data_dir / "recordings" / row["recording"]
    wait_until("the recording", lambda: path.exists() and not floor.switch.status()["live"]["recordings"])
    begun = floor.switch.get("ledger", call=call, kind="recording.started")["items"][0]["at"]
    for (start, end), right in ((before, "a"), (after, "t")):
        window = slice(int((start - begun) * listen.RATE), int((end - begun) * listen.RATE))
        assert found(listen.read(path, 0)[window], SOUNDS) == "c"
        assert found(listen.read(path, 1)[window], SOUNDS) == right
    ended = floor.switch.get("ledger", call=call, kind="talk.ended")["items"]
    assert [entry["agent"] for entry in ended] == ["alice"]


def test_forwarded_by_order(floor: Floor) -> None:
    assert floor.cli("phones", "forward", "1001", "always", "1003").returncode == 0
    try:
        begin(floor, "1001")
        speak(floor.third, floor.third.sip.wait())
        floor.third.sip.answer(floor.third.body())
        floor.hear(caller="t", third="c")
        floor.third.sip.hang_up()
        floor.caller.sip.hung_up()
    finally:
        assert floor.cli("phones", "forward", "1001", "always", "default").returncode == 0
    wrong = floor.cli("phones", "forward", "1001", "always", "00370")
    assert wrong.returncode == 1
    assert "leads nowhere" in wrong.stderr
