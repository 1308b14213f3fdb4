"""A notification mapping in one plain sentence, for people who read no TOML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from connector.contract import Topic
from connector.mapping.conditions import All, AnyOf, Condition, Not, Test
from connector.mapping.liquid import Expression
from connector.mapping.notification import Mapping as Notification
from connector.mapping.notification import Timing
from connector.mapping.wording import both, length_of, phrase_of, words_of
from connector.model import Category, Template
from connector.policy import parse_cap

MOST_TEXT = 40
"""Characters of one value that is quoted."""
MOST_VALUES = 4

_DONE = frozenset((
    "added", "begun", "called", "cancelled", "changed", "closed", "completed", "confirmed", "created", "deleted",
    "delivered", "edited", "failed", "fulfilled", "invoiced", "made", "moved", "opened", "paid", "placed", "purchased",
    "printed", "redacted", "refunded", "removed", "saved", "sent", "shipped", "taken", "updated", "delayed", "picked",
))  # fmt: skip
"""Words that say what was done to something: what is before them is the thing."""
_ACTS = frozenset(("asks", "became", "must", "wants"))
_STATES = frozenset(("in", "out", "ready"))
_MANY = frozenset(("details", "settings", "tags"))
_UNCOUNTED = frozenset(("consent",))


def say(
    mapping: Notification,
    *,
    topic: Topic | None = None,
    template: Template | None = None,
    languages: Sequence[str] = (),
    topics: Iterable[Topic] = (),
) -> str:
    """Say a mapping in one sentence.

    ``topic`` is that of its event; ``topics`` all of its adapter, for the names of cancelling events (the
    first with the mapping's event stands in for ``topic``); ``template`` gives the category; ``languages`` are
    those in which the template is approved, where more is to be said than what the mapping names.
    """
    every = [*([topic] if topic is not None else ()), *topics]
    known = {each.event: each.title for each in reversed(every)}
    when = _when(mapping, known, _switches(mapping.when.event, every))
    steps = [_wait(mapping.timing), _send(mapping, template, languages)]
    ends = [
        _stop(mapping, known), _restart(mapping.timing), _expires(mapping.timing), _quiet(mapping.timing),
        _cap(mapping.timing), _after(mapping),
    ]  # fmt: skip
    return "; ".join([", ".join(filter(None, [when, *steps])), *filter(None, ends)]) + "."


def _switches(event: str, topics: Sequence[Topic]) -> dict[str, str]:
    """Return what is declared about the fields of an event that are true or false, by path."""
    found: dict[str, str] = {}
    for topic in topics:
        for root, earlier in topic.remembers.items() if topic.event == event else ():
            inner = (each for other in topics if other.event == earlier for each in other.fields)
            found |= {f"{root}.{each.path}": each.words for each in inner if each.type == "boolean"}
        if topic.event == event:
            found |= {each.path: each.words for each in topic.fields if each.type == "boolean"}
    return found


# when


def _when(mapping: Notification, known: Mapping[str, str], switches: Mapping[str, str]) -> str:
    when = mapping.when
    told = f"When {happening(when.event, known.get(when.event, ''))}"
    if when.accounts:
        told += f" in {both(when.accounts, 'or')}"
    if when.once_per is not None:
        told += f" (once for each {_bare(when.once_per)})"
    if when.conditions is not None and (conditions := describe(when.conditions, switches)):
        several = isinstance(when.conditions, All | AnyOf) and len(when.conditions.parts) > 1
        told += f", if {conditions}" if several else f" and {conditions}"
    return told


def happening(event: str, title: str = "") -> str:
    """Say an event as something that happens: ``an order is paid``; ``title`` is its topic's, ``""``: unknown."""
    thing, done = _split(event, title)
    if not thing:
        return done
    last, first = thing.split()[-1], done.split()[0]
    if first in _ACTS:
        return f"{_a(thing)} {done}"
    if first not in _DONE and first not in _STATES:
        return f"{_a(thing)} is at “{done}”"
    if last in _MANY:
        return f"{_a(thing) if len(thing.split()) > 1 else thing} are {done}"
    return f"{thing if thing.split()[0] in _UNCOUNTED else _a(thing)} is {done}"


def _split(event: str, title: str) -> tuple[str, str]:
    """Return the thing, and what happens to it."""
    name, _, end = event.rpartition(".")
    words = (title or f"{words_of(name.replace('.', ' '))} {words_of(end)}").replace(":", " :").split()
    words[0] = words[0] if words[0].isupper() and len(words[0]) > 1 else words[0].lower()
    if ":" in words:
        place = words.index(":")
        return " ".join(words[:place]), " ".join(words[place + 1 :])
    place = next((place for place, word in enumerate(words) if word in _DONE or word in _ACTS), 0)
    if place:
        return " ".join(words[:place]), " ".join(words[place:])
    return "", f"“{' '.join(words)}” happens"


def _a(thing: str) -> str:
    return f"{'an' if thing[:1].lower() in 'aeiou' else 'a'} {thing}"


# conditions


def describe(condition: Condition, switches: Mapping[str, str] | None = None) -> str:
    """Say conditions: groups within groups in brackets; ``""`` for a group without parts.

    ``switches``: what is declared about fields that are true or false, by path.
    """
    return _Speaker(switches or {}).describe(condition, inside=False)


_OPPOSITE = {
    "is": "is_not", "is_not": "is", "in": "not_in", "not_in": "in", "is_blank": "is_present", "is_present": "is_blank",
}  # fmt: skip


class _Speaker:
    def __init__(self, switches: Mapping[str, str]) -> None:
        self.switches = switches

    def describe(self, condition: Condition, *, inside: bool) -> str:
        match condition:
            case Test():
                return self.test(condition)
            case Not(part=Test() as test):
                return self.test(test, negated=True)
            case Not(part=part):
                return f"it is not so that {self.describe(part, inside=True)}"
            case All(parts=parts) | AnyOf(parts=parts):
                word = "and" if isinstance(condition, All) else "or"
                told = [text for part in parts if (text := self.describe(part, inside=len(parts) > 1))]
                said = both(told, word)
                return f"({said})" if inside and len(told) > 1 else said

    def test(self, test: Test, *, negated: bool = False) -> str:
        operator = test.operator
        if negated and operator not in _OPPOSITE:
            return f"it is not so that {self.test(test)}"
        operator = _OPPOSITE[operator] if negated else operator
        if isinstance(test.value, bool) and operator in ("is", "is_not"):
            return self.switch(test.field, is_so=test.value is (operator == "is"))
        if operator in ("is_blank", "is_present"):
            return _presence(test.field, is_there=operator == "is_present")
        name = phrase_of(test.field)
        if operator in ("in", "not_in", "matches_any"):
            return _one_of(name, operator, test.value)
        many = _is_many(name)
        verbs = {"is": "is", "is_not": "is not", "greater_than": "is over", "less_than": "is under"}
        verbs |= {"contains": "contains", "starts_with": "begins with"}
        verb = verbs.get(operator, operator)
        if many:
            verb = verb.replace("is", "are", 1) if verb.startswith("is") else verb.replace("s", "", 1)
        return f"{name} {verb} {_value(test.value)}"

    def switch(self, path: str, *, is_so: bool) -> str:
        name = phrase_of(path).removeprefix("the ")
        if name.startswith("is "):  # IsClosed
            bare = name.removeprefix("is ")
            return f"it {'is' if is_so else 'is not'} {_a(bare) if ' ' in bare else bare}"
        words = self.switches.get(path) or name
        return f"“{words[:1].lower()}{words[1:]}” is {'set' if is_so else 'not set'}"


def _presence(path: str, *, is_there: bool) -> str:
    """Say that a field holds something: ``there is a tracking number``, ``the order is not cancelled``."""
    owner, _, last = path.rpartition(".")
    who = phrase_of(owner) if owner else "it"
    words = words_of(last.partition("[")[0])
    if words.endswith(" at"):  # cancelled_at
        return f"{who} is {'' if is_there else 'not '}{words.removesuffix(' at')}"
    several = _is_many(words)
    thing = words if several else _a(words) if is_there else words
    if owner:
        return f"{who} has {'' if is_there else 'no '}{thing}"
    return f"there {'are' if several else 'is'} {'' if is_there else 'no '}{thing}"


def _one_of(name: str, operator: str, values: Any) -> str:
    known = list(values) if isinstance(values, Sequence) and not isinstance(values, str) else [values]
    shown = [_value(value) for value in known[:MOST_VALUES]]
    if len(known) > MOST_VALUES:
        shown.append(f"{len(known) - MOST_VALUES} more")
    listed = both(shown, "or")
    if operator == "matches_any":
        return f"one of {name} is {listed}"
    are = "are" if _is_many(name) else "is"
    return f"{name} {are}{' not' if operator == 'not_in' else ''} {listed}"


def _is_many(name: str) -> bool:
    last = name.split()[-1]
    return last.endswith("s") and not last.endswith(("ss", "us", "'s", "is"))


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | Decimal):
        return format(value, "f") if isinstance(value, Decimal) else str(value)
    text = str(value)
    text = text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT - 1]}…"
    return text if re.fullmatch(r"[a-z][a-z0-9-]*", text) else f"“{text.replace('_', ' ')}”"


