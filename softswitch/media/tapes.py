"""The recordings of an engine: which run, which files are still being closed."""

from softswitch.kernel.errors import LocalError
from softswitch.media.arena import FRAME
from softswitch.media.edges import Edges
from softswitch.media.effects import AppendFile, CreateFile, Effect, FinishFile
from softswitch.media.plan import Plan
from softswitch.media.recorder import CHANNELS, Recorder, Recorders
from softswitch.wire.control import Edge, Failed, RecordDone, Report


class Tapes:
    """`first`: the number of the first recorder channel among the sinks, behind all legs."""

    __slots__ = ("_edges", "_effects", "_finishing", "_first", "_paths", "_plan", "_reports", "recorders")

    def __init__(self, first: int, edges: Edges, plan: Plan, effects: list[Effect], reports: list[Report]) -> None:
        self.recorders = Recorders()
        self._first = first
        self._edges = edges
        self._plan = plan
        self._effects = effects
        self._reports = reports
        self._finishing: dict[int, tuple[str, int]] = {}  # recorder → path, frames
        self._paths: dict[int, str] = {}

    def __contains__(self, id: int) -> bool:
        return id in self.recorders.by_id or id in self._finishing

    def sink(self, edge: Edge) -> int:
        """The channel that the edge leads to, as a number among the sinks. Raises `LocalError`."""
        recorder = self.recorders.by_id.get(edge.sink)
        if recorder is None:
            raise LocalError(f"no sink {edge.sink}")
        if not 0 <= edge.channel < recorder.channels:
            raise LocalError(f"recorder {edge.sink} has no channel {edge.channel}")
        return self._sink(recorder, edge.channel)

    def record(self, id: int, path: str, channels: int, tick: int) -> None:
        """A recording that begins at `tick`. Raises `LocalError`."""
        self.recorders.open(id, channels, tick)
        self._paths[id] = path
        self._effects.append(CreateFile(id, path, channels))

    def pause(self, id: int, paused: bool) -> None:
        """Write silence, or sound again, with a fade over one frame. Raises `LocalError`."""
        recorder = self._recorder(id)
        recorder.paused = paused
        for channel in range(recorder.channels):
            self._edges.mute(self._sink(recorder, channel), paused)
        self._plan.dirty = True

    def stop(self, id: int, tick: int) -> None:
        """Hand over what was heard before `tick` and close the file. Raises `LocalError`."""
        recorder = self._recorder(id)
        self._effects.append(AppendFile(id, self.recorders.flush(recorder, tick)))
        self._effects.append(FinishFile(id))
        self._finishing[id] = (self._paths.pop(id), (recorder.flushed - recorder.started) * FRAME)
        self._forget(recorder)

    def stop_all(self, tick: int) -> None:
        """The process ends: every file is closed properly."""
        for id in list(self.recorders.by_id):
            self.stop(id, tick)

    def flush(self, tick: int) -> None:
        """Hand over the sound of those whose turn it is."""
        for recorder in self.recorders.due(tick):
            self._effects.append(AppendFile(recorder.id, self.recorders.flush(recorder, tick)))

    def finished(self, id: int) -> None:
        """A recording's file is closed."""
        if (done := self._finishing.pop(id, None)) is not None:
            self._reports.append(RecordDone(id, done[0], "stopped", done[1]))

    def failed(self, id: int, reason: str, frames: int) -> None:
        """A recording's file cannot be written any more; `frames` are safe in it. The calls go on."""
        if id in self._finishing:
            path = self._finishing.pop(id)[0]
        elif (recorder := self.recorders.by_id.get(id)) is not None:
            path = self._paths.pop(id)
            self._forget(recorder)
        else:
            return
        self._reports.append(Failed(id, "Record", reason))
        self._reports.append(RecordDone(id, path, "failed", frames, reason))

    def _recorder(self, id: int) -> Recorder:
        if (recorder := self.recorders.by_id.get(id)) is None:
            raise LocalError(f"no recorder {id}")
        return recorder

    def _sink(self, recorder: Recorder, channel: int) -> int:
        return self._first + recorder.place * CHANNELS + channel

    def _forget(self, recorder: Recorder) -> None:
        for channel in range(recorder.channels):
            self._edges.drop_sink(self._sink(recorder, channel))
        self.recorders.close(recorder)
        self._plan.dirty = True
