"""A queue's recorded call between a carrier's caller and agent alice, and those to whom it can be passed on, each with
a tone. Who hears whom, what the recording has, and whose talk the books say it was."""

import time
from dataclasses import dataclass
from typing import Any

from softswitch.acd.model import Fact
from softswitch.acd.stats import Totals
from tests.interop import floor, listen
from tests.interop.floor import MUSIC_HZ, Person
from tests.interop.switch_process import SwitchProcess, wait_until

TONES = {"caller": 1350.0, "alice": 600.0, "bob": 950.0, "third": 1800.0, "zoe": 2250.0, "inner": 2800.0}
SOUNDS = {**TONES, "music": MUSIC_HZ}
HOSTS = {name: f"127.0.0.{last}" for last, name in enumerate(TONES, 2)}
CLOSE = 0.4  # seconds between a peer's clock and the ledger's, on a busy machine


def tables(ports: dict[str, int]) -> str:
    """alice and bob are agents at 1001 and 1002; third (1003) and inner (1004) have phones; zoe is behind a trunk."""

    def at(name: str) -> str:
        return f"sip:{name}@{HOSTS[name]}:{ports[name]}"

    return f"""
[trunks.carrier]
address = "sip:{HOSTS["caller"]}:{ports["caller"]}"
options_seconds = 0
[trunks.outside]
address = "sip:{HOSTS["zoe"]}:{ports["zoe"]}"
options_seconds = 0
[phones.1001]
contact = "{at("alice")}"
[phones.1002]
contact = "{at("bob")}"
[phones.1003]
contact = "{at("third")}"
[phones.1004]
contact = "{at("inner")}"
[agents.alice]
phone = "1001"
logged_in = true
[agents.bob]
phone = "1002"
logged_in = true
[queues.support]
agents = ["alice"]
wrap_up = 0
music = "steady"
[queues.sales]
agents = ["bob"]
wrap_up = 0
music = "steady"
[codes.in_call]
[[routes]]
from = "trunk:carrier"
number = "2000"
to = "queue:support"
[[routes]]
from = "trunk:carrier"
number = "1004"
to = "phone:1004"
[[routes]]
from = "phone:*"
number = "7001"
to = "queue:support"
[[routes]]
from = "phone:*"
number = "7002"
to = "queue:sales"
[[routes]]
from = "phone:*"
number = "9."
to = "trunk:outside"
strip = 1
"""


@dataclass(frozen=True, slots=True)
class Moment:
    """A stretch of the wall clock in which `left` (the caller's side) and `right` were heard."""

    start: float
    end: float
    left: str
    right: str


