from decimal import Decimal
from typing import Any

import pytest

from connector.mapping.formats import ENGLISH
from connector.mapping.liquid import MAX_OUTPUT, BlankError, BrokenError, ExpressionError, compile_expression

ROOTS: dict[str, Any] = {
    "id": 820982911946154508,
    "price": Decimal("12.50"),
    "large": Decimal("1E+3"),
    "small": Decimal("1E-7"),
    "test": False,
    "name": "Ann",
    "spaces": " \u200b ",
    "hollow": "",
    "nothing": None,
    "customer": {"first_name": None},
    "items": [{"title": "Tea"}, {"title": "Cup"}],
    "none": [],
    "long": "x" * 30_000,
}


def render(source: str, **roots: Any) -> str:
    return compile_expression(source).render(ROOTS | roots, ENGLISH)


def faults(source: str) -> str:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(source)
    return "; ".join(caught.value.faults)


@pytest.mark.parametrize(
    ("source", "culprit"),
    [
        ("Hello {{ customer.first_name }}!", "customer.first_name is missing"),
        ("{{ nobody.here }}", "nobody.here is missing"),
        ("{{ hollow }}", "hollow is blank"),
        ("{{ name }} {{ spaces }}", "spaces is blank"),
        ("{{ none }}", "none is empty"),
        ("{{ items[7].title }}", "items[7].title is missing"),
        ("{{ customer.first_name | upcase | append: '!' }}", "customer.first_name is missing"),
        ("{{ name | append: customer.first_name }}", "customer.first_name is missing"),
        ("{% assign x = nothing %}{{ x }}", "x is missing"),
        ("{% if name %}{{ hollow }}{% endif %}", "hollow is blank"),
    ],
)
def test_an_output_with_nothing_to_print_blanks_the_whole_and_is_named(source: str, culprit: str) -> None:
    with pytest.raises(BlankError) as caught:
        render(source)
    assert str(caught.value) == f"{culprit}."


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Hello {{ customer.first_name | default: 'there' }}", "Hello there"),
        ("{{ spaces | default: 'x' }}", "x"),
        ("{{ none | default: 'x' }}", "x"),
        ("{{ customer.first_name | append: name | default: name }}", "Ann"),
        ("{{ a.b | default: c.d | default: 'e' }}", "e"),
        ("{{ test | default: 'x' }}", "x"),
        ("{{ test | default: 'x', allow_false: true }}", "false"),
        ("{{ test }}", "false"),
        ("{% if customer.zip %}a{% else %}b{% endif %}", "b"),
        ("{% unless nothing %}u{% endunless %}", "u"),
        ("{% case name %}{% when 'Ann' %}A{% else %}B{% endcase %}", "A"),
        ("{% if customer.first_name == nil %}nil{% endif %}", "nil"),
        ("{% comment %}{{ nobody }}{% endcomment %}c", "c"),
        ("{% if nobody > 5 %}x{% else %}y{% endif %}", "y"),
    ],
)
def test_defaults_and_branches_work_on_missing_values(source: str, text: str) -> None:
    assert render(source) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ id }}", "820982911946154508"),
        ("{{ id | plus: 1 }}", "820982911946154509"),
        ("{{ price }}", "12.50"),
        ("{{ price | times: 1.1 }}", "13.750"),
        ("{{ '0.1' | plus: 0.2 }}", "0.3"),
        ("{{ large }}", "1000"),
        ("{{ small }}", "0.0000001"),
        ("{{ 7 | divided_by: 2 }}", "3"),
        ("{{ 2.5 | round }}", "3"),
        ("{{ '2.345' | round: 2 }}", "2.35"),
        ("{{ items | size }}", "2"),
        ("{{ items.size }} {{ items.first.title }} {{ items.last.title }}", "2 Tea Cup"),
    ],
)
def test_numbers_are_exact_and_plain(source: str, text: str) -> None:
    assert render(source) == text


@pytest.mark.parametrize("tag", ["for i in items", "capture x", "include 'x'", "render 'x'", "tablerow i in items",
    "cycle 'a', 'b'", "increment x", "echo name", "liquid echo name", "ifchanged", "break"])  # fmt: skip
def test_other_tags_are_not_there_and_named(tag: str) -> None:
    assert f"the tag '{tag.split()[0]}' is not available; there are if, unless" in faults(f"{{% {tag} %}}")


