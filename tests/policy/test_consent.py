from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from connector.model import (
    ConsentState,
    Contact,
    ContactId,
    Entry,
    Person,
    Purpose,
    Reason,
    Source,
    Standing,
)
from connector.policy.consent import CONTROLS, RECORDS, RULES, SKEW, allow, describe, plain, stand

ROOT = Path(__file__).parents[2]

NOON = datetime(2026, 5, 3, 12, tzinfo=UTC)
GRANTED, PENDING, REVOKED, UNKNOWN = (
    ConsentState.GRANTED,
    ConsentState.PENDING,
    ConsentState.REVOKED,
    ConsentState.UNKNOWN,
)
MARKETING, UTILITY = Purpose.MARKETING, Purpose.UTILITY
_NUMBERS = count()


def entry(state: ConsentState, source: Source, minutes: float = 0, **more: Any) -> Entry:
    at = NOON + timedelta(minutes=minutes)
    given: dict[str, Any] = {
        "id": f"e{next(_NUMBERS):04}",
        "contact_id": ContactId("c1"),
        "purpose": MARKETING,
        "occurred_at": at,
        "learned_at": at,
    }
    return Entry(state=state, source=source, **given | more)


def state(*entries: Entry, purpose: Purpose = MARKETING) -> ConsentState:
    return stand(entries, purpose).state


def test_nothing_said_is_unknown() -> None:
    standing = stand([], MARKETING)
    assert (standing.state, standing.since, standing.entry_id) == (UNKNOWN, None, "")
    assert standing.words == "Nothing is recorded that grants or revokes marketing."


@pytest.mark.parametrize("source", sorted(set(Source) - RECORDS - CONTROLS))
def test_a_grant_by_the_person_or_an_admin_counts(source: Source) -> None:
    grant = entry(GRANTED, source)
    standing = stand([grant], MARKETING)
    assert (standing.state, standing.since, standing.entry_id) == (GRANTED, NOON, grant.id)


@pytest.mark.parametrize("source", sorted(RECORDS))
def test_a_records_grant_counts_only_with_a_source(source: Source) -> None:
    bare = stand([entry(GRANTED, source, place="  ")], MARKETING)
    assert bare.state is UNKNOWN
    assert "does not count: it does not say where and how it was collected." in bare.words
    assert state(entry(GRANTED, source, place="Newsletter form")) is GRANTED


@pytest.mark.parametrize("source", sorted(set(Source) - CONTROLS))
def test_a_grant_counts_only_when_newer_than_the_revocation(source: Source) -> None:
    stop = entry(REVOKED, Source.KEYWORD, 10)
    assert state(stop, entry(GRANTED, source, 9, place="form")) is REVOKED
    assert state(stop, entry(GRANTED, source, 10, place="form")) is REVOKED
    assert state(stop, entry(GRANTED, source, 11, place="form")) is GRANTED


def test_a_records_grant_without_a_source_does_not_undo_a_stop_and_the_words_say_why() -> None:
    standing = stand([entry(REVOKED, Source.KEYWORD), entry(GRANTED, Source.CRM, 5)], MARKETING)
    assert standing.state is REVOKED
    assert "does not count: it does not say where and how it was collected." in standing.words


def test_an_undated_grant_never_wins_over_a_revocation() -> None:
    undated = entry(GRANTED, Source.SHOP, 60, place="checkout", dated=False)
    assert state(undated) is GRANTED
    assert state(undated, entry(REVOKED, Source.BUTTON, 1)) is REVOKED
    assert state(undated, entry(REVOKED, Source.BUTTON, 90)) is REVOKED


def test_pending_grants_nothing_and_takes_nothing_away() -> None:
    asked = entry(PENDING, Source.SHOP, 5)
    assert state(asked) is PENDING
    assert state(asked, entry(GRANTED, Source.CHECKOUT, 1)) is GRANTED
    assert state(asked, entry(GRANTED, Source.CHECKOUT, 9)) is GRANTED
    assert state(asked, entry(REVOKED, Source.KEYWORD, 1)) is REVOKED


def test_the_channels_stop_holds_against_every_other_grant() -> None:
    stop = entry(REVOKED, Source.PREFERENCE, 10)
    for source in set(Source) - CONTROLS - {Source.SIGNUP}:
        standing = stand([stop, entry(GRANTED, source, 20, place="form")], MARKETING)
        assert (standing.state, standing.entry_id) == (REVOKED, stop.id), source


