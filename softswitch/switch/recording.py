"""The recording of one call: caller on the left channel, whoever talks with the caller on the right.

The recorder is a sink of the mix, not of a leg: it goes on through transfers and holds, and one file holds the call.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from softswitch.call.leg import Leg
from softswitch.kernel.clock import Instant
from softswitch.wire.control import Edge, PauseRecord, Record, ResumeRecord

if TYPE_CHECKING:
    from softswitch.switch.call import Call

LEFT, RIGHT = 0, 1
_SAFE = str.maketrans(dict.fromkeys('/\\:*?"<>|\0\n\r\t ', "_"))


class CallRecording:
    """`name` is the file's path below the recordings directory, empty when nothing was recorded.
    `consented` is what the caller said to the menu's question: None when never asked. `writing` until media has
    closed the file."""

    def __init__(self, call: "Call") -> None:
        self._call = call
        self._recorder = 0
        self._right: int | None = None
        self._paused = False
        self._broken = False
        self.writing = False
        self.name = ""
        self.consented: bool | None = None

    @property
    def running(self) -> bool:
        return bool(self._recorder)

    def start(self, other: Leg, now: Instant) -> None:
        """Record from here on, or let the running recorder hear the new party."""
        call = self._call
        if self.consented is False or self._broken:
            return
        fabric = call.office.fabric
        if not self._recorder:
            settings = call.office.settings
            moment = datetime.fromtimestamp(now, UTC)
            self.name = settings.recording.template.format(
                date=moment.strftime("%Y-%m-%d"),
                time=moment.strftime("%H%M%S"),
                call=call.id,
                queue=_safe(call.facts.queue),
                agent=_safe(call.facts.agent),
                caller=_safe(call.caller),
                called=_safe(call.called),
            )
            self._recorder = fabric.new_id()
            self.writing = True
            fabric.record(call.leg.worker, Record(self._recorder, f"{settings.recording.directory}/{self.name}"))
            fabric.connect(call.leg.worker, Edge(call.leg.id, self._recorder, LEFT))
            call.office.recordings[self._recorder] = (call.id, self.name, now, call.leg.worker)
            call.office.fact("recording.started", now, call.id, path=self.name)
        if self._right is not None:
            fabric.disconnect(call.leg.worker, Edge(self._right, self._recorder, RIGHT))
        fabric.connect(call.leg.worker, Edge(other.id, self._recorder, RIGHT))
        self._right = other.id

    def pause(self, now: Instant) -> None:
        """Silence of the same length is written from here on."""
        if self._recorder and not self._paused:
            self._paused = True
            self._call.office.fabric.command(self._call.leg.worker, PauseRecord(self._recorder))
            self._call.office.fact("recording.paused", now, self._call.id)

    def resume(self, now: Instant) -> None:
        if self._recorder and self._paused:
            self._paused = False
            self._call.office.fabric.command(self._call.leg.worker, ResumeRecord(self._recorder))
            self._call.office.fact("recording.resumed", now, self._call.id)

    def stop(self) -> None:
        if self._recorder:
            self._call.office.fabric.stop_record(self._call.leg.worker, self._recorder)
            self._recorder = 0

    def done(self) -> None:
        """Media has closed the file; when that was not our wish, nothing more of this call is recorded."""
        self.writing = False
        self._broken = bool(self._recorder)
        self._recorder = 0


def _safe(text: str) -> str:
    """No caller chooses a folder."""
    return text.translate(_SAFE).lstrip(".") or "none"
