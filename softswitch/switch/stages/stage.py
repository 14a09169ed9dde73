"""What every stage of a call answers to. The call hands it events; the stage moves the call on."""

from typing import TYPE_CHECKING, ClassVar, Literal

from softswitch.acd.model import AcdEffect
from softswitch.call.causes import TONES
from softswitch.call.leg import Leg
from softswitch.kernel.clock import Instant
from softswitch.switch.events import HookAnswered
from softswitch.wire.sip import Response

if TYPE_CHECKING:
    from softswitch.switch.call import Call


class Stage:
    """By default a stage ignores what comes. `label` is what people see as the call's state, `at` the place's name,
    `deadline` when `wake` is due."""

    label: ClassVar[str] = ""
    speaks: ClassVar[bool] = True  # we have something to say to the caller

    def __init__(self, call: "Call", at: str = "") -> None:
        self.call = call
        self.at = at
        self.deadline: Instant | None = None

    def enter(self, now: Instant) -> None:
        """The call has come here."""

    def leave(self, now: Instant) -> None:
        """The call moves on or ends: take back what this stage began (players, dials, a place in a queue)."""

    def held(self) -> bool:
        """Whether parties who hold leave nobody here to talk with."""
        return False

    def legs(self) -> tuple[Leg, ...]:
        """The legs besides the caller's that this stage holds."""
        return ()

    def on_digit(self, leg: Leg, digit: str, method: str, now: Instant, duration_ms: int = 160) -> None:
        """A key was pressed. `method`: `rfc4733`, `info` or `inband`."""

    def on_heard(self, leg: Leg, what: str, now: Instant) -> None:
        """Media heard `what` on a leg (see `wire.control.Heard`). A line that says busy has hung up, whoever it is."""
        if leg.up and what in TONES:
            if leg is self.call.leg:
                self.call.end(now, by="caller", reason=f"{what} tone from the caller's line")
            else:
                self.call.drive(leg.hang_up(now))
                self.on_gone(leg, now)

    def on_played(self, player: int, cause: str, now: Instant) -> None:
        """A player of this call ended by itself."""

    def on_recorded(self, recorder: int, good: bool, now: Instant) -> None:
        """What this stage dictated is in its file (`good`), or could not be written."""

    def on_progress(self, leg: Leg, response: Response, body: bytes, now: Instant) -> None:
        """18x on a leg that we called."""

    def on_accepted(self, leg: Leg, body: bytes, now: Instant) -> None:
        """200 on a leg that we called."""

    def on_rejected(self, leg: Leg, status: int, response: Response | None, now: Instant) -> None:
        """A leg that we called refused."""

    def on_gone(self, leg: Leg, now: Instant, reason: str = "") -> None:
        """A leg that had answered is over (not the caller's); `reason` is its Reason header."""

    def let_go(self, leg: Leg, now: Instant) -> bool:
        """A party whose stream has failed: whether the call goes on without it."""
        return False

    def on_renegotiated(self, leg: Leg, now: Instant) -> None:
        """A party offered anew; its streams may be others."""

    def on_hold(self, leg: Leg, held: bool, now: Instant) -> None:
        """A party put the call on hold, or took it back."""

    def on_acd(self, effect: AcdEffect, now: Instant) -> None:
        """The ACD decided something about this call."""

    def retuned(self, now: Instant) -> None:
        """Settings of queues or agents were changed while the call is here."""

    def wake(self, now: Instant) -> None:
        """`deadline` has come."""


class AskingStage(Stage):
    """A stage that has asked something outside (`Hooks.ask`, `Hooks.post`) and waits for what comes."""

    def heard(self, event: HookAnswered, now: Instant) -> None:
        """The shell is done with the question."""
        if event.status:
            self.answered(event.status, event.body, now)
        else:
            self.fail("time-out" if event.error == "time-out" else "unreachable", event.error, now)

    def answered(self, status: int, body: bytes, now: Instant) -> None:
        """The far side answered."""

    def fail(self, cause: Literal["time-out", "unreachable"], detail: str, now: Instant) -> None:
        """It did not."""
