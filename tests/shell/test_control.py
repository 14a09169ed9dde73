"""The whole program as processes: supervisor, control, media. Real sockets, real kills."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from softswitch.shell.run_dir import read_access
from softswitch.wire.sip import Response, parse
from tests.interop.switch_process import media_ports

ROOT = Path(__file__).parents[2]
PARENT = """
import sys
from pathlib import Path
from softswitch.shell.supervisor import run
sys.exit(run(Path(sys.argv[1])))
"""
CONFIG = """
[server]
name = "hq"
data_dir = "{folder}/var"
drain_seconds = 20
[sip]
domain = "pbx.test"
listen = ["udp:127.0.0.1:{sip}", "tcp:127.0.0.1:{sip}"]
[media]
address = "127.0.0.1"
ports = [{low}, {high}]
workers = 1
[api]
listen = "127.0.0.1:{api}"
[phones.1001]
contact = "sip:127.0.0.1:{phone}"
[agents.alice]
phone = "1001"
[queues.support]
agents = ["alice"]
[[routes]]
from = "phone:*"
number = "100"
to = "answer:"
"""
SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n"
    "a=rtpmap:8 PCMA/8000\r\n"
)


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def until(what: Callable[[], object], seconds: float = 45.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Site:
    """A switch of three processes and one phone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.phone.bind(("127.0.0.1", 0))
        self.phone.settimeout(45)
        self.sip = free_port(socket.SOCK_DGRAM)
        low, high = media_ports(100)
        self.config = folder / "config.toml"
        self.text = CONFIG.format(
            folder=folder, sip=self.sip, low=low, high=high, api=free_port(), phone=self.phone.getsockname()[1]
        )
        self.config.write_text(self.text)
        self.log = (folder / "log").open("w+")
        self.process: subprocess.Popen[str] | None = None
        self.number = 0

    def start(self) -> "subprocess.Popen[str]":
        self.process = subprocess.Popen(
            [sys.executable, "-c", PARENT, str(self.config)],
            env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'codecs'}"},
            stderr=self.log,
            stdout=self.log,
            text=True,
        )
        return self.process

    def said(self) -> str:
        return (self.folder / "log").read_text()

    def up(self, times: int = 1) -> "Site":
        until(lambda: self.said().count("switch.ready") >= times)
        return self

    def end(self) -> int:
        assert self.process is not None
        return self.process.wait(45)

    def api(self, path: str, method: str = "GET") -> Any:
        access = read_access(self.folder / "var")
        assert access is not None
        answer = httpx.request(method, access.url + path, headers={"Authorization": f"Bearer {access.token}"})
        assert answer.status_code < 300, answer.text
        return answer.json()

    def children(self) -> dict[str, int]:
        assert self.process is not None
        pids = {}
        for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            command = Path(f"/proc/{pid}/cmdline").read_text()
            pids["media" if "softswitch.media" in command else "control"] = int(pid)
        return pids

    def request(self, method: str, target: str, *, cseq: int = 1, to_tag: str = "", body: str = "") -> bytes:
        host, port = self.phone.getsockname()
        kind = "Content-Type: application/sdp\r\n" if body else ""
        return (
            f"{method} sip:{target}@127.0.0.1:{self.sip} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{self.number}{method}{cseq}\r\n"
            f"From: <sip:1001@pbx.test>;tag=phone\r\nTo: <sip:{target}@pbx.test>{to_tag}\r\n"
            f"Call-ID: call-{self.number}\r\nCSeq: {cseq} {method}\r\nMax-Forwards: 70\r\n"
            f"Contact: <sip:1001@{host}:{port}>\r\n{kind}Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def send(self, data: bytes) -> None:
        self.phone.sendto(data, ("127.0.0.1", self.sip))

    def final(self) -> Response:
        while True:
            message = parse(self.phone.recv(65535))
            if isinstance(message, Response) and message.status >= 200:
                return message

    def options(self) -> Response:
        self.number += 1
        self.send(self.request("OPTIONS", "100"))
        return self.final()

    def call(self) -> Response:
        """Dial 100, which answers; ACK it."""
        self.number += 1
        self.send(self.request("INVITE", "100", body=SDP))
        answer = self.final()
        if answer.status == 200:
            self.send(self.request("ACK", "100", to_tag=f";tag={answer.to.tag}"))
        return answer


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    if made.process is not None:
        made.process.kill()
        made.process.wait()
    made.phone.close()
    made.log.close()


def test_a_call_over_all_processes_and_a_clean_end(site: Site) -> None:
    process = site.start()
    site.up()
    answer = site.call()
    assert answer.status == 200
    assert b"m=audio" in answer.body
    until(lambda: site.api("/api/v1/status")["calls"] == 1)
    children = site.children()
    site.send(site.request("BYE", "100", cseq=2, to_tag=f";tag={answer.to.tag}"))
    assert site.final().status == 200
    until(lambda: site.api("/api/v1/records")["items"])
    record = site.api("/api/v1/records")["items"][0]
    assert (record["source"], record["called"], record["hung_up_by"]) == ("phone:1001", "100", "caller")
    rows = site.api(f"/api/v1/trace/{record['id']}")
    assert rows[0]["line"].split()[0] == "INVITE"
    assert {"BYE", "ACK"} <= {row["method"] for row in rows}
    process.send_signal(signal.SIGTERM)
    assert site.end() == 0
    assert not any(alive(pid) for pid in children.values())
    assert [path.name for path in (site.folder / "var" / "run").iterdir()] == ["lock"]
    assert "fault" not in site.said()


def test_tcp_and_bad_messages_over_the_wire(site: Site) -> None:
    site.start()
    site.up()
    with socket.create_connection(("127.0.0.1", site.sip), 5) as tcp:
        tcp.sendall(site.request("OPTIONS", "100").replace(b"SIP/2.0/UDP", b"SIP/2.0/TCP"))
        assert parse(tcp.recv(65535)).status == 200  # type: ignore[union-attr]
        tcp.sendall(b"\r\n\r\n")
        assert tcp.recv(10) == b"\r\n"
    site.number += 1
    site.send(site.request("OPTIONS", "100").replace(b"CSeq: 1 OPTIONS", b"CSeq: 1 INVITE"))
    assert site.phone.recv(65535).startswith(b"SIP/2.0 400 ")
    assert site.options().status == 200


def test_control_killed_comes_back_and_media_lives_on(site: Site) -> None:
    site.start()
    site.up()
    site.api("/api/v1/agents/alice/login", "POST")
    until(lambda: "agent.login" in {row["kind"] for row in site.api("/api/v1/ledger")["items"]})
    free = site.api("/api/v1/status")["workers"][0]["slots_free"]
    assert site.call().status == 200
    before = site.children()
    os.kill(before["control"], signal.SIGKILL)
    site.up(2)
    assert site.children()["media"] == before["media"]
    assert site.api("/api/v1/agents/alice")["state"] == "ready"
    until(lambda: site.api("/api/v1/status")["workers"][0]["slots_free"] == free)  # no leg of the dead one is left
    assert site.call().status == 200


def test_media_killed_comes_back(site: Site) -> None:
    site.start()
    site.up()
    before = site.children()
    os.kill(before["media"], signal.SIGKILL)
    until(lambda: site.children().get("media", before["media"]) != before["media"])
    until(lambda: any(worker["up"] for worker in site.api("/api/v1/status")["workers"]))
    assert site.call().status == 200
    assert site.children()["control"] == before["control"]


def test_draining_waits_for_the_call_and_refuses_new_ones(site: Site) -> None:
    process = site.start()
    site.up()
    answer = site.call()
    first = site.number
    process.send_signal(signal.SIGTERM)
    until(lambda: site.api("/api/v1/status")["draining"])
    assert site.call().status == 503
    assert process.poll() is None
    site.number = first
    site.send(site.request("BYE", "100", cseq=2, to_tag=f";tag={answer.to.tag}"))
    assert site.final().status == 200
    assert site.end() == 0


def test_a_second_signal_hangs_up(site: Site) -> None:
    process = site.start()
    site.up()
    assert site.call().status == 200
    process.send_signal(signal.SIGTERM)
    until(lambda: "switch.draining" in site.said())
    process.send_signal(signal.SIGTERM)
    message = parse(site.phone.recv(65535))
    assert message.cseq.method == "BYE"
    assert site.end() == 0


def test_sighup_reads_the_configuration_again(site: Site) -> None:
    process = site.start()
    site.up()
    site.config.write_text(site.text + '[queues.sales]\nagents = ["alice"]\n')
    process.send_signal(signal.SIGHUP)
    until(lambda: site.api("/api/v1/queues")["total"] == 2)
    site.config.write_text("[queues.sales]\nagnets = 1\n")
    process.send_signal(signal.SIGHUP)
    until(lambda: "configuration.refused" in site.said())
    assert site.api("/api/v1/queues")["total"] == 2
    assert site.options().status == 200


def test_a_faulty_configuration_starts_nothing(site: Site) -> None:
    site.config.write_text(site.text + "[queues.sales]\nstrategi = 1\n")
    site.start()
    assert site.end() == 1
    assert "config.toml" in site.said()
    assert "strategi" in site.said()
    assert not (site.folder / "var").exists()


@pytest.mark.parametrize("which", ["sip", "api"])
def test_a_port_in_use_starts_nothing(site: Site, which: str) -> None:
    port = site.sip if which == "sip" else int(site.text.partition('[api]\nlisten = "127.0.0.1:')[2].split('"')[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if which == "sip" else socket.SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", port))
        site.start()
        assert site.end() == 1
    assert f"cannot listen on {'udp' if which == 'sip' else 'tcp'}:127.0.0.1:{port}: another program" in site.said()
    assert "media" not in site.said()


def test_a_damaged_database_starts_nothing(site: Site) -> None:
    (site.folder / "var").mkdir()
    (site.folder / "var" / "softswitch.db").write_bytes(b"not a database, " * 1000)
    site.start()
    assert site.end() == 1
    assert "softswitch.db" in site.said()
