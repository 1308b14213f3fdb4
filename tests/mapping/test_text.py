import pytest

from connector.mapping.text import clean, cut, is_blank


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\nb", "a b"),
        ("a\r\n\t\tb", "a b"),
        ("a    b", "a b"),
        ("a   b", "a   b"),
        ("a \n b", "a   b"),
        ("a  \n  b", "a b"),
        ("\u200ba\u200b \u200b \u200b \u200b b", "a b"),
        ("a\u202eb\u2066c\u2069", "abc"),
        ("a\x00\x1bb", "ab"),
        ("a\u2028b\x85c", "a b c"),
        (" a ", "a"),
        ("a\ud800b", "ab"),
        ("a\ufeffb", "ab"),
        ("نیم\u200cفاصله", "نیم\u200cفاصله"),
        ("👨‍👩‍👧", "👨‍👩‍👧"),
        ("山田　太郎", "山田　太郎"),
        ("a\U000e0041b", "ab"),
        ("a\xa0\xa0\xa0\xa0b", "a b"),
    ],
)
def test_a_text_becomes_one_clean_line(text: str, line: str) -> None:
    assert clean(text) == line


@pytest.mark.parametrize(
    "text", ["", " ", "\n\t", "\u200b", "\u2800", "\u3164", "\u200d\u200c", "\xa0\u202f", "\u200e \u200f", "\ufe0f"]
)
def test_what_nobody_sees_is_blank(text: str) -> None:
    assert is_blank(text)
    assert not is_blank(text + "a" + text)


@pytest.mark.parametrize(
    ("text", "limit", "short"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abcde…"),
        ("ab cdefg", 4, "ab…"),
        ("ab", 1, "…"),
        ("ab", 0, ""),
        ("aéxyz", 3, "aé…"),
        ("ae\u0301xyz", 3, "a…"),
        ("👍🏽👍🏽👍🏽", 4, "👍🏽…"),
        ("a👨‍👩‍👧b", 4, "a…"),
        ("🇩🇪🇫🇷🇮🇹", 4, "🇩🇪…"),
        ("🇩🇪🇫🇷🇮🇹", 5, "🇩🇪🇫🇷…"),
        ("x❤️❤️❤️", 3, "x…"),
        ("한국어한국어", 4, "한국어…"),
        ("กำกำกำ", 4, "กำ…"),
    ],
)
def test_a_cut_tears_nothing_that_people_see_as_one(text: str, limit: int, short: str) -> None:
    found = cut(text, limit)
    assert len(found) <= limit
    assert found == short


def test_a_tower_of_marks_is_cut_all_the_same() -> None:
    assert len(cut("a" + "\u0301" * 500, 100)) == 100
