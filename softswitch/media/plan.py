"""From edges to work: which sinks are relayed, and the two matrices, narrow and wide, that mix the others.

Made anew when anything that it rests on has changed, at most once a tick, and only for the sinks that it touches: legs
that come and go cost nothing for those that stay, beside a few passes over whole columns (0.2 ms for 1,000 recorded
calls).
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from softswitch.media.arena import FRAME, Ints
from softswitch.media.codecs import LINEAR, NARROW, WIDE
from softswitch.media.columns import MIXED, NOTHING
from softswitch.media.edges import ROOMS, Edges
from softswitch.media.legs import Legs
from softswitch.media.mix import Matrix, key
from softswitch.media.relay import Relay

ONE_BY_ONE: Final = LINEAR
"""Rank of legs whose packets are made one at a time; below it are laws, in 20 ms packets."""
RECORDED: Final = ONE_BY_ONE + 1

_TWENTY: Final = 20
_NOBODY: Ints = np.zeros(0, np.int64)


class Plan:
    """Sinks of a matrix come in the order of their ranks: µ-law legs, A-law legs (both 20 ms), legs one by one,
    recorder channels. `leaving` are (source, sink) that were relayed until now and are mixed from this tick on;
    `crossing` those that are relayed from the next packet on and mixed for the last time."""

    __slots__ = (
        "_crossed",
        "_edges",
        "_hearing",
        "_legs",
        "_listeners",
        "_mixed",
        "_pulled",
        "_relay",
        "_routed",
        "begun",
        "crossing",
        "dirty",
        "down",
        "leaving",
        "matrices",
        "players",
        "rows",
        "up",
    )

    def __init__(self, legs: Legs, edges: Edges, relay: Relay) -> None:
        self._legs = legs
        self._edges = edges
        self._relay = relay
        self._routed: dict[int, int] = {}  # sink → the source that it is relayed
        self._mixed: set[int] = set()  # legs that are sinks of a matrix
        self._hearing: dict[int, tuple[int, list[int]]] = {}  # sink → its plane, the rooms that it hears
        self._listeners: Counter[tuple[int, int]] = Counter()  # (plane, room) → sinks
        self._crossed: list[int] = []
        self._pulled = np.zeros(legs.capacity, bool)
        self.dirty = False
        self.leaving: list[tuple[int, int]] = []
        self.crossing: list[tuple[int, int]] = []
        self.begun: list[int] = []
        """Legs that are pulled from this tick on; the mixer empties it."""
        self.matrices = (Matrix(FRAME), Matrix(2 * FRAME))
        self.rows: tuple[Ints, Ints] = (_NOBODY, _NOBODY)
        """Legs to be pulled, by plane."""
        self.players: tuple[Ints, Ints] = (_NOBODY, _NOBODY)
        """Places of players to be read, by plane; their sound stands behind that of the legs."""
        self.down = self.up = _NOBODY
        """Legs of the wide plane that are heard in the narrow one, and the other way round, behind the players."""

    @property
    def idle(self) -> bool:
        """Whether a tick has nothing to mix and nobody to listen to."""
        return not (len(self.rows[0]) or len(self.rows[1]) or any(len(matrix.sinks) for matrix in self.matrices))

    def make(self) -> None:
        """Take in what has changed."""
        self.dirty = False
        legs, edges = self._legs, self._edges
        self.leaving, self.crossing = [], []
        for row in legs.changed:
            edges.touch(row)
        touched, edges.touched = edges.touched, set()
        touched.update(self._crossed)
        self._crossed = []
        rooms = {node for node in touched if node >= ROOMS}
        sinks = touched - rooms
        keys: tuple[list[int], list[int]] = ([], [])
        slots: tuple[list[int], list[int]] = ([], [])
        for sink in sinks:
            self._judge(sink, keys, slots, rooms)
        self._refresh_flows()
        self._enter_rooms(rooms)
        gone = np.array(list(sinks), np.int64)
        for matrix, new_keys, new_slots in zip(self.matrices, keys, slots, strict=True):
            matrix.heard.change(gone, new_keys, new_slots)
        self._seat()

    # ---------------------------------------------------------------------------------------------------- sink by sink

    def _judge(
        self, sink: int, keys: tuple[list[int], list[int]], slots: tuple[list[int], list[int]], rooms: set[int]
    ) -> None:
        """Relayed, mixed or nothing: note its route, add its entries to `keys` and `slots` of its plane, and the rooms
        that gain their first or lose their last listener to `rooms`."""
        legs, edges = self._legs, self._edges
        heard = edges.into(sink)
        is_leg = sink < legs.capacity
        plane = NARROW
        rank = RECORDED
        source = NOTHING
        if is_leg:
            plane = int(legs.plane[sink])
            source = self._relayed(sink, heard)
            rank = ONE_BY_ONE
            if plane == NARROW and legs.packet_ms[sink] == _TWENTY:
                rank = min(int(legs.sent["codec"][sink]), ONE_BY_ONE)
            if not legs.sendable[sink]:
                plane = NOTHING
        before = self._routed.get(sink, NOTHING)
        if source != before:
            self._reroute(sink, before, source)
        was_mixed = sink in self._mixed
        audible: list[int] = []
        if plane >= 0 and source < 0:
            audible = [slot for node, slot in heard.items() if edges.sounds(slot) and self._decodable(node)]
            if before >= 0 and not any(edges.aim[slot] for slot in audible):
                audible = []  # the stream stops, and what is missing is the phone's to conceal
            if is_leg and audible and not was_mixed:
                for slot in audible:
                    edges.restart(slot)
                if before >= 0:
                    self.leaving.append((before, sink))
        elif source >= 0:
            (slot,) = heard.values()
            if was_mixed and before < 0 and plane >= 0 and self._decodable(source):
                audible = [slot]
                self.crossing.append((source, sink))
                self._crossed.append(sink)
            else:
                edges.jump(slot)
        if audible:
            at = key(rank, sink)
            keys[plane].extend([at] * len(audible))
            slots[plane].extend(audible)
        if is_leg:
            self._enter_or_leave(sink, bool(audible), was_mixed)
        self._listen(sink, plane, [node for node in heard if node >= ROOMS] if audible else [], rooms)

    def _relayed(self, sink: int, heard: Mapping[int, int]) -> int:
        """The one source whose packets the sink may take untouched."""
        legs = self._legs
        if len(heard) != 1 or not legs.sendable[sink]:
            return NOTHING
        ((source, slot),) = heard.items()
        if source >= legs.capacity or self._edges.aim[slot] != 1.0:
            return NOTHING
        kind = legs.kind[source]
        same = kind > 0 and kind == legs.kind[sink] and legs.packet_ms[source] <= legs.longest_ms[sink]
        return source if same else NOTHING

    def _decodable(self, node: int) -> bool:
        return node >= self._legs.capacity or bool(self._legs.plane[node] >= 0)

    def _enter_or_leave(self, sink: int, mixed: bool, was_mixed: bool) -> None:
        if mixed:
            self._mixed.add(sink)
        elif was_mixed:
            self._mixed.discard(sink)
            feed = self._legs.sent["feed"]
            if feed[sink] == MIXED:
                feed[sink] = NOTHING

    def _listen(self, sink: int, plane: int, heard: list[int], rooms: set[int]) -> None:
        before = self._hearing.pop(sink, None)
        if heard:
            self._hearing[sink] = (plane, heard)
        elif before is None:
            return
        for room in heard:
            self._listeners[plane, room] += 1
            if self._listeners[plane, room] == 1:
                rooms.add(room)
        if before is not None:
            for room in before[1]:
                self._listeners[before[0], room] -= 1
                if not self._listeners[before[0], room]:
                    del self._listeners[before[0], room]
                    rooms.add(room)

    # ----------------------------------------------------------------------------------------------------- the relay

    def _reroute(self, sink: int, before: int, source: int) -> None:
        legs, relay = self._legs, self._relay
        if before >= 0:
            relay.routes[before].remove(sink)
            if len(relay.routes[before]) < 2:
                relay.many.discard(before)
            if not relay.routes[before]:
                del relay.routes[before]
            legs.flows.clear(before)
            if legs.sent["feed"][sink] == before:
                legs.sent["feed"][sink] = NOTHING
            del self._routed[sink]
        if source >= 0:
            relay.routes.setdefault(source, []).append(sink)
            if len(relay.routes[source]) > 1:
                relay.many.add(source)
            legs.flows.clear(source)
            self._routed[sink] = source

    def _refresh_flows(self) -> None:
        """What is relayed to a leg that was described anew looks different from now on."""
        for row in self._legs.changed:
            if (source := self._routed.get(row, NOTHING)) >= 0:
                self._legs.flows.clear(source)
        self._legs.changed.clear()

    # ---------------------------------------------------------------------------------------------------- the columns

    def _enter_rooms(self, rooms: set[int]) -> None:
        """What is spoken in `rooms`, in each plane where somebody listens."""
        if not rooms:
            return
        edges = self._edges
        gone = np.array(list(rooms), np.int64)
        for plane, matrix in enumerate(self.matrices):
            keys: list[int] = []
            slots: list[int] = []
            for room in rooms:
                if self._listeners.get((plane, room)):
                    spoken = [
                        slot for node, slot in edges.into(room).items() if edges.sounds(slot) and self._decodable(node)
                    ]
                    keys += [key(0, room)] * len(spoken)
                    slots += spoken
            matrix.spoken.change(gone, keys, slots)

    def _seat(self) -> None:
        """Give each source its row in the sound of each plane where it is heard, and each matrix its order."""
        legs, edges = self._legs, self._edges
        mixing = any(len(matrix.heard) or len(matrix.spoken) or len(matrix.sinks) for matrix in self.matrices)
        if not (mixing or legs.listened.any() or self._pulled.any()):
            return  # all is relayed, and was when this was done last: half of a tick's cost while calls come and go
        capacity = legs.capacity
        nodes = [matrix.sources(edges) for matrix in self.matrices]
        size = max([capacity, *(int(some.max()) + 1 for some in nodes if len(some))])
        heard = np.zeros((2, size), bool)
        for plane in (NARROW, WIDE):
            heard[plane, nodes[plane]] = True
        legs_heard = heard[:, :capacity]
        listened = legs.listened & (legs.plane >= 0)
        wanted = legs_heard[NARROW] | legs_heard[WIDE] | listened
        wide = legs.plane == WIDE
        if (wanted & wide).any() or len(self.matrices[WIDE].heard):
            self.rows = np.flatnonzero(wanted & ~wide), np.flatnonzero(wanted & wide)
            self.down = np.flatnonzero((legs_heard[NARROW] | listened) & wide)
            self.up = np.flatnonzero(legs_heard[WIDE] & ~wide)
        else:
            self.rows, self.down, self.up = (np.flatnonzero(wanted), _NOBODY), _NOBODY, _NOBODY
        self.players = (
            np.flatnonzero(heard[NARROW, capacity:]) + capacity,
            np.flatnonzero(heard[WIDE, capacity:]) + capacity,
        )
        place = np.zeros(size, np.int64)
        for plane, (matrix, crossed) in enumerate(zip(self.matrices, (self.down, self.up), strict=True)):
            if len(matrix.heard) or len(matrix.sinks):
                order = np.concatenate((self.rows[plane], self.players[plane], crossed))
                place[order] = np.arange(len(order))
                matrix.make(edges, place)
        self._decode(wanted)

    def _decode(self, wanted: NDArray[np.bool_]) -> None:
        """Packets of the rows that are pulled from now on go to their jitter buffers, which begin anew."""
        changed = np.flatnonzero(wanted != self._pulled)
        if not len(changed):
            return
        self._legs.received["decode"][changed] = wanted[changed]
        self.begun = changed[wanted[changed]].tolist()
        for row in self.begun:
            self._legs.quiet(row)
        self._pulled = wanted