# what is done


def _wait(timing: Timing) -> str:
    if timing.at is not None:
        moment = f"the {_bare(timing.at)}"
        if timing.before:
            told = f"{length_of(timing.before)} before {moment}"
            return told + (f" and {length_of(timing.delay)} later" if timing.delay else "")
        return f"{length_of(timing.delay)} after {moment}" if timing.delay else f"at {moment}"
    return f"wait {length_of(timing.delay)}" if timing.delay else ""


def _send(mapping: Notification, template: Template | None, languages: Sequence[str]) -> str:
    choice = mapping.template
    kind = template.category.value if template is not None else ""
    if choice.language.choose is None:
        inside = ", ".join(filter(None, (choice.language.default, kind)))
        language = ""
    else:
        inside = kind
        language = f" in {_whose_language(choice.language.choose)}, else {choice.language.default},"
    more = [each for each in languages if each not in choice.language.all]
    unused = f" (it is there in {both(more)}, too)" if more else ""
    name = choice.name + (f" ({inside})" if inside else "")
    by = f" by {choice.account}" if choice.account else ""
    return f"send {name}{unused}{language} to {_whom(mapping, template)}{by}"


def _whose_language(choose: Expression) -> str:
    names = " ".join(name for path in choose.paths for name in path).lower()
    if "account" in names and len(choose.paths) == 1:
        return "the account's language"
    return "the person's language" if re.search("local|lang", names) else f"the language that {_bare(choose)} says"


