"""Random shifts: whatever happens, in any order, the promises of the engine hold.

Issue 4: no call to two agents, no agent with two calls, nobody overtaken beyond the head starts, every call ends in
exactly one outcome, and the totals of the ledger equal the truth.
"""

from collections import Counter
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from softswitch.acd.engine import Engine
from softswitch.acd.model import (
    AcdEffect,
    AcdEvent,
    AgentLogin,
    AgentLogout,
    AgentPause,
    AgentReady,
    AgentState,
    Bridge,
    CallerLeft,
    CallQueued,
    DeviceBusy,
    DeviceReachable,
    Fact,
    Offer,
    OfferAnswered,
    OfferFailed,
    Overflow,
    QueueSettings,
    Reconfigured,
    Refuse,
    TalkEnded,
    Withdraw,
)
from softswitch.acd.stats import Totals

CREW = tuple(f"a{number}" for number in range(22))
AGENTS = frozenset(CREW)
QUEUES = {
    "gold": QueueSettings(agents=CREW[:3], priority=30.0, wrap_up=10.0, ring_seconds=15.0),
    "plain": QueueSettings(agents=CREW[1:5], max_wait=120.0, on_max_wait="play:sorry", max_length=6, max_no_answer=2),
    "big": QueueSettings(agents=CREW, ring_seconds=10.0, on_empty="play:closed", announce_position=30.0),
}
OTHER = {
    "gold": QueueSettings(agents=CREW[2:6], wrap_up=5.0, max_wait=200.0),
    "big": QueueSettings(agents=CREW[:18], priority=10.0, on_empty="play:closed"),
}
OUTCOMES = {"queue.answered", "queue.abandoned", "queue.overflowed", "queue.left"}

agents = st.sampled_from(CREW[:6])
any_agent = st.sampled_from(CREW)


