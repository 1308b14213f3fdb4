"""A notification mapping's file as a form: every part of it, in the shape that a page can show and send back.

:func:`read_form` is complete (what the file does not say is there with its default) and total for any TOML;
:func:`write_form` puts a changed form into the text and touches only the lines of what has changed, so that
comments, order and the writer's style stay. What a form does not know is kept. Whether a mapping is right is
for :func:`connector.mapping.kinds.read` to say; a form holds wrong words as well as right ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from connector.mapping.document_rows import (
    Group,
    Reading,
    Row,
    Value,
    from_json,
    from_plain,
    guess_value,
    guess_values,
    place_of,
    plain_conditions,
    read_conditions,
    rows,
    takes,
    to_json,
    to_plain,
)
from connector.mapping.pieces import read_toml
from connector.mapping.toml_patch import Text
from connector.mapping.toml_spans import Path
from connector.mapping.toml_values import MISSING, Prose, same

__all__ = [
    "ANY_HOUR", "Form", "Group", "LanguagePart", "Row", "RulePart", "TemplatePart", "TimingPart", "ToPart", "Value",
    "WhenPart", "from_json", "guess_value", "guess_values", "place_of", "read_form", "rows", "takes", "to_json",
    "write_form",
]  # fmt: skip

ANY_HOUR = "none"
"""``timing.quiet`` of a form where the file says ``quiet = false``: at any hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhenPart:
    """``[when]``"""

    event: str = ""
    adapter: str = ""
    accounts: tuple[str, ...] = ()
    """Names; empty: all of the adapter."""
    conditions: Group = field(default_factory=Group)
    """Always a group; one of kind ``all`` without parts stands for no conditions."""
    once_per: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToPart:
    """``[to]``: expressions in the order in which they are tried; ``agreement`` are bare paths."""

    phone: tuple[str, ...] = field(default=(), repr=False)
    region: tuple[str, ...] = ()
    locale: tuple[str, ...] = ()
    agreement: tuple[str, ...] = ()
    ground: str = "transaction"
    """``transaction`` or ``consent``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguagePart:
    """``template.language``: a fixed one (``default`` alone), or chosen by what an expression prints."""

    default: str = ""
    chosen: bool = False
    """Whether ``choose`` and ``map`` count."""
    choose: str = ""
    map: Mapping[str, str] = field(default_factory=dict)
    """What is printed -> the template's language, in the file's order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplatePart:
    """``[template]``"""

    account: str = ""
    """Name of the account that sends; ``""``: the only one there is."""
    name: str = ""
    language: LanguagePart = field(default_factory=LanguagePart)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingPart:
    """``[timing]``: durations, quiet hours and caps as they are written (``10m``, ``21:00-08:00``, ``1 per 7d``)."""

    delay: str = ""
    at: str = ""
    before: str = ""
    expires: str = ""
    cancel_when: tuple[str, ...] = ()
    restart: bool = False
    quiet: str = ""
    """``""``: as the people policy says; :data:`ANY_HOUR`; or ``21:00-08:00``."""
    cap: tuple[str, ...] = ()
    in_doubt: str = ""
    """``resend``, ``give_up``, or ``""``: by the template's category."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RulePart:
    """One ``[[after]]``: see :class:`connector.mapping.rules.Rule`."""

    on: str = "delivered"
    payload: str = field(default="", repr=False)
    consent: Mapping[str, str] = field(default_factory=dict)
    """Purpose -> ``granted`` or ``revoked``."""
    wording: str = ""
    add_labels: tuple[str, ...] = ()
    remove_labels: tuple[str, ...] = ()
    record: str = ""
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    set_fields: Mapping[str, Value] = field(default_factory=dict)
    """Vendor's field -> value."""
    cancel_others: bool = False
    answer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A whole notification mapping."""

    title: str = ""
    description: str = ""
    """Without blank lines around it."""
    when: WhenPart = field(default_factory=WhenPart)
    to: ToPart = field(default_factory=ToPart)
    template: TemplatePart = field(default_factory=TemplatePart)
    slots: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Key (``body.1``) -> expression, in the file's order. A blank one is taken out of the file."""
    timing: TimingPart = field(default_factory=TimingPart)
    after: tuple[RulePart, ...] = ()
    unknown: tuple[str, ...] = field(default=(), compare=False)
    """Dotted paths of the file that no part of the form shows: unknown names, and values of another kind than
    belongs there. They stay in the file until that part of the form is changed."""


