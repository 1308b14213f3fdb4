"""The one client of Shopify's Admin GraphQL API.

It neither waits nor repeats: what the shop's budget does not allow now is a TemporaryError that says when. The
one thing done twice is a request that Shopify answered with 401, which it did not carry out. Every write of
this adapter may be repeated, so that no answer at all (UncertainError) needs no further care.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.shopify.access import Access, refused
from adapters.shopify.faults import amount, busy, no_answer, of_error, of_status, read_json
from adapters.shopify.operations import Operation
from connector.contract import Grant, Kit, Settings
from connector.errors import RemoteError
from connector.http import Answer
from connector.model import Json, Payload, dig


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What Shopify answered to one operation."""

    data: Payload = field(repr=False)
    faults: Mapping[str, RemoteError] = field(default_factory=dict)
    """Root field, by its alias -> what went wrong in it; its data may be there in part."""

    def whole(self, root: str) -> Json:
        """Return what stands in a root field. Raises what went wrong in it."""
        if root in self.faults:
            raise self.faults[root]
        return self.data.get(root)


class Gateway:
    """Asks one shop; safe to use from many threads."""

    def __init__(self, settings: Settings, kit: Kit) -> None:
        self._url = f"{settings['api_url']}/graphql.json"
        self._http = kit.http
        self._budget = kit.budget
        self._access = Access(settings, kit.http, kit.tokens)

    def ask(self, operation: Operation, variables: Mapping[str, Any] | None = None) -> Told:
        """Ask one operation.

        Raises TemporaryError (busy, out of order, or, as UncertainError, no answer), PermanentError (not like
        this) and CredentialsError (not with this token). Errors of single root fields are told beside the data.
        """
        if wait := self._budget.take(operation.cost):
            raise busy(wait)
        grant = self._access.current()
        answer = self._post(operation, variables, grant)
        if answer.status == 401:
            answer = self._post(operation, variables, self._access.after_refusal(grant))
            if answer.status == 401:
                raise refused()
        return self._read(answer)

    def _post(self, operation: Operation, variables: Mapping[str, Any] | None, grant: Grant) -> Answer:
        return self._http.request(
            "POST",
            self._url,
            json={"query": operation.text, "variables": variables or {}, "operationName": operation.name},
            headers={"X-Shopify-Access-Token": grant.access_token.reveal(), "Accept": "application/json"},
        )

    def _read(self, answer: Answer) -> Told:
        if fault := of_status(answer):
            raise fault
        told = read_json(answer)
        cost = dig(told, "extensions.cost")
        self._remember(cost)
        data, errors = dig(told, "data"), dig(told, "errors")
        if isinstance(errors, str) and errors:
            errors = [errors]
        faults: dict[str, RemoteError] = {}
        for error in errors if isinstance(errors, list) else []:
            fault = of_error(error, cost)
            root = dig(error, "path[0]")
            if not (isinstance(data, Mapping) and isinstance(root, str) and root in data):
                raise fault
            faults.setdefault(root, fault)
        if not isinstance(data, Mapping):
            raise no_answer(answer)
        return Told(data=data, faults=faults)

    def _remember(self, cost: Json) -> None:
        left, most, rate = (
            amount(dig(cost, f"throttleStatus.{name}"))
            for name in ("currentlyAvailable", "maximumAvailable", "restoreRate")
        )
        if left is not None and most and rate:
            self._budget.tell(left=left, most=most, per_second=rate)
