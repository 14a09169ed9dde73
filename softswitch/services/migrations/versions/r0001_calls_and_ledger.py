"""Calls, ledger, registrations, agents, recordings."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "calls",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("started", sa.Double, nullable=False),
        sa.Column("answered", sa.Double, nullable=True),
        sa.Column("ended", sa.Double, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("outcome", "source", "caller", "called")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("destination", "queue", "agent")),
        *(sa.Column(f"{name}_seconds", sa.Double, nullable=False) for name in ("wait", "ring", "talk", "hold")),
        sa.Column("cause", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("reason", "hung_up_by", "language")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("collected", "recording", "legs")),
    )
    op.create_index("calls_by_start", "calls", ["started"])
    op.create_table(
        "ledger",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
        sa.Column("at", sa.Double, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("kind", "call", "queue", "agent", "data")),
    )
    op.create_index("ledger_by_call", "ledger", ["call"])
    op.create_index("ledger_by_time", "ledger", ["at"])
    op.create_table(
        "bindings",
        sa.Column("aor", sa.Text, primary_key=True),
        sa.Column("contact", sa.Text, primary_key=True),
        sa.Column("expires", sa.Double, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
    )
    op.create_table(
        "agents",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("logged_in", sa.Boolean, nullable=False),
        sa.Column("paused", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.create_table(
        "recordings",
        sa.Column("path", sa.Text, primary_key=True),
        sa.Column("call", sa.Text, nullable=False),
        sa.Column("started", sa.Double, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
    )
    op.create_index("recordings_by_call", "recordings", ["call"])


def downgrade() -> None:
    for table in ("recordings", "agents", "bindings", "ledger", "calls"):
        op.drop_table(table)
