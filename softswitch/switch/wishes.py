"""What is known of a call's caller, and how it enters a queue by that: head start, needs, sticky agent, place.

Sources, the later ones first where they disagree: what a hook answered, the customers table, the queue's own rules.
Needs that come from outside and that no agent of the queue can meet are left out, and the ledger says so: a typing
error in a table of customers must not keep a caller waiting for ever.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from softswitch.acd.model import CallQueued, Needs, QueueSettings
from softswitch.acd.pools import crew
from softswitch.kernel.clock import Instant
from softswitch.switch.customers import Customer
from softswitch.switch.identity import told
from softswitch.switch.templates import filled

if TYPE_CHECKING:
    from softswitch.switch.call import Call
    from softswitch.switch.office import Office

MOST_HEAD_START = 86_400.0  # seconds either way: priorities from outside stay bounded


@dataclass(slots=True)
class Wishes:
    """`sticky` is an agent, for `sticky_seconds` (None: as the queue says). `asked` are the hooks that were asked for
    this call. With `keep_place` it waits as if it did since it first came to a queue."""

    customer: Customer | None = None
    head_start: float = 0.0
    needs: dict[str, int] = field(default_factory=dict)
    sticky: str = ""
    sticky_seconds: float | None = None
    asked: set[str] = field(default_factory=set)
    keep_place: bool = False


def identify(call: "Call") -> None:
    """Find the customer who calls; the customer's language is spoken from here on."""
    take_customer(call, call.office.customers.calling(call.caller))


def take_customer(call: "Call", customer: Customer | None) -> None:
    """The call is this customer's."""
    if customer is not None:
        call.wishes.customer = customer
        if customer.language and not call.language_chosen:
            call.language = customer.language
            call.language_chosen = True


def variables(call: "Call") -> dict[str, str]:
    """By name: what menus collected and hooks told, and what we know ourselves, which goes before."""
    known = call.facts.collected | told(call)
    customer = call.wishes.customer
    if customer is not None:
        known |= {"customer": customer.id, "customer_name": customer.name}
        if customer.queue:
            known["customer_queue"] = customer.queue
        if customer.agent:
            known["customer_agent"] = customer.agent
    return known | {"caller": call.caller, "called": call.called, "language": call.language, "source": call.source}


def wished(event: CallQueued, call: "Call", queue: QueueSettings, now: Instant) -> CallQueued:
    """The entry into a queue, with everything that is known of the call."""
    wishes, customer = call.wishes, call.wishes.customer
    head_start = event.head_start + wishes.head_start + (customer.head_start if customer is not None else 0.0)
    head_start = max(-MOST_HEAD_START, min(MOST_HEAD_START, head_start))
    arrived = call.first_queued if wishes.keep_place and event.arrived is None else event.arrived
    sticky, seconds = _sticky(call, queue, now)
    return msgspec.structs.replace(
        event,
        head_start=head_start,
        arrived=arrived,
        needs=_needs(event, call, queue, now),
        sticky=sticky,
        sticky_seconds=seconds,
    )


def _sticky(call: "Call", queue: QueueSettings, now: Instant) -> tuple[str, float | None]:
    wishes, customer = call.wishes, call.wishes.customer
    if wishes.sticky:
        return wishes.sticky, wishes.sticky_seconds
    if queue.sticky in ("preferred", "preferred-or-last") and customer is not None and customer.agent:
        return customer.agent, None
    if queue.sticky in ("last-agent", "preferred-or-last"):
        return call.office.last_agents.of(call.caller, now), None
    return "", None


def _needs(event: CallQueued, call: "Call", queue: QueueSettings, now: Instant) -> Needs:
    wishes, customer, office = call.wishes, call.wishes.customer, call.office
    needs = dict(event.needs)
    if queue.language_skill:
        needs[office.settings.acd.language_skills.get(call.language, call.language)] = queue.language_level
    if queue.call_needs:
        known = variables(call)
        for text, level in queue.call_needs.items():
            if skill := filled(text, known):
                needs[skill] = level
    if customer is not None:
        needs.update(customer.needs)
    needs.update(wishes.needs)
    if not needs:
        return ()
    most = office.most_skilled(event.queue)
    impossible = sorted(skill for skill, level in needs.items() if level > most.get(skill, 0))
    if impossible:
        office.fact("call.needs_dropped", now, call.id, at_queue=event.queue, skills=impossible)
        office.log("warning", "nobody has what a call needs", call=call.id, queue=event.queue, skills=impossible)
    return tuple(sorted((skill, level) for skill, level in needs.items() if level > 0 and skill not in impossible))


def most_skilled(office: "Office", queue: str) -> dict[str, int]:
    """The highest proficiency by skill among the agents of a queue."""
    most: dict[str, int] = {}
    for name in crew(office.settings.queues[queue]):
        agent = office.settings.agents.get(name)
        for skill, level in agent.skills.items() if agent is not None else ():
            most[skill] = max(level, most.get(skill, 0))
    return most
