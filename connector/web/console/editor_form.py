"""The editor's form as it is posted: a sheet of texts and lists, changed by its buttons, and a mapping's Form of it.

A sheet is what the page holds: nested dicts and lists of texts, with blank rows that somebody is about to fill
in, where a :class:`~connector.mapping.document.Form` holds what is meant. Names of the page's controls are the
paths of the file (``to.phone.0``, ``slots.body.1``), so that a fault finds its field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from werkzeug.datastructures import MultiDict

from connector.mapping.document import Form, LanguagePart, RulePart, TemplatePart, TimingPart, ToPart, WhenPart
from connector.mapping.document_rows import Value
from connector.web.console.editor_rows import post_node, sheet_of_group, to_group, value_of, was

Sheet = dict[str, Any]
Posted = MultiDict[str, str]

LISTS = ("to.phone", "to.region", "to.locale", "to.agreement")
"""Lists with one box for each item."""
LABELS = ("add_labels", "remove_labels", "add_tags", "remove_tags")
PURPOSES = ("marketing", "utility", "authentication")
MOST_ROWS = 100
"""Rows that one list of a page takes."""


def sheet_of(form: Form) -> Sheet:
    """Return the sheet that shows a form."""
    when, to, template, timing = form.when, form.to, form.template, form.timing
    language = template.language
    return {
        "title": form.title,
        "description": form.description,
        "when": {
            "event": when.event, "adapter": when.adapter, "accounts": list(when.accounts), "once_per": when.once_per,
            "conditions": sheet_of_group(when.conditions),
        },
        "to": {
            "phone": list(to.phone), "region": list(to.region), "locale": list(to.locale),
            "agreement": list(to.agreement), "ground": to.ground,
        },
        "template": {
            "account": template.account, "name": template.name,
            "language": {
                "default": language.default, "chosen": language.chosen, "choose": language.choose,
                "map": [[key, value] for key, value in language.map.items()],
            },
        },
        "slots": dict(form.slots),
        "timing": {
            "delay": timing.delay, "at": timing.at, "before": timing.before, "expires": timing.expires,
            "cancel_when": list(timing.cancel_when), "restart": timing.restart, "quiet": timing.quiet,
            "cap": ", ".join(timing.cap), "in_doubt": timing.in_doubt,
        },
        "after": [_sheet_of_rule(rule) for rule in form.after],
    }  # fmt: skip


def _sheet_of_rule(rule: RulePart) -> Sheet:
    return {
        "on": rule.on, "payload": rule.payload, "consent": dict(rule.consent), "wording": rule.wording,
        "record": rule.record, "cancel_others": rule.cancel_others, "answer": rule.answer,
        "set_fields": [[name, value.text, was((value,))] for name, value in rule.set_fields.items()],
        **{name: ", ".join(getattr(rule, name)) for name in LABELS},
    }  # fmt: skip


def read_posted(post: Posted, base: Form) -> Sheet:
    """Read what was posted. What the page did not hold stays as it is in ``base``; the order of slots too."""
    keys = [name.removeprefix("slots.") for name in post if name.startswith("slots.")]
    slots = {key: text_of(post, f"slots.{key}") for key in (*(key for key in base.slots if key in keys), *keys)}
    return {
        "title": text_of(post, "title"),
        "description": text_of(post, "description"),
        "when": {
            "event": text_of(post, "when.event"),
            "adapter": text_of(post, "when.adapter") or base.when.adapter,
            "accounts": in_order(post.getlist("when.accounts"), base.when.accounts),
            "once_per": text_of(post, "when.once_per"),
            "conditions": post_node(post, "c"),
        },
        "to": {name.partition(".")[2]: _texts(post, name) for name in LISTS} | {"ground": text_of(post, "to.ground")},
        "template": _posted_template(post),
        "slots": {key: text for key, text in slots.items() if key in base.slots or text},
        "timing": {
            **{
                name: text_of(post, f"timing.{name}")
                for name in ("delay", "at", "before", "expires", "cap", "in_doubt")
            },
            "cancel_when": in_order(post.getlist("timing.cancel_when"), base.timing.cancel_when),
            "restart": "timing.restart" in post,
            "quiet": text_of(post, "timing.quiet") if post.get("quiet-is") == "hours" else post.get("quiet-is", ""),
        },
        "after": [_posted_rule(post, f"after.{place}") for place in places(post, "after", ".on")],
    }


def _posted_template(post: Posted) -> Sheet:
    path = "template.language"
    pairs = places(post, f"{path}.map", ".from")
    return {
        "account": text_of(post, "template.account"),
        "name": text_of(post, "template.name"),
        "language": {
            "default": text_of(post, f"{path}.default"),
            "chosen": text_of(post, f"{path}.chosen") == "yes",
            "choose": text_of(post, f"{path}.choose"),
            "map": [
                [text_of(post, f"{path}.map.{place}.from"), text_of(post, f"{path}.map.{place}.to")] for place in pairs
            ],
        },
    }


def _posted_rule(post: Posted, path: str) -> Sheet:
    consent = {purpose: post.get(f"{path}.consent.{purpose}", "") for purpose in PURPOSES}
    fields = places(post, f"{path}.set_fields", ".name")
    texts = ("on", "payload", "wording", "record", "answer", *LABELS)
    return {
        **{name: text_of(post, f"{path}.{name}") for name in texts},
        "consent": {purpose: state for purpose, state in consent.items() if state},
        "cancel_others": f"{path}.cancel_others" in post,
        "set_fields": [
            [text_of(post, f"{path}.set_fields.{place}.{name}") for name in ("name", "value", "was")]
            for place in fields
        ],
    }


def to_form(sheet: Sheet, types: Mapping[str, str], unknown: Iterable[str] = ()) -> Form:
    """Return the form that a sheet means: blank rows are left out. ``types``: declared types of fields by path."""
    when, to, template, timing = sheet["when"], sheet["to"], sheet["template"], sheet["timing"]
    language = template["language"]
    return Form(
        title=sheet["title"],
        description=sheet["description"].strip(),
        when=WhenPart(
            event=when["event"], adapter=when["adapter"], accounts=tuple(when["accounts"]), once_per=when["once_per"],
            conditions=to_group(when["conditions"], types),
        ),
        to=ToPart(
            **{name: _filled(to[name]) for name in ("phone", "region", "locale", "agreement")},
            ground=to["ground"] or "transaction",
        ),
        template=TemplatePart(
            account=template["account"], name=template["name"],
            language=LanguagePart(
                default=language["default"], chosen=language["chosen"], choose=language["choose"],
                map={key: value for key, value in language["map"] if key or value},
            ),
        ),
        slots=dict(sheet["slots"]),
        timing=TimingPart(**timing | {"cap": listed(timing["cap"]), "cancel_when": tuple(timing["cancel_when"])}),
        after=tuple(map(_rule, sheet["after"])),
        unknown=tuple(unknown),
    )  # fmt: skip


def _rule(rule: Sheet) -> RulePart:
    return RulePart(
        on=rule["on"], payload=rule["payload"], consent=rule["consent"], wording=rule["wording"],
        record=rule["record"], cancel_others=rule["cancel_others"], answer=rule["answer"],
        set_fields={name: _value(text, before) for name, text, before in rule["set_fields"] if name or text},
        **{name: listed(rule[name]) for name in LABELS},
    )  # fmt: skip


def _value(text: str, before: str) -> Value:
    return value_of(text, before, "")[0]


def change(sheet: Sheet, deed: str, blank: Callable[[str], Any] | None = None) -> str:
    """Do what a button says: ``add:to.phone``, ``up:to.phone.1``, ``remove:after.0``; returns where to go on.

    An unknown deed, or one about a row that is gone, changes nothing.
    """
    verb, _, path = deed.partition(":")
    if verb == "add":
        found = _find(sheet, path)
        if isinstance(found, list) and len(found) < MOST_ROWS:
            found.append((blank or _blank)(path))
            return _first_box(path, len(found) - 1)
        return path
    parent, _, last = path.rpartition(".")
    found = _find(sheet, parent)
    if not isinstance(found, list) or not last.isdigit() or int(last) >= len(found):
        return path
    place = int(last)
    if verb == "remove":
        found.pop(place)
        return _first_box(parent, min(place, len(found) - 1)) if found else ""
    swap = place + {"up": -1, "down": 1}.get(verb, 0)
    if 0 <= swap < len(found):
        found[place], found[swap] = found[swap], found[place]
        return _first_box(parent, swap)
    return path


def _find(sheet: Sheet, path: str) -> Any:
    found: Any = sheet
    for part in path.split("."):
        if isinstance(found, dict):
            found = found.get(part)
        elif isinstance(found, list) and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        else:
            return None
    return found


def _blank(path: str) -> Any:
    if path == "after":
        return _sheet_of_rule(RulePart())
    return ["", "", ""] if path.endswith(".set_fields") else ["", ""] if path.endswith(".map") else ""


def _first_box(path: str, place: int) -> str:
    tails = {
        "after": ".on",
        "map": ".from",
        "set_fields": ".name",
        "fields": ".vendor",
        "records": ".events",
        "values": ".theirs",
    }
    tail = tails.get(path.rpartition(".")[2], "")
    return f"{path}.{place}{tail}"


def text_of(post: Posted, name: str) -> str:
    """Return what was typed into a box."""
    return clean(post.get(name, ""))


def clean(text: str) -> str:
    """Return a text with the line ends of files, without what no file may hold."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def _texts(post: Posted, name: str) -> list[str]:
    return [text_of(post, f"{name}.{place}") for place in places(post, name)]


def places(post: Posted, name: str, tail: str = "") -> list[int]:
    """Return the numbers of the rows that were posted, which may have gaps."""
    found = []
    for key in post:
        if key.startswith(f"{name}.") and key.endswith(tail):
            middle = key[len(name) + 1 : len(key) - len(tail)] if tail else key[len(name) + 1 :]
            if middle.isascii() and middle.isdigit() and len(middle) < 5:
                found.append(int(middle))
    return sorted(set(found))[:MOST_ROWS]


def in_order(ticked: Iterable[str], before: Iterable[str]) -> list[str]:
    """Return what is ticked, in the order in which the file has it."""
    wanted = list(dict.fromkeys(ticked))
    known = [each for each in before if each in wanted]
    return [*known, *(each for each in wanted if each not in known)]


def _filled(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(text for text in texts if text.strip())


def listed(text: str) -> tuple[str, ...]:
    """Return what stands in one box with commas between."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
