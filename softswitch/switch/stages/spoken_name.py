"""A party says its name after a tone: for one conference, or for good by feature code."""

from collections.abc import Callable
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from softswitch.call.leg import Leg
from softswitch.kernel.clock import Instant
from softswitch.switch.stages.stage import Stage
from softswitch.wire.control import Edge, Record, ToneItem
from softswitch.wire.dtmf import FLASH

if TYPE_CHECKING:
    from softswitch.switch.call import Call

_BEEP: Final = (ToneItem((1000.0,), 300, level=-10.0),)
_SECONDS: Final = 5.0


def name_file(call: "Call", phone: str) -> str:
    """Where the spoken name of a phone's owner is, or would be."""
    return f"{call.office.settings.server.data_dir}/names/{phone}.wav"


def own_name(call: "Call") -> str:
    """The name that the owner of the party's phone has said for good; empty: none."""
    phone = call.office.directory.seat(call.leg.peer)
    return call.office.sound(name_file(call, phone)) if phone else ""


class _State(Enum):
    EXPLAINING = auto()
    BEEPING = auto()
    SPEAKING = auto()
    WRITING = auto()  # media closes the file


class NameStage(Stage):
    """The name goes to the file `path`, then the call to the stage that `then` makes of it (empty: there is no name).
    `lasting`: what was said until a hang-up is the name; else it is thrown away."""

    label = "playing"

    def __init__(self, call: "Call", at: str, path: str, then: Callable[[str], Stage], *, lasting: bool) -> None:
        super().__init__(call, at)
        self._path = path
        self._then = then
        self._lasting = lasting
        self._state = _State.EXPLAINING
        self._recorder = 0

    def enter(self, now: Instant) -> None:
        if not self.call.answer(now):
            return
        self.call.served(now, self.at)
        if self.call.office.recording_refusal:
            self._go_on("", now)
        else:
            self.call.play_prompts("say-your-name")

    def leave(self, now: Instant) -> None:
        recorder, self._recorder = self._recorder, 0
        if not recorder:
            return
        office, worker = self.call.office, self.call.leg.worker
        office.dictations.pop(recorder, None)
        if self._lasting:
            office.fabric.stop_record(worker, recorder)
        else:
            office.conferences.throw_away(recorder, worker, self._path)

    def on_digit(self, leg: Leg, digit: str, method: str, now: Instant, duration_ms: int = 160) -> None:
        if leg is not self.call.leg or digit == FLASH:
            return
        if self._state is _State.EXPLAINING:
            self._beep()
        elif self._state is _State.SPEAKING:
            self._spoken()

    def on_played(self, player: int, cause: str, now: Instant) -> None:
        if self._state is _State.EXPLAINING:
            self._beep()
        elif self._state is _State.BEEPING:
            self._record(now)

    def on_recorded(self, recorder: int, good: bool, now: Instant) -> None:
        if recorder == self._recorder:
            self._recorder = 0
            if not good and not self._lasting:
                self.call.office.conferences.forget_name(self._path)
            self._go_on(self._path if good else "", now)

    def wake(self, now: Instant) -> None:
        if self._state is _State.SPEAKING:
            self._spoken()

    def _beep(self) -> None:
        self._state = _State.BEEPING
        self.call.play(_BEEP)

    def _record(self, now: Instant) -> None:
        office, leg = self.call.office, self.call.leg
        self._state = _State.SPEAKING
        self._recorder = office.fabric.new_id()
        office.dictations[self._recorder] = self.call.id
        office.fabric.record(leg.worker, Record(self._recorder, self._path, 1))
        office.fabric.connect(leg.worker, Edge(leg.id, self._recorder, 0))
        self.deadline = now + _SECONDS

    def _spoken(self) -> None:
        self._state = _State.WRITING
        self.deadline = None
        self.call.office.fabric.stop_record(self.call.leg.worker, self._recorder)

    def _go_on(self, path: str, now: Instant) -> None:
        self.call.move(self._then(path), now)
