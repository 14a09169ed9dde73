"""What is written to the store and read back: values, their tables, and the way between."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from enum import IntEnum
from itertools import chain
from typing import Any, Final, TypeAlias

import msgspec
from sqlalchemy import ClauseElement, Table, bindparam
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect, RowMapping

from softswitch.acd.model import Fact
from softswitch.kernel.clock import Instant
from softswitch.services import tables
from softswitch.switch.customers import Customer, ForgottenCustomer
from softswitch.switch.records import (
    CallRecord,
    ForgottenBinding,
    ForgottenMessage,
    ForgottenSetting,
    LegRecord,
    SavedAgent,
    SavedBinding,
    SavedGreeting,
    SavedMessage,
    SavedPhone,
    SavedRecording,
    SavedSetting,
)
from softswitch.wire.plain_text import encode, plain


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A `Fact` with its place in the one order of everything that happened; `seq` counts from 1."""

    seq: int
    at: Instant
    kind: str
    call: str = ""
    queue: str = ""
    agent: str = ""
    data: dict[str, object] = field(default_factory=dict)


Row: TypeAlias = (
    LedgerEntry
    | CallRecord
    | SavedBinding
    | ForgottenBinding
    | SavedAgent
    | SavedRecording
    | Customer
    | ForgottenCustomer
    | SavedSetting
    | ForgottenSetting
    | SavedMessage
    | ForgottenMessage
    | SavedGreeting
    | SavedPhone
)
Pending: TypeAlias = Row | tuple[int, Fact]  # a fact with its number is a `LedgerEntry` in the cheapest form


class Statement(IntEnum):
    """The statements that a batch is made of."""

    LEDGER = 0
    CALL = 1
    BINDING = 2
    FORGET = 3
    AGENT = 4
    RECORDING = 5
    CUSTOMER = 6
    FORGET_CUSTOMER = 7
    SETTING = 8
    FORGET_SETTING = 9
    MESSAGE = 10
    FORGET_MESSAGE = 11
    GREETING = 12
    PHONE = 13


Parameters: TypeAlias = tuple[Any, ...]
Batch: TypeAlias = list[tuple[Statement, list[Parameters]]]

_decode: Final = msgspec.json.Decoder().decode
_decode_legs: Final = msgspec.json.Decoder(tuple[LegRecord, ...]).decode
_CALL_FIELDS: Final = tuple(column.name for column in tables.calls.columns)


def _json(value: object) -> str:
    return encode(value).decode() if value else "{}"


def _fact(pending: tuple[int, Fact]) -> Parameters:
    seq, fact = pending
    return seq, fact.at, fact.kind, fact.call, fact.queue, fact.agent, _json(fact.data)


def _entry(row: LedgerEntry) -> Parameters:
    return row.seq, row.at, row.kind, row.call, row.queue, row.agent, _json(row.data)


def _call(row: CallRecord) -> Parameters:
    return (
        *(row.id, row.started, row.answered, row.ended, row.outcome, row.source, row.caller, row.called),
        *(row.destination, row.queue, row.agent, row.wait_seconds, row.ring_seconds, row.talk_seconds),
        *(row.hold_seconds, row.cause, row.reason, row.hung_up_by, row.language, _json(row.collected)),
        *(row.recording, encode(row.legs).decode()),
    )


def _binding(row: SavedBinding) -> Parameters:
    return row.aor, row.contact, row.expires, encode(row.data).decode()


def _forget(row: ForgottenBinding) -> Parameters:
    return row.aor, row.contact


def _agent(row: SavedAgent) -> Parameters:
    return row.name, row.logged_in, row.paused, row.reason, row.at, row.phone


def _recording(row: SavedRecording) -> Parameters:
    return (
        *(row.path, row.call, row.started, row.seconds, row.bytes, row.sha256, row.queue, row.agent, row.caller),
        *(row.called, row.format, row.channels, row.fault, row.held, row.deleted),
    )


