"""The tables of the store. Instants are seconds since the epoch; JSON is kept as text, written by `rows.py`."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, MetaData, Table, Text

metadata: Final = MetaData()
SEQUENCE: Final = BigInteger().with_variant(Integer, "sqlite")  # SQLite's row id itself: 64 bits, no second index


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _number(name: str) -> Column[float]:
    return Column(name, Double, nullable=False)


calls: Final = Table(
    "calls",
    metadata,
    Column("id", Text, primary_key=True),
    _number("started"),
    Column("answered", Double, nullable=True),
    _number("ended"),
    _text("outcome"),
    _text("source"),
    _text("caller"),
    _text("called"),
    _text("destination"),
    _text("queue"),
    _text("agent"),
    _number("wait_seconds"),
    _number("ring_seconds"),
    _number("talk_seconds"),
    _number("hold_seconds"),
    Column("cause", Integer, nullable=False),
    _text("reason"),
    _text("hung_up_by"),
    _text("language"),
    _text("collected"),
    _text("recording"),
    _text("legs"),
    Index("calls_by_start", "started"),
)

ledger: Final = Table(
    "ledger",
    metadata,
    Column("seq", SEQUENCE, primary_key=True, autoincrement=False),
    _number("at"),
    _text("kind"),
    _text("call"),
    _text("queue"),
    _text("agent"),
    _text("data"),
    Index("ledger_by_call", "call"),
    Index("ledger_by_time", "at"),
)

bindings: Final = Table(
    "bindings",
    metadata,
    Column("aor", Text, primary_key=True),
    Column("contact", Text, primary_key=True),
    _number("expires"),
    _text("data"),
)

agents: Final = Table(
    "agents",
    metadata,
    Column("name", Text, primary_key=True),
    Column("logged_in", Boolean, nullable=False),
    Column("paused", Boolean, nullable=False),
    _text("reason"),
    _number("at"),
    _text("phone"),
)

phones: Final = Table(
    "phones",
    metadata,
    Column("name", Text, primary_key=True),
    _text("data"),
    _number("at"),
)

customers: Final = Table(
    "customers",
    metadata,
    Column("id", Text, primary_key=True),
    _text("name"),
    _text("numbers"),
    _number("head_start"),
    _text("language"),
    _text("agent"),
    _text("needs"),
    _text("queue"),
    _text("notes"),
)

live_settings: Final = Table(
    "live_settings",
    metadata,
    Column("path", Text, primary_key=True),
    _text("value"),
    _text("by"),
    _number("at"),
)

messages: Final = Table(
    "messages",
    metadata,
    Column("path", Text, primary_key=True),
    _text("box"),
    _text("call"),
    _text("caller"),
    _number("at"),
    _number("seconds"),
    Column("heard", Double, nullable=True),
)

greetings: Final = Table(
    "greetings",
    metadata,
    Column("box", Text, primary_key=True),
    _text("path"),
)

recordings: Final = Table(
    "recordings",
    metadata,
    Column("path", Text, primary_key=True),
    _text("call"),
    _number("started"),
    _number("seconds"),
    Column("bytes", BigInteger, nullable=False),
    _text("sha256"),
    _text("queue"),
    _text("agent"),
    _text("caller"),
    _text("called"),
    _text("format"),
    Column("channels", Integer, nullable=False),
    _text("fault"),
    _text("held"),
    Column("deleted", Double, nullable=True),
    Index("recordings_by_call", "call"),
    Index("recordings_by_start", "started"),
)

recording_chain: Final = Table(
    "recording_chain",
    metadata,
    Column("seq", SEQUENCE, primary_key=True, autoincrement=False),
    _number("at"),
    _text("kind"),
    _text("call"),
    _text("path"),
    Column("bytes", BigInteger, nullable=False),
    _text("sha256"),
    _text("data"),
    _text("link"),
    Index("recording_chain_by_path", "path"),
)
