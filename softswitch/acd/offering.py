"""Offers: an agent's phone rings for a call until it is answered, fails, or is withdrawn. Each ends exactly once."""

from softswitch.acd import wrapping
from softswitch.acd.agent import Agent, Rest, Ringing, Talking
from softswitch.acd.model import (
    AgentName,
    BackOff,
    Bridge,
    CallId,
    CallPickedUp,
    Offer,
    OfferAnswered,
    OfferFailed,
    OfferId,
    QueueSettings,
    Refuse,
    Withdraw,
)
from softswitch.acd.offers import Tried
from softswitch.acd.queue import WaitingCall
from softswitch.acd.state import MORE_PHONES, REST, RING, State
from softswitch.kernel.clock import Duration, Instant

NO_ANSWER = "no-answer"
UNREACHABLE = "unreachable"
ELSEWHERE = "answered-elsewhere"

_REMEMBER: Duration = 64.0  # an answer that crossed our CANCEL comes within 64·T1 (RFC 3261 §17.1.1.2), doubled
_MIN_REST: Duration = 1.0  # a phone that refuses at once would otherwise be rung as fast as the network goes
_TRIED = 49  # offers before the last that are remembered of a call
_END_OF_LINE = frozenset((NO_ANSWER, "rejected"))


def pick_up_refusal(state: State, call_id: CallId, name: AgentName) -> str:
    """Why the agent cannot have a call that rings for another; empty when it can."""
    call, agent = state.calls.get(call_id), state.agents.get(name)
    if call is None or not call.offers or call.callback is not None:
        return "it rings for nobody"
    if agent is None or not agent.logged_in or call.queue.name not in agent.queues:
        return "the agent does not serve the queue"
    if agent.offer is not None:
        return "another call rings for the agent"
    return "no room for one more" if len(agent.talks) >= agent.settings.capacity else ""


def picked_up(state: State, event: CallPickedUp, at: Instant) -> None:
    """An offer that is answered as it is made; the others of the call are withdrawn, and a wrap-up ends when there is
    no room for both."""
    why = pick_up_refusal(state, event.call, event.agent)
    if why:
        state.ignored(event, why, at)
        return
    agent = state.agents[event.agent]
    if len(agent.talks) + len(agent.wrap_ups) >= agent.settings.capacity:
        wrapping.end(state, agent, "call", at)
    offer = make(state, state.calls[event.call], agent, at, rings=False)
    answered(state, OfferAnswered(offer), at)


def make(state: State, call: WaitingCall, agent: Agent, at: Instant, *, rings: bool = True) -> OfferId:
    """Ring `agent` for `call`, beside those that ring for it already; not `rings`: it has answered."""
    offer = state.next_offer
    state.next_offer += 1
    tried = Tried(offer, call.call, call.queue.name, agent.name, at, call.ring)
    ringing = Ringing(offer, call, agent, at, tried)
    call.tried = (*call.tried[-_TRIED:], tried)
    agent.tried.append(tried)
    state.offers[offer] = ringing
    first = not call.offers
    call.offers = (*call.offers, ringing)
    agent.offer = ringing
    queue, pool = call.queue, call.pool
    ring_seconds = ring_time(queue.settings, agent)
    wanted, rules = call.callback, queue.settings.callback
    if ring_seconds:
        before = rules.ring_seconds if wanted is not None and rules is not None and rules.first == "customer" else 0.0
        state.deadlines.set((RING, offer), at + before + ring_seconds)
    auto_answer, id = agent.settings.auto_answer, "" if wanted is None else wanted.callback
    if rings:
        state.out.append(Offer(offer, call.call, queue.name, agent.name, ring_seconds, auto_answer, id))
    state.fact("offer.made", at, call.call, queue.name, agent.name, offer=offer, waited=at - call.entered)
    pool.offered(agent, offer)
    if first:
        arm_more(state, call, at)
    state.publish(agent, at)
    return offer


def arm_more(state: State, call: WaitingCall, at: Instant) -> None:
    """One phone more is to ring after a step, when the strategy is such; the step that runs goes on."""
    settings, key = call.queue.settings, (MORE_PHONES, call.call)
    if not call.offers or call.pool.strategy.phones != "more" or call.phones >= settings.ring_at_most:
        state.deadlines.cancel(key)
    elif state.deadlines.get(key) is None:
        state.deadlines.set(key, at + max(settings.ring_step, 1.0))


def ring_time(settings: QueueSettings, agent: Agent) -> Duration:
    """How long the agent's phone may ring: the queue's seconds, or the agent's when those are fewer; 0: no limit."""
    most = agent.settings.max_ring
    return min(settings.ring_seconds, most) if settings.ring_seconds and most else settings.ring_seconds or most


def answered(state: State, event: OfferAnswered, at: Instant) -> None:
    """The claim: a live offer becomes a conversation, and the other phones of the call stop ringing; an offer that
    ended is refused."""
    ringing = state.offers.get(event.offer)
    if ringing is None:
        agent_name, taken = state.past_offers.get(event.offer, ("", False))
        if taken:
            state.ignored(event, "the offer was answered already", at)
        else:
            state.out.append(Refuse(event.offer, agent_name))
            state.fact("offer.refused", at, agent=agent_name, offer=event.offer)
        return
    call, agent = ringing.call, ringing.agent
    _end(state, ringing, "answered", at, taken=True)
    state.remove_call(call, "answered", at)
    queue = call.queue
    agent.talks[call.call] = Talking(call.call, queue.name, at, call)
    agent.failures.clear()
    agent.calls += 1
    agent.touched = True
    waited, rang = at - call.entered, at - ringing.made
    if call.callback is not None:
        state.fact(
            "callback.taken", at, call.call, queue.name, agent.name, offer=ringing.offer, waited=waited, rang=rang,
            callback=call.callback.callback,
        )  # fmt: skip
    else:
        state.fact(
            "queue.answered",
            at,
            call.call,
            queue.name,
            agent.name,
            offer=ringing.offer,
            waited=waited,
            rang=rang,
            within=waited <= queue.settings.service_level.seconds,
            **({} if call.estimate is None else call.estimate.facts()),
        )
    withdraw_all(state, call, ELSEWHERE, at)  # before the bridge, with which the call stops ringing anybody
    state.out.append(Bridge(ringing.offer, call.call, queue.name, agent.name, waited))
    state.publish(agent, at)


