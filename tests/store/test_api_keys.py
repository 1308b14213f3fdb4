"""What was answered under a name is known, and forgotten in time."""

from __future__ import annotations

from datetime import timedelta

from connector.model import now
from connector.store import Store, api_keys


def test_a_name_is_begun_once_by_each_key(store: Store) -> None:
    at = now()
    with store.write() as tx:
        assert api_keys.begin(tx, "k1", "order-1", "digest", at) is None
        assert api_keys.begin(tx, "k2", "order-1", "digest", at) is None
        known = api_keys.begin(tx, "k1", "order-1", "other", at)
    assert known == api_keys.Answer("digest", None, known.at if known else at)


def test_the_answer_is_kept_as_it_was_given(store: Store) -> None:
    at = now()
    with store.write() as tx:
        api_keys.begin(tx, "k1", "order-1", "digest", at)
        api_keys.finish(tx, "k1", "order-1", {"status": "planned", "number": 2**60})
    with store.write() as tx:
        known = api_keys.begin(tx, "k1", "order-1", "digest", at)
    assert known is not None
    assert known.body == {"status": "planned", "number": 2**60}


def test_only_one_takes_over_what_was_broken_off(store: Store) -> None:
    at = now()
    with store.write() as tx:
        api_keys.begin(tx, "k1", "order-1", "digest", at - timedelta(minutes=5))
        assert not api_keys.resume(tx, "k1", "order-1", at - timedelta(minutes=10), at)
        assert api_keys.resume(tx, "k1", "order-1", at - timedelta(minutes=1), at)
        assert not api_keys.resume(tx, "k1", "order-1", at - timedelta(minutes=1), at)


def test_answers_are_forgotten_after_their_time(store: Store) -> None:
    at = now()
    with store.write() as tx:
        api_keys.begin(tx, "k1", "old", "d", at - timedelta(hours=49))
        api_keys.begin(tx, "k1", "new", "d", at - timedelta(hours=47))
        assert api_keys.forget(tx, at, timedelta(hours=48)) == 1
        assert api_keys.begin(tx, "k1", "old", "d", at) is None
        assert api_keys.begin(tx, "k1", "new", "d", at) is not None
