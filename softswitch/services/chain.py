"""The chain of hashes over all recordings: what was recorded, converted and deleted, each entry bound to the last.

An entry's link is SHA-256 over the link before it and everything the entry says, the file's own SHA-256 included. So a
changed file shows against its entry, a changed entry against its link, and one that was removed or moved breaks its
neighbours. Cutting the end off leaves a chain that is sound in itself: the ledger's `recording.sealed` facts, or a
head that somebody wrote down elsewhere, show that (`Head`).
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import LocalError

GENESIS: Final = "0" * 64
"""What the first entry is linked to."""

Kind: TypeAlias = Literal["recorded", "converted", "deleted", "missing"]


@dataclass(frozen=True, slots=True)
class ChainEntry:
    """`data` is JSON text, kept as it was hashed: what the recording is of, and for `converted` from which path."""

    seq: int
    at: Instant
    kind: str
    call: str
    path: str
    bytes: int
    sha256: str
    data: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain, as somebody saw it."""

    seq: int
    link: str

    @classmethod
    def parse(cls, text: str) -> "Head":
        """From `seq:link`. Raises `LocalError`."""
        seq, colon, link = text.partition(":")
        if not (colon and seq.isdigit() and len(link) == len(GENESIS)):
            raise LocalError(f'"{text}" is not a head of the chain, which looks like 12:0a1b…')
        return cls(int(seq), link.lower())


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was. `path` is empty when it is about the chain as such."""

    path: str
    call: str
    fault: str


def link_of(previous: str, entry: ChainEntry) -> str:
    """The link that `entry` must have after one with the link `previous`; hexadecimal."""
    said = [entry.seq, entry.at, entry.kind, entry.call, entry.path, entry.bytes, entry.sha256, entry.data]
    text = f"{previous}\n{json.dumps(said, separators=(',', ':'))}"
    return hashlib.sha256(text.encode()).hexdigest()


def follow(
    last: ChainEntry | None,
    kind: Kind,
    at: Instant,
    *,
    call: str,
    path: str,
    bytes: int,
    sha256: str,
    data: dict[str, object],
) -> ChainEntry:
    """The next entry after `last` (None: the first)."""
    seq, previous = (last.seq + 1, last.link) if last is not None else (1, GENESIS)
    text = json.dumps(data, separators=(",", ":"), sort_keys=True)
    bare = ChainEntry(seq, at, kind, call, path, bytes, sha256, text)
    return ChainEntry(seq, at, kind, call, path, bytes, sha256, text, link_of(previous, bare))


class Reading:
    """Reads a chain in order. `files`: the last entry of each file that should be on disk; `findings` gather."""

    def __init__(self, heads: tuple[Head, ...] = ()) -> None:
        self.files: dict[str, ChainEntry] = {}
        self.findings: list[Finding] = []
        self.last: ChainEntry | None = None
        self._heads = {head.seq: head.link for head in heads}

    def take(self, entry: ChainEntry) -> None:
        """The next entry, as the store has it."""
        seq, previous = (self.last.seq, self.last.link) if self.last is not None else (0, GENESIS)
        if entry.seq != seq + 1:
            gone = f"{seq + 1}" if entry.seq == seq + 2 else f"{seq + 1} to {entry.seq - 1}"
            self._find(entry, f"entries are missing before it: {gone}")
        elif entry.link != link_of(previous, entry):
            self._find(entry, "changed, or moved: its link does not fit")
        if self._heads.pop(entry.seq, entry.link) != entry.link:
            self._find(entry, "not the entry that was here when it was written down")
        self._apply(entry)
        self.last = entry

    def end(self) -> None:
        """No more entries."""
        for seq in sorted(self._heads):
            self.findings.append(Finding("", "", f"chain entry {seq} is missing: the end was cut off"))

    def _apply(self, entry: ChainEntry) -> None:
        if entry.kind == "converted":
            source = source_of(entry.data)
            if self.files.pop(source, None) is None:
                self._find(entry, f"converted from {source or 'nothing'}, which the chain does not know")
        if entry.kind in ("deleted", "missing"):
            self.files.pop(entry.path, None)
        else:
            self.files[entry.path] = entry

    def _find(self, entry: ChainEntry, fault: str) -> None:
        self.findings.append(Finding(entry.path, entry.call, f"chain entry {entry.seq} ({entry.kind}): {fault}"))


def source_of(data: str) -> str:
    """The path that a `converted` entry was made from; empty when its data do not say."""
    try:
        value = json.loads(data)
    except ValueError:
        return ""
    return str(value.get("from", "")) if isinstance(value, dict) else ""