def test_raw_is_kept_as_it_is_and_doc_is_not_there() -> None:
    assert render("{% raw %}{{ x }}{% endraw %}") == "{{ x }}"
    assert "'doc' is not available" in faults("{% doc %}x{% enddoc %}")
    assert "without its beginning" in faults("a{% endif %}")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ name", "(character 1)"),
        ("{{ a | | b }}", "(character 8)"),
        ("{{ empty | upcase }}", "'empty' and 'blank' are words of Liquid"),
        ("one\n{{ a | upcas }}", "there is no filter 'upcas'; did you mean 'upcase'? (line 2, character 8)"),
        ("{{ (1..100000000) | join: ',' }}", "ranges such as (1..9) are not available (character 4)"),
        ("{{ name | default: (1..3) }}", "ranges such as"),
        ("{{ a.__class__ }}", "a.__class__ is out of reach"),
        ("{{ a['_x'].b }}", "is out of reach"),
        ("{% if a[b._c] %}x{% endif %}", "is out of reach"),
        ("{{ price | money: 'EURO' }}", "needs a currency code"),
        ("{{ price | truncate }} {{ price | truncate: 1, 2, 3 }}", "'truncate' is given wrong arguments"),
        ("{{ name | upcase: 'x' }}", "'upcase' is given wrong arguments"),
        ("{{ name | default: 'x', allow_fals: true }}", "allow_fals"),
        ("{{ a | date: 'meduim' }}", "'meduim' is no date style"),
        ("{{ a | date: '%Q' }}", "%Q is not known"),
        ("{{ a | date: 'short', 'Mars' }}", "time zone is not known"),
        ("{{ a | url_suffix: 'https://shop.example' }}", "such as 'https://shop.example/'"),
        ("{{ a | divided_by: 0 }}", "divided by 0"),
        ("{{ " + "a[" * 300 + "b" + "]" * 300 + " }}", "nested"),
        ("{% if x %}" * 20 + "y" + "{% endif %}" * 20, "nested"),
        ("{{ a }}" * 300, "2100 characters long; at most 2000"),
        ("{{ 1" + "0" * 500 + ".5 | plus: 1 }}", "too long"),
    ],
)
def test_a_faulty_expression_is_told_with_its_place(source: str, words: str) -> None:
    assert words in faults(source)


def test_every_unknown_filter_of_an_expression_is_told() -> None:
    words = faults("{{ a | foo }} {{ b._c | bar }}")
    assert "'foo'" in words
    assert "'bar'" in words
    assert "b._c" in words


@pytest.mark.parametrize(
    "source",
    [
        "{{ items }}", "{{ customer }}", "{{ name | times: 2 }}", "{{ price | money }}", "{{ name | date }}",
        "{{ name | phone }}", "{{ name | list: 'x' }}", "{{ items | upcase }}", "{{ name | join: ',' }}",
        "{{ price | round: id }}", "{{ name | slice: name }}", "{{ id | times: id | times: id | times: id }}",
        "{% if name > 5 %}x{% endif %}", "{{ long | append: long }}", "{{ name | replace: 'n', long }}",
        "{{ long | split: '' | join: long }}",
        "{{ name | split: '' | join: long }}", "{{ items | map: 'title' | sum }}",
        "{% assign a = long %}{% assign a = a | append: a %}{{ a }}", "{{ items | money: 'EUR' }}x{{ items }}",
        "{{ name | truncate: id }}", "{{ price | divided_by: test }}", "{{ items | uniq | first }}",
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_used_breaks_the_expression_and_nothing_else(source: str) -> None:
    with pytest.raises((BrokenError, BlankError)):
        render(source)


def test_doubling_a_text_over_and_over_meets_a_limit() -> None:
    with pytest.raises(BrokenError, match=r"limit|longer"):
        render("{% assign a = name %}" + "{% assign a = a | append: a %}" * 60 + "{{ a }}")


def test_what_is_assigned_has_a_limit() -> None:
    with pytest.raises(BrokenError, match="namespace limit"):
        render("{% assign a = long %}{{ name }}")


def test_a_long_value_is_cut_off_right_after_the_limit() -> None:
    assert len(render("{{ long }}")) == MAX_OUTPUT + 1
    assert len(render("{{ name }}{{ long }}{{ long }}")) == MAX_OUTPUT + 1


def test_the_clock_is_out_of_reach() -> None:
    for source in ("{{ now }}", "{{ today }}", "{{ partial }}"):
        with pytest.raises(BlankError):
            render(source)
    with pytest.raises(BrokenError, match="date needs a time"):
        render("{{ 'now' | date }}")


def test_a_payload_may_have_fields_of_any_name() -> None:
    assert render("{{ now }} {{ partial }} {{ size }}", now="a", partial="b", size="c") == "a b c"


def test_paths_name_what_an_expression_reads() -> None:
    found = compile_expression("{% assign x = a.b[0].c %}{{ x }} {{ d[e.f].g | append: h }}")
    assert found.paths == (("a", "b", "c"), ("d",), ("e", "f"), ("h",))
    assert compile_expression("fixed").is_constant
    assert compile_expression("{{ a.b }}").label == "a.b"
    assert compile_expression("x {{ a.b }}").label == "x {{ a.b }}"
