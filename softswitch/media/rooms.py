"""Rooms: conferences. A room is one node of the mix, a sink of those who speak in it and a source for those who hear
it; whoever does both hears all but itself."""

from collections import deque
from typing import Final

from softswitch.kernel.errors import LocalError
from softswitch.media.edges import ROOMS, Edges

_REST: Final = 64  # numbers that wait before one is used again


class Rooms:
    """Rooms by id."""

    __slots__ = ("_edges", "_next", "_used", "by_id")

    def __init__(self, edges: Edges) -> None:
        self.by_id: dict[int, int] = {}  # id → node
        self._edges = edges
        self._used: deque[int] = deque()
        self._next = ROOMS

    def open(self, id: int) -> None:
        """An empty room."""
        if len(self._used) > _REST and not self._edges.has_source(self._used[0]):
            node = self._used.popleft()
        else:
            node = self._next
            self._next += 1
        self.by_id[id] = node

    def close(self, id: int) -> None:
        """Everybody leaves. Raises `LocalError`."""
        node = self.node(id)
        del self.by_id[id]
        self._edges.fade_source(node)
        self._edges.fade_sink(node)
        self._used.append(node)

    def node(self, id: int) -> int:
        """The room among sources and sinks. Raises `LocalError`."""
        if (node := self.by_id.get(id)) is None:
            raise LocalError(f"no room {id}")
        return node
