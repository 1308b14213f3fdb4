"""A stand-in for Shopify's Admin API: answers each document's root fields by a function of the test."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests
import responses

from adapters.shopify.gateway import Gateway
from adapters.shopify.settings import hosts
from adapters.shopify.tests.posting import SHOP, load
from adapters.shopify.trial import OwnTokens
from connector.contract import Budget, Kit
from connector.http import Http

API = f"https://{SHOP}/admin/api/2026-10/graphql.json"
GRANT = f"https://{SHOP}/admin/oauth/access_token"
APP = {"client_id": "app-id", "client_secret": "app-secret"}
_ROOT = re.compile(r"^  (\w+): (\w+)\((.*?)\) \{", re.MULTILINE)
_GIVEN = re.compile(r"(\w+): \$(\w+)")


class Purse(Budget):
    """A budget that a test fills."""

    def __init__(self) -> None:
        self.wait = 0.0
        self.taken: list[float] = []
        self.told: dict[str, float] = {}

    def take(self, cost: float) -> float:
        self.taken.append(cost)
        return self.wait

    def tell(self, *, left: float, most: float, per_second: float) -> None:
        self.told = {"left": left, "most": most, "per_second": per_second}


@dataclass
class Shopify:
    """What was asked, and who answers."""

    mock: responses.RequestsMock
    asked: list[dict[str, Any]] = field(default_factory=list)
    purse: Purse = field(default_factory=Purse)
    tokens: OwnTokens = field(default_factory=OwnTokens)

    def gateway(self, **settings: Any) -> Gateway:
        loaded = load(**({"access_token": "shpat_0123"} | settings))
        return Gateway(loaded, self.kit(loaded))

    def kit(self, loaded: Any) -> Kit:
        return Kit(http=Http(hosts(loaded)), tokens=self.tokens, budget=self.purse)

    def answers(self, *bodies: Any, status: int = 200) -> None:
        """Answer the next requests with these bodies, one after the other; the last one from then on."""
        for body in bodies:
            text = body if isinstance(body, str) else json.dumps(body)
            self.mock.post(API, status=status, body=text)

    def fields(self, answer: Callable[[str, dict[str, Any]], Any]) -> None:
        """Answer each root field of each document by its name and arguments; an error dict is told as one."""

        def whole(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
            asked = json.loads(request.body or b"")
            self.asked.append(asked)
            data, errors = {}, []
            for alias, name, given in _ROOT.findall(asked["query"]):
                arguments = {key: asked["variables"][variable] for key, variable in _GIVEN.findall(given)}
                told = answer(name, arguments)
                if isinstance(told, dict) and "message" in told:
                    errors.append({**told, "path": [alias]})
                    told = None
                data[alias] = told
            body: dict[str, Any] = {"data": data}
            if errors:
                body["errors"] = errors
            return 200, {}, json.dumps(body)

        self.mock.add_callback(responses.POST, API, callback=whole)


@contextmanager
def a_shopify() -> Iterator[Shopify]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield Shopify(mock)
