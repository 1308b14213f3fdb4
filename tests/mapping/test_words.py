from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.errors import MappingError
from connector.mapping.kinds import kind_of, read
from connector.mapping.people import Owner, PeoplePolicy, Words
from connector.mapping.people_form import NAME, load_people, shipped
from connector.mapping.words import Meant, meaning, normal_words, spoken
from connector.model import Purpose
from tests.mapping.examples import SOURCE
from tests.mapping.test_contact_form import SOURCE as CONTACT

POLICY = """
kind = "policy"
title = "People"
stop_purposes = ["marketing"]
start_purposes = ["marketing"]
unclear_label = "look"
confirm = false
unreachable_after = 5
[quiet]
marketing = "22:00-07:00"
[cap]
marketing = ["1 per 1d", "3 per 7d"]
utility = "9 per 1d"
[labels]
VIP = "theirs"
[words.en]
stop = ["stop", "🛑"]
start = ["start"]
unclear = ["no"]
stopped = "Done."
started = "Welcome back."
"""


def faults(source: str, name: str = NAME) -> dict[str, str]:
    with pytest.raises(MappingError) as caught:
        load_people(name, source)
    return {fault.path: fault.words for fault in caught.value.faults}


def test_a_policy_is_read_whole() -> None:
    assert load_people(NAME, POLICY) == PeoplePolicy(
        words={
            "en": Words(
                stop=("stop", "🛑"), start=("start",), unclear=("no",), stopped="Done.", started="Welcome back."
            )
        },
        stop_purposes=(Purpose.MARKETING,),
        start_purposes=(Purpose.MARKETING,),
        unclear_label="look",
        confirm=False,
        unreachable_after=5,
        quiet={Purpose.MARKETING: "22:00-07:00"},
        cap={Purpose.MARKETING: ("1 per 1d", "3 per 7d"), Purpose.UTILITY: ("9 per 1d",)},
        labels={"VIP": Owner.THEIRS},
        source=POLICY,
    )


@pytest.mark.parametrize(
    ("old", "new", "path", "words"),
    [
        (
            'stop_purposes = ["marketing"]',
            'stop_purposes = ["marketng"]',
            "stop_purposes.0",
            "did you mean 'marketing'?",
        ),
        ('stop_purposes = ["marketing"]', "stop_purposes = []", "stop_purposes", "1 at least"),
        ("unreachable_after = 5", "unreachable_after = 0", "unreachable_after", "from 1 to 100"),
        ('"22:00-07:00"', '"22-7"', "quiet.marketing", "21:00-09:00"),
        ('utility = "9 per 1d"', 'utilty = "9 per 1d"', "cap.utilty", "did you mean 'utility'?"),
        ('"1 per 1d"', '"1 a day"', "cap.marketing.0", "1 per 7d"),
        ('"theirs"', '"hers"', "labels.VIP", "did you mean 'theirs'?"),
        ("[words.en]", "[words.English]", "words.English", "is no language"),
        ('"🛑"', '"\\u200f"', "words.en.stop.1", "nothing that can be seen"),
        ("confirm = false", "confrm = false", "confrm", "did you mean 'confirm'?"),
        ('start = ["start"]', 'start = ["Stop!"]', "words.en.start", "stands in words.en.stop too"),
    ],
)
def test_what_is_wrong_with_a_policy_is_told_with_its_path(old: str, new: str, path: str, words: str) -> None:
    assert words in faults(POLICY.replace(old, new, 1))[path]


def test_a_policy_has_one_name() -> None:
    assert "is called policy/people" in faults(POLICY, "policy/persons")[""]


