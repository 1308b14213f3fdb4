"""Writes back to Shopify: native WhatsApp consent, tags and metafields; finds customers by number.

Many changes share a request, each under an alias of its own, so that each has its own outcome. Whatever is
written here may be written again without a change: what Shopify holds already, it keeps.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, TypeVar

from adapters.shopify import operations
from adapters.shopify.faults import of_user_error
from adapters.shopify.gateway import Gateway, Told
from adapters.shopify.writing import HOLDS, Part, advice, parts
from connector.contract import Change, Crm, Field, Outcome
from connector.errors import PermanentError, RemoteError, TemporaryError, UncertainError
from connector.model import Json, dig, now, text_at

ALIASES = 20
"""Mutations of one request: 200 of its 1000 points, so that a small shop's budget takes several."""
METAFIELDS = 25
"""Of one ``metafieldsSet``, which writes all of them or none."""
_PHONE = re.compile(r"\+[1-9]\d{5,14}")

T = TypeVar("T")
Errors = dict[int, RemoteError]
"""Index of a change -> why it was not written."""


class ShopifyCrm(Crm):
    """One shop's customers and orders."""

    most = 50

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def record(self, changes: Sequence[Change]) -> Sequence[Outcome]:
        """Write changes, in as few requests as their outcomes can be told apart in.

        Raises TemporaryError where Shopify took nothing at all, and CredentialsError.
        """
        errors: Errors = {}
        asked: list[Part] = []
        moment = now()
        for row, change in enumerate(changes):
            try:
                asked += list(parts(change, row, moment))
            except PermanentError as error:
                errors[row] = error
        self._write(_bundled(asked), errors)
        return [Outcome(change, errors.get(row)) for row, change in enumerate(changes)]

    def fields(self, object: str) -> Sequence[Field]:  # noqa: A002 - the contract's word
        """Describe what can be written. Raises PermanentError for anything but customers and orders."""
        if object not in HOLDS:
            raise PermanentError(f"Shopify has no {object} that could be written.", advice=f"Use {', '.join(HOLDS)}.")
        return HOLDS[object]

    def find(self, object: str, phones: Sequence[str]) -> Mapping[str, str]:  # noqa: A002 - the contract's word
        """Look up customers by number, as Shopify keeps it, else by its search; an ambiguous one is not found."""
        wanted = [phone for phone in dict.fromkeys(phones) if _PHONE.fullmatch(phone)] if object == "customer" else []
        found: dict[str, str] = {}
        for field, variable in (
            (operations.CUSTOMER_BY_NUMBER, lambda phone: {"identifier": {"phoneNumber": phone}}),
            (operations.CUSTOMERS_BY_QUERY, lambda phone: {"query": f'phone:"{phone}"'}),
        ):
            missing = [phone for phone in wanted if phone not in found]
            for chunk in _chunks(missing, ALIASES):
                told = self._ask("query", [(field, variable(phone)) for phone in chunk])
                for index, phone in enumerate(chunk):
                    if id_ := _number(_found(told, index, phone)):
                        found[phone] = id_
        return found

    def _write(self, asked: Sequence[Part], errors: Errors) -> None:
        waiting = deque(_chunks(asked, ALIASES))
        answered = False
        while waiting:
            chunk = waiting.popleft()
            try:
                told = self._ask("mutation", [(part.field, part.variables) for part in chunk])
            except TemporaryError as error:
                if not answered:
                    raise
                for part in (*chunk, *chain.from_iterable(waiting)):
                    _note(part.rows, error, errors)
                return
            except PermanentError as error:
                # The document as a whole: one row's fault must not be everybody's.
                if halves := _halves(chunk):
                    waiting.extendleft(reversed(halves))
                else:
                    _note(chunk[0].rows, error, errors)
                continue
            answered = True
            again = [
                one for index, part in enumerate(chunk) for one in _settle(part, _wrong(told, index, part), errors)
            ]
            waiting.extend(_chunks(again, ALIASES))

    def _ask(self, kind: str, asked: Sequence[tuple[operations.Field, Mapping[str, Any]]]) -> Told:
        variables = {
            operations.variable(name, index): value
            for index, (_, given) in enumerate(asked)
            for name, value in given.items()
        }
        return self._gateway.ask(operations.together(kind, [field for field, _ in asked]), variables)


Wrong = list[tuple[tuple[int, ...], RemoteError]]
"""Rows (none: nobody knows which of the part) -> what is wrong."""


