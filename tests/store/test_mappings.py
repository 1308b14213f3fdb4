from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError

from connector.errors import ConfigurationError
from connector.model import AccountId
from connector.store import Store, mappings, schema
from connector.store.mappings import TemplateUse

AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
LATER = AT + timedelta(minutes=1)
NAME = "shopify/order_paid"
USE = TemplateUse(AccountId("channel-1"), "order_paid", "en", "0123456789abcdef")


@pytest.fixture(autouse=True)
def _draft(store: Store) -> None:
    with store.write() as tx:
        mappings.save_draft(tx, NAME, "one = 1\n", AT)


def test_a_new_mapping_is_a_draft_and_not_in_force(store: Store) -> None:
    with store.read() as tx:
        row = mappings.get(tx, NAME)
        assert row == mappings.MappingRow(name=NAME, draft="one = 1\n", published=None, updated_at=AT, revision=1)
        assert mappings.in_force(tx) == []
        assert mappings.get(tx, "other") is None


def test_saving_the_same_draft_again_changes_nothing(store: Store) -> None:
    with store.write() as tx:
        assert not mappings.save_draft(tx, NAME, "one = 1\n", LATER)
        assert [row.updated_at for row in mappings.all_(tx)] == [AT]
        assert mappings.save_draft(tx, NAME, "one = 2\n", LATER)
        assert [(row.draft, row.updated_at) for row in mappings.all_(tx)] == [("one = 2\n", LATER)]


def test_versions_count_from_one_and_the_newest_is_in_force(store: Store) -> None:
    with store.write() as tx:
        assert mappings.publish(tx, NAME, "one = 1\n", [USE], at=AT, note="first") == 1
        assert mappings.publish(tx, NAME, "one = 2\n", [], at=LATER) == 2
        first = mappings.VersionRow(
            name=NAME, version=1, source="one = 1\n", templates=(USE,), published_at=AT, note="first"
        )
        assert mappings.version(tx, NAME, 1) == first
        assert mappings.version(tx, NAME, 3) is None
        assert [row.version for row in mappings.versions(tx, NAME)] == [2, 1]
        assert [row.version for row in mappings.in_force(tx)] == [2]


def test_an_unpublished_mapping_keeps_its_versions_and_its_count(store: Store) -> None:
    with store.write() as tx:
        mappings.publish(tx, NAME, "one = 1\n", [], at=AT)
        assert mappings.unpublish(tx, NAME, LATER)
        assert not mappings.unpublish(tx, NAME, LATER)
        assert mappings.in_force(tx) == []
        assert mappings.publish(tx, NAME, "one = 2\n", [], at=LATER) == 2


def test_a_mapping_that_is_not_there_cannot_be_published(store: Store) -> None:
    with pytest.raises(ConfigurationError, match="no mapping named 'other'"), store.write() as tx:
        mappings.publish(tx, "other", "", [], at=AT)


def test_the_database_refuses_to_change_a_published_version(store: Store) -> None:
    with store.write() as tx:
        mappings.publish(tx, NAME, "one = 1\n", [], at=AT)
    with pytest.raises(DBAPIError), store.write() as tx:
        tx.execute(update(schema.mapping_version).values(source="one = 3\n"))
    with store.read() as tx:
        assert mappings.versions(tx, NAME)[0].source == "one = 1\n"


def test_every_change_of_a_draft_counts_and_tells_who_made_it(store: Store) -> None:
    with store.write() as tx:
        mappings.save_draft(tx, NAME, "one = 1\n", AT, revision=0, by="Ada")
        assert mappings.save_draft(tx, NAME, "one = 2\n", LATER, revision=1, by="Grace")
        row = mappings.get(tx, NAME)

    assert row is not None
    assert (row.revision, row.draft_by) == (2, "Grace")


def test_who_saves_over_a_draft_that_they_have_not_seen_is_shown_it(store: Store) -> None:
    with store.write() as tx:
        mappings.save_draft(tx, NAME, "one = 1\n", AT, by="Ada")
        mappings.save_draft(tx, NAME, "one = 2\n", LATER, revision=1, by="Grace")

    with pytest.raises(mappings.Conflict, match="Grace changed the draft") as caught, store.write() as tx:
        mappings.save_draft(tx, NAME, "one = 3\n", LATER, revision=1, by="Ada")

    assert (caught.value.theirs.draft, caught.value.theirs.revision) == ("one = 2\n", 2)
    with store.read() as tx:
        row = mappings.get(tx, NAME)
    assert row is not None
    assert row.draft == "one = 2\n"


def test_two_people_cannot_both_make_a_mapping_of_one_name(store: Store) -> None:
    with store.write() as tx:
        mappings.save_draft(tx, NAME, "one = 1\n", AT, revision=0, by="Ada")

    with pytest.raises(mappings.Conflict), store.write() as tx:
        mappings.save_draft(tx, NAME, "two = 2\n", LATER, revision=0, by="Grace")


def test_who_asks_about_no_revision_writes_over_whatever_stands_there(store: Store) -> None:
    with store.write() as tx:
        mappings.save_draft(tx, NAME, "one = 1\n", AT, by="Ada")
        assert mappings.save_draft(tx, NAME, "one = 9\n", LATER)


def test_a_version_tells_who_published_it(store: Store) -> None:
    with store.write() as tx:
        mappings.save_draft(tx, NAME, "one = 1\n", AT)
        mappings.publish(tx, NAME, "one = 1\n", [USE], at=AT, by="Ada")
        version = mappings.version(tx, NAME, 1)

    assert version is not None
    assert version.by == "Ada"
