"""A contact mapping's form as it is posted; see :mod:`connector.web.console.editor_form`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.mapping import kinds
from connector.mapping.document_contact import ContactForm, FieldPart, RecordPart
from connector.store.mappings import MappingRow
from connector.web.console.editor_form import Posted, Sheet, in_order, listed, places, text_of

TEXTS = ("contact", "vendor", "direction", "at", "source", "place", "write_at", "write_source", "separator", "wins")
LISTS = ("paths", "region", "events", "only")
"""Lists that stand in one box, with commas between."""


def is_contact(source: str) -> bool:
    """Tell whether a text is a contact mapping."""
    return kinds.kind_of(source) == "contact"


def revision_of(post: Posted, row: MappingRow) -> int:
    """Return the revision of the draft that a page was made from."""
    given = post.get("revision", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 10 else row.revision


def sheet_of(form: ContactForm) -> Sheet:
    """Return the sheet that shows a form."""
    return {
        "title": form.title,
        "description": form.description,
        "adapter": form.adapter,
        "object": form.object,
        "accounts": list(form.accounts),
        "look_up": form.look_up,
        "records": [{"events": ", ".join(each.events), "id": each.id} for each in form.records],
        "fields": [_sheet_of_field(each) for each in form.fields],
        "unknown": form.unknown,
    }


def _sheet_of_field(part: FieldPart) -> Sheet:
    return {
        **{name: getattr(part, name) for name in TEXTS},
        **{name: ", ".join(getattr(part, name)) for name in LISTS},
        "values": [[theirs, ours] for theirs, ours in part.values.items()],
    }


def read_posted(post: Posted, base: ContactForm) -> Sheet:
    """Read what was posted."""
    return {
        "title": text_of(post, "title"),
        "description": text_of(post, "description"),
        "adapter": base.adapter,
        "object": text_of(post, "object") or base.object,
        "accounts": in_order(post.getlist("accounts"), base.accounts),
        "look_up": "look_up" in post,
        "records": [
            {name: text_of(post, f"records.{place}.{name}") for name in ("events", "id")}
            for place in places(post, "records", ".id")
        ],
        "fields": [_posted_field(post, f"fields.{place}") for place in places(post, "fields", ".contact")],
        "unknown": base.unknown,
    }


def _posted_field(post: Posted, path: str) -> Sheet:
    rows = places(post, f"{path}.values", ".theirs")
    return {
        **{name: text_of(post, f"{path}.{name}") for name in (*TEXTS, *LISTS)},
        "values": [[text_of(post, f"{path}.values.{place}.{side}") for side in ("theirs", "ours")] for place in rows],
    }


def to_form(sheet: Sheet) -> ContactForm:
    """Return the form that a sheet means."""
    return ContactForm(
        title=sheet["title"],
        description=sheet["description"].strip(),
        adapter=sheet["adapter"],
        object=sheet["object"],
        accounts=tuple(sheet["accounts"]),
        look_up=sheet["look_up"],
        records=tuple(RecordPart(events=listed(each["events"]), id=each["id"].strip()) for each in sheet["records"]),
        fields=tuple(map(_field, sheet["fields"])),
        unknown=sheet["unknown"],
    )


def _field(row: Mapping[str, Any]) -> FieldPart:
    parts: dict[str, Any] = {name: row[name] for name in TEXTS} | {name: listed(row[name]) for name in LISTS}
    parts |= {"wins": row["wins"] or "newest", "direction": row["direction"] or "in"}
    return FieldPart(**parts, values={theirs: ours for theirs, ours in row["values"] if theirs or ours})


def blank(path: str) -> Any:
    """Return a row that nobody has filled in, for the list at this path."""
    if path == "fields":
        return _sheet_of_field(FieldPart())
    return {"events": "", "id": ""} if path == "records" else ["", ""]
