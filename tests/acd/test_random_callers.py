"""Random shifts of the callers' side: call-backs, dropped lines, agents who leave before a word, states that count as
somebody. Whatever happens: one attempt of a call-back at a time and one end, nobody jumps the line, every call has one
outcome, and the totals of the ledger equal the truth."""

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
    CallbackAsked,
    CallbackCancelled,
    CallbackEnded,
    CallbackFailed,
    CallbackReached,
    CallbackSettings,
    CallerLeft,
    CallQueued,
    CallReturned,
    DeviceReachable,
    Fact,
    Offer,
    OfferAnswered,
    OfferFailed,
    Overflow,
    QueueSettings,
    Reconfigured,
    Ring,
    TalkEnded,
    Withdraw,
)
from softswitch.acd.stats import Totals

CREW = ("a0", "a1", "a2", "a3")
NUMBERS = ("+3701", "+3702", "+3703")
HERE = (AgentState.READY, AgentState.OFFERED, AgentState.TALKING, AgentState.WRAP_UP, AgentState.RESTING)
COMMON = {"ring_seconds": 15.0, "resume_seconds": 60.0, "announce_position": 20.0, "announce_estimate": True}
QUEUES = {
    "agent": QueueSettings(
        agents=CREW[:3], callback=CallbackSettings(attempts=2, pause=30.0, expire=400.0), max_estimate=900.0, **COMMON
    ),
    "customer": QueueSettings(
        agents=CREW[1:], callback=CallbackSettings(first="customer", pause=20.0), join_when=HERE, leave_when=HERE,
        on_empty="play:closed", rings=(Ring(), Ring(after=90.0, to="voicemail:box")), **COMMON,
    ),
}  # fmt: skip
OTHER = {"agent": QueueSettings(agents=CREW[:2], callback=CallbackSettings(first="customer"), **COMMON)}
ENDS = {"callback.connected", "callback.cancelled", "callback.expired", "callback.failed"}
OUTCOMES = {"queue.answered", "queue.abandoned", "queue.overflowed", "queue.left"}


