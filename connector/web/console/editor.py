"""The mapping editor: a real event, the slots of the approved template, and the message on a phone.

What is typed is read by the same functions that read files, previewed by the same that send, and saved as a
draft; a text and a form are two looks at one file. Nothing that was typed is ever lost: what cannot be saved
stays in the page, with what is wrong beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import get_template_attribute, jsonify, make_response, redirect, render_template, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.wrappers import Response as AnyResponse

from connector.errors import Fault, MappingError
from connector.flow import publish
from connector.mapping import kinds
from connector.mapping.document import Form, read_form, write_form
from connector.model import Permission
from connector.store.mappings import Conflict, MappingRow
from connector.web.console import editor_form, editor_page
from connector.web.console.editor_form import Posted, Sheet
from connector.web.console.editor_rows import change_node
from connector.web.console.editor_view import View, gather, live_slots, state_of, todo
from connector.web.console.frame import actor, console, may, needs, record, refuse, say, store
from connector.web.console.mappings import find_row, of_mapping

ADDRESS = "/mappings/<path:name>/edit"
LONGEST_FIND = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What is being worked on: the text, the form of it, and what it was made from."""

    name: str
    row: MappingRow
    revision: int
    """That of the draft which was read when the page was opened."""
    base: str
    """The text that the form was made from, whose comments and order stay."""
    source: str
    sheet: Sheet | None
    """None: the text is edited as such."""
    unknown: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    """Why the text cannot be shown as a form."""
    conflict: Conflict | None = None
    focus: str = ""

    @property
    def is_changed(self) -> bool:
        """Tell whether it says something else than what is saved."""
        return self.source != self.row.draft


Special = Callable[[str, MappingRow], AnyResponse | str]
SPECIAL: dict[str, Special] = {}
"""Editors of other kinds of mappings; they take over the same address."""
PREVIEWS: dict[str, Callable[[str, MappingRow, Posted], Mapping[str, Any]]] = {}
"""Their live previews."""


@console.get(ADDRESS)
@needs(Permission.LOOK)
@of_mapping
def edit_mapping(row: MappingRow) -> AnyResponse | str:
    """Open a mapping's draft; who may not edit sees it read-only."""
    return SPECIAL.get(kinds.kind_of(row.draft), edit_notification)(row.name, row)


@console.post(ADDRESS)
@needs(Permission.EDIT_MAPPINGS)
@of_mapping
def change_mapping(row: MappingRow) -> AnyResponse | str:
    """Do what a button says: save, draw anew with a row more or less, go from form to text and back."""
    return SPECIAL.get(kinds.kind_of(row.draft), edit_notification)(row.name, row)


def edit_notification(name: str, row: MappingRow) -> AnyResponse | str:
    """Open or change a notification mapping."""
    if request.method == "GET":
        draft = open_text(name, row, row.draft, row.revision)
        return draw(replace(draft, sheet=None) if request.args.get("as") == "text" else draft, request.args)
    draft, deed = read_draft(name, row, request.form), request.form.get("do", "save")
    if deed == "save":
        return save(draft, draw, "Nothing is sent by it before you publish.")
    return draw(turn(draft, deed), request.form)


@console.post("/mappings/<path:name>/preview")
@needs(Permission.EDIT_MAPPINGS)
def preview_mapping(name: str) -> AnyResponse:
    """Return as JSON what the typed text makes of the chosen event; nothing is stored."""
    try:
        post = request.form
    except RequestEntityTooLarge:
        return _refuse_preview("That is more than a mapping may hold.", 413)
    if any("\ufffd" in value for value in post.values()) or not ({"as", "base", "source"} & set(post)):
        return _refuse_preview("This is not the editor's form.", 400)
    row = find_row(name)
    if row is None:
        return _refuse_preview("There is no such mapping.", 404)
    special = PREVIEWS.get(kinds.kind_of(row.draft))
    if special is not None:
        return jsonify(special(name, row, post))
    draft = read_draft(name, row, post)
    view = gather(name, draft.source, event=post.get("event", ""), language=post.get("language", "")[:20], lean=True)
    return jsonify(live(view.also(draft.faults), draft.sheet["after"] if draft.sheet else ()))


def _refuse_preview(words: str, code: int) -> AnyResponse:
    return make_response(jsonify(error=words), code)


def live(view: View, after: Sequence[Sheet]) -> Mapping[str, Any]:
    """Return what the page's script puts in its places; every piece of HTML is drawn by the page's own macros.

    ``after``: the rules of the sheet.
    """

    def drawn(macro: str, *given: Any) -> str:
        return str(get_template_attribute("console/_editor.html", macro)(*given)).strip()

    words, done = todo(view)
    by_key = {slot.key: slot for slot in view.slots}
    slots = {
        key: found
        | {"html": drawn("slot_result", by_key[key], found["state"]), "count": drawn("slot_count", by_key[key])}
        for key, found in live_slots(view).items()
    }
    now = {path: drawn("test_now", each) for path, each in view.conditions.items()}
    now |= {path: drawn("recipient_now", each) for path, each in view.recipients.items()}
    now |= {f"after.{place}": drawn("text", editor_page.rule_words(rule)) for place, rule in enumerate(after)}
    now["deeds"] = drawn("deeds", list(editor_page.deeds(after)))
    beside = [[fault.path, fault.words] for fault in view.faults if not _is_told(fault, view)]
    return {
        "sentence": drawn("text", view.seen.sentence),
        "top-faults": drawn("top_faults", view.faults),
        "mend-count": drawn("mend_count", view.faults),
        "phone": drawn("screen", view),
        "verdict": drawn("verdict", view.seen),
        "strip-words": drawn("strip_words", view.seen),
        "todo": drawn("todo_words", words, done),
        "slots": slots,
        "now": now,
        "faults": beside,
        "told": editor_page.told(view),
    }