def _customer(row: Customer) -> Parameters:
    return (
        *(row.id, row.name, encode(row.numbers).decode(), row.head_start, row.language, row.agent),
        *(encode(row.needs).decode(), row.queue, row.notes),
    )


def _forget_customer(row: ForgottenCustomer) -> Parameters:
    return (row.id,)


def _setting(row: SavedSetting) -> Parameters:
    return row.path, encode(row.value).decode(), row.by, row.at


def _message(row: SavedMessage) -> Parameters:
    return row.path, row.box, row.call, row.caller, row.at, row.seconds, row.heard


def _forget_message(row: ForgottenMessage) -> Parameters:
    return (row.path,)


def _greeting(row: SavedGreeting) -> Parameters:
    return row.box, row.path


def _forget_setting(row: ForgottenSetting) -> Parameters:
    return (row.path,)


def _phone(row: SavedPhone) -> Parameters:
    return row.name, encode(row.data).decode(), row.at


_WRITERS: Final[dict[type, tuple[Statement, Callable[[Any], Parameters]]]] = {
    tuple: (Statement.LEDGER, _fact),
    LedgerEntry: (Statement.LEDGER, _entry),
    CallRecord: (Statement.CALL, _call),
    SavedBinding: (Statement.BINDING, _binding),
    ForgottenBinding: (Statement.FORGET, _forget),
    SavedAgent: (Statement.AGENT, _agent),
    SavedRecording: (Statement.RECORDING, _recording),
    Customer: (Statement.CUSTOMER, _customer),
    ForgottenCustomer: (Statement.FORGET_CUSTOMER, _forget_customer),
    SavedSetting: (Statement.SETTING, _setting),
    ForgottenSetting: (Statement.FORGET_SETTING, _forget_setting),
    SavedMessage: (Statement.MESSAGE, _message),
    ForgottenMessage: (Statement.FORGET_MESSAGE, _forget_message),
    SavedGreeting: (Statement.GREETING, _greeting),
    SavedPhone: (Statement.PHONE, _phone),
}


def parameters(row: Pending) -> tuple[Statement, Parameters]:
    """The statement that writes `row` and its parameters, in text that a database can hold. Raises what the JSON
    encoder says of a value that it cannot write."""
    statement, writer = _WRITERS[type(row)]
    values = writer(row)
    for value in values:
        if type(value) is str and not value.isascii():
            return statement, tuple(plain(value) if isinstance(value, str) else value for value in values)
    return statement, values


def batch(written: list[tuple[Statement, Parameters]]) -> Batch:
    """Statements with all their rows. Of several changes to one registration, agent, customer or setting the last one
    counts."""
    appended: dict[Statement, list[Parameters]] = {}
    changed: dict[tuple[Table, Parameters], tuple[Statement, Parameters]] = {}
    for statement, row in written:
        if statement in _LAST_COUNTS:
            table = _TABLES[statement]
            changed[table, row[: len(table.primary_key.columns)]] = (statement, row)
        elif statement in appended:
            appended[statement].append(row)
        else:
            appended[statement] = [row]
    for statement, row in changed.values():
        appended.setdefault(statement, []).append(row)
    return list(appended.items())


_TABLES: Final = {
    Statement.LEDGER: tables.ledger,
    Statement.CALL: tables.calls,
    Statement.BINDING: tables.bindings,
    Statement.AGENT: tables.agents,
    Statement.RECORDING: tables.recordings,
    Statement.FORGET: tables.bindings,
    Statement.CUSTOMER: tables.customers,
    Statement.FORGET_CUSTOMER: tables.customers,
    Statement.SETTING: tables.live_settings,
    Statement.FORGET_SETTING: tables.live_settings,
    Statement.MESSAGE: tables.messages,
    Statement.FORGET_MESSAGE: tables.messages,
    Statement.GREETING: tables.greetings,
    Statement.PHONE: tables.phones,
}
_FORGETS: Final = (Statement.FORGET, Statement.FORGET_CUSTOMER, Statement.FORGET_SETTING, Statement.FORGET_MESSAGE)
_CHANGED: Final = (Statement.CUSTOMER, Statement.SETTING, Statement.MESSAGE, Statement.GREETING, Statement.PHONE)
_LAST_COUNTS: Final = (Statement.BINDING, Statement.AGENT, *_CHANGED, *_FORGETS)
_UPSERTS: Final = (Statement.BINDING, Statement.AGENT, Statement.RECORDING, *_CHANGED)
_AT_ONCE: Final = (40, 10, 3, 1)  # rows a statement; few sizes, so that the driver's cache of statements holds them all


