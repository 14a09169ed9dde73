"""All pools by what makes them one: made when the first call needs one, forgotten when they have stood empty and many
others have since. A queue's pool of all its agents stays as long as the queue."""

from collections.abc import Callable, Iterator, Mapping
from random import Random

from softswitch.acd.agent import Agent
from softswitch.acd.journal import Journal
from softswitch.acd.model import AgentName, Needs, QueueName, QueueSettings
from softswitch.acd.pool import Pool
from softswitch.acd.queue import STICKY, Queue, WaitingCall
from softswitch.acd.strategies import Crew, Strategy
from softswitch.acd.strategies.longest_idle import LongestIdle

KEEP_EMPTY = 512  # pools without a call; making one costs a look at the queue's agents


class Pools:
    """`agents` is the engine's own record of them. `types` are the strategies' classes by their configured names."""

    __slots__ = ("_agents", "_before", "_by_key", "_dice", "_empty", "_on_failure", "journal", "types")

    def __init__(
        self, agents: Mapping[AgentName, Agent], dice: Random, on_failure: Callable[[Pool, str], None]
    ) -> None:
        self._agents = agents
        self._dice = dice
        self._on_failure = on_failure
        self._by_key: dict[tuple[object, ...], Pool] = {}
        self._before: dict[tuple[object, ...], Pool] = {}
        self._empty: dict[Pool, None] = {}
        self.journal = Journal()
        self.types: dict[str, type[Strategy]] = {}

    def __iter__(self) -> Iterator[Pool]:
        return iter(self._by_key.values())

    def __contains__(self, pool: Pool) -> bool:
        return self._by_key.get(pool.key) is pool

    def __len__(self) -> int:
        return len(self._by_key)

    def rebuild(
        self, queues: Mapping[QueueName, QueueSettings], old: Mapping[QueueName, Queue]
    ) -> dict[QueueName, Queue]:
        """Queues with these settings, those of `old` that stay being the same. Pools are empty and known anew; those
        that are still wanted keep their strategy, which remembers whose turn it was."""
        self._before, self._by_key, self._empty = self._by_key, {}, {}
        for agent in self._agents.values():
            agent.pools, agent.queues = {}, []
        found: dict[QueueName, Queue] = {}
        for name, settings in queues.items():
            members = crew(settings)
            pool = self._pool(settings, members, ())
            pool.fixed = True
            queue = old.get(name)
            if queue is None:
                queue = Queue(name, settings, pool)
            else:
                queue.configure(settings, pool)
            for member in pool.agents:
                member.queues.append(name)
            found[name] = queue
        self._before = {}
        return found

    def put(self, call: WaitingCall) -> None:
        """The call waits in the pool of its ring and needs from now on; it was in none, or in one that is gone."""
        pool = self.of(call.queue, call.ring, call.needs, call.sticky, call.without)
        call.pool = pool
        pool.held += 1
        self._empty.pop(pool, None)
        phones = pool.strategy.phones
        call.phones = call.queue.settings.ring_at_most if phones == "all" else 1

    def take(self, call: WaitingCall) -> None:
        """The call waits there no longer."""
        pool = call.pool
        pool.held -= 1
        if not pool.held and not pool.fixed:
            self._empty[pool] = None
            if len(self._empty) > KEEP_EMPTY:
                self._forget(next(iter(self._empty)))

    def of(self, queue: Queue, ring: int, needs: Needs, sticky: AgentName, without: AgentName = "") -> Pool:
        """The pool for calls of that ring and needs (of that agent alone when the ring is `STICKY`), without one agent
        if said."""
        wanted: Needs | AgentName | tuple[Needs, AgentName] = (needs, without) if without else needs
        key = (ring, sticky if ring == STICKY else wanted)
        pool = queue.classes.get(key)
        if pool is None:
            if ring == STICKY:
                pool = self._pool(queue.settings, (sticky,), ())
            else:
                minima = minima_of(queue, ring, needs)
                pool = self._pool(queue.settings, self._able(queue, ring, minima, without), minima)
            queue.classes[key] = pool
            pool.users.append((queue, key))
            if not pool.held and not pool.fixed:
                self._empty[pool] = None
        return pool

    def _able(self, queue: Queue, ring: int, minima: Needs, without: AgentName) -> tuple[AgentName, ...]:
        members = queue.rings[ring].agents
        if members is None:
            members = queue.settings.agents
        agents = self._agents
        return tuple(
            member
            for member in members
            if member != without
            and (agent := agents.get(member)) is not None
            and all(agent.settings.skills.get(skill, 0) >= least for skill, least in minima)
        )

    def _pool(self, settings: QueueSettings, members: tuple[AgentName, ...], minima: Needs) -> Pool:
        kind = self.types[settings.strategy]
        here = [name for name in dict.fromkeys(members) if (agent := self._agents.get(name)) and not agent.leaving]
        if not kind.ordered:
            here.sort()
        weights = (
            {name: settings.weights[name] for name in here if name in settings.weights} if settings.weights else {}
        )
        shares = settings.shares if kind.draws else {}
        key = (
            *(settings.strategy, tuple(here), minima, tuple(sorted(weights.items())), tuple(sorted(shares.items()))),
        )
        pool = self._by_key.get(key)
        if pool is None:
            pool = self._again(key, kind, here)
        if pool is None:
            ours = Crew({name: place for place, name in enumerate(here)}, tuple(skill for skill, _ in minima), shares)
            error = ""
            try:
                strategy = kind(ours)
            except Exception as fault:  # a user's own strategy may raise anything
                strategy, error = LongestIdle(ours), f"{type(fault).__name__}: {fault}"
            agents = [self._agents[name] for name in here]
            pool = Pool(key, agents, strategy, minima, weights, self.journal, self._dice, self._on_failure)
            if error:
                pool.give_up(error)
            self._by_key[key] = pool
            for agent in agents:
                agent.pools[pool] = None
        return pool

    def _again(self, key: tuple[object, ...], kind: type[Strategy], names: list[AgentName]) -> Pool | None:
        """The pool of before the settings changed, emptied, if it is the same: with 40,000 queues most of them are."""
        pool = self._before.get(key)
        if pool is None or type(pool.strategy) is not kind:
            return None
        if any(agent is not self._agents[name] for agent, name in zip(pool.agents, names, strict=True)):
            return None
        pool.reset()
        self._by_key[key] = pool
        for agent in pool.agents:
            agent.pools[pool] = None
        return pool

    def _forget(self, pool: Pool) -> None:
        del self._empty[pool]
        del self._by_key[pool.key]
        for agent in pool.agents:
            del agent.pools[pool]
        for queue, key in pool.users:
            if queue.classes.get(key) is pool:
                del queue.classes[key]


def crew(settings: QueueSettings) -> tuple[AgentName, ...]:
    """Everybody whom the queue may ever ring: its agents, and those of its rings."""
    if not settings.rings:
        return settings.agents
    return tuple(dict.fromkeys([*settings.agents, *(name for ring in settings.rings for name in ring.agents or ())]))


def minima_of(queue: Queue, ring: int, needs: Needs) -> Needs:
    """What an agent must be able to do for a call with `needs` in that ring: the larger of the queue's and the call's
    minimum; the ring's own stands in place of both."""
    own, ringed = queue.settings.needs, queue.rings[ring].skills
    if not own and not ringed:
        return needs
    least = dict(own)
    for skill, level in needs:
        least[skill] = max(level, least.get(skill, 0))
    least.update(ringed)
    return tuple(sorted((skill, level) for skill, level in least.items() if level > 0))
