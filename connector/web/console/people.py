"""People: who is known, found by whatever is at hand, with where each stands."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from flask import Response, render_template, request

from connector.flow import mask
from connector.flow.portrait import whom
from connector.flow.story import hide_phone
from connector.model import ConsentState, Contact, ContactId, Permission, Purpose, Standing
from connector.store import Transaction, about, consents, counts, find, labels, look
from connector.store import people as rows_of
from connector.store.views import EventFilter
from connector.web.console.frame import console, may, needs, store, tools
from connector.web.console.lists import Sheet, address, argument, as_csv, id_argument, one_of
from connector.web.console.sight import sees_people

COLUMNS = (
    "contact", "phone", "name", "email", "locale", "marketing", "utility", "authentication", "labels", "blocked_at",
    "unreachable_at", "created_at",
)  # fmt: skip
_OURS = re.compile(r"[0-9a-z]{26}")
_ORDER = re.compile(r"#?[A-Za-z]{0,6}-?\d{1,6}|[A-Za-z_]\w*:\S+|#\S{1,40}")
"""What people who see no numbers may look for: orders and records; a longer row of digits may be a phone."""
REFUSED = (
    "Your role does not see names and numbers, so it cannot look for them: look for an order (#1001) or an id instead."
)


@dataclass(frozen=True, slots=True)
class Seen:
    """A person in a list."""

    contact: Contact
    standings: Mapping[Purpose, Standing]
    labels: Collection[str]


@console.get("/people")
@needs(Permission.LOOK)
def people() -> str | Response:
    """List people, or those whom a term means."""
    term, before = argument("q"), id_argument("before")
    given = {
        "label": argument("label"),
        "marketing": one_of("marketing", tuple(ConsentState)),
        "blocked": one_of("blocked", ("1",)),
    }
    given = {name: value for name, value in given.items() if value}
    nameless = [] if term else _nameless()
    with store().read() as tx:
        refused = REFUSED if term and not allowed(term) else ""
        ids = None if not term else [] if refused else who_is_meant(tx, term)
        if request.args.get("format") == "csv":
            return _as_file(given, ids)
        found = _listed(tx, given, ids, before, look.PAGE + 1)
        return render_template(
            "console/people.html",
            rows=_seen(tx, found[: look.PAGE]),
            older=found[look.PAGE - 1].id if len(found) > look.PAGE else "",
            ever=bool(found) or bool(rows_of.listing(tx, most=1)),
            choices={"label": list(labels.count(tx))},
            states=[state.value for state in ConsentState],
            given=given,
            term=term,
            refused=refused,
            before=before,
            address=address,
            unread=counts.troubled(tx),
            nameless=nameless,
        )


def _nameless() -> list[str]:
    """Return the accounts that could tell who people are, and have no contact mapping in force that asks them."""
    catalogue = tools().desk.catalogue
    catalogue.refresh()
    return [
        each.account.name
        for each in tools().directory.all_()
        if each.account.active
        and (files("mappings") / each.account.adapter / "contact.toml").is_file()
        and not catalogue.contacts(each.account)
    ]


def allowed(term: str) -> bool:
    """Tell whether who looks may look for this: whoever sees no people asks for orders and ids alone."""
    if may(Permission.SEE_PEOPLE):
        return True
    return bool(_OURS.fullmatch(term.strip()) or _ORDER.fullmatch(term.strip())) and "@" not in term


def who_is_meant(tx: Transaction, term: str) -> list[ContactId]:
    """Return the people whom a term means: a number, an address, an id, a record, an order, a part of a name."""
    found = dict.fromkeys(whom(tx, term))
    if not found or not _OURS.fullmatch(term):
        found |= dict.fromkeys(_behind(tx, term))
    if may(Permission.SEE_PEOPLE) and len(term) > 1:
        found |= dict.fromkeys(item.id for item in rows_of.search(tx, term, look.PAGE))
    return list(found)


def _behind(tx: Transaction, term: str) -> list[ContactId]:
    """Return the people of an order, a message or an event."""
    hits = find.find(tx, term)
    told = about.recipients(tx, hits.message_ids)
    events = look.list_events(tx, EventFilter(ids=hits.event_ids), most=find.MOST) if hits.event_ids else []
    planned = {told.message_id for event in events for told in event.decisions if told.message_id}
    told |= about.recipients(tx, planned)
    by_account: dict[str, list[str]] = {}
    for event in events:
        by_account.setdefault(event.account_id, []).append(event.id)
    for account_id, ids in by_account.items():
        told |= about.holders(tx, account_id, ids)
    return about.present(tx, sorted(told))


def _listed(
    tx: Transaction, given: Mapping[str, str], ids: Collection[ContactId] | None, before: str, most: int
) -> list[Contact]:
    return rows_of.listing(
        tx, label_name=given.get("label", ""), blocked="blocked" in given, marketing=given.get("marketing", ""),
        ids=ids, before=before, most=most,
    )  # fmt: skip


def _seen(tx: Transaction, found: Sequence[Contact]) -> list[Seen]:
    ids = [item.id for item in found]
    standings, wearing = consents.standings(tx, ids), labels.of(tx, ids)
    return [
        Seen(
            item,
            {purpose: standings[item.id, purpose] for purpose in Purpose if (item.id, purpose) in standings},
            wearing.get(item.id, {}),
        )
        for item in found
    ]


def _as_file(given: Mapping[str, str], ids: Collection[ContactId] | None) -> Response:
    reading, whole = store(), sees_people()

    def page(last: str, most: int) -> list[tuple[str, Sequence[object]]]:
        with reading.read() as tx:
            rows = _seen(tx, _listed(tx, given, ids, last, most))
        return [(row.contact.id, _cells(row, whole)) for row in rows]

    return as_csv(Sheet(name="people", columns=COLUMNS, page=page), [*given, *([] if ids is None else ["q"])])


def _cells(row: Seen, whole: bool) -> Sequence[object]:
    item = row.contact
    private = (item.phone, item.name, item.email)
    shown = private if whole else (hide_phone(item.phone), mask.text(item.name), mask.text(item.email))
    stands = [row.standings[each].state.value if each in row.standings else "unknown" for each in Purpose]
    return (
        item.id, *shown, item.locale, *stands, ", ".join(row.labels), item.blocked_at, item.unreachable_at,
        item.created_at,
    )  # fmt: skip
