"""A shift on virtual time: an engine, its clock, and what the world outside does with its effects.

After every step the watchdog must find nothing.
"""

from collections.abc import Mapping
from random import Random
from typing import TypeVar

from softswitch.acd.engine import Engine
from softswitch.acd.model import (
    DEFAULT_ACD,
    AcdEffect,
    AcdEvent,
    AcdSettings,
    AgentLogin,
    AgentLogout,
    AgentName,
    AgentPause,
    AgentReady,
    AgentSettings,
    AgentState,
    Announce,
    Bridge,
    CallerLeft,
    CallQueued,
    DeviceReachable,
    Fact,
    Offer,
    OfferAnswered,
    OfferFailed,
    Overflow,
    QueueSettings,
    Refuse,
    TalkEnded,
    Withdraw,
)
from softswitch.acd.strategies import FindStrategy, built_in

Effect = TypeVar("Effect", Offer, Withdraw, Bridge, Refuse, Announce, Overflow)

START = 1_000_000.0


class Shift:
    """`queues` default to one, `support`, served by all with `settings`. Agents are ready unless
    `ready=False`. `log` holds every effect with its step's time."""

    def __init__(
        self,
        *names: AgentName,
        queues: dict[str, QueueSettings] | None = None,
        agents: Mapping[AgentName, AgentSettings] | None = None,
        ready: bool = True,
        acd: AcdSettings = DEFAULT_ACD,
        find_strategy: FindStrategy = built_in,
        **settings: object,
    ) -> None:
        if queues is None:
            queues = {"support": QueueSettings(agents=names, **settings)}  # type: ignore[arg-type]
        self.now = START
        self.engine = Engine(queues, agents or names, self.now, Random(7), acd, find_strategy)
        self.log: list[tuple[float, AcdEffect]] = []
        self.facts: list[Fact] = []
        self.ringing: dict[AgentName, Offer] = {}
        for agent in names if ready else ():
            self.do(DeviceReachable(agent, True))
            self.login(agent)

    def take(self, effects: list[AcdEffect]) -> list[AcdEffect]:
        """Note the effects as the world would."""
        for effect in effects:
            self.log.append((self.now, effect))
            match effect:
                case Offer():
                    assert effect.agent not in self.ringing, "an agent's phone rings twice"
                    self.ringing[effect.agent] = effect
                case Withdraw():
                    del self.ringing[effect.agent]
                case Fact():
                    self.facts.append(effect)
        assert self.engine.check(self.now) == []
        return effects

    def do(self, event: AcdEvent) -> list[AcdEffect]:
        return self.take(self.engine.receive(event, self.now))

    def after(self, seconds: float) -> list[AcdEffect]:
        """Let time pass, waking the engine at each of its deadlines."""
        until = self.now + seconds
        effects = []
        while (due := self.engine.deadline()) is not None and due <= until:
            self.now = max(self.now, due)
            effects += self.take(self.engine.wake(self.now))
        self.now = until
        return effects

    def call(
        self, call: str, queue: str = "support", head_start: float = 0.0, arrived: float | None = None
    ) -> list[AcdEffect]:
        return self.do(CallQueued(call, queue, head_start, arrived))

    def leave(self, call: str, reason: str = "abandoned") -> list[AcdEffect]:
        return self.do(CallerLeft(call, reason))

    def answer(self, agent: AgentName) -> list[AcdEffect]:
        return self.do(OfferAnswered(self.ringing.pop(agent).offer))

    def fail(self, agent: AgentName, cause: str) -> list[AcdEffect]:
        return self.do(OfferFailed(self.ringing.pop(agent).offer, cause))  # type: ignore[arg-type]

    def end(self, call: str, agent: AgentName) -> list[AcdEffect]:
        return self.do(TalkEnded(call, agent))

    def login(self, agent: AgentName) -> list[AcdEffect]:
        return self.do(AgentLogin(agent))

    def logout(self, agent: AgentName) -> list[AcdEffect]:
        return self.do(AgentLogout(agent))

    def pause(self, agent: AgentName, reason: str = "") -> list[AcdEffect]:
        return self.do(AgentPause(agent, reason))

    def ready(self, agent: AgentName) -> list[AcdEffect]:
        return self.do(AgentReady(agent))

    def talk(self, call: str, agent: AgentName, seconds: float, queue: str = "support") -> None:
        """A whole conversation that `agent` must get."""
        self.call(call, queue)
        self.answer(agent)
        self.after(seconds)
        self.end(call, agent)

    def state(self, agent: AgentName) -> AgentState:
        view = self.engine.agent_view(agent, self.now)
        assert view is not None
        return view.state

    def reason(self, agent: AgentName) -> str:
        view = self.engine.agent_view(agent, self.now)
        assert view is not None
        return view.reason

    def order(self, queue: str = "support") -> list[str]:
        return [waiting.call for waiting in self.engine.waiting(queue, self.now)]

    def kinds(self, call: str = "") -> list[str]:
        """The ledger of one call, or of everything but agents' states."""
        return [fact.kind for fact in self.facts if (fact.call == call if call else not fact.kind.startswith("agent."))]

    def last(self, kind: str) -> Fact:
        return [fact for fact in self.facts if fact.kind == kind][-1]


def only(effects: list[AcdEffect], kind: type[Effect]) -> list[Effect]:
    """The effects of one kind."""
    return [effect for effect in effects if isinstance(effect, kind)]
