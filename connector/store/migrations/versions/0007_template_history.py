"""What became of templates at the channel, and webhook addresses that still work for a while."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "template_change",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("told_by", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_template_change")),
    )
    op.create_index(
        "ix_template_change_template", "template_change", ["account_id", "name", "language", "at"], unique=False
    )
    op.create_index("ix_template_change_at", "template_change", ["at"], unique=False)
    op.create_table(
        "old_address",
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("replaced_at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_old_address")),
    )
    op.create_index("ix_old_address_account", "old_address", ["account_id"], unique=False)


def downgrade() -> None:
    """Go back."""
    op.drop_table("old_address")
    op.drop_table("template_change")
