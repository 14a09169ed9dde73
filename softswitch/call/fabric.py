"""The switching fabric as control sees it: media processes, their slots, and the commands on their way to them.

All legs of one call live in one media process, because an edge of the mix joins legs of the same process. Commands
are collected and leave in one frame a process when the core returns.
"""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import shake_256
from random import Random
from typing import TYPE_CHECKING

import msgspec

from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import LocalError
from softswitch.sip.codec_table import CODECS
from softswitch.sip.secure_media import KEYS, PLAIN_MEANS, Means, Srtp
from softswitch.wire.control import (
    AskInventory,
    CloseLeg,
    CloseRoom,
    Command,
    Connect,
    Disconnect,
    Edge,
    Grow,
    Inventory,
    LegSpec,
    OpenLeg,
    Play,
    PlayItem,
    Ready,
    Record,
    Slot,
    StopPlay,
    StopRecord,
    WorkerStats,
)

if TYPE_CHECKING:
    from softswitch.call.leg import Leg
    from softswitch.call.streams import Stream

_LOW_WATER = 128  # free slots below which more are asked for, and at least as many as are in use
_GROW_BY = (256, 1024)  # as many as are in use, within these bounds: media stands still while it binds them


class NoPort(LocalError):
    """Every media port is in use, or no media process is up."""


@dataclass(slots=True)
class Worker:
    """One media process."""

    number: int
    ready: Ready | None = None
    free: deque[Slot] = field(default_factory=deque)
    legs: set[int] = field(default_factory=set)
    players: set[int] = field(default_factory=set)
    recorders: set[int] = field(default_factory=set)
    music: dict[str, int] = field(default_factory=dict)
    growing: bool = False
    stats: WorkerStats | None = None
    slots: int = 0


class Port(msgspec.Struct, frozen=True, gc=False):
    """A slot taken for a leg in one media process."""

    worker: int
    slot: int
    number: int


