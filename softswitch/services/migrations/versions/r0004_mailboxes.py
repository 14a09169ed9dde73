"""Messages in mailboxes, and the greetings of their owners."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "messages",
        sa.Column("path", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("box", "call", "caller")),
        *(sa.Column(name, sa.Double, nullable=False) for name in ("at", "seconds")),
        sa.Column("heard", sa.Double, nullable=True),
    )
    op.create_table(
        "greetings",
        sa.Column("box", sa.Text, primary_key=True),
        sa.Column("path", sa.Text, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("greetings")
    op.drop_table("messages")
