"""Tables. Times are aware datetimes, kept as whole microseconds; ids are ours except where noted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)


class Moment(TypeDecorator[datetime]):
    """An aware datetime as microseconds since 1970: exact, sortable, the same on every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Turn a moment into an integer."""
        return None if value is None else int(value.timestamp() * 1_000_000)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Turn an integer into a moment."""
        return None if value is None else datetime.fromtimestamp(value / 1_000_000, UTC)


Serial = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only where the type is INTEGER."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

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
    Column("in_reply_to", Text),  # remote id that an answer quotes
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
)

mapping = Table(
    "mapping",
    metadata,
    Column("name", Text, primary_key=True),
    Column("draft", Text, nullable=False),  # TOML
    Column("published", Integer),  # version in force; null: none
    Column("updated_at", Moment, nullable=False),
)

mapping_version = Table(  # immutable: triggers refuse every UPDATE
    "mapping_version",
    metadata,
    Column("name", Text, ForeignKey("mapping.name"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("source", Text, nullable=False),  # TOML
    Column("templates", JSON, nullable=False),  # [[account id, name, language, fingerprint], ...]
    Column("published_at", Moment, nullable=False),
    Column("note", Text, nullable=False, default=""),
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
