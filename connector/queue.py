"""The bell: RQ carries wake-ups, the store carries the truth.

The only importer of rq and redis. How RQ is used follows from its measured traps: one queue for every
worker (a worker on two queues loses jobs), no RQ scheduler, JSON and not pickle, no fixed job ids, and
few jobs that drain rather than one job a message.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from types import FrameType
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import Queue as RqQueue
from rq import SimpleWorker
from rq.exceptions import AbandonedJobError
from rq.job import Job
from rq.serializers import JSONSerializer

from connector.log import get

NAME = "connector"
JOB_SECONDS = 600
"""Far above a drain's own slice; only a job that hangs meets it."""
WAKE_MS = 2000
DEAF_SECONDS = 1.0
"""After Redis failed us, do not ask again for so long."""
KEEP_FAILED_SECONDS = 7 * 24 * 3600
MOST_LOOKED_AT = 50
"""Of more failed jobs than this, the rest are taken for bugs."""

stopping = threading.Event()
"""Set when this process was told to stop; drains look at it and come to an end."""

_log = get(__name__)


class Bell:
    """Rings jobs awake. Nothing here raises because Redis is away: the clock will ring again."""

    def __init__(self, url: str) -> None:
        """``redis://…``, ``rediss://…`` or ``unix:///path``."""
        self.url = url
        self._redis = _connect(url, timeout=0.5)
        self._queue = RqQueue(NAME, connection=self._redis, serializer=JSONSerializer, default_timeout=JOB_SECONDS)
        self._deaf_until = 0.0

    def ring(self, kind: str, argument: str = "") -> bool:
        """Wake the job ``kind`` (``decide``, ``deliver``, ``sync_templates``), unless it has just been woken."""
        if time.monotonic() < self._deaf_until:
            return False
        try:
            if self._redis.set(_wake(kind, argument), "1", nx=True, px=WAKE_MS):
                self._queue.enqueue(
                    f"connector.jobs.{kind}",
                    *([argument] if argument else []),
                    result_ttl=0,
                    failure_ttl=KEEP_FAILED_SECONDS,
                )
        except RedisError as error:
            self._deaf_until = time.monotonic() + DEAF_SECONDS
            _log.warning("bell.unheard", words=type(error).__name__)
            return False
        return True

    def heard(self, kind: str, argument: str = "") -> None:
        """Tell that a job begins to look: whoever commits from now on rings again."""
        try:
            self._redis.delete(_wake(kind, argument))
        except RedisError:
            self._deaf_until = time.monotonic() + DEAF_SECONDS

    def depth(self) -> int | None:
        """Return how many jobs wait; None while Redis is away."""
        try:
            return int(self._queue.count)
        except RedisError:
            return None

    def ping(self) -> bool:
        """Tell whether Redis answers."""
        try:
            return bool(self._redis.ping())
        except RedisError:
            return False

    def failures(self) -> int | None:
        """Return how many jobs ended in a bug; None while Redis is away.

        RQ files jobs whose worker was killed in the same place. Those are nobody's fault, and were done again.
        """
        try:
            registry = self._queue.failed_job_registry
            total = int(registry.get_job_count(cleanup=False))
            ids = registry.get_job_ids(0, MOST_LOOKED_AT - 1, cleanup=False) if total else []
            jobs = Job.fetch_many(ids, self._redis, JSONSerializer)
            return total - sum(1 for job in jobs if job is None or _was_abandoned(job))
        except RedisError:
            return None


def _was_abandoned(job: Job) -> bool:
    result = job.latest_result()
    return result is not None and AbandonedJobError.__name__ in (result.exc_string or "")


def shut_down(url: str) -> None:
    """Ask the server to save and end; one that has gone already is fine."""
    try:
        _connect(url, timeout=5).shutdown(save=False, nosave=True)
    except RedisError:
        return


def _wake(kind: str, argument: str) -> str:
    return f"wake:{kind}:{argument}" if argument else f"wake:{kind}"


def _connect(url: str, *, timeout: float | None, attempts: int = 0) -> Redis:
    return Redis.from_url(
        url,
        socket_connect_timeout=timeout or 5,
        socket_timeout=timeout,
        retry=Retry(NoBackoff(), attempts),
        health_check_interval=30,
    )


class DrainWorker(SimpleWorker):
    """Works in its own process, and passes a request to stop on to the job that is running."""

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Stop after the present job, and tell that job to be quick."""
        stopping.set()
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call] # rq's own signature is untyped

    def request_force_stop(self, signum: int, frame: FrameType | None) -> None:
        """Do nothing more when asked again: the answers to what is in flight are still worth waiting for.

        RQ would break the job off, which leaves in doubt what has been sent. Jobs end within seconds of the
        first request, and whoever cannot wait has SIGKILL.
        """

    def _install_signal_handlers(self) -> None:
        signal.signal(signal.SIGINT, self.request_stop)
        signal.signal(signal.SIGTERM, self.request_stop)


def work(url: str, *, name: str, burst: bool = False) -> bool:
    """Work off jobs until told to stop (``burst``: until there are none). Raises redis errors when it is gone."""
    connection = _connect(url, timeout=None, attempts=3)
    worker = DrainWorker([NAME], name=name, connection=connection, serializer=JSONSerializer)
    worker.log.setLevel(logging.WARNING)
    options: dict[str, Any] = {"burst": burst, "with_scheduler": False, "logging_level": "WARNING"}
    return bool(worker.work(**options))
