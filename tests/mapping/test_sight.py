from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.mapping.contact_form import load_contact
from connector.mapping.sight import Seen, read_region, sight
from connector.model import AccountId, ConsentState, Event, KeyKind, Purpose
from tests.mapping.test_contact_form import SOURCE

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MAPPING = load_contact("toys/contact", SOURCE.replace('only = ["vip"]\n', ""))
ID = "003000000000001AAA"


def event(payload: Any, type_: str = "contact.saved", occurred_at: datetime = NOON) -> Event:
    return Event(
        key="k",
        type=type_,
        topic="Contact",
        subject=f"Contact:{ID}",
        label="",
        occurred_at=occurred_at,
        payload=payload,
    )


def see(payload: dict[str, Any], extra: str = "", **settings_: Any) -> Seen:
    found = sight(load_contact("a", SOURCE + extra) if extra else MAPPING, event({"Id": ID} | payload), settings_, NOON)
    assert found is not None
    return found


def test_a_record_is_seen_as_a_person() -> None:
    found = see({"FirstName": "Ann", "LastName": "Lee", "MobilePhone": "(030) 901820", "Address": {"Country": "DE"}})
    assert (found.record, found.phone, found.raw_phone) == (f"Contact:{ID}", "+4930901820", "(030) 901820")
    assert found.name == "Ann Lee"
    sighting = found.sighting(AccountId("crm"))
    assert [(key.kind, key.value, key.account_id) for key in sighting.keys] == [
        (KeyKind.PHONE, "+4930901820", None),
        (KeyKind.RECORD, f"Contact:{ID}", "crm"),
    ]
    assert sighting.seen_at == NOON


def test_nothing_personal_is_in_its_repr() -> None:
    shown = repr(see({"FirstName": "Ann", "MobilePhone": "+4930901820"}))
    assert "Ann" not in shown
    assert "901820" not in shown


def test_other_events_are_none_of_its_business() -> None:
    assert sight(MAPPING, event({"Id": ID}, "case.saved"), {}, NOON) is None


def test_an_event_without_record_and_number_shows_nobody() -> None:
    assert sight(MAPPING, event({"Id": None, "FirstName": "Ann"}), {}, NOON) is None


def test_somebody_without_a_record_is_seen_by_their_number() -> None:
    found = sight(MAPPING, event({"MobilePhone": "+4930901820"}), {}, NOON)
    assert found is not None
    assert (found.record, found.phone) == ("", "+4930901820")


@pytest.mark.parametrize("id_", ["//evil.example/x y", "../../", "a b", "x" * 101, {"a": 1}, True and [1], "1\n2"])
def test_an_id_that_is_none_is_no_record(id_: Any) -> None:
    assert sight(MAPPING, event({"Id": id_}), {}, NOON) is None


def test_the_end_of_an_id_that_is_a_path_is_the_id() -> None:
    found = sight(MAPPING, event({"Id": "gid://shop/Customer/5521"}), {}, NOON)
    assert found is not None
    assert found.record == "Contact:5521"
    number = sight(MAPPING, event({"Id": 820982911946154508}), {}, NOON)
    assert number is not None
    assert number.record == "Contact:820982911946154508"


class TestPhone:
    def test_the_first_that_can_be_read_counts(self) -> None:
        found = see({"MobilePhone": "12", "Phone": "+447400123456"})
        assert (found.phone, found.raw_phone) == ("+447400123456", "+447400123456")
        assert found.unread == ("MobilePhone is no valid number and no country is known",)

    def test_a_masked_one_is_refused(self) -> None:
        found = see({"MobilePhone": "+4474****3456"})
        assert (found.phone, found.raw_phone) == ("", "")
        assert found.unread == ("MobilePhone is masked; the vendor does not show it to this app",)

    def test_a_national_one_is_read_with_the_country_of_the_record_then_of_the_account(self) -> None:
        assert see({"Phone": "07400 123456", "Address": {"Country": "United Kingdom"}}).phone == "+447400123456"
        assert see({"Phone": "07400 123456"}, country="GB").phone == "+447400123456"
        assert see({"Phone": "07400 123456"}).phone == ""

    def test_one_that_cannot_be_read_is_kept_as_it_was_written(self) -> None:
        assert see({"Phone": "ring twice"}).raw_phone == "ring twice"


