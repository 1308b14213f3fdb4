"""People: contacts, the consent ledger, labels, and what is to be written back."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    op.create_table(
        "consent",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("contact_id", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=True),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("wording", sa.Text(), nullable=False),
        sa.Column("wording_version", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("dated", sa.Boolean(), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("learned_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent")),
        sa.UniqueConstraint("key", name=op.f("uq_consent_key")),
    )
    op.create_index("ix_consent_contact", "consent", ["contact_id", "purpose"], unique=False)
    op.create_table(
        "contact",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("raw_phone", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("blocked_at", sa.BigInteger(), nullable=True),
        sa.Column("blocked_words", sa.Text(), nullable=False),
        sa.Column("bounces", sa.Integer(), nullable=False),
        sa.Column("unreachable_at", sa.BigInteger(), nullable=True),
        sa.Column("merged_into", sa.Text(), nullable=True),
        sa.Column("merged_words", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact")),
    )
    op.create_index("ix_contact_email", "contact", ["email"], unique=False)
    op.create_index(
        "ix_contact_merged",
        "contact",
        ["merged_into"],
        unique=False,
        sqlite_where=sa.text("merged_into IS NOT NULL"),
        postgresql_where=sa.text("merged_into IS NOT NULL"),
    )
    op.create_index("ix_contact_phone", "contact", ["phone"], unique=False)
    op.create_table(
        "conversation",
        sa.Column("contact_id", sa.Text(), nullable=False),
        sa.Column("channel_id", sa.Text(), nullable=False),
        sa.Column("heard_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("contact_id", "channel_id", name=op.f("pk_conversation")),
    )
    op.create_table(
        "identity",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("contact_id", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "account_id", "value", name=op.f("pk_identity")),
    )
    op.create_index("ix_identity_contact", "identity", ["contact_id"], unique=False)
    op.create_table(
        "label",
        sa.Column("contact_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("contact_id", "name", name=op.f("pk_label")),
    )
    op.create_table(
        "label_change",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("contact_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("added", sa.Boolean(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_label_change")),
        sa.UniqueConstraint("key", name=op.f("uq_label_change_key")),
    )
    op.create_index("ix_label_change_contact", "label_change", ["contact_id"], unique=False)
    op.create_table(
        "privacy",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_privacy")),
        sa.UniqueConstraint("event_id", name=op.f("uq_privacy_event_id")),
    )
    op.create_index("ix_privacy_open", "privacy", ["state", "due_at"], unique=False)
    op.create_table(
        "reaction",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("contact_id", sa.Text(), nullable=True),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.Column("on", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reaction")),
        sa.UniqueConstraint("key", name=op.f("uq_reaction_key")),
    )
    op.create_index("ix_reaction_contact", "reaction", ["contact_id"], unique=False)
    op.create_index("ix_reaction_message", "reaction", ["message_id"], unique=False)
    op.create_table(
        "standing",
        sa.Column("contact_id", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=True),
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("contact_id", "purpose", name=op.f("pk_standing")),
    )
    op.create_table(
        "suppression",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("erased_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", "purpose", name=op.f("pk_suppression")),
    )
    op.create_table(
        "token",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_token")),
    )
    op.create_table(
        "wanted",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("contact_id", sa.Text(), nullable=True),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("known", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("leased", sa.Text(), nullable=True),
        sa.Column("leased_version", sa.Integer(), nullable=True),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("ticket", sa.Text(), nullable=True),
        sa.Column("written", sa.Text(), server_default="[]", nullable=False),
        sa.Column("waiting_since", sa.BigInteger(), nullable=True),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("wanted_at", sa.BigInteger(), nullable=False),
        sa.Column("known_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("account_id", "object", "record_id", "field", "item", name=op.f("pk_wanted")),
    )
    op.create_index("ix_wanted_contact", "wanted", ["contact_id"], unique=False)
    op.create_index(
        "ix_wanted_due",
        "wanted",
        ["account_id", "not_before"],
        unique=False,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index(
        "ix_wanted_open",
        "wanted",
        ["account_id", "state"],
        unique=False,
        sqlite_where=sa.text("state IN ('leased', 'handed_over', 'failed')"),
        postgresql_where=sa.text("state IN ('leased', 'handed_over', 'failed')"),
    )
    op.add_column("message", sa.Column("contact_id", sa.Text(), nullable=True))
    op.add_column("message", sa.Column("gates", sa.JSON(), server_default="{}", nullable=False))
    op.add_column("message", sa.Column("in_reply_to", sa.Text(), nullable=True))
    op.create_index("ix_message_contact", "message", ["contact_id", "created_at"], unique=False)
    if not on_postgresql:
        op.execute(
            "CREATE TRIGGER consent_is_append_only BEFORE UPDATE ON consent "
            "BEGIN SELECT RAISE(ABORT, 'an entry of the ledger never changes'); END"
        )
    else:
        op.execute(
            "CREATE FUNCTION consent_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'an entry of the ledger never changes'; END $$"
        )
        op.execute(
            "CREATE TRIGGER consent_is_append_only BEFORE UPDATE ON consent "
            "FOR EACH ROW EXECUTE FUNCTION consent_is_append_only()"
        )


def downgrade() -> None:
    """Go back."""
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    op.drop_index("ix_message_contact", table_name="message")
    op.drop_column("message", "in_reply_to")
    op.drop_column("message", "gates")
    op.drop_column("message", "contact_id")
    op.drop_index(
        "ix_wanted_open",
        table_name="wanted",
        sqlite_where=sa.text("state IN ('leased', 'handed_over', 'failed')"),
        postgresql_where=sa.text("state IN ('leased', 'handed_over', 'failed')"),
    )
    op.drop_index(
        "ix_wanted_due",
        table_name="wanted",
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.drop_index("ix_wanted_contact", table_name="wanted")
    op.drop_table("wanted")
    op.drop_table("token")
    op.drop_table("suppression")
    op.drop_table("standing")
    op.drop_index("ix_reaction_message", table_name="reaction")
    op.drop_index("ix_reaction_contact", table_name="reaction")
    op.drop_table("reaction")
    op.drop_index("ix_privacy_open", table_name="privacy")
    op.drop_table("privacy")
    op.drop_index("ix_label_change_contact", table_name="label_change")
    op.drop_table("label_change")
    op.drop_table("label")
    op.drop_index("ix_identity_contact", table_name="identity")
    op.drop_table("identity")
    op.drop_table("conversation")
    op.drop_index("ix_contact_phone", table_name="contact")
    op.drop_index(
        "ix_contact_merged",
        table_name="contact",
        sqlite_where=sa.text("merged_into IS NOT NULL"),
        postgresql_where=sa.text("merged_into IS NOT NULL"),
    )
    op.drop_index("ix_contact_email", table_name="contact")
    op.drop_table("contact")
    op.drop_index("ix_consent_contact", table_name="consent")
    op.drop_table("consent")
    if on_postgresql:
        op.execute("DROP FUNCTION consent_is_append_only()")