class Talks:
    """The people, and the call that is passed on."""

    def __init__(self, switch: SwitchProcess, ports: dict[str, int]) -> None:
        self.switch = switch
        address = (switch.host, switch.port)
        self.people = {name: Person(name, HOSTS[name], TONES[name], address, ports[name]) for name in TONES}
        self.caller, self.alice, self.bob, self.third, self.zoe, self.inner = self.people.values()
        self.call = ""
        self.answered = self.left = 0.0  # when alice answered, and left
        self.moments: list[Moment] = []
        self._more: list[Person] = []
        self.begun = time.time()

    def begin(self, who: Person | None = None, number: str = "2000") -> None:
        """`who` (the caller) calls the queue, and talks with alice."""
        who = who or self.caller
        who.call(number)
        self.alice.take()
        self.answered = time.time()
        self.call = self.live("support")["id"]

    def live(self, queue: str) -> dict[str, Any]:
        """The call of that queue in which two talk."""

        def find() -> dict[str, Any] | None:
            rows = self.switch.get("calls")["items"]
            return next((row for row in rows if row["queue"] == queue and row["state"] == "talking"), None)

        found: dict[str, Any] = wait_until(f"the talk of {queue}", find)
        return found

    def second_line(self, person: Person) -> Person:
        self._more.append(person.another_line())
        return self._more[-1]

    def order(self, verb: str, target: str = "") -> None:
        """By API."""
        reply = self.switch.api.post(f"/api/v1/calls/{self.call}/transfer", json={"verb": verb, "target": target})
        assert reply.status_code == 200, reply.text

    def hear(self, *, right: str | None = None, left: str = "c", **expected: str) -> None:
        """For a moment each hears exactly these; `right` and `left` are who should be in the recording meanwhile."""
        more = {f"{person.name}2": person for person in self._more}
        people = {name: person.rtp for name, person in {**self.people, **more}.items()}
        start, end = floor.hear(people, SOUNDS, **expected)
        if right is not None:
            self.moments.append(Moment(start, end, left, right))

    def told(self, kind: str) -> None:
        wait_until(kind, lambda: self.switch.get("ledger", call=self.call, kind=kind)["items"])

    def state(self, agent: str) -> str:
        return str(next(row["state"] for row in self.switch.get("agents")["items"] if row["name"] == agent))

    def close(self) -> None:
        for person in (*self._more, *self.people.values()):
            person.close()

    # ------------------------------------------------------------------------------------------------------ the books

    def record(self, call: str = "") -> dict[str, Any]:
        """The call's; there is one of each call."""
        call = call or self.call

        def find() -> list[dict[str, Any]]:
            rows = self.switch.get("records", limit=20, since=self.begun - 1)["items"]
            return [row for row in rows if row["id"] == call]

        (row,) = wait_until("the call record", find)
        found: dict[str, Any] = row
        return found

    def all_calls(self) -> list[str]:
        """That have ended since the test began, the consultations too."""
        return [row["id"] for row in self.switch.get("records", limit=20, since=self.begun)["items"]]

    def facts(self, *calls: str) -> list[Fact]:
        """The ledger of these calls."""
        return [
            Fact(row["kind"], row["at"], row["call"], row["queue"], row["agent"], row["data"])
            for call in calls or (self.call,)
            for row in self.switch.get("ledger", call=call, limit=200)["items"]
        ]

    def kinds(self, *starts: str) -> list[str]:
        return [fact.kind for fact in self.facts() if fact.kind.startswith(starts)]

    def totals(self, *calls: str) -> Totals:
        """What the books make of these calls."""
        return Totals(sorted(self.facts(*calls), key=lambda fact: fact.at))

    def recording(self, call: str = "") -> None:
        """One file, from the first word to the last: at each moment who should be there is; the caller, who speaks all
        the time, is never missing."""
        name = self.record(call)["recording"]
        assert name, "the queue's calls are recorded"
        facts = [fact for fact in self.facts(call or self.call) if fact.kind.startswith("recording.")]
        assert [fact.kind for fact in facts] == ["recording.started", "recording.ended"], "one recording, not two"
        path = self.switch.data_dir / "recordings" / name
        wait_until("the recording", lambda: path.exists() and not self.switch.status()["live"]["recordings"])
        begun, ended = (fact.at for fact in facts)
        sides = listen.read(path, 0), listen.read(path, 1)
        assert abs(len(sides[0]) / listen.RATE - (ended - begun)) < CLOSE, "as long as it ran"
        for moment in self.moments:
            window = slice(int((moment.start - begun) * listen.RATE), int((moment.end - begun) * listen.RATE))
            heard = [floor.found(side[window], SOUNDS) for side in sides]
            wanted = ["".join(sorted(moment.left)), "".join(sorted(moment.right))]
            silence = [_longest_silence(side) for side in sides]
            assert heard == wanted, f"{moment} of {begun} … {ended}: {heard}; longest silence {silence}"
        assert _longest_silence(sides[0]) < CLOSE, "the caller's side"


def _longest_silence(samples: listen.Samples, window: float = 0.05) -> float:
    """Seconds."""
    size = int(window * listen.RATE)
    longest = running = 0
    for start in range(0, len(samples) - size, size):
        running = running + 1 if listen.rms(samples[start : start + size]) < 0.005 else 0
        longest = max(longest, running)
    return longest * window
