"""One real switch for all calls of the package: an office with a carrier, four phones, a queue and a menu."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop import sipp
from tests.interop.raw_peer import RawPeer
from tests.interop.scenario import Scenario
from tests.interop.switch_process import SwitchProcess, free_port, running_switch

CARRIER = "127.0.0.2"
LOBBY = "127.0.0.3"
PASSWORD = "correct-horse-battery"


class Office:
    """The switch and its peers' addresses. SIPp calls as the carrier (`call`) and answers as the lobby's phone."""

    def __init__(self, switch: SwitchProcess, directory: Path, carrier: int, lobby: int) -> None:
        self.switch = switch
        self.carrier_port = carrier
        self.lobby_port = lobby
        self.address = f"{switch.host}:{switch.port}"
        self._directory = directory
        self._runs = 0
        self.begun = 0.0
        self._running: list[sipp.Sipp] = []

    def call(self, scenario: Scenario, number: str, *, caller: str = "+15550001", **options: object) -> sipp.Sipp:
        """The carrier's side: one call, or more."""
        self._runs += 1
        settings: dict[str, object] = {"calls": 1, "trace": True} | options
        return self._keep(
            sipp.start(
                scenario.xml(),
                directory=self._directory,
                name=f"{self._runs:02}-carrier",
                host=CARRIER,
                port=self.carrier_port,
                to=self.address,
                keys={"number": number, "from": caller},
                **settings,  # type: ignore[arg-type]
            )
        )

    def phone(self, scenario: Scenario, **options: object) -> sipp.Sipp:
        """The lobby's phone, which waits for a call."""
        self._runs += 1
        settings: dict[str, object] = {"calls": 1, "trace": True} | options
        return self._keep(
            sipp.start(
                scenario.xml(),
                directory=self._directory,
                name=f"{self._runs:02}-phone",
                host=LOBBY,
                port=self.lobby_port,
                **settings,  # type: ignore[arg-type]
            )
        )

    def from_phone(self, scenario: Scenario, number: str = "") -> sipp.Sipp:
        """A request of the phone's own: a registration, a call."""
        self._runs += 1
        return self._keep(
            sipp.start(
                scenario.xml(),
                directory=self._directory,
                name=f"{self._runs:02}-from-phone",
                host=LOBBY,
                port=self.lobby_port,
                to=self.address,
                calls=1,
                trace=True,
                keys={"number": number, "from": "1002"},
            )
        )

    def between(self, caller: Scenario, called: Scenario, number: str = "1001", **options: object) -> None:
        """One call from the carrier to the lobby in which both sides see what they expect."""
        phone = self.phone(called, **options)
        trunk = self.call(caller, number, **options)
        trunk.wait().all_well(1)
        phone.wait().all_well(1)

    def records(self, count: int = 1) -> list[dict[str, Any]]:
        """The call records of this test, the latest first."""
        return self.switch.records(count, since=self.begun)

    def end(self) -> None:
        """Calls whose SIPp is still there are those of a test that failed: nobody else would end them."""
        left = [running for running in self._running if running.process.poll() is None]
        for running in self._running:
            running.end()
        self._running.clear()
        if left:
            for row in self.switch.get("calls")["items"]:
                self.switch.api.delete(f"/api/v1/calls/{row['id']}")

    def _keep(self, running: sipp.Sipp) -> sipp.Sipp:
        self._running.append(running)
        return running


def tables(carrier: int, lobby: int) -> str:
    """The office's configuration. 1004 is pyVoIP, which codes µ-law even where it has agreed to A-law."""
    return f"""
[recording]
calls = "all"
[trunks.carrier]
address = "sip:{CARRIER}:{carrier}"
accept_from = ["{CARRIER}/32"]
options_seconds = 0
[phones.lobby]
number = "1001"
contact = "sip:1001@{LOBBY}:{lobby}"
ring_seconds = 3
max_calls = 2000
[phones.1002]
password = "{PASSWORD}"
[phones.1003]
password = "{PASSWORD}"
[phones.1004]
password = "{PASSWORD}"
codecs = ["PCMU"]
[agents.anna]
phone = "1003"
logged_in = true
[queues.support]
agents = ["anna"]
ring_seconds = 10
music = "hold"
[queues.small]
agents = []
max_length = 1
on_full = "hangup:486"
[ivr.welcome]
prompt = "welcome"
timeout = 8
[ivr.welcome.keys]
1 = "queue:support"
2 = "phone:lobby"
"""


