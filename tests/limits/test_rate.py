"""How often something may be done, by Redis and without it."""

from __future__ import annotations

import pytest

from connector.limits import RateLimit
from tests.servers import Valkey

AWAY = "unix:///nowhere/valkey.sock"


@pytest.fixture(params=["redis", "alone"])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "alone":
        return AWAY
    valkey: Valkey = request.getfixturevalue("valkey")
    return valkey.url


def let_pass(limit: RateLimit, key: str, seconds: int) -> None:
    """Let it be so long ago that one was taken, wherever that is counted."""
    if key in limit._own:
        held, since = limit._own[key]
        limit._own[key] = held, since - seconds
    else:
        assert limit._server._redis.hincrbyfloat(f"rate:api:{key}", "at", -seconds) > 0


def test_a_burst_is_allowed_and_no_more(url: str) -> None:
    limit = RateLimit(url, "api", per_minute=0.06, burst=3)

    taken = [limit.take("key") for _ in range(4)]

    assert [item.allowed for item in taken] == [True, True, True, False]
    assert taken[0].left == pytest.approx(2, abs=0.05)
    assert taken[3].wait == pytest.approx(1000, abs=50)
    assert taken[3].full == pytest.approx(3000, abs=50)


def test_it_comes_back_with_time(url: str) -> None:
    limit = RateLimit(url, "api", per_minute=0.06, burst=1)

    assert limit.take("key").allowed
    let_pass(limit, "key", 800)
    assert not limit.take("key").allowed
    let_pass(limit, "key", 200)
    assert limit.take("key").allowed
    assert not limit.take("key").allowed


def test_nobody_pays_for_another(url: str) -> None:
    limit, other = (RateLimit(url, name, per_minute=1, burst=1) for name in ("api", "failed"))

    assert limit.take("a").allowed
    assert not limit.take("a").allowed
    assert limit.take("b").allowed
    assert other.take("a").allowed


def test_processes_share_what_redis_counts(valkey: Valkey) -> None:
    ours, theirs = (RateLimit(valkey.url, "api", per_minute=1, burst=1) for _ in range(2))

    assert ours.take("key").allowed
    assert not theirs.take("key").allowed


def test_a_process_that_counts_by_itself_forgets_the_longest_untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.limits.MOST_BUCKETS", 2)
    limit = RateLimit(AWAY, "failed", per_minute=1, burst=1)

    for address in ("a", "b", "c"):
        assert limit.take(address).allowed

    assert not limit.take("c").allowed
    assert limit.take("a").allowed, "forgotten, and full again"