class TestConsent:
    def test_a_value_says_what_its_table_says(self) -> None:
        (claim,) = see(
            {"Status__c": "opted IN", "Status_At__c": "2026-11-20T10:00:00.000+0000", "Status_Source__c": "till"}
        ).claims
        assert (claim.purpose, claim.state) == (Purpose.MARKETING, ConsentState.GRANTED)
        assert (claim.told, claim.place) == ("Opted in", "till")
        assert claim.at == datetime(2026, 11, 20, 10, tzinfo=UTC)

    def test_an_absent_field_is_not_spoken_of(self) -> None:
        assert see({"Status_At__c": "2026-11-20T10:00:00Z"}).claims == ()

    @pytest.mark.parametrize("blank", [None, "", "  "])
    def test_a_blank_field_says_what_the_table_says_of_blank(self, blank: Any) -> None:
        (claim,) = see({"Status__c": blank}).claims
        assert (claim.state, claim.told) == (ConsentState.UNKNOWN, "")
        silent = load_contact("a", SOURCE.replace(', "" = "unknown"', ""))
        found = sight(silent, event({"Id": ID, "Status__c": blank}), {}, NOON)
        assert found is not None
        assert found.claims == ()

    def test_a_value_outside_the_table_is_told_and_changes_nothing(self) -> None:
        found = see({"Status__c": "Maybe"})
        assert found.claims == ()
        assert found.unread == ("Status__c is 'Maybe', which the mapping's values do not name",)

    def test_a_checkbox_is_read_as_true_and_false(self) -> None:
        extra = """
        [[fields]]
        contact = "consent.utility"
        vendor = "Agrees__c"
        values = { true = "granted", false = "unknown" }
        place = "checkbox"
        """
        states = [see({"Agrees__c": value}, extra).claims[0].state for value in (True, False, "true")]
        assert states == [ConsentState.GRANTED, ConsentState.UNKNOWN, ConsentState.GRANTED]
        assert see({"Agrees__c": True}, extra).claims[0].place == "checkbox"

    def test_a_time_that_is_none_leaves_the_claim_undated(self) -> None:
        assert see({"Status__c": "Opted in", "Status_At__c": "yesterday"}).claims[0].at is None


class TestLabels:
    ADDED = """
    [[fields]]
    contact = "labels.added"
    in = ["tags"]
    only = ["VIP", "wholesale"]
    """

    def test_the_whole_set_is_split(self) -> None:
        (told,) = see({"Labels__c": "vip; Berlin ;;vip"}).labels
        assert told.whole == ("vip", "Berlin")

    @pytest.mark.parametrize("empty", [None, "", [], " ; "])
    def test_an_empty_set_is_a_set(self, empty: Any) -> None:
        (told,) = see({"Labels__c": empty}).labels
        assert told.whole == ()

    def test_an_absent_field_is_not_spoken_of(self) -> None:
        assert see({}).labels == ()

    def test_only_those_that_are_named_are_taken(self) -> None:
        (told,) = see({"tags": ["vip", "Berlin", 7, {"a": 1}, None]}, self.ADDED).labels
        assert (told.added, told.removed, told.whole) == (("vip",), (), None)

    def test_what_is_no_list_is_told(self) -> None:
        assert see({"Labels__c": {"a": 1}}).unread == ("Labels__c is no list of labels",)


def test_the_other_fields_are_taken_where_they_can_be_read() -> None:
    extra = "".join(
        f'[[fields]]\ncontact = "{name}"\nin = ["{name}"]\n' for name in ("email", "region", "locale", "timezone")
    )
    good = see(
        {"email": "ann@shop.example", "region": "Germany", "locale": "pt_BR", "timezone": "Europe/Berlin"}, extra
    )
    assert (good.email, good.region, good.locale, good.timezone) == ("ann@shop.example", "DE", "pt_BR", "Europe/Berlin")
    bad = see({"email": "ann at shop", "region": "Utopia", "locale": "deutsch!", "timezone": "../etc/passwd"}, extra)
    assert (bad.email, bad.region, bad.locale, bad.timezone) == ("", "", "", "")
    assert len(bad.unread) == 4


def test_nothing_was_seen_later_than_now() -> None:
    found = sight(MAPPING, event({"Id": ID}, occurred_at=NOON + timedelta(days=1)), {}, NOON)
    assert found is not None
    assert found.seen_at == NOON


@pytest.mark.parametrize(
    ("text", "region"), [("de", "DE"), ("Germany", "DE"), (" united states ", "US"), ("EU", ""), ("", "")]
)
def test_a_country_is_read_by_its_letters_or_its_name(text: str, region: str) -> None:
    assert read_region(text) == region


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=20)
    | st.sampled_from(["Opted in", "+447400123456", ID]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(
    ["Id", "MobilePhone", "Phone", "FirstName", "Address", "Status__c", "Status_At__c", "Labels__c"]
)


@settings(max_examples=300, deadline=None)
@given(payload=st.dictionaries(names, values), country=values)
def test_an_event_of_any_shape_gives_an_answer(payload: dict[str, Any], country: Any) -> None:
    found = sight(MAPPING, event(payload), {"country": country}, NOON)
    if found is not None:
        assert found.sighting(AccountId("crm")).keys
