"""Tables of work in the background, of shadow runs, and of the numbers that test messages may go to."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, Table, Text, text

from connector.store.columns import Moment, metadata

task = Table(  # something that takes longer than a page may
    "task",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),  # waiting running done failed cancelled
    Column("words", Text, nullable=False, default=""),
    Column("args", JSON, nullable=False),
    Column("done", Integer, nullable=False, default=0),
    Column("total", Integer, nullable=False, default=0),  # 0: not known
    Column("kept", JSON, nullable=False, server_default="{}"),  # what it goes on from, where it can go on
    Column("result", JSON, nullable=False, server_default="{}"),
    Column("by", Text, nullable=False, default=""),  # name of whoever began it, as it was then
    Column("tries", Integer, nullable=False, default=0),
    Column("cancel_asked", Boolean, nullable=False),
    Column("lease_owner", Text),
    Column("lease_until", Moment),
    Column("created_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("ended_at", Moment),
    Index(
        "ix_task_open",
        "id",
        sqlite_where=text("state IN ('waiting', 'running')"),
        postgresql_where=text("state IN ('waiting', 'running')"),
    ),
    Index("ix_task_kind", "kind", "id"),
)

shadow_run = Table(  # a text that is tried on live traffic beside what is in force; sends nothing
    "shadow_run",
    metadata,
    Column("id", Text, primary_key=True),
    Column("mapping", Text, nullable=False),
    Column("source", Text, nullable=False),  # TOML, frozen when it began
    Column("label", Text, nullable=False, default=""),  # draft, v3
    Column("by", Text, nullable=False, default=""),
    Column("started_at", Moment, nullable=False),
    Column("until", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("words", Text, nullable=False, default=""),  # why it ended
    Column("events", Integer, nullable=False, default=0),
    Index("ix_shadow_run_mapping", "mapping", "id"),
)

shadow = Table(  # what a shadow run would have done about one event; nothing personal, no words
    "shadow",
    metadata,
    Column("run_id", Text, ForeignKey("shadow_run.id", ondelete="CASCADE"), primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("verdict", Text, nullable=False),  # send skip
    Column("reason", Text, nullable=False, default=""),
    Column("said", Text),  # of a send: a digest of what it would have spoken about
    Column("template", Text, nullable=False, default=""),
    Column("language", Text, nullable=False, default=""),
    Column("category", Text, nullable=False, default=""),
    Column("at", Moment, nullable=False),
    Index("ix_shadow_said", "run_id", "said"),
)

test_number = Table(  # the operator's own phones
    "test_number",
    metadata,
    Column("phone", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("by", Text, nullable=False, default=""),
    Column("added_at", Moment, nullable=False),
)
