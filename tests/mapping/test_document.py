"""A mapping file as a form: what is not changed stays byte for byte, what is changed is read back."""

from __future__ import annotations

import difflib
import json
from dataclasses import replace
from importlib import resources
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.errors import MappingError
from connector.mapping.conditions import OPERATORS
from connector.mapping.document import (
    ANY_HOUR,
    Form,
    Group,
    LanguagePart,
    Row,
    RulePart,
    TemplatePart,
    TimingPart,
    ToPart,
    Value,
    WhenPart,
    from_json,
    guess_value,
    place_of,
    read_form,
    rows,
    takes,
    to_json,
    write_form,
)
from connector.mapping.kinds import kind_of, read
from connector.mapping.rules import OUTCOMES

FOLDER = resources.files("mappings")
SHIPPED = {
    f"{folder}/{file.name.removesuffix('.toml')}": file.read_text("utf-8")
    for folder in ("shopify", "salesforce")
    for file in sorted((FOLDER / folder).iterdir(), key=lambda file: file.name)
    if file.name.endswith(".toml") and kind_of(file.read_text("utf-8")) == "notification"
}
PAID = SHIPPED["shopify/order_paid"]
COD = SHIPPED["shopify/cod_confirm"]
DOTTED = """
# by hand
title = 'Paid'   # why not
when.event = "order.paid"
when.adapter = "shopify"
when.conditions = { all = [ {field="id",operator="is",value=820982911946154508}, ] }
to = { phone = ["{{ phone }}"] , region=[] }

[template]
name = "paid"
  [template.language]  # by the buyer
  choose = "{{ customer_locale }}"
  map.de = "de"
  map.pt-BR = 'pt_BR'
  default = "en"

[slots.body]
1 = "{{ name }}"
[slots."button.0"]
url = "x"

[timing]
cap = ["1 per 7d"]
[[after]]
on = "read"
add_labels = [
  "a", # first
  # last
  "b",
]
"""
INLINE = """
title = "x"
after = [ {on="read", cancel_others=true}, { on = "button", payload="p", set_fields = {a=1, "b c"=2.50} } ]
when = { event="e", adapter = "a", accounts=["x", 'y'], conditions.all = [ {field="a",operator="is",value=1} ] }
to.phone = [ # comment, with comma
  "{{ phone }}" # a, b
  , "{{ x }}"
  # end, here
]
template.language.default = "en"
template.language.choose = "{{ l }}"
template.language.map = {de="de"}
slots = { body.1 = "a", "button.0.url" = 'u' }
timing = {}
"""
SCATTERED = """
[[after]] # one
on="read"
[after.consent]
marketing = "revoked"
[timing]
quiet="21:00-08:00"
[[after]]
on="replied"
[after.set_fields]
"x.y" = 1
[slots.body]
1="a"
[slots.button.0]
url="u"
[[when.conditions.all]]
field="a"
operator="is"
value=[1,2]
[[when.conditions.all]]
field="b"
operator="is_blank"
[when]
event="e"
"""
STYLES = {"dotted": DOTTED, "inline": INLINE, "scattered": SCATTERED}


