"""What must not hurt a running switch: garbage, half streams, wrong passwords, full queues, ports and disks. Each gets
a clear answer or log line, and a normal call works right after."""

import os
import random
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.interop import sipp
from tests.interop.conftest import CARRIER, LOBBY, Office, small_office
from tests.interop.scenario import Scenario, sdp
from tests.interop.switch_process import PATIENCE, ROOT, SwitchProcess, bound, free_port, wait_until
from tests.interop.test_sipp_calls import answering, calling

pytestmark = pytest.mark.interop

STRANGER = "127.0.0.5"
TORTURE = sorted((ROOT / "tests/wire/sip/rfc4475").glob("*.dat"))


def normal_call(office: Office) -> None:
    """From the carrier to the lobby's phone, as if nothing had been."""
    office.between(calling(), answering())


def udp(host: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, 0))
    sock.settimeout(0.2)
    return sock


def answers(sock: socket.socket) -> list[bytes]:
    """Everything that waits to be read."""
    found = []
    try:
        while True:
            found.append(sock.recv(65535))
    except (TimeoutError, ConnectionError):
        return found


def taken(office: Office) -> int:
    """Datagrams and messages that the switch has looked at."""
    counters = office.switch.status()["counters"]
    return int(counters["messages_in"] + counters["bad_messages"] + counters["junk"])


@pytest.mark.parametrize("host", [STRANGER, CARRIER])
def test_rfc_4475_torture_messages(office: Office, host: str) -> None:
    """All of them over UDP, from a stranger and from the carrier: answered or dropped, never a fault."""
    assert len(TORTURE) >= 49
    before = taken(office)
    with udp(host) as sock:
        for path in TORTURE:
            sock.sendto(path.read_bytes(), (office.switch.host, office.switch.port))
        wait_until("all of them", lambda: taken(office) - before >= len(TORTURE))
        said = answers(sock)
    assert all(text.startswith(b"SIP/2.0 ") for text in said)
    assert {int(text.split()[1]) for text in said} & {400, 401, 403, 404, 405, 416, 420, 501, 505}
    office.switch.no_faults()
    normal_call(office)


def test_ten_thousand_fuzzed_datagrams(office: Office) -> None:
    """Mutations of valid messages, in bursts, from the carrier's address: no fault, no call left."""
    dice = random.Random(20261122)
    seeds = seed_messages(office)
    before = taken(office)
    with udp(CARRIER) as sock:
        for number in range(10_000):
            sock.sendto(mutated(dice, dice.choice(seeds), number), (office.switch.host, office.switch.port))
            if number % 50 == 49:
                wait_until("the burst", lambda sent=number: taken(office) - before >= 0.9 * sent, pause=0.002)
        answers(sock)
    wait_until("all of them", lambda: taken(office) - before >= 9_900)
    office.switch.calls_over(45.0)  # calls that were answered and never acknowledged end with timer H
    office.switch.no_faults()
    normal_call(office)


def seed_messages(office: Office) -> list[bytes]:
    """One valid message of every kind."""
    target = f"{office.switch.host}:{office.switch.port}"
    found = []
    for method, body in (
        ("INVITE", sdp(port=4000)),
        ("INVITE", ""),
        ("REGISTER", ""),
        ("OPTIONS", ""),
        ("BYE", ""),
        ("CANCEL", ""),
        ("ACK", ""),
        ("INFO", "Signal=1\nDuration=160"),
        ("SUBSCRIBE", ""),
        ("MESSAGE", "hello"),
    ):
        text = body.replace("[local_ip_type]", "4").replace("[media_ip_type]", "4")
        text = text.replace("[local_ip]", CARRIER).replace("[media_ip]", CARRIER).replace("\n", "\r\n")
        kind = "application/sdp" if method == "INVITE" else "text/plain"
        head = [
            f"{method} sip:1001@{target} SIP/2.0",
            f"Via: SIP/2.0/UDP {CARRIER}:5070;branch=z9hG4bK-NUMBER;rport",
            "Max-Forwards: 70",
            f'From: "Fuzz" <sip:+15550009@{CARRIER}>;tag=f-NUMBER',
            f"To: <sip:1001@{target}>",
            f"Call-ID: NUMBER@{CARRIER}",
            f"CSeq: 1 {method}",
            f"Contact: <sip:fuzz@{CARRIER}:5070>",
            *([f"Content-Type: {kind}"] if text else []),
            f"Content-Length: {len(text)}",
        ]
        found.append(("\r\n".join(head) + "\r\n\r\n" + text).encode())
    head = f"Via: SIP/2.0/UDP {target};branch=z9hG4bK-NUMBER\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\n"
    found.append(f"SIP/2.0 200 OK\r\n{head}Call-ID: NUMBER@x\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n".encode())
    return found


