"""A phone takes a call that rings at another phone of its pickup groups, or one that is parked.

The phone's own call ends, and its party goes into the other call as if it had been rung there. A call that the ACD
offers is taken by an agent only, whom the ACD can give it to.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from softswitch.call.fabric import NoPort
from softswitch.call.leg import Leg
from softswitch.kernel.clock import Instant
from softswitch.switch.secured import downgrades, passes_on
from softswitch.switch.stages.dialling import DialStage
from softswitch.switch.stages.queueing import QueueStage

if TYPE_CHECKING:
    from softswitch.switch.call import Call
    from softswitch.switch.office import Office


class Ringing(msgspec.Struct, frozen=True):
    """`call` rings at `phone` since then. `agent`: whom the taker must be for the ACD; empty: it has no part in it."""

    call: "Call"
    phone: str
    since: Instant
    agent: str = ""


def within_reach(office: "Office", phone: str, wanted: str | None, now: Instant) -> Ringing | None:
    """What rang first of all that `phone` may pick up, at the phone `wanted` or (None) at any."""
    phones = office.settings.phones
    groups = set(phones[phone].pickup_groups)
    found = [
        ringing
        for call in office.calls.values()
        for ringing in _ringing(call, phone, now)
        if ringing.phone != phone
        and wanted in (None, ringing.phone)
        and ringing.phone in phones
        and groups.intersection(phones[ringing.phone].pickup_groups)
    ]
    return min(found, key=lambda one: (one.since, one.call.started), default=None)


def _ringing(call: "Call", taker: str, now: Instant) -> Iterator[Ringing]:
    office, stage = call.office, call.stage
    if isinstance(stage, DialStage):
        for leg in stage.legs():
            phone = office.directory.seat(leg.peer)
            if phone and not leg.over:
                yield Ringing(call, phone, leg.ring_at or now)
    elif isinstance(stage, QueueStage):
        here = office.directory.agents_of_phone.get(taker, ())
        agents = [agent for agent in here if not office.engine.pick_up_refusal(call.id, agent)]
        for leg in stage.ringing() if len(agents) == 1 else ():
            agent = office.settings.agents.get(leg.peer.removeprefix("agent:"))
            for phone in () if agent is None else agent.devices:
                yield Ringing(call, phone, leg.ring_at or now, agents[0])


def bring(own: "Call", other: "Call", now: Instant) -> Leg | None:
    """Answer the party of `own` as it fits the call `other`, and bring it there. None when that failed; `own` has then
    ended."""
    if downgrades((own, other), (own.leg, other.leg)):
        own.refuse(now, 480)
        return None
    try:
        own.drive(own.leg.move_to(other.leg.worker, now))
    except NoPort as error:
        own.fail(error, now)
        return None
    if not own.answer(now, like=other.leg):
        return None
    passes_on(own, other)
    return own.give_leg(other.id)


def pick_up(own: "Call", ringing: Ringing, phone: str, now: Instant) -> None:
    """The party of `own`, which is at `phone`, takes the call."""
    other = ringing.call
    stage = other.stage
    leg = bring(own, other, now)
    if leg is None:
        return
    own.served(now, "code:pickup")
    own.office.fact("call.picked_up", now, other.id, by=f"phone:{phone}", at_phone=ringing.phone, pickup=own.id)
    own.end(now, by="switch", reason=f"picked up call {other.id}")
    if isinstance(stage, DialStage):
        stage.taken(leg, f"phone:{phone}", now)
    elif isinstance(stage, QueueStage):
        leg.belong(other.id, f"agent:{ringing.agent}")
        stage.taken(leg, ringing.agent, now)
    other.rearm()
