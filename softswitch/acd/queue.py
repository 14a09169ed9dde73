"""Waiting calls in one total order.

A call's rank is one number, fixed at entry: its arrival minus its head start in seconds, or, in a queue with deadlines,
its arrival plus the service level's seconds minus its head start. Ties go by entry. The rank never changes, so a heap
serves, and a call is overtaken only by calls that arrived within the difference of head starts: nobody starves.
Two structures hold a waiting call: `Places` of its queue (who is before whom, offered calls included) and the
`CallHeap` of its pool (calls that may be offered now).
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, TypeAlias

from softswitch.acd.model import AgentName, CallId, Needs, QueueName, QueueSettings, Ring
from softswitch.acd.offers import Tried
from softswitch.kernel.clock import Instant

if TYPE_CHECKING:
    from softswitch.acd.agent import Ringing
    from softswitch.acd.callback_book import Callback
    from softswitch.acd.estimate import Estimate
    from softswitch.acd.pool import Pool

Rank: TypeAlias = tuple[float, int]
PoolClass: TypeAlias = tuple[int, Needs | AgentName | tuple[Needs, AgentName]]  # ring, and who is fit for it

_FROM_THE_START = (Ring(),)

STICKY = -1  # the ring before the first: the sticky agent alone

_COMPACT_FROM = 64  # below this size dead entries are cheaper than a rebuild


@dataclass(slots=True, eq=False)
class WaitingCall:
    """A call in `queue` since `entered`; `offers` while agents' phones ring for it, up to `phones` at once. It waits
    in `pool`, that of its `ring` (from 0; `STICKY`) and its `needs`. `stamp` tells its living heap entry. `tried` are
    its offers, the last of them; `left` and `outcome` are for `why`, once the call has left. The agent `without` is
    not to get it. `known`: see `CallQueued`; `message`: the queue's message that was told last; `estimate`: the one on
    entry; `callback`: it has no line yet, it is an attempt of that call-back."""

    call: CallId
    queue: "Queue"
    caller: str
    rank: float
    serial: int
    entered: Instant
    pool: "Pool"
    needs: Needs = ()
    sticky: AgentName = ""
    sticky_until: Instant = 0.0
    ring: int = 0
    phones: int = 1
    offers: "tuple[Ringing, ...]" = ()
    in_heap: bool = False
    stamp: int = 0
    tried: tuple[Tried, ...] = ()
    left: Instant | None = None
    outcome: str = ""
    without: AgentName = ""
    known: bool = False
    message: int = -1
    estimate: "Estimate | None" = None
    callback: "Callback | None" = None

    @property
    def offer(self) -> "Ringing | None":
        """The offer made first of those that live."""
        offers = self.offers
        return offers[0] if offers else None


def rank_of(settings: QueueSettings, arrived: Instant, head_start: float) -> float:
    """A call's rank, seconds; see the top of the file."""
    if settings.order == "deadline":
        return arrived + settings.service_level.seconds - head_start
    return arrived - settings.priority - head_start


_Place: TypeAlias = tuple[float, int, WaitingCall]