def routes() -> str:
    """What the carrier's numbers reach."""
    targets = {
        "1001": "phone:lobby",
        "1002": "phone:1002",
        "1003": "phone:1003",
        "1004": "phone:1004",
        "2000": "queue:support",
        "2001": "queue:small",
        "3000": "ivr:welcome",
    }
    return '[[routes]]\nfrom = "phone:*"\nnumber = "9000"\nto = "echo:"\n' + "".join(
        f'[[routes]]\nfrom = "trunk:carrier"\nnumber = "{number}"\nto = "{target}"\n'
        for number, target in targets.items()
    )


@pytest.fixture(scope="session")
def shared_office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """At the end of all tests nothing may be left in it."""
    sipp.need("sipp")
    directory = tmp_path_factory.mktemp("office")
    carrier, lobby = free_port(host=CARRIER), free_port(host=LOBBY)
    configuration = tables(carrier, lobby) + routes()
    with running_switch(directory, configuration) as switch:
        yield Office(switch, directory, carrier, lobby)
        switch.nothing_left()


@pytest.fixture
def office(shared_office: Office) -> Iterator[Office]:
    """The switch without a call, before and after the test."""
    shared_office.switch.calls_over()
    shared_office.begun = time.time()
    yield shared_office
    shared_office.end()
    shared_office.switch.calls_over()
    shared_office.switch.no_faults()


@pytest.fixture
def own_switch(tmp_path: Path) -> Iterator[Callable[..., SwitchProcess]]:
    """Starts switches for one test: `own_switch(tables, base=…, ports=…)`."""
    with contextlib.ExitStack() as stack:
        count = 0

        def start(text: str, **options: object) -> SwitchProcess:
            nonlocal count
            count += 1
            return stack.enter_context(running_switch(tmp_path / f"switch{count}", text, **options))  # type: ignore[arg-type]

        yield start


def small_office(carrier: int, lobby: int, carrier_host: str = CARRIER, lobby_host: str = LOBBY) -> str:
    return f"""
[trunks.carrier]
address = "sip:{carrier_host}:{carrier}"
options_seconds = 0
[phones.1001]
contact = "sip:1001@{lobby_host}:{lobby}"
max_calls = 20
[[routes]]
from = "trunk:carrier"
number = "1001"
to = "phone:1001"
record = true
"""


@pytest.fixture
def lone_office(own_switch: Callable[..., SwitchProcess], tmp_path: Path) -> Iterator[Callable[..., Office]]:
    """Makes a small office with a switch that only this test has."""
    sipp.need("sipp")
    made: list[Office] = []

    def make(extra: str = "", **options: object) -> Office:
        carrier, lobby = free_port(host=CARRIER), free_port(host=LOBBY)
        switch = own_switch(small_office(carrier, lobby) + extra, **options)
        made.append(Office(switch, tmp_path / "peers", carrier, lobby))
        made[-1].begun = time.time()
        return made[-1]

    yield make
    for office in made:
        office.end()


ODD = "127.0.0.4"


class OddOffice:
    """A switch whose peers write their messages by themselves: a carrier, a phone with a fixed address (1001), and
    one that registers (1002)."""

    def __init__(self, switch: SwitchProcess, carrier: RawPeer, lobby: RawPeer, phone: RawPeer) -> None:
        self.switch, self.carrier, self.lobby, self.phone = switch, carrier, lobby, phone

    def peers(self) -> tuple[RawPeer, RawPeer, RawPeer]:
        return self.carrier, self.lobby, self.phone


@pytest.fixture(scope="session")
def shared_odd_office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OddOffice]:
    directory = tmp_path_factory.mktemp("odd-office")
    carrier, lobby = free_port(host=CARRIER), free_port(host=LOBBY)
    text = small_office(carrier, lobby).replace("record = true", "record = false")
    text += f'[phones.1002]\npassword = "{PASSWORD}"\n'
    for number in ("300", "+15550100", "#31#", "*99"):
        text += f'[[routes]]\nfrom = "trunk:carrier"\nnumber = "{number}"\nto = "answer:"\n'
    with contextlib.ExitStack() as stack:
        switch = stack.enter_context(running_switch(directory, text))
        peers = [
            RawPeer(host, port, (switch.host, switch.port))
            for host, port in ((CARRIER, carrier), (LOBBY, lobby), (ODD, 0))
        ]
        for peer in peers:
            stack.callback(peer.close)
        yield OddOffice(switch, *peers)
        switch.calls_over(15.0)
        switch.no_faults()


@pytest.fixture
def odd_office(shared_odd_office: OddOffice) -> OddOffice:
    """Nothing of earlier calls waits to be read."""
    for peer in shared_odd_office.peers():
        peer.quiet(0.0)
    return shared_odd_office
