"""A budget that all processes share, and that stands in nobody's way when Redis does not answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from connector import limits
from connector.limits import RedisBudget
from connector.model import AccountId
from tests.servers import Valkey

ONE = AccountId("acc-1")


@pytest.fixture
def budget(valkey: Valkey) -> RedisBudget:
    return RedisBudget(valkey.url, ONE)


def let_pass(budget: RedisBudget, seconds: int) -> None:
    """Let it be so long ago that the budget was touched; its clock is the server's, which nobody can set."""
    budget._server._redis.hincrbyfloat(budget._key, "at", -seconds)


def test_what_the_vendor_has_not_told_is_not_waited_for(budget: RedisBudget) -> None:
    assert budget.take(1000) == 0


def test_a_budget_is_used_up_and_then_waited_for(budget: RedisBudget) -> None:
    budget.tell(left=100, most=2000, per_second=0.01)
    assert budget.take(60) == 0
    assert 1950 < budget.take(60) <= 2000  # 20 are missing, at 10 in a thousand seconds
    assert budget.take(40) == 0


def test_what_is_not_there_is_not_taken(budget: RedisBudget) -> None:
    budget.tell(left=10, most=100, per_second=0.001)
    assert all(budget.take(50) > 1 for _ in range(5))
    assert budget.take(10) == 0


def test_points_come_back_with_time_and_not_above_the_most(budget: RedisBudget) -> None:
    budget.tell(left=0, most=20, per_second=0.01)
    let_pass(budget, 1500)
    assert 450 < budget.take(20) <= 500
    let_pass(budget, 3000)
    assert budget.take(20) == 0
    assert 1950 < budget.take(20) <= 2000


def test_a_cost_above_the_whole_bucket_asks_for_the_whole_bucket(budget: RedisBudget) -> None:
    budget.tell(left=50, most=50, per_second=0.1)
    assert budget.take(5000) == 0
    assert 450 < budget.take(5000) <= 500


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


def test_while_redis_is_away_it_is_asked_once_in_a_while_and_nothing_is_raised(
    budget: RedisBudget, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget.tell(left=0, most=10, per_second=0.001)
    assert budget.take(5) > 0
    asked: list[str] = []
    server = budget._server

    def noted(text: str, script: Callable[..., Any]) -> Callable[..., Any]:
        return lambda **given: asked.append(text) or script(**given)

    server._scripts = {text: noted(text, script) for text, script in server._scripts.items()}  # type: ignore[misc]
    monkeypatch.setattr(limits, "DEAF_SECONDS", 3600.0)
    valkey.stop()
    assert [budget.take(5) for _ in range(100)] == [0] * 100
    budget.tell(left=0, most=10, per_second=1)
    assert asked == [limits.TAKE], "nobody waits for it again and again"
    server._deaf_until = 0.0
    assert budget.take(5) == 0
    assert len(asked) == 2


def test_an_emptied_redis_knows_no_limits_and_its_scripts_come_back(budget: RedisBudget, valkey: Valkey) -> None:
    budget.tell(left=0, most=10, per_second=0.001)
    budget._server._redis.script_flush()
    budget._server._redis.flushall()
    assert budget.take(5) == 0
    budget.tell(left=0, most=10, per_second=0.001)
    assert budget.take(5) > 0
