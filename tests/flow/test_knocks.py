from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import TypeVar

import pytest
from redis import Redis

from connector import limits
from connector.flow import knocks as module
from connector.flow.knocks import KEEP_SECONDS, LONGEST, Knock, Knocks
from connector.limits import Slate
from connector.model import AccountId, new_id
from tests.servers import Valkey

SHOP = AccountId("shop")
Found = TypeVar("Found")
AWAY = "unix:///nowhere/valkey.sock"


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy is not a Redis that is away."""
    monkeypatch.setattr(limits, "TIMEOUT_SECONDS", 60.0)
    monkeypatch.setattr(limits, "_made", cache(limits._Server))


@pytest.fixture(params=["redis", "alone"])
def knocks(request: pytest.FixtureRequest) -> Knocks:
    url = AWAY if request.param == "alone" else request.getfixturevalue("valkey").url
    return Knocks(Slate(url, new_id(), keep_seconds=KEEP_SECONDS))


def test_refused_requests_are_counted_for_their_account_alone(knocks: Knocks) -> None:
    knocks.refuse(SHOP, "not signed")
    knocks.refuse(SHOP, "signed with   another secret" + "!" * 500)
    found = soon(lambda: knocks.of(SHOP), lambda known: known.refused == 2)
    assert (found.refused, found.words[:28]) == (2, "signed with another secret!!")
    assert len(found.words) == LONGEST
    assert found.refused_at is not None
    assert knocks.of(AccountId("other")) == Knock()


def test_a_set_up_question_is_remembered_and_a_wrong_one_counts_as_refused(knocks: Knocks) -> None:
    knocks.greet(SHOP, welcome=True)
    assert soon(lambda: knocks.of(SHOP), lambda known: bool(known.greeted_at)).greeted_at is not None
    knocks.greet(SHOP, welcome=False)
    found = soon(lambda: knocks.of(SHOP), lambda known: bool(known.refused))
    assert "verify token" in found.words
    assert found.greeted_at is not None


def test_what_one_process_refused_is_known_to_all_and_to_whoever_comes_after_it(valkey: Valkey) -> None:
    name = new_id()  # of this test alone: what an earlier one noted may still be on its way
    ours, theirs = (Knocks(Slate(valkey.url, name, keep_seconds=60)) for _ in range(2))
    ours.refuse(SHOP, "signed with another secret")
    assert soon(lambda: theirs.of(SHOP), lambda known: known.refused == 1).words == "signed with another secret"
    theirs.refuse(SHOP, "not signed")
    fresh = Knocks(Slate(valkey.url, name, keep_seconds=60))
    found = soon(lambda: fresh.of(SHOP), lambda known: known.refused == 2)
    assert found.words == "not signed"
    assert found == ours.of(SHOP)


class Paper:
    """A slate that keeps a list of what was written on it, and may be lost for a while."""

    def __init__(self) -> None:
        self.written: list[int] = []
        self.is_away = False

    def add(self, key: str, count: int, words: Mapping[str, str]) -> bool:
        if not self.is_away:
            self.written.append(count)
        return not self.is_away

    def read(self, key: str) -> tuple[int, dict[str, str]] | None:
        return None if self.is_away else (sum(self.written), {})


def test_a_flood_of_refusals_costs_few_writes_and_all_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.2)
    paper = Paper()
    knocks = Knocks(paper)
    started = time.monotonic()
    for _ in range(5000):
        knocks.refuse(SHOP, "not signed")
    assert soon(lambda: sum(paper.written), lambda counted: counted == 5000) == 5000
    assert len(paper.written) <= (time.monotonic() - started) / 0.2 + 1
    assert len(paper.written) < 500
    assert knocks.of(SHOP).refused == 5000


def test_what_could_not_be_written_is_written_with_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.01)
    paper = Paper()
    knocks = Knocks(paper)
    paper.is_away = True
    knocks.refuse(SHOP, "not signed")
    knocks.refuse(SHOP, "not signed")
    assert knocks.of(SHOP).refused == 2
    paper.is_away = False
    knocks.refuse(SHOP, "not signed")
    assert soon(lambda: sum(paper.written), lambda counted: counted == 3) == 3


def test_what_is_kept_of_knocks_ends_by_itself(valkey: Valkey) -> None:
    name = new_id()
    slate = Slate(valkey.url, name, keep_seconds=60)
    assert slate.add(SHOP, 1, {"words": "not signed"})
    assert slate.read(SHOP) == (1, {"words": "not signed"})
    with Redis.from_url(valkey.url) as client:
        assert 0 < client.ttl(f"{name}:{SHOP}") <= 60
        client.pexpire(f"{name}:{SHOP}", 1)
    assert soon(lambda: slate.read(SHOP), lambda told: told == (0, {})) == (0, {})


def soon(look: Callable[[], Found], enough: Callable[[Found], bool]) -> Found:
    """Look until it is as wanted, for a minute at most."""
    end = time.monotonic() + 60
    while not enough(found := look()) and time.monotonic() < end:
        time.sleep(0.01)
    return found


def test_whoever_closes_it_leaves_nothing_unwritten_and_no_thread_behind() -> None:
    paper = Paper()
    knocks = Knocks(paper)
    knocks.close()  # which nobody has to have knocked at
    for _ in range(50):
        knocks.refuse(SHOP, "not signed")
    knocks.close()
    assert sum(paper.written) == 50
    assert knocks._writer is not None
    assert not knocks._writer.is_alive()
