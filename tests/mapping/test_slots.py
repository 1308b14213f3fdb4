from typing import Any

import pytest

from connector.mapping.formats import ENGLISH
from connector.mapping.liquid import BlankError, compile_expression
from connector.mapping.slots import UnfitError, fill, fit, misfits
from connector.model import Category, Reason, Skip, Slot, SlotKind, Template


def slot(kind: SlotKind, key: str = "body.1", **more: Any) -> Slot:
    return Slot(key=key, kind=kind, **more)


def template(*slots: Slot, budget: tuple[tuple[str, int], ...] = ()) -> Template:
    return Template(name="t", language="en", category=Category.UTILITY, status="approved", slots=slots, budget=budget)


def print_all(of: Template, roots: dict[str, Any], **bound: str) -> dict[str, str] | Skip:
    expressions = {key.replace("_", "."): compile_expression(source) for key, source in bound.items()}
    return fill(expressions, of, roots, ENGLISH)[0]


@pytest.mark.parametrize(
    ("kind", "text", "fitted"),
    [
        (SlotKind.TEXT, " a\n b ", "a  b"),
        (SlotKind.URL_SUFFIX, " orders/ä?x=1 ", "orders/%C3%A4?x=1"),
        (SlotKind.URL_SUFFIX, "a%20b", "a%20b"),
        (SlotKind.PAYLOAD, "order:1\ncancel", "order:1 cancel"),
        (SlotKind.CODE, " SAVE25 ", "SAVE25"),
        (SlotKind.MEDIA, "https://cdn.example/a.png?v=1", "https://cdn.example/a.png?v=1"),
        (SlotKind.MEDIA, "1013859600285441", "1013859600285441"),
        (SlotKind.NUMBER, "-52.52", "-52.52"),
        (SlotKind.JSON, '{"a": {"b": 1}}', '{"a": {"b": 1}}'),
    ],
)
def test_a_text_is_made_fit_for_its_kind(kind: SlotKind, text: str, fitted: str) -> None:
    assert fit(slot(kind), text) == fitted


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        (SlotKind.TEXT, "Hello {{name}}", "'{{'"),
        (SlotKind.TEXT, "Hello name }}", "'}}'"),
        (SlotKind.URL_SUFFIX, "a b", "no spaces"),
        (SlotKind.URL_SUFFIX, "a\u202eb", "no spaces"),
        (SlotKind.URL_SUFFIX, "https://shop.example/a", "url_suffix"),
        (SlotKind.URL_SUFFIX, "a" * 2001, "at most 2000"),
        (SlotKind.PAYLOAD, "a" * 257, "at most 256"),
        (SlotKind.CODE, "SAVE-25", "letters A-Z and digits"),
        (SlotKind.CODE, "a" * 21, "at most 20"),
        (SlotKind.CODE, "é", "letters A-Z"),
        (SlotKind.MEDIA, "http://cdn.example/a.png", "https link"),
        (SlotKind.MEDIA, "https:///a.png", "https link"),
        (SlotKind.MEDIA, "https://cdn.example/a b.png", "https link"),
        (SlotKind.MEDIA, "https://[::1/a", "https link"),
        (SlotKind.MEDIA, "file:///etc/passwd", "https link"),
        (SlotKind.NUMBER, "52,52", "a number is needed"),
        (SlotKind.NUMBER, "1e5", "a number is needed"),
        (SlotKind.JSON, "{'a': 1}", "this is not JSON"),
        (SlotKind.JSON, '{"a": "\ud800"', "this is not JSON"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(kind: SlotKind, text: str, words: str) -> None:
    with pytest.raises(UnfitError) as caught:
        fit(slot(kind), text)
    assert words in str(caught.value)


def test_a_place_on_earth_must_be_one() -> None:
    assert fit(slot(SlotKind.NUMBER, "header.latitude"), "-90") == "-90"
    with pytest.raises(UnfitError, match="-90 and 90"):
        fit(slot(SlotKind.NUMBER, "header.latitude"), "90.1")
    with pytest.raises(UnfitError, match="-180 and 180"):
        fit(slot(SlotKind.NUMBER, "header.longitude"), "-181")


@pytest.mark.parametrize("kind", list(SlotKind))
def test_what_nobody_sees_is_blank_in_every_kind(kind: SlotKind) -> None:
    with pytest.raises(BlankError):
        fit(slot(kind), " \n ")


def test_text_is_cut_to_the_limit_of_its_slot() -> None:
    assert fit(slot(SlotKind.TEXT, limit=6), "abcdefghij") == "abcde…"
    assert fit(slot(SlotKind.TEXT), "a" * 2001) == "a" * 1999 + "…"


def test_shared_room_is_kept_by_cutting_the_longest() -> None:
    of = template(
        Slot(key="body.1"), Slot(key="body.2"), Slot(key="body.3"), Slot(key="header.text"), budget=(("body", 30),)
    )
    roots = {"a": "a" * 5, "b": "b" * 50, "c": "c" * 20, "h": "h" * 50}
    filled = print_all(of, roots, body_1="{{ a }}", body_2="{{ b }}", body_3="{{ c }}", header_text="{{ h }}")
    assert isinstance(filled, dict)
    assert filled == {"body.1": "aaaaa", "body.2": "b" * 11 + "…", "body.3": "c" * 11 + "…", "header.text": "h" * 50}


def test_a_template_without_room_is_refused() -> None:
    of = template(Slot(key="body.1"), Slot(key="body.2"), budget=(("body", 1),))
    skip = print_all(of, {"a": "aa"}, body_1="{{ a }}", body_2="{{ a }}")
    assert isinstance(skip, Skip)
    assert skip.reason is Reason.SLOT_FAULT
    assert "no room" in skip.words


def test_an_optional_slot_that_is_blank_is_left_out_and_a_required_one_stops() -> None:
    of = template(Slot(key="body.1"), Slot(key="button.0.payload", kind=SlotKind.PAYLOAD, required=False))
    bound = {"body.1": compile_expression("{{ a }}"), "button.0.payload": compile_expression("{{ b }}")}
    filled, steps = fill(bound, of, {"a": "x"}, ENGLISH)
    assert filled == {"body.1": "x"}
    assert [(step.name, step.ok, step.words) for step in steps] == [
        ("slot body.1", True, "x"),
        ("slot button.0.payload", True, "left out: b is missing."),
    ]
    filled, steps = fill(bound, of, {"b": "x"}, ENGLISH)
    assert isinstance(filled, Skip)
    assert (filled.reason, filled.words) == (Reason.BLANK_SLOT, "body.1: a is missing.")
    assert not steps[-1].ok


def test_a_structure_takes_texts_from_the_payload_safely() -> None:
    of = template(Slot(key="button.0.flow", kind=SlotKind.JSON))
    filled = print_all(of, {"a": 'say "hi"'}, button_0_flow='{"x": {{ a | json }}}')
    assert filled == {"button.0.flow": '{"x": "say \\"hi\\""}'}
    skip = print_all(of, {"a": 'say "hi"'}, button_0_flow='{"x": "{{ a }}"}')
    assert isinstance(skip, Skip)
    assert skip.reason is Reason.SLOT_FAULT
    assert "button.0.flow" in skip.words


def test_misfits_name_what_the_template_has() -> None:
    of = template(Slot(key="body.1", example="Ann"), Slot(key="body.2"), Slot(key="header.text", required=False))
    faults = [str(fault) for fault in misfits(["body.2", "body.3"], of)]
    assert faults == [
        "slots.body.3: the approved template has no such slot; it has body.1, body.2, header.text.",
        "slots.body.1: is missing; the approved template needs it, such as 'Ann'.",
    ]
    assert [str(fault) for fault in misfits(["a"], template())] == [
        "slots.a: the approved template has no such slot; it has none."
    ]
