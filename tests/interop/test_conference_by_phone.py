"""A conference proven by listening: four parties with a tone each and a baresip, a real switch with two media
processes, PINs and keys as RFC 4733 events, orders by the command line; the mix in the recording."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop import floor as people
from tests.interop import listen
from tests.interop.baresip import Baresip
from tests.interop.floor import Person
from tests.interop.four import SOUNDS, Floor, Site, nobody_talks, site_of_four
from tests.interop.showing import OURS
from tests.interop.switch_process import wait_until

pytestmark = pytest.mark.interop

PASSWORD = "correct-horse-battery"
BARESIP_HZ = 2100.0
PROMPT = 20.0  # seconds, longer than anything that is said


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    tables = f"""
[phones.1004]
password = "{PASSWORD}"
[conferences.board]
number = "600"
pin = "1234"
moderator_pin = "9876"
wait_for_moderator = true
end_with_moderator = true
announce = "none"
record = "mix"
music = "steady"
[conferences.club]
number = "601"
announce = "name"
muted = true
record = "members"
[[routes]]
from = "trunk:carrier"
number = "2000"
to = "conference:board"
[[routes]]
from = "trunk:carrier"
number = "2001"
to = "directory:"
"""
    with site_of_four(
        tmp_path_factory.mktemp("conference"), tables, alice='name = "Alice Moor"', vera='name = "Vera Lind"'
    ) as made:
        yield made
        made[0].nothing_left(transactions=False)


@pytest.fixture
def floor(site: Site) -> Iterator[Floor]:
    with nobody_talks(site) as made:
        yield made


def members(floor: Floor) -> dict[str, dict[str, object]]:
    """By party."""
    rows = floor.switch.get("conferences")["items"]
    return {member["party"]: member for row in rows for member in row["members"]}


def dial(person: Person, number: str) -> None:
    """And listen until something is said: media takes what comes from a leg once it has opened it."""
    before = person.rtp.packets()
    person.call(number)
    wait_until("the question", lambda: person.rtp.packets() > before + 10)


def come(floor: Floor, person: Person, number: str, pin: str, party: str) -> None:
    """Dial, type the PIN into the question, be there."""
    dial(person, number)
    person.keys(f"{pin}#")
    wait_until(f"{person.name} in the conference", lambda: party in members(floor))


def quiet(floor: Floor) -> None:
    """Until nothing is played to anybody any more."""
    wait_until("the end of what is said", lambda: not floor.switch.status()["live"]["players"], PROMPT)


@pytest.mark.shows(peer=OURS, feature="conference: PIN and keys (RFC 4733), moderator, mute")
@pytest.mark.shows(peer="baresip", feature="is invited to a conference")
def test_who_hears_whom(floor: Floor, tmp_path: Path) -> None:
    began = time.time()
    come(floor, floor.vera, "600", "1234", "phone:1009")
    come(floor, floor.caller, "2000", "1234", "trunk:carrier")
    quiet(floor)
    floor.hear(vera="m", caller="m")
    come(floor, floor.alice, "600", "9876", "phone:1001")
    assert members(floor)["phone:1001"]["moderator"]
    quiet(floor)
    together = floor.hear(vera="ac", caller="av", alice="cv")
    listed = lambda: [one for one, row in members(floor).items() if row["talking"]]  # noqa: E731
    wait_until("who talks", lambda: len(listed()) == 3)

    floor.vera.keys("*1")
    wait_until("the key", lambda: members(floor)["phone:1009"]["muted"])
    quiet(floor)
    muted = floor.hear(vera="ac", caller="a", alice="c")
    assert floor.cli("conferences", "unmute", "board", "1009").returncode == 0
    floor.hear(vera="ac", caller="av", alice="cv")
    said = floor.cli("conferences", "mute", "board", "trunk:carrier")
    assert "muted by order" in said.stdout, said
    floor.hear(vera="a", caller="av", alice="v")
    assert floor.cli("conferences", "unmute", "board", "all").returncode == 0
    quiet(floor)

    assert floor.cli("conferences", "invite", "board", "1003", "--from", "1001").returncode == 0
    floor.third.take()
    wait_until("the third", lambda: "phone:1003" in members(floor))
    quiet(floor)
    floor.hear(vera="act", caller="atv", alice="ctv", third="acv")
    assert floor.cli("conferences", "kick", "board", "1003").returncode == 0
    floor.third.sip.hung_up()
    floor.hear(vera="ac", caller="av", alice="cv")

    phone = Baresip(floor.switch, "1004", PASSWORD, BARESIP_HZ, tmp_path)
    try:
        rows = lambda: [row["phone"] for row in floor.switch.get("registrations")["items"]]  # noqa: E731
        wait_until("registration of baresip", lambda: "1004" in rows())
        assert floor.cli("conferences", "invite", "board", "1004", "--from", "1001").returncode == 0
        phone.expect("CALL_ESTABLISHED")
        sounds = {**SOUNDS, "baresip": BARESIP_HZ}
        wait_until("all", lambda: people.found(floor.vera.rtp.heard(time.time() - 1.0), sounds) == "abc")
        since = time.time()
        wait_until("a second more", lambda: time.time() > since + 1.0)
        floor.alice.keys("*8")  # who came last
        phone.expect("CALL_CLOSED")
        heard = phone.heard()
        seconds = [heard[at : at + listen.RATE] for at in range(0, len(heard), listen.RATE // 2)]
        assert "acv" in [people.found(second, SOUNDS) for second in seconds]
    finally:
        phone.close()

    floor.alice.keys("*9")
    for person in (floor.vera, floor.caller, floor.alice):
        person.sip.hung_up()
    wait_until("the recording", lambda: not floor.switch.status()["live"]["recordings"])
    (entry,) = floor.switch.get("ledger", kind="recording.started", since=began)["items"]
    path = floor.switch.data_dir / "recordings" / entry["data"]["path"]
    wait_until("the file", path.exists)
    for (start, end), voices in ((together, "acv"), (muted, "ac")):
        window = slice(int((start - entry["at"]) * listen.RATE), int((end - entry["at"]) * listen.RATE))
        assert people.found(listen.read(path, 0)[window], SOUNDS) == voices


def test_a_name_is_said_to_the_others_and_kept_no_longer(floor: Floor) -> None:
    """All are muted: what is heard of anybody is the name that was recorded at the door."""
    began = time.time()
    names = floor.switch.data_dir / "names"
    for person, party in ((floor.alice, "phone:1001"), (floor.vera, "phone:1009")):
        begin = time.time()
        dial(person, "601")
        person.keys("1")  # no need to hear it all
        wait_until("the tone and the name", lambda: len(list(names.glob("*.wav"))) > len(members(floor)))
        spoken = time.time()
        wait_until("a second of it", lambda since=spoken: time.time() > since + 1.0)
        person.keys("#")
        wait_until(f"{person.name} in the conference", lambda one=party: one in members(floor))
    quiet(floor)
    heard = floor.alice.rtp.heard(begin, time.time())
    voice = [people.found(heard[at : at + 3200], SOUNDS) for at in range(0, len(heard) - 3200, 1600)]
    assert any("v" in one for one in voice), "vera's name"
    floor.hear(alice="", vera="")
    for person in (floor.vera, floor.alice):
        person.sip.hang_up()
    wait_until("the names to be gone", lambda: not list(names.glob("*.wav")))
    ended = lambda: floor.switch.get("ledger", kind="recording.ended", since=began)["items"]  # noqa: E731
    wait_until("the mix, and a file of each", lambda: len(ended()) == 3)
    assert {Path(row["data"]["path"]).parts[:2] for row in ended()} == {("conferences", "club")}


def test_a_wrong_pin_three_times(floor: Floor) -> None:
    dial(floor.third, "600")
    for _ in range(3):
        floor.third.keys("55#")
    floor.third.sip.hung_up()
    assert not members(floor)


@pytest.mark.shows(peer=OURS, feature="directory by name")
def test_a_name_is_spelled(floor: Floor) -> None:
    """V, e, r, a; then the one that is read out."""
    dial(floor.caller, "2001")
    floor.caller.keys("8372#")
    floor.caller.keys("1")
    floor.vera.take()
    floor.hear(caller="v", vera="c")
    floor.caller.sip.hang_up()
    floor.vera.sip.hung_up()