class Fabric:
    """Owns every media id and every slot."""

    def __init__(self, now: Instant, vault: Random) -> None:
        """`vault`: the dice that keys come from; nobody may be able to tell their numbers from others that are seen."""
        self._secret = vault.randbytes(32)
        self.workers: dict[int, Worker] = {}
        self.parties: Counter[str] = Counter()  # legs a party has now
        self._calls: dict[str, dict[str, int]] = {}  # party -> calls it is in -> its legs there
        self.changed: dict[str, None] = {}  # parties whose count changed since somebody looked
        self.moved: dict[Leg, None] | None = None  # legs with another state since somebody looked; None: nobody watches
        self.touched: dict[str, None] = {}  # calls with a leg that has another state since somebody looked
        self.sessions: dict[int, Leg] = {}  # by SIP session, until its last timer is gone
        self.players: dict[int, str] = {}  # who waits for the end of a player
        self.legs: dict[int, Leg] = {}  # by media id, until media has closed them
        self.streams: dict[int, Stream] = {}  # further streams of legs, likewise
        self.undecoded: frozenset[str] = frozenset()  # codecs that some media process lacks (opus without libopus)
        self._commands: dict[int, list[Command]] = {}
        # Media may outlive us and ids are never reused while it lives: start where no earlier run has been.
        self._last_id = int(now) << 20

    # ------------------------------------------------------------------------------------------- what media reports

    def ready(self, number: int, report: Ready) -> None:
        """A media process (again) answers; what it still holds of an earlier life is asked for and then closed."""
        worker = self.workers.setdefault(number, Worker(number))
        worker.ready = report
        mixed = {name for name, codec in CODECS.items() if codec.mixed}
        ready = [worker.ready for worker in self.workers.values() if worker.ready is not None]
        self.undecoded = frozenset().union(*(mixed.difference(report.codecs) for report in ready))
        worker.free = deque(report.free)
        worker.slots = report.capacity
        worker.growing = False
        worker.stats = None
        worker.music.clear()
        self._forget_players(worker)
        self.command(number, AskInventory())

    def pid(self, number: int) -> int:
        """The process id of a media process; 0 while it is not up."""
        worker = self.workers.get(number)
        return 0 if worker is None or worker.ready is None else worker.ready.pid

    def lost(self, number: int) -> set[int]:
        """The media process is gone; the legs that went with it."""
        worker = self.workers.get(number)
        if worker is None:
            return set()
        legs = {id for id, leg in self.legs.items() if leg.worker == number}
        for id in worker.legs & self.streams.keys():
            self.streams.pop(id).not_opened()
        self._forget_players(worker)
        self.workers[number] = Worker(number)
        self._commands.pop(number, None)
        return legs

    def grown(self, number: int, slots: tuple[Slot, ...]) -> None:
        worker = self.workers[number]
        worker.free.extend(slots)
        worker.growing = not slots  # the range is used up: ask again when a port has come back

    def inventory(self, number: int, report: Inventory, claimed: frozenset[int] = frozenset()) -> None:
        """Close what nobody here knows, but for legs and recorders that are about to be taken up."""
        worker = self.workers[number]
        # Whoever began in the same second as we did has used the same numbers.
        self._last_id = max((self._last_id, *report.legs, *report.players, *report.recorders, *report.rooms))
        for leg in set(report.legs) - worker.legs - claimed:
            self.command(number, CloseLeg(leg))
        for player in set(report.players) - worker.players:
            self.command(number, StopPlay(player))
        for recorder in set(report.recorders) - worker.recorders - claimed:
            self.command(number, StopRecord(recorder))
        for room in report.rooms:
            self.command(number, CloseRoom(room))

    def came(self, party: str, call: str) -> None:
        """A leg of `party` came in `call`."""
        self.parties[party] += 1
        calls = self._calls.setdefault(party, {})
        calls[call] = calls.get(call, 0) + 1
        self.changed[party] = None

    def went(self, party: str, call: str) -> None:
        """A leg that came is over."""
        calls = self._calls[party]
        if calls[call] == 1:
            del calls[call]
        else:
            calls[call] -= 1
        if calls:
            self.parties[party] -= 1
        else:
            del self.parties[party], self._calls[party]
        self.changed[party] = None

    def calls_at(self, parties: Iterable[str]) -> int:
        """Calls that any of `parties` has a leg in."""
        found = [calls for party in parties if (calls := self._calls.get(party)) is not None]
        return len(found[0]) if len(found) == 1 else len(set().union(*found))

    # ---------------------------------------------------------------------------------------------------- ports, ids

    def new_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def pick(self) -> int:
        """The media process with the fewest legs. Raises `NoPort`."""
        best: Worker | None = None
        for worker in self.workers.values():
            if worker.ready is not None and worker.free and (best is None or len(worker.legs) < len(best.legs)):
                best = worker
        if best is None:
            raise NoPort("no media process with a free port")
        return best.number

    def take(self, number: int) -> Port:
        """A port in that media process. Raises `NoPort`."""
        worker = self.workers.get(number)
        if worker is None or worker.ready is None or not worker.free:
            raise NoPort(f"media process {number} has no free port")
        slot = worker.free.popleft()
        spare, used = len(worker.free), len(worker.legs)
        if (spare < _LOW_WATER or spare < used) and not worker.growing:
            worker.growing = True
            self.command(number, Grow(min(max(used, _GROW_BY[0]), _GROW_BY[1])))
        return Port(number, slot.slot, slot.port)

    def give_back(self, port: Port) -> None:
        """A port that was taken but never opened."""
        worker = self.workers.get(port.worker)
        if worker is not None and worker.ready is not None:
            worker.free.append(Slot(port.slot, port.number))

    # ---------------------------------------------------------------------------------------------------------- keys

    def means(self, leg: int, number: int, srtp: Srtp, webrtc: bool) -> Means:
        """The keys of a leg in that media process: other legs' keys say nothing of them."""
        if srtp == "off" and not webrtc:
            return PLAIN_MEANS
        worker = self.workers.get(number)
        fingerprint = "" if worker is None or worker.ready is None else worker.ready.fingerprint
        # From one secret by a hash as key derivation (NIST SP 800-185 §4): drawing anew for each leg costs 8 µs.
        made = shake_256(self._secret + leg.to_bytes(8, "big")).digest(KEYS + 24)
        ufrag, pwd = made[KEYS : KEYS + 8].hex(), made[KEYS + 8 :].hex()
        return Means(srtp, webrtc, made[:KEYS], ufrag, pwd, fingerprint)

    # ------------------------------------------------------------------------------------------------------ commands

    def command(self, number: int, command: Command) -> None:
        """To be sent at the end of this step; nobody is there to hear it when the media process is lost."""
        if self.workers[number].ready is not None:
            self._commands.setdefault(number, []).append(command)

    def flush(self) -> list[tuple[int, tuple[Command, ...]]]:
        """What is to be sent now: (media process, its commands in order)."""
        if not self._commands:
            return []
        out = [(number, tuple(commands)) for number, commands in self._commands.items()]
        self._commands = {}
        return out

    def open_leg(self, leg: "Leg", port: Port, spec: LegSpec) -> None:
        self.legs[leg.id] = leg
        self.workers[port.worker].legs.add(leg.id)
        self.command(port.worker, OpenLeg(leg.id, port.slot, spec))

    def recall_leg(self, leg: "Leg") -> None:
        """Media has it open since before this process began."""
        self.legs[leg.id] = leg
        self.workers[leg.worker].legs.add(leg.id)

    def open_stream(self, stream: "Stream", port: Port, spec: LegSpec) -> None:
        """A further stream of a leg: to media a leg like any other."""
        self.streams[stream.id] = stream
        self.workers[port.worker].legs.add(stream.id)
        self.command(port.worker, OpenLeg(stream.id, port.slot, spec))

    def close_leg(self, leg: int, port: Port) -> None:
        worker = self.workers[port.worker]
        if leg in worker.legs:
            worker.legs.discard(leg)
            self.command(port.worker, CloseLeg(leg))

    def not_opened(self, leg: "Leg") -> None:
        """Media could not open it: there is nothing to close, and its slot is not one to use."""
        self.legs.pop(leg.id, None)
        self.workers[leg.worker].legs.discard(leg.id)
        leg.not_opened()

    def stream_lost(self, number: int, id: int) -> None:
        """Media could not open a further stream, or has closed it."""
        self.workers[number].legs.discard(id)
        if (stream := self.streams.pop(id, None)) is not None:
            stream.not_opened()

    def connect(self, number: int, *edges: Edge) -> None:
        self.command(number, Connect(edges))

    def disconnect(self, number: int, *edges: Edge) -> None:
        self.command(number, Disconnect(edges))

    def play(self, number: int, items: tuple[PlayItem, ...], loops: int = 1, owner: str = "") -> int:
        """Start a player in that media process; its id. `owner` is told of its end."""
        player = self.new_id()
        if owner:
            self.players[player] = owner
        self.workers[number].players.add(player)
        self.command(number, Play(player, items, loops))
        return player

    def stop_play(self, number: int, player: int) -> None:
        players = self.workers[number].players
        if player in players:
            players.discard(player)
            self.players.pop(player, None)
            self.command(number, StopPlay(player))

    def played(self, number: int, player: int) -> None:
        """`PlayDone` came for it."""
        worker = self.workers[number]
        worker.players.discard(player)
        for name, source in tuple(worker.music.items()):
            if source == player:
                del worker.music[name]

    def record(self, number: int, command: Record) -> None:
        self.workers[number].recorders.add(command.recorder)
        self.command(number, command)

    def stop_record(self, number: int, recorder: int) -> None:
        recorders = self.workers[number].recorders
        if recorder in recorders:
            recorders.discard(recorder)
            self.command(number, StopRecord(recorder))

    def _forget_players(self, worker: Worker) -> None:
        for player in worker.players:
            self.players.pop(player, None)
        worker.players.clear()

    def recorded(self, number: int, recorder: int) -> None:
        """`RecordDone` came for it."""
        self.workers[number].recorders.discard(recorder)

    def music(self, number: int, name: str, items: tuple[PlayItem, ...]) -> int:
        """The endless player of music `name`, one a media process, shared by all who wait."""
        worker = self.workers[number]
        if name not in worker.music:
            worker.music[name] = self.play(number, items, loops=0)
        return worker.music[name]
