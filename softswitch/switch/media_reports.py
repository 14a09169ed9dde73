"""What media processes report, brought to the calls it is about."""

from bisect import bisect_right
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from softswitch.call.fabric import NoPort
from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import PeerError
from softswitch.switch.conferences import OWNER
from softswitch.switch.events import Save
from softswitch.switch.recording import unknown
from softswitch.wire.control import (
    AskStats,
    Digit,
    Failed,
    Grown,
    Heard,
    Inventory,
    LegClosed,
    LegHeard,
    LegLatched,
    LegSilent,
    LegStats,
    PlayDone,
    Ready,
    RecordDone,
    Report,
    Secured,
    SecurityFailed,
    WorkerStats,
)

if TYPE_CHECKING:
    from softswitch.switch.switch import Switch

MEDIA_STATS = "media stats"  # the key of our deadline, beside calls' ids
_STATS_EVERY = 5.0
_SOME = 5  # a leg's figures are asked for every so many seconds, a share of the legs each second,
_MOST = 100  # but no more than so many at once: they cost media 15 µs each
_RATE = 8000


class MediaReports:
    """One for the whole switch."""

    def __init__(self, switch: "Switch") -> None:
        self._switch = switch
        self._office = switch.office
        self._asked: dict[int, int] = {}  # worker → the leg asked for last
        self._on: dict[type, Callable[[int, Any, Instant], None]] = {
            Ready: self._ready,
            Grown: self._grown,
            Inventory: self._inventory,
            Failed: self._failed,
            Digit: self._digit,
            Heard: self._heard,
            LegClosed: self._leg_closed,
            LegSilent: self._leg_silent,
            LegLatched: self._latched,
            LegHeard: _ignore,
            Secured: self._secured,
            SecurityFailed: self._security_failed,
            LegStats: self._leg_stats,
            PlayDone: self._play_done,
            RecordDone: self._record_done,
            WorkerStats: self._worker_stats,
        }

    def report(self, worker: int, report: Report, now: Instant) -> None:
        if worker not in self._office.fabric.workers and type(report) is not Ready:
            self._office.log(
                "warning", "report of an unknown media process", worker=worker, report=type(report).__name__
            )
            return
        self._on[type(report)](worker, report, now)

    def lost(self, worker: int, now: Instant) -> None:
        """The process, or the line to it, is gone: the calls that it carried cannot go on."""
        office = self._office
        gone = office.fabric.lost(worker)
        calls = set()
        for id in gone:
            leg = office.fabric.legs.pop(id)
            leg.not_opened()
            calls.add(leg.owner)
        office.log("error", "media process lost", worker=worker, legs=len(gone), calls=len(calls))
        for call in [call for call in self._switch.calls.values() if call.leg.worker == worker]:
            call.facts.outcome = call.facts.outcome or "failed"
            call.facts.cause = 503
            call.end(now, 503, by="switch", reason="media process lost")
        office.conferences.lost(worker)
        for recorder, running in tuple(office.recordings.items()):
            if running.worker == worker:
                # What was written stays valid; how much that is, the keeper will tell.
                frames = int((now - running.started) * _RATE)
                reason = "media process lost"
                self._record_done(worker, RecordDone(recorder, running.path, "lost", frames, reason), now)

    def ask_stats(self, now: Instant) -> None:
        """Let every media process tell how it fares, and ask again in a while."""
        fabric = self._office.fabric
        workers = [worker for worker in fabric.workers.values() if worker.ready is not None]
        busy = False
        for worker in workers:
            legs = sorted(worker.legs & fabric.legs.keys())
            busy |= bool(legs)
            self._ask(worker.number, legs)
        if workers:
            self._office.deadlines.set(MEDIA_STATS, now + (1.0 if busy else _STATS_EVERY))

    def _ask(self, worker: int, legs: list[int]) -> None:
        """The next few of `legs` in turn."""
        start = bisect_right(legs, self._asked.get(worker, 0))
        some = legs[start : start + min(-(-len(legs) // _SOME), _MOST)] or legs[: min(-(-len(legs) // _SOME), _MOST)]
        self._asked[worker] = some[-1] if some else 0
        there = self._office.conferences.legs(worker)  # people watch who talks
        some = [*some, *(leg for leg in there[:_MOST] if leg not in some)]
        self._office.fabric.command(worker, AskStats(tuple(some), process_only=not some))

    def _ready(self, worker: int, report: Ready, now: Instant) -> None:
        known = self._office.fabric.workers.get(worker)
        if known is not None and known.ready is not None:
            self.lost(worker, now)  # it began anew before we heard of its end
        self._office.fabric.ready(worker, report)
        self._office.deadlines.set(MEDIA_STATS, now + _STATS_EVERY)
        lacking = self._office.fabric.undecoded.intersection(self._office.settings.media.codecs)
        if lacking:
            self._office.log("error", "media cannot decode configured codecs: not used", codecs=sorted(lacking))
        self._office.log(
            "info",
            "media process ready",
            worker=worker,
            pid=report.pid,
            backend=report.backend,
            why=report.why,
            free=len(report.free),
        )

    def _grown(self, worker: int, report: Grown, now: Instant) -> None:
        self._office.fabric.grown(worker, report.slots)

    def _inventory(self, worker: int, report: Inventory, now: Instant) -> None:
        recovery = self._switch.recovery
        self._office.fabric.inventory(worker, report, recovery.claimed(worker))
        recovery.inventory(worker, report, now)

    def _failed(self, worker: int, report: Failed, now: Instant) -> None:
        office = self._office
        office.log("error", "media command failed", worker=worker, what=report.what, reason=report.reason)
        leg = office.fabric.legs.get(report.subject)
        if report.subject in office.fabric.streams and report.what == "OpenLeg":
            office.fabric.stream_lost(worker, report.subject)  # the call goes on without its picture
        if leg is not None and report.what == "OpenLeg":
            office.fabric.not_opened(leg)
            if not leg.over:
                self._switch.fail_leg(leg, NoPort(report.reason), now)
            self._switch.media_done(leg.owner)

    def _digit(self, worker: int, report: Digit, now: Instant) -> None:
        leg = self._office.fabric.legs.get(report.leg)
        call = self._switch.call_of(leg) if leg is not None and not leg.over else None
        if leg is None or call is None:
            return
        if leg.pressed(report.digit, report.method, now, report.duration_ms):
            call.stage.on_digit(leg, report.digit, report.method, now, report.duration_ms)
            call.rearm()

    def _heard(self, worker: int, report: Heard, now: Instant) -> None:
        leg = self._office.fabric.legs.get(report.leg)
        call = self._switch.call_of(leg) if leg is not None and not leg.over else None
        if leg is not None and call is not None:
            self._office.fact(
                "call.heard", now, call.id, party=leg.peer, what=report.what, detail=report.detail, ms=report.ms
            )
            call.stage.on_heard(leg, report.what, now)
            call.rearm()

    def _leg_closed(self, worker: int, report: LegClosed, now: Instant) -> None:
        leg = self._office.fabric.legs.pop(report.leg, None)
        if leg is not None and leg.id != report.leg:
            return  # it went on in another media process
        if leg is not None:
            leg.stats = report.stats
            self._switch.media_done(leg.owner)
        else:
            self._office.fabric.stream_lost(worker, report.leg)

    def _leg_stats(self, worker: int, report: LegStats, now: Instant) -> None:
        leg = self._office.fabric.legs.get(report.leg)
        if leg is not None:
            leg.figures = report

    def _leg_silent(self, worker: int, report: LegSilent, now: Instant) -> None:
        leg = self._office.fabric.legs.get(report.leg)
        call = self._switch.call_of(leg) if leg is not None and leg.up and leg.held_at is None else None
        if leg is not None and call is not None and leg.spec is not None and leg.spec.receive:
            self._office.log("warning", "no audio, hanging up", call=call.id, peer=leg.peer, seconds=report.seconds)
            if call.stage.let_go(leg, now):
                return
            call.end(now, 480, by="switch", reason=f"no audio from {leg.peer} for {report.seconds:.0f} s")

    def _latched(self, worker: int, report: LegLatched, now: Instant) -> None:
        leg = self._office.fabric.legs.get(report.leg)
        if leg is not None:
            self._office.log(
                "debug", "audio comes from another address than signalled", peer=leg.peer,
                remote=f"{report.remote[0]}:{report.remote[1]}",
            )  # fmt: skip

    def _secured(self, worker: int, report: Secured, now: Instant) -> None:
        leg = self._office.fabric.legs.get(report.leg)
        if leg is not None:
            leg.suite = report.suite
            self._office.log("debug", "stream secured", peer=leg.peer, suite=report.suite)

    def _security_failed(self, worker: int, report: SecurityFailed, now: Instant) -> None:
        """A party that was promised SRTP and cannot have it is not talked to in the clear."""
        leg = self._office.fabric.legs.get(report.leg)
        if leg is None or leg.over:
            return
        self._office.log("warning", "stream cannot be secured", peer=leg.peer, reason=report.reason)
        self._switch.fail_leg(leg, PeerError(f"{leg.peer}: {report.reason}", status=488), now)

    def _play_done(self, worker: int, report: PlayDone, now: Instant) -> None:
        fabric = self._office.fabric
        fabric.played(worker, report.player)
        self._office.conferences.closed(report.player)
        owner = fabric.players.pop(report.player, "")
        if owner.startswith(OWNER):
            self._office.conferences.played(owner.removeprefix(OWNER), report.player)
            return
        call = self._switch.calls.get(owner)
        if call is not None and report.cause != "stopped":
            call.played(report.player, report.cause, now)

    def _record_done(self, worker: int, report: RecordDone, now: Instant) -> None:
        office = self._office
        office.fabric.recorded(worker, report.recorder)
        if office.conferences.closed(report.recorder):
            return
        running = office.recordings.pop(report.recorder, None)
        if running is None and (dictated := office.dictations.pop(report.recorder, "")):
            if (call := self._switch.calls.get(dictated)) is not None:
                call.stage.on_recorded(report.recorder, report.cause == "stopped" and report.frames > 0, now)
                call.rearm()
            return
        if running is None:
            row = unknown(report, office.settings.recording.directory, now)
            if row is not None:
                office.outbox.append(Save(row))
                office.mailboxes.left(row, now)
            return
        id, path = running.call, running.path
        if report.cause != "stopped":
            goes_on = "the call goes on" if id in self._switch.calls else "its call has ended"
            office.log("error", f"recording failed, {goes_on}", call=id, path=path, reason=report.reason)
        office.fact("recording.ended", now, id, path=path, cause=report.cause, seconds=round(report.frames / _RATE, 3))
        row = running.saved(report)
        office.outbox.append(Save(row))
        office.mailboxes.left(row, now)
        self._switch.recording_done(id, report.recorder)

    def _worker_stats(self, worker: int, report: WorkerStats, now: Instant) -> None:
        entry = self._office.fabric.workers.get(worker)
        if entry is not None:
            entry.stats = report


def _ignore(worker: int, report: Report, now: Instant) -> None:
    """Reports that nobody here needs."""
