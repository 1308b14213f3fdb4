"""Tables about people: who they are, what they agreed to, what shops and CRMs should hold of them."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text, text

from connector.store.columns import Moment, metadata

contact = Table(
    "contact",
    metadata,
    Column("id", Text, primary_key=True),
    Column("phone", Text, nullable=False, default=""),  # E.164, the one in use
    Column("raw_phone", Text, nullable=False, default=""),
    Column("name", Text, nullable=False, default=""),
    Column("email", Text, nullable=False, default=""),
    Column("region", Text, nullable=False, default=""),
    Column("locale", Text, nullable=False, default=""),
    Column("timezone", Text, nullable=False, default=""),
    Column("blocked_at", Moment),
    Column("blocked_words", Text, nullable=False, default=""),
    Column("bounces", Integer, nullable=False, default=0),
    Column("unreachable_at", Moment),
    Column("merged_into", Text),  # never a chain: whoever was merged into this one follows
    Column("merged_words", Text, nullable=False, default=""),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Index("ix_contact_email", "email"),
    Index("ix_contact_phone", "phone"),
    Index(
        "ix_contact_merged",
        "merged_into",
        sqlite_where=text("merged_into IS NOT NULL"),
        postgresql_where=text("merged_into IS NOT NULL"),
    ),
)

identity = Table(  # what a contact is recognised by: one contact for each key
    "identity",
    metadata,
    Column("kind", Text, primary_key=True),  # phone wa_id user_id parent_id record
    Column("account_id", Text, primary_key=True),  # "" but for records
    Column("value", Text, primary_key=True),
    Column("contact_id", Text, nullable=False),
    Column("since", Moment, nullable=False),
    Index("ix_identity_contact", "contact_id"),
)

consent = Table(  # the ledger: a trigger refuses every UPDATE; only an erasure deletes
    "consent",
    metadata,
    Column("id", Text, primary_key=True),
    Column("key", Text, nullable=False, unique=True),  # the same fact is entered once
    Column("contact_id", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("account_id", Text),
    Column("record", Text, nullable=False, default=""),
    Column("place", Text, nullable=False, default=""),
    Column("wording", Text, nullable=False, default=""),
    Column("wording_version", Text, nullable=False, default=""),
    Column("evidence", Text, nullable=False, default=""),
    Column("actor", Text, nullable=False, default=""),
    Column("dated", Boolean, nullable=False),
    Column("occurred_at", Moment, nullable=False),
    Column("learned_at", Moment, nullable=False),
    Index("ix_consent_contact", "contact_id", "purpose"),
)

standing = Table(  # what the ledger comes to; worked out anew with every entry
    "standing",
    metadata,
    Column("contact_id", Text, primary_key=True),
    Column("purpose", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("since", Moment),
    Column("entry_id", Text, nullable=False),
    Column("words", Text, nullable=False),
)

conversation = Table(  # since when a person may be answered in free words
    "conversation",
    metadata,
    Column("contact_id", Text, primary_key=True),
    Column("channel_id", Text, primary_key=True),
    Column("heard_at", Moment, nullable=False),
)

label = Table(
    "label",
    metadata,
    Column("contact_id", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("origin", Text, nullable=False),  # an account's id, mapping:<name>, admin
    Column("since", Moment, nullable=False),
)

label_change = Table(
    "label_change",
    metadata,
    Column("id", Text, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("contact_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("added", Boolean, nullable=False),
    Column("origin", Text, nullable=False),
    Column("words", Text, nullable=False, default=""),
    Column("at", Moment, nullable=False),
    Index("ix_label_change_contact", "contact_id"),
)

wanted = Table(  # what shops and CRMs should hold, and what they are known to hold
    "wanted",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("object", Text, primary_key=True),
    Column("record_id", Text, primary_key=True),  # ?<contact id>: to be looked up first
    Column("field", Text, primary_key=True),
    Column("item", Text, primary_key=True),  # one member of a set (a tag); "" for a plain value
    Column("contact_id", Text),
    Column("value", Text),  # JSON; null: nothing is wanted, only what is known is remembered
    Column("known", Text),  # JSON of what stands there; null: not known
    Column("state", Text, nullable=False),  # waiting leased handed_over done failed
    Column("version", Integer, nullable=False),  # raised with every change of value
    Column("leased", Text),  # JSON of what the call under way writes; value may have moved on since
    Column("leased_version", Integer),
    Column("lease_owner", Text),
    Column("lease_until", Moment),
    Column("ticket", Text),
    Column("written", Text, nullable=False, server_default="[]"),  # JSON of our latest writes: [[JSON, microseconds]]
    Column("waiting_since", Moment),  # since when there is something to write, later changes of mind or not
    Column("not_before", Moment, nullable=False),
    Column("tries", Integer, nullable=False, default=0),
    Column("code", Text, nullable=False, default=""),
    Column("words", Text, nullable=False, default=""),
    Column("wanted_at", Moment, nullable=False),
    Column("known_at", Moment),
    Index("ix_wanted_contact", "contact_id"),
    Index(
        "ix_wanted_due",
        "account_id",
        "not_before",
        sqlite_where=text("state = 'waiting'"),
        postgresql_where=text("state = 'waiting'"),
    ),
    Index(
        "ix_wanted_open",
        "account_id",
        "state",
        sqlite_where=text("state IN ('leased', 'handed_over', 'failed')"),
        postgresql_where=text("state IN ('leased', 'handed_over', 'failed')"),
    ),
)

reaction = Table(  # what a mapping's rules did about an outcome or an answer; each once
    "reaction",
    metadata,
    Column("id", Text, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("contact_id", Text),
    Column("message_id", Text),
    Column("event_id", Text),
    Column("on", Text, nullable=False),
    Column("words", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Index("ix_reaction_message", "message_id"),
    Index("ix_reaction_contact", "contact_id"),
)

token = Table(  # tokens that vendors gave, encrypted
    "token",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("sealed", Text, nullable=False),
    Column("expires_at", Moment),
    Column("updated_at", Moment, nullable=False),
)

suppression = Table(  # all that is kept of an erased person: that this number said no
    "suppression",
    metadata,
    Column("digest", Text, primary_key=True),  # keyed hash of a phone number or user id
    Column("purpose", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("occurred_at", Moment, nullable=False),
    Column("erased_at", Moment, nullable=False),
)

privacy = Table(  # what a shop's customer asked for: to know, or to be forgotten
    "privacy",
    metadata,
    Column("id", Text, primary_key=True),
    Column("event_id", Text, nullable=False, unique=True),
    Column("account_id", Text, nullable=False),
    Column("kind", Text, nullable=False),  # data_request customer_redact shop_redact
    Column("record", Text, nullable=False, default=""),
    Column("state", Text, nullable=False),  # open done
    Column("words", Text, nullable=False, default=""),
    Column("asked_at", Moment, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("done_at", Moment),
    Index("ix_privacy_open", "state", "due_at"),
)
