"""The journal of live calls: what another control process needs of each, written a moment after it has changed.

A call that changes again within `SETTLE` is written once, and one that ends before then never: whoever has talked for a
shorter time than that when control dies loses the call as if it had not been answered.
"""

from typing import TYPE_CHECKING, Final

from softswitch.kernel.clock import Duration, Instant
from softswitch.switch.call_memory import remembered
from softswitch.switch.events import Save
from softswitch.switch.records import ForgottenLiveCall, SavedLiveCall

if TYPE_CHECKING:
    from softswitch.switch.call import Call
    from softswitch.switch.office import Office

JOURNAL: Final = "journal"  # the key of its deadline, beside calls' ids
SETTLE: Final[Duration] = 0.25
GATHER: Final[Duration] = 0.05
"""Between two times of writing: each wakes the process."""


class Journal:
    """`kept` are the calls that the store has."""

    __slots__ = ("_due", "_office", "kept")

    def __init__(self, office: "Office") -> None:
        self._office = office
        self._due: dict[str, Instant] = {}  # when each is to be written, in that order
        self.kept: dict[str, None] = {}

    def look(self, now: Instant) -> None:
        """Calls were touched: they are due soon."""
        office = self._office
        if not self._due:
            office.deadlines.set(JOURNAL, now + SETTLE)
        for id in office.fabric.touched:
            self._due.setdefault(id, now + SETTLE)
        office.fabric.touched.clear()

    def write(self, now: Instant) -> None:
        """Write what is due."""
        while self._due:
            id, at = next(iter(self._due.items()))
            if at > now:
                self._office.deadlines.set(JOURNAL, max(at, now + GATHER))
                return
            del self._due[id]
            call = self._office.calls.get(id)
            if call is None or call.over:
                continue
            memory = remembered(call, now)
            if memory is not None:
                self.kept[id] = None
                self._office.outbox.append(Save(SavedLiveCall(id, now, memory)))
            elif id in self.kept:
                self.ended(call)

    def ended(self, call: "Call") -> None:
        """The call's record is written, or nobody is left in it who has answered."""
        if call.id in self.kept:
            del self.kept[call.id]
            self._office.outbox.append(Save(ForgottenLiveCall(call.id)))

    def pulse(self) -> None:
        """Every few seconds: one call is written anew, so that the store knows how long the switch has lived."""
        if self.kept:
            self._office.fabric.touched[next(iter(self.kept))] = None
