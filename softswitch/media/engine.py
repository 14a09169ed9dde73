"""The core of the media process: what commands, packets and ticks do to legs, players and recorders.

    receive(batch)   packets that came → packets to relay at once          (receiver, relay, jitter)
    tick(n)          the 20 ms frame number n → packets of the mix          (plan, mix, player, sender)
    command(c)       a command of control
    wake()           once a second: silence, reports, quarantines

None of them touches a socket, a file or a clock. Beside their packets they leave `reports` for control and `effects`
for the shell. Ticks are numbered on an absolute grid: frame n begins at n · 20 ms.
"""

from collections import deque
from collections.abc import Callable, Iterable
from random import Random
from typing import Final

import numpy as np
from msgspec.structs import replace

from softswitch.kernel.clock import Duration, Instant
from softswitch.kernel.errors import LocalError, SwitchError
from softswitch.media.arena import TICK, Address, Arena, Batch, Packets
from softswitch.media.edges import ROOMS, Edges
from softswitch.media.effects import (
    Aim,
    CloseRow,
    Effect,
    OpenRow,
    Settle,
)
from softswitch.media.hearing import Hearing
from softswitch.media.keys import Keys
from softswitch.media.latch import NOBODY, RELATCH, destination
from softswitch.media.legs import Leg, Legs
from softswitch.media.mixer import Mixer
from softswitch.media.plan import Plan
from softswitch.media.player import Clip
from softswitch.media.receiver import Receiver
from softswitch.media.relay import Relay
from softswitch.media.reports import Reporter
from softswitch.media.rooms import Rooms
from softswitch.media.sender import Sender
from softswitch.media.shield import Shield
from softswitch.media.sounds import Sounds
from softswitch.media.tapes import Tapes
from softswitch.wire import dtmf
from softswitch.wire.control import (
    AskInventory,
    AskStats,
    CloseLeg,
    CloseRoom,
    Command,
    Connect,
    Disconnect,
    Edge,
    Failed,
    Grow,
    Grown,
    Hello,
    Inventory,
    JoinRoom,
    LeaveRoom,
    LegClosed,
    LegSilent,
    LegSpec,
    LegStats,
    OpenLeg,
    OpenRoom,
    Other,
    PauseRecord,
    Play,
    Record,
    Report,
    ResumeRecord,
    SendDigits,
    Shutdown,
    Slot,
    StopPlay,
    StopRecord,
    UpdateLeg,
)

QUARANTINE: Final[Duration] = 2.0
"""A slot rests so long after its leg: the old peer's last packets must not reach the next one."""

_LOUDEST: Final = 100.0  # gain of an edge: 40 dB
LOOKS: Final = round(1 / TICK)
"""Ticks in which every leg is looked at once."""

_QUIET: Duration = RELATCH - 1.0  # without packets for so long, a leg is looked at every second
_RARELY: Duration = 10.0
_SETTLED: Duration = 3.0  # a lock that is not the signalled address counts as final after so long


