"""The world around one engine on virtual time: it rings phones, lets agents pick up, talk and wrap up, and callers lose
patience. The engine is the one that runs live and is fed as the switch feeds it; nothing of it is imitated here.

The loop is plainer than elsewhere: a call's cycle costs the engine about 60 µs and this file about 15 µs.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from heapq import heappop, heappush
from random import Random
from typing import Any, Final, Protocol

from softswitch.acd.engine import Engine
from softswitch.acd.model import (
    AcdEffect,
    AcdEvent,
    AgentLogin,
    AgentLogout,
    AgentName,
    AgentWrapUp,
    Bridge,
    CallbackEnded,
    CallerLeft,
    CallId,
    CallQueued,
    DeviceReachable,
    Fact,
    Offer,
    OfferAnswered,
    OfferFailed,
    OfferId,
    Overflow,
    QueueName,
    QueueSettings,
    TalkEnded,
    Withdraw,
)
from softswitch.acd.simulation.arrivals import Arrival
from softswitch.acd.simulation.calling_back import CallingBack
from softswitch.acd.simulation.load import Behaviour
from softswitch.acd.simulation.times import NEVER, drawer
from softswitch.kernel.clock import Duration, Instant

_LEAVE, _ANSWER, _FAIL, _END, _EVENT, _REDIAL, _ASK, _DO = range(8)
_SWITCHES: Final = 8  # overflows from queue to queue in one step
_RANG_OUT: Final = 60.0  # where neither queue nor agent limits the ringing
_LINGER: Final = 4 * 3600.0  # after the end of the load: callers whom nobody serves any more are sent home


class Behaves(Protocol):
    """What agents do with an offer."""

    def pick_up(self, arrival: Arrival, offer: Offer, again: bool) -> tuple[Duration, str]:
        """After how long the phone is answered (`answer`), or what else becomes of it (`no-answer`, `rejected`, …);
        `again`: another phone has rung for the call before."""


class Habits:
    """Agents who behave as a load says, alike. What is not the caller's is drawn of `dice`."""

    def __init__(self, behaviour: Behaviour, dice: Random) -> None:
        self._behaviour = behaviour
        self._pick_up = drawer(behaviour.pick_up)
        self._dice = dice

    def pick_up(self, arrival: Arrival, offer: Offer, again: bool) -> tuple[Duration, str]:
        behaviour = self._behaviour
        after, luck = (self._pick_up(self._dice), self._dice.random()) if again else (arrival.pick_up, arrival.luck)
        if luck < behaviour.no_answer:
            return NEVER, "no-answer"
        if offer.auto_answer:
            return 0.0, "answer"
        return after, "rejected" if luck < behaviour.no_answer + behaviour.rejected else "answer"