class TestKinds:
    """Which form a file has."""

    def test_a_file_is_read_by_its_kind(self) -> None:
        found = [type(read(*each)).__name__ for each in (("a", SOURCE), ("b", CONTACT), (NAME, POLICY))]
        assert found == ["Mapping", "ContactMapping", "PeoplePolicy"]
        assert [kind_of(each) for each in (SOURCE, CONTACT, POLICY, "x =", "kind = 3")] == [
            "notification", "contact", "policy", "notification", "notification",
        ]  # fmt: skip

    @pytest.mark.parametrize("kind", ['"contct"', "3", "[]"])
    def test_an_unknown_kind_is_refused(self, kind: str) -> None:
        with pytest.raises(MappingError, match="kind: must be 'notification' or 'contact' or 'policy'"):
            read("a", f"kind = {kind}\n{SOURCE}")

    def test_the_policys_name_is_the_policys(self) -> None:
        with pytest.raises(MappingError, match="is the name of the people policy"):
            read(NAME, SOURCE)


class TestShipped:
    """The words that come with the connector."""

    @pytest.mark.parametrize(
        ("text", "kind", "language"),
        [
            ("STOP", "stop", "en"), ("  Stop!!! ", "stop", "en"), ("stop 🙏", "stop", "en"), ("ｓｔｏｐ", "stop", "en"),
            ("Arrêt", "stop", "fr"), ("ARRET.", "stop", "fr"), ("Abmelden", "stop", "de"), ("Baja", "stop", "es"),
            ("não", "unclear", "pt"), ("nao", "unclear", "pt"), ("DUR", "stop", "tr"), ("İPTAL", "unclear", "tr"),
            ("iptal", "unclear", "tr"), ("Отписаться", "stop", "ru"), ("أَوْقِف", "stop", "ar"), ("ايقاف", "stop", "ar"),
            ("\u200fעצור\u200f", "stop", "he"), ("रोकें", "stop", "hi"), ("配信停止", "stop", "ja"),
            ("ｽﾄｯﾌﾟ", "stop", "ja"),
            ("退订", "stop", "zh"), ("Start", "start", "en"), ("no", "unclear", "en"), ("Cancel.", "unclear", "en"),
        ],
    )  # fmt: skip
    def test_a_word_is_understood_as_people_type_it(self, text: str, kind: str, language: str) -> None:
        assert meaning(text, shipped()) == Meant(kind, language)

    @pytest.mark.parametrize(
        "text",
        [
            "don't stop",
            "stop by tomorrow",
            "when does the bus stop?",
            "",
            "   ",
            "👍",
            "🙂🙂",
            "रोक",
            "stop " * 60,
            "ok",
        ],
    )
    def test_sentences_and_pictures_are_left_to_people(self, text: str) -> None:
        assert meaning(text, shipped()) is None

    def test_a_word_of_several_languages_is_taken_for_the_person_s_own(self) -> None:
        assert meaning("停止", shipped()) == Meant("stop", "ja")
        assert meaning("停止", shipped(), "zh-TW") == Meant("stop", "zh")
        assert meaning("停止", shipped(), "fr") == Meant("stop", "ja")

    @pytest.mark.parametrize("language", shipped().words)
    def test_every_language_stops_starts_and_answers(self, language: str) -> None:
        words = shipped().words[language]
        assert words.stop
        assert words.start
        assert "START" in words.stopped
        assert "STOP" in words.started.upper()
        for word in ("START", "STOP"):
            assert meaning(word, shipped()) == Meant(word.lower(), "en")

    def test_every_word_is_understood_as_it_stands_there(self) -> None:
        for language, kind, word in spoken(shipped()):
            found = meaning(word, shipped(), language)
            assert found == Meant(kind, language)

    def test_no_single_refusal_takes_consent_back(self) -> None:
        for word in ("no", "nein", "non", "nee", "nie", "нет", "لا", "לא", "cancel", "cancelar", "annuler"):
            found = meaning(word, shipped())
            assert found is not None
            assert found.kind == "unclear"


def test_a_picture_alone_can_be_a_word() -> None:
    policy: Any = load_people(NAME, POLICY)
    assert meaning("🛑", policy) == Meant("stop", "en")
    assert meaning(" 🛑\ufe0f ", policy) == Meant("stop", "en")
    assert meaning("🙏", policy) is None


@settings(deadline=None)
@given(st.text(max_size=60))
def test_the_form_in_which_words_are_compared_is_its_own(text: str) -> None:
    assert normal_words(normal_words(text)) == normal_words(text)
