"""Random shifts: whatever happens, in any order, the promises of the engine hold.

Issue 4: no call to two agents, no agent with more calls than the capacity, nobody overtaken beyond the head starts and
weights, every call ends in exactly one outcome, and the totals of the ledger equal the truth.
"""

from collections import Counter
from dataclasses import replace
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
    AgentOutcome,
    AgentPause,
    AgentReady,
    AgentSettings,
    AgentState,
    AgentWrapUp,
    AutoPause,
    BackOff,
    Bridge,
    CallerLeft,
    CallPrioritised,
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
    Ring,
    ServiceLevel,
    TalkEnded,
    Withdraw,
)
from softswitch.acd.stats import Totals

CREW = tuple(f"a{number}" for number in range(22))
SKILLS = ({"x": 90}, {"x": 50, "y": 80}, {"y": 30}, {"x": 70, "y": 70}, {}, {"x": 20})
AGENTS = {
    name: AgentSettings(skills=SKILLS[number % 6], capacity=1 + (number % 5 == 1), max_ring=8.0 * (number % 4 == 3))
    for number, name in enumerate(CREW)
}
TODAY = AGENTS | {"a2": replace(AGENTS["a2"], skills={"x": 60}, capacity=2), "a1": replace(AGENTS["a1"], capacity=1)}
QUEUES = {
    "gold": QueueSettings(
        agents=CREW[:3],
        priority=30.0,
        wrap_up=10.0,
        ring_seconds=15.0,
        rings=(Ring(skills={"x": 60}), Ring(after=12, skills={"x": 0}), Ring(after=45, agents=CREW[:6])),
        weights={"a1": 40.0},
        sticky_seconds=10.0,
    ),
    "plain": QueueSettings(agents=CREW[1:5], max_wait=120.0, on_max_wait="play:sorry", max_length=6, max_no_answer=2),
    "big": QueueSettings(agents=CREW, ring_seconds=10.0, on_empty="play:closed", announce_position=30.0),
    "all": QueueSettings(agents=CREW[:5], strategy="ring-all", ring_at_most=3, back_off=BackOff(busy=20.0)),
}
OTHER = {
    "gold": QueueSettings(agents=CREW[2:6], wrap_up=5.0, max_wait=200.0, strategy="round-robin", needs={"x": 10}),
    "big": QueueSettings(
        agents=CREW[:18],
        priority=10.0,
        on_empty="play:closed",
        order="deadline",
        service_level=ServiceLevel(seconds=40.0),
        strategy="random",
        auto_pause=AutoPause(rejected=2),
    ),
    "all": QueueSettings(
        agents=CREW[:4],
        strategy="ring-progressively",
        ring_step=4.0,
        ring_at_most=2,
        rings=(Ring(), Ring(after=20, agents=CREW[:8])),
    ),
}
OUTCOMES = {"queue.answered", "queue.abandoned", "queue.overflowed", "queue.left"}
NEEDS = ((), (), (("x", 60),), (("y", 50),), (("x", 40), ("y", 40)))

agents = st.sampled_from(CREW[:6])
any_agent = st.sampled_from(CREW)


