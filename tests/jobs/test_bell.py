"""What the bell tells of jobs that failed: bugs are told, a worker that was killed is none."""

from __future__ import annotations

import subprocess
import sys
import time

from rq.job import JobStatus
from rq.registry import StartedJobRegistry

from connector.queue import Bell, work
from tests.servers import Valkey
from tests.web.conftest import until

WORK = "import sys; from connector.queue import work; work(sys.argv[1], name='doomed')"


def test_a_job_that_ended_in_a_bug_is_counted(valkey: Valkey) -> None:
    bell = Bell(valkey.url)
    assert bell.failures() == 0
    bell.ring("there_is_no_such_job")
    work(valkey.url, name="alive", burst=True)
    assert bell.failures() == 1


def test_a_job_whose_worker_was_killed_is_no_fault_of_the_program(valkey: Valkey) -> None:
    bell = Bell(valkey.url)
    queue = bell._queue
    job = queue.enqueue("time.sleep", 600)
    with subprocess.Popen([sys.executable, "-c", WORK, valkey.url]) as worker:
        try:
            until(lambda: job.get_status() is JobStatus.STARTED)
        finally:
            worker.kill()
    StartedJobRegistry(queue=queue).cleanup(timestamp=time.time() + 24 * 3600)
    assert queue.failed_job_registry.get_job_ids() == [job.id], "RQ took it for a failure"
    assert bell.failures() == 0
