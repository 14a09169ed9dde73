"""The course of the demo: start the switch, let people call, judge, end."""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final, Protocol

from rich.console import Console

from softswitch.demo import ears, site, verdict
from softswitch.demo.people import Agent, Caller, Mood, Story, Town, answer_for_carrier
from softswitch.demo.phone import Account, Phone
from softswitch.demo.screen import Lines, Screen
from softswitch.demo.site import Plan, SwitchProcess
from softswitch.demo.stream import Metronome
from softswitch.demo.watch import Snapshot, Watch
from softswitch.kernel.errors import LocalError

_LOOK: Final = 0.5
_LAST_CALLS: Final = 60.0
_SETTLE: Final = 8.0
_CODECS: Final = (("PCMA", "PCMU"), ("PCMU", "PCMA"), ("PCMU",), ("PCMA",))


@dataclass(frozen=True, slots=True)
class Options:
    """`calls` 0: no end by number; `seconds` 0: none by time. `rate` is new calls a second. `port` None: 5060 if it
    is free; 0: any free one. `keep`: a folder that is left for a look."""

    calls: int = 0
    seconds: float = 0.0
    rate: float = 0.7
    agents: int = 6
    seed: int | None = None
    keep: Path | None = None
    listen: str = "127.0.0.1"
    port: int | None = None


class View(Protocol):
    """Where news and pictures go."""

    def say(self, line: str) -> None:
        """A piece of news."""

    def show(self, snapshot: Snapshot) -> None:
        """The state of things."""


