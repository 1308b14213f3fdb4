"""Numbers for Prometheus: one process, many processes, and processes that are gone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import prometheus_client.values as client
import pytest
from prometheus_client.parser import text_string_to_metric_families

from connector import metrics

Values = dict[tuple[str, ...], float]


def nothing() -> Mapping[str, Mapping[str, float]]:
    return {}


def read(gauges: metrics.Gauges = nothing) -> dict[str, Values]:
    """What Prometheus would see: sample name -> label values in the order of their names -> number."""
    found: dict[str, Values] = {}
    for family in text_string_to_metric_families(metrics.exposition(gauges).decode()):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def forget() -> None:
        metrics._registry = None
        for family in metrics._families:
            family.forget()

    monkeypatch.setenv(metrics.FOLDER, "")
    monkeypatch.setattr(client, "ValueClass", client.MutexValue)
    forget()
    yield
    forget()


def other_process(folder: Path, program: str) -> None:
    program = "from connector import metrics\n" + program
    environment = os.environ | {metrics.FOLDER: str(folder)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)


def test_one_process_counts_without_a_folder() -> None:
    metrics.webhook_requests.add("shopify", "stored")
    metrics.webhook_requests.add("shopify", "stored", by=2)
    metrics.webhook_requests.add("whatsapp", "duplicate")
    assert read()["connector_webhook_requests_total"] == {("shopify", "stored"): 3, ("whatsapp", "duplicate"): 1}


def test_a_timing_falls_into_its_bucket() -> None:
    metrics.webhook_ack_seconds.observe(0.012)
    found = read()
    assert found["connector_webhook_ack_seconds_count"] == {(): 1}
    assert found["connector_webhook_ack_seconds_sum"] == {(): 0.012}
    buckets = found["connector_webhook_ack_seconds_bucket"]
    assert (buckets[("0.01",)], buckets[("0.025",)], buckets[("+Inf",)]) == (0, 1, 1)


def test_the_wrong_number_of_labels_is_a_fault() -> None:
    with pytest.raises(ValueError, match="label"):
        metrics.decisions.add("order_paid")


def test_gauges_are_read_when_asked() -> None:
    depth = 4.0
    found = read(lambda: {"outbox_messages": {"waiting": depth, "sending": 2}, "queue_jobs": {"": 1}})
    assert found["connector_outbox_messages"] == {("waiting",): 4, ("sending",): 2}
    assert found["connector_queue_jobs"] == {("",): 1}
    assert found["connector_gauges_up"] == {(): 1}


def test_an_undeclared_gauge_is_a_fault() -> None:
    with pytest.raises(ValueError, match="GAUGES"):
        read(lambda: {"phase_of_the_moon": {"": 1}})


def test_counts_come_even_when_the_gauges_fail(capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> Mapping[str, Mapping[str, float]]:
        raise OSError("the database is down, says +491701234567")

    metrics.job_runs.add("decide")
    found = read(broken)
    assert found["connector_gauges_up"] == {(): 0}
    assert found["connector_job_runs_total"] == {("decide",): 1}
    shown = capsys.readouterr().err
    assert "gauges.failed" in shown
    assert "1701234" not in shown


def test_processes_are_added_up(tmp_path: Path) -> None:
    metrics.prepare(tmp_path)
    metrics.job_runs.add("decide")
    for _ in range(2):
        other_process(tmp_path, "metrics.job_runs.add('decide', by=5)\nmetrics.send_seconds.observe(0.02)")
    found = read(lambda: {"queue_jobs": {"": 3}})
    assert found["connector_job_runs_total"] == {("decide",): 11}
    assert found["connector_send_seconds_count"] == {(): 2}
    assert found["connector_send_seconds_bucket"][("+Inf",)] == 2
    assert found["connector_queue_jobs"] == {("",): 3}


def test_files_of_processes_that_are_gone_are_folded_and_counts_never_fall(tmp_path: Path) -> None:
    metrics.prepare(tmp_path)
    for turn in range(1, 4):
        other_process(tmp_path, "metrics.job_runs.add('decide')\nmetrics.send_seconds.observe(0.02)")
        for _ in range(2):  # asking twice changes nothing
            found = read()
            assert found["connector_job_runs_total"] == {("decide",): turn}
            assert found["connector_send_seconds_bucket"][("0.025",)] == turn
    assert sorted(file.name for file in tmp_path.glob("*.db")) == ["counter_past.db", "histogram_past.db"]


def test_a_forked_child_counts_into_a_file_of_its_own(tmp_path: Path) -> None:
    program = """
import os
from pathlib import Path
metrics.job_runs.add("decide")
child = os.fork()
if not child:
    metrics.job_runs.add("deliver")
    os._exit(0)
os.waitpid(child, 0)
metrics.job_runs.add("decide")
"""
    metrics.prepare(tmp_path)
    other_process(tmp_path, program)
    assert read()["connector_job_runs_total"] == {("decide",): 2, ("deliver",): 1}


def test_preparing_begins_anew(tmp_path: Path) -> None:
    metrics.prepare(tmp_path)
    metrics.job_runs.add("decide")
    metrics.prepare(tmp_path)
    assert "connector_job_runs_total" not in read()
    metrics.job_runs.add("decide")
    assert read()["connector_job_runs_total"] == {("decide",): 1}


def test_every_name_says_whose_it_is_and_every_metric_explains_itself() -> None:
    for family in metrics._families:
        assert family.name.startswith("connector_")
        assert family.words.endswith(".")
