"""Orders that change how calls are distributed while the switch runs: settings of queues and agents, customers, the
place of waiting calls; and what hooks answered. Each is told in the ledger, with who gave it."""

from typing import TYPE_CHECKING

from softswitch.acd.model import CallPrioritised, Fact
from softswitch.kernel.clock import Instant
from softswitch.switch.customers import ForgottenCustomer
from softswitch.switch.events import (
    AgentCommand,
    CallerVerified,
    CustomersChanged,
    HookAnswered,
    LetIn,
    MoveCall,
    PhoneCommand,
    PrioritiseCall,
    Retune,
    Save,
    SendAway,
)
from softswitch.switch.records import ForgottenSetting, SavedSetting
from softswitch.switch.stages.build import stage_for
from softswitch.switch.stages.codes import agent_event
from softswitch.switch.stages.stage import AskingStage
from softswitch.switch.stages.verifying import VerifyStage
from softswitch.switch.targets import Target

if TYPE_CHECKING:
    from softswitch.switch.call import Call
    from softswitch.switch.switch import Switch


class LiveOrders:
    """One for the switch."""

    def __init__(self, switch: "Switch") -> None:
        self._switch = switch

    def agent(self, event: AgentCommand, now: Instant) -> None:
        """Log in (there or at the agent's own phone), log out, pause, ready."""
        if event.verb == "login":
            self._switch.office.sit(event.agent, event.phone, event.by, now)
        else:
            self._switch.office.acd(agent_event(event.verb, event.agent, event.reason, event.by), now)

    def phone(self, event: PhoneCommand, now: Instant) -> None:
        """Forwarding, do not disturb, call waiting."""
        self._switch.office.phones.set(event.phone, event.what, event.value, event.by, now)

    def let_in(self, event: LetIn, now: Instant) -> None:
        """A password from there is looked at again."""
        self._switch.office.defence.let_in(event.host)

    def retune(self, event: Retune, now: Instant) -> None:
        """Everything goes on; what waits and rings is looked at by the new settings."""
        office = self._switch.office
        section, name, key = event.path[:3]
        old = getattr(office.settings, section).get(name)
        was = getattr(old, key, None)
        office.retune(event.settings, now)
        key_path = ".".join(event.path)
        if event.value is None:
            office.outbox.append(Save(ForgottenSetting(key_path)))
        else:
            office.outbox.append(Save(SavedSetting(key_path, event.value, event.by, now)))
        office.fact("setting.changed", now, path=key_path, value=event.value, by=event.by)
        if section == "queues" and key == "shut":
            now_shut = office.settings.queues[name].shut
            if bool(was) != bool(now_shut):
                kind = "queue.shut" if now_shut else "queue.opened"
                office.note(Fact(kind, now, queue=name, data={"reason": now_shut, "by": event.by}))
        for call in office.calls.values():
            call.stage.retuned(now)
            call.rearm()

    def customers(self, event: CustomersChanged, now: Instant) -> None:
        """Memory and store in one step."""
        office = self._switch.office
        removed = [id for id in event.removed if office.customers.remove(id)]
        for customer in event.put:
            office.customers.put(customer)
            office.outbox.append(Save(customer))
        for id in removed:
            office.outbox.append(Save(ForgottenCustomer(id)))
        ids = [customer.id for customer in event.put] if len(event.put) <= 10 else []
        office.fact("customers.changed", now, put=len(event.put), removed=len(removed), ids=ids, by=event.by)

    def prioritise(self, event: PrioritiseCall, now: Instant) -> None:
        """Also for queues that the call comes to later."""
        call = self._waiting(event.call)
        if call is not None:
            call.wishes.head_start += event.seconds
            self._switch.office.acd(CallPrioritised(call.id, event.seconds, event.by), now)

    def move(self, event: MoveCall, now: Instant) -> None:
        """What rings for it is silenced; it waits on at its place in the other queue."""
        call, office = self._waiting(event.call), self._switch.office
        if call is None or event.queue not in office.settings.queues:
            return
        office.fact("call.moved", now, call.id, from_queue=call.stage.at, to_queue=event.queue, by=event.by)
        call.wishes.keep_place = True
        call.facts.reason = f"moved to queue {event.queue}"
        call.go(f"queue:{event.queue}", now)
        call.facts.reason = ""

    def send_away(self, event: SendAway, now: Instant) -> None:
        """Those who wait go where the queue sends callers while it is closed."""
        office = self._switch.office
        if event.queue not in office.settings.queues:
            return
        for view in office.engine.waiting(event.queue, now):
            call = self._waiting(view.call)
            if call is not None:
                call.facts.reason = f"queue {event.queue} is closed"
                call.move(stage_for(call, Target("queue", event.queue), now), now)
                call.rearm()

    def hook_answered(self, event: HookAnswered, now: Instant) -> None:
        """To the call that waits for it; one that went on without does not hear it any more."""
        call = self._switch.calls.get(self._switch.office.hooks.ended(event.number))
        if call is not None and isinstance(call.stage, AskingStage):
            call.stage.heard(event, now)
            call.rearm()

    def caller_verified(self, event: CallerVerified, now: Instant) -> None:
        """Likewise."""
        call = self._switch.calls.get(self._switch.office.hooks.ended(event.number))
        if call is not None and isinstance(call.stage, VerifyStage):
            call.stage.verified(event.verdict, now)
            call.rearm()

    def _waiting(self, id: str) -> "Call | None":
        call = self._switch.calls.get(id)
        return call if call is not None and call.stage.label == "queued" else None
