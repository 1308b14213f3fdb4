"""The editor of contact mappings: a vendor's field beside a contact's, which way it goes, and who wins.

The people policy has no form: it is edited as a text, with the same check.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import get_template_attribute, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from connector.contract import Adapter, Field
from connector.errors import ConfigurationError, MappingError, RemoteError
from connector.flow import fields, picker, publish, workbench
from connector.flow.workbench import Bench, ContactPreview, ReadView
from connector.mapping.contact import CONSENT, LABELS, PLAIN
from connector.mapping.document_contact import ContactForm, read_contact_form, write_contact_form
from connector.model import Permission
from connector.store.mappings import MappingRow
from connector.web.console import contact_sheet, editor
from connector.web.console.editor import Draft
from connector.web.console.editor_form import Posted, change, clean
from connector.web.console.editor_page import conflict_of, differs, place_faults
from connector.web.console.editor_view import Beside, adapter_of, choose, offers_of, options_of, show_raw
from connector.web.console.frame import may, tools
from connector.web.console.sight import sees_people

SAVED = "It is not in force before you publish."
FRESH_SECONDS = 600.0
"""How long a vendor's description of its fields is kept; where it could not be asked, a tenth of that."""
CONTACT_FIELDS: Mapping[str, str] = {
    "phone": "phone", "wa_id": "WhatsApp id", "email": "e-mail", "name": "name", "region": "country",
    "locale": "language", "timezone": "time zone", "labels": "labels, all of them",
    "labels.added": "labels that were added", "labels.removed": "labels that were removed",
    "consent.marketing": "consent to marketing", "consent.utility": "consent to utility",
    "consent.authentication": "consent to authentication",
}  # fmt: skip
_described: dict[tuple[int, str, str], tuple[float, tuple[Field, ...], str]] = {}
_lock = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class ContactView(Beside):
    """All that the page draws beside the form."""

    seen: ContactPreview
    vendor: Sequence[Field] = ()
    told_by: str = ""
    """Who says which fields the vendor has: ``the vendor``, ``the adapter``, or why nobody does."""

    @property
    def reads(self) -> dict[str, ReadView]:
        """What each row read of the event, by its path."""
        return {each.path: each for each in self.seen.fields}


def edit_contact(name: str, row: MappingRow) -> AnyResponse | str:
    """Open or change a contact mapping; the address is that of all mappings."""
    if request.method == "GET":
        draft = _open(name, row, row.draft, row.revision)
        return _draw(replace(draft, sheet=None) if request.args.get("as") == "text" else draft, request.args)
    draft, deed = _read(name, row, request.form), request.form.get("do", "save")
    return editor.save(draft, _draw, SAVED) if deed == "save" else _draw(_turn(draft, deed), request.form)


def edit_text(name: str, row: MappingRow) -> AnyResponse | str:
    """Open or change a mapping that has no form: the people policy, rates."""
    if request.method == "GET":
        return _draw(_text(name, row, row.draft, row.revision), request.args)
    draft = _text(name, row, clean(request.form.get("source", "")), contact_sheet.revision_of(request.form, row))
    deed = request.form.get("do", "save")
    return editor.save(draft, _draw, SAVED) if deed == "save" else _draw(draft, request.form)


def _text(name: str, row: MappingRow, source: str, revision: int) -> Draft:
    return Draft(name=name, row=row, revision=revision, base=source, source=source, sheet=None)


def _open(name: str, row: MappingRow, source: str, revision: int) -> Draft:
    draft = _text(name, row, source, revision)
    try:
        return replace(draft, sheet=contact_sheet.sheet_of(read_contact_form(source)))
    except MappingError as error:
        return replace(draft, faults=error.faults)


def _read(name: str, row: MappingRow, post: Posted) -> Draft:
    revision = contact_sheet.revision_of(post, row)
    if post.get("as") == "text":
        return _text(name, row, clean(post.get("source", "")), revision)
    draft = _text(name, row, clean(post.get("base", row.draft)), revision)
    try:
        form = read_contact_form(draft.base)
    except MappingError as error:
        return replace(draft, faults=error.faults)
    return _with_sheet(replace(draft, sheet=contact_sheet.read_posted(post, form)), form)


def _with_sheet(draft: Draft, form: ContactForm | None = None) -> Draft:
    if draft.sheet is None:
        return draft
    wanted = contact_sheet.to_form(draft.sheet)
    if wanted == form:
        return replace(draft, source=draft.base)
    try:
        return replace(draft, source=write_contact_form(draft.base, wanted))
    except MappingError as error:
        return replace(draft, source=draft.base, faults=error.faults)


def _turn(draft: Draft, deed: str) -> Draft:
    verb, _, rest = deed.partition(":")
    if verb == "as":
        return _text(draft.name, draft.row, draft.source, draft.revision) if rest == "text" else _reopened(draft)
    if draft.sheet is None or verb not in ("add", "remove", "up", "down"):
        return draft
    focus = change(draft.sheet, deed, contact_sheet.blank)
    return replace(_with_sheet(draft), focus=focus)


