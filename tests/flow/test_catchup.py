"""What a push lost, a feed finds: once, in order, and never behind the cursor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
import time_machine
from sqlalchemy import select

from connector.contract import Feed, Fetched, Page
from connector.errors import CredentialsError, PermanentError, TemporaryError
from connector.flow import catchup, due
from connector.flow.catchup import Caught, catch_up
from connector.model import Account, AccountId, Request, Verified, now
from connector.store import Store, accounts, inbox, marks, schema

ID = AccountId("acc-shop")
AT = datetime(2026, 5, 3, 12, 30, tzinfo=UTC)
ACCOUNT = Account(id=ID, adapter="shop", name="main-store", token="t", settings={}, created_at=AT, updated_at=AT)


_moments = count()


class Listed(Feed):
    """Gives its pages by cursor; an exception among them is raised."""

    every = timedelta(minutes=30)

    def __init__(self, *pages: Sequence[str] | Exception) -> None:
        self.pages = list(pages)
        self.asked: list[str] = []

    def pull(self, cursor: str, now: datetime) -> Page:
        self.asked.append(cursor)
        number = int(cursor or 0)
        page = self.pages[number] if number < len(self.pages) else ()
        if isinstance(page, Exception):
            raise page
        return Page([fetched(key) for key in page], str(number + 1), more=number + 1 < len(self.pages))


@pytest.fixture(autouse=True)
def _clock() -> Iterator[None]:
    """Time stands still: when something is due next is told to the second."""
    with time_machine.travel(AT, tick=False):
        yield


def fetched(key: str) -> Fetched:
    at = now() + next(_moments) * timedelta(microseconds=1)  # by which the inbox tells what is new
    request = Request(
        method="POST", headers={"x-connector-feed": "orders"}, body=key.encode(), received_at=at, query={}
    )
    return Fetched(key=key, topic="orders/updated", request=Verified(request))


@pytest.fixture
def account(sqlite_store: Store) -> Account:
    row = accounts.AccountRow(
        id=ID, adapter="shop", name="main-store", token="t", settings={}, secrets="", created_at=AT, updated_at=AT,
    )  # fmt: skip
    with sqlite_store.write() as tx:
        accounts.add(tx, row)
    return ACCOUNT


def run(store: Store, feed: Feed, **given: object) -> Caught:
    rung: list[int] = given.pop("rung", [])  # type: ignore[assignment]
    return catch_up(store, ACCOUNT, feed, ring=lambda: rung.append(1), **given)  # type: ignore[arg-type]


def bodies(store: Store) -> list[bytes]:
    with store.read() as tx:
        return list(tx.execute(select(schema.request.c.body).order_by(schema.request.c.id)).scalars())


def cursor(store: Store) -> str | None:
    with store.read() as tx:
        return marks.get(tx, f"feed:{ID}")


def due_in(store: Store) -> timedelta:
    with store.read() as tx:
        return datetime.fromisoformat(marks.get(tx, f"due:catch_up:{ID}") or "") - AT


def test_pages_are_stored_in_order_and_the_cursor_after_them(store: Store) -> None:
    rung: list[int] = []
    assert run(store, Listed(["a", "b"], [], ["c"]), rung=rung) == Caught(found=3, fresh=3)
    assert bodies(store) == [b"a", b"b", b"c"]
    assert cursor(store) == "3"
    assert len(rung) == 2
    with store.write() as tx:
        leased = inbox.lease(tx, "me", 10, 60)
    assert [(one.account_id, one.topic, one.request.headers["x-connector-feed"]) for one in leased] == [
        (ID, "orders/updated", "orders")
    ] * 3


def test_the_next_time_goes_on_from_the_cursor(sqlite_store: Store) -> None:
    run(sqlite_store, Listed(["a"]))
    feed = Listed((), ["b"])
    run(sqlite_store, feed)
    assert feed.asked == ["1"]
    assert bodies(sqlite_store) == [b"a", b"b"]


def test_what_was_found_before_is_stored_once_and_wakes_nobody(sqlite_store: Store) -> None:
    run(sqlite_store, Listed(["a", "b"]))
    with sqlite_store.write() as tx:
        marks.delete(tx, f"feed:{ID}")
    rung: list[int] = []
    assert run(sqlite_store, Listed(["a", "b"]), rung=rung) == Caught(found=2, fresh=0)
    assert bodies(sqlite_store) == [b"a", b"b"]
    assert rung == []


def test_a_page_of_a_thousand_is_stored_whole_before_its_cursor(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, calls = inbox.add, []

    def fail_late(tx: object, arrivals: Sequence[inbox.Arrival]) -> list[bool]:
        calls.append(len(arrivals))
        if len(calls) == 3:
            raise OSError("The disk is full.")
        return add(tx, arrivals)  # type: ignore[arg-type]

    keys = [f"k{n}" for n in range(1000)]
    monkeypatch.setattr(inbox, "add", fail_late)
    with pytest.raises(OSError, match="disk"):
        run(sqlite_store, Listed(keys))
    assert cursor(sqlite_store) is None
    assert run(sqlite_store, Listed(keys)) == Caught(found=1000, fresh=600)
    assert len(bodies(sqlite_store)) == 1000
    assert cursor(sqlite_store) == "1"


def test_when_time_is_over_the_rest_is_left_for_the_next_run(sqlite_store: Store) -> None:
    answers = iter([False, True])
    caught = run(sqlite_store, Listed(["a"], ["b"], ["c"]), enough=lambda: next(answers))
    assert caught == Caught(found=1, fresh=1, more=True)
    assert cursor(sqlite_store) == "1"
    assert due_in(sqlite_store) == timedelta()


def test_a_feed_at_its_end_is_asked_again_in_its_own_rhythm(sqlite_store: Store) -> None:
    run(sqlite_store, Listed(["a"]))
    assert due_in(sqlite_store) == timedelta(minutes=30)


def test_a_fault_that_passes_keeps_what_came_before_it_and_waits_longer_each_time(sqlite_store: Store) -> None:
    feed = Listed(["a"], TemporaryError("Throttled."))
    waits = []
    for _ in range(8):
        caught = run(sqlite_store, feed)
        assert caught.trouble == "Throttled."
        waits.append(due_in(sqlite_store) / timedelta(minutes=1))
    assert bodies(sqlite_store) == [b"a"]
    assert cursor(sqlite_store) == "1"
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]
    run(sqlite_store, Listed((), ["b"]))
    run(sqlite_store, Listed((), (), TemporaryError("Throttled.")))
    assert due_in(sqlite_store) == timedelta(minutes=1)


def test_the_vendors_own_word_on_when_to_come_back_is_kept(sqlite_store: Store) -> None:
    run(sqlite_store, Listed(TemporaryError("Throttled.", retry_after=300)))
    assert due_in(sqlite_store) == timedelta(minutes=5)
    run(sqlite_store, Listed(TemporaryError("Throttled.", retry_after=1e12)))
    assert due_in(sqlite_store) == catchup.LONGEST_WAIT


def test_refused_credentials_suspend_the_account(sqlite_store: Store, account: Account) -> None:
    error = CredentialsError("The token was revoked.", advice="Install the app again.")
    assert run(sqlite_store, Listed(error)).suspended == "The token was revoked. Install the app again."
    with sqlite_store.read() as tx:
        row = accounts.get(tx, ID)
        told = catchup.look(tx, ID)
    assert row is not None
    assert (row.active, row.note) == (False, "The token was revoked. Install the app again.")
    assert told is not None
    assert (told.ok, told.fix) == (False, "Install the app again.")


@pytest.mark.parametrize(
    ("error", "words", "fix"),
    [
        (PermanentError("No such query.", advice="Report it."), "No such query.", "Report it."),
        (KeyError("orders"), "The adapter failed (KeyError).", "See the log"),
    ],
)
def test_other_faults_are_written_down_and_left_for_the_next_time(
    sqlite_store: Store, error: Exception, words: str, fix: str
) -> None:
    caught = run(sqlite_store, Listed(error))
    assert (caught.trouble, caught.suspended) == (words, "")
    with sqlite_store.read() as tx:
        told = catchup.look(tx, ID)
    assert told is not None
    assert told.ok is False
    assert words in told.words
    assert fix in told.fix
    assert due_in(sqlite_store) == timedelta(minutes=30)


def test_a_feed_that_does_not_move_on_is_not_asked_for_ever(sqlite_store: Store) -> None:
    class Stuck(Feed):
        asked = 0

        def pull(self, cursor: str, now: datetime) -> Page:
            self.asked += 1
            return Page([fetched("a")], "here", more=True)

    feed = Stuck()
    assert "does not move on" in run(sqlite_store, feed).trouble
    assert feed.asked == 2
    assert bodies(sqlite_store) == [b"a"]


def test_what_went_wrong_is_gone_from_the_record_when_it_works_again(sqlite_store: Store) -> None:
    run(sqlite_store, Listed(PermanentError("No such query.")))
    run(sqlite_store, Listed(["a"]))
    with sqlite_store.read() as tx:
        told = catchup.look(tx, ID)
    assert told is not None
    assert told.ok is True
    assert "looked at 1, of which 1 had not been pushed" in told.words


def test_an_account_is_due_at_first_after_its_time_and_when_its_settings_changed(sqlite_store: Store) -> None:
    def is_due(at: datetime = AT) -> bool:
        changed = Account(
            id=ID, adapter="shop", name="main-store", token="t", settings={}, created_at=at, updated_at=at
        )
        with sqlite_store.read() as tx:
            return due.due(tx, "catch_up", [changed]) == [ID]

    assert is_due()
    run(sqlite_store, Listed(["a"]))
    assert not is_due()
    assert is_due(now() + timedelta(seconds=1))
    with sqlite_store.write() as tx:
        due.set_due(tx, "catch_up", ID, now() - timedelta(seconds=1))
    assert is_due()


def test_an_account_without_access_is_left_alone_until_its_settings_change(sqlite_store: Store) -> None:
    run(sqlite_store, Listed(["a"]))
    catchup.postpone(sqlite_store, ID)
    assert due_in(sqlite_store) == timedelta(hours=24)
    with sqlite_store.read() as tx:
        assert catchup.look(tx, ID) is None
