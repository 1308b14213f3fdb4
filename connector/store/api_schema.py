"""Tables of the API: its keys, answers that are given again, and webhooks that leave."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, text

from connector.store.columns import Moment, metadata

api_key = Table(
    "api_key",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("digest", Text, nullable=False),  # SHA-256 of the secret part, which is nowhere
    Column("scopes", JSON, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("made_by_name", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("used_at", Moment),  # written at most once a minute
    Column("revoked_at", Moment),
)

api_answer = Table(  # what was answered under an Idempotency-Key, to be answered again
    "api_answer",
    metadata,
    Column("key_id", Text, primary_key=True),  # the API key's
    Column("name", Text, primary_key=True),  # the caller's Idempotency-Key
    Column("digest", Text, nullable=False),  # of what was asked
    Column("answer", JSON),  # null: at work on it, or broken off
    Column("at", Moment, nullable=False),
    Index("ix_api_answer_at", "at"),
)

endpoint = Table(  # where webhooks go
    "endpoint",
    metadata,
    Column("id", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("words", Text, nullable=False, default=""),  # what it is for
    Column("types", JSON, nullable=False),  # kinds of news it is told
    Column("with_personal_data", Boolean, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("note", Text, nullable=False, default=""),  # why it is switched off
    Column("failing_since", Moment),  # null: the last delivery went through
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

delivery = Table(  # one piece of news for one endpoint; nothing personal stands here
    "delivery",
    metadata,
    Column("id", Text, primary_key=True),  # its webhook-id
    Column("endpoint_id", Text, ForeignKey("endpoint.id", ondelete="CASCADE"), nullable=False),
    Column("key", Text, nullable=False),  # the same news is told once
    Column("type", Text, nullable=False),
    Column("data", JSON, nullable=False),  # ids and states; the rest is looked up when it leaves
    Column("at", Moment, nullable=False),  # when it happened
    Column("state", Text, nullable=False),  # waiting leased done failed
    Column("tries", Integer, nullable=False, default=0),
    Column("not_before", Moment, nullable=False),
    Column("lease_owner", Text),
    Column("lease_until", Moment),
    Column("status", Integer),  # of the last answer
    Column("ended_at", Moment),
    UniqueConstraint("endpoint_id", "key"),
    Index("ix_delivery_endpoint", "endpoint_id", "id"),
    Index(
        "ix_delivery_due",
        "not_before",
        "id",
        sqlite_where=text("state IN ('waiting', 'leased')"),
        postgresql_where=text("state IN ('waiting', 'leased')"),
    ),
)

delivery_try = Table(
    "delivery_try",
    metadata,
    Column("id", Text, primary_key=True),
    Column("delivery_id", Text, ForeignKey("delivery.id", ondelete="CASCADE"), nullable=False),
    Column("at", Moment, nullable=False),
    Column("ms", Integer, nullable=False),
    Column("status", Integer),  # null: no answer
    Column("words", Text, nullable=False, default=""),  # what went wrong, in our words
    Column("answer", Text, nullable=False, default=""),  # the beginning of what it said
    Index("ix_delivery_try_delivery", "delivery_id"),
)
