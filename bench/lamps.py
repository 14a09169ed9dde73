"""CPU of lamps: phones that watch others, and what one change of state costs the switch.

    python -m bench.lamps [--phones 200] [--lamps 10] [--calls 300]

Every phone subscribes to `lamps` others; then pairs telephone (ring, answer, hang-up: each phone changes three times).
Told are the CPU of a SUBSCRIBE (two round trips with the challenge), of a call without and with watchers, and the
difference by NOTIFY sent, its 200 included.
"""

import argparse
from time import process_time

from softswitch.sip.flow import Flow
from softswitch.switch.events import Arrived
from softswitch.switch.settings import Phone, Settings, Sip
from softswitch.wire.sip import parse
from tests.switch.site import HOST, Site
from tests.switch.watcher import Watcher

PASSWORD = "correct horse"


class Bench(Site):
    """Counts what the switch itself costs, and the NOTIFYs that it sends."""

    spent = 0.0
    notifies = 0

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
                self.effects(effects)
            elif target in self.parties:
                self.notifies += data.startswith(b"NOTIFY")
                party = self.parties[target]
                party.perform(party.ua.receive(parse(data), Flow("udp", source), self.now))

    def pass_time(self, seconds: float) -> None:
        """The switch's timers only."""
        end = self.now + seconds
        while (due := self.switch.deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            start = process_time()
            effects = self.switch.wake(self.now)
            self.spent += process_time() - start
            self.effects(effects)
            self.settle()
        self.now = end


def calls(site: Bench, phones: list[Watcher], count: int) -> tuple[float, int]:
    """Seconds of CPU for `count` calls, and NOTIFYs sent."""
    site.spent, site.notifies = 0.0, 0
    for number in range(count):
        caller, called = phones[2 * number % len(phones)], phones[(2 * number + 1) % len(phones)]
        called.on_invite = "ring"
        line = caller.call(called.name)
        site.pass_time(0.6)
        called.answer(called.line)
        site.pass_time(0.6)
        caller.hang_up(line)
        site.pass_time(0.6)
        for phone in phones:
            phone.notified.clear()
        site.saved.clear()
        site.logs.clear()
    return site.spent, site.notifies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phones", type=int, default=200)
    parser.add_argument("--lamps", type=int, default=10)
    parser.add_argument("--calls", type=int, default=300)
    options = parser.parse_args()
    names = [str(2000 + number) for number in range(options.phones)]
    site = Bench(
        Settings(sip=Sip(domain="pbx.test", keep_alive=0.0), phones={name: Phone(password=PASSWORD) for name in names})
    )
    phones = [Watcher(site, name, f"198.18.{number // 200}.{1 + number % 200}") for number, name in enumerate(names)]
    calls(site, phones, 50)  # warm
    plain, _ = calls(site, phones, options.calls)
    site.spent = 0.0
    for number, phone in enumerate(phones):
        for step in range(1, options.lamps + 1):
            assert phone.subscribe(names[(number + step) % len(names)]).status == 200
    made = len(site.switch.office.subscriptions.notifier)
    subscribing = site.spent
    site.pass_time(40.0)
    watched, notifies = calls(site, phones, options.calls)
    print(
        f"{made} lamps on {len(phones)} phones: a SUBSCRIBE {1e6 * subscribing / made:.0f} µs; a call without watchers "
        f"{1e6 * plain / options.calls:.0f} µs, with them {1e6 * watched / options.calls:.0f} µs and "
        f"{notifies / options.calls:.1f} NOTIFYs: {1e6 * (watched - plain) / notifies:.0f} µs each"
    )


if __name__ == "__main__":
    main()