_WHO = (
    ("lead", "the lead"),
    ("contact", "the contact"),
    ("buyer", "the buyer"),
    ("customer", "the buyer"),
    ("shipping_address", "the buyer"),
    ("billing_address", "the buyer"),
)
"""Names in the paths of numbers, and who has such a number."""


def _whom(mapping: Notification, template: Template | None) -> str:
    paths = [path for expression in mapping.to.phone for path in expression.paths]
    names = ["." + ".".join(path).lower() for path in paths]
    found = list(dict.fromkeys(who for name in names for word, who in _WHO if f".{word}" in name))
    subject = mapping.when.event.partition(".")[0]
    if not found and subject in ("lead", "contact", "customer"):
        found = [f"the {subject}"]
    whom = both(found, "or") or (f"the number in “{_bare(mapping.to.phone[0])}”" if paths else "the person")
    marketing = template is not None and template.category is Category.MARKETING
    if marketing or mapping.to.ground == "consent":
        whom += ", if they agreed to it"
    return whom


def _bare(expression: Expression) -> str:
    """Return what an expression prints, in words: the field that it reads first."""
    return phrase_of(".".join(expression.paths[0])).removeprefix("the ") if expression.paths else expression.label


# what ends it


def _stop(mapping: Notification, known: Mapping[str, str]) -> str:
    if not mapping.timing.cancel_when:
        return ""
    own, _ = _split(mapping.when.event, known.get(mapping.when.event, ""))
    told = []
    for event in mapping.timing.cancel_when:
        thing, done = _split(event, known.get(event, ""))
        same = bool(thing) and thing == own
        told.append(
            (f"it {done}" if done.split()[0] in _ACTS else done) if same else happening(event, known.get(event, ""))
        )
    return f"stop if {both(told, 'or')}"


def _restart(timing: Timing) -> str:
    return "a newer one takes its place" if timing.restart else ""


def _expires(timing: Timing) -> str:
    return f"not more than {length_of(timing.expires)} late" if timing.expires else ""


def _quiet(timing: Timing) -> str:
    if timing.quiet is None:
        return ""
    if not timing.quiet:
        return "at any hour"
    return f"not between {' and '.join(part.strip() for part in timing.quiet.split('-'))}"


def _cap(timing: Timing) -> str:
    told = []
    for cap in timing.cap:
        count, length = parse_cap(cap)
        told.append(f"{count} in {length_of(length)}")
    return f"at most {both(told)} to one person" if told else ""


_OUTCOMES = {
    "delivered": "when it arrives", "read": "when it is read", "replied": "when they reply",
    "button": "when they tap a button", "undeliverable": "when it cannot be delivered",
}  # fmt: skip


def _after(mapping: Notification) -> str:
    if not mapping.after:
        return ""
    count = len(mapping.after)
    told = list(dict.fromkeys(_OUTCOMES.get(rule.on, rule.on) for rule in mapping.after))
    return f"{count} rule{'' if count == 1 else 's'} {'follows' if count == 1 else 'follow'} ({both(told)})"
