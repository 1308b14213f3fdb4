from typing import Any

import pytest

from connector.mapping.formats import choose_locale, read_locale
from connector.mapping.liquid import BlankError, BrokenError, compile_expression


def render(source: str, language: str = "en", **roots: Any) -> str:
    return compile_expression(source).render(roots, choose_locale([language]))


@pytest.mark.parametrize(
    ("text", "locale"),
    [("pt-BR", "pt_BR"), ("pt_BR", "pt_BR"), ("DE-de", "de_DE"), ("zh-TW", "zh_Hant_TW"), ("en_US.UTF-8", "en_US"),
     ("en-XX", "en"), ("es-419", "es_419"), (" fr ", "fr"), ("iw", "he_IL")],
)  # fmt: skip
def test_a_language_is_read_in_its_usual_spellings(text: str, locale: str) -> None:
    assert str(read_locale(text)) == locale


@pytest.mark.parametrize(
    "junk", ["", " ", "klingon", "xx", "12", "../../etc/passwd", "d" * 400, "\x00", "_", "-", "🙂"]
)
def test_junk_is_no_language_and_falls_back(junk: str) -> None:
    assert read_locale(junk) is None
    assert str(choose_locale([junk, "de-AT", "fr"])) == "de_AT"
    assert str(choose_locale([junk])) == "en"


@pytest.mark.parametrize(
    ("amount", "currency", "language", "text"),
    [
        ("23600", "JPY", "en", "¥23,600"), ("250000", "VND", "vi", "250.000 ₫"), ("1.5", "KWD", "en", "KWD 1.500"),
        ("1234.5", "EUR", "fr", "1 234,50 €"), ("1234.5", "eur", "de", "1.234,50 €"), ("-5", "USD", "en", "-$5.00"),
        ("99999999999999999999.99", "USD", "en", "$99,999,999,999,999,999,999.99"), (0, "USD", "en", "$0.00"),
        ("1", "XTS", "en", "XTS 1.00"), ("12.5", "CHF", "en", "CHF 12.50"),
    ],
)  # fmt: skip
def test_money_follows_its_currency_and_the_reader(amount: Any, currency: str, language: str, text: str) -> None:
    printed = render("{{ amount | money: currency }}", language, amount=amount, currency=currency)
    assert printed == text
    assert not {"\u00a0", "\u202f"} & set(printed)


def test_money_prefers_what_the_buyer_saw() -> None:
    both = {
        "shop_money": {"amount": "10.00", "currency_code": "AUD"},
        "presentment_money": {"amount": "6.50", "currency_code": "USD"},
    }
    assert render("{{ m | money }}", m=both) == "$6.50"
    assert render("{{ m | money: 'shop' }}", m=both) == "A$10.00"
    assert render("{{ m | money }}", m={"shop_money": both["shop_money"]}) == "A$10.00"
    assert render("{{ m | money }}", m={"amount": "3", "currency_code": "EUR"}) == "€3.00"


@pytest.mark.parametrize("broken", [{"presentment_money": None}, {"presentment_money": {"amount": None}}, {}, None])
def test_a_money_set_without_money_is_blank(broken: Any) -> None:
    with pytest.raises(BlankError):
        render("{{ m | money }}", m=broken)


@pytest.mark.parametrize(
    "amount",
    [
        "free",
        "1e999999999",
        "NaN",
        "1,50",
        True,
        ["1"],
        {"presentment_money": {"amount": "x", "currency_code": "EUR"}},
        10**60,
    ],
)
def test_what_is_no_amount_is_refused(amount: Any) -> None:
    with pytest.raises(BrokenError, match=r"amount|side|presentment"):
        render("{{ m | money: 'EUR' }}", m=amount)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2026-11-22T23:30:00-05:00", "Nov 22, 2026, 11:30 PM"),
        ("2026-11-22T23:30:00Z", "Nov 22, 2026, 11:30 PM"),
        ("2026-11-22T23:30:00.123456789Z", "Nov 22, 2026, 11:30 PM"),
        ("2026-11-22 23:30:00 +0000", "Nov 22, 2026, 11:30 PM"),
        ("2026-11-22", "Nov 22, 2026, 12:00 AM"),
        (0, "Jan 1, 1970, 12:00 AM"),
        ("2026-11-22T23:30:00", "Nov 22, 2026, 11:30 PM"),
        ("yesterday", None),
        ("2026-13-01", None),
        (10**30, None),
        (True, None),
        ("9" * 100, None),
        ([1], None),
    ],
)
def test_a_time_keeps_the_offset_it_was_written_with(value: Any, text: str | None) -> None:
    if text is None:
        with pytest.raises(BrokenError):
            render("{{ t | date: 'datetime' }}", t=value)
    else:
        assert render("{{ t | date: 'datetime' }}", t=value) == text