def failed(state: State, event: OfferFailed, at: Instant) -> None:
    """The phone did not take the call."""
    ringing = state.offers.get(event.offer)
    if ringing is None:
        state.ignored(event, "the offer is over", at)
    else:
        fail(state, ringing, event.cause, at)


def ring_over(state: State, offer: OfferId, at: Instant) -> None:
    """The ring time passed."""
    ringing = state.offers.get(offer)
    if ringing is not None:
        state.out.append(Withdraw(offer, ringing.agent.name, NO_ANSWER))
        fail(state, ringing, NO_ANSWER, at)


def fail(state: State, ringing: Ringing, cause: str, at: Instant) -> None:
    """The call keeps its place; the agent is set aside, and paused after too many offers in a row that rang out."""
    call, agent = ringing.call, ringing.agent
    settings = call.queue.settings
    _end(state, ringing, cause, at)
    state.fact(
        "offer.failed",
        at,
        call.call,
        call.queue.name,
        agent.name,
        offer=ringing.offer,
        cause=cause,
        rang=at - ringing.made,
    )
    if cause in _END_OF_LINE:
        state.idle_from(agent, at)
    failures = agent.failures[cause] = agent.failures.get(cause, 0) + 1
    most = pause_after(settings, cause)
    if most and failures >= most:
        agent.failures.clear()
        agent.pause = cause
        state.fact("agent.pause", at, agent=agent.name, reason=cause, by="acd")
    else:
        agent.rest = Rest(cause, at + rest_time(settings, agent, cause))
        state.deadlines.set((REST, agent.name), agent.rest.until)
    _back(state, call)
    state.publish(agent, at)


def pause_after(settings: QueueSettings, cause: str) -> int:
    """How many offers in a row that fail for `cause` pause an agent; 0: any number may."""
    rules = settings.auto_pause
    if cause == NO_ANSWER:
        return settings.max_no_answer if rules.no_answer is None else rules.no_answer
    causes = {"busy": rules.busy, "rejected": rules.rejected, UNREACHABLE: rules.unreachable, "error": rules.error}
    return causes.get(cause, 0)


def rest_time(settings: QueueSettings, agent: Agent, cause: str) -> Duration:
    """How long the agent is left alone: as the agent's settings say for that cause, else the queue's."""
    for back_off in (agent.settings.back_off, settings.back_off):
        seconds = _back_off(back_off, cause)
        if seconds is not None:
            return max(seconds, _MIN_REST)
    return max(settings.retry_after, _MIN_REST)


def _back_off(back_off: BackOff, cause: str) -> Duration | None:
    match cause:
        case "busy":
            return back_off.busy
        case "rejected":
            return back_off.rejected
        case "no-answer":
            return back_off.no_answer
        case "unreachable":
            return back_off.unreachable
    return back_off.error


def withdraw_all(state: State, call: WaitingCall, reason: str, at: Instant) -> None:
    """Every phone that rings for the call, which has left its queue, stops."""
    for ringing in call.offers:
        withdraw(state, ringing, reason, at)


def withdraw(state: State, ringing: Ringing, reason: str, at: Instant) -> None:
    """Stop ringing through no fault of the agent, who is free at once; the call, if it still waits, keeps its
    place."""
    call, agent = ringing.call, ringing.agent
    _end(state, ringing, reason, at)
    state.out.append(Withdraw(ringing.offer, agent.name, reason))
    state.fact(
        "offer.withdrawn",
        at,
        call.call,
        call.queue.name,
        agent.name,
        offer=ringing.offer,
        reason=reason,
        rang=at - ringing.made,
    )
    _back(state, call)
    state.publish(agent, at)


def _back(state: State, call: WaitingCall) -> None:
    """An offer of the call is over: when no other one lives it may be offered again, else there is room for one."""
    if state.calls.get(call.call) is not call:
        return
    if call.offers:
        if len(call.offers) < call.phones:
            state.matcher.call_wider(call)
        return
    state.deadlines.cancel((MORE_PHONES, call.call))
    state.matcher.call_full(call)
    if call.pool.strategy.phones == "more":
        call.phones = 1
    state.matcher.call_free(call)
    if not call.pool.logged_in:
        state.emptied.append(call.pool)


def _end(state: State, ringing: Ringing, outcome: str, at: Instant, taken: bool = False) -> None:
    """The offer is no longer live; it is remembered for a while, for answers that come late."""
    del state.offers[ringing.offer]
    state.deadlines.cancel((RING, ringing.offer))
    ringing.call.offers = tuple(other for other in ringing.call.offers if other is not ringing)
    ringing.agent.offer = None
    ringing.tried.outcome, ringing.tried.ended = outcome, at
    state.past_offers[ringing.offer] = (ringing.agent.name, taken)
    ended = state.ended_offers
    ended.append((at, ringing.offer))
    while ended[0][0] < at - _REMEMBER:
        state.past_offers.pop(ended.popleft()[1], None)