def mutated(dice: random.Random, message: bytes, number: int) -> bytes:
    """One to four of: a byte changed, a piece cut, doubled, moved, or a number blown up."""
    data = bytearray(message.replace(b"NUMBER", str(number).encode()))
    for _ in range(dice.randint(1, 4)):
        at, length = dice.randrange(len(data) + 1), dice.randint(1, 40)
        match dice.randrange(6):
            case 0 if at < len(data):
                data[at] = dice.randrange(256)
            case 1:
                del data[at : at + length]
            case 2:
                data[at:at] = data[at : at + length]
            case 3:
                piece = data[at : at + length]
                del data[at : at + length]
                where = dice.randrange(len(data) + 1)
                data[where:where] = piece
            case 4:
                data[at:at] = dice.choice((b"\r\n", b"\x00", b'"', b"<", b"%", b";", b"\xff\xfe", b",", b"4294967296"))
            case _:
                data = data[:at] if dice.random() < 0.2 else data
    return bytes(data)


def test_half_open_tcp_streams(office: Office) -> None:
    """Connections that say nothing, half a message, or nonsense do not keep others from calling."""
    address = (office.switch.host, office.switch.port)
    with (
        socket.create_connection(address),
        socket.create_connection(address) as half,
        socket.create_connection(address) as nonsense,
    ):
        half.sendall(b"INVITE sip:1001@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK1\r\nContent-Le")
        nonsense.sendall(bytes(range(256)) * 300)  # more than `max_message`
        normal_call(office)
        phone = office.phone(answering())
        office.call(calling(), "1001", transport="t1").wait().all_well(1)
        phone.wait().all_well(1)
        nonsense.settimeout(PATIENCE)
        try:
            while nonsense.recv(4096):
                pass
        except ConnectionError:
            pass
    wait_until("end of the connections", lambda: office.switch.status()["counters"]["tcp_connections"] == 0)


def test_a_wrong_password_is_refused_and_logged(office: Office) -> None:
    """RFC 3261 §22: no binding, a log line with the source."""
    scenario = Scenario().register("1002", contact_port=5060).receive(401)
    scenario.register("1002", "wrong", contact_port=5060).receive(403)
    office.from_phone(scenario).wait().all_well(1)
    assert "1002" not in [row["phone"] for row in office.switch.get("registrations")["items"]]
    lines = [line for line in office.switch.log_lines() if line["event"] == "authentication failed"]
    assert lines[-1]["source"] == LOBBY
    assert lines[-1]["username"] == "1002"
    normal_call(office)


def test_an_unknown_number_gets_404(office: Office) -> None:
    """RFC 3261 §21.4.5."""
    office.call(Scenario().invite().progress().receive(404).ack(failure=True), "9999").wait().all_well(1)
    assert office.records()[0]["outcome"] in ("failed", "rejected")
    normal_call(office)


def test_a_full_queue_turns_callers_away(office: Office) -> None:
    """`max_length` 1: the first waits, the second gets what `on_full` says, the first leaves."""
    first = office.call(Scenario().invite().progress().answered().ack().until_told().bye(), "2001")
    wait_until("the first caller", lambda: office.switch.status()["waiting"] == 1)
    second = sipp.start(
        Scenario().invite().progress().receive(486).ack(failure=True).xml(),
        directory=office.switch.directory,
        name="second",
        host=CARRIER,
        port=free_port(host=CARRIER),
        to=office.address,
        calls=1,
        keys={"number": "2001", "from": "+15550002"},
    )
    second.wait().all_well(1)
    first.go_on()
    first.wait().all_well(1)
    outcomes = sorted((record["outcome"], record["queue"]) for record in office.records(2))
    assert outcomes == [("abandoned", "small"), ("overflow", "small")]
    normal_call(office)


