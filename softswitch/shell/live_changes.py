"""What an operator may change in how calls are distributed, while the switch runs and nobody is logged out."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from softswitch.call.speech import LANGUAGES
from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import LocalError, PeerError
from softswitch.services.configuration_diff import diff
from softswitch.services.live_settings import LiveSetting, LiveSettings, Path_, value_at
from softswitch.switch.customers import Customer, Customers
from softswitch.switch.events import CustomersChanged, MoveCall, PrioritiseCall, Retune, SendAway, SwitchEvent
from softswitch.switch.settings import Settings
from softswitch.switch.views import CallView, HookRow
from softswitch.switch.wishes import MOST_HEAD_START


class LiveViews(Protocol):
    """What a core shows of these (`switch.status.Desk`)."""

    @property
    def customers(self) -> Customers:
        """Who is known."""

    def hooks(self, now: Instant) -> list[HookRow]:
        """All hooks, with what came of their questions."""

    def seat_refusal(self, agent: str, phone: str, now: Instant) -> str:
        """Why the agent cannot log in there; empty when it can."""

    def call(self, id: str, now: Instant) -> CallView | None:
        """One live call."""

    def open_queue(self, name: str, now: Instant) -> bool:
        """Whether the queue takes calls now."""


@dataclass(frozen=True, slots=True)
class Differences:
    """`file`: what reading the configuration again would change, in lines. `faults`: why it could not be read."""

    file: list[str]
    faults: list[str]
    live: list[LiveSetting]


class LiveChanges:
    """`give` hands an event to the core. `took` is told of the settings that count from now on."""

    def __init__(
        self,
        live: LiveSettings,
        views: LiveViews,
        give: Callable[[SwitchEvent], None],
        clock: Callable[[], Instant],
        *,
        load: Callable[[], Settings],
        took: Callable[[Settings], None],
        flush: Callable[[], Awaitable[object]],
    ) -> None:
        self._live = live
        self._views = views
        self._give = give
        self._clock = clock
        self._load = load
        self._took = took
        self._flush = flush
        self.customers = views.customers

    # ------------------------------------------------------------------------------------------------------- settings

    @property
    def settings(self) -> Settings:
        """What counts."""
        return self._live.settings

    def rows(self, *path: str) -> list[LiveSetting]:
        """The changes that stand, of one queue or agent when it is named."""
        prefix = ".".join(path) + "." if path else ""
        return [row for row in self._live.rows() if row.path.startswith(prefix)]

    def change(self, path: Path_, value: object, by: str) -> None:
        """Set one setting (None: as the file says). Raises `PeerError` 404 or 422."""
        now = self._clock()
        try:
            value_at(self._live.settings, path[:3])
        except LocalError as error:
            if value is not None:
                raise PeerError(str(error), status=404) from error
        try:
            for older in self._live.below(path) if len(path) == 3 else ():
                self._retune(older, None, by, now)
            self._retune(path, value, by, now)
        except LocalError as error:
            raise PeerError(str(error), status=422) from error

    def _retune(self, path: Path_, value: object, by: str, now: Instant) -> None:
        settings = self._live.change(path, value, by, now)
        self._took(settings)
        self._give(Retune(settings, path, value, by))

    def close_queue(self, name: str, reason: str, by: str) -> None:
        """The queue takes no calls until it is opened, also after a restart."""
        self.change(("queues", name, "shut"), reason or "closed", by)

    def open_queue(self, name: str, by: str) -> None:
        """The queue takes calls again, in its hours. Raises `PeerError` 404, 409 when it is not shut."""
        queue = self._live.settings.queues.get(name)
        if queue is None:
            raise PeerError(f"no queue {name}", status=404)
        if not queue.shut:
            raise PeerError(f"queue {name} is not shut", status=409)
        by_file = self._live.file.queues.get(name)
        self.change(("queues", name, "shut"), "" if by_file is not None and by_file.shut else None, by)

    def send_away(self, name: str, by: str) -> None:
        """Who waits goes where callers of the closed queue go. Raises `PeerError` 409 when it is open."""
        if self._views.open_queue(name, self._clock()):
            raise PeerError(f"queue {name} is open", status=409)
        self._give(SendAway(name, by))

    def members(self, queue: str, agent: str, serves: bool, by: str) -> None:
        """Put an agent into a queue, or take it out. Raises `PeerError` 404, 409, 422."""
        settings = self._live.settings.queues.get(queue)
        if settings is None:
            raise PeerError(f"no queue {queue}", status=404)
        if (agent in settings.agents) is serves:
            raise PeerError(f"agent {agent} {'is in' if serves else 'is not in'} queue {queue}", status=409)
        agents = [*settings.agents, agent] if serves else [name for name in settings.agents if name != agent]
        by_file = self._live.file.queues.get(queue)
        as_file = by_file is not None and list(by_file.agents) == agents
        changed = any(row.path == f"queues.{queue}.agents" for row in self._live.rows())
        self.change(("queues", queue, "agents"), None if as_file and changed else agents, by)

    async def differences(self) -> Differences:
        """The configuration file against what runs, and what was changed over it."""
        try:
            settings = await asyncio.to_thread(self._load)
        except LocalError as error:
            return Differences([], str(error).splitlines(), self._live.rows())
        return Differences(diff(self._live.file, settings), [], self._live.rows())

    # ---------------------------------------------------------------------------------------------------------- calls

    def prioritise(self, call: str, seconds: float, by: str) -> CallView:
        """A waiting call gets so much more head start. Raises `PeerError` 404, 409."""
        self._waiting(call)
        self._give(PrioritiseCall(call, seconds, by))
        return self._seen(call)

    def move(self, call: str, queue: str, by: str) -> CallView:
        """A waiting call goes to another queue and keeps its place. Raises `PeerError` 404, 409."""
        view = self._waiting(call)
        if queue not in self._live.settings.queues:
            raise PeerError(f"no queue {queue}", status=404)
        if view.at == queue:
            raise PeerError(f"call {call} waits in queue {queue} already", status=409)
        if not self._views.open_queue(queue, self._clock()):
            raise PeerError(f"queue {queue} is closed", status=409)
        self._give(MoveCall(call, queue, by))
        return self._seen(call)

    def _waiting(self, call: str) -> CallView:
        view = self._views.call(call, self._clock())
        if view is None:
            raise PeerError(f"no live call {call}", status=404)
        if view.state != "queued":
            raise PeerError(f"call {call} does not wait in a queue: it is {view.state}", status=409)
        return view

    def _seen(self, call: str) -> CallView:
        view = self._views.call(call, self._clock())
        if view is None:
            raise PeerError(f"call {call} has ended", status=409)
        return view

    # ------------------------------------------------------------------------------------------------------ customers

    def find_customers(self, text: str) -> list[Customer]:
        """By id, number, or a part of the name; all without a text."""
        if not text:
            return list(self.customers)
        exact = [self.customers.get(text), self.customers.calling(text)]
        found = {customer.id: customer for customer in exact if customer is not None}
        folded = text.casefold()
        found |= {one.id: one for one in self.customers if folded in one.name.casefold()}
        return list(found.values())

    async def put_customers(self, customers: Iterable[Customer], by: str) -> int:
        """New ones, or in place of those with these ids. Raises `PeerError` 422 that names the first that is wrong;
        nothing has changed then. Returns when they are stored: an import must not outrun the database."""
        some = tuple(customers)
        for customer in some:
            self._check(customer)
        self._give(CustomersChanged(some, (), by))
        await self._flush()
        return len(some)

    async def remove_customer(self, id: str, by: str) -> bool:
        """Whether there was one."""
        if self.customers.get(id) is None:
            return False
        self._give(CustomersChanged((), (id,), by))
        await self._flush()
        return True

    def _check(self, customer: Customer) -> None:
        settings = self._live.settings
        wrong = ""
        if not customer.id or len(customer.id) > 100 or not customer.id.isprintable():
            wrong = "id must be 1 to 100 characters"
        elif any(not number or len(number) > 64 for number in customer.numbers):
            wrong = "a number is empty, or too long"
        elif customer.agent and customer.agent not in settings.agents:
            wrong = f"no agent {customer.agent}"
        elif customer.queue and customer.queue not in settings.queues:
            wrong = f"no queue {customer.queue}"
        elif customer.language and customer.language not in LANGUAGES:
            wrong = f"no language {customer.language}: there are {', '.join(LANGUAGES)}"
        elif not abs(customer.head_start) <= MOST_HEAD_START:
            wrong = f"head_start must be within {MOST_HEAD_START:.0f} seconds"
        elif any(not 0 <= level <= 100 for _, level in customer.needs):
            wrong = "needs must be 0 to 100"
        if wrong:
            raise PeerError(f"customer {customer.id}: {wrong}", status=422)