_ORDER = ("kind", "title", "description", "when", "to", "template", "slots", "timing", "after")
_CONDITIONS: Path = ("when", "conditions")
_MOST_DEPTH = 8


def read_form(source: str) -> Form:
    """Read a notification mapping's text. Raises MappingError where it is no TOML (:func:`place_of` says where)."""
    unknown: list[str] = []
    whole = Reading(read_toml(source), "", unknown)
    whole.raw("kind")
    form = Form(
        title=whole.text("title"),
        description=whole.text("description").strip(),
        when=_read_when(whole.inner("when")),
        to=_read_to(whole.inner("to")),
        template=_read_template(whole.inner("template")),
        slots=_read_slots(whole.raw("slots"), unknown),
        timing=_read_timing(whole.inner("timing")),
        after=tuple(map(_read_rule, whole.each("after"))),
    )
    whole.end()
    return replace(form, unknown=tuple(unknown))


def _read_when(part: Reading) -> WhenPart:
    raw = part.raw("conditions")
    tree = read_conditions(raw) if raw is not None else Group()
    if tree is None:
        part.unknown.append("when.conditions")
    found = WhenPart(
        event=part.text("event"), adapter=part.text("adapter"), accounts=part.texts("accounts"),
        conditions=tree or Group(), once_per=part.text("once_per"),
    )  # fmt: skip
    part.end()
    return found


def _read_to(part: Reading) -> ToPart:
    found = ToPart(
        phone=part.texts("phone"), region=part.texts("region"), locale=part.texts("locale"),
        agreement=part.texts("agreement"), ground=part.text("ground", "transaction"),
    )  # fmt: skip
    part.end()
    return found


def _read_template(part: Reading) -> TemplatePart:
    language = LanguagePart()
    if isinstance(part.table.get("language"), Mapping):
        inner = part.inner("language")
        language = LanguagePart(
            default=inner.text("default"), chosen=True, choose=inner.text("choose"), map=inner.table_of_texts("map")
        )
        inner.end()
    else:
        language = LanguagePart(default=part.text("language"))
    found = TemplatePart(account=part.text("account"), name=part.text("name"), language=language)
    part.end()
    return found


def _read_slots(table: Any, unknown: list[str]) -> dict[str, str]:
    if table is not None and not isinstance(table, Mapping):
        unknown.append("slots")
    found: dict[str, str] = {}
    for path, value in _leaves(table if isinstance(table, Mapping) else {}):
        key = ".".join(map(str, path))
        if isinstance(value, str) and key not in found:
            found[key] = value
        else:
            unknown.append(f"slots.{key}")
    return found


