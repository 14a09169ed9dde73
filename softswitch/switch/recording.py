"""The recording of one call: caller on the left channel, all others who talk in it on the right; or all mixed.

The recorder is a sink of the mix, not of a leg: it goes on through transfers and holds, and one file holds the call.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec

from softswitch.call.leg import Leg
from softswitch.kernel.clock import Instant
from softswitch.switch.recording_names import recording_name
from softswitch.switch.recording_session import RecordingSession
from softswitch.switch.records import SavedRecording
from softswitch.wire.control import Edge, PauseRecord, Record, RecordDone, ResumeRecord

if TYPE_CHECKING:
    from softswitch.switch.call import Call

LEFT = 0
_RATE = 8000
_HEADER = 80  # octets before the sound; `media.wav`
_ORDER = "order"
_PARTY = "party"  # who keeps it paused: a party that does not want it
VOICEMAIL = "voicemail/"  # messages are kept below this folder, each box in one of its own


class RecordingMemory(msgspec.Struct, frozen=True, array_like=True):
    """A call's recording as another control process must know it: `recorder` 0: none runs now; `name` and `names` are
    files below the recordings directory, `row` what `RunningRecording` says."""

    recorder: int
    name: str
    names: tuple[str, ...]
    worker: int
    channels: int
    edges: tuple[Edge, ...]
    caller: int
    paused_by: tuple[str, ...]
    consented: bool | None
    row: "RunningRecording | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningRecording:
    """A recording that media writes now. `path` is relative to the recordings directory."""

    call: str
    path: str
    started: Instant
    worker: int
    channels: int = 2
    queue: str = ""
    agent: str = ""
    caller: str = ""
    called: str = ""

    def saved(self, done: RecordDone) -> SavedRecording:
        """The row for the store; the keeper makes length and size those of the file."""
        return SavedRecording(
            self.path,
            self.call,
            self.started,
            done.frames / _RATE,
            _HEADER + 2 * self.channels * done.frames,
            queue=self.queue,
            agent=self.agent,
            caller=self.caller,
            called=self.called,
            channels=self.channels,
            fault="" if done.cause == "stopped" else done.reason or done.cause,
        )


def unknown(done: RecordDone, directory: str, now: Instant) -> SavedRecording | None:
    """The row of a recording that an earlier control process began; the keeper finds out which call it was."""
    folder = directory.rstrip("/") + "/"
    if not done.path.startswith(folder):
        return None
    seconds = done.frames / _RATE
    path = done.path.removeprefix(folder)
    return SavedRecording(path, "", now - seconds, seconds, _HEADER + 4 * done.frames, fault=done.reason)


class CallRecording:
    """`name` is the file's path below the recordings directory, empty when nothing was recorded.
    `consented` is what the caller said to the menu's question: None when never asked. `writing` until media has
    closed every file."""

    def __init__(self, call: "Call") -> None:
        self._call = call
        self._recorder = 0
        self._channels = 2
        self._edges: frozenset[Edge] = frozenset()
        self._caller = LEFT  # the channel of the party that the call goes on with
        self._paused_by: set[str] = set()
        self._parties: tuple[Leg, ...] = ()  # who talks in it
        self._broken = False
        self._skipped = False
        self._worker = 0
        self._names: set[str] = set()
        self._open: set[int] = set()  # recorders whose files media has not closed
        self._session: RecordingSession | None = None  # with a recording server
        self.name = ""
        self.consented: bool | None = None

    @property
    def writing(self) -> bool:
        return bool(self._open)

    @property
    def running(self) -> bool:
        return bool(self._recorder)

    @property
    def paused(self) -> bool:
        return bool(self._paused_by)

    @property
    def server(self) -> str:
        """The recording server that gets the call, or is asked to; empty: none."""
        return "" if self._session is None else self._session.server

    @property
    def sip_session(self) -> int:
        """The SIP session with the recording server; 0: none."""
        return 0 if self._session is None else self._session.sip_session

    def start(self, others: Iterable[Leg], now: Instant) -> None:
        """Record from here on."""
        call = self._call
        if self.consented is False or self._broken:
            return
        if not self._recorder and (refusal := call.office.recording_refusal):
            if not self._skipped:
                self._skipped = True
                call.office.fact("recording.skipped", now, call.id, reason=refusal)
                call.office.log("error", "call is not recorded", call=call.id, reason=refusal)
            return
        if not self._recorder:
            self._begin(now)
            if self._paused_by:  # by who paused what a recording server gets
                call.office.fabric.command(self._worker, PauseRecord(self._recorder))
        self._heard(others)
        self._tell(tuple(others), now)

    def serve(self, others: Iterable[Leg], now: Instant) -> None:
        """A recording server gets the call from here on, if one is to."""
        servers = self._call.office.recording_servers
        if self._session is not None or self.consented is False or not self._call.office.settings.siprec:
            return
        if name := servers.wanted(self._call, others):
            self._session = RecordingSession(servers, self._call, name, self._caller, paused=self.paused)
            self._session.begin(others, now)
            self._tell(tuple(others), now)

    def follow(self, others: Iterable[Leg], now: Instant) -> None:
        """These are heard beside the call's own party from now on, if a recording runs."""
        others = tuple(others)
        if self._session is not None:
            self._session.follow(others, now)
        if self._recorder:
            self._heard(others)
        if self._recorder or self._session is not None:
            self._tell(others, now)

    def _tell(self, others: tuple[Leg, ...], now: Instant) -> None:
        """Parties that know of recording (RFC 7866 §6): it pauses while one does not want it, and they are told."""
        call = self._call
        self._parties = parties = (call.leg, *others)
        settings = call.office.settings.recording
        unwilling = next((leg for leg in parties if leg.recordpref in ("off", "pause")), None)
        if settings.recordpref and unwilling is not None and _PARTY not in self._paused_by:
            self.pause(now, by=unwilling.peer, reason=f"recordpref:{unwilling.recordpref}", hold=_PARTY)
        elif unwilling is None and _PARTY in self._paused_by:
            self.resume(now, by=call.leg.peer, reason="recordpref", hold=_PARTY)
        self._indicate(now)

    def _indicate(self, now: Instant) -> None:
        call = self._call
        if not call.office.settings.recording.indicate:
            return
        at_work = self._recorder or self._session is not None
        word = "off" if not at_work else "paused" if self._paused_by else "on"
        for leg in self._parties:
            if leg.record_aware and leg.session not in call.office.faxes.by_session:  # it has no sound there
                call.drive(leg.indicate(word, now))

    def _heard(self, others: Iterable[Leg]) -> None:
        fabric, worker, right = self._call.office.fabric, self._worker, 1 - self._caller
        heard = [(self._call.leg.id, self._caller), *((other.id, right) for other in others)]
        edges = frozenset(Edge(leg, self._recorder, min(channel, self._channels - 1)) for leg, channel in heard)
        if gone := self._edges - edges:
            fabric.disconnect(worker, *gone)
        if come := edges - self._edges:
            fabric.connect(worker, *sorted(come, key=lambda edge: edge.channel))
        self._edges = edges

    def memory(self) -> RecordingMemory | None:
        """What another control process must know; None when nothing was recorded and nobody was asked."""
        if not self.name and self.consented is None:
            return None
        return RecordingMemory(
            self._recorder, self.name, tuple(self._names), self._worker, self._channels, tuple(self._edges),
            self._caller, tuple(self._paused_by), self.consented, self._call.office.recordings.get(self._recorder),
        )  # fmt: skip

    def recall(self, memory: RecordingMemory, *, runs: bool) -> None:
        """Go on from what another control process has begun; `runs`: media writes the file."""
        self.name, self._names, self.consented = memory.name, set(memory.names), memory.consented
        self._worker, self._channels, self._caller = memory.worker, memory.channels, memory.caller
        if runs and memory.recorder and memory.row is not None:
            self._recorder, self._edges = memory.recorder, frozenset(memory.edges)
            self._paused_by = set(memory.paused_by)
            self._open.add(memory.recorder)
            office = self._call.office
            office.recordings[memory.recorder] = memory.row
            office.fabric.workers[memory.worker].recorders.add(memory.recorder)

    def swap(self) -> None:
        """The call goes on with the other party, whose channel stays what it was."""
        self._caller = 1 - self._caller
        if self._session is not None:
            self._session.swap()

    def message(self, box: str, now: Instant) -> bool:
        """Record the caller alone, as a message for voicemail `box`; False when nothing can be recorded."""
        call = self._call
        if refusal := call.office.recording_refusal:
            call.office.fact("recording.skipped", now, call.id, reason=refusal)
            return False
        self.stop(now)
        self._edges = frozenset()
        self._begin(now, box)
        self._heard(())
        return True

    def _begin(self, now: Instant, box: str = "") -> None:
        call = self._call
        call.touch()
        settings, fabric, facts = call.office.settings, call.office.fabric, call.facts
        queue = settings.queues.get(facts.queue)
        self._channels = (queue.record_channels if queue is not None else None) or settings.recording.channels
        if box:
            self._channels = 1
        values = {"call": call.id, "queue": facts.queue, "agent": facts.agent}
        values |= {"caller": call.caller, "called": call.called}
        zone = ZoneInfo(settings.server.timezone)
        self.name = recording_name(settings.recording.template, values, now, zone)
        if box:
            self.name = f"{VOICEMAIL}{box}/{self.name}"
        if self.name in self._names:  # the call has come to another media process
            self.name = f"{self.name.removesuffix('.wav')}-{len(self._names) + 1}.wav"
        self._names.add(self.name)
        self._worker = call.leg.worker
        self._recorder = fabric.new_id()
        self._open.add(self._recorder)
        path = f"{settings.recording.directory}/{self.name}"
        fabric.record(self._worker, Record(self._recorder, path, self._channels))
        call.office.recordings[self._recorder] = RunningRecording(
            call=call.id, path=self.name, started=now, worker=call.leg.worker, channels=self._channels,
            queue=facts.queue, agent=facts.agent, caller=call.caller, called=call.called,
        )  # fmt: skip
        call.office.fact(
            "recording.started", now, call.id, path=self.name, channels=self._channels, queue=facts.queue,
            agent=facts.agent, caller=call.caller, called=call.called,
        )  # fmt: skip

    def pause(self, now: Instant, *, by: str, reason: str = "", hold: str = _ORDER) -> bool:
        """Silence of the same length is written from here on, until every `hold` is resumed. False when nothing is
        recorded."""
        if not self._recorder and self._session is None:
            return False
        if hold not in self._paused_by:
            self._paused_by.add(hold)
            self._call.office.fact("recording.paused", now, self._call.id, by=by, reason=reason)
            if len(self._paused_by) == 1:
                self._hush(True, now)
        return True

    def resume(self, now: Instant, *, by: str, reason: str = "", hold: str = _ORDER) -> bool:
        """False when nothing is recorded."""
        if not self._recorder and self._session is None:
            return False
        if hold in self._paused_by:
            self._paused_by.discard(hold)
            self._call.office.fact("recording.resumed", now, self._call.id, by=by, reason=reason)
            if not self._paused_by:
                self._hush(False, now)
        return True

    def _hush(self, paused: bool, now: Instant) -> None:
        self._call.touch()
        if self._recorder:
            order = PauseRecord(self._recorder) if paused else ResumeRecord(self._recorder)
            self._call.office.fabric.command(self._worker, order)
        if self._session is not None:
            self._session.pause(paused, now)
        self._indicate(now)

    def stop(self, now: Instant) -> None:
        if self._session is not None:
            self._session.stop(now)
            self._session = None
        if self._recorder:
            self._call.touch()
            self._call.office.fabric.stop_record(self._worker, self._recorder)
            self._recorder = 0
            self._edges = frozenset()
        self._indicate(now)

    def done(self, recorder: int) -> None:
        """Media has closed the file; when that was not our wish, nothing more of this call is recorded."""
        self._open.discard(recorder)
        if recorder == self._recorder:
            self._broken = True
            self._recorder = 0
            self._edges = frozenset()


def box_of(path: str) -> str:
    """The voicemail box whose message the recording at `path` is; empty: it is a call's."""
    return path.removeprefix(VOICEMAIL).partition("/")[0] if path.startswith(VOICEMAIL) else ""


def stars(value: str) -> str:
    """What is shown of a secret: its length."""
    return "*" * len(value)
