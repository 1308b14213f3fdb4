"""Work in the background, shadow runs, test messages, and who changed a mapping."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    _make_task()
    op.create_table(
        "shadow_run",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("mapping", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shadow_run")),
    )
    op.create_index("ix_shadow_run_mapping", "shadow_run", ["mapping", "id"], unique=False)
    op.create_table(
        "shadow",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("said", sa.Text(), nullable=True),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "event_id", name=op.f("pk_shadow")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["shadow_run.id"], name=op.f("fk_shadow_run_id_shadow_run"), ondelete="CASCADE"
        ),
    )
    op.create_index("ix_shadow_said", "shadow", ["run_id", "said"], unique=False)
    op.create_table(
        "test_number",
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("phone", name=op.f("pk_test_number")),
    )
    op.add_column("mapping", sa.Column("revision", sa.Integer(), server_default="0", nullable=False))
    op.add_column("mapping", sa.Column("draft_by", sa.Text(), server_default="", nullable=False))
    op.add_column("mapping_version", sa.Column("by", sa.Text(), server_default="", nullable=False))
    op.add_column("message", sa.Column("trial", sa.Boolean(), server_default=sa.false(), nullable=False))


def _make_task() -> None:
    op.create_table(
        "task",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("args", sa.JSON(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("kept", sa.JSON(), server_default="{}", nullable=False),
        sa.Column("result", sa.JSON(), server_default="{}", nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("cancel_asked", sa.Boolean(), nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task")),
    )
    op.create_index(
        "ix_task_open",
        "task",
        ["id"],
        unique=False,
        sqlite_where=sa.text("state IN ('waiting', 'running')"),
        postgresql_where=sa.text("state IN ('waiting', 'running')"),
    )
    op.create_index("ix_task_kind", "task", ["kind", "id"], unique=False)


def downgrade() -> None:
    """Go back."""
    op.drop_column("message", "trial")
    op.drop_column("mapping_version", "by")
    op.drop_column("mapping", "draft_by")
    op.drop_column("mapping", "revision")
    op.drop_table("test_number")
    op.drop_index("ix_shadow_said", table_name="shadow")
    op.drop_table("shadow")
    op.drop_index("ix_shadow_run_mapping", table_name="shadow_run")
    op.drop_table("shadow_run")
    op.drop_index("ix_task_kind", table_name="task")
    op.drop_index(
        "ix_task_open",
        table_name="task",
        sqlite_where=sa.text("state IN ('waiting', 'running')"),
        postgresql_where=sa.text("state IN ('waiting', 'running')"),
    )
    op.drop_table("task")