def _is_told(fault: Fault, view: View) -> bool:
    """Tell whether a slot's own line says it already."""
    key = fault.path.removeprefix("slots.")
    return any(slot.key == key and state_of(slot) in ("fault", "missing") for slot in view.slots)


def read_draft(name: str, row: MappingRow, post: Posted) -> Draft:
    """Read what was posted, as a text or as a form; total for anything that a form can hold."""
    given = post.get("revision", "")
    revision = int(given) if given.isascii() and given.isdigit() and len(given) < 10 else row.revision
    if post.get("as") == "text":
        source = editor_form.clean(post.get("source", ""))
        return Draft(name=name, row=row, revision=revision, base=source, source=source, sheet=None)
    base = editor_form.clean(post.get("base", row.draft))
    try:
        form = read_form(base)
    except MappingError as error:
        return Draft(name=name, row=row, revision=revision, base=base, source=base, sheet=None, faults=error.faults)
    sheet = editor_form.read_posted(post, form)
    return with_sheet(
        Draft(name=name, row=row, revision=revision, base=base, source=base, sheet=sheet, unknown=form.unknown), form
    )


def with_sheet(draft: Draft, form: Form | None = None) -> Draft:
    """Write a draft's sheet into its text."""
    if draft.sheet is None:
        return draft
    types = editor_page.types_of(draft.sheet["when"]["adapter"], draft.sheet["when"]["event"])
    wanted = editor_form.to_form(draft.sheet, types, draft.unknown)
    if form is not None and wanted == form:
        return replace(draft, source=draft.base)
    try:
        return replace(draft, source=write_form(draft.base, wanted))
    except MappingError as error:  # larger than a file may be, or woven into the text in a way that no form knows
        return replace(draft, source=draft.base, faults=error.faults)


def open_text(name: str, row: MappingRow, source: str, revision: int) -> Draft:
    """Open a text as a form; one that is no TOML stays a text, with what is wrong."""
    try:
        form = read_form(source)
    except MappingError as error:
        faults = error.faults
        return Draft(name=name, row=row, revision=revision, base=source, source=source, sheet=None, faults=faults)
    sheet = editor_form.sheet_of(form)
    return Draft(name=name, row=row, revision=revision, base=source, source=source, sheet=sheet, unknown=form.unknown)


def turn(draft: Draft, deed: str) -> Draft:
    """Do what a button says to a draft; nothing is stored."""
    verb, _, rest = deed.partition(":")
    if verb == "as":
        if rest == "text":
            return replace(draft, sheet=None, base=draft.source)
        return open_text(draft.name, draft.row, draft.source, draft.revision) if draft.sheet is None else draft
    if draft.sheet is None:
        return draft
    focus = _change(draft.sheet, verb, rest, deed)
    return replace(with_sheet(draft), focus=focus)


def _change(sheet: Sheet, verb: str, rest: str, deed: str) -> str:
    slots = sheet["slots"]
    if verb in ("row", "group", "drop"):
        return change_node(sheet["when"]["conditions"], deed)
    if verb == "clear":
        slots.pop(rest.removeprefix("slots."), None)
        return ""
    if verb == "fallback":
        key = rest.removeprefix("slots.")
        if slots.get(key):
            slots[key] = editor_page.fallback_for(slots[key])
        return rest
    if verb == "insert":
        into = request.form.get("into", "")
        key = into.removeprefix("slots.")
        if into.startswith("slots.") and len(rest) < 500:
            slots[key] = f"{slots.get(key, '')} {rest}".strip()
        return into
    return editor_form.change(sheet, deed) if verb in ("add", "remove", "up", "down") else ""


def save(draft: Draft, draw: Callable[[Draft, Mapping[str, str]], str], words: str) -> AnyResponse | str:
    """Keep a draft. What has no form cannot be kept and stays in the page; what has other faults can."""
    if draft.faults:
        return make_response(draw(draft, request.form), 422)
    try:
        changed = publish.save(store(), draft.name, draft.source, revision=draft.revision, by=actor().name)
    except MappingError as error:
        return make_response(draw(replace(draft, faults=error.faults), request.form), 422)
    except Conflict as conflict:
        # saving again is then a decision: the page knows theirs from now on
        mine = replace(draft, conflict=conflict, revision=conflict.theirs.revision, row=conflict.theirs)
        return make_response(draw(mine, request.form), 409)
    if changed:
        record("mapping.saved", draft.name, f"Saved the draft of {draft.name}")
        say(f"Draft saved. {words}")
    return redirect(editor_page.back_to(draft.name, request.form), 303)


def draw(draft: Draft, given: Mapping[str, str]) -> str:
    """Draw the editor."""
    find = given.get("find", "").replace("\0", "")[:LONGEST_FIND]
    view = gather(
        draft.name, draft.source, event=given.get("event", ""), language=given.get("language", "")[:20], find=find
    ).also(draft.faults)
    locked = not may(Permission.EDIT_MAPPINGS)
    return render_template("console/editor.html", **editor_page.context(draft, view, given, find=find, locked=locked))


@console.errorhandler(RequestEntityTooLarge)
def too_large(error: HTTPException) -> AnyResponse:
    """Say that a form was larger than any mapping."""
    return refuse(413, "That is too much", "A mapping has at most 64 KB, and a page sends at most 1 MB.")
