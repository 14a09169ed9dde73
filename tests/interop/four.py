"""Four people with a tone each at a real switch with two media processes: a carrier's caller, and alice, vera and third
at phones 1001, 1009 and 1003."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from tests.interop import floor as people
from tests.interop.floor import MUSIC_HZ, Person, steady_music
from tests.interop.switch_process import SwitchProcess, free_port, running_switch, wait_until

TONES = {"caller": 1350.0, "alice": 600.0, "vera": 950.0, "third": 1800.0}
SOUNDS = {**TONES, "music": MUSIC_HZ}
HOSTS = {name: f"127.0.0.{last}" for last, name in enumerate(TONES, 2)}


class Floor:
    """The switch and the four."""

    def __init__(self, switch: SwitchProcess, ports: dict[str, int]) -> None:
        self.switch = switch
        address = (switch.host, switch.port)
        self.people = {name: Person(name, HOSTS[name], TONES[name], address, ports[name]) for name in TONES}
        self.caller, self.alice, self.vera, self.third = self.people.values()

    def call(self) -> str:
        """The caller talks with alice; the call's id."""
        self.caller.sip.call("2000", self.caller.body())
        self.alice.take()
        wait_until("the talk", lambda: self.talk()["state"] == "talking")
        return str(self.talk()["id"])

    def talk(self) -> dict[str, object]:
        rows = self.switch.get("calls")["items"]
        found: dict[str, object] = next((row for row in rows if row["queue"]), {"state": "none"})
        return found

    def cli(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return people.command(self.switch, *words)

    def told(self, call: str, kind: str, times: int = 1) -> None:
        """Wait until the ledger has it."""
        wait_until(kind, lambda: len(self.switch.get("ledger", call=call, kind=kind)["items"]) >= times)

    def hear(self, **expected: str) -> tuple[float, float]:
        """From now on for a moment each person hears exactly these, by their first letters (`m`: music).
        Returns the moment."""
        return people.hear({name: person.rtp for name, person in self.people.items()}, SOUNDS, **expected)

    def close(self) -> None:
        for person in self.people.values():
            person.close()


Site: TypeAlias = tuple[SwitchProcess, dict[str, int]]
"""The switch, and where the four are."""


@contextlib.contextmanager
def site_of_four(directory: Path, tables: str, alice: str = "", vera: str = "", third: str = "") -> Iterator[Site]:
    """`tables` of the configuration beside the trunk and the three phones; of each phone further settings. Music
    `steady` is a tone."""
    ports = {name: free_port(host=host) for name, host in HOSTS.items()}
    phones = "".join(
        f'[phones.{number}]\ncontact = "sip:{name}@{HOSTS[name]}:{ports[name]}"\n{more}\n'
        for number, name, more in (("1001", "alice", alice), ("1009", "vera", vera), ("1003", "third", third))
    )
    carrier = f'[trunks.carrier]\naddress = "sip:{HOSTS["caller"]}:{ports["caller"]}"\noptions_seconds = 0\n'
    steady_music(directory, "steady")
    two = lambda text: text.replace("workers = 1", "workers = 2")  # noqa: E731
    with running_switch(directory, carrier + phones + tables, base=two) as switch:
        yield switch, ports


@contextlib.contextmanager
def nobody_talks(site: Site, ready: str = "") -> Iterator[Floor]:
    """Before and after. `ready`: the agent who is free then."""
    switch, ports = site
    made = Floor(switch, ports)
    try:
        switch.hang_all_up()
        if ready:
            states = lambda: {row["name"]: row["state"] for row in switch.get("agents")["items"]}  # noqa: E731
            wait_until(ready, lambda: states()[ready] == "ready")
        yield made
        switch.calls_over()
        switch.no_faults()
    finally:
        made.close()