class World:
    """`sink` gets every fact; `progress` the virtual time every so often, and may stop the run by raising."""

    def __init__(
        self,
        engine: Engine,
        queues: dict[QueueName, QueueSettings],
        habits: Behaves,
        dice: Random,
        sink: Callable[[Fact], None],
        progress: Callable[[Instant], None] | None = None,
    ) -> None:
        self._engine = engine
        self._queues = queues
        self._habits = habits
        self._sink = sink
        self._progress = progress
        self._heap: list[tuple[Instant, int, int, Any, Any]] = []
        self._serial = 0
        self._waiting: dict[CallId, Arrival] = {}
        self._talking: dict[CallId, tuple[AgentName, Arrival]] = {}
        self._ringing: dict[OfferId, CallId] = {}
        self._rung: set[CallId] = set()
        self._here: set[AgentName] = set()
        self._depth = 0
        self._back = CallingBack(engine, queues, dice, self._take, self._later, self._begin_talk, self._wait_on)
        self.events = 0

    def run(
        self,
        arrivals: Iterable[Arrival],
        roster: Iterable[tuple[Instant, AcdEvent]],
        start: Instant,
        until: Instant,
    ) -> None:
        """Let it all happen: `arrivals` in order of time, agents as `roster` says. After `until` nobody calls any
        more; the run ends when the last call is over, and logs everybody out."""
        for name in self._engine.agent_names():
            self._take(self._engine.receive(DeviceReachable(name, True), start), start)
        for at, event in roster:
            self._push(at, _EVENT, event, None)
        self._loop(iter(arrivals), start, until)

    def _loop(self, arrivals: Iterator[Arrival], now: Instant, until: Instant) -> None:
        engine, heap = self._engine, self._heap
        arrival = next(arrivals, None)
        tick = now
        while True:
            comes = arrival.at if arrival is not None else NEVER
            if heap and heap[0][0] <= comes:
                at, step = heap[0][0], True
            else:
                at, step = comes, False
            due = engine.deadline()
            if due is not None and due < at:
                now = max(now, due)
                self._take(engine.wake(now), now)
            elif at == NEVER:
                break
            elif step:
                at, _, kind, one, two = heappop(heap)
                now = max(now, at)
                self._step(kind, one, two, now)
            elif arrival is not None:
                now = max(now, arrival.at)
                self._enter(arrival, now)
                arrival = next(arrivals, None)
            self.events += 1
            if self._progress is not None and now >= tick:
                tick = now + 600.0
                self._progress(now)
            if arrival is None and now > until and self._quiet(now, until):
                break
        self._send_home(max(now, until))  # nothing will happen any more, and they would wait for ever
        self._close(max(now, until))

    def _quiet(self, now: Instant, until: Instant) -> bool:
        if now > until + _LINGER:
            self._send_home(now)
        return not self._waiting and not self._talking and not self._back.busy

    def _send_home(self, now: Instant) -> None:
        for call in list(self._waiting):
            self._take(self._engine.receive(CallerLeft(call, "closed"), now), now)
        self._waiting.clear()

    def _close(self, now: Instant) -> None:
        self._back.close(now)
        for agent in sorted(self._here):
            self._take(self._engine.receive(AgentLogout(agent, "end"), now), now)

    def _push(self, at: Instant, kind: int, one: object, two: object) -> None:
        self._serial += 1
        heappush(self._heap, (at, self._serial, kind, one, two))

    # ------------------------------------------------------------------------------------------------------ what comes

    def _enter(self, arrival: Arrival, now: Instant) -> None:
        self._waiting[arrival.call] = arrival
        if arrival.patience < NEVER:
            self._push(now + arrival.patience, _LEAVE, arrival.call, None)
        if arrival.asks < arrival.patience:
            self._push(now + arrival.asks, _ASK, arrival.call, None)
        self._queue(arrival, arrival.queue, now)

    def _queue(self, arrival: Arrival, queue: QueueName, now: Instant) -> None:
        event = CallQueued(arrival.call, queue, arrival.head_start, caller=arrival.caller, needs=arrival.needs)
        self._take(self._engine.receive(event, now), now)

    def _step(self, kind: int, one: Any, two: Any, now: Instant) -> None:
        engine = self._engine
        if kind == _ANSWER:
            if self._ringing.pop(one, None) is not None:
                self._take(engine.receive(OfferAnswered(one), now), now)
        elif kind == _END:
            agent, arrival = self._talking.pop(one)
            self._take(engine.receive(TalkEnded(one, agent), now), now)
            self._wrap_up(arrival, agent, now)
        elif kind == _LEAVE:
            if one in self._waiting:
                arrival = self._waiting.pop(one)
                self._take(engine.receive(CallerLeft(one), now), now)
                self._rung.discard(one)
                if arrival.redial < NEVER:
                    self._push(now + arrival.redial, _REDIAL, arrival, None)
        elif kind == _EVENT:
            if isinstance(one, AgentLogin):
                self._here.add(one.agent)
            elif isinstance(one, AgentLogout):
                self._here.discard(one.agent)
            self._take(engine.receive(one, now), now)
        elif kind == _FAIL:
            if self._ringing.pop(one, None) is not None:
                self._take(engine.receive(OfferFailed(one, two), now), now)
        elif kind == _DO:
            one(now)
        elif kind == _ASK:
            if one in self._waiting and self._back.offered(self._waiting[one].queue):
                self._rung.discard(one)
                self._back.ask(self._waiting.pop(one), now)
        else:
            self._enter(_again(one, now), now)

    def _later(self, at: Instant, what: Callable[[Instant], None]) -> None:
        self._push(at, _DO, what, None)

    def _wrap_up(self, arrival: Arrival, agent: AgentName, now: Instant) -> None:
        """The agent ends its wrap-up when it is done, or extends it, as far as the queue lets it."""
        settings = self._queues.get(arrival.queue)
        if arrival.wrap_up is not None and settings is not None and settings.wrap_up > 0 and agent in self._here:
            self._take(self._engine.receive(AgentWrapUp(agent, arrival.wrap_up), now), now)

    # ---------------------------------------------------------------------------------------------------- what is done

    def _take(self, effects: list[AcdEffect], now: Instant) -> None:
        sink = self._sink
        for effect in effects:
            kind = type(effect)
            if kind is Fact:
                sink(effect)  # type: ignore[arg-type]  # `kind is` does not narrow; isinstance costs 3 % of a run
            elif kind is Offer:
                self._ring(effect, now)  # type: ignore[arg-type]  # as above
            elif kind is Bridge:
                self._join(effect, now)  # type: ignore[arg-type]  # as above
            elif kind is Withdraw:
                self._withdraw(effect)  # type: ignore[arg-type]  # as above
            elif kind is Overflow:
                self._overflow(effect, now)  # type: ignore[arg-type]  # as above
            elif kind is CallbackEnded:
                self._back.ended(effect.call)  # type: ignore[union-attr]  # as above

    def _ring(self, offer: Offer, now: Instant) -> None:
        call = offer.call
        self._ringing[offer.offer] = call
        arrival = self._waiting.get(call) if call in self._waiting else self._back.attempt(offer, now)
        if arrival is None:
            return
        again = call in self._rung
        if not again:
            self._rung.add(call)
        after, outcome = self._habits.pick_up(arrival, offer, again)
        if outcome == "answer":
            if not offer.ring_seconds or after < offer.ring_seconds:
                self._push(now + after, _ANSWER, offer.offer, None)
        elif outcome != "no-answer":
            self._push(now + after, _FAIL, offer.offer, outcome)
        elif not offer.ring_seconds:
            self._push(now + _RANG_OUT, _FAIL, offer.offer, outcome)

    def _withdraw(self, withdraw: Withdraw) -> None:
        call = self._ringing.pop(withdraw.offer, None)
        if call is not None:
            self._back.withdrawn(call, withdraw.offer)

    def _join(self, bridge: Bridge, now: Instant) -> None:
        call = bridge.call
        self._rung.discard(call)
        if call in self._waiting:
            self._begin_talk(self._waiting.pop(call), bridge.agent, now)
        else:
            self._back.joined(call, bridge.agent, now)

    def _begin_talk(self, arrival: Arrival, agent: AgentName, now: Instant) -> None:
        self._talking[arrival.call] = (agent, arrival)
        self._push(now + arrival.talk, _END, arrival.call, None)

    def _wait_on(self, arrival: Arrival, offers: list[Offer], now: Instant) -> None:
        """A customer who was called back waits for the agents whose phones ring now, as patient as before."""
        self._waiting[arrival.call] = arrival
        if arrival.patience < NEVER:
            self._push(now + arrival.patience, _LEAVE, arrival.call, None)
        for offer in offers:
            if offer.offer in self._ringing:
                self._ring(offer, now)

    def _overflow(self, overflow: Overflow, now: Instant) -> None:
        """Another queue takes the caller with what is left of its patience; any other target ends the matter."""
        arrival = self._waiting.get(overflow.call)
        if arrival is None:
            return
        kind, _, name = (overflow.target or "").partition(":")
        if kind == "queue" and name in self._queues and name != overflow.queue and self._depth < _SWITCHES:
            self._depth += 1
            arrival = self._waiting[arrival.call] = replace(arrival, queue=name)
            self._queue(arrival, name, now)
            self._depth -= 1
        else:
            del self._waiting[overflow.call]
            self._rung.discard(overflow.call)


def _again(arrival: Arrival, now: Instant) -> Arrival:
    """The caller who hung up calls once more, as patient as before."""
    return Arrival(
        *(now, f"{arrival.call}-again", arrival.queue, arrival.patience, arrival.talk, arrival.wrap_up),
        *(arrival.pick_up, arrival.luck, arrival.needs, arrival.head_start, arrival.caller),
    )
