"""From edges to work: which sinks are relayed, and the product that mixes the others. Made anew when anything that it
rests on has changed, at most once a tick."""

from typing import Final

import numpy as np

from softswitch.media.arena import Ints
from softswitch.media.columns import MIXED, NOTHING
from softswitch.media.legs import Legs
from softswitch.media.mix import Edges, Product
from softswitch.media.recorder import CHANNELS
from softswitch.media.relay import Relay

_LAWS: Final = 2
_TWENTY: Final = 20


class Plan:
    """Sources and sinks below `capacity` are rows of legs; above it, sources are players' places and sinks recorder
    channels. Sinks of the product come in the order µ-law legs, A-law legs (both 20 ms), legs of other packet times,
    recorder channels; `bounds` are the ends of these four."""

    __slots__ = ("_edges", "_legs", "_mixed", "_relay", "_relayed", "bounds", "dirty", "product", "rows")

    def __init__(self, legs: Legs, edges: Edges, relay: Relay) -> None:
        self._legs = legs
        self._edges = edges
        self._relay = relay
        self._relayed: Ints = np.zeros(0, np.int64)  # source · capacity + sink, sorted
        self._mixed: Ints = np.zeros(0, np.int64)
        self.dirty = False
        self.product: Product | None = None
        self.rows: Ints = np.zeros(0, np.int64)
        """Legs that the product hears: the first of its sources."""
        self.bounds = (0, 0, 0, 0)

    def make(self, silent_places: set[int]) -> None:
        """`silent_places`: recorders that are paused."""
        self.dirty = False
        legs, edges, count = self._legs, self._edges, self._edges.count
        capacity = legs.capacity
        source, sink = edges.source[:count], edges.sink[:count]
        to_leg, from_leg = sink < capacity, source < capacity
        row = np.where(to_leg, sink, 0)
        feeder = np.where(from_leg, source, 0)
        usable = ~to_leg | legs.sendable[row]
        if silent_places:
            usable &= ~np.isin((sink - capacity) // CHANNELS, list(silent_places)) | to_leg
        alone = np.bincount(row[to_leg], minlength=1)[row] == 1
        kind = legs.kind[feeder]
        relayed = (
            usable & to_leg & from_leg & alone & (edges.aim[:count] == 1.0) & (kind == legs.kind[row]) & (kind > 0)
        )
        relayed &= legs.packet_ms[feeder] <= legs.longest_ms[row]
        edges.gain[:count][relayed] = 1.0
        law_in, law_out = legs.received["codec"][feeder], legs.sent["codec"][row]
        mixed = usable & ~relayed & (~from_leg | (law_in < _LAWS)) & (~to_leg | (law_out < _LAWS))
        self._make_routes(source[relayed], sink[relayed])
        self._make_product(np.flatnonzero(mixed))

    def _make_routes(self, source: Ints, sink: Ints) -> None:
        """Only what differs from the last plan is touched: most calls go on as they are."""
        legs, relay = self._legs, self._relay
        flows, changed, feed = legs.flows, legs.changed, legs.sent["feed"]
        pairs = np.sort(source * legs.capacity + sink)
        for pair in np.setdiff1d(self._relayed, pairs, assume_unique=True).tolist():
            row, to = divmod(pair, legs.capacity)
            relay.routes[row].remove(to)
            if not relay.routes[row]:
                del relay.routes[row]
            flows.clear(row)
            relay.many.discard(row)
            if feed[to] == row:
                feed[to] = NOTHING
        for pair in np.setdiff1d(pairs, self._relayed, assume_unique=True).tolist():
            row, to = divmod(pair, legs.capacity)
            relay.routes.setdefault(row, []).append(to)
            flows.clear(row)
        for row in {row for to in changed for row in self._edges.sources_of(to) if row in relay.routes}:
            flows.clear(row)
        changed.clear()
        if len(relay.routes) < len(pairs) or relay.many:
            relay.many = {row for row, sinks in relay.routes.items() if len(sinks) > 1}
        self._relayed = pairs

    def _make_product(self, chosen: Ints) -> None:
        legs = self._legs
        legs.received["decode"][self.rows] = False
        if not len(chosen):
            self.product, self.rows, self.bounds = None, np.zeros(0, np.int64), (0, 0, 0, 0)
            self._leave_mix(self.rows)
            return
        sink = self._edges.sink[chosen]
        to_leg = sink < legs.capacity
        row = np.where(to_leg, sink, 0)
        rank = np.where(legs.packet_ms[row] == _TWENTY, legs.sent["codec"][row].astype(np.int64), 2)
        rank[~to_leg] = 3
        self.product = Product(self._edges, chosen, rank)
        sinks = self.product.sinks
        ranks = np.full(len(sinks), 3)
        inside = sinks < legs.capacity
        ranks[inside] = np.where(
            legs.packet_ms[sinks[inside]] == _TWENTY, legs.sent["codec"][sinks[inside]].astype(np.int64), 2
        )
        a, b, c, d = np.searchsorted(ranks, [0, 1, 2, 3], side="right").tolist()
        self.bounds = (a, b, c, d)
        sources = self.product.sources
        self.rows = sources[: int(np.searchsorted(sources, legs.capacity))]
        legs.received["decode"][self.rows] = True
        self._leave_mix(sinks[:c])

    def _leave_mix(self, mixed: Ints) -> None:
        feed = self._legs.sent["feed"]
        left = np.setdiff1d(self._mixed, mixed)
        feed[left] = np.where(feed[left] == MIXED, NOTHING, feed[left])
        self._mixed = mixed.copy()
