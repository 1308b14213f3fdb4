"""What differs between two texts of a mapping, in words and line by line."""

from __future__ import annotations

from connector.flow import differences
from connector.flow.differences import Difference, Line

BEFORE = """
[when.conditions]
all = [{ field = "total", operator = "greater_than", value = 0 }, { field = "test", operator = "is", value = false }]
[slots]
body.1 = "{{ name }}"
[[after]]
on = "read"
"""


def test_a_field_that_changed_is_told_by_its_name_with_both_values() -> None:
    after = BEFORE.replace("value = 0", "value = 50").replace("{{ name }}", "{{ title }}")
    assert differences.fields(BEFORE, after) == [
        Difference("when.conditions.all.total.value", "Conditions: all.total.value", "0", "50"),
        Difference("slots.body.1", "Slot body.1", "{{ name }}", "{{ title }}"),
    ]


def test_what_was_added_and_what_was_taken_out_is_told() -> None:
    after = BEFORE.replace(
        '[[after]]\non = "read"\n', '[timing]\ncancel_when = ["order.cancelled", "order.refunded"]\n'
    )
    told = {each.words: (each.before, each.after) for each in differences.fields(BEFORE, after) or []}
    assert told == {"Stopped by": ("", "order.cancelled, order.refunded"), "After-effects: read.on": ("read", "")}


def test_comments_and_order_are_no_difference_in_meaning() -> None:
    assert differences.fields(BEFORE, "# greeting\n" + BEFORE) == []
    assert differences.lines(BEFORE, "# greeting\n" + BEFORE)[:2] == [Line("@", ""), Line("+", "# greeting")]


def test_a_text_that_is_no_toml_is_compared_line_by_line_alone() -> None:
    assert differences.fields(BEFORE, "[") is None
    assert differences.lines(BEFORE, "[")


def test_two_conditions_about_one_field_are_told_apart() -> None:
    twice = BEFORE.replace('field = "test"', 'field = "total"')
    (change,) = differences.fields(twice, twice.replace("value = false", "value = true")) or []
    assert change.path == "when.conditions.all.total (2).value"
