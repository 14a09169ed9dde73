"""Customers, settings changed while the switch runs, and where agents sit."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "customers",
        sa.Column("id", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("name", "numbers")),
        sa.Column("head_start", sa.Double, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("language", "agent", "needs", "queue", "notes")),
    )
    op.create_table(
        "live_settings",
        sa.Column("path", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("value", "by")),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.add_column("agents", sa.Column("phone", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    with op.batch_alter_table("agents") as table:
        table.drop_column("phone")
    op.drop_table("live_settings")
    op.drop_table("customers")
