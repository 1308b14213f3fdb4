"""What the templates of the editor are given: words, choices, where faults lead to, what lands where."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from connector.errors import ConfigurationError, Fault, MappingError
from connector.flow import picker
from connector.mapping.document import read_form
from connector.mapping.rules import OUTCOMES
from connector.store import mappings
from connector.store.mappings import Conflict, MappingRow
from connector.web.console import editor_words
from connector.web.console.editor_form import PURPOSES, Sheet
from connector.web.console.editor_rows import KINDS, locate, takes_of
from connector.web.console.editor_view import TemplateChoice, View, filter_words, state_of, todo
from connector.web.console.frame import console, store, tools

if TYPE_CHECKING:
    from connector.web.console.editor import Draft

OUTCOME_WORDS: Mapping[str, str] = {
    "delivered": "delivered",
    "read": "read",
    "replied": "answered",
    "button": "a button is tapped",
    "undeliverable": "undeliverable",
}
AROUND = 3
"""Lines that are shown on both sides of a difference."""
DEED_LINES = (
    ("add_labels", "Add labels", "vip, wholesale"),
    ("remove_labels", "Remove labels", "with commas between"),
    ("add_tags", "Add tags", "tags of the order or record"),
    ("remove_tags", "Remove tags", "with commas between"),
)

console.add_app_template_filter(editor_words.slot_words, "slot_words")
console.add_app_template_filter(state_of, "slot_state")
console.add_app_template_filter(takes_of, "takes")
console.add_app_template_filter(picker.operators_for, "operators")


@console.app_template_filter("rule_words")
def rule_words(rule: Sheet) -> str:
    """Say in a few words when a rule counts and what it does."""
    what = [deed["what"] for deed in deeds([rule])]
    more = f" and {len(what) - 1} more" if len(what) > 1 else ""
    on = OUTCOME_WORDS.get(rule["on"], rule["on"])
    return f"{on} → {what[0][:60]}{more}" if what else f"{on} → nothing yet"


@console.app_template_filter("slot_kind")
def slot_kind(kind: str) -> str:
    """Say what a slot takes."""
    return editor_words.KINDS.get(kind, kind)


@console.app_template_filter("type_sign")
def type_sign(type_: str) -> str:
    """Return the sign in front of a field of this type."""
    return editor_words.TYPES.get(type_, "Aa")


@console.app_template_filter("fault_at")
def fault_at(fault: Fault) -> str:
    """Say in words where a fault is, where a path alone would say little."""
    head, _, rest = fault.path.partition(".")
    return editor_words.slot_words(rest) if head == "slots" and rest else ""


@console.app_template_filter("anchor")
def anchor(fault: Fault) -> str:
    """Return the id of what a fault leads to."""
    head, _, rest = fault.path.partition(".")
    if head == "slots" and rest:
        return f"slot-{rest}"
    return f"sec-{head}" if head in ("when", "to", "template", "timing", "after", "slots") else "sec-about"


def context(draft: Draft, view: View, given: Mapping[str, str], *, find: str, locked: bool) -> dict[str, Any]:
    """Return the variables of ``editor.html``."""
    sheet = draft.sheet
    common = {
        "name": draft.name, "row": draft.row, "row_changed": differs(draft.name, draft.row), "revision": draft.revision,
        "base": draft.base, "source": draft.source, "sheet": sheet, "as_text": sheet is None, "view": view,
        "unknown": draft.unknown, "locked": locked, "dirty": draft.is_changed, "focus": draft.focus, "find": find,
        "into": given.get("into", ""), "language": given.get("language", ""), "told": told(view), "todo": todo(view),
        "words": filter_words() if not locked else [], "title": _title(draft), "opened": _section(given.get("do", "")),
        "text_faults": place_faults(draft.faults or (view.faults if sheet is None else ()), draft.source),
        **conflict_of(draft.conflict, draft.source),
    }  # fmt: skip
    return common | (_choices(sheet, view) if sheet is not None else {})


def _choices(sheet: Sheet, view: View) -> dict[str, Any]:
    chosen = sheet["template"]["name"]
    current = next((each for each in view.templates if each.name == chosen), None)
    return {
        "topics": [(topic.event, topic.title) for topic in view.topics],
        "senders": [(name, name) for name in view.senders],
        "template_names": [(each.name, _template_words(each)) for each in view.templates],
        "languages": [(each, each) for each in current.languages] if current else [],
        "current": current,
        "kinds": KINDS,
        "places": locate(sheet["when"]["conditions"]),
        "outcomes": [(outcome, OUTCOME_WORDS[outcome]) for outcome in OUTCOMES],
        "payloads": [("", "any button"), *_payloads(sheet)],
        "purposes": PURPOSES,
        "deed_lines": DEED_LINES,
        "deeds": list(deeds(sheet["after"])),
    }  # fmt: skip


def _template_words(each: TemplateChoice) -> str:
    words = f"{each.name} — {each.category}"
    return words if each.status == "approved" else f"{words}, {each.status}"


def _payloads(sheet: Sheet) -> list[tuple[str, str]]:
    return [
        (text, text) for key, text in sheet["slots"].items() if key.endswith(".payload") and text and "{" not in text
    ]


def deeds(rules: Iterable[Sheet]) -> Iterator[dict[str, str]]:
    """Tell what lands where, line by line."""
    for rule in rules:
        on = OUTCOME_WORDS.get(rule["on"], rule["on"]) + (f" ({rule['payload']})" if rule["payload"] else "")
        record = rule["record"] or "what it is about, at the shop or CRM"
        for key, what, where in (
            ("add_labels", "label +", "the person, here and in their records"),
            ("remove_labels", "label –", "the person, here and in their records"),
            ("add_tags", "tag +", record),
            ("remove_tags", "tag –", record),
        ):
            if rule[key]:
                yield {"on": on, "what": f"{what} {rule[key]}", "where": where}
        for name, text, _ in rule["set_fields"]:
            if name:
                yield {"on": on, "what": f"{name} = {text}", "where": record}
        for purpose, state in rule["consent"].items():
            yield {"on": on, "what": f"{purpose} is {state}", "where": "the consent ledger, and on to the records"}
        if rule["cancel_others"]:
            yield {"on": on, "what": "other messages are called off", "where": "what waits for them about the same"}
        if rule["answer"]:
            yield {"on": on, "what": f"answer: {rule['answer']}", "where": "the chat"}


def _title(draft: Draft) -> str:
    if draft.sheet is not None:
        return str(draft.sheet["title"])
    try:
        return read_form(draft.source).title
    except MappingError:
        return ""


def _section(deed: str) -> str:
    """Return the section that a button is in, so that it is open when the page comes back."""
    verb, _, path = deed.partition(":")
    return "when" if verb in ("row", "group", "drop") else path.partition(".")[0]


def place_faults(faults: Iterable[Fault], source: str) -> list[str]:
    """Write down what is wrong with a text, each with the line where it stands, where that can be told."""
    lines = source.splitlines()
    return [f"{_place(fault, lines)}{fault}" for fault in faults]


def _place(fault: Fault, lines: Sequence[str]) -> str:
    last = fault.path.rpartition(".")[2]
    head = fault.path.partition(".")[0]
    inside = False
    for number, line in enumerate(lines, 1):
        text = line.strip()
        inside = text.startswith((f"[{head}", f"[[{head}")) if text.startswith("[") else inside
        name = text.partition("=")[0].strip()
        named = bool(last) and "=" in text and name in (last, fault.path.removeprefix(f"{head}."))
        if named and (inside or head == last):
            return f"Line {number}: "
    return ""


def told(view: View) -> str:
    """Say in one line what a screen reader is to hear: the verdict, and how much is to be mended."""
    words, _ = todo(view)
    decision = view.seen.decision
    end = decision.verdict if decision else None
    verdict = "cannot be tried" if end is None else str(getattr(end, "reason", "would be sent")).replace("_", " ")
    faults = len(view.faults)
    return f"{words}; {verdict}" + (f"; {faults} to mend" if faults else "")


def fallback_for(expression: str) -> str:
    """Return an expression with a fallback."""
    return picker.with_fallback(expression)


def types_of(adapter: str, event: str) -> dict[str, str]:
    """Return the declared types of an event's fields by path."""
    try:
        topics = tools().registry.get(adapter).topics if adapter else ()
    except ConfigurationError:
        return {}
    own = {field.path: field.type for topic in topics if topic.event == event for field in topic.fields}
    for topic in topics:
        if topic.event == event:
            for root, other in topic.remembers.items():
                own |= {
                    f"{root}.{field.path}": field.type
                    for each in topics
                    if each.event == other
                    for field in each.fields
                }
    return own


