"""Callers of the API, each with a key of its own, before a whole installation."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from connector.flow import keys
from connector.model import GRANTS, Permission, Role
from tests.web.conftest import House

EVERYTHING = keys.OFFERED


class Caller:
    """Somebody with an API key; ``token`` ``""``: without one."""

    def __init__(self, house: House, token: str) -> None:
        self.house, self.token = house, token

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> TestResponse:
        """Call the API; ``path`` below ``/api/v1``, underscores in header names stand for hyphens."""
        own = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            own.setdefault("Authorization", f"Bearer {self.token}")
        if body is not None:
            own.setdefault("Content-Type", "application/json")
            body = body if isinstance(body, bytes | str) else json.dumps(body)
        return self.house.open(f"/api/v1{path}", method, data=body, headers=own)

    def get(self, path: str, **headers: str) -> Any:
        """Return what stands there."""
        answer = self("GET", path, **headers)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return json.loads(answer.data)


@pytest.fixture
def caller(house: House) -> Callable[..., Caller]:
    """Make callers: ``caller()`` may do everything, ``caller(Permission.LOOK)`` that alone."""

    def make(*scopes: Permission, name: str = "desk", **given: Any) -> Caller:
        made = keys.make(
            house.store, name, scopes or EVERYTHING, may=GRANTS[Role.OWNER], by=keys.COMMAND, by_name="Ada", **given
        )
        return Caller(house, made.token.reveal())

    return make


@pytest.fixture
def api(caller: Callable[..., Caller]) -> Caller:
    """Somebody who may do everything."""
    return caller()


def problem(answer: TestResponse, status: int) -> dict[str, Any]:
    """Return the problem that an answer is; it must be one of this status."""
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert answer.content_type == "application/problem+json"
    told: dict[str, Any] = json.loads(answer.data)
    assert told["status"] == status
    assert told["title"]
    assert told["detail"]
    return told
