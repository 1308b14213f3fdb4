from decimal import Decimal
from typing import Any

import pytest

from connector.mapping.conditions import evaluate, read

PAYLOAD: dict[str, Any] = {
    "financial_status": "pending",
    "test": False,
    "total": "12.50",
    "count": 3,
    "weight": Decimal("1.250"),
    "id": 820982911946154508,
    "tags": "vip, Wholesale EU",
    "codes": ["A", "B"],
    "note": " ",
    "none": None,
    "list": [],
    "customer": {"tags": ["new"], "verified": "true"},
    "line_items": [{"sku": "T1"}],
}


def why_not(field: str, operator: str, *value: Any) -> str:
    raw = {"field": field, "operator": operator} | ({"value": value[0]} if value else {})
    condition, faults = read(raw, "when.conditions")
    assert condition is not None, faults
    return evaluate(condition, PAYLOAD)


@pytest.mark.parametrize(
    ("field", "operator", "value"),
    [
        ("financial_status", "is", "pending"),
        ("test", "is", False),
        ("customer.verified", "is", True),
        ("total", "is", Decimal("12.5")),
        ("total", "is", "12.50"),
        ("count", "is", "3"),
        ("weight", "is", Decimal("1.25")),
        ("id", "is", "820982911946154508"),
        ("id", "is", 820982911946154508),
        ("financial_status", "is_not", "paid"),
        ("missing", "is_not", "paid"),
        ("count", "is_not", True),
        ("total", "in", [1, Decimal("12.5")]),
        ("total", "not_in", ["x"]),
        ("missing", "not_in", ["x"]),
        ("tags", "contains", "Wholesale"),
        ("codes", "contains", "B"),
        ("tags", "matches_any", ["x", "Wholesale EU"]),
        ("codes", "matches_any", ["B", "C"]),
        ("total", "greater_than", 12),
        ("total", "less_than", "12.51"),
        ("id", "greater_than", 820982911946154507),
        ("tags", "starts_with", "vip"),
        ("line_items[0].sku", "is", "T1"),
        ("line_items.0.sku", "is", "T1"),
    ],
)
def test_a_test_holds(field: str, operator: str, value: Any) -> None:
    assert why_not(field, operator, value) == ""


@pytest.mark.parametrize(
    ("field", "operator", "value", "words"),
    [
        ("financial_status", "is", "paid", "financial_status is 'pending', wanted 'paid'"),
        ("missing", "is", "paid", "missing is missing, wanted 'paid'"),
        ("test", "is", True, "test is false, wanted true"),
        ("count", "is", True, "count is 3, wanted true"),
        ("total", "is", "12.5", "total is '12.50', wanted '12.5'"),
        ("total", "in", ["a", 2], "total is '12.50', wanted one of ['a', 2]"),
        ("codes", "is", "A", "codes is ['A', 'B'], wanted 'A'"),
        ("tags", "not_in", ["vip, Wholesale EU"], None),
        ("tags", "matches_any", ["Wholesale"], None),
        ("tags", "contains", 5, None),
        ("none", "contains", "x", None),
        ("financial_status", "greater_than", 3, "financial_status is 'pending', wanted more than 3"),
        ("none", "less_than", 3, None),
        ("codes", "starts_with", "A", None),
        ("count", "starts_with", "3", None),
        ("line_items", "matches_any", ["a"], None),
        ("customer", "is", "a", "customer is an object, wanted 'a'"),
    ],
)
def test_a_test_that_fails_says_what_stands_there(field: str, operator: str, value: Any, words: str | None) -> None:
    found = why_not(field, operator, value)
    assert found
    assert words is None or found == words


@pytest.mark.parametrize("field", ["note", "none", "list", "missing", "customer.missing", "tags.x"])
def test_blank_is_missing_empty_or_only_spaces(field: str) -> None:
    assert why_not(field, "is_blank") == ""
    assert why_not(field, "is_present")