class Sql:
    """SQL with the positional parameters of a dialect; values go to the driver untouched, for speed. One statement
    inserts many rows: each step of SQLite gives the interpreter's lock away and takes it back, which beside a busy
    loop costs more than the insertion (31 futex calls a telephone call with row after row)."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._texts: dict[tuple[Statement, int], str] = {}

    def parts(self, statement: Statement, rows: list[Parameters]) -> Iterator[tuple[str, Parameters]]:
        """Statements with their flat parameters that write `rows` in order."""
        if statement in _FORGETS:
            for row in rows:
                yield self._text(statement, 1), row
            return
        start = 0
        for size in _AT_ONCE:
            while len(rows) - start >= size:
                yield self._text(statement, size), tuple(chain.from_iterable(rows[start : start + size]))
                start += size

    def _text(self, statement: Statement, rows: int) -> str:
        text = self._texts.get((statement, rows))
        if text is None:
            text = self._texts[statement, rows] = str(self._compile(statement, rows).compile(dialect=self._dialect))
        return text

    def _compile(self, statement: Statement, rows: int) -> ClauseElement:
        table = _TABLES[statement]
        if statement in _FORGETS:
            return table.delete().where(*(column == bindparam(column.name) for column in table.primary_key.columns))
        values = [dict.fromkeys(table.columns.keys())] * rows
        if statement not in _UPSERTS:
            return table.insert().values(values)
        insert = (postgresql if self._dialect.name == "postgresql" else sqlite).insert(table).values(values)
        keys_of = [column.name for column in table.primary_key.columns]
        changed = {column.name: insert.excluded[column.name] for column in table.columns if column.name not in keys_of}
        upsert: ClauseElement = insert.on_conflict_do_update(index_elements=keys_of, set_=changed)
        return upsert


def read_call(row: RowMapping) -> CallRecord:
    """The record that a row of `calls` holds."""
    values = {name: row[name] for name in _CALL_FIELDS}
    values["collected"] = _decode(values["collected"])
    values["legs"] = _decode_legs(values["legs"])
    return CallRecord(**values)


def read_entry(row: RowMapping) -> LedgerEntry:
    """The entry that a row of `ledger` holds."""
    values = {item.name: row[item.name] for item in fields(LedgerEntry)}
    return LedgerEntry(**(values | {"data": _decode(row["data"])}))


def read_fact(kind: str, at: Instant, call: str, queue: str, agent: str, data: str) -> Fact:
    """The fact that a row of the ledger holds."""
    return Fact(kind, at, call, queue, agent, _decode(data) if len(data) > 2 else {})


def read_binding(row: RowMapping) -> SavedBinding:
    """The registration that a row of `bindings` holds."""
    return SavedBinding(row["aor"], row["contact"], row["expires"], _decode(row["data"]))


def read_customer(row: RowMapping) -> Customer:
    """The customer that a row of `customers` holds."""
    needs = tuple((str(skill), int(level)) for skill, level in _decode(row["needs"]))
    return Customer(**(dict(row) | {"numbers": tuple(_decode(row["numbers"])), "needs": needs}))


def read_phone(row: RowMapping) -> SavedPhone:
    """What a row of `phones` holds."""
    return SavedPhone(row["name"], _decode(row["data"]), row["at"])


def read_setting(row: RowMapping) -> SavedSetting:
    """The setting that a row of `live_settings` holds."""
    return SavedSetting(row["path"], _decode(row["value"]), row["by"], row["at"])
