"""Pickup by code: take a call that rings elsewhere, or hear that there is none."""

from typing import TYPE_CHECKING

from softswitch.kernel.clock import Instant
from softswitch.switch.pickup import pick_up, within_reach
from softswitch.switch.stages.sounds import PlayStage

if TYPE_CHECKING:
    from softswitch.switch.call import Call


class PickUpStage(PlayStage):
    """`wanted`: at which phone it rings; None: at any of the groups'."""

    def __init__(self, call: "Call", phone: str, wanted: str | None = None) -> None:
        super().__init__(call, "nothing-to-pick-up")
        self._phone = phone
        self._wanted = wanted

    def enter(self, now: Instant) -> None:
        ringing = within_reach(self.call.office, self._phone, self._wanted, now)
        if ringing is not None:
            pick_up(self.call, ringing, self._phone, now)
        else:
            super().enter(now)
