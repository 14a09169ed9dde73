"""CPU of the switch core for one call, without sockets, store and media: trunk → phone, INVITE to BYE.

    python -m bench.switch_core [--calls 2000] [--profile]

Parsing is counted (it is part of the work), the parties' own cores are not. Beside it runs an empty loop, as a measure
of how fast the machine is just now.
"""

import argparse
import cProfile
import gc
import pstats
from time import process_time

from softswitch.sip.flow import Flow, Send
from softswitch.switch.events import Arrived
from softswitch.switch.settings import Phone, Route, Settings, Sip, Trunk
from softswitch.wire.sip import parse
from tests.switch.site import HOST, Site

SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones={"1001": Phone(contact="sip:1001@192.0.2.10:5060", max_calls=0)},
    trunks={"carrier": Trunk(address="sip:198.51.100.10", options_seconds=0.0)},
    routes=(Route(source="trunk:*", number="100", to="phone:1001"),),
)


class Bench(Site):
    """Counts what the switch itself costs."""

    spent = 0.0
    messages = 0

    def settle(self) -> None:
        while self.wire or self.later:
            if not self.wire:
                self.later.popleft()()
                continue
            source, target, data = self.wire.popleft()
            if target == (HOST, 5060):
                start = process_time()
                effects = self.switch.receive(Arrived(parse(data), Flow("udp", source)), self.now)
                self.spent += process_time() - start
                self.messages += 1 + sum(isinstance(effect, Send) for effect in effects)
                self.effects(effects)
            elif target in self.parties:
                party = self.parties[target]
                party.perform(party.ua.receive(parse(data), Flow("udp", source), self.now))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    site = Bench(SETTINGS)
    site.party("phone", "192.0.2.10")
    carrier = site.party("+37060000000", "198.51.100.10")
    for _ in range(100):
        carrier.hang_up(carrier.call("100"))
    site.run(40.0)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)  # as the control process does
    site.spent = 0.0
    site.messages = 0
    start = process_time()
    for _ in range(1_000_000):
        pass
    empty = process_time() - start
    profile = cProfile.Profile()
    if options.profile:
        receive = site.switch.receive
        site.switch.receive = lambda event, now: profile.runcall(receive, event, now)  # type: ignore[method-assign]
    for number in range(options.calls):
        carrier.hang_up(carrier.call("100"))
        site.saved.clear()
        site.logs.clear()
        site.now += 0.01
        if number % 50 == 0:
            site.run(0.0)
    calls = options.calls
    print(
        f"{1e6 * site.spent / calls:.0f} µs a call, {site.messages / calls:.1f} messages; empty loop of 1 M: {empty:.3f} s"
    )
    if options.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(40)


if __name__ == "__main__":
    main()
