"""A message as its reader sees it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.flow.bubble import TICKS, Button, Run, fill, plain
from connector.model import Part, State
from tests.scene import SLOTS, TEMPLATE


def body(text: str, **slots: str) -> tuple[Run, ...]:
    template = replace(TEMPLATE, parts=(Part(kind="body", text=text, prefix="body"),))
    return fill(template, {f"body.{name}": value for name, value in slots.items()}).body


def test_every_part_is_filled_with_its_own_slots() -> None:
    seen = fill(TEMPLATE, SLOTS)
    assert plain(seen.header) == "Order #1001"
    assert plain(seen.body) == "Hi Zoë, we have received € 59,90.\nThank you!"
    assert seen.footer == "Example Shop"
    assert seen.buttons == (Button(label="View order", link="https://shop.example/orders/1001"),)


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("a *b* c", (Run(text="a "), Run(text="b", bold=True), Run(text=" c"))),
        ("_a *b*_", (Run(text="a ", italic=True), Run(text="b", bold=True, italic=True))),
        ("~gone~", (Run(text="gone", strike=True),)),
        ("```two\nlines```", (Run(text="two\nlines", code=True),)),
        ("`CODE`", (Run(text="CODE", code=True),)),
        ("2*3*4 snake_case_name * a *", (Run(text="2*3*4 snake_case_name * a *"),)),
        ("*two\nlines*", (Run(text="*two\nlines*"),)),
    ],
)
def test_styles_are_read_as_whatsapp_reads_them(text: str, runs: tuple[Run, ...]) -> None:
    assert body(text) == runs


def test_a_slot_without_a_value_stays_visible_and_marked() -> None:
    assert body("Hi *{{1}}*, {{ name }}!", name="") == (
        Run(text="Hi "),
        Run(text="{{1}}", bold=True, missing=True),
        Run(text=", "),
        Run(text="{{ name }}", missing=True),
        Run(text="!"),
    )


def test_a_value_that_looks_like_a_slot_is_a_value() -> None:
    assert plain(body("{{1}} {{2}}", **{"1": "{{2}}", "2": "two"})) == "{{2}} two"


def test_media_are_named_and_cards_stand_apart() -> None:
    parts = (
        Part(kind="header", text="", prefix="header", media="document"),
        Part(kind="body", text="Look:", prefix="body"),
        Part(kind="header", text="", prefix="card.1.header", media="image"),
        Part(kind="body", text="{{1}}", prefix="card.1.body"),
        Part(kind="body", text="first", prefix="card.0.body"),
        Part(kind="button", text="Buy", prefix="card.1.button.0"),
    )
    slots = {"header.filename": "invoice.pdf", "header.document": "https://x.example/1", "card.1.body.1": "second"}
    seen = fill(replace(TEMPLATE, parts=parts), slots)
    assert (seen.media, seen.media_name) == ("document", "invoice.pdf")
    assert [plain(card.body) for card in seen.cards] == ["first", "second"]
    assert seen.cards[1].buttons == (Button(label="Buy"),)


@pytest.mark.parametrize("value", ["*_" * 3000 + "x" + "_*" * 3000, "*" * 9000, "`" * 9000, " *x" * 3000, "\ufffc" * 9])
def test_no_value_is_too_wild_to_draw(value: str) -> None:
    body("{{1}}", **{"1": value})


@settings(deadline=None)
@given(st.text(st.characters(exclude_characters="*_~`\ufffc", exclude_categories=["Cs"]), max_size=200))
def test_text_without_marks_is_drawn_as_it_stands(value: str) -> None:
    assert plain(body("{{1}}", **{"1": value})) == (value or "{{1}}")


def test_every_state_has_its_ticks() -> None:
    assert set(TICKS) == set(State)
    assert TICKS[State.READ].tone == "read"
