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

from softswitch.kernel.clock import Duration, Instant
from softswitch.kernel.errors import LocalError, SwitchError
from softswitch.media import tones
from softswitch.media.arena import FRAME, TICK, Address, Arena, Batch, Floats, Packets, Samples
from softswitch.media.effects import (
    Aim,
    AppendFile,
    CloseRow,
    CreateFile,
    Effect,
    FinishFile,
    LoadSound,
    OpenRow,
    Settle,
)
from softswitch.media.latch import NOBODY, RELATCH, destination
from softswitch.media.legs import LAWS, Leg, Legs
from softswitch.media.mix import Edges, clip
from softswitch.media.plan import Plan
from softswitch.media.player import Player
from softswitch.media.receiver import Receiver
from softswitch.media.recorder import CHANNELS, Recorder, Recorders
from softswitch.media.relay import Relay
from softswitch.media.reports import Reporter
from softswitch.media.sender import Sender
from softswitch.wire import dtmf
from softswitch.wire.control import (
    AskInventory,
    AskStats,
    CloseLeg,
    Command,
    Connect,
    Digit,
    Disconnect,
    Edge,
    Failed,
    Grow,
    Grown,
    Hello,
    Inventory,
    LegClosed,
    LegSilent,
    LegSpec,
    OpenLeg,
    PauseRecord,
    Play,
    PlayDone,
    PlayItem,
    Record,
    RecordDone,
    Report,
    ResumeRecord,
    SendDigits,
    Shutdown,
    Slot,
    StopPlay,
    StopRecord,
    UpdateLeg,
)

