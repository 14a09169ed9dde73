"""What recordings are of and what became of them; the chain of hashes over them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_TEXTS = (("queue", ""), ("agent", ""), ("caller", ""), ("called", ""), ("format", "wav"))


def upgrade() -> None:
    for name, default in _TEXTS:
        op.add_column("recordings", sa.Column(name, sa.Text, nullable=False, server_default=default))
    op.add_column("recordings", sa.Column("channels", sa.Integer, nullable=False, server_default="2"))
    for name in ("fault", "held"):
        op.add_column("recordings", sa.Column(name, sa.Text, nullable=False, server_default=""))
    op.add_column("recordings", sa.Column("deleted", sa.Double, nullable=True))
    op.create_index("recordings_by_start", "recordings", ["started"])
    op.create_table(
        "recording_chain",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
        sa.Column("at", sa.Double, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("kind", "call", "path")),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("sha256", "data", "link")),
    )
    op.create_index("recording_chain_by_path", "recording_chain", ["path"])


def downgrade() -> None:
    op.drop_table("recording_chain")
    op.drop_index("recordings_by_start", "recordings")
    with op.batch_alter_table("recordings") as table:
        for name in (*(name for name, _ in _TEXTS), "channels", "fault", "held", "deleted"):
            table.drop_column(name)
