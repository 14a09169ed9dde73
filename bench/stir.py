"""CPU of signed callers' numbers: an ES256 signature and its proof, a certificate chain, and a call phone → trunk
through the switch core, signed and unsigned, verified and not (without the shell's part).

    python -m bench.stir [--count 1000]

Batches of 50, µs of CPU; beside it an empty loop, as in bench.switch_core.
"""

import argparse
import gc
from collections.abc import Callable
from statistics import median
from time import process_time

from bench.switch_core import BATCH, PASSWORD, Bench
from softswitch.services.stir_certificates import Chain
from softswitch.services.stir_keys import es256
from softswitch.sip.passport import Proof, Verdict
from softswitch.switch.events import CallerVerified
from softswitch.switch.settings import Phone, Route, Settings, Sip, Stir, Trunk, TrunkStir
from tests.stir_pki import X5U, issue, service_provider, signed

NOW = 1_800_000_000.0
ROOT = issue("root", ca=True)
KEY = issue("signer", ROOT, numbers=service_provider("1234"))


def measured(what: str, count: int, work: Callable[[], float]) -> None:
    """`work` returns the seconds that it cost."""
    batches = [1e6 * sum(work() for _ in range(BATCH)) / BATCH for _ in range(max(1, count // BATCH))]
    print(f"{what}: {median(batches):.1f} µs")


def timed(work: Callable[[], object]) -> Callable[[], float]:
    def once() -> float:
        start = process_time()
        work()
        return process_time() - start

    return once


def call(stir: TrunkStir, inward: bool) -> Callable[[], float]:
    """One call, INVITE to BYE: from the phone out, or from the carrier in."""
    site = Bench(
        Settings(
            sip=Sip(domain="pbx.test"),
            stir=Stir(key="here", x5u=X5U, anchors="there"),
            phones={"1001": Phone(password=PASSWORD, caller_id="+37052000001", max_calls=0)},
            trunks={"carrier": Trunk(address="sip:198.51.100.10", options_seconds=0.0, country="370", stir=stir)},
            routes=(
                Route(source="trunk:*", to="phone:1001"),
                Route(source="phone:*", number="0X.", to="trunk:carrier"),
            ),
        )
    )
    site.switch.office.sign = lambda stir, octets: es256(KEY.key, octets)
    phone = site.phone("1001", "192.0.2.10", PASSWORD)
    carrier = site.party("+37069999999", "198.51.100.10")

    def once() -> float:
        site.spent = 0.0
        if inward:
            identity = signed(KEY, "37069999999", "37052000001", site.now)
            line = carrier.call("052000001", headers=(("Identity", identity),))
            if site.to_verify:
                start = process_time()
                effects = site.switch.receive(CallerVerified(site.to_verify.pop().number, Verdict(0)), site.now)
                site.spent += process_time() - start
                site.effects(effects)
                site.settle()
            carrier.hang_up(line)
        else:
            phone.hang_up(phone.call("061234567"))
        site.saved.clear()
        site.logs.clear()
        site.now += 0.01
        site.tick()
        return site.spent

    return once


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    count = parser.parse_args().count
    start = process_time()
    for _ in range(1_000_000):
        pass
    print(f"empty loop of 1 M: {process_time() - start:.3f} s")
    octets = b"x" * 400
    proof = Proof(X5U, octets, es256(KEY.key, octets), "37052000001")
    chain = Chain(KEY.pem)
    measured("signature", count, timed(lambda: es256(KEY.key, octets)))
    measured("proof of a signature", count, timed(lambda: chain.prove(proof)))
    measured("chain to a root", count, timed(lambda: chain.check([ROOT.certificate], NOW)))
    measured("reading a certificate", count, timed(lambda: Chain(KEY.pem)))
    works = {
        "call out, unsigned": call(TrunkStir(), False),
        "call out, signed": call(TrunkStir(sign=True), False),
        "call in, not verified": call(TrunkStir(), True),
        "call in, verified": call(TrunkStir(verify="mark"), True),
    }
    for work in works.values():
        for _ in range(100):
            work()
    gc.collect()
    gc.freeze()
    batches: dict[str, list[float]] = {what: [] for what in works}
    for _ in range(max(1, count // BATCH)):  # in turn: the machine is shared
        for what, work in works.items():
            batches[what].append(1e6 * sum(work() for _ in range(BATCH)) / BATCH)
    for what, found in batches.items():
        print(f"{what}: median {median(found):.0f} µs, best {min(found):.0f}")


if __name__ == "__main__":
    main()
