"""What the ears need of the legs and what becomes of what they hear: reports for control, keys for the other side."""

from collections.abc import Iterable

import msgspec

from softswitch.kernel.clock import Instant
from softswitch.media.arena import TICK
from softswitch.media.dtmf_tones import Keyed
from softswitch.media.ears import Ears
from softswitch.media.edges import Edges
from softswitch.media.figures import statistics
from softswitch.media.keys import Keys
from softswitch.media.legs import Leg, Legs
from softswitch.media.speech_facts import NOBODY
from softswitch.wire.control import Heard, LegSpec, LegStats, Report
from softswitch.wire.dtmf import Pressed


class Hearing:
    """`ears` is a hearer of the mixer."""

    __slots__ = ("_edges", "_fresh", "_keys", "_legs", "_reports", "ears")

    def __init__(self, legs: Legs, edges: Edges, keys: Keys, reports: list[Report]) -> None:
        self.ears = Ears(legs.capacity)
        self._legs = legs
        self._edges = edges
        self._keys = keys
        self._reports = reports
        self._fresh: set[int] = set()  # rows whose wishes have changed since they were paired

    @property
    def busy(self) -> bool:
        """Whether anybody is listened to."""
        return self.ears.busy

    def describe(self, leg: Leg, spec: LegSpec, tick: int) -> None:
        """The leg's wishes as negotiated."""
        bits = spec.listen if spec.codec else 0
        if bits or leg.row in self.ears:
            self.ears.listen(leg.row, bits, spec.dead_air, tick)
            self._legs.listened[leg.row] = leg.row in self.ears
            self._fresh.add(leg.row)

    def close(self, leg: Leg, tick: int) -> None:
        """Nobody listens to the leg any more."""
        if leg.row in self.ears:
            if (other := self.ears.other(leg.row)) != NOBODY:
                self.ears.pair(other, NOBODY)
            self.ears.listen(leg.row, 0, 0.0, tick)

    def statistics(self, leg: Leg) -> LegStats:
        """How the leg fares, with what was said on it."""
        stats = statistics(self._legs, leg)
        speech = self.ears.facts(leg.row)
        return stats if speech is None else msgspec.structs.replace(stats, speech=speech)

    def pair(self, touched: Iterable[int]) -> None:
        """Who talks with whom: two legs that hear each other. `touched`: sinks whose edges have changed."""
        if not self.busy:
            return
        rows, self._fresh = self._fresh, set()
        rows.update(node for node in touched if node in self.ears)
        for row in rows:
            before, now = self.ears.other(row), self._partner(row)
            self.ears.pair(row, now)
            for other in {before, now} - {NOBODY}:
                self.ears.pair(other, self._partner(other))

    def tell(self, tick: int) -> None:
        """Once a tick, after the mix: what was heard."""
        if not self.busy:
            return
        for one in self.ears.take(tick):
            leg = self._legs.by_row[one.row]
            if leg is None:
                continue
            if isinstance(one, Keyed):
                now: Instant = tick * TICK
                self._keys.tell([(leg, Pressed(one.digit, one.duration_ms))], tick + 1, now, "inband")
            else:
                self._reports.append(Heard(leg.id, one.what, one.detail, one.ms))

    def _partner(self, row: int) -> int:
        """The one listened leg that hears `row` and is heard by it."""
        found = [
            sink
            for sink in self._edges.sinks_of(row)
            if sink != row and sink in self.ears and row in self._edges.sinks_of(sink)
        ]
        return found[0] if len(found) == 1 else NOBODY