class Places:
    """The calls of one queue in order of rank; a position costs a bisection.

    Callers come at the end and mostly leave from the front, so both ends are O(1); the dead front is cut off once
    it outweighs the living. Elsewhere an insertion moves 8 bytes a call, 5 µs with 10,000 of them.
    """

    __slots__ = ("_places", "_start")

    def __init__(self) -> None:
        self._places: list[_Place] = []
        self._start = 0

    def __len__(self) -> int:
        return len(self._places) - self._start

    def __iter__(self) -> Iterator[WaitingCall]:
        places = self._places
        return (places[index][2] for index in range(self._start, len(places)))

    def add(self, call: WaitingCall) -> None:
        """Give `call` its place."""
        place = (call.rank, call.serial, call)
        places = self._places
        if not places or places[-1] < place:
            places.append(place)
        else:
            insort(places, place, lo=self._start)

    def position(self, call: WaitingCall) -> int:
        """1 for the next one; 0 when the call is not here."""
        index = self._index(call)
        return 0 if index < 0 else index - self._start + 1

    def before(self, rank: float, serial: int) -> int:
        """How many calls are before one of that rank."""
        return bisect_left(self._places, (rank, serial), lo=self._start) - self._start

    def remove(self, call: WaitingCall) -> int:
        """Take `call` out; returns the position it had, 0 when it was not here."""
        index = self._index(call)
        if index < 0:
            return 0
        position = index - self._start + 1
        if position > 1:
            del self._places[index]
            return position
        self._start += 1
        if self._start >= len(self._places):
            self.clear()
        elif self._start >= _COMPACT_FROM and 2 * self._start >= len(self._places):
            del self._places[: self._start]
            self._start = 0
        return position

    def clear(self) -> None:
        """Forget everybody."""
        self._places.clear()
        self._start = 0

    def _index(self, call: WaitingCall) -> int:
        places = self._places
        index = bisect_left(places, (call.rank, call.serial), lo=self._start)
        return index if index < len(places) and places[index][2] is call else -1


_Entry: TypeAlias = tuple[float, int, int, WaitingCall]


class CallHeap:
    """Calls that may be offered, lowest rank first. A call that leaves stays as a dead entry until it surfaces or
    the dead outnumber the living. `live` counts the living, `head` is the lowest rank, None when nobody is here."""

    __slots__ = ("_heap", "head", "live")

    def __init__(self) -> None:
        self._heap: list[_Entry] = []
        self.head: Rank | None = None
        self.live = 0

    def __iter__(self) -> Iterator[WaitingCall]:
        """The living, in no order."""
        return (entry[3] for entry in self._heap if _lives(entry))

    def push(self, call: WaitingCall) -> None:
        """Add a call that is not in a heap."""
        call.in_heap = True
        call.stamp += 1
        self.live += 1
        heappush(self._heap, (call.rank, call.serial, call.stamp, call))
        if self.head is None or (call.rank, call.serial) < self.head:
            self.head = (call.rank, call.serial)

    def discard(self, call: WaitingCall) -> None:
        """The call is no longer to be offered from this heap, in which it is, whatever has become of its rank."""
        was_head = self._heap[0][3] is call
        call.in_heap = False
        self.live -= 1
        if len(self._heap) > _COMPACT_FROM and len(self._heap) > 2 * self.live:
            self._heap = [entry for entry in self._heap if _lives(entry)]
            heapify(self._heap)
        if was_head:
            self._surface()

    def pop(self) -> WaitingCall | None:
        """Take the call with the lowest rank."""
        if self.head is None:
            return None
        call = heappop(self._heap)[3]  # the head is alive
        call.in_heap = False
        self.live -= 1
        self._surface()
        return call

    def _surface(self) -> None:
        """Drop the dead from the top; what comes up is the head."""
        heap = self._heap
        while heap:
            rank, serial, stamp, call = heap[0]
            if call.stamp == stamp and call.in_heap:
                self.head = (rank, serial)
                return
            heappop(heap)
        self.head = None


def _lives(entry: _Entry) -> bool:
    call = entry[3]
    return call.in_heap and call.stamp == entry[2]


class Queue:
    """One configured queue: its settings, its callers' places, its `rings` in order of time, the pool of all agents
    that it may ever ring, and the pools of its calls by ring and needs."""

    __slots__ = ("classes", "name", "places", "pool", "rings", "settings")

    def __init__(self, name: QueueName, settings: QueueSettings, pool: "Pool") -> None:
        self.name = name
        self.places = Places()
        self.classes: dict[PoolClass, Pool] = {}
        self.configure(settings, pool)

    def configure(self, settings: QueueSettings, pool: "Pool") -> None:
        """Take settings. A queue whose first ring comes late begins with one of its own agents."""
        self.settings = settings
        self.pool = pool
        self.classes.clear()
        rings = tuple(sorted(settings.rings, key=lambda ring: ring.after))
        self.rings = rings if rings and rings[0].after <= 0 else (*_FROM_THE_START, *rings)
