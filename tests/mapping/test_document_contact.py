"""A contact mapping's file as a form."""

from __future__ import annotations

import difflib
import json
from dataclasses import replace
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.mapping.contact_form import load_contact
from connector.mapping.document_contact import (
    ContactForm,
    FieldPart,
    RecordPart,
    read_contact_form,
    write_contact_form,
)
from connector.mapping.document_rows import from_json, to_json

NAMES = ("shopify/contact", "salesforce/contact", "salesforce/lead")
SHIPPED = {name: (resources.files("mappings") / f"{name}.toml").read_text("utf-8") for name in NAMES}


def changed(before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


@pytest.mark.parametrize("name", NAMES)
def test_an_unchanged_form_gives_back_the_very_same_text(name: str) -> None:
    form = read_contact_form(SHIPPED[name])
    assert not form.unknown
    assert write_contact_form(SHIPPED[name], form) == SHIPPED[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_mapping_can_be_written_from_its_form_alone(name: str) -> None:
    fresh = write_contact_form("", read_contact_form(SHIPPED[name]))
    one, other = load_contact(name, SHIPPED[name]), load_contact(name, fresh)
    assert replace(one, source="", description="") == replace(other, source="", description="")


def test_a_row_of_a_value_table_changes_its_own_line() -> None:
    source = SHIPPED["salesforce/contact"]
    form = read_contact_form(source)
    rule = form.fields[4]
    values = {**rule.values, "Asked": "pending"}
    after = write_contact_form(
        source, replace(form, fields=(*form.fields[:4], replace(rule, values=values), *form.fields[5:]))
    )
    assert changed(source, after) == [
        '-values = { "Opted in" = "granted", "Opted out" = "revoked", Unknown = "unknown" }',
        '+values = { "Opted in" = "granted", "Opted out" = "revoked", Unknown = "unknown", Asked = "pending" }',
    ]


def test_a_new_field_stands_behind_the_last_and_the_comments_stay() -> None:
    source = SHIPPED["shopify/contact"]
    form = read_contact_form(source)
    added = FieldPart(contact="timezone", paths=("shop.timezone",), wins="theirs")
    after = write_contact_form(source, replace(form, fields=(*form.fields, added)))
    assert after.startswith(source.rstrip())
    assert changed(source, after)[1:] == [
        "+[[fields]]",
        '+contact = "timezone"',
        '+in = ["shop.timezone"]',
        '+wins = "theirs"',
    ]


WORD = st.text(st.sampled_from("abcXYZ09 _-.'\"\\{}#=,[]é€\n\t"), max_size=12)
SOME = st.lists(WORD, max_size=3).map(tuple)
FIELDS = st.builds(
    FieldPart, contact=WORD, vendor=WORD, direction=st.sampled_from(["in", "out", "both", "sideways"]), paths=SOME,
    region=SOME, events=SOME, values=st.dictionaries(WORD, WORD, max_size=3), at=WORD, source=WORD, place=WORD,
    write_at=WORD, write_source=WORD, separator=WORD, only=SOME, wins=st.sampled_from(["newest", "ours", "theirs"]),
)  # fmt: skip
FORMS = st.builds(
    ContactForm, title=WORD, description=WORD.map(str.strip), adapter=WORD, object=WORD, accounts=SOME,
    look_up=st.booleans(), fields=st.lists(FIELDS, max_size=4).map(tuple),
    records=st.lists(st.builds(RecordPart, events=SOME, id=WORD.filter(bool)), max_size=3).map(tuple),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([*SHIPPED.values(), ""]), FORMS, FORMS)
def test_any_text_can_become_any_form(source: str, one: ContactForm, other: ContactForm) -> None:
    first = write_contact_form(source, one)
    assert read_contact_form(first) == one
    second = write_contact_form(first, replace(other, fields=(*one.fields[1:], *other.fields)))
    assert read_contact_form(second).fields == (*one.fields[1:], *other.fields)
    assert from_json(ContactForm, json.loads(json.dumps(to_json(one)))) == one
