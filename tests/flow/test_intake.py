"""Intake: stored before it is acknowledged, once, whoever fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from connector.flow.intake import Intake
from connector.model import AccountId, Request, now
from connector.store import Store, inbox
from connector.store.inbox import Arrival
from connector.store.schema import request


def arrival(key: str, body: bytes = b"{}") -> Arrival:
    return Arrival(
        account_id=AccountId("shop"),
        delivery_key=key,
        topic="orders/paid",
        request=Request(method="POST", headers={"content-type": "application/json"}, body=body, received_at=now()),
    )


def stored(store: Store) -> int:
    with store.read() as tx:
        return int(tx.execute(select(func.count()).select_from(request)).scalar_one())


@pytest.fixture
def rings() -> list[int]:
    return []


@pytest.fixture
def intake(store: Store, rings: list[int]) -> Iterator[Intake]:
    taking = Intake(store, lambda: rings.append(1), patience=60)
    yield taking
    taking.close()


def test_a_request_is_there_when_accept_returns(store: Store, intake: Intake) -> None:
    assert intake.accept(arrival("a", b"\x00\xffraw")) is True

    with store.write() as tx:
        (leased,) = inbox.lease(tx, "me", 10, 60)
    assert leased.request.body == b"\x00\xffraw"
    assert leased.request.header("content-type") == "application/json"


def test_a_repeated_delivery_stores_nothing_and_rings_nobody(store: Store, intake: Intake, rings: list[int]) -> None:
    assert intake.accept(arrival("a")) is True
    assert intake.accept(arrival("a")) is False
    intake.close()  # the bell is rung after whoever waited was told

    assert stored(store) == 1
    assert rings == [1]


def test_many_at_once_are_stored_once_each(store: Store, intake: Intake) -> None:
    keys = [f"k{n % 120}" for n in range(400)]

    with ThreadPoolExecutor(32) as pool:
        fresh = list(pool.map(lambda key: intake.accept(arrival(key)), keys))

    assert stored(store) == 120
    assert sum(fresh) == 120


def test_a_broken_database_is_told_to_everybody_who_waits(sqlite_store: Store) -> None:
    intake = Intake(sqlite_store, lambda: None, patience=60)
    with sqlite_store.write() as tx:
        tx.exec_driver_sql("DROP TABLE request")

    with ThreadPoolExecutor(8) as pool:
        outcomes = [pool.submit(intake.accept, arrival(str(n))).exception() for n in range(8)]

    assert all("no such table" in str(outcome) for outcome in outcomes)
    intake.close()


def test_one_bad_row_costs_the_others_nothing(postgres_store: Store) -> None:
    """PostgreSQL takes no NUL in text; SQLite does."""
    intake = Intake(postgres_store, lambda: None, patience=60)
    gate = threading.Barrier(6)

    def send(key: str) -> bool:
        gate.wait(60)
        return intake.accept(arrival(key))

    with ThreadPoolExecutor(6) as pool:
        waiting = [pool.submit(send, key) for key in ("a", "b", "bad\x00", "c", "d", "e")]
    outcomes = [job.exception() is None for job in waiting]

    assert outcomes == [True, True, False, True, True, True]
    assert stored(postgres_store) == 5
    intake.close()
