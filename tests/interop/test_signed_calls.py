"""Callers' numbers signed by one switch and verified by another; SIPp is the phone, and a carrier both ways. The
certificate is served by a real HTTP server."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from softswitch.sip.passport import Claim, claim
from tests.interop import sipp
from tests.interop.conftest import CARRIER, LOBBY
from tests.interop.scenario import Scenario, sdp
from tests.interop.switch_process import SwitchProcess, free_port, wait_until
from tests.stir_pki import issue, service_provider, signed

pytestmark = pytest.mark.interop

SIGNER, DESK = "127.0.0.4", "127.0.0.5"
NOW = time.time()
ROOT = issue("root", ca=True, at=NOW)
KEY = issue("signer", ROOT, at=NOW, numbers=service_provider("1234"))
CALLER, CALLED = "37052000001", "37061234567"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def x5u(tmp_path: Path) -> Iterator[str]:
    """Where the certificate is."""
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "shaken.pem").write_bytes(KEY.pem)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/shaken.pem"
    server.shutdown()
    server.server_close()


def answering() -> Scenario:
    return Scenario().called().reply(180, "Ringing").reply(200, "OK", sdp()).receive("ACK").receive("BYE").ok()


def calling() -> Scenario:
    return Scenario().invite(sdp()).progress().answered().ack().pause(100).bye()


def verifier(tmp_path: Path, lobby: int, carrier: int) -> str:
    """Marks calls of the other switch, refuses the carrier's that are not proved."""
    (tmp_path / "anchors.pem").write_bytes(ROOT.pem)
    return f"""
[stir]
anchors = "{tmp_path}/anchors.pem"
allow_http = true
allow_networks = ["127.0.0.0/8"]
[trunks.other]
address = "sip:{SIGNER}"
accept_from = ["{SIGNER}/32"]
options_seconds = 0
country = "370"
stir = {{ verify = "mark" }}
[trunks.carrier]
address = "sip:{CARRIER}:{carrier}"
accept_from = ["{CARRIER}/32"]
options_seconds = 0
stir = {{ verify = "reject" }}
[phones.lobby]
contact = "sip:lobby@{LOBBY}:{lobby}"
verstat = true
[[routes]]
from = "trunk:*"
to = "phone:lobby"
"""


def signer(tmp_path: Path, x5u: str, desk: int, carrier: int, to: SwitchProcess) -> str:
    """Signs what its desk calls: over one trunk to the other switch, over one to the carrier."""
    certificate, key = KEY.write(tmp_path, "signer")
    return f"""
[stir]
key = "{key}"
certificate = "{certificate}"
x5u = "{x5u}"
[trunks.other]
address = "sip:{to.host}:{to.port}"
options_seconds = 0
pass_caller_id = true
country = "370"
stir = {{ sign = true }}
[trunks.carrier]
address = "sip:{CARRIER}:{carrier}"
options_seconds = 0
pass_caller_id = true
country = "370"
stir = {{ sign = true }}
[phones.desk]
contact = "sip:desk@{DESK}:{desk}"
caller_id = "+{CALLER}"
[[routes]]
from = "phone:desk"
number = "0612345XX"
to = "trunk:other"
[[routes]]
from = "phone:desk"
number = "0712345XX"
to = "trunk:carrier"
"""


def test_signed_here_and_verified_there(tmp_path: Path, x5u: str, own_switch: Callable[..., SwitchProcess]) -> None:
    sipp.need("sipp")
    desk, lobby, carrier = free_port(host=DESK), free_port(host=LOBBY), free_port(host=CARRIER)
    there = own_switch(verifier(tmp_path, lobby, carrier))
    here = own_switch(signer(tmp_path, x5u, desk, carrier, there), host=SIGNER)

    def called(name: str, host: str, port: int) -> sipp.Sipp:
        return sipp.start(answering().xml(), directory=tmp_path, name=name, host=host, port=port, calls=1, trace=True)

    def call(name: str, host: str, port: int, to: SwitchProcess, number: str, scenario: Scenario) -> None:
        run = sipp.start(
            scenario.xml(), directory=tmp_path, name=name, host=host, port=port, to=f"{to.host}:{to.port}", calls=1,
            trace=True, keys={"number": number, "from": f"+{CALLER}"},
        )  # fmt: skip
        run.wait().all_well(1)

    # a phone of the first switch reaches one of the second: signed, fetched, verified, shown
    phone = called("lobby", LOBBY, lobby)
    call("desk", DESK, desk, here, "061234567", calling())
    phone.wait().all_well(1)
    (row,) = there.records(1)
    assert row["collected"] == {"verstat": "TN-Validation-Passed", "attestation": "A"}, there.log_lines()
    assert "verstat=TN-Validation-Passed" in phone.messages()[0][2].partition("From:")[2].partition("\n")[0]

    # a carrier hears the signature as it stands on the wire
    wire = called("carrier-called", CARRIER, carrier)
    call("desk2", DESK, desk, here, "071234567", calling())
    wire.wait().all_well(1)
    fields = [line.partition(":")[2].strip() for line in wire.messages()[0][2].splitlines() if line[:9] == "Identity:"]
    found = claim(fields, {CALLER}, {"37071234567"}, time.time(), 60.0)
    assert isinstance(found, Claim), found

    # and is heard as a carrier: each call gets what it deserves
    other = issue("other", at=NOW)
    good = signed(KEY, CALLER, CALLED, time.time(), x5u=x5u)
    for name, identity, status in (
        ("good", good, 200),
        ("none", "", 428),
        ("garbage", "garbage", 438),
        ("forged", signed(other, CALLER, CALLED, time.time(), x5u=x5u), 438),
        ("stale", signed(KEY, CALLER, CALLED, time.time() - 300, x5u=x5u), 403),
        ("gone", signed(KEY, CALLER, CALLED, time.time(), x5u=x5u.replace("shaken", "none")), 436),
        ("file", signed(KEY, CALLER, CALLED, time.time(), x5u="file:///etc/passwd"), 436),
    ):
        header = f"Identity: {identity}\n" if identity else ""
        if status == 200:
            phone = called("lobby-good", LOBBY, lobby)
            scenario = Scenario().invite(sdp(), header).progress().answered().ack().pause(100).bye()
            call(name, CARRIER, carrier, there, f"+{CALLED}", scenario)
            phone.wait().all_well(1)
        else:
            scenario = Scenario().invite(sdp(), header).receive(100, optional=True).receive(status).ack(failure=True)
            call(name, CARRIER, carrier, there, f"+{CALLED}", scenario)
    assert [row["cause"] for row in there.records(8)][:6] == [436, 436, 403, 438, 438, 428]

    # another key after a reload, which the certificate that is served does not prove
    issue("another", at=NOW).write(tmp_path, "signer")
    here.process.send_signal(signal.SIGHUP)
    wait_until("reload", lambda: any(line["event"] == "configuration.loaded" for line in here.log_lines()))
    phone = called("lobby-reloaded", LOBBY, lobby)
    call("desk3", DESK, desk, here, "061234567", calling())
    phone.wait().all_well(1)
    (row, *_) = there.records(9)
    assert row["collected"]["verstat"] == "TN-Validation-Failed"
    for switch in (here, there):
        switch.calls_over()
        switch.no_faults()
