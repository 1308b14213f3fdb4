"""A budget that all processes share, and that stands in nobody's way when Redis does not answer."""

from __future__ import annotations

import threading
import time

import pytest

from connector import limits
from connector.limits import RedisBudget
from connector.model import AccountId
from tests.servers import Valkey

ONE = AccountId("acc-1")


@pytest.fixture
def budget(valkey: Valkey) -> RedisBudget:
    limits._made.cache_clear()
    return RedisBudget(valkey.url, ONE)


def test_what_the_vendor_has_not_told_is_not_waited_for(budget: RedisBudget) -> None:
    assert budget.take(1000) == 0


def test_a_budget_is_used_up_and_then_waited_for(budget: RedisBudget) -> None:
    budget.tell(left=100, most=2000, per_second=10)
    assert budget.take(60) == 0
    assert 1.8 < budget.take(60) <= 2.0  # 20 are missing, at 10 a second
    assert budget.take(40) == 0


def test_what_is_not_there_is_not_taken(budget: RedisBudget) -> None:
    budget.tell(left=10, most=100, per_second=0.001)
    assert all(budget.take(50) > 1 for _ in range(5))
    assert budget.take(10) == 0


def test_points_come_back_with_time_and_not_above_the_most(budget: RedisBudget) -> None:
    budget.tell(left=0, most=20, per_second=100)
    time.sleep(0.4)
    assert budget.take(20) == 0
    assert budget.take(20) > 0


def test_a_cost_above_the_whole_bucket_asks_for_the_whole_bucket(budget: RedisBudget) -> None:
    budget.tell(left=50, most=50, per_second=1)
    assert budget.take(5000) == 0
    assert 45 < budget.take(5000) <= 50


def test_a_budget_that_does_not_come_back_is_waited_for_no_longer_than_an_hour(budget: RedisBudget) -> None:
    budget.tell(left=0, most=15000, per_second=0)
    assert budget.take(1) == limits.LONGEST_WAIT
    budget.tell(left=0, most=15000, per_second=0.0000001)
    assert budget.take(1) == limits.LONGEST_WAIT


def test_what_one_process_takes_the_others_miss(budget: RedisBudget, valkey: Valkey) -> None:
    budget.tell(left=50, most=50, per_second=0.0001)
    waits: list[float] = []
    threads = [threading.Thread(target=lambda: waits.append(RedisBudget(valkey.url, ONE).take(1))) for _ in range(80)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(wait == 0 for wait in waits) == 50


def test_each_account_has_its_own_budget(budget: RedisBudget, valkey: Valkey) -> None:
    budget.tell(left=0, most=10, per_second=1)
    assert budget.take(1) > 0
    assert RedisBudget(valkey.url, AccountId("acc-2")).take(1) == 0


def test_a_budget_that_nobody_touches_goes_away_by_itself(budget: RedisBudget) -> None:
    budget.tell(left=10, most=10, per_second=1)
    budget.take(1)
    assert 0 < int(budget._server._redis.ttl(budget._key)) <= limits.KEEP_SECONDS  # type: ignore[arg-type]


def test_while_redis_is_away_nobody_waits_and_nothing_is_raised(budget: RedisBudget, valkey: Valkey) -> None:
    budget.tell(left=0, most=10, per_second=0.001)
    assert budget.take(5) > 0
    valkey.stop()
    started = time.monotonic()
    assert [budget.take(5) for _ in range(100)] == [0] * 100
    budget.tell(left=0, most=10, per_second=1)
    assert time.monotonic() - started < 2


def test_an_emptied_redis_knows_no_limits_and_its_scripts_come_back(budget: RedisBudget, valkey: Valkey) -> None:
    budget.tell(left=0, most=10, per_second=0.001)
    budget._server._redis.script_flush()
    budget._server._redis.flushall()
    assert budget.take(5) == 0
    budget.tell(left=0, most=10, per_second=0.001)
    assert budget.take(5) > 0