class Callers(RuleBasedStateMachine):
    """The world keeps what it was told: offers that live, attempts that were joined with an agent."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.configured = QUEUES
        self.engine = Engine(QUEUES, CREW, self.now, Random(3))
        self.facts: list[Fact] = []
        self.totals = Totals()
        self.number = 0
        self.offers: dict[int, Offer] = {}
        self.talks: dict[str, tuple[str, str]] = {}  # call -> agent, callback that has not been reached yet
        for agent in CREW[:3]:
            self.do(DeviceReachable(agent, True))
            self.do(AgentLogin(agent))

    def do(self, event: AcdEvent) -> None:
        self.take(self.engine.receive(event, self.now))

    def take(self, effects: list[AcdEffect]) -> None:
        made = []
        for effect in effects:
            match effect:
                case Offer():
                    assert effect.agent not in {offer.agent for offer in self.offers.values()}
                    assert effect.call not in {offer.call for offer in self.offers.values()}
                    self.offers[effect.offer] = effect
                    made.append(effect)
                case Withdraw(offer):
                    del self.offers[offer]
                case Bridge():
                    wanted = [view for view in self.engine.callbacks(self.now) if view.call == effect.call]
                    self.talks[effect.call] = (effect.agent, wanted[0].callback if wanted else "")
                case CallbackEnded(call):
                    self.talks.pop(call, None)
                case Overflow():
                    pass
                case Fact():
                    self.facts.append(effect)
                    self.totals.add(effect)
        ringing = {offer.call for offer in self.offers.values()}
        for offer in made:
            if offer.offer in self.offers:
                waiting = {view.call: view for view in self.engine.waiting(offer.queue, self.now)}
                if offer.call in waiting:
                    first = min((view.rank for call, view in waiting.items() if call not in ringing), default=1e18)
                    assert waiting[offer.call].rank <= first, "somebody was overtaken"

    def waiting(self) -> list[str]:
        return [
            view.call for name in self.configured for view in self.engine.waiting(name, self.now) if not view.callback
        ]

    @rule(queue=st.sampled_from(sorted(QUEUES)), number=st.sampled_from(NUMBERS), known=st.booleans())
    def a_call_comes(self, queue: str, number: str, known: bool) -> None:
        if queue in self.configured:
            self.number += 1
            self.do(CallQueued(f"c{self.number}", queue, caller=number, known=known))

    @precondition(lambda self: self.waiting())
    @rule(data=st.data(), why=st.sampled_from(["abandoned", "abandoned", "key"]))
    def a_caller_leaves(self, data: st.DataObject, why: str) -> None:
        self.do(CallerLeft(data.draw(st.sampled_from(self.waiting())), why))

    @precondition(lambda self: self.waiting())
    @rule(data=st.data(), number=st.sampled_from(NUMBERS))
    def a_caller_asks_to_be_called_back(self, data: st.DataObject, number: str) -> None:
        call = data.draw(st.sampled_from(self.waiting()))
        queue = next(
            name for name in self.configured for view in self.engine.waiting(name, self.now) if view.call == call
        )
        self.number += 1
        self.do(CallbackAsked(f"cb{self.number}", queue, number, "trunk:carrier", call))
        assert call not in self.waiting()

    @rule(
        queue=st.sampled_from(sorted(QUEUES)), number=st.sampled_from(NUMBERS), head_start=st.sampled_from([0.0, 50.0])
    )
    def a_program_asks(self, queue: str, number: str, head_start: float) -> None:
        self.number += 1
        self.do(CallbackAsked(f"cb{self.number}", queue, number, "trunk:carrier", by="crm", head_start=head_start))

    @precondition(lambda self: self.engine.callbacks(self.now))
    @rule(data=st.data())
    def it_is_cancelled(self, data: st.DataObject) -> None:
        view = data.draw(st.sampled_from(self.engine.callbacks(self.now)))
        self.do(CallbackCancelled(view.callback))

    def under_way(self) -> list[str]:
        """Attempts whose customer is being called: an agent is there, or reserved."""
        first = {name: own.callback.first for name, own in self.configured.items() if own.callback}
        reserved = [offer.call for offer in self.offers.values() if offer.callback and first[offer.queue] == "customer"]
        alive = {view.call for view in self.engine.callbacks(self.now)}
        return [call for call in (*reserved, *(c for c, (_, cb) in self.talks.items() if cb)) if call in alive]

    @precondition(lambda self: self.under_way())
    @rule(data=st.data())
    def the_customer_answers(self, data: st.DataObject) -> None:
        call = data.draw(st.sampled_from(self.under_way()))
        self.do(CallbackReached(call))
        if call in self.talks:
            self.talks[call] = (self.talks[call][0], "")

    @precondition(lambda self: self.under_way())
    @rule(data=st.data(), cause=st.sampled_from(["busy", "no-answer", "failed", "agent", "closed", "stopped"]))
    def the_customer_is_not_reached(self, data: st.DataObject, cause: str) -> None:
        call = data.draw(st.sampled_from(self.under_way()))
        self.talks.pop(call, None)
        self.do(CallbackFailed(call, cause))

    @precondition(lambda self: self.offers)
    @rule(data=st.data())
    def a_phone_is_answered(self, data: st.DataObject) -> None:
        offer = data.draw(st.sampled_from(sorted(self.offers)))
        self.offers.pop(offer)
        self.do(OfferAnswered(offer))

    @precondition(lambda self: self.offers)
    @rule(data=st.data(), cause=st.sampled_from(["busy", "rejected", "unreachable"]))
    def an_offer_fails(self, data: st.DataObject, cause: str) -> None:
        offer = data.draw(st.sampled_from(sorted(self.offers)))
        del self.offers[offer]
        self.do(OfferFailed(offer, cause))  # type: ignore[arg-type]

    @precondition(lambda self: any(not callback for _, callback in self.talks.values()))
    @rule(data=st.data(), early=st.booleans())
    def a_talk_ends(self, data: st.DataObject, early: bool) -> None:
        """Or the agent leaves before a word, if it was not a call-back, whose agent has talked with the customer."""
        calls = sorted(call for call, (_, callback) in self.talks.items() if not callback)
        call = data.draw(st.sampled_from(calls))
        agent, _ = self.talks.pop(call)
        if early and not call.startswith("cb"):
            self.do(CallReturned(call, agent))
        else:
            self.do(TalkEnded(call, agent))

    @rule(
        agent=st.sampled_from(CREW), verb=st.sampled_from([AgentLogin, AgentLogout, AgentPause, AgentReady, AgentReady])
    )
    def an_agent_says(self, agent: str, verb: type) -> None:
        self.do(verb(agent))

    @rule(agent=st.sampled_from(CREW), reachable=st.sampled_from([True, True, False]))
    def a_phone(self, agent: str, reachable: bool) -> None:
        self.do(DeviceReachable(agent, reachable))

    @rule(seconds=st.sampled_from([0.5, 3.0, 15.0, 45.0, 200.0]))
    def time_passes(self, seconds: float) -> None:
        until = self.now + seconds
        while (due := self.engine.deadline()) is not None and due <= until:
            self.now = max(self.now, due)
            self.take(self.engine.wake(self.now))
        self.now = until

    @rule(other=st.booleans())
    def new_settings(self, other: bool) -> None:
        self.configured = OTHER if other else QUEUES
        self.do(Reconfigured(self.configured, frozenset(CREW)))

    @rule()
    def the_switch_starts_anew(self) -> None:
        """Lines are lost, call-backs are not: each has its place again, by the ledger alone."""
        before = {view.callback: view for view in self.engine.callbacks(self.now)}
        other = Engine(self.configured, CREW, self.now, Random(4))
        other.restore_callbacks(self.facts, self.now)
        after = {view.callback: view for view in other.callbacks(self.now)}
        assert after.keys() == {name for name, view in before.items() if view.expires > self.now}
        assert all(view.attempts == before[name].attempts for name, view in after.items())
        assert other.check(self.now) == []

    @invariant()
    def the_watchdog_finds_nothing(self) -> None:
        assert self.engine.check(self.now, {*self.waiting(), *self.talks}) == []

    @invariant()
    def one_attempt_and_one_end(self) -> None:
        views = self.engine.callbacks(self.now)
        calls = Counter(view.call for view in views if view.call)
        assert all(count == 1 for count in calls.values())
        assert len({(view.queue, view.number) for view in views}) == len(views), "a number is to be called back twice"
        asked = Counter(fact.data["callback"] for fact in self.facts if fact.kind == "callback.asked")
        ended = Counter(fact.data["callback"] for fact in self.facts if fact.kind in ENDS)
        assert all(count == 1 for count in (*asked.values(), *ended.values()))
        assert asked.keys() - ended.keys() == {view.callback for view in views}

    @invariant()
    def the_fold_equals_the_truth(self) -> None:
        queues = self.totals.queues.values()
        assert sum(queue.waiting for queue in queues) == len(self.waiting())
        assert all(queue.entered >= 0 and queue.abandoned >= 0 and queue.answered >= 0 for queue in queues)
        for name in self.configured:
            view = self.engine.queue_view(name, self.now)
            assert view is not None
            assert view.waiting == self.totals.queue(name).waiting

    def teardown(self) -> None:
        entered = Counter(fact.call for fact in self.facts if fact.kind == "queue.entered")
        outcomes = Counter(fact.call for fact in self.facts if fact.kind in OUTCOMES)
        outcomes.subtract(Counter(fact.call for fact in self.facts if fact.kind == "queue.returned"))
        assert all(count == 1 for count in entered.values())
        assert all(0 <= count <= 1 for count in outcomes.values())
        assert {call for call in entered if not outcomes[call]} == set(self.waiting())


TestCallers = Callers.TestCase
TestCallers.settings = settings(max_examples=80, stateful_step_count=60, deadline=None)