def _wrong(told: Told, index: int, part: Part) -> Wrong:
    """Return what a part's answer says is wrong; nothing where it was written."""
    alias = operations.alias(index)
    if fault := told.faults.get(alias):
        return [(part.rows, fault)]
    user_errors = dig(told.data.get(alias), "userErrors")
    if not isinstance(user_errors, list):
        unknown = UncertainError("Shopify did not say what became of it.", code="no_outcome")
        return [(part.rows, unknown)]
    return [
        (_row(error, part), of_user_error(error, advice(part.field, text_at(error, "message"))))
        for error in user_errors
    ]


def _row(error: Json, part: Part) -> tuple[int, ...]:
    """Return the row that an error is about: the only one, or the one whose place it names."""
    if len(part.rows) == 1:
        return part.rows
    place = text_at(error, "elementIndex", "field[1]")
    index = int(place) if place.isascii() and place.isdigit() and len(place) < 4 else len(part.rows)
    return part.rows[index : index + 1]


def _settle(part: Part, wrong: Wrong, errors: Errors) -> list[Part]:
    """Note what is wrong; return what must be asked again: of rows written together, those not at fault."""
    together = len(part.rows) > 1
    if part.field is not operations.METAFIELDS_SET or any(together and rows == part.rows for rows, _ in wrong):
        for rows, error in wrong:
            _note(rows, error, errors)
        return []
    again = {row: one for one in _single(part) for row in one.rows} if wrong else {}
    for rows, error in wrong:
        for row in rows:
            one = again.pop(row, None)
            if one and error.code == "INVALID_TYPE" and _is_typed(one):
                again[row] = _untyped(one)  # the shop's own definition says what type it has
            else:
                _note(rows, error, errors)
    return [one for row, one in again.items() if row not in errors]


def _note(rows: Iterable[int], error: RemoteError, errors: Errors) -> None:
    for row in rows:
        errors.setdefault(row, error)


def _halves(chunk: Sequence[Part]) -> list[Sequence[Part]]:
    """Divide what was refused as a whole; nothing where it is one row already."""
    if len(chunk) == 1:
        chunk = _single(chunk[0])
    middle = len(chunk) // 2
    return [chunk[:middle], chunk[middle:]] if middle else []


def _bundled(asked: Sequence[Part]) -> list[Part]:
    """Put metafields together, as many as one call takes; the rest stays as it is."""
    metafields = [part for part in asked if part.field is operations.METAFIELDS_SET]
    bundles = [
        Part(
            field=operations.METAFIELDS_SET,
            variables={"metafields": [item for part in chunk for item in part.variables["metafields"]]},
            rows=tuple(row for part in chunk for row in part.rows),
        )
        for chunk in _chunks(metafields, METAFIELDS)
    ]
    return [*(part for part in asked if part.field is not operations.METAFIELDS_SET), *bundles]


def _single(part: Part) -> list[Part]:
    """Take apart what was put together."""
    if len(part.rows) == 1:
        return [part]
    return [
        Part(field=part.field, variables={"metafields": [item]}, rows=(row,))
        for row, item in zip(part.rows, part.variables["metafields"], strict=True)
    ]


def _is_typed(part: Part) -> bool:
    return any("type" in item for item in part.variables["metafields"])


def _untyped(part: Part) -> Part:
    items = [{name: value for name, value in item.items() if name != "type"} for item in part.variables["metafields"]]
    return Part(field=part.field, variables={"metafields": items}, rows=part.rows)


def _chunks(items: Sequence[T], size: int) -> list[Sequence[T]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _found(told: Told, index: int, phone: str) -> Json:
    """Return the id that a look-up found. Raises what went wrong, but for a number that Shopify cannot read."""
    alias = operations.alias(index)
    fault = told.faults.get(alias)
    if isinstance(fault, TemporaryError) or (fault and fault.code == "ACCESS_DENIED"):
        raise fault
    answer = told.data.get(alias)
    nodes = dig(answer, "nodes")
    if isinstance(nodes, list):
        nodes = [node for node in nodes if text_at(node, "defaultPhoneNumber.phoneNumber") == phone]
        answer = nodes[0] if len(nodes) == 1 else None
    return dig(answer, "id")


def _number(id_: Json) -> str:
    match = re.fullmatch(r"gid://shopify/Customer/(\d{1,20})", id_) if isinstance(id_, str) else None
    return match[1] if match else ""
