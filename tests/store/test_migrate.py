"""Migrations go up and down, and end in the tables that the program knows."""

from __future__ import annotations

from contextlib import closing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect
from sqlalchemy.exc import DBAPIError

from connector.errors import ConfigurationError
from connector.model import now
from connector.store import Store, mappings, migrate
from connector.store.schema import mapping_version, metadata


def test_migrations_go_up_and_down_and_up_again(database_url: str) -> None:
    with closing(Store(database_url)) as store:
        assert migrate.current(store) == ""
        assert migrate.upgrade(store) == migrate.newest()
        assert migrate.downgrade(store, "base") == ""
        assert set(inspect(store.engine).get_table_names()) <= {"alembic_version"}
        assert migrate.upgrade(store) == migrate.newest()
        assert migrate.upgrade(store) == migrate.newest()


def test_the_newest_revision_is_the_head_of_the_folder() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate.FOLDER))

    assert migrate.newest() == ScriptDirectory.from_config(config).get_current_head()


def test_migrations_end_in_the_tables_of_the_schema(store: Store) -> None:
    with store.read() as tx:
        differences = compare_metadata(MigrationContext.configure(tx), metadata)

    assert [item for item in differences if "modify_default" not in str(item)] == []


def test_tables_of_another_form_are_refused_in_words(database_url: str) -> None:
    with closing(Store(database_url)) as store, pytest.raises(ConfigurationError, match="connector migrate"):
        migrate.require(store)


def test_a_published_version_cannot_be_changed_by_anybody(store: Store) -> None:
    with store.write() as tx:
        mappings.save_draft(tx, "shop/paid", "title = 'a'", now())
        mappings.publish(tx, "shop/paid", "title = 'a'", [], at=now())

    with pytest.raises(DBAPIError, match="immutable"), store.write() as tx:
        tx.execute(mapping_version.update().values(source="title = 'b'"))
