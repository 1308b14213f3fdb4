"""Requests of which nothing came are found, and counted, without reading the bodies of all."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    barren = sa.text("state IN ('ignored', 'unreadable', 'broken')")
    op.create_index(
        "ix_request_barren", "request", ["id", "state"], unique=False, sqlite_where=barren, postgresql_where=barren
    )


def downgrade() -> None:
    """Go back."""
    op.drop_index("ix_request_barren", table_name="request")
