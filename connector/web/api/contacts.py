"""People: who they are, what they agreed to, their labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields

from connector.flow import by_hand, portrait
from connector.flow.admit import Notary, Statement
from connector.flow.explain import hide_phones
from connector.flow.portrait import Portrait
from connector.model import ConsentState, ContactId, Entry, KeyKind, Permission, Purpose, Source, now
from connector.store import accounts, consents, labels, people
from connector.web.api.forms import Form, Id, Text, When, Word
from connector.web.api.frame import (
    PageForm,
    actor,
    actor_name,
    needs,
    number,
    page,
    page_of,
    personal,
    pick,
    record,
    room,
    sentence,
    store,
    tools,
)  # fmt: skip
from connector.web.api.problems import Wrong, conflict, missing

contacts = room("People", "Who people are, what they agreed to, and their labels.")


class IdentitySchema(Schema):
    """What a person is recognised by."""

    kind = Word(KeyKind, required=True)
    value = fields.String(required=True)
    account = fields.String(required=True, metadata={"description": "Whose record it is; empty for numbers"})


class StandingSchema(Schema):
    """Where a person stands for one purpose."""

    purpose = Word(Purpose, required=True)
    state = Word(ConsentState, required=True)
    since = When(required=True, allow_none=True)
    words = fields.String(required=True)


class ContactSchema(Schema):
    """A person."""

    id = Id(required=True)
    name = fields.String(required=True)
    phone = fields.String(required=True)
    email = fields.String(required=True)
    region = fields.String(required=True)
    locale = fields.String(required=True)
    timezone = fields.String(required=True)
    blocked = fields.Boolean(required=True)
    unreachable = fields.Boolean(required=True)
    created_at = When(required=True)
    updated_at = When(required=True)


class ContactFileSchema(ContactSchema):
    """A person with what is known of them."""

    identities = fields.List(fields.Nested(IdentitySchema), required=True)
    standings = fields.List(fields.Nested(StandingSchema), required=True)
    labels = fields.List(fields.String(), required=True)


class ContactsForm(PageForm):
    """Which people."""

    q = Text(
        200, load_default="",
        metadata={"description": "A phone number with its country code, e-mail address, id, or record (`customer:55`)"},
    )  # fmt: skip


class EntrySchema(Schema):
    """One line of the ledger; it never changes."""

    id = Id(required=True)
    purpose = Word(Purpose, required=True)
    state = Word(ConsentState, required=True)
    source = Word(Source, required=True)
    account = fields.String(required=True)
    record = fields.String(required=True)
    place = fields.String(required=True)
    wording = fields.String(required=True)
    wording_version = fields.String(required=True)
    evidence = fields.String(required=True)
    actor = fields.String(required=True)
    occurred_at = When(required=True)
    learned_at = When(required=True)


class LedgerSchema(Schema):
    """What a person agreed to, with all the evidence."""

    standings = fields.List(fields.Nested(StandingSchema), required=True)
    entries = fields.List(fields.Nested(EntrySchema), required=True)


class ConsentForm(Form):
    """What somebody said of their consent."""

    who = Text(
        200, 1, required=True, metadata={"description": "Phone number with country code, e-mail address, id, or record"}
    )
    account = Text(100, load_default="", metadata={"description": "The account whose record `who` is"})
    purpose = Word(Purpose, required=True)
    state = Word(("granted", "pending", "revoked"), required=True)
    place = Text(500, load_default="", metadata={"description": "Where and how they said it; a grant must have one"})
    wording = Text(4000, load_default="", metadata={"description": "What they were shown, wrote or tapped"})
    wording_version = Text(100, load_default="")
    evidence = Text(500, load_default="", metadata={"description": "What proves it at your end: a form's number"})
    occurred_at = When(load_default=None, metadata={"description": "When they said it; default: now"})
    key = Text(
        200, load_default="",
        metadata={"description": "Your own id of this fact: the same is entered once, another under it refused (409)"},
    )  # fmt: skip


class AdmittedSchema(Schema):
    """What became of a statement."""

    contact_id = Id(required=True)
    entered = fields.Boolean(required=True, metadata={"description": "False: it was known already, by its key"})
    before = Word(ConsentState, required=True)
    after = Word(ConsentState, required=True)
    words = fields.String(required=True, metadata={"description": "Where they stand now, and why"})


class LabelSchema(Schema):
    """A label of a person."""

    name = fields.String(required=True)
    changed = fields.Boolean(required=True, metadata={"description": "False: it was so already"})


class LabelCountSchema(Schema):
    """How many people have a label."""

    name = fields.String(required=True)
    people = fields.Integer(required=True)


class LabelsSchema(Schema):
    """The labels there are."""

    items = fields.List(fields.Nested(LabelCountSchema), required=True)


@contacts.route("/contacts")
@needs(Permission.LOOK)
@contacts.arguments(ContactsForm, location="query")
@contacts.response(200, page_of(ContactSchema, "Contact"))
def list_contacts(given: Mapping[str, Any]) -> dict[str, Any]:
    """List people, the newest first, or find somebody"""
    with store().read() as tx:
        if given["q"].strip():
            found = sorted(people.load(tx, portrait.whom(tx, given["q"])).values(), key=lambda item: item.id)
            found = [item for item in reversed(found) if not given["cursor"] or item.id < given["cursor"]]
        else:
            found = people.newest(tx, given["cursor"], given["limit"] + 1)
    return page(found, given["limit"], lambda item: str(item.id), _show)


@contacts.route("/contacts/<ident:id>")
@needs(Permission.LOOK)
@contacts.response(200, ContactFileSchema)
def show_contact(id: str) -> dict[str, Any]:  # noqa: A002 - the parameter's name in the document
    """Show one person; somebody who was merged is whom they were merged into"""
    who = _portray(id)
    return _show(who.contact) | {
        "identities": [
            {
                "kind": key.kind.value,
                "value": key.value if key.kind is KeyKind.RECORD else number(key.value),
                "account": who.accounts.get(key.account_id or "", ""),
            }
            for key in who.keys
        ],
        "standings": _standings(who),
        "labels": sorted(who.labels),
    }


@contacts.route("/contacts/<ident:id>/consent")
@needs(Permission.LOOK)
@contacts.response(200, LedgerSchema)
def show_consent(id: str) -> dict[str, Any]:  # noqa: A002 - the parameter's name in the document
    """Show the whole ledger of one person, the oldest first"""
    who = _portray(id)
    return {
        "standings": _standings(who),
        "entries": [
            pick(EntrySchema, entry)
            | {
                "purpose": entry.purpose.value, "state": entry.state.value, "source": entry.source.value,
                "account": who.accounts.get(entry.account_id or "", ""), "wording": personal(entry.wording),
                "place": sentence(entry.place),
                "actor": _actor(entry), "evidence": personal(hide_phones(entry.evidence)),
            }
            for entry in who.entries
        ],
    }  # fmt: skip


@contacts.route("/consent", methods=["POST"])
@needs(Permission.EDIT_PEOPLE)
@contacts.arguments(ConsentForm)
@contacts.response(200, AdmittedSchema)
def enter_consent(given: Mapping[str, Any]) -> dict[str, Any]:
    """Enter what somebody said of their consent

    Somebody whose phone number is new becomes a contact. Shops and CRMs are told as the contact mappings say.
    """
    said = Statement(
        purpose=Purpose(given["purpose"]), state=ConsentState(given["state"]), source=Source.API, actor=actor_name(),
        place=given["place"], wording=given["wording"], wording_version=given["wording_version"],
        evidence=given["evidence"], occurred_at=given["occurred_at"],
        key=f"api:{actor()}:{given['key']}" if given["key"] else "",
    )  # fmt: skip
    with store().read() as tx:
        known = {row.name: row.id for row in accounts.all_(tx)}
    notary = Notary(store(), tools().people, known, tools().spread)
    told = notary.admit(given["who"], [said], now(), account=given["account"])[0]
    if not told.entered:
        _require_same(said, told.contact_id)
    else:
        record("person.consent_changed", told.contact_id, f"{said.purpose} {said.state}")
    return {
        "contact_id": told.contact_id, "entered": told.entered, "before": told.before.state.value,
        "after": told.after.state.value, "words": hide_phones(told.after.words),
    }  # fmt: skip


@contacts.route("/labels")
@needs(Permission.LOOK)
@contacts.response(200, LabelsSchema)
def list_labels() -> dict[str, Any]:
    """List all labels, and how many people have each"""
    with store().read() as tx:
        found = labels.count(tx)
    return {"items": [{"name": name, "people": count} for name, count in found.items()]}


@contacts.route("/contacts/<ident:id>/labels/<label:name>", methods=["PUT"])
@needs(Permission.EDIT_PEOPLE)
@contacts.response(200, LabelSchema)
def add_label(id: str, name: str) -> dict[str, Any]:  # noqa: A002 - the parameter's name in the document
    """Put a label on a person"""
    return _label(id, name, added=True)


@contacts.route("/contacts/<ident:id>/labels/<label:name>", methods=["DELETE"])
@needs(Permission.EDIT_PEOPLE)
@contacts.response(200, LabelSchema)
def remove_label(id: str, name: str) -> dict[str, Any]:  # noqa: A002 - the parameter's name in the document
    """Take a label off a person"""
    return _label(id, name, added=False)


def _label(id_: str, name: str, *, added: bool) -> dict[str, Any]:
    with store().read() as tx:
        present = consents.present(tx, ContactId(id_))
    if present is None:
        raise missing("contact")
    done = by_hand.label(store(), tools().desk, present, name, now(), added=added, by=actor_name())
    if done.changed:
        record("person.labelled", present, f"{'+' if added else '-'} {name}")
    return {"name": name, "changed": done.changed}


def _show(item: Any) -> dict[str, Any]:
    return {
        "id": item.id, "name": personal(item.name), "phone": number(item.phone), "email": personal(item.email),
        "region": item.region, "locale": item.locale, "timezone": item.timezone,
        "blocked": item.blocked_at is not None, "unreachable": item.unreachable_at is not None,
        "created_at": item.created_at, "updated_at": item.updated_at,
    }  # fmt: skip


def _require_same(said: Statement, who: ContactId) -> None:
    """Let nobody believe that a new fact was entered under the key of another. Raises ProblemError."""
    with store().read() as tx:
        known = consents.by_key(tx, said.key)
        same = known is not None and consents.present(tx, known.contact_id) == who
    if known is None or not same or (known.purpose, known.state) != (said.purpose, said.state):
        raise conflict(Wrong("key", "Another fact was entered under this key; each has a key of its own."))


def _portray(id_: str) -> Portrait:
    with store().read() as tx:
        present = consents.present(tx, ContactId(id_))
        who = portrait.portray(tx, present, now()) if present else None
    if who is None:
        raise missing("contact")
    return who


def _standings(who: Portrait) -> list[dict[str, Any]]:
    return [
        {"purpose": purpose.value, "state": item.state.value, "since": item.since, "words": sentence(item.words)}
        for purpose, item in who.standings.items()
    ]


def _actor(entry: Entry) -> str:
    """Return who entered it: of our own people and programs their names, of others a mask."""
    ours = entry.source in (Source.ADMIN, Source.IMPORT, Source.API)
    return hide_phones(entry.actor) if ours else personal(hide_phones(entry.actor))
