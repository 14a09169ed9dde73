"""A phone that was rung for a call of its own has been answered: what its user wants to reach is called."""

from typing import TYPE_CHECKING

from softswitch.kernel.clock import Instant
from softswitch.switch.identity import of_phone, take
from softswitch.switch.routing import routed
from softswitch.switch.stages.stage import Stage
from softswitch.switch.targets import Target

if TYPE_CHECKING:
    from softswitch.switch.call import Call


class CallOutStage(Stage):
    """On to `at`: a number, by the dial plan as if the phone had dialled it, or a target. `hidden`: the caller's number
    is not shown; None: as the phone's settings say."""

    label = "routing"

    def __init__(self, call: "Call", at: str, hidden: bool | None = None) -> None:
        super().__init__(call, at)
        self._hidden = hidden

    def enter(self, now: Instant) -> None:
        call = self.call
        phone = call.office.directory.seat(call.leg.peer)
        if not phone:
            call.refuse(now, 404)  # a reload took it away while it rang
            return
        who = of_phone(call.office, phone)
        call.source, call.caller, call.caller_name = f"phone:{phone}", who.number, who.name
        take(call, who if self._hidden is None else who._replace(hidden=self._hidden))
        first = self.at if ":" in self.at else routed(call, Target("phone", phone), self.at, now)
        if isinstance(first, str):
            call.go(first, now)
        else:
            call.move(first, now)