@pytest.mark.parametrize("source", sorted(CONTROLS))
def test_a_resume_brings_back_what_was_granted_before(source: Source) -> None:
    told = [entry(GRANTED, Source.CHECKOUT, 1), entry(REVOKED, source, 10)]
    assert state(*told) is REVOKED
    assert state(*told, entry(UNKNOWN, Source.PREFERENCE, 11)) is GRANTED
    assert state(*told, entry(UNKNOWN, Source.PREFERENCE, 10)) is REVOKED
    assert state(*told, entry(UNKNOWN, Source.PREFERENCE, 9)) is REVOKED
    assert state(*told, entry(UNKNOWN, Source.CRM, 11)) is REVOKED


def test_a_resume_grants_nothing_and_lifts_no_keyword() -> None:
    resume = entry(UNKNOWN, Source.PREFERENCE, 11)
    assert state(entry(REVOKED, Source.PREFERENCE, 10), resume) is UNKNOWN
    keyword = entry(REVOKED, Source.KEYWORD, 5)
    standing = stand([entry(REVOKED, Source.PREFERENCE, 10), keyword, resume], MARKETING)
    assert (standing.state, standing.entry_id) == (REVOKED, keyword.id)


def test_the_channels_signup_lifts_its_stop_and_grants() -> None:
    signup = entry(GRANTED, Source.SIGNUP, 20)
    assert state(entry(REVOKED, Source.PREFERENCE, 10), signup) is GRANTED
    assert state(entry(REVOKED, Source.KEYWORD, 10), signup) is GRANTED
    assert state(entry(REVOKED, Source.KEYWORD, 30), signup) is REVOKED


def test_a_refusal_that_arrives_late_does_not_undo_a_resume() -> None:
    late = entry(REVOKED, Source.REFUSAL, 5, learned_at=NOON + timedelta(hours=9))
    assert state(late, entry(UNKNOWN, Source.PREFERENCE, 6), entry(GRANTED, Source.ADMIN, 1)) is GRANTED


def test_both_stops_are_told_where_both_hold() -> None:
    keyword, stop = entry(REVOKED, Source.KEYWORD, 20), entry(REVOKED, Source.PREFERENCE, 10)
    standing = stand([keyword, stop], MARKETING)
    assert standing.entry_id == keyword.id
    assert (
        f"The channel's own stop holds too: in the channel's own settings, on 2026-05-03 12:10 UTC [entry {stop.id}]"
        in standing.words
    )


def test_a_date_in_the_future_counts_from_when_we_learned_it() -> None:
    forged = entry(GRANTED, Source.CRM, place="form", occurred_at=NOON + timedelta(days=9999), learned_at=NOON)
    assert state(forged) is GRANTED
    assert state(forged, entry(REVOKED, Source.KEYWORD, 1)) is REVOKED
    ahead = entry(GRANTED, Source.KEYWORD, occurred_at=NOON + SKEW, learned_at=NOON)
    assert state(ahead, entry(REVOKED, Source.KEYWORD, 1)) is GRANTED, "clocks differ by minutes"


def test_purposes_are_kept_apart() -> None:
    told = [entry(REVOKED, Source.KEYWORD), entry(GRANTED, Source.ADMIN, purpose=UTILITY)]
    assert [stand(told, purpose).state for purpose in Purpose] == [REVOKED, GRANTED, UNKNOWN]


def test_the_words_carry_the_evidence() -> None:
    told = entry(
        GRANTED, Source.CRM, record="Contact:003000000000001AAA", place="Fair 2026", evidence="event 01h", id="e9"
    )
    assert stand([told], MARKETING).words == (
        "Granted by the CRM's record Contact:003000000000001AAA (Fair 2026), on 2026-05-03 12:00 UTC"
        " [event 01h; entry e9]."
    )
    undated = describe(entry(GRANTED, Source.SHOP, id="e8", dated=False))
    assert undated == "by the shop's record, known since 2026-05-03 12:00 UTC, undated [entry e8]"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("called +49 151 2345-6789 back", "called ••• back"),
        ("till,\n 020 7946 0123", "till, •••"),
        ("form\tof jane@example.org", "form of •••"),
        ("Fair 2026-05-03, hall 12", "Fair 2026-05-03, hall 12"),
        ("message wamid.HBgL00447400123456AB", "message wamid.•••"),
        ("event 01m81m2y7r0fjjvfden7manqc5", "event 01m81m2y7r0fjjvfden7manqc5"),
    ],
)
def test_numbers_and_addresses_stay_out_of_the_words(given: str, shown: str) -> None:
    assert plain(given) == shown
    assert shown in stand([entry(GRANTED, Source.ADMIN, place=given)], MARKETING).words


