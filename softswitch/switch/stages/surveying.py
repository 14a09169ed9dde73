"""`survey:NAME`: a few questions after the call, answered by keys or by a message.

A caller comes here when the agent of a queue with a `survey` hangs up, or when an agent passes the call on to it.
Every answer is a fact at once, so one who hangs up half-way has given those before.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from softswitch.acd.model import Fact
from softswitch.call.leg import Leg
from softswitch.kernel.clock import Instant
from softswitch.switch.settings import Survey, SurveyQuestion
from softswitch.switch.stages.stage import Stage
from softswitch.wire.control import ToneItem
from softswitch.wire.dtmf import FLASH

if TYPE_CHECKING:
    from softswitch.switch.call import Call

BOX: Final = "survey-"  # messages are kept as those of a voicemail box of this name
_BEEP: Final = (ToneItem((1000.0,), 400, level=-10.0),)
_END: Final = "#"
_TEN: Final = "*"


class _Phase(StrEnum):
    ASKING = "asking"  # the question is played
    WAITING = "waiting"  # for a key
    TYPING = "typing"  # one more key may follow
    BEEPING = "beeping"
    RECORDING = "recording"
    PARTING = "parting"


class SurveyStage(Stage):
    """Belongs to the call's last queue and agent. Whoever does not answer is asked again, then the next question."""

    label = "survey"

    def __init__(self, call: "Call", name: str, survey: Survey) -> None:
        super().__init__(call, name)
        self._survey = survey
        self._queue, self._agent = call.facts.queue, call.facts.agent
        self._phase = _Phase.ASKING
        self._number = -1
        self._tries = 0
        self._keys = ""
        self._answers = 0
        self._player = 0
        self._since: Instant = 0.0  # recorded from then on
        self._talk_file = ""
        self._ended = False

    def enter(self, now: Instant) -> None:
        call = self.call
        if not call.answer(now):
            return
        call.served(now, f"survey:{self.at}")
        call.recording.stop(now)
        if self._survey.language:
            call.language = self._survey.language
        self._fact("survey.asked", now)
        self._next(now, *((self._survey.intro,) if self._survey.intro else ()))

    def leave(self, now: Instant) -> None:
        if self._phase is _Phase.RECORDING:
            self._recorded(now)
        self._end(now, "hung-up" if self.call.hung_up_by == "caller" else "left")

    def on_digit(self, leg: Leg, digit: str, method: str, now: Instant, duration_ms: int = 160) -> None:
        if leg is not self.call.leg or digit == FLASH:
            return
        match self._phase:
            case _Phase.RECORDING:
                self._recorded(now)
                self._next(now)
            case _Phase.ASKING | _Phase.WAITING | _Phase.TYPING if self._question.kind != "voice":
                self._player = 0
                self.call.silence()
                self._key(digit, now)
            case _Phase.ASKING:
                self._beep()  # the question is known

    def on_played(self, player: int, cause: str, now: Instant) -> None:
        if player != self._player:
            return
        match self._phase:
            case _Phase.ASKING if self._question.kind == "voice":
                self._beep()
            case _Phase.ASKING:
                self._phase = _Phase.WAITING
                self.deadline = now + self._survey.timeout
            case _Phase.BEEPING:
                self._record(now)
            case _Phase.PARTING:
                self.call.end(now, by="switch", reason="survey")

    def wake(self, now: Instant) -> None:
        match self._phase:
            case _Phase.RECORDING:
                self._recorded(now)
                self._next(now)
            case _Phase.TYPING:
                self._typed(now)
            case _Phase.WAITING:
                self._again(now)

    # ---------------------------------------------------------------------------------------------------------- within

    @property
    def _question(self) -> SurveyQuestion:
        return self._survey.questions[self._number]

    def _next(self, now: Instant, *before: str) -> None:
        self._number += 1
        self._tries = 0
        if self._number < len(self._survey.questions):
            self._ask(*before)
            return
        self._end(now, "completed")
        self._phase = _Phase.PARTING
        self.deadline = None
        self._player = self.call.play_prompts(self._survey.thanks)

    def _ask(self, *before: str) -> None:
        self._phase = _Phase.ASKING
        self._keys = ""
        self.deadline = None
        self._player = self.call.play_prompts(*before, self._question.spoken)

    def _again(self, now: Instant, *before: str) -> None:
        self._tries += 1
        if self._tries > self._survey.repeat:
            self._next(now)
        else:
            self._ask(*before)

    def _key(self, digit: str, now: Instant) -> None:
        question = self._question
        if digit == _END and question.kind != "csat":
            self._typed(now)
            return
        self._keys += "10" if digit == _TEN and question.kind == "nps" and not self._keys else digit
        more = {"csat": False, "nps": self._keys == "1", "digits": len(self._keys) < question.max}[question.kind]
        if not more:
            self._typed(now)
        else:
            self._phase = _Phase.TYPING
            self.deadline = now + self._survey.digit_timeout

    def _typed(self, now: Instant) -> None:
        keys, question = self._keys, self._question
        low, high = {"csat": (1, 5), "nps": (0, 10)}.get(question.kind, (0, -1))
        if question.kind == "digits" and keys and keys.isdecimal():
            self._answered(now, value=keys)
        elif keys.isdecimal() and low <= int(keys) <= high:
            self._answered(now, value=int(keys))
        else:
            self._again(now, "invalid-choice")
            return
        self._next(now)

    def _beep(self) -> None:
        self._phase = _Phase.BEEPING
        self._player = self.call.play(_BEEP)

    def _record(self, now: Instant) -> None:
        recording = self.call.recording
        self._talk_file = recording.name
        if not recording.message(f"{BOX}{self.at}", now):
            self._next(now)
            return
        self._phase = _Phase.RECORDING
        self._since = now
        self.deadline = now + self._question.seconds

    def _recorded(self, now: Instant) -> None:
        recording = self.call.recording
        recording.stop(now)
        self._phase = _Phase.ASKING
        self._answered(now, recording=recording.name, seconds=round(now - self._since, 3))
        recording.name = self._talk_file or recording.name  # the record names the talk's

    def _answered(self, now: Instant, **answer: object) -> None:
        self._answers += 1
        question = self._question
        first = self._answers == 1
        self._fact(
            "survey.answer", now, question=question.name or question.kind, kind=question.kind, first=first, **answer
        )

    def _end(self, now: Instant, cause: str) -> None:
        if not self._ended and self._number >= 0:  # who could not be answered has not been asked
            self._ended = True
            completed = self._answers == len(self._survey.questions)
            self._fact("survey.ended", now, answers=self._answers, completed=completed, cause=cause)

    def _fact(self, fact: str, now: Instant, **data: object) -> None:
        told: dict[str, object] = {"survey": self.at, **data}
        self.call.office.note(Fact(fact, now, self.call.id, self._queue, self._agent, told))


def survey_after(call: "Call", agent: str, talked: float) -> SurveyStage | None:
    """The survey for a caller whose agent has hung up; None: there is none, or this caller is not asked."""
    settings = call.office.settings
    queue = settings.queues.get(call.facts.queue)
    if not agent or queue is None or queue.survey is None:
        return None
    survey = settings.surveys.get(queue.survey)
    if survey is None or talked < survey.min_talk or 100.0 * call.office.dice.random() >= survey.share:
        return None
    return SurveyStage(call, queue.survey, survey)
