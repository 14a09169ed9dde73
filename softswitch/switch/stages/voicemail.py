"""`voicemail:NAME`: a greeting, a beep, and what the caller says, into a recording of its own. Ended by the caller's
hang-up, the end key, silence, or the longest time."""

from typing import TYPE_CHECKING, Final

from softswitch.call.leg import Leg
from softswitch.kernel.clock import Instant
from softswitch.switch.settings import Voicemail
from softswitch.switch.stages.sounds import PlayStage
from softswitch.switch.stages.stage import Stage
from softswitch.wire.control import LISTEN_SPEECH, AskStats, ToneItem
from softswitch.wire.dtmf import FLASH

if TYPE_CHECKING:
    from softswitch.switch.call import Call

_BEEP: Final = (ToneItem((1000.0,), 500, level=-10.0),)
_LOOK: Final = 1.0  # seconds between looks at whether the caller still talks


class VoicemailStage(Stage):
    """`box` is the section's name."""

    label = "voicemail"

    def __init__(self, call: "Call", box: str, settings: Voicemail) -> None:
        super().__init__(call, f"voicemail:{box}")
        self._box = box
        self._settings = settings
        self._player = 0
        self._since: Instant | None = None  # recorded from then on
        self._beeping = False
        self._talked = 0.0
        self._quiet_since: Instant = 0.0

    def enter(self, now: Instant) -> None:
        call = self.call
        if not call.answer(now):
            return
        if self._settings.language and not call.language_chosen:
            call.language = self._settings.language
        if self._full():
            call.office.fact("voicemail.full", now, call.id, box=self._box)
            call.office.log("warning", "mailbox is full", box=self._box, messages=self._settings.max_messages)
            call.served(now, self.at)
            call.play_and_end("try-later", now, reason="mailbox is full")
            return
        call.office.fact("voicemail.entered", now, call.id, box=self._box, queue=call.facts.queue)
        call.served(now, self.at)
        call.facts.destination = self.at
        self._player = call.play_prompts(call.office.mailboxes.greeting(self._box))

    def _full(self) -> bool:
        """Whether the box takes no more, with what is being said into it just now: strangers must not fill the disk."""
        office, most = self.call.office, self._settings.max_messages
        if not most:
            return False
        stages = (call.stage for call in office.calls.values())
        under_way = sum(isinstance(one, VoicemailStage) and one._box == self._box for one in stages) - 1  # but this
        return sum(office.mailboxes.count(self._box)) + under_way >= most

    def leave(self, now: Instant) -> None:
        if self._since is not None:
            since, self._since = self._since, None
            self.call.recording.stop(now)
            self.call.office.fact(
                "voicemail.left", now, self.call.id, box=self._box, path=self.call.recording.name, seconds=now - since
            )

    def on_played(self, player: int, cause: str, now: Instant) -> None:
        if player != self._player:
            return
        if self._beeping:
            self._record(now)
        else:
            self._beep(now)

    def on_digit(self, leg: Leg, digit: str, method: str, now: Instant, duration_ms: int = 160) -> None:
        if leg is not self.call.leg or digit == FLASH:
            return
        if self._since is not None:
            if digit == self._settings.end_key:
                self._end(now)
        elif not self._beeping:
            self._beep(now)  # the greeting is known

    def wake(self, now: Instant) -> None:
        since = self._since
        if since is None:
            return
        figures = self.call.leg.figures
        talked = figures.speech.talk if figures is not None and figures.speech is not None else None
        if talked is None or talked > self._talked:
            self._talked = talked or 0.0
            self._quiet_since = now
        silence = self._settings.silence
        if now >= since + self._settings.max_seconds or (silence and now - self._quiet_since >= silence):
            self._end(now)
            return
        self.call.office.fabric.command(self.call.leg.worker, AskStats((self.call.leg.id,), process_only=False))
        self.deadline = min(now + _LOOK, since + self._settings.max_seconds)

    def _beep(self, now: Instant) -> None:
        self._beeping = True
        if self._settings.beep:
            self._player = self.call.play(_BEEP)
        else:
            self.call.silence()
            self._record(now)

    def _record(self, now: Instant) -> None:
        call = self.call
        self._player = 0
        call.silence()
        if not call.recording.message(self._box, now):
            call.play_and_end("try-later", now, reason="no recording is possible")
            return
        self._since = self._quiet_since = now
        call.leg.listen(LISTEN_SPEECH)
        self.deadline = now + min(_LOOK, self._settings.max_seconds)

    def _end(self, now: Instant) -> None:
        self.call.facts.reason = self.call.facts.reason or "message left"
        self.call.move(PlayStage(self.call, "voicemail-saved"), now)
