"""Calls that the switch begins by itself: a phone is rung by order, for a supervisor or for what its user calls."""

from typing import TYPE_CHECKING

import msgspec

from softswitch.call.fabric import NoPort
from softswitch.call.leg import Leg
from softswitch.kernel.clock import Instant
from softswitch.kernel.dice import token
from softswitch.kernel.errors import PeerError
from softswitch.switch import presentation
from softswitch.switch.call import Call
from softswitch.switch.events import DialCommand, SuperviseCommand
from softswitch.switch.identity import shown
from softswitch.switch.stages.calling_out import CallOutStage
from softswitch.switch.stages.originating import RingFirstStage
from softswitch.switch.stages.supervising import SuperviseStage
from softswitch.switch.targets import parse_target
from softswitch.switch.transfers import known_target
from softswitch.wire.sip import NameAddr, Uri
from softswitch.wire.sip.uri import escaped_user

if TYPE_CHECKING:
    from softswitch.switch.office import Office
    from softswitch.switch.switch import Switch


def begun(
    office: "Office", phone: str, worker: int, now: Instant, *, called: str, caller: str, name: str, language: str,
    id: str = "",
) -> Call:  # fmt: skip
    """A call of that phone's whose own leg stands for nobody until somebody answers."""
    id = id or f"{int(now):x}{token(office.dice, 40)}"
    nobody = Leg(id, "switch", worker, office.directory.phone_stream(phone, ""), office.ua, office.fabric)
    call = Call(
        id, office, nobody, source=f"phone:{phone}", caller=caller, caller_name=name, called=called, language=language,
        max_forwards=office.settings.sip.max_forwards, now=now,
    )  # fmt: skip
    office.fact("call.started", now, id, source=call.source, caller=caller, called=called)
    return call


# --------------------------------------------------------------------------------------------------------- supervisors


def supervise(switch: "Switch", order: SuperviseCommand, now: Instant) -> None:
    """Ring the supervisor's phone; who answers is with the agent."""
    office = switch.office
    try:
        agent = office.supervision.check(order.agent, order.mode, order.phone, order.follow)
        if switch.draining:
            raise PeerError("the switch is draining", status=503)
        talk = office.supervision.talk_of(agent)
        worker = office.fabric.pick() if talk is None else talk.call.leg.worker
    except (PeerError, NoPort) as error:
        office.log("warning", "supervision refused", phone=order.phone, agent=order.agent, reason=str(error))
        return
    who = office.settings.agents[agent]
    number = office.settings.phones[who.phone].number or who.phone
    call = begun(
        office, order.phone, worker, now, called=f"supervise:{agent}", caller=number, name=who.name or agent,
        language=office.settings.server.language,
    )  # fmt: skip
    stage = SuperviseStage(call, agent, order.phone, order.mode, follow=order.follow, by=order.by)
    switch.enter(call, RingFirstStage(call, office.directory.phone(order.phone, call, now), stage), now)


# ------------------------------------------------------------------------------------------------------ click to dial


class _Wanted(msgspec.Struct, frozen=True):
    """`phones` are rung, known together as `at`; then `number` is dialled there, which leads to `target`. An order that
    names a target has no `number`. `hidden`: what a code before the number says of showing the caller's."""

    at: str
    phones: tuple[str, ...]
    number: str
    target: str
    hidden: bool | None = None


def check_dial(switch: "Switch", order: DialCommand, now: Instant) -> None:
    """Raises `PeerError`: 404 without such a phone or agent, 409 when the phone cannot be rung now, 403 when it does
    not answer by itself or may not call that, 422 when the number leads nowhere, 503 when no calls are taken."""
    wanted = _wanted(switch, order, now)
    if why := _barred(switch.office, wanted, now):
        raise PeerError(f"phone {wanted.phones[0]} may not call {order.to}: {why}", status=403)


