"""From what the core saves to the store: facts are numbered and told to whoever listens, the rest are rows."""

from typing import Any

from softswitch.acd.model import Fact
from softswitch.services.rows import LedgerEntry
from softswitch.services.store import Store
from softswitch.shell.bus import Bus


class Saver:
    """Called for every `Save` effect."""

    __slots__ = ("_append", "_bus", "_write")

    def __init__(self, store: Store, bus: Bus) -> None:
        self._append = store.ledger.append
        self._write = store.writer.write
        self._bus = bus

    def __call__(self, record: Any) -> None:
        if type(record) is Fact:
            seq = self._append(record)
            if self._bus.listeners:
                self._bus.publish(
                    LedgerEntry(seq, record.at, record.kind, record.call, record.queue, record.agent, record.data)
                )
        else:
            self._write(record)
