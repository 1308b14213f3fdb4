"""Whatever is said, and in whatever order it arrives, the rules hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from connector.model import ConsentState, ContactId, Entry, Purpose, Source, Standing
from connector.policy.consent import CONTROLS, RECORDS, stand

NOON = datetime(2026, 5, 3, 12, tzinfo=UTC)
MARKETING = Purpose.MARKETING


def moments(least: int = 0, most: int = 12) -> st.SearchStrategy[datetime]:
    return st.integers(least, most).map(lambda number: NOON + timedelta(minutes=number))


@st.composite
def entry(draw: st.DrawFn, **fixed: Any) -> Entry:
    at = fixed.pop("at", None) or draw(moments())
    free: dict[str, st.SearchStrategy[Any]] = {
        "purpose": st.sampled_from(Purpose),
        "state": st.sampled_from(ConsentState),
        "source": st.sampled_from(Source),
        "place": st.sampled_from(["", "Newsletter form"]),
        "dated": st.sampled_from([True, True, True, False]),
        "learned_at": st.sampled_from([at, at + timedelta(hours=1), NOON - timedelta(hours=1)]),
    }
    told = {name: fixed[name] if name in fixed else draw(each) for name, each in free.items()}
    return Entry(id="", contact_id=ContactId("c1"), occurred_at=at, **told)


def ledgers(most: int = 9, **fixed: Any) -> st.SearchStrategy[list[Entry]]:
    return st.lists(entry(**fixed), max_size=most).map(number)


def number(entries: list[Entry]) -> list[Entry]:
    return [replace(each, id=f"e{place:02}") for place, each in enumerate(entries)]


def core(standing: Standing) -> tuple[ConsentState, datetime | None, str]:
    return standing.state, standing.since, standing.entry_id


def effective(told: Entry) -> datetime:
    return told.occurred_at if told.occurred_at <= told.learned_at + timedelta(minutes=5) else told.learned_at


@settings(deadline=None)
@given(ledgers(), st.data(), st.sampled_from(Purpose))
def test_the_order_of_arrival_never_matters(entries: list[Entry], data: st.DataObject, purpose: Purpose) -> None:
    assert stand(data.draw(st.permutations(entries)), purpose) == stand(entries, purpose)


@settings(deadline=None)
@given(ledgers(), st.sampled_from(Purpose))
def test_hearing_everything_twice_changes_nothing(entries: list[Entry], purpose: Purpose) -> None:
    assert stand(entries + entries, purpose) == stand(entries, purpose)


@settings(deadline=None)
@given(ledgers(), entry(purpose=MARKETING))
def test_nothing_that_is_not_newer_changes_a_revocation(entries: list[Entry], told: Entry) -> None:
    before = stand(entries, MARKETING)
    if before.state is not ConsentState.REVOKED or before.since is None:
        return
    older = replace(told, id="!", occurred_at=min(told.occurred_at, before.since))  # "!" sorts before every id
    assert core(stand([*entries, older], MARKETING)) == core(before)


@settings(deadline=None)
@given(ledgers(), entry(purpose=MARKETING, state=ConsentState.REVOKED))
def test_a_revocation_newer_than_all_always_holds(entries: list[Entry], told: Entry) -> None:
    last = max((effective(each) for each in entries), default=NOON)
    newest = replace(told, id="z", occurred_at=last, learned_at=last)
    assert core(stand([*entries, newest], MARKETING)) == (ConsentState.REVOKED, last, "z")


@settings(deadline=None)
@given(ledgers(), entry(state=ConsentState.UNKNOWN), st.sampled_from(sorted(set(Source) - {Source.PREFERENCE})))
def test_an_absent_value_changes_nothing(entries: list[Entry], told: Entry, source: Source) -> None:
    absent = replace(told, id="z", source=source)
    for purpose in Purpose:
        assert stand([*entries, absent], purpose) == stand(entries, purpose)


@settings(deadline=None)
@given(ledgers(), entry(purpose=MARKETING, source=Source.PREFERENCE, state=ConsentState.UNKNOWN))
def test_a_resume_never_grants_by_itself_and_lifts_only_the_channels_stop(entries: list[Entry], resume: Entry) -> None:
    after = stand([*entries, replace(resume, id="z")], MARKETING)
    without = stand([each for each in entries if each.source not in CONTROLS], MARKETING)
    before = stand(entries, MARKETING)
    assert core(after) in (core(before), core(without)) or after.state is ConsentState.REVOKED
    if without.state is not ConsentState.GRANTED:
        assert after.state is not ConsentState.GRANTED
    if without.state is ConsentState.REVOKED:
        assert after.state is ConsentState.REVOKED


@settings(deadline=None)
@given(ledgers(), st.lists(entry(purpose=MARKETING), max_size=4))
def test_marketing_never_changes_the_other_purposes(entries: list[Entry], told: list[Entry]) -> None:
    for purpose in (Purpose.UTILITY, Purpose.AUTHENTICATION):
        assert stand([*entries, *told], purpose) == stand(entries, purpose)


@settings(deadline=None)
@given(ledgers())
def test_the_deciding_entry_supports_the_standing(entries: list[Entry]) -> None:
    standing = stand(entries, MARKETING)
    if standing.state is ConsentState.UNKNOWN:
        assert (standing.entry_id, standing.since) == ("", None)
        return
    deciding = next(each for each in entries if each.id == standing.entry_id)
    assert (deciding.state, deciding.purpose) == (standing.state, MARKETING)
    assert standing.since == effective(deciding)
    if standing.state is ConsentState.GRANTED:
        assert deciding.source not in CONTROLS
        assert deciding.place or deciding.source not in RECORDS
        own = [each for each in entries if each.purpose is MARKETING and each.source not in CONTROLS]
        revoked = [effective(each) for each in own if each.state is ConsentState.REVOKED]
        assert all(effective(deciding) > at for at in revoked)
        assert deciding.dated or not revoked


@settings(deadline=None)
@given(ledgers(source=Source.KEYWORD, dated=True))
def test_of_what_the_person_wrote_the_last_word_counts(entries: list[Entry]) -> None:
    ours = [each for each in entries if each.purpose is MARKETING]
    spoken = [each for each in ours if each.state in (ConsentState.GRANTED, ConsentState.REVOKED)]
    if spoken:
        last = max(effective(each) for each in spoken)
        words = {each.state for each in spoken if effective(each) == last}
        expected = ConsentState.REVOKED if ConsentState.REVOKED in words else ConsentState.GRANTED
        assert stand(entries, MARKETING).state is expected
