"""Calls that go on from a phone to where it forwards them: the chain is kept on the call, and never goes round."""

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from softswitch.kernel.clock import Instant
from softswitch.switch import diverting
from softswitch.switch.dial_plan import Ringing
from softswitch.switch.targets import parse_target

if TYPE_CHECKING:
    from softswitch.switch.call import Call

Refused: TypeAlias = Literal["", "loop", "long"]
LOOP: Final = 482  # RFC 3261 §21.4.20
_WHY: Final = {"busy": "user-busy", "no-answer": "no-answer", "unavailable": "unavailable"}


def why(call: "Call", phone: str, how: str) -> str:
    """The word of RFC 5806 §5 for a call that could not be had at the phone: `how` as `Ringing` names failures."""
    return "do-not-disturb" if how == "busy" and call.office.phones.dnd(phone) else _WHY.get(how, "deflection")


def divert(call: "Call", phone: str, reason: str, to: str, now: Instant) -> Refused:
    """The phone sends the call on. Why not, and nothing is noted: it did before (`loop`), or too many did (`long`)."""
    office = call.office
    settings = office.settings.phones.get(phone)
    number = phone if settings is None else settings.number or phone
    if to == f"phone:{phone}" or phone in call.forwarded_by:
        office.log("warning", "forwarding goes round", call=call.id, phone=phone, to=to)
        return "loop"
    if not diverting.divert(call, number, reason):
        return "long"
    call.forwarded_by += (phone,)
    call.sent_by = f"phone:{phone}"
    office.fact("call.diverted", now, call.id, by=f"phone:{phone}", to=to, reason=reason)
    return ""


def follow(call: "Call", ringing: Ringing | None, now: Instant) -> Ringing | None:
    """Whom to ring in place of a phone that forwards everything (a consultation); refused when that goes round, or
    to what does not ring."""
    while ringing is not None and ringing.always:
        phone = ringing.target.partition(":")[2]
        if divert(call, phone, "unconditional", ringing.always, now):
            return Ringing(ringing.target, refusal=LOOP)
        onward = call.office.directory.ringing(parse_target(ringing.always), call, now)
        ringing = onward or Ringing(ringing.always, refusal=480)
    return ringing