class Centre(RuleBasedStateMachine):
    """The world beside the engine keeps its own books of what it was told, and compares."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.configured = QUEUES
        self.engine = Engine(QUEUES, CREW, self.now, Random(5))
        self.facts: list[Fact] = []
        self.totals = Totals()
        self.number = 0
        self.offers: dict[int, Offer] = {}
        self.over: list[int] = []
        self.talks: dict[str, str] = {}  # agent -> call
        self.rank: dict[str, float] = {}  # call in a queue -> rank
        self.queue: dict[str, str] = {}
        self.entered: dict[str, float] = {}
        self.waits: list[float] = []
        self.talk_since: dict[str, float] = {}
        self.talked = 0.0
        self.outcomes: Counter[str] = Counter()
        for agent in CREW[:4]:
            self.do(DeviceReachable(agent, True))
            self.do(AgentLogin(agent))

    def do(self, event: AcdEvent) -> None:
        self.take(self.engine.receive(event, self.now))

    def take(self, effects: list[AcdEffect]) -> None:
        for effect in effects:
            match effect:
                case Offer():
                    self.offered(effect)
                case Withdraw():
                    assert self.offers.pop(effect.offer).agent == effect.agent
                    self.over.append(effect.offer)
                case Bridge():
                    assert effect.agent not in self.talks, "an agent with two calls"
                    self.talks[effect.agent] = effect.call
                    self.talk_since[effect.agent] = self.now
                    self.waits.append(self.now - self.entered[effect.call])
                    self.gone(effect.call, "queue.answered")
                case Refuse():
                    assert effect.offer in self.over
                case Overflow():
                    self.gone(effect.call, "queue.overflowed")
                case Fact():
                    self.facts.append(effect)
                    self.totals.add(effect)

    def offered(self, offer: Offer) -> None:
        assert offer.offer not in self.offers
        assert offer.agent not in self.talks, "an offer to an agent who talks"
        assert offer.agent not in {other.agent for other in self.offers.values()}, "two offers to one agent"
        assert offer.call not in {other.call for other in self.offers.values()}, "a call offered to two agents"
        assert offer.agent in self.configured[offer.queue].agents
        taken = {other.call for other in self.offers.values()}
        for call, rank in self.rank.items():
            if call not in taken and call != offer.call and offer.agent in self.configured[self.queue[call]].agents:
                assert rank >= self.rank[offer.call], f"{call} was overtaken by {offer.call}"
        self.offers[offer.offer] = offer

    def gone(self, call: str, outcome: str) -> None:
        self.outcomes[outcome] += 1
        if call in self.rank:  # a refused one never waited
            del self.rank[call], self.queue[call], self.entered[call]

    # ------------------------------------------------------------------------------------------------- what happens

    @rule(queue=st.sampled_from(sorted(QUEUES)), head_start=st.sampled_from([0.0, 0.0, 20.0, 90.0]))
    def a_call_comes(self, queue: str, head_start: float) -> None:
        self.number += 1
        call = f"c{self.number}"
        known = queue in self.configured
        if known:
            self.rank[call] = self.now - self.configured[queue].priority - head_start
            self.queue[call] = queue
            self.entered[call] = self.now
        self.do(CallQueued(call, queue, head_start))
        if not known:
            self.outcomes["queue.overflowed"] -= 1  # refused without having entered

    @precondition(lambda self: self.rank)
    @rule(data=st.data(), reason=st.sampled_from(["abandoned", "transferred"]))
    def a_caller_leaves(self, data: st.DataObject, reason: str) -> None:
        call = data.draw(st.sampled_from(sorted(self.rank)))
        self.gone(call, "queue.abandoned" if reason == "abandoned" else "queue.left")
        self.do(CallerLeft(call, reason))
        assert call not in {offer.call for offer in self.offers.values()}, "a phone rings for a caller who left"

    @precondition(lambda self: self.offers)
    @rule(data=st.data())
    def a_phone_is_answered(self, data: st.DataObject) -> None:
        offer = data.draw(st.sampled_from(sorted(self.offers)))
        del self.offers[offer]
        before = len(self.talks)
        self.do(OfferAnswered(offer))
        assert len(self.talks) == before + 1

    @precondition(lambda self: self.over)
    @rule(data=st.data())
    def a_phone_is_answered_too_late(self, data: st.DataObject) -> None:
        before = dict(self.talks)
        self.do(OfferAnswered(data.draw(st.sampled_from(self.over))))
        assert self.talks == before

    @precondition(lambda self: self.offers)
    @rule(data=st.data(), cause=st.sampled_from(["busy", "rejected", "no-answer", "unreachable", "error"]))
    def an_offer_fails(self, data: st.DataObject, cause: str) -> None:
        offer = data.draw(st.sampled_from(sorted(self.offers)))
        del self.offers[offer]
        self.over.append(offer)
        self.do(OfferFailed(offer, cause))  # type: ignore[arg-type]

    @precondition(lambda self: self.talks)
    @rule(data=st.data())
    def a_conversation_ends(self, data: st.DataObject) -> None:
        agent = data.draw(st.sampled_from(sorted(self.talks)))
        call = self.talks.pop(agent)
        self.talked += self.now - self.talk_since.pop(agent)
        self.do(TalkEnded(call, agent))

    @rule(agent=any_agent)
    def log_in(self, agent: str) -> None:
        self.do(AgentLogin(agent))

    @rule(agent=agents)
    def log_out(self, agent: str) -> None:
        self.do(AgentLogout(agent))

    @rule(agent=agents, reason=st.sampled_from(["", "lunch"]))
    def pause(self, agent: str, reason: str) -> None:
        self.do(AgentPause(agent, reason))

    @rule(agent=agents)
    def ready(self, agent: str) -> None:
        self.do(AgentReady(agent))

    @rule(agent=any_agent, reachable=st.sampled_from([True, True, False]))
    def phone(self, agent: str, reachable: bool) -> None:
        self.do(DeviceReachable(agent, reachable))

    @rule(agent=agents, calls=st.integers(0, 2))
    def own_calls(self, agent: str, calls: int) -> None:
        self.do(DeviceBusy(agent, calls))

    @rule(seconds=st.sampled_from([0.0, 0.5, 3.0, 12.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        until = self.now + seconds
        while (due := self.engine.deadline()) is not None and due <= until:
            self.now = max(self.now, due)
            self.take(self.engine.wake(self.now))
        self.now = until

    @rule(seconds=st.sampled_from([5.0, 60.0]))
    def the_process_stalls(self, seconds: float) -> None:
        """Whatever was due meanwhile is served in one late step."""
        self.now += seconds
        self.take(self.engine.wake(self.now))

    @rule(other=st.booleans())
    def new_settings(self, other: bool) -> None:
        self.configured = OTHER if other else QUEUES
        self.do(Reconfigured(self.configured, AGENTS))
        self.take(self.engine.wake(self.now))  # a shorter max_wait may be over already

    # ------------------------------------------------------------------------------------------------- what must hold

    @invariant()
    def the_watchdog_finds_nothing(self) -> None:
        assert self.engine.check(self.now, self.rank.keys() | set(self.talks.values())) == []

    @invariant()
    def the_engine_waits_for_whom_the_world_waits(self) -> None:
        for name in self.configured:
            waiting = [view.call for view in self.engine.waiting(name, self.now)]
            assert sorted(waiting) == sorted(call for call, queue in self.queue.items() if queue == name)
            assert [self.rank[call] for call in waiting] == sorted(self.rank[call] for call in waiting)

    @invariant()
    def states_are_what_the_world_sees(self) -> None:
        ringing = {offer.agent for offer in self.offers.values()}
        for name in CREW:
            view = self.engine.agent_view(name, self.now)
            assert view is not None
            assert (view.state is AgentState.TALKING) is (name in self.talks)
            assert (view.state is AgentState.OFFERED) is (name in ringing)

    @invariant()
    def the_fold_equals_the_truth(self) -> None:
        queues = self.totals.queues.values()
        assert sum(queue.entered for queue in queues) == sum(self.outcomes.values()) + len(self.rank)
        assert sum(queue.answered for queue in queues) == self.outcomes["queue.answered"]
        assert sum(queue.abandoned for queue in queues) == self.outcomes["queue.abandoned"]
        assert sum(queue.left for queue in queues) == self.outcomes["queue.left"]
        assert sum(queue.overflowed.total() for queue in queues) == self.outcomes["queue.overflowed"]
        assert sum(queue.waiting for queue in queues) == len(self.rank)
        assert abs(sum(queue.answered_wait for queue in queues) - sum(self.waits)) < 1e-6
        assert abs(sum(agent.talk for agent in self.totals.agents.values()) - self.talked) < 1e-6

    def teardown(self) -> None:
        outcomes = Counter(fact.call for fact in self.facts if fact.kind in OUTCOMES)
        entered = Counter(fact.call for fact in self.facts if fact.kind == "queue.entered")
        assert all(count == 1 for count in outcomes.values()), "a call with two outcomes"
        assert all(count == 1 for count in entered.values())
        assert entered.keys() - outcomes.keys() == self.rank.keys()
        made = Counter(fact.data["offer"] for fact in self.facts if fact.kind == "offer.made")
        ends = {"queue.answered", "offer.failed", "offer.withdrawn"}
        ended = Counter(fact.data["offer"] for fact in self.facts if fact.kind in ends)
        assert made - ended == Counter(self.offers.keys())
        assert not ended - made
        assert [fact.at for fact in self.facts] == sorted(fact.at for fact in self.facts)


TestCentre = Centre.TestCase
TestCentre.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
