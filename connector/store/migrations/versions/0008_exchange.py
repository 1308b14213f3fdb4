"""What was asked and answered at each attempt."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("attempt", sa.Column("exchange", sa.JSON(none_as_null=True), nullable=True))
    op.create_index("ix_inbound_request", "inbound", ["request_id"], unique=False)


def downgrade() -> None:
    """Go back."""
    op.drop_index("ix_inbound_request", table_name="inbound")
    op.drop_column("attempt", "exchange")