def play(options: Options) -> int:
    """Run the demo; 0 only if all checks hold. Raises `LocalError` when it cannot start."""
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
        if any(options.keep.iterdir()):
            raise LocalError(f"{options.keep} is not empty")
        return asyncio.run(_Demo(options, options.keep.absolute()).run())
    folder = Path(tempfile.mkdtemp(prefix="softswitch-demo-"))
    try:
        return asyncio.run(_Demo(options, folder).run())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Demo:
    def __init__(self, options: Options, folder: Path) -> None:
        self._options = options
        self._folder = folder
        self._dice = Random(options.seed)
        self._plan = site.make_plan(options.listen, options.port, options.agents, Random(os.urandom(16)))
        self._switch = SwitchProcess(folder, self._plan)
        self._pitches = {seat.agent: ears.agent_pitch(number) for number, seat in enumerate(self._plan.seats)}
        self._phones: list[Phone] = []
        self._stop = asyncio.Event()
        self._interrupted = False

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._interrupt)
        watch: Watch | None = None
        try:
            print("starting the switch ...", flush=True)
            await self._switch.start()
            watch = Watch(self._switch.access, self._switch.pid)
            checks, stories, seconds = await self._scene(watch)
        finally:
            for phone in self._phones:
                await phone.close()
            if watch is not None:
                await watch.close()
            code = await self._switch.stop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
        checks.append(
            verdict.Check("clean end", code == 0, "the switch drained and stopped" if not code else f"{code}")
        )
        print("\n".join(verdict.lines(stories, checks, seconds)))
        good = all(check.holds for check in checks)
        said = self._switch.said()
        if not good and said:
            print(f"what the switch said:\n{said}")
        if self._options.keep is not None:
            print(f"kept in {self._folder}: configuration, database, recordings")
        return 0 if good else 1

    def _interrupt(self) -> None:
        self._interrupted = True
        self._stop.set()

    async def _scene(self, watch: Watch) -> tuple[list[verdict.Check], list[Story], float]:
        hints = own_phone(self._plan)
        console = Console()
        view: Lines | Screen
        if console.is_terminal and not console.is_dumb_terminal:
            view = Screen(console, "softswitch demo — Ctrl-C ends it", hints)
        else:
            view = Lines()
            print("\n".join(hints), flush=True)
        begun = time.monotonic()
        with view:
            looking = asyncio.create_task(self._look(watch, view))
            try:
                stories = await self._people(view)
                snapshot = await self._settled(watch)
                records = await self._records(watch)
            finally:
                looking.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await looking
        folder = self._switch.data_dir / "recordings"
        judged = [story for story in stories if not self._interrupted or story.fault == ""]
        checks = verdict.judge(judged, records, snapshot, folder, self._pitches)
        return checks, judged, time.monotonic() - begun

    async def _look(self, watch: Watch, view: View) -> None:
        while True:
            with contextlib.suppress(LocalError):  # the last look may meet the switch as it ends
                view.show(await watch.look())
            await asyncio.sleep(_LOOK)

    # ---------------------------------------------------------------------------------------------------------- people

    async def _people(self, view: View) -> list[Story]:
        metronome = Metronome()
        town = Town(Mood(), self._dice, view.say, self._pitches)
        proxy, domain = self._plan.proxy, self._plan.domain
        carrier = Phone(
            Account("carrier", "", domain, proxy),
            metronome,
            self._dice,
            address=site.CARRIER_HOST,
            port=self._plan.carrier_port,
            on_call=answer_for_carrier,
        )
        self._phones.append(carrier)
        beginnings = []
        for number, seat in enumerate(self._plan.seats):
            agent = Agent(town, seat)
            account = Account(seat.phone, seat.password, domain, proxy, seat.agent.capitalize())
            codecs = _CODECS[number % len(_CODECS)]
            phone = Phone(account, metronome, self._dice, codecs=codecs, on_call=agent.take)
            self._phones.append(phone)
            beginnings.append(self._begin_work(agent, phone, view))
        await asyncio.gather(*beginnings)
        return await self._calls(town, carrier)

    async def _begin_work(self, agent: Agent, phone: Phone, view: View) -> None:
        name, number = agent.seat.agent, agent.seat.phone
        await phone.register()
        if not await agent.log_in(phone) and not self._stop.is_set():
            raise LocalError(f"{name} cannot log in by feature code")
        view.say(f"{name} registered phone {number} and logged in")

    async def _calls(self, town: Town, carrier: Phone) -> list[Story]:
        options = self._options
        limit = time.monotonic() + options.seconds if options.seconds else float("inf")
        lives: list[asyncio.Task[Story]] = []
        while (
            not self._stop.is_set() and time.monotonic() < limit and not (options.calls and len(lives) == options.calls)
        ):
            lives.append(asyncio.create_task(Caller(town, carrier, len(lives)).live()))
            pause = self._dice.expovariate(options.rate)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), min(pause, max(0.0, limit - time.monotonic())))
        if not lives:
            return []
        if not self._stop.is_set():
            stopped = asyncio.create_task(self._stop.wait())
            everyone = asyncio.create_task(asyncio.wait(lives))
            await asyncio.wait((stopped, everyone), timeout=_LAST_CALLS, return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            everyone.cancel()
        unfinished = [life for life in lives if not life.done()]
        for life in unfinished:
            life.cancel()
        await asyncio.gather(*lives, return_exceptions=True)
        if unfinished and not self._interrupted:
            raise LocalError(f"{len(unfinished)} calls did not come to an end")
        return [life.result() for life in lives if not life.cancelled()]

    # ------------------------------------------------------------------------------------------------------- judgement

    async def _settled(self, watch: Watch) -> Snapshot:
        """When the last BYE is through, or it takes too long."""
        for phone in self._phones:
            for call in tuple(phone.calls.values()):
                call.hang_up()
        limit = time.monotonic() + _SETTLE
        while True:
            snapshot = await watch.look()
            waiting = snapshot.status["counters"]["rows_waiting"]
            if (not snapshot.leftovers() and not waiting) or time.monotonic() > limit:
                return snapshot
            await asyncio.sleep(0.2)

    async def _records(self, watch: Watch) -> dict[str, dict[str, object]]:
        records: dict[str, dict[str, object]] = {}
        until: dict[str, str] = {}
        while True:
            page = await watch.get("/records", limit=1000, **until)
            records |= {record["id"]: record for record in page["items"]}
            if page["next"] is None:
                return records
            until = {"until": str(page["next"])}


def own_phone(plan: Plan) -> Sequence[str]:
    """How to join in with a telephone of one's own."""
    server = f"{plan.address}:{plan.port} (UDP or TCP)"
    agent = plan.seats[0]
    lines = [
        f"Your own phone: server {server}, user {site.OWN_PHONE}, password {plan.own_password}",
        f"Dial 100 menu, 101 support, 102 sales, *43 echo, {agent.phone} {agent.agent}, 00370… the world",
        "Dial *45 to log in as an agent of support, *46 to log out",
    ]
    if plan.listen.startswith("127."):
        lines.append("Only this machine can reach it; --listen 0.0.0.0 opens it to your network")
    return lines
