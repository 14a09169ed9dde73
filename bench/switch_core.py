"""CPU of the switch core without sockets, store and media: a call trunk → phone, a call trunk → queue → agent (each
INVITE to BYE), a REGISTER with digest (two round trips).

    python -m bench.switch_core [--what call|register|queue] [--count 2000] [--profile]

Parsing and timers are counted (they are part of the work), the parties' own cores are not. Descriptions differ from
call to call, as those of real phones do. The median and the best of batches of 50 are told: the machine is shared.
Beside it runs an empty loop, as a measure of how fast the machine is just now.
"""

import argparse
import cProfile
import gc
import pstats
from collections.abc import Callable
from statistics import median
from time import process_time

from softswitch.acd.model import QueueSettings
from softswitch.sip.flow import Flow, Send
from softswitch.switch.events import Arrived
from softswitch.switch.settings import Agent, Phone, Route, Settings, Sip, Trunk
from softswitch.wire.sip import parse
from tests.switch.site import HOST, Party, Site

BATCH = 50
PASSWORD = "correct horse"
AGENTS = 20
SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones={"1001": Phone(contact="sip:1001@192.0.2.10:5060", max_calls=0)}
    | {str(2001 + number): Phone(password=PASSWORD) for number in range(AGENTS)},
    agents={f"agent{number}": Agent(phone=str(2001 + number), logged_in=True) for number in range(AGENTS)},
    trunks={"carrier": Trunk(address="sip:198.51.100.10", options_seconds=0.0)},
    queues={
        "support": QueueSettings(
            agents=tuple(f"agent{number}" for number in range(AGENTS)), wrap_up=0.0, ring_seconds=15.0, record=False
        )
    },
    routes=(
        Route(source="trunk:*", number="100", to="phone:1001"),
        Route(source="trunk:*", number="200", to="queue:support"),
    ),
)


class Bench(Site):
    """Counts what the switch itself costs."""

    spent = 0.0
    messages = 0
    number = 0

    def settle(self) -> None:
        while self.wire or self.later:
            if not self.wire:
                self.later.popleft()()
                continue
            source, target, data = self.wire.popleft()
            if target == (HOST, 5060):
                if b"m=audio 4000" in data:
                    self.number += 1
                    data = data.replace(b"m=audio 4000", b"m=audio %d" % (4000 + self.number % 5000))
                start = process_time()
                effects = self.switch.receive(Arrived(parse(data), Flow("udp", source)), self.now)
                self.spent += process_time() - start
                self.messages += 1 + sum(isinstance(effect, Send) for effect in effects)
                self.effects(effects)
            elif target in self.parties:
                party = self.parties[target]
                party.perform(party.ua.receive(parse(data), Flow("udp", source), self.now))

    def tick(self) -> None:
        """The switch's timers that are due."""
        self.settle()
        start = process_time()
        effects = self.switch.wake(self.now)
        self.spent += process_time() - start
        self.effects(effects)
        for party in self.parties.values():
            party.perform(party.ua.wake(self.now))
        self.settle()


def _call(site: Bench) -> Callable[[], None]:
    site.party("phone", "192.0.2.10")
    carrier = site.party("+37060000000", "198.51.100.10")
    return lambda: carrier.hang_up(carrier.call("100"))


def _queue(site: Bench) -> Callable[[], None]:
    for number in range(AGENTS):
        site.phone(str(2001 + number), f"192.0.2.{100 + number}", PASSWORD)
    carrier = site.party("+37060000000", "198.51.100.10")
    return lambda: carrier.hang_up(carrier.call("200"))


def _register(site: Bench) -> Callable[[], None]:
    phones: list[Party] = [site.phone(str(2001 + number), f"192.0.2.{100 + number}", PASSWORD) for number in range(20)]
    turn = iter(range(10**9))

    def register() -> None:
        phones[next(turn) % len(phones)].register()

    return register


WORK: dict[str, Callable[[Bench], Callable[[], None]]] = {"call": _call, "queue": _queue, "register": _register}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--what", choices=tuple(WORK), default="call")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    site = Bench(SETTINGS)
    work = WORK[options.what](site)
    for _ in range(100):
        work()
    site.run(40.0)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)  # as the control process does
    start = process_time()
    for _ in range(1_000_000):
        pass
    empty = process_time() - start
    profile = cProfile.Profile()
    if options.profile:
        receive = site.switch.receive
        site.switch.receive = lambda event, now: profile.runcall(receive, event, now)  # type: ignore[method-assign]
    batches = []
    site.messages = 0
    for _ in range(options.count // BATCH):
        site.spent = 0.0
        for _ in range(BATCH):
            work()
            site.saved.clear()
            site.logs.clear()
            site.now += 0.01
        site.tick()
        batches.append(1e6 * site.spent / BATCH)
    count = len(batches) * BATCH
    print(
        f"{options.what}: median {median(batches):.0f} µs, best {min(batches):.0f}, "
        f"{site.messages / count:.1f} messages; empty loop of 1 M: {empty:.3f} s"
    )
    if options.profile:
        stats = pstats.Stats(profile)
        print(f"{stats.total_calls / count:.0f} function calls")  # type: ignore[attr-defined]
        stats.sort_stats("tottime").print_stats(40)


if __name__ == "__main__":
    main()
