"""Offers: an agent's phone rings for a call until it is answered, fails, or is withdrawn. Each ends exactly once."""

from softswitch.acd.agent import Agent, Rest, Ringing, Talking
from softswitch.acd.model import Bridge, Offer, OfferAnswered, OfferFailed, OfferId, Refuse, Withdraw
from softswitch.acd.queue import WaitingCall
from softswitch.acd.state import REST, RING, State
from softswitch.kernel.clock import Duration, Instant

NO_ANSWER = "no-answer"
UNREACHABLE = "unreachable"

_REMEMBER: Duration = 64.0  # an answer that crossed our CANCEL comes within 64·T1 (RFC 3261 §17.1.1.2), doubled
_MIN_REST: Duration = 1.0  # a phone that refuses at once would otherwise be rung as fast as the network goes
_END_OF_LINE = frozenset((NO_ANSWER, "rejected"))


def make(state: State, call: WaitingCall, agent: Agent, at: Instant) -> None:
    """Ring `agent` for `call`."""
    offer = state.next_offer
    state.next_offer += 1
    ringing = Ringing(offer, call, agent, at)
    state.offers[offer] = ringing
    call.offer = ringing
    agent.activity = ringing
    queue = call.queue
    ring_seconds = queue.settings.ring_seconds
    if ring_seconds:
        state.deadlines.set((RING, offer), at + ring_seconds)
    state.out.append(Offer(offer, call.call, queue.name, agent.name, ring_seconds))
    state.fact("offer.made", at, call.call, queue.name, agent.name, offer=offer, waited=at - call.entered)
    state.publish(agent, at)


def answered(state: State, event: OfferAnswered, at: Instant) -> None:
    """The claim: a live offer becomes a conversation; an offer that ended is refused."""
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
    _end(state, ringing, at, taken=True)
    state.remove_call(call)
    queue = call.queue
    agent.activity = Talking(call.call, queue.name, at)
    agent.misses = 0
    waited = at - call.entered
    state.fact(
        "queue.answered",
        at,
        call.call,
        queue.name,
        agent.name,
        offer=ringing.offer,
        waited=waited,
        rang=at - ringing.made,
        within=waited <= queue.settings.service_level.seconds,
    )
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
    _end(state, ringing, at)
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
    if cause == NO_ANSWER:
        agent.misses += 1
    if cause == NO_ANSWER and settings.max_no_answer and agent.misses >= settings.max_no_answer:
        agent.misses = 0
        agent.pause = NO_ANSWER
        state.fact("agent.pause", at, agent=agent.name, reason=NO_ANSWER, by="acd")
    else:
        agent.rest = Rest(cause, at + max(settings.retry_after, _MIN_REST))
        state.deadlines.set((REST, agent.name), agent.rest.until)
    _back(state, call)
    state.publish(agent, at)


def withdraw(state: State, ringing: Ringing, reason: str, at: Instant) -> None:
    """Stop ringing through no fault of the agent, who is free at once; the call, if it still waits, keeps its
    place."""
    call, agent = ringing.call, ringing.agent
    _end(state, ringing, at)
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
    if state.calls.get(call.call) is call:
        state.matcher.call_free(call)
        if not call.queue.pool.logged_in:
            state.emptied.append(call.queue.pool)


def _end(state: State, ringing: Ringing, at: Instant, taken: bool = False) -> None:
    """The offer is no longer live; it is remembered for a while, for answers that come late."""
    del state.offers[ringing.offer]
    state.deadlines.cancel((RING, ringing.offer))
    ringing.call.offer = None
    ringing.agent.activity = None
    state.past_offers[ringing.offer] = (ringing.agent.name, taken)
    ended = state.ended_offers
    ended.append((at, ringing.offer))
    while ended[0][0] < at - _REMEMBER:
        state.past_offers.pop(ended.popleft()[1], None)
