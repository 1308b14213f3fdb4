"""The rows of write-backs: made and locked without loss, found when they are due, and only then."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from connector.flow.writeback import Want, want
from connector.model import AccountId, now
from connector.store import Store, Transaction, accounts, leases, restraint, wanted, write_backs
from connector.store.restraint import Restraint
from connector.store.wanted import Place

CRM = AccountId("crm")


@pytest.fixture(autouse=True)
def _account(store: Store) -> None:
    at = now() - timedelta(days=1)
    with store.write() as tx:
        accounts.add(
            tx,
            accounts.AccountRow(
                id=CRM, adapter="x", name=CRM, token=CRM, settings={}, secrets="", created_at=at, updated_at=at
            ),
        )


def place(number: int, field: str = "Status", account: AccountId = CRM) -> Place:
    return Place(account, "Contact", f"{number:05}", field)


def wish(store: Store, *places: Place, value: str = "x", seconds_ago: float = 60, at: datetime | None = None) -> None:
    with store.write() as tx:
        wants = [Want(**item._asdict(), value=value) for item in places]
        want(tx, wants, (at or now()) - timedelta(seconds=seconds_ago))


def take(store: Store, *records: str, owner: str = "me") -> list[wanted.Row]:
    with store.write() as tx:
        return wanted.take(tx, CRM, [("Contact", record) for record in records], owner, now())


def test_what_two_workers_want_at_once_is_wanted(store: Store) -> None:
    """Each has half of the places first, and both all of them: without one order they would wait in a circle."""
    barrier = threading.Barrier(4)

    def work(number: int) -> None:
        places = [place(index) for index in range(60)]
        for turn in range(5):
            barrier.wait(120)
            with store.write() as tx:
                wants = [Want(**item._asdict(), value=f"{number}.{turn}") for item in places]
                want(tx, wants if number % 2 else wants[::-1], now())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    with store.write() as tx:
        rows = wanted.load(tx, [place(index) for index in range(60)])
    assert [row.version for row in rows] == [20] * 60, "no change of mind was lost"
    assert len({row.value for row in rows}) == 1, "the last one's, everywhere"


def test_the_longest_due_come_first(store: Store) -> None:
    wish(store, place(3), seconds_ago=40)
    wish(store, place(1), seconds_ago=20)
    wish(store, place(2), seconds_ago=30)
    with store.read() as tx:
        assert [record for _, record in wanted.due(tx, CRM, now(), 2)] == ["00003", "00002"]


def read_by(tx: Transaction, look: Callable[[], object]) -> int:
    """Return how much the database reads for a look: rows on PostgreSQL; on SQLite steps, some tens for a row."""
    if tx.dialect.name == "sqlite":
        thousands: list[None] = []
        connection = tx.connection.dbapi_connection
        assert connection is not None
        connection.set_progress_handler(lambda: thousands.append(None), 1000)
        look()
        connection.set_progress_handler(None, 0)
        return len(thousands) * 1000
    rows = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'wanted'"
    look()
    return int(tx.exec_driver_sql(rows).scalar_one())


def test_thousands_that_still_settle_do_not_slow_down_those_that_are_due(store: Store) -> None:
    at = now()
    wish(store, *(place(number, field) for number in range(2000) for field in ("a", "b")), at=at)
    later = [place(number, field) for number in range(2000, 4000) for field in ("a", "b")]
    wish(store, *later, seconds_ago=0, at=at)
    found: list[tuple[str, str]] = []
    with store.read() as tx:
        read = read_by(tx, lambda: found.extend(wanted.due(tx, CRM, at, 5000)))
    assert len(found) == 2000
    assert 4000 <= read < 1_000_000, "it is linear: squared, these are many millions"


def test_a_leased_row_is_nobody_elses(store: Store) -> None:
    wish(store, place(1))
    assert [row.leased for row in take(store, "00001")] == ['"x"']
    assert take(store, "00001", owner="other") == []
    with store.write() as tx:
        assert wanted.taken(tx, [place(1)], owner="other") == {}
        assert [row.place for row in wanted.orphans(tx, CRM, "other")] == [place(1)]


def test_a_row_that_is_being_changed_is_left_for_the_next_time(postgres_store: Store) -> None:
    wish(postgres_store, place(1), place(2))
    with postgres_store.write() as tx:
        wanted.hold(tx, [place(1)], now())
        assert [row.place for row in take(postgres_store, "00001", "00002")] == [place(2)]


def test_an_account_is_restless_as_long_as_something_is_due_or_left_behind(store: Store) -> None:
    def is_restless() -> bool:
        with store.read() as tx:
            return wanted.restless(tx) == [CRM]

    assert not is_restless()
    wish(store, place(1))
    assert is_restless()
    with store.write() as tx:
        leases.acquire(tx, wanted.drain_lease(CRM), "me", 60)
    take(store, "00001")
    assert not is_restless(), "somebody is at it"
    with store.write() as tx:
        leases.release(tx, wanted.drain_lease(CRM), "me")
    assert is_restless(), "nobody is at it any more"
    with store.write() as tx:
        wanted.hand_over(tx, CRM, "me", "ticket", now() + timedelta(seconds=60), now() + timedelta(days=1))
    assert not is_restless(), "it is not time to ask"
    with store.write() as tx:
        wanted.ask_later(tx, CRM, "ticket", now())
        assert wanted.ticket_due(tx, CRM, now()) == "ticket"
    assert is_restless()


@pytest.mark.parametrize(
    ("hours", "number", "expected"),
    [
        ({"until": 1}, 5, False),
        ({"until": -1}, 1, True),
        ({"rest_until": 1}, 2, False),
        ({"rest_until": 1}, 3, True),
    ],
)
def test_an_account_that_holds_back_is_not_restless(
    store: Store, hours: dict[str, int], number: int, expected: bool
) -> None:
    at = now()
    held = replace(Restraint(most=3), **{name: at + timedelta(hours=away) for name, away in hours.items()})
    wish(store, *(place(index) for index in range(number)))
    with store.write() as tx:
        restraint.put(tx, CRM, held)
        assert restraint.of(tx, CRM) == held
        assert bool(wanted.restless(tx)) is expected


def test_suspended_accounts_are_left_in_peace(store: Store) -> None:
    wish(store, place(1))
    with store.write() as tx:
        accounts.suspend(tx, CRM, "Refused.", now())
        assert wanted.restless(tx) == []
        assert write_backs.oldest_due(tx, now()) is None


def test_rows_are_counted_by_account_and_state(store: Store) -> None:
    wish(store, place(1), place(2), place(3))
    take(store, "00001")
    with store.write() as tx:
        assert write_backs.count(tx) == {CRM: {"waiting": 2, "leased": 1}}
        assert write_backs.oldest_due(tx, now()) is not None
