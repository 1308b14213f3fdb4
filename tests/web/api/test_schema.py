"""The API holds to its own description: schemathesis finds nothing, whatever it sends, with any key and with none."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from werkzeug.serving import WSGIRequestHandler, make_server

from connector.limits import RateLimit
from connector.model import Permission
from connector.web.api import create_api, frame
from tests.web.api.conftest import Caller
from tests.web.api.test_events import order, push
from tests.web.conftest import PATIENCE, House

EXAMPLES = 25
FEW = 5
"""Where all is refused, or most."""
SEED = 20261122
PHASES = ("examples", "coverage", "fuzzing", "stateful")
ACCEPTED = ["2xx", "400", "401", "403", "404", "409", "412"]
"""A request of the right form may name what is not there, or what stands otherwise by now (412: If-Match), or hold
numbers beyond all reason (400). What is of the wrong form is always 422, so this hides nothing."""
TEXTS = (
    "PUT /api/v1/mappings/{name}/draft", "POST /api/v1/mappings/{name}/publish",
    "POST /api/v1/mappings/{name}/rollback",
)  # fmt: skip
"""Take TOML, whose grammar JSON Schema cannot say: a text with faults is refused with 422 and each fault's path."""


@pytest.fixture
def app(house: House) -> Any:
    """The API over a house with something in it, and room for many calls."""
    house.know_templates()
    house.publish("order_paid")
    made = create_api(house.tools)
    made.extensions["limits"] = frame.Limits(
        keys=RateLimit("unix:///nowhere", "t", per_minute=10**9, burst=10**9),
        failed=RateLimit("unix:///nowhere", "f", per_minute=10**9, burst=10**9),
    )
    return made


def examine(app: Any, token: str, examples: int) -> tuple[list[str], Counter[str]]:
    """Let schemathesis loose; return what it found, and how many cases it tried by phase."""
    config = SchemathesisConfig.from_dict({
        "seed": SEED,
        "continue-on-failure": True,
        "request-timeout": PATIENCE,
        "suppress-health-check": ["too_slow"],
        "headers": {"Authorization": f"Bearer {token}"} if token else {},
        "generation": {"max-examples": examples, "deterministic": True, "no-shrink": True},
        "operations": [
            {"include-name": name, "checks": {"positive_data_acceptance": {"enabled": False}}} for name in TEXTS
        ],
        "checks": {"positive_data_acceptance": {"expected-statuses": ACCEPTED}},
        "phases": {"stateful": {"generation": {"max-examples": 5}}},
    })  # fmt: skip
    found: dict[str, str] = {}
    tried: Counter[str] = Counter()
    with serving(app) as url:  # schemathesis' own WSGI transport trips over options that it sets itself
        schema = schemathesis.openapi.from_url(f"{url}/api/openapi.json", config=config, timeout=PATIENCE)
        for event in from_schema(schema).execute():
            for line in _told(event, tried):
                found.setdefault(line[:160], line)
    return list(found.values()), tried


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve an application on this machine."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Quiet(WSGIRequestHandler):
    """Says nothing about each request."""

    protocol_version = "HTTP/1.1"

    def log(self, *args: Any) -> None:
        """Say nothing."""


def _told(event: events.EngineEvent, tried: Counter[str]) -> Iterator[str]:
    if isinstance(event, events.NonFatalError | events.FatalError):
        yield f"{type(event).__name__}: {getattr(event, 'label', '')} {getattr(event, 'value', event)}"
    if isinstance(event, events.ScenarioFinished):
        tried[event.phase.value] += len(event.recorder.cases)
        for case_id, checks in event.recorder.checks.items():
            for check in checks:
                if check.failure_info is not None:
                    case = event.recorder.cases[case_id].value
                    failure = check.failure_info.failure
                    told = f"{case.operation.label}: {check.name}: {failure.title}: {failure.message[:300]}"
                    yield f"{told}\n    {check.failure_info.code_sample[:1500]}"


def test_nothing_is_found_with_a_key_that_may_do_everything(
    app: Any, house: House, caller: Callable[..., Caller]
) -> None:
    api = caller()
    push(api, order(house))
    house.decide()

    found, tried = examine(app, api.token, EXAMPLES)

    assert "\n\n".join(found) == ""
    assert set(tried) >= {"coverage", "fuzzing"}


@pytest.mark.parametrize("scopes", [(), (Permission.LOOK,)], ids=["no key", "a key that looks"])
def test_nothing_is_found_with_less(app: Any, caller: Callable[..., Caller], scopes: tuple[Permission, ...]) -> None:
    found, _ = examine(app, caller(*scopes).token if scopes else "", FEW)

    assert "\n\n".join(found) == ""
