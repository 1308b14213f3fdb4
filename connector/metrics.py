"""Numbers for Prometheus: counts and timings of every process, and gauges read at the moment of asking.

Each process counts into a file of its own in one folder (:func:`prepare`); ``/metrics`` adds them up. The
files of processes that are gone are folded into one, so that counts never fall and files never pile up.
Without a folder the numbers are those of this process alone. Every name begins with ``connector_``.

Labels are few and bounded: names that the operator gave, enums, and vendors' error codes; never a person,
an order or a URL.
"""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from connector import log

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The client's own variable: child processes inherit it."""
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Gauges = Callable[[], Mapping[str, Mapping[str, float]]]
"""Reads the gauges of :data:`GAUGES`: name -> label's value -> number (label ``""`` where there is one)."""

GAUGES: Final[Mapping[str, tuple[str, str]]] = {
    "inbox_requests": ("state", "Stored requests that are not done, by state."),
    "outbox_messages": ("state", "Messages that are not at an end, by state."),
    "oldest_waiting_seconds": ("kind", "How long the oldest due request, message or write-back has been waiting."),
    "queue_jobs": ("queue", "Jobs in the queue."),
    "write_backs": ("state", "Fields of shops' and CRMs' records that are to be written, or were refused, by state."),
    "accounts": ("state", "Accounts, active and suspended."),
    "silence_seconds": ("account", "How long an account has pushed nothing, where that is unusual; else 0."),
}
"""Name -> (label, words)."""

_log = log.get(__name__)
_lock = threading.Lock()
_families: list[_Family] = []
_registry: CollectorRegistry | None = None


class _Family(ABC):
    """One metric; its labelled children are looked up once and kept."""

    def __init__(self, name: str, words: str, *labels: str) -> None:
        self.name, self.words, self.labels = f"connector_{name}", words, labels
        self._metric: Any = None
        self._children: dict[tuple[str, ...], Any] = {}
        _families.append(self)

    @abstractmethod
    def _make(self, registry: CollectorRegistry) -> Any:
        """Return the client's own object."""

    def _child(self, values: tuple[str, ...]) -> Any:
        with _lock:
            if self._metric is None:
                self._metric = self._make(_own_registry())
            child = self._metric.labels(*values) if self.labels else self._metric
            self._children[values] = child
            return child

    def forget(self) -> None:
        """Let go of what was counted in another folder."""
        self._metric = None
        self._children.clear()


class Count(_Family):
    """Something that happens: ``add("shopify", "stored")``, label values in the declared order."""

    def add(self, *values: str, by: float = 1) -> None:
        """Count once, or ``by`` times."""
        (self._children.get(values) or self._child(values)).inc(by)

    def _make(self, registry: CollectorRegistry) -> Any:
        from prometheus_client import Counter

        return Counter(self.name, self.words, self.labels, registry=registry)


class Timing(_Family):
    """How long something takes: ``observe(0.012, "shopify")``, in seconds."""

    def __init__(self, name: str, words: str, *labels: str, buckets: Iterable[float]) -> None:
        super().__init__(name, words, *labels)
        self.buckets = tuple(buckets)

    def observe(self, seconds: float, *values: str) -> None:
        """Take one measurement."""
        (self._children.get(values) or self._child(values)).observe(seconds)

    def _make(self, registry: CollectorRegistry) -> Any:
        from prometheus_client import Histogram

        return Histogram(self.name, self.words, self.labels, registry=registry, buckets=self.buckets)


webhook_requests = Count("webhook_requests_total", "Requests at the webhook door.", "adapter", "outcome")
webhook_ack_seconds = Timing(
    "webhook_ack_seconds",
    "From the first byte of a webhook to its answer, the commit included.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5),
)
decisions = Count("decisions_total", "What mappings made of events.", "mapping", "verdict", "reason")
messages = Count("messages_total", "Messages that reached a state.", "state", "channel")
attempts = Count("attempts_total", "Calls to a channel.", "outcome", "code")
send_seconds = Timing(
    "send_seconds",
    "One call to a channel.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30),
)
event_to_accept_seconds = Timing(
    "event_to_accept_seconds",
    "From the arrival of an event to the channel taking its message over, planned delays left out.",
    buckets=(0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200),
)
write_back_rows = Count(
    "write_back_rows_total", "Fields written back, by what came of it.", "account", "outcome", "code"
)
write_back_calls = Count("write_back_calls_total", "Calls to a shop or CRM for writing back.", "account", "kind")
job_runs = Count("job_runs_total", "Jobs that ran to their end.", "job")


def prepare(folder: Path) -> None:
    """Begin anew, in this folder: for the process that starts all others, before it starts them."""
    global _registry
    import prometheus_client.values as client

    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*.db"):
        file.unlink(missing_ok=True)
    os.environ[FOLDER] = str(folder)
    client.ValueClass = client.MultiProcessValue()  # type: ignore[no-untyped-call]  # the client chose when it was imported; choose again
    with _lock:
        _registry = None
        for family in _families:
            family.forget()


def exposition(gauges: Gauges) -> bytes:
    """Return everything in Prometheus' text format.

    Where the gauges cannot be read (the database is down) the counts still come, with
    ``connector_gauges_up 0``: they matter most on such a day. Raises ValueError for an undeclared gauge.
    """
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Live(gauges))
    folder = os.environ.get(FOLDER)
    if not folder:
        return generate_latest(_own_registry()) + generate_latest(registry)
    from prometheus_client.multiprocess import MultiProcessCollector

    with _folder_lock(Path(folder)):
        _fold(Path(folder))
        MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


def _own_registry() -> CollectorRegistry:
    global _registry
    if _registry is None:
        from prometheus_client import CollectorRegistry

        _registry = CollectorRegistry(auto_describe=False)
    return _registry


class _Live:
    """Collects the gauges when asked."""

    def __init__(self, gauges: Gauges) -> None:
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.metrics_core import GaugeMetricFamily

        try:
            found = self._gauges()
        except Exception:  # noqa: BLE001 - whatever it is, the counts must come
            _log.exception("gauges.failed")
            found = None
        up = float(found is not None)
        yield GaugeMetricFamily("connector_gauges_up", "Whether the gauges could be read.", value=up)
        for name, values in (found or {}).items():
            if name not in GAUGES:
                raise ValueError(f"{name} is not declared in connector.metrics.GAUGES")
            label, words = GAUGES[name]
            family = GaugeMetricFamily(f"connector_{name}", words, labels=[label])
            for value, number in values.items():
                family.add_metric([value], number)
            yield family


@contextmanager
def _folder_lock(folder: Path) -> Iterator[None]:
    import fcntl

    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fold(folder: Path) -> None:
    """Add the files of processes that are gone to ``<kind>_past.db``, and remove them."""
    from prometheus_client.mmap_dict import MmapedDict

    for file in folder.glob("*.db"):
        kind, _, process = file.stem.rpartition("_")
        if not process.isdigit() or _alive(int(process)):
            continue
        past = MmapedDict(str(folder / f"{kind}_past.db"))  # type: ignore[no-untyped-call]
        for key, value, _at, _position in MmapedDict.read_all_values_from_file(str(file)):  # type: ignore[no-untyped-call]
            past.write_value(key, past.read_value(key)[0] + value, 0.0)  # type: ignore[no-untyped-call]
        past.close()  # type: ignore[no-untyped-call]
        file.unlink()


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
