"""What holds for every text, file and payload that hypothesis can think of."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from connector.errors import MappingError
from connector.mapping import load
from connector.mapping.conditions import evaluate, read
from connector.mapping.formats import ENGLISH, choose_locale
from connector.mapping.liquid import (
    MAX_OUTPUT,
    BlankError,
    BrokenError,
    Expression,
    ExpressionError,
    compile_expression,
)
from connector.mapping.slots import UnfitError, fit
from connector.mapping.text import FORBIDDEN, clean, cut
from connector.model import Decision, Send, Slot, SlotKind
from tests.mapping.examples import ORDER, SOURCE, decide, mapping

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=True, allow_infinity=True) | st.text(max_size=30)
)
JSON = st.recursive(
    SCALARS | st.floats(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = ("event", "phone", "name", "language", "all", "delay", "choose", "conditions", "map", "accounts")
TEXT = st.text() | st.text("a \t\n\u200b\u200d\u202e\u0301\U0001f468\U0001f3fd\U0001f1e9{}é\ud800", max_size=60)
WHOLE = mapping(
    SOURCE.replace("[template]", 'agreement = ["a", "customer.agrees"]\n[template]')
    + '[timing]\nexpires = "12h"\ncancel_when = ["order.cancelled"]\n'
    + '[when.conditions]\nall = [{ field = "test", operator = "is_not", value = true },\n'
    + '{ not = { field = "tags", operator = "matches_any", value = ["wholesale", 3] } },\n'
    + '{ any = [{ field = "total", operator = "greater_than", value = 1.5 },\n'
    + '{ field = "name", operator = "is_present" }] }]',
    body_1="\"{{ line_items | list: 'title', 3 | default: customer.first_name }}\"",
    body_2='"{% if test %}{{ name | upcase | truncate: 9 }}{% else %}'
    "{{ created_at | date: 'long', zone | default: 'x' }}{% endif %}\"",
)


@given(TEXT)
@settings(deadline=None)
def test_a_clean_text_holds_nothing_forbidden_and_stays_as_it_is(text: str) -> None:
    line = clean(text)
    assert not FORBIDDEN.search(line)
    assert not set("\n\t\r\u2028") & set(line)
    assert "    " not in line
    assert line == line.strip()
    line.encode("utf-8")
    assert clean(line) == line


@given(TEXT, st.integers(0, 40))
@settings(deadline=None)
def test_a_cut_is_never_longer_than_its_limit_and_keeps_what_is_short(text: str, limit: int) -> None:
    short = cut(text, limit)
    assert len(short) <= limit
    assert short == text or short.endswith("…") or limit == 0
    assert len(text) > limit or short == text


@given(TEXT | st.text(min_size=150, max_size=400), st.integers(1, 100), st.sampled_from(list(SlotKind)))
@settings(deadline=None)
def test_what_fits_a_slot_keeps_its_rules(text: str, limit: int, kind: SlotKind) -> None:
    try:
        fitted = fit(Slot(key="body.1", kind=kind, limit=limit), text)
    except (UnfitError, BlankError):
        return
    assert fitted
    assert not FORBIDDEN.search(fitted) or kind is SlotKind.JSON
    if kind in (SlotKind.TEXT, SlotKind.URL_SUFFIX, SlotKind.CODE, SlotKind.PAYLOAD, SlotKind.JSON):
        assert len(fitted) <= limit
    if kind is SlotKind.URL_SUFFIX:
        assert fitted.isascii()
        assert " " not in fitted


@given(st.dictionaries(st.sampled_from([*ORDER, "line_items", "created_at", "total", "zone", "a"]), JSON, max_size=8))
@settings(max_examples=300, deadline=None)
def test_a_plan_never_raises_whatever_the_payload(changes: dict[str, Any]) -> None:
    assert isinstance(decide(WHOLE).verdict, Send)
    for payload in (ORDER | changes, changes):
        decision = decide(WHOLE, payload)
        assert isinstance(decision, Decision)
        assert all(step.ok for step in decision.steps) == isinstance(decision.verdict, Send)


@given(st.text() | st.text("[]{}=\"'.,#\n abc123", max_size=80))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_mapping_or_a_mapping_error(source: str) -> None:
    _load(source)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            key: JSON | st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4)
            for key in ("title", "description", "when", "to", "template", "slots", "timing", "other")
        },
    )
)
@settings(max_examples=200, deadline=None)
def test_any_table_is_a_mapping_or_a_mapping_error(raw: dict[str, Any]) -> None:
    _load("\n".join(f"{key} = {_toml(value)}" for key, value in raw.items()))


def _load(source: str) -> None:
    try:
        load("a/b", source)
    except MappingError as error:
        faults = error.faults
    else:
        return
    assert faults


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | Decimal):
        return str(value).lower()
    return json.dumps(value if isinstance(value, str) else "null")


WORDS = """
{{ }} {% %} if endif else case when assign x = raw endraw comment endcomment a a.b a[0] a[b] ['c'] . | money date
: 'x' , 2 ' " (1..3) == contains nil true 1.5 - _x default list empty \u0130 10000000000000000000000
"""
PIECES = st.lists(st.sampled_from([*WORDS.split(), " ", "\n"]), max_size=14).map(" ".join)
OUTPUTS = st.text(max_size=40).map(lambda text: "{{ " + text + " }}")


@given(PIECES | OUTPUTS, st.dictionaries(st.sampled_from("abcx"), JSON))
@settings(max_examples=400, deadline=None)
def test_any_expression_is_refused_or_prints_or_says_why_not(source: str, roots: dict[str, Any]) -> None:
    try:
        expression = compile_expression(source)
    except ExpressionError:
        return
    _render(expression, roots)


FILTERS = """
money; money: b; money: 'EUR'; date; date: b; date: 'long', b; phone; phone: b; list; list: b; list: 'a', b;
url_suffix: b; url_encode; json; truncate: b; truncatewords: b; upcase; capitalize; strip; append: b; prepend: b;
replace: b, c; replace_first: b; remove: b; slice: b; slice: b, c; split: b; split: ''; join: b; join; first; last;
size; map: b; where: b; where: b, c; compact; uniq; reverse; sum; sum: b; plus: b; minus: b; times: b;
divided_by: b; modulo: b; round; round: b; ceil; floor; abs; at_least: b; at_most: b; default: b;
default: b, allow_false: c
"""
CHAINS = st.lists(st.sampled_from([each.strip() for each in FILTERS.split(";")]), min_size=1, max_size=4)


@given(CHAINS, JSON, JSON, JSON, st.text(max_size=12))
@settings(max_examples=600, deadline=None)
def test_no_chain_of_filters_raises_on_any_value(chain: list[str], a: Any, b: Any, c: Any, language: str) -> None:
    expression = compile_expression("{{ " + " | ".join(["a", *chain]) + " }}")
    _render(expression, {"a": a, "b": b, "c": c}, language)


def _render(expression: Expression, roots: dict[str, Any], language: str = "en") -> None:
    try:
        printed = expression.render(roots, choose_locale([language]))
    except (BlankError, BrokenError) as error:
        printed = str(error)
    assert len(printed) <= MAX_OUTPUT + 1


@given(JSON, JSON)
@settings(max_examples=200, deadline=None)
def test_conditions_of_any_shape_are_refused_or_worked_out(raw: Any, payload: Any) -> None:
    tests = [
        {"field": "a", "operator": operator} | ({} if value is None else {"value": value})
        for operator in ("is", "in", "contains", "matches_any", "greater_than", "starts_with", "is_blank", "is_not")
        for value in (raw, None, [raw])
    ]
    for each in (raw, *tests, {"any": [raw]}, {"not": raw}):
        condition, faults = read(each, "when.conditions")
        assert (condition is None) == bool(faults)
        if condition is not None:
            assert isinstance(evaluate(condition, {"a": payload}), str)


def test_the_english_of_the_tests_is_english() -> None:
    assert choose_locale(["\x00"]) == ENGLISH
