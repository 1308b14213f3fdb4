from typing import Any

import pytest

from connector.mapping.formats import ENGLISH
from connector.mapping.liquid import compile_expression
from connector.mapping.recipient import Recipient, find_recipient, mask
from connector.model import Reason, Skip


def find(*numbers: Any, regions: tuple[Any, ...] = ()) -> Recipient | Skip:
    roots = {f"p{place}": number for place, number in enumerate(numbers)}
    roots |= {f"r{place}": region for place, region in enumerate(regions)}
    return find_recipient(
        [compile_expression(f"{{{{ p{place} }}}}") for place in range(len(numbers))],
        [compile_expression(f"{{{{ r{place} }}}}") for place in range(len(regions))],
        roots,
        ENGLISH,
    )


@pytest.mark.parametrize(
    ("number", "regions", "phone"),
    [
        ("+4930901820", (), "+4930901820"),
        (" +49 (30) 90-18 20 ", (), "+4930901820"),
        ("0049 30 901820", (), "+4930901820"),
        ("030 901820", ("DE",), "+4930901820"),
        ("030 901820", ("de",), "+4930901820"),
        ("4930901820", ("DE",), "+4930901820"),
        (4930901820, ("DE",), "+4930901820"),
        ("030 901820", (None, "", "Germany", "XX", "DE"), "+4930901820"),
        ("(415) 555-2671", ("US",), "+14155552671"),
        ("+1 415-555-2671 ext. 89", (), "+14155552671"),
        ("+1 415 555 2671 x12", (), "+14155552671"),
        ("＋４９３０９０１８２０", (), "+4930901820"),
        ("+٤٩٣٠٩٠١٨٢٠", (), "+4930901820"),
        ("tel:+4930901820", (), "+4930901820"),
        ("02 1234 5678", ("IT",), "+390212345678"),
        ("020 7946 0018", ("DE", "GB"), "+442079460018"),
    ],
)
def test_a_number_is_read_as_people_write_it(number: Any, regions: tuple[Any, ...], phone: str) -> None:
    found = find(number, regions=regions)
    assert isinstance(found, Recipient), found
    assert found.phone == phone


def test_the_first_candidate_that_is_usable_is_taken() -> None:
    found = find(None, "", "12", "030 901820", "+14155552671", regions=("DE",))
    assert isinstance(found, Recipient)
    assert found.phone == "+4930901820"
    assert found.words == "+••••••••20 from p3, read as a number of DE."


@pytest.mark.parametrize(
    "number",
    ["+291****0123", "+49 ••• ••• 20", "+1 415 xxx xx 34", "+1415XX52671", "+49 30 ## 18 20", "****", "1x2x3x"],
)
def test_a_masked_number_is_told_as_masked(number: str) -> None:
    found = find("", "0", number, regions=("DE",))
    assert isinstance(found, Skip)
    assert found.reason is Reason.MASKED_PHONE


@pytest.mark.parametrize(
    ("numbers", "regions", "reason"),
    [
        ((None, "", "  "), ("DE",), Reason.NO_RECIPIENT),
        ((None, "+49123"), ("DE",), Reason.INVALID_PHONE),
        (("030 901820",), (), Reason.INVALID_PHONE),
        (("030 901820",), ("US",), Reason.INVALID_PHONE),
        (("+1 555 0100",), ("US",), Reason.INVALID_PHONE),
        (("call me",), ("US",), Reason.INVALID_PHONE),
        (("1" * 5000,), ("US",), Reason.INVALID_PHONE),
        (("+49123", "***"), ("US",), Reason.MASKED_PHONE),
        ((["030901820"],), ("DE",), Reason.SLOT_FAULT),
        (({"a": 1}, "12"), ("DE",), Reason.INVALID_PHONE),
    ],
)
def test_the_most_telling_reason_is_given(numbers: Any, regions: Any, reason: Reason) -> None:
    found = find(*numbers, regions=regions)
    assert isinstance(found, Skip)
    assert found.reason is reason
    assert all(f"p{place} " in found.words for place in range(len(numbers)))


def test_words_show_the_last_two_digits_and_no_more() -> None:
    found = find("+1 555 12 34", "0151 98765432", regions=("US",))
    assert isinstance(found, Skip)
    assert "(+• ••• •• 34)" in found.words
    assert "p1 is no possible number in US (•••• ••••••32)" in found.words
    assert sum(character.isdigit() for character in found.words.replace("p0", "").replace("p1", "")) == 4
    assert mask("٤٩٣٠") == "••٣٠"


def test_no_recipient_prints_its_number_by_accident() -> None:
    assert "4930901820" not in repr(find("+4930901820"))


@pytest.mark.parametrize("number", ["555-555-SHIP", "+44 800 FLOWERS", "1-800-FLOWERS"])
def test_a_number_in_letters_is_not_read_as_digits(number: str) -> None:
    found = find(number, regions=("GB", "DE", "US"))

    assert isinstance(found, Skip)
    assert found.reason is Reason.INVALID_PHONE
