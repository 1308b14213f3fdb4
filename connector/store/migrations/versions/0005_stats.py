"""Counts of every hour, by mapping, template, account, language and country."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_SIDES = ("mapping", "template", "channel_id", "source_id", "language", "country")
_SUMS = (
    "matched", "sent", "delivered", "read", "replied", "engaged", "ordered", "opted_out", "failed", "stopped",
)  # fmt: skip


def upgrade() -> None:
    """Go forward."""
    op.add_column("message", sa.Column("country", sa.Text(), nullable=True))
    op.create_table(
        "stat",
        sa.Column("hour", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in _SIDES),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in _SUMS),
        sa.Column("clicked", sa.Integer(), nullable=True),
        sa.Column("cost", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("hour", *_SIDES, name=op.f("pk_stat")),
    )
    op.create_table(
        "stat_reason",
        sa.Column("hour", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in _SIDES),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("word", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("hour", *_SIDES, "kind", "word", name=op.f("pk_stat_reason")),
    )
    op.create_table(
        "stat_event",
        sa.Column("hour", sa.BigInteger(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "source_id", "type", "topic", name=op.f("pk_stat_event")),
    )
    op.create_table(
        "stat_due",
        sa.Column("hour", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.PrimaryKeyConstraint("hour", name=op.f("pk_stat_due")),
    )
    op.create_table(
        "sequel",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("account_id", sa.Text(), server_default="", nullable=False),
        sa.Column("event_id", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sequel")),
        sa.UniqueConstraint("key", name=op.f("uq_sequel_key")),
    )
    op.create_index("ix_sequel_message", "sequel", ["message_id"], unique=False)
    op.create_index("ix_sequel_kind", "sequel", ["kind", "id"], unique=False)


def downgrade() -> None:
    """Go back."""
    op.drop_index("ix_sequel_kind", table_name="sequel")
    op.drop_index("ix_sequel_message", table_name="sequel")
    for name in ("sequel", "stat_due", "stat_event", "stat_reason", "stat"):
        op.drop_table(name)
    op.drop_column("message", "country")
