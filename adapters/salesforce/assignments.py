"""Labels as topics: each label a Topic by its name, each record that has it a TopicAssignment.

Topics belong to everybody in the organisation, so one that is missing is made and none is ever deleted; of the
assignments only those named are touched. A topic's name takes no regard of case, and has at most 99 characters.
Source: Object Reference, Topic and TopicAssignment (API 64.0).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from adapters.salesforce.batches import WRITE_MOST, Told, create, delete
from adapters.salesforce.client import Client
from adapters.salesforce.rows import TOPICS, Batch
from connector.contract import Delta
from connector.errors import PermanentError, RemoteError
from connector.model import text_at

NAME_MOST = 99
ASSIGNMENTS_MOST = 1000
"""That one query may find: more than 1,100 are not given to a user who does not see all data."""
NAMES_MOST = 50
"""Names or ids of topics in one query: it goes in the URL."""
_DONE = frozenset({"DUPLICATE_VALUE", "ENTITY_IS_DELETED"})
"""Somebody else was quicker."""
T = TypeVar("T")


def assign(client: Client, batch: Batch) -> None:
    """Carry out the topic deltas of a batch; what fails is noted there. Raises a RemoteError about the account."""
    rows = [row for row in batch.rows if TOPICS in row.deltas]
    if not rows:
        return
    wanted = {row.id: _wanted(row.deltas[TOPICS]) for row in rows}
    for row in rows:
        if any(not 0 < len(name.strip()) <= NAME_MOST for name in wanted[row.id]):
            batch.refuse(row, [TOPICS], PermanentError(f"A topic's name has 1 to {NAME_MOST} characters."))
            wanted.pop(row.id)
    rows = [row for row in rows if row.id in wanted]
    try:
        errors = _carry_out(client, wanted)
    except PermanentError as error:
        errors = dict.fromkeys(wanted, error)
    for row in rows:
        if failed := errors.get(row.id):
            batch.refuse(row, [TOPICS], failed)
        row.deltas.pop(TOPICS, None)


def _wanted(deltas: Sequence[Delta]) -> dict[str, bool]:
    """Return topics' names -> whether the record shall have them; the later delta counts."""
    found: dict[str, bool] = {}
    for delta in deltas:
        found |= dict.fromkeys(delta.remove, False) | dict.fromkeys(delta.add, True)
    return found


def _carry_out(client: Client, wanted: Mapping[str, Mapping[str, bool]]) -> dict[str, RemoteError]:
    names = sorted({name for topics in wanted.values() for name in topics})
    adding = {name.lower() for topics in wanted.values() for name, on in topics.items() if on}
    topics, errors = _topics(client, names, adding)
    held = _held(client, list(wanted), sorted(topics.values()))
    making: list[tuple[str, str]] = []
    ending: list[tuple[str, str]] = []
    failed: dict[str, RemoteError] = {}
    for record_id, changes in wanted.items():
        for name, on in changes.items():
            topic = topics.get(name.lower(), "")
            assignment = held.get((record_id, topic), "")
            if on and not topic:
                failed[record_id] = errors[name.lower()]
            elif on and not assignment:
                making.append((record_id, topic))
            elif not on and assignment:
                ending.append((record_id, assignment))
    for part in _parts(making, WRITE_MOST):
        records = [{"EntityId": record_id, "TopicId": topic} for record_id, topic in part]
        _note(failed, part, create(client, "TopicAssignment", records))
    for part in _parts(ending, WRITE_MOST):
        _note(failed, part, delete(client, [assignment for _, assignment in part]))
    return failed


def _note(failed: dict[str, RemoteError], part: Sequence[tuple[str, str]], told: Sequence[Told]) -> None:
    for (record_id, _), one in zip(part, told, strict=True):
        if one.error and one.error.code not in _DONE:
            failed[record_id] = one.error


def _topics(client: Client, names: Sequence[str], adding: set[str]) -> tuple[dict[str, str], dict[str, RemoteError]]:
    """Return topics' ids by lower-case name, those to be added made where they are missing, and what went wrong."""
    found: dict[str, str] = {}
    for part in _parts(list(names), NAMES_MOST):
        listed = ", ".join(map(_quoted, part))
        records = client.query(f"SELECT Id, Name FROM Topic WHERE Name IN ({listed})")["records"]  # noqa: S608 - quoted
        assert isinstance(records, list)  # noqa: S101 - the client has checked it
        found |= {text_at(record, "Name").lower(): text_at(record, "Id") for record in reversed(records)}
    missing = list(
        {name.lower(): name for name in names if name.lower() in adding and name.lower() not in found}.values()
    )
    errors: dict[str, RemoteError] = {}
    for part in _parts(missing, WRITE_MOST):
        for name, told in zip(part, create(client, "Topic", [{"Name": name} for name in part]), strict=True):
            if told.error or not told.id:
                errors[name.lower()] = told.error or PermanentError("Salesforce made a topic without an id.")
            else:
                found[name.lower()] = told.id
    return found, errors


def _held(client: Client, ids: Sequence[str], topics: Sequence[str]) -> dict[tuple[str, str], str]:
    """Return assignments' ids by record and topic."""
    found: dict[tuple[str, str], str] = {}
    for some in _parts(list(topics), NAMES_MOST):
        for part in _parts(list(ids), max(1, min(WRITE_MOST, ASSIGNMENTS_MOST // len(some)))):
            records = client.query(
                "SELECT Id, EntityId, TopicId FROM TopicAssignment "  # noqa: S608 - ids have been checked
                f"WHERE EntityId IN ({', '.join(map(_quoted, part))}) AND TopicId IN ({', '.join(map(_quoted, some))}) "
                f"LIMIT {ASSIGNMENTS_MOST}"
            )["records"]
            assert isinstance(records, list)  # noqa: S101 - the client has checked it
            for record in records:
                found[text_at(record, "EntityId"), text_at(record, "TopicId")] = text_at(record, "Id")
    return found


def _parts(items: list[T], most: int) -> Iterator[list[T]]:
    return (items[start : start + most] for start in range(0, len(items), most))


def _quoted(text: str) -> str:
    from simple_salesforce.format import quote_soql_value

    return str(quote_soql_value(text))
