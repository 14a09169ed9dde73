"""Calls that the switch begins by itself: a supervisor's phone is rung by order."""

from typing import TYPE_CHECKING

from softswitch.call.fabric import NoPort
from softswitch.call.leg import Leg
from softswitch.kernel.clock import Instant
from softswitch.kernel.dice import token
from softswitch.kernel.errors import PeerError
from softswitch.switch.call import Call
from softswitch.switch.events import SuperviseCommand
from softswitch.switch.stages.originating import RingFirstStage
from softswitch.switch.stages.supervising import SuperviseStage

if TYPE_CHECKING:
    from softswitch.switch.switch import Switch


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
    id = f"{int(now):x}{token(office.dice, 40)}"
    nobody = Leg(id, "switch", worker, office.directory.phone_stream(order.phone, ""), office.ua, office.fabric)
    call = Call(
        id, office, nobody, source=f"phone:{order.phone}", caller=number, caller_name=who.name or agent,
        called=f"supervise:{agent}", language=office.settings.server.language,
        max_forwards=office.settings.sip.max_forwards, now=now,
    )  # fmt: skip
    office.fact("call.started", now, id, source=call.source, caller=call.caller, called=call.called)
    stage = SuperviseStage(call, agent, order.phone, order.mode, follow=order.follow, by=order.by)
    switch.enter(call, RingFirstStage(call, office.directory.phone(order.phone, call, now), stage), now)
