"""Where a new call goes first by the dial plan, and what the route says of it."""

from typing import TYPE_CHECKING

from softswitch.kernel.clock import Instant
from softswitch.sip.privacy import ANONYMOUS
from softswitch.switch.stages.hook import HookStage
from softswitch.switch.targets import Target
from softswitch.switch.wishes import identify

if TYPE_CHECKING:
    from softswitch.switch.call import Call
    from softswitch.switch.stages.stage import Stage


def routed(call: "Call", source: Target, number: str, now: Instant) -> "str | Stage":
    """The target of the route for `number` when `source` dials it, or the stage that asks the route's hook first."""
    office = call.office
    spellings = office.directory.spellings(str(source), number)
    first = call.diversions[0].who if call.diversions else None
    hidden = call.private or call.caller == ANONYMOUS
    decision = office.plan.decide(source, spellings, now, call.caller, first, hidden)
    if decision is None:
        call.facts.reason = "no route"
        return "hangup:404"
    call.number = decision.number
    call.caller_id = decision.caller_id or call.caller_id
    call.route_record = decision.record
    call.language = decision.language or call.language
    identify(call)
    if decision.hook is not None and decision.hook in office.settings.hooks:
        return HookStage(call, decision.hook, decision.target)
    return decision.target
