"""What a vendor's API still allows, what ours does, and what is soon forgotten, shared by all processes through Redis.

Beside the queue the only importer of redis. A budget is a courtesy towards the vendor and saves refused
calls; the vendor's own limit stands behind it. So it fails open: while Redis is away nobody waits. Behind a
:class:`RateLimit` stands nobody: while Redis is away each process counts by itself. A :class:`Slate` keeps what
nobody misses for long.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from connector.log import get
from connector.model import AccountId

DEAF_SECONDS = 1.0
"""After Redis failed us, do not ask again for so long."""
LONGEST_WAIT = 3600.0
"""Seconds; also the answer where nothing comes back with time."""
KEEP_SECONDS = 2 * 24 * 3600
"""A budget that nobody touched for so long is not known any more."""
TIMEOUT_SECONDS = 0.5

TAKE = """
local held = redis.call('HMGET', KEYS[1], 'left', 'most', 'per_second', 'at')
if not held[1] then return '0' end
local clock = redis.call('TIME')
local at = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local most, per_second = tonumber(held[2]), tonumber(held[3])
local cost = math.min(tonumber(ARGV[1]), most)
local past = math.max(0, at - tonumber(held[4]))
local left = math.min(most, tonumber(held[1]) + past * per_second)
if left < cost then
  if per_second <= 0 then return ARGV[2] end
  return tostring(math.min((cost - left) / per_second, tonumber(ARGV[2])))
end
redis.call('HSET', KEYS[1], 'left', tostring(left - cost), 'at', string.format('%.6f', at))
redis.call('EXPIRE', KEYS[1], ARGV[3])
return '0'
"""
"""A bucket that fills by ``per_second`` up to ``most``. A cost above ``most`` asks for the whole bucket."""
TELL = """
local clock = redis.call('TIME')
local at = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
redis.call('HSET', KEYS[1], 'left', ARGV[1], 'most', ARGV[2], 'per_second', ARGV[3], 'at', string.format('%.6f', at))
redis.call('EXPIRE', KEYS[1], ARGV[4])
return '0'
"""

SPEND = """
local held = redis.call('HMGET', KEYS[1], 'left', 'at')
local clock = redis.call('TIME')
local at = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local burst, per_second = tonumber(ARGV[1]), tonumber(ARGV[2])
local left = burst
if held[1] then
  left = math.min(burst, tonumber(held[1]) + math.max(0, at - tonumber(held[2])) * per_second)
end
local allowed = 0
if left >= 1 then allowed, left = 1, left - 1 end
redis.call('HSET', KEYS[1], 'left', tostring(left), 'at', string.format('%.6f', at))
redis.call('EXPIRE', KEYS[1], math.ceil(burst / per_second) + 1)
return allowed .. ' ' .. tostring(left)
"""
"""A bucket that is full where nobody has touched it, and gives one at a time."""
JOT = """
redis.call('HINCRBY', KEYS[1], 'count', ARGV[1])
if #ARGV > 2 then redis.call('HSET', KEYS[1], unpack(ARGV, 3)) end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return '0'
"""
LOOK = "return redis.call('HGETALL', KEYS[1])"
MOST_BUCKETS = 10_000
"""That a process keeps by itself; the longest untouched goes first."""

log = get(__name__)


class RedisBudget:
    """One account's budget (:class:`connector.contract.Budget`); safe to use from many threads, never raises."""

    def __init__(self, url: str, account_id: AccountId) -> None:
        """``redis://…``, ``rediss://…`` or ``unix:///path``."""
        self._server = _server(url)
        self._key = f"budget:{account_id}"

    def take(self, cost: float) -> float:
        """Take ``cost`` out of what is left; return 0, or how many seconds to wait before it is there.

        Where it is not there nothing is taken. 0 where the vendor has not told yet what is left.
        """
        answer = self._server.run(TAKE, self._key, cost, LONGEST_WAIT, KEEP_SECONDS)
        return float(answer or 0)

    def tell(self, *, left: float, most: float, per_second: float) -> None:
        """Tell what the vendor said is left."""
        self._server.run(TELL, self._key, max(0.0, left), max(0.0, most), max(0.0, per_second), KEEP_SECONDS)


