"""Simple places: a prompt, early media, an echo, a held line, a refusal."""

from typing import TYPE_CHECKING

from softswitch.call.fabric import NoPort
from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import PeerError
from softswitch.switch.stages.stage import Stage
from softswitch.wire.control import PlayItem

if TYPE_CHECKING:
    from softswitch.switch.call import Call


class PlayStage(Stage):
    """`play:PROMPT`: answer, play, hang up, or go on to `then`."""

    label = "playing"

    def __init__(self, call: "Call", *prompts: str, then: str | None = None) -> None:
        super().__init__(call, prompts[0] if prompts else "")
        self._prompts = prompts
        self._then = then

    def enter(self, now: Instant) -> None:
        if self.call.answer(now):
            self.call.served(now, f"play:{self.at}")
            self.call.play_prompts(*self._prompts)

    def on_played(self, player: int, cause: str, now: Instant) -> None:
        if self._then is None:
            self.call.end(now, by="switch", reason=f"{self.at} played")
        else:
            self.call.go(self._then, now)


class ToneStage(Stage):
    """A tone for some seconds to a caller who was answered, then the end."""

    label = "playing"

    def __init__(self, call: "Call", tone: tuple[PlayItem, ...], name: str, seconds: float = 4.0) -> None:
        super().__init__(call, name)
        self._tone = tone
        self._seconds = seconds

    def enter(self, now: Instant) -> None:
        self.call.play(self._tone, loops=0)
        self.deadline = now + self._seconds

    def wake(self, now: Instant) -> None:
        self.call.end(now, by="switch", reason=self.at)


class EarlyStage(Stage):
    """`early:PROMPT/STATUS`: play before any answer (RFC 3960), then refuse. An answered call hears it all the same."""

    label = "playing"

    def __init__(self, call: "Call", prompt: str, status: int) -> None:
        super().__init__(call, prompt)
        self._status = status

    def enter(self, now: Instant) -> None:
        if not self.call.leg.up:
            try:
                self.call.drive(self.call.leg.play_early(now))
            except (PeerError, NoPort) as error:
                self.call.fail(error, now)
                return
        self.call.play_prompts(self.at)

    def on_played(self, player: int, cause: str, now: Instant) -> None:
        self.call.refuse(now, self._status)


class EchoStage(Stage):
    """`echo:`: the caller hears what the caller says."""

    label = "playing"

    def enter(self, now: Instant) -> None:
        self.at = "echo"
        if self.call.answer(now):
            self.call.served(now, "echo:")
            self.call.leg.hear(self.call.leg.id)

    def leave(self, now: Instant) -> None:
        self.call.leg.hear()


class HoldLineStage(Stage):
    """`answer:`: answer and hold the line in silence."""

    label = "playing"

    def enter(self, now: Instant) -> None:
        self.at = "answer"
        if self.call.answer(now):
            self.call.served(now, "answer:")


class RefuseStage(Stage):
    """`hangup:STATUS`."""

    label = "ended"

    def __init__(self, call: "Call", status: int) -> None:
        super().__init__(call, str(status))
        self._status = status

    def enter(self, now: Instant) -> None:
        self.call.refuse(now, self._status)
