from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from connector.errors import ConfigurationError, TemporaryError
from connector.flow import templates
from connector.model import Account, AccountId, Template, now
from connector.store import Store
from connector.store import templates as rows
from connector.store.templates import Counts
from tests.toys import LINE, PAID, SHIPPED, SHOP

ACCOUNT = Account(
    id=AccountId("a"), adapter="toyline", name="line", token="t", settings={}, created_at=now(), updated_at=now()
)


class Line:
    def __init__(self, *listed: Template, fails: bool = False) -> None:
        self._listed, self._fails = listed, fails

    def send(self, message: Any) -> Any:
        raise NotImplementedError

    def templates(self) -> Iterator[Template]:
        yield from self._listed
        if self._fails:
            raise TemporaryError("The line was cut on page two.")


def _stored(store: Store) -> Iterable[tuple[str, str]]:
    with store.read() as tx:
        return [(row.template.name, row.template.status) for row in rows.all_(tx)]


def test_a_sync_stores_what_the_channel_lists(sqlite_store: Store) -> None:
    assert templates.sync(sqlite_store, ACCOUNT, Line(PAID, SHIPPED)) == Counts(new=2)
    assert templates.sync(sqlite_store, ACCOUNT, Line(PAID)) == Counts(unchanged=1, gone=1)
    assert _stored(sqlite_store) == [("order_paid", "approved"), ("shipped", "deleted")]


def test_half_a_list_changes_nothing(sqlite_store: Store) -> None:
    templates.sync(sqlite_store, ACCOUNT, Line(PAID, SHIPPED))
    with pytest.raises(TemporaryError):
        templates.sync(sqlite_store, ACCOUNT, Line(PAID, fails=True))
    assert _stored(sqlite_store) == [("order_paid", "approved"), ("shipped", "paused")]


def test_taken_templates_join_the_others(sqlite_store: Store) -> None:
    templates.sync(sqlite_store, ACCOUNT, Line(SHIPPED))
    assert templates.take(sqlite_store, ACCOUNT, [PAID]) == Counts(new=1)
    assert _stored(sqlite_store) == [("order_paid", "approved"), ("shipped", "paused")]


def test_one_object_or_a_list_of_them_is_read() -> None:
    body = b'[{"data": [{"name": "a"}]}, {"data": [{"name": "b"}]}]'
    assert [template.name for template in templates.read(LINE, body)] == ["a", "b"]
    assert [template.name for template in templates.read(LINE, b'{"data": [{"name": "a"}]}')] == ["a"]


def test_a_vendor_without_templates_says_so() -> None:
    with pytest.raises(ConfigurationError, match="Toy shop has no templates"):
        templates.read(SHOP, b"{}")