def dial(switch: "Switch", order: DialCommand, now: Instant) -> None:
    """Ring the user's phone; who answers is calling. What the guards refuse is noted as if it had been dialled."""
    office = switch.office
    try:
        wanted = _wanted(switch, order, now)
        if why := _barred(office, wanted, now):
            barred = parse_target(wanted.target)
            office.guards.note_refusal(barred.name, barred.number, f"phone:{wanted.phones[0]}", why, now, order.id)
            return
        worker = office.fabric.pick()
    except (PeerError, NoPort) as error:
        office.log("warning", "call by order refused", party=order.party, to=order.to, by=order.by, reason=str(error))
        return
    phone = office.settings.phones[wanted.phones[0]]
    call = begun(
        office, wanted.phones[0], worker, now, called=wanted.number or wanted.target,
        caller=phone.number or wanted.phones[0], name=phone.name or "",
        language=phone.language or office.settings.server.language, id=order.id,
    )  # fmt: skip
    call.number, call.ordered_by = wanted.number, order.token
    office.fact(
        "call.ordered", now, call.id, at=wanted.at, to=order.to, by=order.by, token=order.token,
        auto_answer=order.auto_answer,
    )  # fmt: skip
    ringing = office.directory.caller(
        wanted.phones, wanted.at, call, _reached(call, wanted), now, auto_answer=order.auto_answer
    )
    out = CallOutStage(call, wanted.number or wanted.target, wanted.hidden)
    switch.enter(call, RingFirstStage(call, ringing, out), now)


def _wanted(switch: "Switch", order: DialCommand, now: Instant) -> _Wanted:
    """Raises `PeerError`, as `check_dial` but for the guards."""
    office = switch.office
    at, phones = _party(office, order.party)
    if full := switch.full():
        raise PeerError(full, status=503)
    phones = _free(office, at, phones, order.auto_answer, now)
    if ":" in order.to:
        target = known_target(office, order.to)
        if target.kind == "trunk":
            raise PeerError("name the number as the phone dials it, not the trunk", status=422)
        number, hidden, goal = "", None, str(target)
    else:
        number, hidden = _without_code(office, phones[0], order.to)
        goal = office.directory.dialled(phones[0], number, now) or ""
        if not goal:
            raise PeerError(f"phone {phones[0]} reaches nobody by dialling {order.to}", status=422)
    if goal in {f"phone:{phone}" for phone in phones} | {at}:
        raise PeerError(f"{order.to} is {order.party} itself", status=422)
    if goal.startswith("hangup:"):
        raise PeerError(f"the dial plan refuses {order.to}", status=403)
    return _Wanted(at, phones, number, goal, hidden)


def _party(office: "Office", party: str) -> tuple[str, tuple[str, ...]]:
    settings = office.settings
    kind, colon, name = party.partition(":")
    if colon and kind == "agent":
        if name not in settings.agents:
            raise PeerError(f"no agent {name}", status=404)
        return party, tuple(phone for phone in settings.agents[name].devices if phone in settings.phones)
    wanted = name if colon and kind == "phone" else party
    phone = office.plan.extension(wanted)
    if phone is None:
        raise PeerError(f"no phone {wanted}", status=404)
    return f"phone:{phone}", (phone,)


def _free(office: "Office", at: str, phones: tuple[str, ...], auto_answer: bool, now: Instant) -> tuple[str, ...]:
    """Those of the phones that can be rung."""
    here = tuple(phone for phone in phones if office.registrations.reachable(phone, now))
    if not here:
        raise PeerError(f"{at} is not registered", status=409)
    if auto_answer:
        here = tuple(phone for phone in here if _answers(office, phone))
        if not here:
            raise PeerError(
                f"{at} does not answer by itself: neither intercom of the phone nor auto_answer of its agent is set",
                status=403,
            )
        here = tuple(phone for phone in here if not office.directory.calls_at(phone) and not office.phones.dnd(phone))
    free = tuple(phone for phone in here if not office.directory.full(phone))
    if not free:
        raise PeerError(f"{at} is busy", status=409)
    return free


def _answers(office: "Office", phone: str) -> bool:
    """Whether the phone may be asked to answer by itself."""
    agents = (office.settings.agents[agent] for agent in office.directory.agents_of_phone.get(phone, ()))
    return office.settings.phones[phone].intercom or any(agent.auto_answer for agent in agents)


def _without_code(office: "Office", phone: str, dialled: str) -> tuple[str, bool | None]:
    """The number after the code to hide or show the caller's, and what that code says."""
    number, hidden = shown(office, phone, dialled, False)
    return number, None if number == dialled else hidden


def _barred(office: "Office", wanted: _Wanted, now: Instant) -> str:
    target = parse_target(wanted.target)
    return office.guards.bars(wanted.phones[0], target.name, target.number, now) if target.kind == "trunk" else ""


def _reached(call: Call, wanted: _Wanted) -> NameAddr:
    """What the rung phone shows: whom its user is about to reach."""
    settings = call.office.settings
    party = presentation.party(call, settings, wanted.target)
    if party is not None:
        return party
    user = wanted.number or parse_target(wanted.target).name or parse_target(wanted.target).kind
    return NameAddr("" if wanted.number else wanted.target, Uri("sip", escaped_user(user), None, settings.sip.domain))
