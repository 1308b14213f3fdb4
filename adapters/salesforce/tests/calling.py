"""A made-up organisation's API, as far as each test tells it to answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
import responses

from adapters.salesforce.settings import hosts
from adapters.salesforce.tests.posting import load as load_settings
from connector.contract import Grant, Kit
from connector.http import Http

HOST = "acme.my.salesforce.com"
BASE = f"https://{HOST}"
LOGIN = f"{BASE}/services/oauth2/token"
DATA = f"{BASE}/services/data/v64.0"
ROWS = f"{DATA}/composite/sobjects"
TOKEN = "00D5g!AQ0AQ.token-of-the-test"
GRANTED = {"access_token": TOKEN, "instance_url": BASE, "token_type": "Bearer", "id": f"{BASE}/id/00D/005"}
HTML = "<html><body>Down for maintenance</body></html>"
SECRET = "consumer-secret-91"


def load(**settings: Any) -> Mapping[str, Any]:
    given = {"my_domain": HOST, "client_id": "3MVG9consumer.key", "client_secret": SECRET}
    return load_settings(**(given | settings))


@dataclass
class Tokens:
    """Keeps a token as the connector does, in memory."""

    grant: Grant | None = None
    rejected: list[Grant] = field(default_factory=list)

    def current(self, renew: Callable[[Grant | None], Grant]) -> Grant:
        if self.grant is None:
            self.grant = renew(None)
        return self.grant

    def reject(self, grant: Grant) -> None:
        self.rejected.append(grant)
        if self.grant == grant:
            self.grant = None

    def keep(self, grant: Grant) -> None:
        self.grant = grant


@dataclass
class Budget:
    """Has something left unless told otherwise."""

    wait: float = 0.0
    told: list[dict[str, float]] = field(default_factory=list)

    def take(self, cost: float) -> float:
        return self.wait

    def tell(self, **told: float) -> None:
        self.told.append(told)


def a_kit(settings: Mapping[str, Any]) -> Kit:
    return Kit(http=Http(hosts(settings)), tokens=Tokens(), budget=Budget())


@dataclass
class Org:
    """Answers calls by method and path below ``/services/data/v64.0/``; the last answer given repeats."""

    mock: responses.RequestsMock
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    """Method, path, and the JSON that was sent, or the query, or the text."""
    headers: list[Mapping[str, str]] = field(default_factory=list)

    def login(self, *answers: tuple[int, Any]) -> None:
        self.on("POST", LOGIN, *(answers or [(200, GRANTED)]))

    def on(self, method: str, path: str, *answers: tuple[int, Any] | Callable[[Any], tuple[int, Any]]) -> None:
        """Answer a call; a text is sent as it is, all else as JSON."""
        url = path if path.startswith("https:") else f"{DATA}/{path}"
        left = list(answers)

        def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
            sent = _sent(request)
            self.asked.append((method, url.removeprefix(f"{DATA}/"), sent))
            self.headers.append(request.headers)
            chosen = left.pop(0) if len(left) > 1 else left[0]
            status, body = chosen(sent) if callable(chosen) else chosen
            kind = "text/html" if body == HTML else "text/csv" if isinstance(body, str) else "application/json"
            usage = {"Sforce-Limit-Info": "api-usage=18/15000", "Content-Type": kind}
            return status, usage, body if isinstance(body, str) else json.dumps(body)

        self.mock.add_callback(method, url, callback=answer)

    def calls(self, method: str = "", path: str = "") -> list[Any]:
        """Return what was sent with the calls of a method to a path."""
        return [sent for how, where, sent in self.asked if method in ("", how) and path in ("", where)]

    def logins(self) -> int:
        return len(self.calls("POST", LOGIN))


def _sent(request: requests.PreparedRequest) -> Any:
    body = request.body
    if not body:
        return {name: values[0] for name, values in parse_qs(urlsplit(request.url or "").query).items()}
    text = body if isinstance(body, str) else bytes(body).decode()
    if "json" in request.headers.get("Content-Type", ""):
        return json.loads(text)
    return {name: values[0] for name, values in parse_qs(text).items()} if "=" in text and "\n" not in text else text


def record_id(number: int, prefix: str = "003") -> str:
    """Return an id of 18 characters; without capitals the last three are AAA."""
    return f"{prefix}5g{number:010d}AAA"


def accept(sent: Any) -> tuple[int, Any]:
    """Answer a write as one that went well."""
    return 200, [{"id": record["Id"], "success": True, "errors": []} for record in sent["records"]]


def refusal(code: str, *fields: str, message: str = "no") -> dict[str, Any]:
    return {"success": False, "errors": [{"statusCode": code, "message": message, "fields": list(fields)}]}


def described(**types: str) -> dict[str, Any]:
    """Return a description; ``Name="string"``, and ``read only`` behind a type."""
    return {"name": "Contact", "fields": [_field(name, *kind.split(" ", 1)) for name, kind in types.items()]}


def _field(name: str, kind: str, more: str = "") -> dict[str, Any]:
    return {
        "name": name, "label": name.replace("_", " "), "type": kind, "updateable": "read only" not in more,
        "custom": name.endswith("__c"), "length": 255, "picklistValues": [],
    }  # fmt: skip


def page(records: Iterable[Mapping[str, Any]], *, done: bool = True) -> dict[str, Any]:
    found = list(records)
    return {"totalSize": len(found), "done": done, "records": found}
