"""From what the core saves to the store: facts are numbered and told to whoever listens, the rest are rows."""

from collections.abc import Callable
from typing import Any

from softswitch.acd.model import Fact
from softswitch.services.rows import LedgerEntry
from softswitch.services.store import Store
from softswitch.shell.bus import Bus
from softswitch.switch.records import ForgottenLiveCall, SavedLiveCall, SavedRecording


class Saver:
    """Called for every `Save` effect. `recorded` is told of finished recordings."""

    __slots__ = ("_append", "_bus", "_journal", "_write", "recorded")

    def __init__(self, store: Store, bus: Bus) -> None:
        self._append = store.ledger.append
        self._write = store.writer.write
        self._journal = store.journal.write
        self._bus = bus
        self.recorded: Callable[[SavedRecording], None] = _nobody

    def __call__(self, record: Any) -> None:
        if type(record) is Fact:
            seq = self._append(record)
            if self._bus.listeners:
                self._bus.publish(
                    LedgerEntry(seq, record.at, record.kind, record.call, record.queue, record.agent, record.data)
                )
        elif isinstance(record, SavedLiveCall | ForgottenLiveCall):
            self._journal(record)
        else:
            self._write(record)
            if type(record) is SavedRecording:
                self.recorded(record)


def _nobody(row: SavedRecording) -> None:
    """Nobody keeps recordings."""
