"""Orders to pass calls on, from operators and from phones by REFER (RFC 3515, RFC 5589), brought to the talk."""

from typing import TYPE_CHECKING

from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import LocalError, PeerError
from softswitch.switch.events import TransferCommand
from softswitch.switch.stages import transferring
from softswitch.switch.stages.talking import TalkStage
from softswitch.switch.targets import SECTIONS, Target, parse_target

if TYPE_CHECKING:
    from softswitch.switch.call import Call
    from softswitch.switch.office import Office

RINGS = ("phone", "agent", "group", "trunk")


def transfer_call(call: "Call", order: TransferCommand, now: Instant) -> str:
    """Carry the order out; why not, or empty."""
    stage, by = call.stage, order.by
    if call.office.directory.seat(by):  # an operator's word for who orders it; phones answer only for what they do
        by = f"operator for {by}"
    if isinstance(stage, TalkStage):
        return transferring.order(stage, order.verb, now, target=order.target, by=by)
    if order.verb != "blind":
        return "nobody talks with the caller"
    if why := call.office.parked.refusal(parse_target(order.target)):
        return why
    call.transferred(order.target, "", now)
    call.office.fact("transfer.started", now, call.id, verb="blind", target=order.target, by=by, agent="")
    call.sent_by = by
    call.go(order.target, now)
    return ""


def order_recording(call: "Call", verb: str, now: Instant, *, by: str, reason: str = "") -> bool:
    """`start`, `pause` or `resume`; False when that cannot be."""
    if verb == "start":
        return isinstance(call.stage, TalkStage) and call.stage.start_recording(by, now)
    order = call.recording.pause if verb == "pause" else call.recording.resume
    return order(now, by=by, reason=reason)


def check_transfer(office: "Office", call: str, verb: str, target: str) -> None:
    """Raises `PeerError`: 404 without such a call, 409 when it is not in the state for it, 422 for a target that is
    none."""
    found = office.calls.get(call)
    if found is None:
        raise PeerError(f"no live call {call}", status=404)
    talk = found.stage if isinstance(found.stage, TalkStage) else None
    if verb in ("blind", "consult", "join"):
        parsed = known_target(office, target)
        if verb != "blind" and parsed.kind not in RINGS:
            raise PeerError(f"{target} cannot be consulted: only {', '.join(RINGS)}", status=422)
        if why := office.parked.refusal(parsed):
            raise PeerError(why, status=409)
    if talk is None and verb != "blind":
        raise PeerError(f"nobody talks with the caller of call {call}", status=409)
    if talk is not None and (talk.transfer is None) is (verb in ("complete", "cancel", "three_way")):
        why = "nobody is consulted" if talk.transfer is None else "a transfer is under way already"
        raise PeerError(f"call {call}: {why}", status=409)


def known_target(office: "Office", target: str) -> Target:
    """The target, if what it names is configured. Raises `PeerError` (422)."""
    try:
        parsed = parse_target(target)
    except LocalError as error:
        raise PeerError(str(error), status=422) from error
    section = SECTIONS.get(parsed.kind)
    if section is not None and parsed.name not in getattr(office.settings, section):
        raise PeerError(f'no {parsed.kind} "{parsed.name}"', status=422)
    return parsed