def back_to(name: str, given: Mapping[str, str]) -> str:
    """Return the editor's address with the same event and the same look at it."""
    kept = {key: given[key] for key in ("event", "language") if given.get(key)}
    if given.get("as") == "text":
        kept["as"] = "text"
    return f"/mappings/{name}/edit" + (f"?{urlencode(kept)}" if kept else "")


def conflict_of(conflict: Conflict | None, source: str) -> dict[str, Any]:
    """Return both texts, line by line with the sign of a difference, where somebody else has saved in between."""
    if conflict is None:
        return {"conflict": None}
    both = list(difflib.ndiff(conflict.theirs.draft.splitlines(), source.splitlines()))
    return {
        "conflict": conflict,
        "yours": _shortened([(line[0], line[2:]) for line in both if line[0] in " +"]),
        "theirs": _shortened([(line[0], line[2:]) for line in both if line[0] in " -"]),
    }


def _shortened(lines: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Leave out what is far from every difference, and say how much that is."""
    near = {place + step for place, (sign, _) in enumerate(lines) if sign != " " for step in range(-AROUND, AROUND + 1)}
    found: list[tuple[str, str]] = []
    left_out = 0
    for place, line in enumerate((*lines, ("", ""))):
        if place in near or not line[0]:
            if left_out:
                found.append((" ", f"… {left_out} lines the same"))
                left_out = 0
            found += [line] if line[0] else []
        else:
            left_out += 1
    return found


def differs(name: str, row: MappingRow) -> bool:
    """Tell whether the saved draft says something else than what is in force."""
    if not row.published:
        return False
    with store().read() as tx:
        version = mappings.version(tx, name, row.published)
    return version is None or version.source != row.draft
