"""Tables of counts, rolled up by the clock, and of what followed in the world from our messages.

None of them holds personal data: whoever is erased stays in the sums.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text

from connector.store.columns import Moment, metadata


def _dimensions() -> list[Column[str]]:
    return [
        Column("mapping", Text, primary_key=True),
        Column("template", Text, primary_key=True),
        Column("channel_id", Text, primary_key=True),
        Column("source_id", Text, primary_key=True),
        Column("language", Text, primary_key=True),
        Column("country", Text, primary_key=True),  # of the number
    ]


stat = Table(  # messages by the hour in which they were planned; "" where a thing has no such side
    "stat",
    metadata,
    Column("hour", Moment, primary_key=True),  # its beginning, UTC
    *_dimensions(),
    Column("matched", Integer, nullable=False),
    Column("sent", Integer, nullable=False),
    Column("delivered", Integer, nullable=False),
    Column("read", Integer, nullable=False),
    Column("replied", Integer, nullable=False),
    Column("engaged", Integer, nullable=False),
    Column("ordered", Integer, nullable=False),
    Column("opted_out", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("stopped", Integer, nullable=False),
    Column("clicked", Integer),  # null: not measured
    Column("cost", BigInteger),  # millionths of a currency's unit; null: not measured
    Column("currency", Text, nullable=False, server_default=""),
)

stat_reason = Table(  # why nothing was sent, or not delivered
    "stat_reason",
    metadata,
    Column("hour", Moment, primary_key=True),
    *_dimensions(),
    Column("kind", Text, primary_key=True),  # skipped (never planned) stopped (planned, then not sent) failed
    Column("word", Text, primary_key=True),  # a reason, or the channel's code
    Column("number", Integer, nullable=False),
)

stat_event = Table(  # events by the hour in which they came in
    "stat_event",
    metadata,
    Column("hour", Moment, primary_key=True),
    Column("source_id", Text, primary_key=True),
    Column("type", Text, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("number", Integer, nullable=False),
)

stat_due = Table(  # hours that are to be counted (again)
    "stat_due",
    metadata,
    Column("hour", Moment, primary_key=True, autoincrement=False),
)

sequel = Table(  # what followed in the world: a reply, a tap, an order, an opt-out; each once
    "sequel",
    metadata,
    Column("id", Text, primary_key=True),
    Column("key", Text, nullable=False, unique=True),  # holds no id of a channel, which would hold a number
    Column("kind", Text, nullable=False),  # reply tap click order opt_out
    Column("message_id", Text),  # null: from no message that we know of
    Column("account_id", Text, nullable=False, server_default=""),
    Column("event_id", Text, nullable=False, server_default=""),  # the order's
    Column("at", Moment, nullable=False),
    Index("ix_sequel_message", "message_id"),
    Index("ix_sequel_kind", "kind", "id"),
)
