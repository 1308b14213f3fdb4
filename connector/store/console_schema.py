"""Tables of the console: who signs in, and the audit log."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, Index, Integer, LargeBinary, Table, Text

from connector.store.columns import Moment, metadata

audit = Table(  # append-only: a trigger refuses every UPDATE and every DELETE
    "audit",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("actor", Text, nullable=False),  # id of a user or key; "command" for the command line, "system" for us
    Column("actor_name", Text, nullable=False),  # as it was then
    Column("action", Text, nullable=False),  # mapping.published, person.seen, ...
    Column("object", Text, nullable=False, default=""),  # what it was done to: a name or an id, nothing personal
    Column("words", Text, nullable=False, default=""),
    Column("details", JSON, nullable=False),
    Column("address", Text, nullable=False, default=""),  # from where
    Index("ix_audit_actor", "actor", "id"),
    Index("ix_audit_action", "action", "id"),
    Index("ix_audit_object", "object", "id"),
)

console_user = Table(  # not "user", which PostgreSQL keeps for itself
    "console_user",
    metadata,
    Column("id", Text, primary_key=True),
    Column("email", Text, nullable=False, unique=True),  # in small letters
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("password", Text, nullable=False),  # argon2
    Column("active", Boolean, nullable=False),
    Column("handle", Text, nullable=False, unique=True),  # what passkeys know the user by
    Column("totp", Text, nullable=True),  # sealed
    Column("totp_counter", BigInteger, nullable=True),  # of the last code, which is not taken twice
    Column("recovery", Text, nullable=False, default=""),  # sealed codes, a space between
    Column("created_at", Moment, nullable=False),
    Column("password_at", Moment, nullable=False),
    Column("signed_in_at", Moment, nullable=True),
)

console_session = Table(
    "console_session",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", Text, nullable=False, unique=True),  # of what the cookie holds
    Column("user_id", Text, nullable=False),
    Column("way", Text, nullable=False),  # password, passkey, link, ...
    Column("browser", Text, nullable=False, default=""),  # in words
    Column("address", Text, nullable=False, default=""),
    Column("created_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Index("ix_console_session_user", "user_id"),
)

invitation = Table(
    "invitation",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", Text, nullable=False, unique=True),  # of the word in its link
    Column("email", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    Column("by", Text, nullable=False),  # id of a user, or "command"
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
)

sign_in_link = Table(  # for who cannot sign in otherwise; good once
    "sign_in_link",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("expires_at", Moment, nullable=False),
)

sign_in_try = Table(  # how often it went wrong: by account, by address
    "sign_in_try",
    metadata,
    Column("key", Text, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("at", Moment, nullable=False),
    Column("until", Moment, nullable=True),  # nothing is looked at before
    Index("ix_sign_in_try_at", "at"),
)

passkey = Table(
    "passkey",
    metadata,
    Column("id", Text, primary_key=True),  # the credential's id, base64url
    Column("user_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("transports", Text, nullable=False, default=""),  # a space between
    Column("created_at", Moment, nullable=False),
    Column("used_at", Moment, nullable=True),
    Index("ix_passkey_user", "user_id"),
)