class Centre(RuleBasedStateMachine):
    """The world beside the engine keeps its own books of what it was told, and compares."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.configured = QUEUES
        self.people = AGENTS
        self.engine = Engine(QUEUES, AGENTS, self.now, Random(5))
        self.facts: list[Fact] = []
        self.totals = Totals()
        self.number = 0
        self.offers: dict[int, Offer] = {}
        self.made: list[Offer] = []  # in the running step
        self.over: list[int] = []
        self.talks: dict[str, list[str]] = {name: [] for name in CREW}  # agent -> calls
        self.rank: dict[str, float] = {}  # call in a queue -> rank
        self.queue: dict[str, str] = {}
        self.needs: dict[str, tuple[tuple[str, int], ...]] = {}
        self.sticky: dict[str, tuple[str, float]] = {}  # call -> agent, until
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
        self.made = []
        for effect in effects:
            match effect:
                case Offer():
                    self.offered(effect)
                case Withdraw():
                    assert self.offers.pop(effect.offer).agent == effect.agent
                    self.over.append(effect.offer)
                case Bridge():
                    self.talks[effect.agent].append(effect.call)
                    self.talk_since[effect.call] = self.now
                    self.waits.append(self.now - self.entered[effect.call])
                    self.gone(effect.call, "queue.answered")
                case Refuse():
                    assert effect.offer in self.over
                case Overflow():
                    self.gone(effect.call, "queue.overflowed")
                case Fact():
                    self.facts.append(effect)
                    self.totals.add(effect)
        self.nobody_was_overtaken()

    def offered(self, offer: Offer) -> None:
        queue = self.configured[offer.queue]
        assert offer.offer not in self.offers
        assert len(self.talks[offer.agent]) < self.people[offer.agent].capacity, "an offer beyond the capacity"
        assert offer.agent not in {other.agent for other in self.offers.values()}, "two offers to one agent"
        phones = sum(other.call == offer.call for other in self.offers.values())
        assert phones < (queue.ring_at_most if queue.strategy.startswith("ring-") else 1), "too many phones for a call"
        assert self.may(offer.agent, offer.call), "an agent without the skill"
        self.offers[offer.offer] = offer
        self.made.append(offer)

    def may(self, agent: str, call: str) -> bool:
        """Whether the call may ring that agent now, by its ring, needs and sticky agent."""
        queue = self.configured[self.queue[call]]
        sticky, until = self.sticky.get(call, ("", 0.0))
        if sticky and self.now < until and self.view(sticky).logged_in:
            return agent == sticky
        waited = self.now - self.entered[call] + 1e-6
        open_rings = [ring for ring in queue.rings if waited >= ring.after]
        ring = open_rings[-1] if open_rings else Ring()
        least = dict(queue.needs)
        for skill, level in self.needs[call]:
            least[skill] = max(level, least.get(skill, 0))
        least |= ring.skills
        members = queue.agents if ring.agents is None else ring.agents
        skills = self.people[agent].skills
        return agent in members and all(skills.get(skill, 0) >= level for skill, level in least.items())

    def nobody_was_overtaken(self) -> None:
        """Whoever was rung in this step got the first of the calls that wait, as the agent's weights see them."""
        ringing = {offer.call for offer in self.offers.values()}
        for offer in self.made:
            if offer.call not in self.rank:
                continue
            mine = self.rank[offer.call] - self.configured[offer.queue].weights.get(offer.agent, 0.0)
            for call, rank in self.rank.items():
                if call not in ringing and self.may(offer.agent, call):
                    weight = self.configured[self.queue[call]].weights.get(offer.agent, 0.0)
                    assert rank - weight >= mine, f"{call} was overtaken by {offer.call}"

    def gone(self, call: str, outcome: str) -> None:
        self.outcomes[outcome] += 1
        if call in self.rank:  # a refused one never waited
            del self.rank[call], self.queue[call], self.entered[call], self.needs[call]
            self.sticky.pop(call, None)

    def view(self, agent: str):  # type: ignore[no-untyped-def]  # an AgentView, never None
        view = self.engine.agent_view(agent, self.now)
        assert view is not None
        return view

    # ------------------------------------------------------------------------------------------------- what happens

    @rule(
        queue=st.sampled_from(sorted(QUEUES)),
        head_start=st.sampled_from([0.0, 0.0, 20.0, 90.0]),
        needs=st.sampled_from(NEEDS),
        sticky=st.sampled_from(["", "", "a0", "a2", "a9"]),
    )
    def a_call_comes(self, queue: str, head_start: float, needs: tuple[tuple[str, int], ...], sticky: str) -> None:
        self.number += 1
        call = f"c{self.number}"
        known = self.configured.get(queue)
        if known is not None:
            early = -known.service_level.seconds if known.order == "deadline" else known.priority
            self.rank[call] = self.now - early - head_start
            self.queue[call] = queue
            self.entered[call] = self.now
            self.needs[call] = needs
            crew = {*known.agents, *(name for ring in known.rings for name in ring.agents or ())}
            if sticky in crew and self.view(sticky).logged_in:
                self.sticky[call] = (sticky, self.now + 10.0)
        self.do(CallQueued(call, queue, head_start, needs=needs, sticky=sticky, sticky_seconds=10.0))
        if known is None:
            self.outcomes["queue.overflowed"] -= 1  # refused without having entered

    @precondition(lambda self: self.rank)
    @rule(data=st.data(), seconds=st.sampled_from([30.0, 90.0, -45.0]))
    def a_call_is_prioritised(self, data: st.DataObject, seconds: float) -> None:
        call = data.draw(st.sampled_from(sorted(self.rank)))
        self.rank[call] -= seconds
        self.do(CallPrioritised(call, seconds, "carol"))

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
        answered = self.offers.pop(offer)
        self.over.append(offer)
        self.do(OfferAnswered(offer))
        assert answered.call in self.talks[answered.agent]
        assert sum(answered.call in calls for calls in self.talks.values()) == 1, "two agents answer one call"
        assert answered.call not in {other.call for other in self.offers.values()}, "a phone rings on"

    @precondition(lambda self: self.over)
    @rule(data=st.data())
    def a_phone_is_answered_too_late(self, data: st.DataObject) -> None:
        before = {name: list(calls) for name, calls in self.talks.items()}
        self.do(OfferAnswered(data.draw(st.sampled_from(self.over))))
        assert self.talks == before

    @precondition(lambda self: self.offers)
    @rule(data=st.data(), cause=st.sampled_from(["busy", "rejected", "no-answer", "unreachable", "error"]))
    def an_offer_fails(self, data: st.DataObject, cause: str) -> None:
        offer = data.draw(st.sampled_from(sorted(self.offers)))
        del self.offers[offer]
        self.over.append(offer)
        self.do(OfferFailed(offer, cause))  # type: ignore[arg-type]

    @precondition(lambda self: any(self.talks.values()))
    @rule(data=st.data())
    def a_conversation_ends(self, data: st.DataObject) -> None:
        agent, call = data.draw(st.sampled_from(sorted((name, call) for name, on in self.talks.items() for call in on)))
        self.talks[agent].remove(call)
        self.talked += self.now - self.talk_since.pop(call)
        self.do(TalkEnded(call, agent))

    @rule(agent=any_agent)
    def log_in(self, agent: str) -> None:
        self.do(AgentLogin(agent))

    @rule(agent=agents)
    def log_out(self, agent: str) -> None:
        for call in [call for call, (sticky, _) in self.sticky.items() if sticky == agent]:
            del self.sticky[call]  # for good, even if the agent comes back in time
        self.do(AgentLogout(agent))

    @rule(agent=agents, reason=st.sampled_from(["", "lunch"]))
    def pause(self, agent: str, reason: str) -> None:
        self.do(AgentPause(agent, reason))

    @rule(agent=agents)
    def ready(self, agent: str) -> None:
        self.do(AgentReady(agent))

    @rule(agent=agents, seconds=st.sampled_from([0.0, 3.0, 60.0]))
    def wrap_up(self, agent: str, seconds: float) -> None:
        self.do(AgentWrapUp(agent, seconds))

    @rule(agent=agents, code=st.sampled_from(["sold", "lost"]))
    def outcome(self, agent: str, code: str) -> None:
        self.do(AgentOutcome(agent, "", code))

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

    @rule(other=st.booleans(), today=st.booleans())
    def new_settings(self, other: bool, today: bool) -> None:
        self.configured = OTHER if other else QUEUES
        self.people = TODAY if today else AGENTS
        for call, (sticky, _) in list(self.sticky.items()):
            known = self.configured.get(self.queue[call])
            crew = known and {*known.agents, *(name for ring in known.rings for name in ring.agents or ())}
            if not crew or sticky not in crew:
                del self.sticky[call]
        self.do(Reconfigured(self.configured, self.people))
        self.take(self.engine.wake(self.now))  # a shorter max_wait may be over already

    # ------------------------------------------------------------------------------------------------- what must hold

    @invariant()
    def the_watchdog_finds_nothing(self) -> None:
        assert self.engine.check(self.now, self.rank.keys() | {call for on in self.talks.values() for call in on}) == []

    @invariant()
    def the_engine_waits_for_whom_the_world_waits(self) -> None:
        for name in self.configured:
            waiting = [view.call for view in self.engine.waiting(name, self.now)]
            assert sorted(waiting) == sorted(call for call, queue in self.queue.items() if queue == name)
            assert [self.rank[call] for call in waiting] == sorted(self.rank[call] for call in waiting)

    @invariant()
    def nobody_idles_beside_a_caller(self) -> None:
        ringing = {offer.call for offer in self.offers.values()}
        idle = [name for name in CREW if self.view(name).available]
        for call in self.rank.keys() - ringing:
            assert not any(self.may(agent, call) for agent in idle), f"{call} waits beside an idle agent"

    @invariant()
    def why_agrees(self) -> None:
        """Of the first and the last caller: every agent has a reason, and none is to be free for it."""
        ringing = {offer.call for offer in self.offers.values()}
        for call in {*list(self.rank)[:1], *list(self.rank)[-1:]}:
            story = self.engine.why_call(call, self.now)[-1]
            assert story.waiting
            assert self.engine.position(call) == story.position
            assert ("ringing" in story.reasons) is (call in ringing)
            assert "next" not in story.reasons
            for skip in [skip for skip in story.skipped if skip.reason != "ringing"]:
                assert (skip.reason in ("skill", "not-in-ring", "sticky")) is not self.may(skip.agent, call)
        for agent in CREW[:2]:
            told = self.engine.why_agent(agent, self.now)
            assert told is not None
            assert len(told.waiting) <= len(self.rank)

    @invariant()
    def states_are_what_the_world_sees(self) -> None:
        ringing = {offer.agent for offer in self.offers.values()}
        for name in CREW:
            view = self.view(name)
            assert (view.state is AgentState.TALKING) is bool(self.talks[name])
            assert sorted(view.calls) == sorted(self.talks[name])
            assert view.state is AgentState.OFFERED or (name not in ringing or self.talks[name])
            assert not (name in ringing and view.available)

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