class Engine:
    """`key_of` names addresses as the backend's batches do."""

    def __init__(
        self, capacity: int, dice: Random, arena: Arena, key_of: Callable[[Address], int], now: Instant
    ) -> None:
        self.reports: list[Report] = []
        self.effects: list[Effect] = []
        self.legs = Legs(capacity, dice)
        self.relay = Relay(self.legs, self.effects)
        self.receiver = Receiver(self.legs, self.relay, arena)
        self.receiver.reports = self.reports
        self.shield = Shield(self.legs, arena, self.receiver.moved, self.effects, self.reports, now)
        self.reporter = Reporter(self.legs, self.effects, self.relay.routes)
        self.sender = Sender(self.legs, self.effects)
        self.edges = Edges(capacity)
        self.rooms = Rooms(self.edges)
        self.plan = Plan(self.legs, self.edges, self.relay)
        self.sounds = Sounds(capacity, self.edges, self.plan, self.effects, self.reports)
        self.tapes = Tapes(capacity, self.edges, self.plan, self.effects, self.reports)
        self.mixer = Mixer(self.legs, self.plan, self.sounds, self.tapes, self.receiver.account)
        self.keys = Keys(self.legs, self.edges, self.plan, self.relay, self.sounds, self.reports)
        self.hearing = Hearing(self.legs, self.edges, self.keys, self.reports)
        self.mixer.hearers.append(self.hearing.ears)
        self.free: dict[int, int] = {}  # slot → port
        self._key_of = key_of
        self._ports: dict[int, int] = {}
        self._quarantine: deque[tuple[Instant, int]] = deque()
        self._now = now
        self._tick = int(now / TICK)

    # -------------------------------------------------------------------------------------------- packets and frames

    def receive(self, batch: Batch, now: Instant) -> Packets | None:
        """Packets that came; returns those to relay at once. The batch's memory must stay until `account` or `tick`."""
        if self.shield.secured:
            batch = self.shield.open(batch, now)
        packets = self.receiver.receive(batch, now)
        if self.receiver.moved:
            self._retarget()
        if self.receiver.switched:
            self._switch_formats()
        if self.receiver.control:
            for leg, data, source in self.receiver.control:
                self.reporter.receive(leg, data, source, now)
            self.receiver.control.clear()
        if self.receiver.pressed:
            self._tell_keys()
        return packets

    def receive_report(self, row: int, data: bytes, source: Address, now: Instant) -> None:
        """A datagram on the RTCP port of `row`."""
        leg = self.legs.by_row[row]
        if leg is not None and (clear := self.shield.open_report(row, data)) is not None:
            self.reporter.receive(leg, clear, source, now)

    @property
    def busy(self) -> bool:
        """Whether ticks have anything to do."""
        return bool(
            self.receiver.account.waiting
            or self.edges.count
            or self.sounds.players
            or self.keys.sending
            or self.tapes.recorders.by_id
            or self.receiver.listening
            or self.shield.shaking
            or self.hearing.busy
        )

    @property
    def resting(self) -> bool:
        """Whether slots wait for their quarantine to end."""
        return bool(self._quarantine)

    def account(self) -> None:
        """Be done with the memory of all packets so far."""
        self.receiver.account((self._tick + 1) * TICK)
        self.receiver.account.recent.clear()

    def skip(self, tick: int) -> None:
        """The next tick is not the one after the last: there was nothing to do, or no time."""
        self._tick = max(tick - 1, self._tick)

    def tick(self, tick: int) -> Packets | None:
        """The frame number `tick`: mix it and say what to send."""
        self._tick = tick
        self._now = now = tick * TICK
        self.receiver.account(now)
        if self.receiver.listening:
            self.receiver.wake(now)
            self._tell_keys()
        if self.keys.sending:
            self.keys.step(self.sender, now)
        self.sounds.end(tick, self.keys.ended)
        plan = self.plan
        if plan.dirty:
            self.receiver.account.fully(now)
            self.hearing.pair(self.edges.touched)
            plan.make()
        packets = None if plan.idle else self.mixer.tick(tick, self.sender, now)
        if self.edges.moving or plan.crossing:
            self.edges.settle()
            plan.dirty = True
        self.hearing.tell(tick)
        self.sounds.sweep()
        self.tapes.flush(tick)
        if self.shield.shaking:
            self.shield.tick(now)
        self.receiver.account.recent.clear()
        return packets

    def wake(self, now: Instant) -> None:
        """Once a second: everything that is seen to by the second."""
        self.sweep(now)
        self._look_at(slice(0, None, 1), now)

    def look(self, tick: int, now: Instant) -> None:
        """Each tick in place of `wake`: a fiftieth of the legs, so that a thousand of them with their reports do not
        hold up the packets once a second."""
        self._look_at(slice(tick % LOOKS, None, LOOKS), now)

    def _look_at(self, rows: slice, now: Instant) -> None:
        """Look at those of `rows` with which something may be to do: a leg costs 12 µs."""
        legs = self.legs
        received, at = legs.received[rows], legs.look_at[rows]
        highest = received["max_jitter"]
        np.maximum(highest, received["jitter"], out=highest)
        due = (at <= now) | ((received["heard"] <= now - _QUIET) & (at < np.inf))
        for i in due.nonzero()[0].tolist():
            if (leg := legs.by_row[rows.start + i * rows.step]) is not None:
                self._look(leg, now)

    def sweep(self, now: Instant) -> None:
        """Once a second: quarantines, and what secures legs."""
        self._now = now
        rested: list[Slot] = []
        while self._quarantine and self._quarantine[0][0] <= now:
            slot = self._quarantine.popleft()[1]
            self.free[slot] = self._ports[slot]
            rested.append(Slot(slot, self._ports[slot]))
        if rested:
            self.reports.append(Grown(tuple(rested)))
        for leg in self.shield.wake(now):
            self._aim(leg, None)

    def _look(self, leg: Leg, now: Instant) -> None:
        """About once a second: silence, the source, RTCP."""
        quiet = now - float(self.legs.received["heard"][leg.row])
        if leg.spec.silence and not leg.silent and leg.spec.receive and quiet >= leg.spec.silence:
            leg.silent = True
            self.legs.flows.clear(leg.row)  # so that the next packet is looked at
            self.reports.append(LegSilent(leg.id, quiet))
        if leg.locked is not None:
            self._settle(leg, quiet, now)
        self.reporter.wake(leg, now)
        soon = (leg.locked is not None and not leg.settled) or 0 < leg.spec.silence < _QUIET
        report_at = np.inf if leg.spec.transparent else leg.report_at
        self.legs.look_at[leg.row] = 0.0 if soon else min(report_at, now + _RARELY)

    def _settle(self, leg: Leg, quiet: Duration, now: Instant) -> None:
        if leg.settled:
            if quiet >= _QUIET:
                leg.settled = False
                self.effects.append(Settle(leg.row, None))
        elif quiet < _QUIET and (leg.key == leg.signalled_key or now - leg.locked_at >= _SETTLED):
            leg.settled = True
            self.effects.append(Settle(leg.row, leg.locked))

    # ------------------------------------------------------------------------------------------------------ commands

    def command(self, command: Command, now: Instant) -> None:
        """Carry out a command; what cannot be done is reported as `Failed`."""
        self._now = now
        try:
            match command:
                case OpenLeg(leg, slot, spec):
                    self._open_leg(leg, slot, spec, now)
                case UpdateLeg(leg, spec):
                    self._update_leg(self._leg(leg), spec)
                case CloseLeg(leg):
                    self._close_leg(self._leg(leg), now)
                case Connect(edges):
                    self._connect(edges)
                case Disconnect(edges):
                    self._disconnect(edges)
                case OpenRoom(room):
                    self._new_id(room)
                    self.rooms.open(room)
                case JoinRoom():
                    self._join(command)
                case LeaveRoom(room, member, channel):
                    self._disconnect((Edge(member, room), Edge(room, member, channel)))
                case CloseRoom(room):
                    self.rooms.close(room)
                    self.plan.dirty = True
                case Play(player, items, loops):
                    self._new_id(player)
                    self.sounds.play(player, items, loops, self._tick + 1)
                case StopPlay(player):
                    self.sounds.stop(player, self._tick + 1)
                case Record(recorder, path, channels):
                    self._new_id(recorder)
                    self.tapes.record(recorder, path, channels, self._tick + 1)
                case PauseRecord(recorder):
                    self.tapes.pause(recorder, True)
                case ResumeRecord(recorder):
                    self.tapes.pause(recorder, False)
                case StopRecord(recorder):
                    self.tapes.stop(recorder, self._tick + 1)
                case SendDigits(leg, digits, duration):
                    self.keys.send(self._leg(leg), dtmf.normalise(digits), duration, self._tick + 1)
                case AskStats(legs, process_only) if not process_only:
                    self.receiver.account.fully(now)
                    # A leg that has closed meanwhile has told its last figures already.
                    asked = [self.legs.by_id[leg] for leg in legs if leg in self.legs.by_id]
                    self.reports += self._statistics(asked if legs else list(self.legs))
                case AskStats():
                    pass
                case AskInventory():
                    self.reports.append(self.inventory())
                case Hello() | Grow() | Shutdown():
                    raise LocalError("this command is the shell's")
        except SwitchError as error:
            subject = command.__getattribute__(command.__struct_fields__[0]) if command.__struct_fields__ else 0
            subject = subject if isinstance(subject, int) else 0
            self.reports.append(Failed(subject, type(command).__name__, str(error)))

    def _statistics(self, legs: list[Leg]) -> list[LegStats]:
        mean, peak = self.mixer.levels(np.array([leg.row for leg in legs], np.int64))
        return [
            replace(self.hearing.statistics(leg), level=level, peak=highest)
            for leg, level, highest in zip(legs, mean.tolist(), peak.tolist(), strict=True)
        ]

    def inventory(self) -> Inventory:
        """What lives."""
        recorders = tuple(self.tapes.recorders.by_id)
        return Inventory(tuple(self.legs.by_id), tuple(self.sounds.ids()), recorders, tuple(self.rooms.by_id))

    def add_slots(self, slots: Iterable[Slot]) -> None:
        """Slots that the backend has bound; a slot's number is its row."""
        for slot in slots:
            self._ports[slot.slot] = self.free[slot.slot] = slot.port

    def _leg(self, id: int) -> Leg:
        if (leg := self.legs.by_id.get(id)) is None:
            raise LocalError(f"no leg {id}")
        return leg

    def _open_leg(self, id: int, slot: int, spec: LegSpec, now: Instant) -> None:
        self._new_id(id)
        if slot not in self.free:
            raise LocalError(f"slot {slot} is not free")
        destination(spec.remote)
        self.shield.check(spec.security)
        del self.free[slot]
        leg = self.legs.open(id, slot, spec, now)
        self.effects.append(OpenRow(slot))
        self._describe(leg, spec)

    def _update_leg(self, leg: Leg, spec: LegSpec) -> None:
        destination(spec.remote)
        self.shield.check(spec.security)
        if spec.silence != leg.spec.silence or (spec.receive and not leg.spec.receive):
            self.legs.received["heard"][leg.row] = self._now  # the time of silence begins anew
        moved = spec.remote != leg.spec.remote
        if moved and leg.locked is not None:
            leg.resignalled = True
            leg.target = None
            if leg.settled:
                leg.settled = False
                self.effects.append(Settle(leg.row, None))
        self._describe(leg, spec)

    def _describe(self, leg: Leg, spec: LegSpec) -> None:
        leg.signalled = destination(spec.remote)
        leg.signalled_key = NOBODY if leg.signalled is None else self._key_of(leg.signalled)
        self.legs.describe(leg, spec)
        self.shield.describe(leg, spec.security, self._now)
        self.hearing.describe(leg, spec, self._tick + 1)
        locked = None if leg.resignalled else leg.locked
        self._aim(leg, leg.signalled if locked is None or spec.latch == "signalled" else locked)
        for source in self.edges.into(leg.row):
            if source < self.legs.capacity:
                self.legs.flows.clear(source)  # what is relayed to this leg looks different from now on
        self.plan.dirty = True

    def _aim(self, leg: Leg, address: Address | None) -> None:
        if address != leg.target:
            leg.target = address
            self.effects.append(Aim(leg.row, address))
            self.legs.ready(leg)
            self.plan.dirty = True

    def _retarget(self) -> None:
        for leg in self.receiver.moved:
            if leg.settled:
                leg.settled = False
                self.effects.append(Settle(leg.row, None))
            self.legs.look_at[leg.row] = 0.0
            self._aim(leg, leg.locked)
        self.receiver.moved.clear()

    def _switch_formats(self) -> None:
        """Peers send another agreed format than before: they are sent the same from now on."""
        switched, self.receiver.switched = self.receiver.switched, []
        for leg, other in switched:
            spec = leg.spec
            if other.codec == spec.codec:
                continue  # two packets of one batch
            left = Other(spec.codec, spec.payload_type, -1, spec.clock, spec.fmtp)
            self._describe(
                leg,
                replace(
                    spec,
                    codec=other.codec,
                    payload_type=other.payload_type,
                    clock=other.clock,
                    fmtp=other.fmtp,
                    also=tuple(dict.fromkeys((left, *spec.also))),
                ),
            )

    def _close_leg(self, leg: Leg, now: Instant) -> None:
        if self.receiver.account.awaits(leg.row):
            self.receiver.account.fully(now)
        self.reporter.bye(leg, now)
        stats = self.hearing.statistics(leg)
        self.hearing.close(leg, self._tick)
        self.keys.forget(leg)
        self.edges.fade_source(leg.row)
        self.edges.drop_sink(leg.row)
        self.receiver.listening.pop(leg.id, None)
        self.legs.close(leg)
        self.plan.dirty = True
        self.effects.append(CloseRow(leg.row))
        self._quarantine.append((now + QUARANTINE, leg.row))
        self.reports.append(LegClosed(leg.id, stats))

    def _new_id(self, id: int) -> None:
        taken = id in self.legs.by_id or id in self.sounds.players or id in self.tapes or id in self.rooms.by_id
        if taken or id < 0:
            raise LocalError(f"id {id} is taken")

    # --------------------------------------------------------------------------------------------------------- edges

    def _source(self, id: int) -> int:
        if (leg := self.legs.by_id.get(id)) is not None:
            return leg.row
        if (place := self.sounds.place(id)) is not None:
            return place
        if (room := self.rooms.by_id.get(id)) is not None:
            return room
        raise LocalError(f"no source {id}")

    def _sink(self, edge: Edge) -> int:
        if (leg := self.legs.by_id.get(edge.sink)) is not None:
            return leg.row
        if (room := self.rooms.by_id.get(edge.sink)) is not None:
            return room
        return self.tapes.sink(edge)

    def _connect(self, edges: tuple[Edge, ...]) -> None:
        problems = []
        for edge in edges:
            try:
                self._add_edge(self._source(edge.source), self._sink(edge), edge.gain)
            except LocalError as error:
                problems.append(str(error))
        self.plan.dirty = True
        if problems:
            raise LocalError("; ".join(problems))

    def _add_edge(self, source: int, sink: int, gain: float) -> None:
        if not -_LOUDEST <= gain <= _LOUDEST:
            raise LocalError(f"a gain is at most {_LOUDEST:g}, not {gain}")
        if source >= ROOMS and sink >= ROOMS:
            raise LocalError("a room does not hear another room")
        self.edges.connect(source, sink, gain)

    def _join(self, join: JoinRoom) -> None:
        room = self.rooms.node(join.room)
        speaks = join.member in self.legs.by_id or self.sounds.place(join.member) is not None
        hears = join.member in self.legs.by_id or join.member in self.tapes
        if not speaks and not hears:
            raise LocalError(f"no member {join.member}")
        if speaks:
            self._add_edge(self._source(join.member), room, join.speak)
        if hears:
            self._add_edge(room, self._sink(Edge(join.room, join.member, join.channel)), join.hear)
        self.plan.dirty = True

    def _disconnect(self, edges: tuple[Edge, ...]) -> None:
        for edge in edges:
            try:
                self.edges.disconnect(self._source(edge.source), self._sink(edge))
            except LocalError:
                continue  # an end is gone, and the edge with it
        self.plan.dirty = True

    # ------------------------------------------------------------------------------------------------ from the helpers

    def loaded(self, path: str, clip: Clip | None, reason: str = "") -> None:
        """The file at `path` was read, or `reason` says why not."""
        self.sounds.loaded(path, clip, reason, self._tick + 1)

    def stop_all_recordings(self) -> None:
        """The process ends: every file is closed properly."""
        self.tapes.stop_all(self._tick + 1)

    def _tell_keys(self) -> None:
        pressed, self.receiver.pressed = self.receiver.pressed, []
        self.keys.tell(pressed, self._tick + 1, self._now)