def changed(before: str, after: str) -> list[str]:
    """The lines that differ."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


@pytest.mark.parametrize("source", [*SHIPPED.values(), *STYLES.values()], ids=[*SHIPPED, *STYLES])
def test_an_unchanged_form_gives_back_the_very_same_text(source: str) -> None:
    form = read_form(source)
    assert write_form(source, form) == source
    assert not form.unknown
    assert form.slots
    assert write_form(source.replace("\n", "\r\n"), form) == source.replace("\n", "\r\n")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_mapping_can_be_written_from_its_form_alone(name: str) -> None:
    form = read_form(SHIPPED[name])
    fresh = write_form("", form)
    assert read_form(fresh) == form
    one, other = read(name, SHIPPED[name]), read(name, fresh)
    assert replace(one, source="") == replace(other, source="")  # type: ignore[type-var]


def test_a_changed_field_changes_its_own_line() -> None:
    form = read_form(PAID)
    after = write_form(PAID, replace(form, slots={**form.slots, "body.2": "{{ name }}"}))
    assert changed(PAID, after) == ['-body.2 = "{{ total_price_set | money }}"', '+body.2 = "{{ name }}"']


def test_a_changed_condition_changes_its_own_row() -> None:
    form = read_form(PAID)
    parts = form.when.conditions.parts
    more = (*parts[:3], Row("total_price", "greater_than", (Value("number", "49.90"),)))
    after = write_form(PAID, replace(form, when=replace(form.when, conditions=Group("all", more))))
    assert [line[:1] for line in changed(PAID, after)] == ["-", "+"]
    assert '+  { field = "total_price", operator = "greater_than", value = 49.90 },' in changed(PAID, after)


def test_a_new_slot_stands_with_its_like_and_a_new_section_in_its_place() -> None:
    source = PAID.partition("[timing]")[0]
    form = read_form(source)
    timing = TimingPart(delay="10m", quiet=ANY_HOUR)
    after = write_form(
        source,
        replace(
            form,
            slots={**form.slots, "body.4": "{{ currency }}"},
            timing=timing,
            after=(RulePart(on="read", cancel_others=True),),
        ),
    )
    assert changed(source, after)[0] == '+body.4 = "{{ currency }}"'
    assert after.index("body.3") < after.index("body.4") < after.index("button.0.url") < after.index("[timing]")
    assert after.endswith(
        '\n\n[timing]\ndelay = "10m"\nquiet = false\n\n[[after]]\non = "read"\ncancel_others = true\n'
    )


def test_rules_can_be_moved_taken_out_and_changed() -> None:
    form = read_form(COD)
    one, two, three, four = form.after
    after = replace(form, after=(four, one, replace(three, answer="Yes.")))
    written = write_form(COD, after)
    assert read_form(written) == after
    assert two.add_tags[0] not in [line[1:] for line in changed(COD, written) if line.startswith("+")]
    assert written.startswith(COD.partition("[[after]]")[0])
    assert "\n\n\n" not in written


def test_comments_within_a_list_stay() -> None:
    form = read_form(DOTTED)
    rule = replace(form.after[0], add_labels=("a", "c", "b"))
    after = write_form(DOTTED, replace(form, after=(rule,)))
    assert changed(DOTTED, after) == ['+  "c",']
    gone = write_form(DOTTED, replace(form, after=(replace(rule, add_labels=("a",)),)))
    assert changed(DOTTED, gone) == ['-  "b",']


def test_every_writer_s_style_can_be_changed() -> None:
    form = read_form(DOTTED)
    other = replace(
        form,
        title="Paid at last",
        when=replace(form.when, accounts=("eu",), once_per="{{ name }}"),
        to=replace(form.to, phone=("{{ phone }}", "{{ customer.phone }}"), region=("{{ account.country }}",)),
        template=replace(form.template, language=replace(form.template.language, map={"de": "de", "fr": "fr"})),
        slots={"body.1": "{{ name | upcase }}", "body.2": "x", "button.1.payload": "p"},
        timing=TimingPart(delay="5m", cap=("1 per 7d", "2 per 30d")),
    )
    after = write_form(DOTTED, other)
    assert read_form(after) == other
    assert "title = 'Paid at last'   # why not" in after
    assert "[template.language]  # by the buyer" in after


def test_a_language_becomes_a_table_and_one_language_again() -> None:
    form = read_form(PAID)
    table = LanguagePart(default="en", chosen=True, choose="{{ customer_locale }}", map={"pt-BR": "pt_BR"})
    both = write_form(PAID, replace(form, template=replace(form.template, language=table)))
    assert read_form(both).template.language == table
    assert write_form(both, form) == PAID
    form = read_form(DOTTED)
    fixed = write_form(DOTTED, replace(form, template=replace(form.template, language=LanguagePart(default="de"))))
    assert read_form(fixed).template.language == LanguagePart(default="de")


def test_what_the_form_does_not_know_is_named_and_kept() -> None:
    source = (
        PAID.replace("[timing]", '[timing]\nmoon = "full"')
        .replace('title = "', "title = 5 # ")
        .replace("\n[when]", "\nextra = 1\n[when]")
    )
    form = read_form(source)
    assert set(form.unknown) == {"title", "extra", "timing.moon"}
    after = write_form(source, replace(form, timing=replace(form.timing, delay="5m")))
    assert changed(source, after) == ['+delay = "5m"']
    assert 'title = "Paid" #' in write_form(source, replace(form, title="Paid"))


def test_conditions_of_another_shape_stay_until_they_are_changed() -> None:
    source = PAID.replace('{ field = "test", operator = "is_not", value = true }', '{ field = "test", moon = 1 }')
    form = read_form(source)
    assert form.unknown == ("when.conditions",)
    assert form.when.conditions == Group()
    assert write_form(source, replace(form, title="Other")).count("moon = 1") == 1
    one = Group("any", (Row("test", "is_blank"),))
    after = write_form(source, replace(form, when=replace(form.when, conditions=one)))
    assert read_form(after).when.conditions == one
    assert write_form(after, replace(read_form(after), when=replace(form.when, conditions=Group()))).count("field") == 0


def test_a_single_test_without_a_group_is_shown_as_a_group_of_one() -> None:
    source = 'title = "x"\n[when]\nconditions = { field = "id", operator = "is", value = 1 }\n'
    form = read_form(source)
    assert form.when.conditions == Group("all", (Row("id", "is", (Value("number", "1"),)),))
    two = Group("all", (*form.when.conditions.parts, Row("a", "is_blank")))
    assert read_form(write_form(source, replace(form, when=replace(form.when, conditions=two)))).when.conditions == two


def test_rows_have_the_paths_of_faults() -> None:
    inner = Group("any", (Row("a", "is"), Group("not", (Row("b", "is"),))))
    tree = Group("all", (Row("c", "is"), inner))
    assert [(path.removeprefix("when.conditions."), row.field) for path, row in rows(tree)] == [
        ("all.0", "c"),
        ("all.1.any.0", "a"),
        ("all.1.any.1.not", "b"),
    ]


def test_a_text_that_is_no_toml_says_where() -> None:
    with pytest.raises(MappingError) as caught:
        read_form('title = "x"\nwhen = \n')
    assert place_of(str(caught.value)) == (2, 8)
    assert place_of("all is well") is None


@pytest.mark.parametrize(
    ("text", "type_", "kind", "written"),
    [
        ("820982911946154508", "id", "number", "820982911946154508"),
        ("12.50", "money", "number", "12.50"),
        ("yes", "boolean", "truth", "true"),
        ("12.50", "text", "text", "12.50"),
        ("007", "number", "text", "007"),
        ("1e5", "number", "text", "1e5"),
        ("vip ", "text", "text", "vip"),
    ],
)
def test_what_is_typed_becomes_a_value_of_the_field_s_kind(text: str, type_: str, kind: str, written: str) -> None:
    assert guess_value(text, type_) == Value(kind, written)


def test_values_are_written_with_their_types() -> None:
    values = (Value("number", "9007199254740993"), Value("number", "12.50"), Value("truth", "true"), Value("text", "5"))
    tree = Group("all", (Row("a", "in", values), Row("b", "is", values[1:2]), Row("c", "is_blank")))
    written = write_form("", replace(Form(), title="x", when=WhenPart(event="e", conditions=tree)))
    assert 'value = [9007199254740993, 12.50, true, "5"]' in written
    assert read_form(written).when.conditions == tree


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ([], ""),
        ({"title": 5}, "title"),
        ({"to": {"phone": "x"}}, "to.phone"),
        ({"to": {"phone": [1]}}, "to.phone.0"),
        ({"after": [{"on": None}]}, "after.0.on"),
        ({"when": {"conditions": {"kind": "all", "parts": [{"field": 1}]}}}, "when.conditions.parts.0.field"),
        ({"slots": {"body.1": {}}}, "slots.body.1"),
        ({"timing": {"restart": "yes"}}, "timing.restart"),
    ],
)
def test_json_of_another_shape_is_refused_with_its_path(data: Any, path: str) -> None:
    with pytest.raises(MappingError) as caught:
        from_json(Form, data)
    assert caught.value.faults[0].path == path


def test_json_nested_without_end_is_refused() -> None:
    tree: Any = {"field": "x"}
    for _ in range(500):
        tree = {"kind": "all", "parts": [tree]}
    with pytest.raises(MappingError):
        from_json(Form, {"when": {"conditions": tree}})


# Random forms.

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=20)
WORD = st.text(st.sampled_from("abcXYZ09 _-.'\"\\{}#=,[]é€\n\t"), max_size=12)
SOME = st.lists(st.one_of(WORD, TEXT), max_size=4).map(tuple)
VALUES = st.one_of(
    st.integers(-(2**64), 2**64).map(lambda number: Value("number", str(number))),
    st.decimals(-1000, 1000, places=2)
    .filter(lambda number: not number.is_zero())
    .map(lambda number: Value("number", str(number))),
    st.booleans().map(lambda flag: Value("truth", str(flag).lower())),
    TEXT.map(lambda text: Value("text", text)),
)


@st.composite
def a_row(draw: st.DrawFn) -> Row:
    operator = draw(st.sampled_from(sorted(OPERATORS)))
    count = {"list": (1, 4), "one": (1, 1), "nothing": (0, 0)}[takes(operator)]
    return Row(draw(WORD), operator, tuple(draw(st.lists(VALUES, min_size=count[0], max_size=count[1]))))


TREES: st.SearchStrategy[Group] = st.recursive(
    a_row(),
    lambda inner: st.one_of(
        st.builds(Group, st.sampled_from(["all", "any"]), st.lists(inner, min_size=1, max_size=3).map(tuple)),
        inner.map(lambda part: Group("not", (part,))),
    ),
    max_leaves=6,
).map(lambda found: found if isinstance(found, Group) else Group("all", (found,)))  # type: ignore[assignment]
SLOTS = st.dictionaries(
    st.sampled_from(["body.1", "body.2", "header.text", "button.0.url", "button.1.payload", "card.1.body.1", "body.x"]),
    st.one_of(WORD, TEXT).filter(lambda text: text.strip()),
    max_size=5,
)
RULES = st.builds(
    RulePart,
    on=st.sampled_from(OUTCOMES),
    payload=WORD,
    wording=TEXT,
    record=WORD,
    answer=TEXT,
    add_labels=SOME,
    remove_labels=SOME,
    add_tags=SOME,
    remove_tags=SOME,
    cancel_others=st.booleans(),
    consent=st.dictionaries(st.sampled_from(["marketing", "utility"]), st.sampled_from(["granted", "revoked"])),
    set_fields=st.dictionaries(WORD, VALUES, max_size=3),
)
LANGUAGES = st.one_of(
    st.builds(LanguagePart, default=WORD),
    st.builds(
        LanguagePart, default=WORD, chosen=st.just(True), choose=TEXT, map=st.dictionaries(WORD, WORD, max_size=3)
    ),
)
FORMS = st.builds(
    Form,
    title=TEXT,
    description=TEXT.map(str.strip),
    when=st.builds(
        WhenPart, event=WORD, adapter=WORD, accounts=SOME, once_per=TEXT, conditions=st.one_of(st.just(Group()), TREES)
    ),
    to=st.builds(
        ToPart, phone=SOME, region=SOME, locale=SOME, agreement=SOME, ground=st.sampled_from(["transaction", "consent"])
    ),
    template=st.builds(TemplatePart, account=WORD, name=WORD, language=LANGUAGES),
    slots=SLOTS,
    timing=st.builds(
        TimingPart,
        delay=WORD,
        at=TEXT,
        before=WORD,
        expires=WORD,
        cancel_when=SOME,
        restart=st.booleans(),
        quiet=st.sampled_from(["", ANY_HOUR, "21:00-08:00"]),
        cap=SOME,
        in_doubt=st.sampled_from(["", "resend"]),
    ),
    after=st.lists(RULES, max_size=3).map(tuple),
)


@settings(max_examples=150, deadline=None)
@given(FORMS)
def test_any_form_can_be_written_anew_and_read_back(form: Form) -> None:
    written = write_form("", form)
    assert read_form(written) == form
    assert write_form(written, form) == written


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([*SHIPPED.values(), *STYLES.values(), "", COD.replace("\n", "\r\n")]), FORMS)
def test_any_text_can_become_any_form(source: str, form: Form) -> None:
    assert read_form(write_form(source, form)) == form


@settings(max_examples=150, deadline=None)
@given(FORMS, FORMS, st.data())
def test_a_part_that_is_changed_leaves_the_others_as_they_were(one: Form, other: Form, data: st.DataObject) -> None:
    source = write_form("", one)
    name = data.draw(st.sampled_from(["title", "when", "to", "template", "slots", "timing", "after"]))
    mixed = replace(one, **{name: getattr(other, name)})
    written = write_form(source, mixed)
    assert read_form(written) == mixed
    assert write_form(written, mixed) == written


@settings(max_examples=100, deadline=None)
@given(FORMS)
def test_json_holds_all_of_a_form(form: Form) -> None:
    assert from_json(Form, json.loads(json.dumps(to_json(form)))) == form


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_sound_form_compiles_to_the_same_mapping_whichever_text_it_was_put_into(data: st.DataObject) -> None:
    """Of all shipped mappings, parts are put together at random."""
    pick = st.sampled_from([read_form(source) for source in SHIPPED.values()])
    form = replace(
        data.draw(pick),
        when=data.draw(pick).when,
        to=data.draw(pick).to,
        timing=data.draw(pick).timing,
        slots=data.draw(pick).slots,
    )
    target = data.draw(st.sampled_from(list(SHIPPED.values())))
    one, other = read("a", write_form("", form)), read("a", write_form(target, form))
    assert replace(one, source="") == replace(other, source="")  # type: ignore[type-var]