CODECS: Final = tuple(LAWS)
QUARANTINE: Final[Duration] = 2.0
"""A slot rests so long after its leg: the old peer's last packets must not reach the next one."""

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
        self.reporter = Reporter(self.legs, self.effects)
        self.sender = Sender(self.legs, self.effects)
        self.edges = Edges()
        self.plan = Plan(self.legs, self.edges, self.relay)
        self.recorders = Recorders()
        self.players: dict[int, Player] = {}
        self.free: dict[int, int] = {}  # slot → port
        self._key_of = key_of
        self._ports: dict[int, int] = {}
        self._quarantine: deque[tuple[Instant, int]] = deque()
        self._places: dict[int, int] = {}  # player → place among the sources
        self._by_place: dict[int, Player] = {}
        self._free_places: list[int] = []
        self._paused: set[int] = set()
        self._digits: dict[int, Leg] = {}  # legs with telephone-events to send
        self._tones: dict[int, Player] = {}  # player in band → itself
        self._finishing: dict[int, tuple[str, int]] = {}  # recorder → path, frames
        self._paths: dict[int, str] = {}
        self._next_tone = -1
        self._now = now
        self._tick = int(now / TICK)

    # -------------------------------------------------------------------------------------------- packets and frames

    def receive(self, batch: Batch, now: Instant) -> Packets | None:
        """Packets that came; returns those to relay at once. The batch's memory must stay until `account` or `tick`."""
        packets = self.receiver.receive(batch, now)
        if self.receiver.moved:
            self._retarget()
        if self.receiver.control:
            for leg, data, source in self.receiver.control:
                self.reporter.receive(leg, data, source, now)
            self.receiver.control.clear()
        if self.receiver.pressed:
            self._tell_keys()
        return packets

    def receive_report(self, row: int, data: bytes, source: Address, now: Instant) -> None:
        """A datagram on the RTCP port of `row`."""
        if (leg := self.legs.by_row[row]) is not None:
            self.reporter.receive(leg, data, source, now)

    @property
    def busy(self) -> bool:
        """Whether ticks have anything to do."""
        return bool(
            self.receiver.waiting
            or self.edges.count
            or self.players
            or self._digits
            or self.recorders.by_id
            or self.receiver.listening
        )

    @property
    def resting(self) -> bool:
        """Whether slots wait for their quarantine to end."""
        return bool(self._quarantine)

    def account(self) -> None:
        """Be done with the memory of all packets so far."""
        self.receiver.account((self._tick + 1) * TICK)

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
        if self._digits:
            self._send_keys(now)
        self._end_players(tick)
        if self.plan.dirty:
            self.receiver.account_fully(now)
            self.plan.make(self._paused)
        packets = None
        if self.plan.product is not None:
            packets = self._mix(tick, now)
        for recorder in self.recorders.due(tick):
            self.effects.append(AppendFile(recorder.id, self.recorders.flush(recorder, tick)))
        return packets

    def _mix(self, tick: int, now: Instant) -> Packets | None:
        plan = self.plan
        product = plan.product
        assert product is not None
        sources = product.sources
        sound: Floats = np.empty((len(sources), FRAME), np.float32)
        heard = len(plan.rows)
        if heard:
            sound[:heard] = self.legs.jitter.pull(plan.rows)
        for i in range(heard, len(sources)):
            self._by_place[int(sources[i])].read(tick, sound[i])
        frames = clip(product(sound))
        sinks = product.sinks
        ulaw, alaw, odd, end = plan.bounds
        packets = self.sender.pack(sinks[:alaw], frames[:alaw], ulaw, now)
        for i in range(alaw, odd):
            self.sender.pack_odd(int(sinks[i]), frames[i], now)
        if end > odd:
            self.recorders.write(sinks[odd:] - self.legs.capacity, frames[odd:], tick)
        if product.ramping():
            self.edges.settle()
            plan.dirty = True
        return packets

    def wake(self, now: Instant) -> None:
        """Once a second."""
        self._now = now
        while self._quarantine and self._quarantine[0][0] <= now:
            slot = self._quarantine.popleft()[1]
            self.free[slot] = self._ports[slot]
            self.reports.append(Grown((Slot(slot, self._ports[slot]),)))
        if not self.legs.by_id:
            return
        heard = self.legs.received["heard"]
        for leg in self.legs:
            quiet = now - float(heard[leg.row])
            if leg.spec.silence and not leg.silent and leg.spec.receive and quiet >= leg.spec.silence:
                leg.silent = True
                self.legs.flows[leg.row] = None  # so that the next packet is looked at
                self.reports.append(LegSilent(leg.id, quiet))
            if leg.locked is not None:
                self._settle(leg, quiet, now)
            self.reporter.wake(leg, now)

    def _settle(self, leg: Leg, quiet: Duration, now: Instant) -> None:
        if leg.settled:
            if quiet >= RELATCH - 1.0:
                leg.settled = False
                self.effects.append(Settle(leg.row, None))
        elif quiet < RELATCH - 1.0 and (leg.key == leg.signalled_key or now - leg.locked_at >= _SETTLED):
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
                case Play(player, items, loops):
                    self._play(player, items, loops)
                case StopPlay(player):
                    self._stop_play(player)
                case Record(recorder, path, channels):
                    self._record(recorder, path, channels)
                case PauseRecord(recorder):
                    self._pause(recorder, True)
                case ResumeRecord(recorder):
                    self._pause(recorder, False)
                case StopRecord(recorder):
                    self._stop_record(recorder)
                case SendDigits(leg, digits, duration):
                    self._send_digits(self._leg(leg), dtmf.normalise(digits), duration)
                case AskStats(legs, process_only) if not process_only:
                    self.receiver.account_fully(now)
                    wanted = [self._leg(leg) for leg in legs] if legs else list(self.legs)
                    self.reports += [self.legs.statistics(leg) for leg in wanted]
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

    def inventory(self) -> Inventory:
        """What lives."""
        players = tuple(id for id in self.players if id >= 0)
        return Inventory(tuple(self.legs.by_id), players, tuple(self.recorders.by_id))

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
        del self.free[slot]
        leg = self.legs.open(id, slot, spec, now)
        self.effects.append(OpenRow(slot))
        self._describe(leg, spec)

    def _update_leg(self, leg: Leg, spec: LegSpec) -> None:
        destination(spec.remote)
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
        locked = None if leg.resignalled else leg.locked
        self._aim(leg, leg.signalled if locked is None or spec.latch == "signalled" else locked)
        for source in self.edges.sources_of(leg.row):
            if source < self.legs.capacity:
                self.legs.flows[source] = None  # what is relayed to this leg looks different from now on
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
            self._aim(leg, leg.locked)
        self.receiver.moved.clear()

    def _close_leg(self, leg: Leg, now: Instant) -> None:
        if self.receiver.awaits(leg.row):
            self.receiver.account_fully(now)
        self.reporter.bye(leg, now)
        stats = self.legs.statistics(leg)
        for tone in [
            tone for tone, player in self._tones.items() if leg.row in self.edges.sinks_of(self._places[tone])
        ]:
            self._forget_player(tone)
        self.edges.drop_source(leg.row)
        self.edges.drop_sink(leg.row)
        self._digits.pop(leg.id, None)
        self.receiver.listening.pop(leg.id, None)
        self.legs.close(leg)
        self.plan.dirty = True
        self.effects.append(CloseRow(leg.row))
        self._quarantine.append((now + QUARANTINE, leg.row))
        self.reports.append(LegClosed(leg.id, stats))

    def _new_id(self, id: int) -> None:
        if id in self.legs.by_id or id in self.players or id in self.recorders.by_id or id in self._finishing or id < 0:
            raise LocalError(f"id {id} is taken")

    # --------------------------------------------------------------------------------------------------------- edges

    def _source(self, id: int) -> int:
        if (leg := self.legs.by_id.get(id)) is not None:
            return leg.row
        if (place := self._places.get(id)) is not None:
            return place
        raise LocalError(f"no source {id}")

    def _sink(self, edge: Edge) -> int:
        if (leg := self.legs.by_id.get(edge.sink)) is not None:
            return leg.row
        recorder = self.recorders.by_id.get(edge.sink)
        if recorder is None:
            raise LocalError(f"no sink {edge.sink}")
        if not 0 <= edge.channel < recorder.channels:
            raise LocalError(f"recorder {edge.sink} has no channel {edge.channel}")
        return self.legs.capacity + recorder.place * CHANNELS + edge.channel

    def _connect(self, edges: tuple[Edge, ...]) -> None:
        problems = []
        for edge in edges:
            try:
                self.edges.connect(self._source(edge.source), self._sink(edge), edge.gain)
            except LocalError as error:
                problems.append(str(error))
        self.plan.dirty = True
        if problems:
            raise LocalError("; ".join(problems))

    def _disconnect(self, edges: tuple[Edge, ...]) -> None:
        for edge in edges:
            try:
                self.edges.disconnect(self._source(edge.source), self._sink(edge))
            except LocalError:
                continue  # an end is gone, and the edge with it
        self.plan.dirty = True

    # ------------------------------------------------------------------------------------------------------- players

    def _play(self, id: int, items: tuple[PlayItem, ...], loops: int) -> None:
        self._new_id(id)
        if loops < 0:
            raise LocalError(f"loops are 0 or more, not {loops}")
        player = self._add_player(Player(id, items, loops))
        if player.needs:
            self.effects += [LoadSound(path) for path in sorted(player.needs)]
        else:
            player.start(self._tick + 1)

    def _add_player(self, player: Player) -> Player:
        place = self._free_places.pop() if self._free_places else self.legs.capacity + len(self._by_place)
        self.players[player.id] = self._by_place[place] = player
        self._places[player.id] = place
        return player

    def loaded(self, path: str, samples: Samples | None, reason: str = "") -> None:
        """The file at `path` was read, or `reason` says why not."""
        for player in [player for player in self.players.values() if path in player.needs]:
            if samples is None:
                self.reports.append(Failed(player.id, "Play", reason))
                self._forget_player(player.id)
                self.reports.append(PlayDone(player.id, "failed", 0))
                continue
            player.give(path, samples)
            if not player.needs:
                player.start(self._tick + 1)

    def _stop_play(self, id: int) -> None:
        player = self.players.get(id)
        if player is None:
            raise LocalError(f"no player {id}")
        self.reports.append(PlayDone(id, "stopped", player.played_ms(self._tick + 1)))
        self._forget_player(id)

    def _end_players(self, tick: int) -> None:
        ended = [player for player in self.players.values() if (ends := player.ends) is not None and ends <= tick]
        for player in ended:
            self._forget_player(player.id)
            if player.id >= 0:
                self.reports.append(PlayDone(player.id, "end", player.played_ms(tick)))

    def _forget_player(self, id: int) -> None:
        place = self._places.pop(id)
        self.edges.drop_source(place)
        del self.players[id], self._by_place[place]
        self._tones.pop(id, None)
        self._free_places.append(place)
        self.plan.dirty = True

    # ----------------------------------------------------------------------------------------------------- recorders

    def _record(self, id: int, path: str, channels: int) -> None:
        self._new_id(id)
        self.recorders.open(id, channels, self._tick + 1)
        self._paths[id] = path
        self.effects.append(CreateFile(id, path, channels))

    def _recorder(self, id: int) -> Recorder:
        if (recorder := self.recorders.by_id.get(id)) is None:
            raise LocalError(f"no recorder {id}")
        return recorder

    def _pause(self, id: int, paused: bool) -> None:
        recorder = self._recorder(id)
        recorder.paused = paused
        (self._paused.add if paused else self._paused.discard)(recorder.place)
        self.plan.dirty = True

    def _stop_record(self, id: int) -> None:
        recorder = self._recorder(id)
        self.effects.append(AppendFile(id, self.recorders.flush(recorder, self._tick + 1)))
        self.effects.append(FinishFile(id))
        self._finishing[id] = (self._paths.pop(id), (recorder.flushed - recorder.started) * FRAME)
        self._forget_recorder(recorder)

    def _forget_recorder(self, recorder: Recorder) -> None:
        for channel in range(recorder.channels):
            self.edges.drop_sink(self.legs.capacity + recorder.place * CHANNELS + channel)
        self._paused.discard(recorder.place)
        self.recorders.close(recorder)
        self.plan.dirty = True

    def stop_all_recordings(self) -> None:
        """The process ends: every file is closed properly."""
        for id in list(self.recorders.by_id):
            self._stop_record(id)

    def file_finished(self, id: int) -> None:
        """A recording's file is closed."""
        if (done := self._finishing.pop(id, None)) is not None:
            self.reports.append(RecordDone(id, done[0], "stopped", done[1]))

    def file_failed(self, id: int, reason: str, frames: int) -> None:
        """A recording's file cannot be written any more; `frames` are safe in it. The calls go on."""
        if id in self._finishing:
            path = self._finishing.pop(id)[0]
        elif (recorder := self.recorders.by_id.get(id)) is not None:
            path = self._paths.pop(id)
            self._forget_recorder(recorder)
        else:
            return
        self.reports.append(Failed(id, "Record", reason))
        self.reports.append(RecordDone(id, path, "failed", frames, reason))

    # ---------------------------------------------------------------------------------------------------------- keys

    def _tell_keys(self) -> None:
        pressed, self.receiver.pressed = self.receiver.pressed, []
        for leg, key in pressed:
            self.reports.append(Digit(leg.id, key.digit, key.duration_ms))
            relayed = self.relay.routes.get(leg.row, ())
            for sink in self.edges.sinks_of(leg.row):
                to = self.legs.by_row[sink] if sink < self.legs.capacity else None
                if to is not None and to is not leg and (sink not in relayed or to.spec.event_type < 0):
                    self._send_digits(to, key.digit, min(max(key.duration_ms, 80), 400))

    def _send_digits(self, leg: Leg, digits: str, duration_ms: int) -> None:
        if leg.spec.event_type >= 0:
            if leg.sender is None:
                leg.sender = dtmf.EventSender()
            leg.sender.queue(digits, duration_ms)
            self._digits[leg.id] = leg
            self.legs.ready(leg)
        elif leg.spec.codec in LAWS:
            player = self._add_player(Player(self._next_tone, tones.keys(digits, duration_ms), 1))
            self._next_tone -= 1
            self._tones[player.id] = player
            player.start(self._tick + 1)
            self.edges.connect(self._places[player.id], leg.row, 1.0)
        else:
            raise LocalError(f"leg {leg.id} takes neither telephone-events nor tones")
        self.plan.dirty = True

    def _send_keys(self, now: Instant) -> None:
        for leg in list(self._digits.values()):
            sender = leg.sender
            if sender is None or not sender.busy:
                del self._digits[leg.id]
                self.legs.ready(leg)
                self.plan.dirty = True
            elif leg.target is not None and leg.spec.send:
                if (out := sender.step()) is not None:
                    self.sender.event(leg, out, now)
            else:
                leg.sender = None  # held or unreachable: nobody is there to hear the keys