def test_a_zone_moves_a_moment_but_not_a_day() -> None:
    assert render("{{ t | date: 'medium', 'America/New_York' }}", t="2026-11-22T02:00:00Z") == "Nov 21, 2026"
    assert render("{{ t | date: 'medium', 'America/New_York' }}", t="2026-11-22") == "Nov 22, 2026"
    assert (
        render("{{ t | date: 'HH:mm', account.zone }}", t="2026-07-01T00:00:00Z", account={"zone": "Europe/Berlin"})
        == "02:00"
    )


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("%Y-%m-%d", "2026-11-02"),
        ("%-d. %B", "2. November"),
        ("%l:%M %p", "3:04 PM"),
        ("%b %d at %H%%", "Nov 02 at 15%"),
        ("d 'of' MMMM", "2 of November"),
        ("full", "Monday, November 2, 2026"),
    ],
)
def test_patterns_of_unicode_and_of_strftime(pattern: str, text: str) -> None:
    assert render(f'{{{{ t | date: "{pattern}" }}}}', t="2026-11-02T15:04:05Z") == text


@pytest.mark.parametrize("zone", ["Mars", "../../etc/passwd", "", None, 5])
def test_an_unknown_zone_from_a_payload_is_refused_or_left_out(zone: Any) -> None:
    try:
        assert render("{{ t | date: 'time', zone }}", t="2026-11-02T15:04:05Z", zone=zone) == "3:04 PM"
    except (BrokenError, BlankError):
        assert zone != ""


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ([{"t": "A"}, {"t": "B"}], "A, B"),
        ([{"t": "A", "quantity": 3}], "3 × A"),
        ([{"t": "A", "quantity": "2"}], "2 × A"),
        ([{"t": "A", "quantity": 0}, {"t": "B"}], "B"),
        ([{"t": None}, {"t": " "}, {"t": "B"}, "x"], "B"),
        ([{"t": letter} for letter in "ABCDE"], "A, B, C +2"),
    ],
)
def test_a_list_is_named_with_quantities_and_what_is_left(items: Any, text: str) -> None:
    assert render("{{ items | list: 't', 3 }}", items=items) == text


def test_a_list_of_texts_needs_no_field_and_an_empty_one_is_blank() -> None:
    assert render("{{ items | list }}", items=["A", "B"]) == "A, B"
    with pytest.raises(BlankError):
        render("{{ items | list: 't' }}", items=[{"t": None}])


@pytest.mark.parametrize(
    ("link", "rest"),
    [
        ("https://shop.example/a/b?x=1&y=2#z", "a/b?x=1&y=2#z"),
        ("HTTPS://Shop.Example/a", "a"),
        ("https://shop.example/ä b", "%C3%A4%20b"),
        ("https://shop.example/100%", "100%25"),
        ("https://shop.example/100%20x", "100%20x"),
        (" https://shop.example/a ", "a"),
    ],
)
def test_the_end_of_a_link_is_what_follows_its_fixed_beginning(link: str, rest: str) -> None:
    assert render("{{ link | url_suffix: 'https://shop.example/' }}", link=link) == rest


@pytest.mark.parametrize(
    "link",
    [
        "https://shop.example.evil.test/a",
        "https://evil.example/a",
        "http://shop.example/a",
        "https://other.example/a",
        "a",
        "https://shop.examples/",
    ],
)
def test_a_link_that_begins_otherwise_is_refused(link: str) -> None:
    with pytest.raises(BrokenError, match="does not begin with"):
        render("{{ link | url_suffix: 'https://shop.example/' }}", link=link)


def test_a_link_that_ends_with_its_beginning_is_blank() -> None:
    with pytest.raises(BlankError):
        render("{{ link | url_suffix: 'https://shop.example/' }}", link="https://shop.example/")