@pytest.mark.parametrize("field", ["test", "count", "codes", "customer"])
def test_false_and_zero_are_present(field: str) -> None:
    assert why_not(field, "is_present") == ""
    assert why_not(field, "is_blank")


def test_all_any_and_not_combine_and_name_what_failed() -> None:
    paid = {"field": "financial_status", "operator": "is", "value": "paid"}
    vip = {"field": "tags", "operator": "matches_any", "value": ["vip"]}

    def words(raw: Any) -> str:
        condition, faults = read(raw, "when.conditions")
        assert condition is not None, faults
        return evaluate(condition, PAYLOAD)

    assert words({"any": [paid, vip]}) == ""
    assert words({"all": [vip, paid]}) == "financial_status is 'pending', wanted 'paid'"
    assert words({"not": paid}) == ""
    assert words({"not": vip}) == "it is so that tags is a list with one of ['vip']"
    assert words({"any": [paid, {"not": vip}]}).startswith("none of these holds: financial_status is")
    assert words({"not": {"any": [vip, paid]}}).endswith("['vip'] or financial_status is 'paid'")


@pytest.mark.parametrize(
    ("raw", "path", "words"),
    [
        ({"field": "a", "operator": "contain", "value": 1}, "operator", "did you mean 'contains'?"),
        ({"field": "a", "operator": "is"}, "value", "is missing."),
        ({"field": "a", "operator": "is", "value": [1]}, "value", "must be a text"),
        ({"field": "a", "operator": "in", "value": "x"}, "value", "must be a list"),
        ({"field": "a", "operator": "in", "value": []}, "value", "with one at least"),
        ({"field": "a", "operator": "is_blank", "value": True}, "value", "takes none"),
        ({"field": "a", "operator": "greater_than", "value": "soon"}, "value", "must be a number"),
        ({"field": "a", "operator": "is", "value": Decimal("NaN")}, "value", "must be a text"),
        ({"field": "a", "operator": "greater_than", "value": Decimal("1e999999")}, "value", "must be a number"),
        ({"field": "{{ a }}", "operator": "is_blank"}, "field", "bare path"),
        ({"field": "a._b", "operator": "is_blank"}, "field", "out of reach"),
        ({"field": "a.--5", "operator": "is_blank"}, "field", "no sensible number"),
        ({"field": "a.²", "operator": "is_blank"}, "field", "no sensible number"),
        ({"field": "...", "operator": "is_blank"}, "field", "must be the path"),
        ({"operator": "is_blank"}, "field", "is missing"),
        ({"all": []}, "all", "one at least"),
        ({"all": {}}, "all", "must be a list"),
        ({"all": ["x"]}, "all.0", "must be a table"),
        ({"all": [{"field": "a", "operator": "is_blank"}], "any": []}, "", "stands alone"),
        ("x", "", "must be a table"),
    ],
)  # fmt: skip
def test_a_faulty_condition_is_told_with_its_path(raw: Any, path: str, words: str) -> None:
    condition, faults = read(raw, "when.conditions")
    assert condition is None
    assert (faults[0].path, words in faults[0].words) == (f"when.conditions.{path}".rstrip("."), True), faults


def test_nesting_and_number_are_limited() -> None:
    raw: Any = {"field": "a", "operator": "is_blank"}
    for _ in range(7):
        raw = {"not": raw}
    assert read(raw, "c")[1] == []
    assert "8 deep" in read({"not": raw}, "c")[1][0].words
    many = {"all": [{"field": "a", "operator": "is_blank"}] * 101}
    assert [fault.path for fault in read(many, "c")[1]] == ["c.all.100"]


def test_a_list_nested_beyond_reason_in_a_payload_does_no_harm() -> None:
    deep: list[Any] = []
    for _ in range(50_000):
        deep = [deep]
    condition, _ = read({"all": [{"field": "x", "operator": "contains", "value": "a"}]}, "c")
    assert condition is not None
    assert evaluate(condition, {"x": deep}) == "x is a list of 1, wanted something that contains 'a'"
