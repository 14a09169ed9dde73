"""Parties of call flows: SIPp signals for each at an address of its own, an RTP endpoint beside it speaks and listens.

alice, bob and carol have phones at 1001, 1002 and 1003; dan has one that registers as 1010; the carrier is a trunk.
"""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

from tests.interop import floor, sipp
from tests.interop.bridged import to, told
from tests.interop.conftest import PASSWORD
from tests.interop.floor import MUSIC_HZ, Person
from tests.interop.rtp_peer import RtpPeer
from tests.interop.scenario import Scenario, sdp
from tests.interop.switch_process import PATIENCE, SwitchProcess, free_port

TONES = {"alice": 600.0, "bob": 950.0, "carol": 1350.0, "dan": 1800.0, "trunk": 2250.0}
SOUNDS = {**TONES, "music": MUSIC_HZ}
HOSTS = {name: f"127.0.0.{last}" for last, name in enumerate(TONES, 2)}
NUMBERS = {"alice": "1001", "bob": "1002", "carol": "1003", "dan": "1010", "trunk": "+15550001"}


def tables(ports: dict[str, int], extra: str = "") -> str:
    phones = "".join(
        f'[phones.{NUMBERS[name]}]\ncontact = "sip:{name}@{HOSTS[name]}:{ports[name]}"\nring_seconds = 2\n'
        f'pickup_groups = ["office"]\n'
        for name in ("alice", "bob", "carol")
    )
    return f"""
[trunks.trunk]
address = "sip:{HOSTS["trunk"]}:{ports["trunk"]}"
options_seconds = 0
[recording]
calls = "none"
{phones}
[phones.1010]
password = "{PASSWORD}"
{extra}"""


class Flows:
    """The switch and its parties. `bodies[name]` is an offer or answer of that party's with its own stream."""

    def __init__(self, switch: SwitchProcess, ports: dict[str, int], directory: Path) -> None:
        self.switch = switch
        self.address = f"{switch.host}:{switch.port}"
        self.ports = ports
        self._directory = directory
        self._running: dict[str, sipp.Sipp] = {}
        self._count = 0
        self._people: list[Person] = []
        self.voices = {name: RtpPeer(TONES[name], free_port(host=host), host) for name, host in HOSTS.items()}

    def body(self, name: str, direction: str = "sendrecv", version: int = 1) -> str:
        return sdp(direction, version, self.voices[name].port)

    def calls(self, name: str, scenario: Scenario, number: str, **keys: str) -> sipp.Sipp:
        """`name` calls a number."""
        return self._start(name, scenario, to=self.address, keys={"number": number, "from": NUMBERS[name], **keys})

    def waits(self, name: str, scenario: Scenario) -> sipp.Sipp:
        """`name` waits for a call."""
        return self._start(name, scenario)

    @contextlib.contextmanager
    def mute(self, name: str) -> Iterator[socket.socket]:
        """A phone that hears and says nothing."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((HOSTS[name], self.ports[name]))
            sock.settimeout(PATIENCE)
            yield sock

    def register(self, scenario: Scenario) -> list[str]:
        """dan's REGISTERs; what came back, message by message."""
        running = self._start("dan", scenario, to=self.address, keys={"from": "1010"})
        self.well(running)
        return received(running)

    def speaks(self, name: str, running: sipp.Sipp, start: str = "") -> None:
        """To where the other side's description says: in the 200 that answered, or the INVITE that came."""
        start = start or ("SIP/2.0 200" if running.calling else "INVITE")
        self.voices[name].redirect(to(told(running, start)[0]))

    def person(self, name: str) -> Person:
        """In place of SIPp: one whose moves the test makes, on more lines than one."""
        made = Person(name, HOSTS[name], TONES[name], (self.switch.host, self.switch.port), self.ports[name])
        self.join(made, name)
        return made

    def join(self, person: Person, name: str) -> Person:
        """Another line of somebody's is `name` to `hear`."""
        self._people.append(person)
        if name in self.voices:
            self.voices[name].close()
        self.voices[name] = person.rtp
        return person

    def hear(self, **expected: str) -> None:
        """From now on for a moment each hears exactly these, by their first letters; `m` is music."""
        floor.hear(self.voices, SOUNDS, **expected)

    def contacts(self) -> set[str]:
        """dan's, as the switch knows them."""
        return {row["contact"] for row in self.switch.get("registrations")["items"]}

    def well(self, *running: sipp.Sipp) -> None:
        """Each has seen what it expects, and nothing else."""
        for one in running:
            one.wait().all_well(1)

    def close(self) -> None:
        for running in self._running.values():
            running.end()
        for voice in self.voices.values():
            voice.close()
        for person in self._people:
            person.close()

    def _start(self, name: str, scenario: Scenario, **options: object) -> sipp.Sipp:
        self._count += 1
        title = f"{self._count:02}-{name}"
        self._running[title] = sipp.start(
            scenario.xml(),
            directory=self._directory,
            name=title,
            host=HOSTS[name],
            port=self.ports[name],
            calls=1,
            trace=True,
            **options,  # type: ignore[arg-type]  # of `sipp.start`
        )
        return self._running[title]


def received(running: sipp.Sipp, start: str = "") -> list[str]:
    """The messages that came, of those that begin so."""
    with contextlib.suppress(FileNotFoundError):  # nothing yet
        return [text for _, way, text in running.messages() if way == "received" and text.startswith(start)]
    return []


def field_of(message: str, name: str) -> str:
    """A header field's value, the first of its name; "" for none."""
    for line in message.splitlines():
        key, colon, value = line.partition(":")
        if colon and key.strip().lower() == name.lower():
            return value.strip()
    return ""
