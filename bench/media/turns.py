"""CPU of the media process's turns where other programs keep the machine busy: no generator, no waiting.

    python -m bench.media.turns [--mode relay] [--calls 100] [--backend uring] [--turns 4000]

The worker runs in this process, on a clock of its own that goes on by `STEP` a turn. Before each turn the phones send
what they would have sent meanwhile, which is not counted. CPU is this thread's; of io_uring, the part that its system
calls take is told apart. Caches stay warm, as they do not in a real process that sleeps between turns: compare two
versions, one after the other and again, and take the least of each.
"""

import argparse
import gc
import random
import socket
import tempfile
import time
from collections.abc import Iterator
from typing import Any, Final

from bench.media.run import spec
from bench.media.scenes import scene
from bench.media.subjects import free_ports
from softswitch.media import ring
from softswitch.media.choice import make_backend
from softswitch.media.worker import Worker, listen, raise_descriptor_limit
from softswitch.wire import control

STEP: Final = 0.0025
_WARM: Final = 1500  # turns before those that are counted
_DRAIN: Final = 50  # turns
_TYPES: Final = {"PCMU": 0, "PCMA": 8}


class Timed:
    """System calls of the ring, with the CPU that they took."""

    def __init__(self) -> None:
        self.nanoseconds = 0
        self._call = ring._syscall

    def __call__(self, *arguments: Any) -> int:
        start = time.thread_time_ns()
        result: int = self._call(*arguments)
        self.nanoseconds += time.thread_time_ns() - start
        return result


def packets(phones: list[socket.socket], codecs: list[str]) -> Iterator[None]:
    """Each step sends what `STEP` seconds bring, phones in an order of their own, evenly over 20 ms."""
    dice = random.Random(1)
    order = dice.sample(range(len(phones)), len(phones))
    heads = [(dice.getrandbits(16), dice.getrandbits(32), dice.getrandbits(32)) for _ in phones]
    sounds = [dice.randbytes(160) for _ in phones]
    n, due = 0, 0.0
    while True:
        due += len(phones) * STEP / 0.02
        while n < due:
            round_, at = divmod(n, len(phones))
            phone = order[at]
            sequence, stamp, ssrc = heads[phone]
            head = bytes((0x80, _TYPES[codecs[phone]])) + (sequence + round_ & 0xFFFF).to_bytes(2, "big")
            head += (stamp + 160 * round_ & 0xFFFFFFFF).to_bytes(4, "big") + ssrc.to_bytes(4, "big")
            phones[phone].send(head + sounds[phone])
            n += 1
        yield


def drain(phones: list[socket.socket]) -> None:
    """Throw away what phones were sent."""
    for phone in phones:
        try:
            while True:
                phone.recv(2048)
        except BlockingIOError:
            pass


def main() -> None:
    """Print µs of CPU a packet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mode", default="relay", choices=("relay", "mix", "record", "mixrecord", "transcode"))
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--turns", type=int, default=4000)
    parser.add_argument("--backend", default="uring")
    options = parser.parse_args()
    raise_descriptor_limit()
    plan = scene(options.mode, options.calls)
    legs = len(plan.codecs)
    with tempfile.TemporaryDirectory() as folder:
        backend = make_backend(options.backend, "127.0.0.1", free_ports(2 * legs + 512))
        worker = Worker(backend, listen(f"{folder}/media.sock"), legs)
        phones = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(legs)]
        clock = [worker._now()]
        worker._now = lambda: clock[0]  # type: ignore[method-assign]
        engine = worker._engine
        slots = sorted(engine.free.items())[:legs]
        for n, (phone, (slot, port)) in enumerate(zip(phones, slots, strict=True)):
            phone.connect(("127.0.0.1", port))
            phone.setblocking(False)
            engine.command(control.OpenLeg(n + 1, slot, spec(plan.codecs[n], phone.getsockname(), None)), clock[0])
        engine.command(control.Connect(tuple(plan.edges)), clock[0])
        for command in plan.commands(folder):
            engine.command(command, clock[0])
        worker._perform()
        calls = ring._syscall = Timed()  # type: ignore[assignment]
        gc.collect()
        gc.disable()
        sending = packets(phones, plan.codecs)
        spent = received = 0
        for turn in range(_WARM + options.turns):
            if turn == _WARM:
                spent, received, calls.nanoseconds = 0, engine.receiver.received, 0
            if turn % _DRAIN == 0:
                drain(phones)
            next(sending)
            clock[0] += STEP
            worker._gathered = 0.0  # the time of gathering has passed
            start = time.thread_time_ns()
            worker._turn()
            spent += time.thread_time_ns() - start
        count = 1000 * (engine.receiver.received - received)
        kernel = f", {calls.nanoseconds / count:.2f} of it the kernel's" if backend.name == "uring" else ""
        print(f"{options.mode} {options.calls} {backend.name}: {spent / count:.2f} µs a packet{kernel}")
        worker._finish_for_bench() if False else worker._writer.close()
        worker._finish()


if __name__ == "__main__":
    main()
