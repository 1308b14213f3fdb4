"""Tables. Times are aware datetimes, kept as whole microseconds; ids are ours except where noted."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from connector.store.api_schema import api_answer as api_answer
from connector.store.api_schema import api_key as api_key
from connector.store.api_schema import delivery as delivery
from connector.store.api_schema import delivery_try as delivery_try
from connector.store.api_schema import endpoint as endpoint
from connector.store.columns import Moment, Serial
from connector.store.columns import metadata as metadata
from connector.store.connection_schema import old_address as old_address
from connector.store.connection_schema import template_change as template_change
from connector.store.console_schema import audit as audit
from connector.store.console_schema import console_session as console_session
from connector.store.console_schema import console_user as console_user
from connector.store.console_schema import invitation as invitation
from connector.store.console_schema import passkey as passkey
from connector.store.console_schema import sign_in_link as sign_in_link
from connector.store.console_schema import sign_in_try as sign_in_try
from connector.store.people_schema import consent as consent
from connector.store.people_schema import contact as contact
from connector.store.people_schema import conversation as conversation
from connector.store.people_schema import identity as identity
from connector.store.people_schema import label as label
from connector.store.people_schema import label_change as label_change
from connector.store.people_schema import privacy as privacy
from connector.store.people_schema import reaction as reaction
from connector.store.people_schema import standing as standing
from connector.store.people_schema import suppression as suppression
from connector.store.people_schema import token as token
from connector.store.people_schema import wanted as wanted
from connector.store.stat_schema import sequel as sequel
from connector.store.stat_schema import stat as stat
from connector.store.stat_schema import stat_due as stat_due
from connector.store.stat_schema import stat_event as stat_event
from connector.store.stat_schema import stat_reason as stat_reason
from connector.store.work_schema import shadow as shadow
from connector.store.work_schema import shadow_run as shadow_run
from connector.store.work_schema import task as task
from connector.store.work_schema import test_number as test_number

account = Table(
    "account",
    metadata,
    Column("id", Text, primary_key=True),
    Column("adapter", Text, nullable=False),
    Column("name", Text, nullable=False, unique=True),
    Column("token", Text, nullable=False, unique=True),
    Column("settings", JSON, nullable=False),  # what may be shown
    Column("secrets", Text, nullable=False),  # encrypted JSON
    Column("active", Boolean, nullable=False),
    Column("note", Text, nullable=False, default=""),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

UNREAD = ("unreadable", "broken")
"""States of requests that could not be read, for their own fault or for ours."""
BARREN = ("ignored", *UNREAD)
"""States of requests of which nothing came."""
IS_BARREN = f"state IN ({', '.join(map(repr, BARREN))})"
"""A query that says so in these words reads an index, and no bodies."""

request = Table(  # the inbox: raw, verified
    "request",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("account_id", Text, nullable=False),
    Column("delivery_key", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("headers", JSON, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("state", Text, nullable=False),  # new done ignored unreadable broken
    Column("words", Text, nullable=False, default=""),
    Column("tries", Integer, nullable=False, default=0),
    Column("lease_owner", Text),
    Column("lease_until", Moment),
    UniqueConstraint("account_id", "delivery_key"),
    Index(
        "ix_request_due",
        "id",
        sqlite_where=text("state = 'new'"),
        postgresql_where=text("state = 'new'"),
    ),
    Index("ix_request_received", "received_at"),
    Index("ix_request_barren", "id", "state", sqlite_where=text(IS_BARREN), postgresql_where=text(IS_BARREN)),
)

event = Table(
    "event",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("request_id", BigInteger, nullable=False),
    Column("position", Integer, nullable=False),  # which item of the request
    Column("key", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("occurred_at", Moment, nullable=False),
    Column("planned_at", Moment, nullable=False),
    UniqueConstraint("account_id", "key"),
    Index("ix_event_request", "request_id"),
    Index("ix_event_label", "label"),
    Index("ix_event_type", "type", "id"),
)

event_subject = Table(  # all that an event bears on: for cancelling, remembering and explaining
    "event_subject",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("event_id", Text, ForeignKey("event.id", ondelete="CASCADE"), primary_key=True),
    Column("type", Text, nullable=False),
    Column("occurred_at", Moment, nullable=False),
)

decision = Table(
    "decision",
    metadata,
    Column("id", Text, primary_key=True),
    Column("event_id", Text, ForeignKey("event.id", ondelete="CASCADE"), nullable=False),
    Column("mapping", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("verdict", Text, nullable=False),  # send skip
    Column("reason", Text, nullable=False),
    Column("words", Text, nullable=False),
    Column("steps", JSON, nullable=False),  # [[name, ok, words], ...]
    Column("message_id", Text),
    Column("at", Moment, nullable=False),
    Index("ix_decision_event", "event_id"),
    Index("ix_decision_mapping", "mapping", "id"),
    Index("ix_decision_message", "message_id"),
)

message = Table(  # the outbox, and what became of it
    "message",
    metadata,
    Column("id", Text, primary_key=True),
    Column("event_id", Text, nullable=False),
    Column("mapping", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("source_id", Text, nullable=False),  # account whose event it was
    Column("channel_id", Text, nullable=False),  # account it leaves by
    Column("dedupe_key", Text, nullable=False, unique=True),
    Column("subject", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("recipient_id", Text, nullable=False, default=""),  # the channel's canonical form
    Column("template", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("slots", JSON, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("words", Text, nullable=False, default=""),
    Column("code", Text, nullable=False, default=""),
    Column("occurred_at", Moment, nullable=False),  # of the event
    Column("not_before", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("cancel_when", JSON, nullable=False),  # list of event types
    Column("resend_in_doubt", Boolean, nullable=False),
    Column("tries", Integer, nullable=False, default=0),
    Column("lease_owner", Text),
    Column("lease_until", Moment),
    Column("remote_id", Text),
    Column("contact_id", Text),
    Column("gates", JSON, nullable=False, server_default="{}"),  # ground, quiet, timezone, cap
    Column("trial", Boolean, nullable=False, server_default=false()),  # a test message: counts nowhere
    Column("in_reply_to", Text),  # remote id that an answer quotes
    Column("country", Text),  # of the number; null: not worked out yet
    Column("created_at", Moment, nullable=False),
    Column("accepted_at", Moment),
    Column("sent_at", Moment),
    Column("delivered_at", Moment),
    Column("read_at", Moment),
    Column("ended_at", Moment),  # failed, cancelled, expired, skipped
    Index(
        "ix_message_due",
        "channel_id",
        "not_before",
        "id",
        sqlite_where=text("state = 'waiting'"),
        postgresql_where=text("state = 'waiting'"),
    ),
    Index(
        "ix_message_open",
        "state",
        "lease_until",
        sqlite_where=text("state IN ('sending', 'in_doubt')"),
        postgresql_where=text("state IN ('sending', 'in_doubt')"),
    ),
    Index("ix_message_subject", "source_id", "subject"),
    Index("ix_message_recipient", "recipient"),
    Index("ix_message_label", "label"),
    Index("ix_message_remote", "remote_id"),
    Index("ix_message_contact", "contact_id", "created_at"),
)

attempt = Table(  # written before the call; an empty outcome means: in flight, or in doubt
    "attempt",
    metadata,
    Column("id", Text, primary_key=True),
    Column("message_id", Text, ForeignKey("message.id", ondelete="CASCADE"), nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("outcome", Text, nullable=False, default=""),  # accepted temporary uncertain permanent credentials
    Column("code", Text, nullable=False, default=""),
    Column("words", Text, nullable=False, default=""),
    Column("exchange", JSON(none_as_null=True)),  # what was said on the wire: personal, erased with the message
    Index("ix_attempt_message", "message_id"),
)

receipt = Table(
    "receipt",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("remote_id", Text, nullable=False),
    Column("message_id", Text),  # null: parked until we know the id
    Column("status", Integer, nullable=False),
    Column("word", Text, nullable=False),
    Column("code", Text, nullable=False, default=""),
    Column("words", Text, nullable=False, default=""),
    Column("advice", Text, nullable=False, default=""),
    Column("retry_after", Integer),  # seconds, where the refusal is temporary
    Column("billing", JSON, nullable=False),
    Column("occurred_at", Moment, nullable=False),
    Column("received_at", Moment, nullable=False),
    UniqueConstraint("account_id", "key"),
    Index("ix_receipt_message", "message_id"),
    Index(
        "ix_receipt_parked",
        "remote_id",
        sqlite_where=text("message_id IS NULL"),
        postgresql_where=text("message_id IS NULL"),
    ),
)

inbound = Table(  # replies, preferences, notices: stored and shown
    "inbound",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("request_id", BigInteger, nullable=False),
    Column("position", Integer, nullable=False),
    Column("key", Text, nullable=False),
    Column("kind", Text, nullable=False),  # reply preference notice
    Column("word", Text, nullable=False),  # the channel's own
    Column("sender", Text, nullable=False, default=""),
    Column("words", Text, nullable=False, default=""),
    Column("occurred_at", Moment, nullable=False),
    UniqueConstraint("account_id", "key"),
    Index("ix_inbound_kind", "kind", "id"),
    Index("ix_inbound_sender", "sender"),
    Index("ix_inbound_request", "request_id"),
)

mapping = Table(
    "mapping",
    metadata,
    Column("name", Text, primary_key=True),
    Column("draft", Text, nullable=False),  # TOML
    Column("published", Integer),  # version in force; null: none
    Column("updated_at", Moment, nullable=False),
    Column("revision", Integer, nullable=False, server_default="0"),  # counts every change of the draft
    Column("draft_by", Text, nullable=False, server_default=""),  # who wrote the draft
)

mapping_version = Table(  # immutable: triggers refuse every UPDATE
    "mapping_version",
    metadata,
    Column("name", Text, ForeignKey("mapping.name"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("source", Text, nullable=False),  # TOML
    Column("templates", JSON, nullable=False),  # [[account id, name, language, fingerprint, category, quality], ...]
    Column("published_at", Moment, nullable=False),
    Column("note", Text, nullable=False, default=""),
    Column("by", Text, nullable=False, server_default=""),  # name of whoever published it, as it was then
)

template = Table(
    "template",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("language", Text, primary_key=True),
    Column("category", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("quality", Text, nullable=False, default=""),
    Column("reason", Text, nullable=False, default=""),
    Column("remote_id", Text, nullable=False, default=""),
    Column("slots", JSON, nullable=False),
    Column("parts", JSON, nullable=False),
    Column("budget", JSON, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
)

lease = Table(
    "lease",
    metadata,
    Column("name", Text, primary_key=True),  # deliver:<account>, decide
    Column("owner", Text, nullable=False),
    Column("until", Moment, nullable=False),
)

mark = Table(  # small things to remember: last template sync, key check, cursors
    "mark",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("at", Moment, nullable=False),
)
