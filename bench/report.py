"""`python -m bench.report [--facts N] [--keep FILE]`: how long the ledger of many days takes to be folded.

A small call centre is played on virtual time by the engine itself, its facts are written to an SQLite file, and the
reports are made from that. CPU seconds of this process; nothing is asserted."""

import argparse
import math
import sqlite3
import tempfile
import time
from pathlib import Path
from random import Random

import msgspec

from softswitch.acd.engine import Engine
from softswitch.acd.model import (
    AcdEffect,
    AgentLogin,
    AgentLogout,
    AgentPause,
    AgentReady,
    Bridge,
    CallerLeft,
    CallQueued,
    DeviceReachable,
    Fact,
    Offer,
    OfferAnswered,
    QueueSettings,
    TalkEnded,
    Withdraw,
)
from softswitch.acd.reports import Question
from softswitch.kernel.deadlines import Deadlines
from softswitch.services.reporting import make_report

ZONE = "Europe/Vilnius"
START = 1_790_542_800.0  # Monday 28 September 2026, midnight in Vilnius
DAY = 86400.0
AGENTS = tuple(f"agent{number:02d}" for number in range(1, 19))
QUEUES = {
    "sales": QueueSettings(agents=AGENTS[:8], wrap_up=20.0, max_wait=240.0, on_max_wait="play:sorry"),
    "support": QueueSettings(agents=AGENTS[5:], wrap_up=35.0, needs={"english": 50}),
    "billing": QueueSettings(agents=AGENTS[10:], wrap_up=15.0, priority=20.0),
}