# ----------------------------------------------------------------------------------------------- a switch of its own


def test_without_a_free_port_calls_are_refused(lone_office: Callable[..., Office]) -> None:
    """Four ports are one call: the second is told 503 (RFC 3261 §21.5.4), and after the first a third goes through."""
    low = next(low for low in range(9000, 9990, 10) if not bound(low, low + 3))
    office = lone_office(ports=(low, low + 3))
    phone = office.phone(answering())
    first = office.call(Scenario().invite().progress().answered().ack().until_told().bye(), "1001")
    wait_until("the first call", lambda: office.switch.status()["calls"] == 1)
    wait_until("its answer", lambda: office.switch.get("calls")["items"][0]["state"] == "talking")
    second = sipp.start(
        Scenario().invite().progress().receive(503).ack(failure=True).xml(),
        directory=office.switch.directory,
        name="second",
        host=CARRIER,
        port=office.carrier_port + 1,
        to=office.address,
        calls=1,
        keys={"number": "1001", "from": "+15550002"},
    )
    second.wait()
    first.go_on()
    first.wait().all_well(1)
    phone.wait().all_well(1)
    assert second.report is not None
    assert second.report.successful == 1, second.report.errors
    assert any("port" in str(line) for line in office.switch.log_lines() if line.get("level") in ("warning", "error"))
    wait_until("free ports", lambda: office.switch.slots_free() == 2)
    office.between(calling(), answering())
    office.switch.calls_over()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """64 KiB: two seconds of a recording."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_ends_the_recording_not_the_call(small_disk: Path, lone_office: Callable[..., Office]) -> None:
    """The call goes on, the log says why no more was recorded, and the next call is recorded when there is room."""
    office = lone_office(f'[recording]\ndirectory = "{small_disk}"\n')
    office.switch.expected += ["recording failed", "media failed"]
    office.between(calling(5000), answering())
    record = office.records()[0]
    assert record["outcome"] == "answered"
    assert record["talk_seconds"] == pytest.approx(5.0, abs=0.2)
    lines = [line for line in office.switch.log_lines() if line.get("level") in ("warning", "error")]
    assert any("space" in str(line) or "disk" in str(line) for line in lines), lines
    assert [alarm["name"] for alarm in office.switch.status()["alarms"]] == ["recording"]
    for old in small_disk.glob("**/*.wav"):
        old.unlink()
    office.begun = time.time()
    office.between(calling(700), answering())
    second = office.records()[0]
    path = small_disk / second["recording"]
    wait_until("recording", path.exists)
    office.switch.calls_over()
    assert path.stat().st_size > 0.5 * 32000
    assert office.switch.status()["alarms"] == []


@pytest.mark.shows(peer="SIPp", feature="IPv6")
def test_ipv6(own_switch: Callable[..., SwitchProcess], tmp_path: Path) -> None:
    """RFC 5118: signalling and media over IPv6."""
    sipp.need("sipp")
    try:
        carrier, lobby = free_port("::1"), free_port("::1")
    except OSError:
        pytest.skip("this machine has no ::1")
    switch = own_switch(small_office(carrier, lobby, "[::1]", "[::1]"), host="::1")
    phone = sipp.start(answering().xml(), directory=tmp_path, name="phone", host="::1", port=lobby, calls=5)
    trunk = sipp.start(
        calling().xml(), directory=tmp_path, name="trunk", host="::1", port=carrier, calls=5,
        to=f"[::1]:{switch.port}", keys={"number": "1001", "from": "+15550001"}, trace=True,
    )  # fmt: skip
    try:
        trunk.wait().all_well(5)
        phone.wait().all_well(5)
    finally:
        trunk.end()
        phone.end()
    assert any("c=IN IP6 ::1" in text for _, way, text in trunk.messages() if way == "received")
    switch.calls_over()
    switch.no_faults()