def _leaves(table: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    for name, value in table.items():
        if isinstance(value, Mapping) and value and len(path) < _MOST_DEPTH:
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value


def _read_timing(part: Reading) -> TimingPart:
    quiet = ANY_HOUR if part.raw("quiet") is False else part.text("quiet")
    found = TimingPart(
        delay=part.text("delay"), at=part.text("at"), before=part.text("before"), expires=part.text("expires"),
        cancel_when=part.texts("cancel_when"), restart=part.flag("restart"),
        quiet=quiet, cap=part.texts("cap", alone=True), in_doubt=part.text("in_doubt"),
    )  # fmt: skip
    part.end()
    return found


def _read_rule(part: Reading) -> RulePart:
    raw = part.raw("set_fields")
    told = {name: from_plain(value) for name, value in raw.items()} if isinstance(raw, Mapping) else {}
    if raw is not None and (not isinstance(raw, Mapping) or None in told.values()):
        part.unknown.append(f"{part.path}.set_fields")
        told = {}
    found = RulePart(
        on=part.text("on"), payload=part.text("payload"), consent=part.table_of_texts("consent"),
        wording=part.text("wording"), add_labels=part.texts("add_labels"), remove_labels=part.texts("remove_labels"),
        record=part.text("record"), add_tags=part.texts("add_tags"), remove_tags=part.texts("remove_tags"),
        set_fields={name: value for name, value in told.items() if value is not None},
        cancel_others=part.flag("cancel_others"), answer=part.text("answer"),
    )  # fmt: skip
    part.end()
    return found


def write_form(source: str, form: Form) -> str:
    """Return the text with what the form says; an unchanged form gives back the very same text.

    ``source`` may be ``""``: then the whole file is written. Raises MappingError where it is no TOML.
    """
    raw = read_toml(source)
    before = read_form(source)
    if before == form:
        return source
    text = Text(source, _ORDER, headed=(_CONDITIONS,))
    old, new = _leaves_of(before, raw), _leaves_of(form, raw)
    for path in dict.fromkeys((*new, *old)):
        was, wanted = old.get(path, MISSING), new.get(path, MISSING)
        if path == _CONDITIONS and not same(was, wanted) and not same(was, _at(raw, path)):
            was = MISSING  # written otherwise than a form would: all of it is written anew
            text.change(path, _at(raw, path), MISSING)
        text.change(path, was, wanted)
    return text.finish()


def _at(raw: Any, path: Path) -> Any:
    for step in path:
        raw = raw.get(step, MISSING) if isinstance(raw, Mapping) else MISSING
    return raw


def _leaves_of(form: Form, raw: Mapping[str, Any]) -> dict[Path, Any]:
    """Return what a form says, by the path at which the file says it, or would."""
    when, to, timing = form.when, form.to, form.timing
    told: dict[Path, Any] = {
        ("title",): form.title,
        ("description",): Prose(form.description) if form.description else "",
        ("when", "event"): when.event,
        ("when", "adapter"): when.adapter,
        ("when", "accounts"): list(when.accounts),
        ("when", "once_per"): when.once_per,
        _CONDITIONS: plain_conditions(when.conditions) if when.conditions != Group() else "",
        **{("to", name): list(getattr(to, name)) for name in ("phone", "region", "locale", "agreement")},
        ("to", "ground"): "" if to.ground == "transaction" else to.ground,
        ("template", "account"): form.template.account,
        ("template", "name"): form.template.name,
        ("template", "language"): _language(form.template.language),
        **_slots(form.slots, raw.get("slots")),
        **{("timing", name): getattr(timing, name) for name in ("delay", "at", "before", "expires")},
        ("timing", "cancel_when"): list(timing.cancel_when),
        ("timing", "restart"): timing.restart or "",
        ("timing", "cap"): timing.cap[0] if len(timing.cap) == 1 and timing.cap[0] else list(timing.cap),
        ("timing", "in_doubt"): timing.in_doubt,
        ("after",): [_rule(rule) for rule in form.after],
    }  # fmt: skip
    found = {path: value for path, value in told.items() if value not in ("", [])}
    if timing.quiet:
        found["timing", "quiet"] = False if timing.quiet == ANY_HOUR else timing.quiet
    return found


def _language(part: LanguagePart) -> Any:
    if not part.chosen:
        return part.default
    return {"choose": part.choose, "map": dict(part.map), "default": part.default}


def _slots(slots: Mapping[str, str], table: Any) -> dict[Path, str]:
    known = {".".join(map(str, path)): path for path, _ in _leaves(table if isinstance(table, Mapping) else {})}
    return {
        ("slots", *known.get(key, tuple(key.split(".")))): expression
        for key, expression in slots.items()
        if expression.strip()
    }


def _rule(rule: RulePart) -> dict[str, Any]:
    told: dict[str, Any] = {
        "on": rule.on, "payload": rule.payload, "consent": dict(rule.consent), "wording": rule.wording,
        "add_labels": list(rule.add_labels), "remove_labels": list(rule.remove_labels), "record": rule.record,
        "add_tags": list(rule.add_tags), "remove_tags": list(rule.remove_tags),
        "set_fields": {name: to_plain(value) for name, value in rule.set_fields.items()},
        "cancel_others": rule.cancel_others or "", "answer": rule.answer,
    }  # fmt: skip
    return {name: value for name, value in told.items() if value not in ("", [], {})}