class Centre:
    """Callers come by the hour of the day, wait with patience, talk, and some call again."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)
        self.now = START
        skills = {"english": 80}
        from softswitch.acd.model import AgentSettings

        self.engine = Engine(QUEUES, {name: AgentSettings(skills=skills) for name in AGENTS}, START, Random(seed + 1))
        self.world: Deadlines[tuple[str, ...]] = Deadlines()
        self.facts: list[Fact] = []
        self.number = 0
        self.offers: dict[int, Offer] = {}
        self.callers = [f"+3706{self.dice.randrange(10**7):07d}" for _ in range(4000)]
        for agent in AGENTS:
            self.take(self.engine.receive(DeviceReachable(agent, True), self.now))
        for number, agent in enumerate(AGENTS):
            self.world.set(("in", agent), START + 8 * 3600 + 60 * number)
        self.world.set(("call",), START + 8 * 3600)

    def run(self, facts: int) -> None:
        while len(self.facts) < facts:
            due, own = self.engine.deadline(), self.world.next()
            assert own is not None
            if due is not None and due <= own:
                self.now = due
                self.take(self.engine.wake(due))
                continue
            self.now = own
            for key, at in self.world.due(own):
                self.happen(key, at)

    def give(self, event: object) -> None:
        self.take(self.engine.receive(event, self.now))  # type: ignore[arg-type]

    def take(self, effects: list[AcdEffect]) -> None:
        for effect in effects:
            match effect:
                case Fact():
                    self.facts.append(effect)
                case Offer():
                    self.offers[effect.offer] = effect
                    if self.dice.random() < 0.95:
                        self.world.set(("answer", str(effect.offer)), self.now + self.dice.uniform(2, 9))
                case Withdraw():
                    self.offers.pop(effect.offer, None)
                    self.world.cancel(("answer", str(effect.offer)))
                case Bridge():
                    self.world.cancel(("hang-up", effect.call))
                    talk = self.dice.lognormvariate(math.log(170), 0.6)
                    self.world.set(("end", effect.call, effect.agent), self.now + talk)
                    if self.dice.random() < 0.2:
                        self.world.set(("hold", effect.call, effect.agent), self.now + talk * 0.4)
                        self.world.set(("resume", effect.call, effect.agent), self.now + talk * 0.55)

    def happen(self, key: tuple[str, ...], at: float) -> None:
        match key:
            case ("call",):
                self.arrive(at)
            case ("hang-up", call):
                self.give(CallerLeft(call))
                self.facts.append(
                    Fact("call.ended", at, call, data={"outcome": "abandoned", "trunks": self.over(None)})
                )
            case ("answer", offer):
                if self.offers.pop(int(offer), None) is not None:
                    self.give(OfferAnswered(int(offer)))
            case ("end", call, agent):
                self.give(TalkEnded(call, agent))
                self.facts.append(
                    Fact("call.ended", at, call, data={"outcome": "answered", "trunks": self.over(170.0)})
                )
            case ("hold" | "resume", call, agent):
                kind = "call.held" if key[0] == "hold" else "call.resumed"
                self.facts.append(Fact(kind, at, call, data={"by": f"agent:{agent}"}))
            case ("in", agent):
                self.give(AgentLogin(agent))
                self.world.set(("pause", agent), at + self.dice.uniform(1.5, 4) * 3600)
                self.world.set(("out", agent), at + 10 * 3600)
            case ("pause", agent):
                self.give(AgentPause(agent, self.dice.choice(("lunch", "training", "coffee"))))
                self.world.set(("ready", agent), at + self.dice.uniform(300, 2400))
            case ("ready", agent):
                self.give(AgentReady(agent))
            case ("out", agent):
                self.give(AgentLogout(agent))
                days = 3 if (at - START) % (7 * DAY) > 4 * DAY else 1
                self.world.set(("in", agent), START + ((at - START) // DAY + days) * DAY + 8 * 3600)

    def over(self, seconds: float | None) -> list[list[object]]:
        return [["carrier", "in", 200 if seconds else 487, seconds]]

    def arrive(self, at: float) -> None:
        hour = (at - START) % DAY / 3600
        weekday = int((at - START) // DAY % 7)
        busy = 0.042 * (0.35 + math.exp(-(((hour - 10.5) / 1.8) ** 2)) + 0.75 * math.exp(-(((hour - 15) / 2.0) ** 2)))
        busy *= (1.25, 1.0, 0.95, 0.9, 0.8, 0.1, 0.05)[weekday]
        if 8 <= hour < 18:
            self.number += 1
            call = f"c{self.number}"
            caller = self.dice.choice(self.callers) if self.dice.random() < 0.94 else "anonymous"
            self.facts.append(Fact("call.started", at, call, data={"source": "trunk:carrier", "caller": caller}))
            queue = self.dice.choices(tuple(QUEUES), (3, 5, 2))[0]
            self.world.set(("hang-up", call), at + self.dice.expovariate(1 / 150.0))
            self.give(CallQueued(call, queue, caller=caller))
            following = at + self.dice.expovariate(busy)
        else:
            following = START + ((at - START) // DAY + (1 if hour >= 18 else 0)) * DAY + 8 * 3600
        self.world.set(("call",), max(following, at + 0.001))


def write(path: Path, facts: list[Fact]) -> None:
    """The ledger's table as the store has it."""
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TABLE ledger (seq INTEGER PRIMARY KEY, at DOUBLE NOT NULL, kind TEXT NOT NULL, call TEXT NOT NULL,"
            " queue TEXT NOT NULL, agent TEXT NOT NULL, data TEXT NOT NULL)"
        )
        connection.execute("CREATE INDEX ledger_by_time ON ledger (at)")
        encode = msgspec.json.encode
        rows = ((n, f.at, f.kind, f.call, f.queue, f.agent, encode(f.data).decode()) for n, f in enumerate(facts, 1))
        connection.executemany("INSERT INTO ledger VALUES (?,?,?,?,?,?,?)", rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--facts", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    centre = Centre(3)
    began = time.process_time()
    centre.run(arguments.facts)
    days = (centre.now - START) / DAY
    print(f"{len(centre.facts):,} facts of {days:.1f} days played in {time.process_time() - began:.1f} s CPU")
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.keep or Path(folder) / "softswitch.db"
        write(path, centre.facts)
        until = centre.now
        centre.facts.clear()
        for name, interval in (("queues", None), ("agents", None), ("intervals", "30m"), ("intervals", "month")):
            question = Question(
                kind=name, since=START, until=until, timezone=ZONE, interval=interval  # type: ignore[arg-type]
            )  # fmt: skip
            began = time.process_time()
            found = make_report(f"sqlite:///{path}", Path(), question)
            spent = time.process_time() - began
            print(f"{name:<10} {interval or 'whole':<6} {len(found.rows):>6} rows {spent:6.2f} s CPU, "
                  f"{1e6 * spent / max(1, found.facts):.1f} µs a fact")  # fmt: skip


if __name__ == "__main__":
    main()