@dataclass(frozen=True, slots=True)
class Spent:
    """What came of asking for one."""

    allowed: bool
    left: float
    """How many may follow at once."""
    wait: float
    """Seconds until the next may come; 0 where it may at once."""
    full: float
    """Seconds until the bucket is full again."""


class RateLimit:
    """How often something may be done: ``per_minute`` in the long run, ``burst`` at once. Never raises."""

    def __init__(self, url: str, name: str, *, per_minute: float, burst: int) -> None:
        """``name`` tells these buckets from others; ``url`` as for :class:`RedisBudget`."""
        self._server = _server(url)
        self._name = name
        self.per_minute, self.burst = per_minute, burst
        self._own: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: str) -> Spent:
        """Take one for a key (an API key's id, an address)."""
        per_second = self.per_minute / 60
        answer = self._server.run(SPEND, f"rate:{self._name}:{key}", self.burst, per_second)
        if answer is None:
            allowed, left = self._take_own(key, per_second)
        else:
            first, _, rest = answer.decode().partition(" ")
            allowed, left = first == "1", float(rest)
        wait = 0.0 if left >= 1 else (1 - left) / per_second
        return Spent(allowed, left, wait, (self.burst - left) / per_second)

    def _take_own(self, key: str, per_second: float) -> tuple[bool, float]:
        at = time.monotonic()
        with self._lock:
            held, since = self._own.pop(key, (float(self.burst), at))
            left = min(self.burst, held + (at - since) * per_second)
            allowed = left >= 1
            left -= allowed
            self._own[key] = left, at
            if len(self._own) > MOST_BUCKETS:
                self._own.popitem(last=False)
        return allowed, left


class Slate:
    """A few short words and a count for each key, which all processes see until it was left alone for a while."""

    def __init__(self, url: str, name: str, *, keep_seconds: int) -> None:
        """``name`` tells these keys from others; ``url`` as for :class:`RedisBudget`."""
        self._server = _server(url)
        self._name = name
        self._keep = keep_seconds

    def add(self, key: str, count: int, words: Mapping[str, str]) -> bool:
        """Add to the count, and replace these words; False where Redis is away, and nothing was kept."""
        given = [part for pair in words.items() for part in pair]
        return self._server.run(JOT, f"{self._name}:{key}", count, self._keep, *given) is not None

    def read(self, key: str) -> tuple[int, dict[str, str]] | None:
        """Return count and words; None where Redis is away."""
        answer = self._server.run(LOOK, f"{self._name}:{key}")
        if answer is None:
            return None
        told = [part.decode("utf-8", "replace") for part in answer]
        words = dict(zip(told[::2], told[1::2], strict=True))
        return int(words.pop("count", 0)), words


class _Server:
    """One connection pool a process and URL."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(
            url,
            socket_connect_timeout=TIMEOUT_SECONDS,
            socket_timeout=TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=30,
        )
        self._scripts = {text: self._redis.register_script(text) for text in (TAKE, TELL, SPEND, JOT, LOOK)}
        self._deaf_until = 0.0

    def run(self, script: str, key: str, *arguments: float | str) -> Any:
        if time.monotonic() < self._deaf_until:
            return None
        try:
            return self._scripts[script](keys=[key], args=list(arguments))
        except (RedisError, OSError) as error:
            self._deaf_until = time.monotonic() + DEAF_SECONDS
            log.warning("budget.unknown", words=type(error).__name__)
            return None


_making = threading.Lock()


def _server(url: str) -> _Server:
    with _making:
        return _made(url)


@cache
def _made(url: str) -> _Server:
    return _Server(url)
