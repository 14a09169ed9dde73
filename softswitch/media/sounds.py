"""The players of an engine: which there are, where they stand among the sources, when they end."""

from collections.abc import Callable, Iterable
from heapq import heappop, heappush

from softswitch.kernel.errors import LocalError
from softswitch.media.edges import Edges
from softswitch.media.effects import Effect, LoadSound
from softswitch.media.plan import Plan
from softswitch.media.player import Clip, Player
from softswitch.wire.control import Failed, PlayDone, PlayItem, Report


class Sounds:
    """`first`: the number of the first place, behind all legs. Players with negative ids are our own (keys in band):
    nobody is told of them. A player that is stopped stays at its place until it has faded (`sweep`)."""

    __slots__ = (
        "_by_place",
        "_edges",
        "_effects",
        "_ends",
        "_fading",
        "_first",
        "_free",
        "_places",
        "_plan",
        "_reports",
        "players",
    )

    def __init__(self, first: int, edges: Edges, plan: Plan, effects: list[Effect], reports: list[Report]) -> None:
        self.players: dict[int, Player] = {}
        self._first = first
        self._edges = edges
        self._plan = plan
        self._effects = effects
        self._reports = reports
        self._places: dict[int, int] = {}  # player → place among the sources
        self._by_place: dict[int, Player] = {}
        self._free: list[int] = []
        self._fading: list[int] = []
        self._ends: list[tuple[int, int]] = []  # heap of (tick, player) of those that will end by themselves

    def play(self, id: int, items: tuple[PlayItem, ...], loops: int, tick: int) -> None:
        """A new player that begins at `tick`, or when its files have come. Raises `LocalError`."""
        if loops < 0:
            raise LocalError(f"loops are 0 or more, not {loops}")
        player = self.add(Player(id, items, loops))
        if player.needs:
            self._effects += [LoadSound(path) for path in sorted(player.needs)]
        else:
            self.start(player, tick)

    def start(self, player: Player, tick: int) -> None:
        """All that it needs is there: its first frame is the one of `tick`."""
        player.start(tick)
        if player.ends is not None:
            heappush(self._ends, (player.ends, player.id))

    def add(self, player: Player) -> Player:
        """Give the player a place; `start` it yourself."""
        place = self._free.pop() if self._free else self._first + len(self._by_place)
        self.players[player.id] = self._by_place[place] = player
        self._places[player.id] = place
        return player

    def place(self, id: int) -> int | None:
        """Where the player stands among the sources."""
        return self._places.get(id)

    def at(self, place: int) -> Player:
        """Who stands there."""
        return self._by_place[place]

    def loaded(self, path: str, clip: Clip | None, reason: str, tick: int) -> None:
        """The file at `path` was read, or `reason` says why not; what is complete now begins at `tick`."""
        for player in [player for player in self.players.values() if path in player.needs]:
            if clip is None:
                self._reports.append(Failed(player.id, "Play", reason))
                self.forget(player.id)
                self._reports.append(PlayDone(player.id, "failed", 0))
                continue
            player.give(path, clip)
            if not player.needs:
                self.start(player, tick)

    def stop(self, id: int, tick: int) -> None:
        """End a player before `tick`. Raises `LocalError`."""
        player = self.players.get(id)
        if player is None:
            raise LocalError(f"no player {id}")
        self._reports.append(PlayDone(id, "stopped", player.played_ms(tick)))
        self.forget(id)

    def end(self, tick: int, on_end: Callable[[int], object]) -> None:
        """Let go of players that have nothing left to play at `tick`; `on_end` hears of our own."""
        while self._ends and self._ends[0][0] <= tick:
            player = self.players.get(heappop(self._ends)[1])
            if player is None:
                continue  # stopped early
            self._edges.drop_source(self._places[player.id])
            self.forget(player.id)
            if player.id >= 0:
                self._reports.append(PlayDone(player.id, "end", player.played_ms(tick)))
            else:
                on_end(player.id)

    def forget(self, id: int) -> None:
        """The player is gone; who hears it hears it fade in the next frame."""
        place = self._places.pop(id)
        del self.players[id]
        self._edges.fade_source(place)
        self._fading.append(place)
        self._plan.dirty = True

    def sweep(self) -> None:
        """Once a tick: places where nothing is heard any more are free."""
        if self._fading:
            gone = [place for place in self._fading if not self._edges.has_source(place)]
            for place in gone:
                del self._by_place[place]
            self._free += gone
            self._fading = [place for place in self._fading if place in self._by_place]

    def ids(self) -> Iterable[int]:
        """Of the players that control knows."""
        return (id for id in self.players if id >= 0)
