"""A carrier named by a domain: its servers are found by DNS, and a dead one does not stop a call (RFC 3263 §4.3)."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from softswitch.wire.sip import Request, Response, parse
from tests.interop.scenario import sdp
from tests.interop.sip_user import SipUser
from tests.interop.switch_process import SwitchProcess, free_port, running_switch, wait_until
from tests.shell.name_server import NameServer

CALLER, SECOND = "127.0.0.2", "127.0.0.4"
FIRST = {"silent": "127.0.0.5", "refused": "127.0.0.6", "unavailable": "127.0.0.7"}
pytestmark = pytest.mark.interop


def description(host: str) -> bytes:
    text = sdp(port=free_port(host=host)).replace("IP[local_ip_type] [local_ip]", f"IP4 {host}")
    return text.replace("IP[media_ip_type] [media_ip]", f"IP4 {host}").replace("\n", "\r\n").encode() + b"\r\n"


class Refuser:
    """Answers every request with one status; `silent` with none."""

    def __init__(self, host: str, port: int, status: int) -> None:
        self.requests: list[str] = []
        self._status = status
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, port))
        self._socket.settimeout(0.1)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                data, source = self._socket.recvfrom(65536)
                message = parse(data)
                if isinstance(message, Request) and message.method != "ACK":
                    self.requests.append(message.method)
                    if self._status:
                        self._socket.sendto(Response.to_request(message, self._status, to_tag="x").to_bytes(), source)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()


def trunk(switch: SwitchProcess) -> dict[str, Any]:
    (row,) = switch.get("trunks")["items"]
    found: dict[str, Any] = row
    return found


@contextlib.contextmanager
def carrier(directory: Path, port: int) -> Iterator[tuple[SwitchProcess, NameServer]]:
    """A switch whose carrier has two hosts."""
    server = NameServer(
        {
            "carrier.test": ['60 NAPTR 10 10 "s" "SIP+D2U" "" _sip._udp.carrier.test.'],
            "_sip._udp.carrier.test": [f"60 SRV 1 1 {port} a.test.", f"60 SRV 2 1 {port} b.test."],
            "a.test": [f"60 A {FIRST['silent']}"],
            "b.test": [f"60 A {SECOND}"],
        }
    )
    tables = f"""
[phones.1001]
contact = "sip:1001@{CALLER}"
[trunks.carrier]
address = "sip:carrier.test"
options_seconds = 0
timeout_seconds = 1
[[routes]]
from = "phone:*"
number = "0."
to = "trunk:carrier"
"""
    try:
        with running_switch(
            directory,
            tables,
            base=lambda text: text.replace("[sip]", f'[sip]\ndns_servers = ["{server.address}"]'),
        ) as switch:
            wait_until("hosts of the carrier", lambda: trunk(switch)["detail"])
            yield switch, server
    finally:
        server.close()


def test_a_call_outlives_each_kind_of_death_of_the_first_host(tmp_path: Path) -> None:
    """Silent, refused by ICMP, 503: within the call's set-up the second host has it. Then name servers fail: the last
    addresses are used, and an alarm stands."""
    port = free_port(host=SECOND)
    with carrier(tmp_path, port) as (switch, server):
        two = SipUser("two", SECOND, port, (switch.host, switch.port))
        alice = SipUser("1001", CALLER, free_port(host=CALLER), (switch.host, switch.port))
        try:
            for how, host in FIRST.items():
                server.zone["a.test"] = [f"60 A {host}"]
                switch.api.post("/api/v1/reload").raise_for_status()
                wait_until("the new host", lambda host=host: host in trunk(switch)["detail"])
                one = None if how == "refused" else Refuser(host, port, 503 if how == "unavailable" else 0)
                _call(alice, two)
                if one is not None:
                    assert "INVITE" in one.requests
                    heard = len(one.requests)
                    _call(alice, two)
                    assert "INVITE" not in one.requests[heard:], "what failed lately comes last"
                    one.close()
            server.mood = "servfail"
            switch.api.post("/api/v1/reload").raise_for_status()
            switch.expected.append("alarm")
            wait_until("the alarm", lambda: "names" in str(switch.status()["alarms"]))
            _call(alice, two)
        finally:
            alice.close()
            two.close()
        switch.calls_over()
        switch.no_faults()


def _call(alice: SipUser, two: SipUser) -> None:
    taken: list[bytes] = []

    def take() -> None:
        taken.append(two.wait())
        two.answer(description(SECOND))

    thread = threading.Thread(target=take)
    thread.start()
    alice.call("0123", description(CALLER))
    thread.join()
    assert taken
    alice.hang_up()
    two.hung_up()