def test_a_very_long_place_is_cut_at_once() -> None:
    assert len(plain("1-" * 1_000_000)) <= 300


def person(**standings: ConsentState) -> Person:
    return Person(
        contact=Contact(id=ContactId("c1"), created_at=NOON, updated_at=NOON),
        standings={Purpose(name): Standing(state=each, words=f"{each} words") for name, each in standings.items()},
    )


def reason(purpose: Purpose, whom: Person | None, *, ground: str = "transaction", agreed_by: str = "") -> Reason | None:
    skip, words = allow(purpose, ground, agreed_by, whom)
    assert words
    assert skip is None or skip.words == words
    return skip.reason if skip else None


def test_marketing_needs_a_grant() -> None:
    assert reason(MARKETING, person(marketing=GRANTED)) is None
    for whom in (None, person(), person(marketing=UNKNOWN), person(marketing=PENDING), person(utility=GRANTED)):
        assert reason(MARKETING, whom) is Reason.NO_AGREEMENT
    assert reason(MARKETING, person(marketing=REVOKED)) is Reason.REVOKED


def test_an_events_own_agreement_counts_unless_a_revocation_stands() -> None:
    for whom in (None, person(), person(marketing=PENDING), person(utility=REVOKED)):
        assert reason(MARKETING, whom, agreed_by="buyer_accepts_marketing") is None
    assert reason(MARKETING, person(marketing=REVOKED), agreed_by="buyer_accepts_marketing") is Reason.REVOKED
    assert allow(MARKETING, "", "accepts", None)[1] == "Granted by this event's field accepts."


def test_utility_stands_on_the_transaction_or_on_consent() -> None:
    for whom in (None, person(), person(marketing=REVOKED), person(utility=PENDING)):
        assert reason(UTILITY, whom) is None
        assert reason(UTILITY, whom, ground="consent") is Reason.NO_AGREEMENT
        assert reason(UTILITY, whom, ground="consent", agreed_by="accepts") is Reason.NO_AGREEMENT
        assert reason(UTILITY, whom, ground="anything else") is Reason.NO_AGREEMENT
    assert reason(UTILITY, person(utility=GRANTED), ground="consent") is None
    assert reason(UTILITY, person(utility=REVOKED)) is Reason.REVOKED
    assert reason(UTILITY, person(utility=REVOKED), ground="consent") is Reason.REVOKED


def test_authentication_passes_unless_it_is_revoked() -> None:
    assert reason(Purpose.AUTHENTICATION, None, ground="consent") is None
    assert reason(Purpose.AUTHENTICATION, person(marketing=REVOKED, utility=REVOKED)) is None
    assert reason(Purpose.AUTHENTICATION, person(authentication=REVOKED)) is Reason.REVOKED


@pytest.mark.parametrize("purpose", Purpose)
def test_blocked_and_unreachable_people_get_nothing(purpose: Purpose) -> None:
    everything = {each.value: Standing(state=GRANTED) for each in Purpose}
    for more, expected in (
        ({"blocked_at": NOON, "blocked_words": "asked by phone, +49 151 23456789"}, Reason.BLOCKED),
        ({"unreachable_at": NOON}, Reason.UNREACHABLE),
        ({"unreachable_at": NOON, "blocked_at": NOON}, Reason.BLOCKED),
    ):
        contact = Contact(id=ContactId("c1"), created_at=NOON, updated_at=NOON, **more)  # type: ignore[arg-type]
        whom = Person(contact=contact, standings={Purpose(name): each for name, each in everything.items()})
        assert reason(purpose, whom, agreed_by="accepts") is expected
        assert "23456789" not in allow(purpose, "", "", whom)[1]


def test_the_page_for_lawyers_states_the_rules_in_the_same_words() -> None:
    page = (ROOT / "docs" / "consent.md").read_text(encoding="utf-8")
    assert [rule for rule in RULES if rule not in page] == []