def _reopened(draft: Draft) -> Draft:
    return draft if draft.sheet else _open(draft.name, draft.row, draft.source, draft.revision)


def preview_contact(name: str, row: MappingRow, post: Posted) -> Mapping[str, Any]:
    """Return as JSON what the typed text makes of the chosen event."""
    draft = _read(name, row, post)
    view = _gather(draft, post, lean=True).also(draft.faults)

    def drawn(macro: str, *given: Any) -> str:
        return str(get_template_attribute("console/_editor.html", macro)(*given)).strip()

    return {
        "now": {path: drawn("read_now", each) for path, each in view.reads.items()},
        "top-faults": drawn("top_faults", view.faults),
        "mend-count": drawn("mend_count", view.faults),
        "faults": [[fault.path, fault.words] for fault in view.faults],
        "told": _told(view),
    }


def _told(view: ContactView) -> str:
    read = sum(bool(each.value) for each in view.seen.fields)
    return f"{read} of {len(view.seen.fields)} fields read" + (f"; {len(view.faults)} to mend" if view.faults else "")


def _gather(draft: Draft, given: Mapping[str, str], *, lean: bool = False) -> ContactView:
    bench = Bench.of(tools())
    try:
        form = read_contact_form(draft.source)
    except MappingError as error:
        return ContactView(seen=ContactPreview(event=None, faults=error.faults), faults=error.faults)
    adapter = adapter_of(form.adapter)
    events = [event for item in form.records for event in item.events]
    listed = (
        [each for event in events for each in workbench.choices(bench, form.adapter, event, most=5)] if adapter else []
    )
    listed.sort(key=lambda each: (each.id is None, -each.at.timestamp()))
    seen = workbench.preview_contact(bench, draft.name, draft.source, choose(listed, given.get("event", "")))
    visible = sees_people()
    seen = seen if visible else workbench.masked_contact(seen)
    if lean or adapter is None:
        return ContactView(seen=seen, faults=seen.faults, adapter=adapter)
    offers = offers_of(bench, adapter, seen.event)
    offers = offers if visible else picker.masked(offers)
    find = given.get("find", "")[: editor.LONGEST_FIND]
    vendor, told_by = describe(adapter, form.object)
    return ContactView(
        seen=seen, faults=seen.faults, options=options_of(listed, seen.event), offers=offers,
        fields=picker.find(offers, find) if find else offers, raw=show_raw(seen.payload), adapter=adapter,
        accounts=[each.account.name for each in tools().directory.all_() if each.account.adapter == form.adapter],
        vendor=vendor, told_by=told_by,
    )  # fmt: skip


def describe(adapter: Adapter, object_: str) -> tuple[tuple[Field, ...], str]:
    """Return the vendor's fields of an object and who told them; asked of the vendor at most every ten minutes."""
    key = id(tools()), adapter.name, object_
    with _lock:
        known = _described.get(key)
        if known is None or known[0] < time.monotonic():
            found, by = _ask(adapter, object_)
            keep = FRESH_SECONDS if by == "the vendor" else FRESH_SECONDS / 10
            known = _described[key] = time.monotonic() + keep, found, by
    return known[1], known[2]


def _ask(adapter: Adapter, object_: str) -> tuple[tuple[Field, ...], str]:
    for reached in tools().directory.all_():
        if reached.account.adapter != adapter.name:
            continue
        try:
            found = tools().crm(reached.account.id)
            if found is not None:
                told = fields.describe(adapter, found[1], object_)
                return told.fields, told.source
        except (RemoteError, ConfigurationError):
            continue
    try:
        told = fields.describe(adapter, None, object_)
    except ConfigurationError as error:
        return (), str(error)
    return told.fields, told.source


def _draw(draft: Draft, given: Mapping[str, str]) -> str:
    locked = not may(Permission.EDIT_MAPPINGS)
    common = {
        "name": draft.name, "row": draft.row, "row_changed": differs(draft.name, draft.row),
        "revision": draft.revision, "base": draft.base, "source": draft.source, "sheet": draft.sheet,
        "as_text": draft.sheet is None, "locked": locked, "dirty": draft.source != draft.row.draft,
        "focus": draft.focus, "title": draft.sheet["title"] if draft.sheet else "", "find": given.get("find", ""),
        "into": "", "opened": "", **conflict_of(draft.conflict, draft.source),
    }  # fmt: skip
    if not contact_sheet.is_contact(draft.row.draft):
        faults = draft.faults or publish.find_form_faults(draft.name, draft.source)
        return render_template("console/editor_text.html", faults=place_faults(faults, draft.source), **common)
    view = _gather(draft, given).also(draft.faults)
    return render_template(
        "console/contact_editor.html", view=view, told=_told(view), contact_fields=CONTACT_FIELDS, plain=PLAIN,
        labels=LABELS, consent=CONSENT, text_faults=place_faults(draft.faults or view.faults, draft.source), words=[],
        **common,
    )  # fmt: skip


editor.SPECIAL["contact"] = edit_contact
editor.SPECIAL["policy"] = editor.SPECIAL["rates"] = edit_text
editor.PREVIEWS["contact"] = preview_contact
