"""Calls that are passed on from whom they were for: what came with them, what we add, when it is too much.

`Call.diversions` are (who, reason) in the order of time. What was there on arrival a carrier told; the rest we did.
"""

from typing import TYPE_CHECKING, Final

from softswitch.sip.diversion import Diversion, total

if TYPE_CHECKING:
    from softswitch.switch.call import Call

# kinds of failure (`call.causes.kind`) that lead to a fallback, as reasons of RFC 5806 §5
_REASONS: Final = {
    "busy": "user-busy",
    "no-answer": "no-answer",
    "unavailable": "unavailable",
    "rejected": "deflection",
}


def divert(call: "Call", who: str, reason: str) -> bool:
    """`who` (a number of ours) passes the call on, for a reason of RFC 5806 §5. False, and nothing is noted, when it
    has been passed on `sip.max_diversions` times: it goes round (482)."""
    times = total(call.diversions)
    if times >= call.office.settings.sip.max_diversions:
        call.office.log("warning", "call is diverted too often", call=call.id, by=who, diversions=times)
        return False
    before = call.diversions
    if len(before) > call.diverted_before and before[-1].who == who and before[-1].reason == reason:
        call.diversions = (*before[:-1], before[-1]._replace(times=before[-1].times + 1))
    else:
        call.diversions = (*before, Diversion(who, reason))
    return True


def fall_back(call: "Call", at: str, how: str) -> bool:
    """What was rung as `at` (`phone:1001`) passes the call on because it failed (`call.causes.kind`); see `divert`."""
    return divert(call, _number_at(call, at), _REASONS.get(how, "unknown"))


def outward(call: "Call") -> tuple[Diversion, ...]:
    """What another carrier is told: numbers as the world dials them. A call that came over a trunk and goes straight
    out over one was passed on by the number that it was for."""
    own = call.office.settings.phones
    passed = call.diversions
    if call.source.startswith("trunk:") and len(passed) == call.diverted_before:
        passed = (*passed, Diversion(call.called, "unconditional"))
    numbers = {phone.number or name: phone.caller_id for name, phone in own.items() if phone.caller_id}
    dialled = call.called if call.source.startswith("trunk:") else ""
    extensions = {phone.number or name for name, phone in own.items()} if dialled else set()
    return tuple(
        one._replace(who=numbers.get(one.who) or (dialled if one.who in extensions else one.who)) for one in passed
    )


def told(call: "Call") -> dict[str, str]:
    """As variables, for hooks and call records: whom the caller dialled first, who passed it on last, and why."""
    if not call.diversions:
        return {}
    first, last = call.diversions[0], call.diversions[-1]
    return {"diverted_from": first.who, "diverted_by": last.who, "diversion_reason": last.reason}


def _number_at(call: "Call", at: str) -> str:
    kind, _, name = at.partition(":")
    phone = call.office.settings.phones.get(name) if kind == "phone" else None
    return call.called if phone is None else phone.number or name
