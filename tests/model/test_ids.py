"""Ids: in the order of making, each once, and nobody guesses the next."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.model import first_id, moment_of, new_id

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)


@settings(deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=50))
def test_what_is_made_later_sorts_later_even_within_a_millisecond(steps: list[int]) -> None:
    """Clocks stand still and are set back; an id is never of another moment than its own."""
    at, made = AT, []
    for step in steps:
        at += timedelta(milliseconds=step)
        with time_machine.travel(at, tick=False):
            made.append((at, new_id()))
    assert all(moment_of(id_) == at and len(id_) == 26 and id_ >= first_id(at) for at, id_ in made)
    for (before, one), (after, other) in itertools.pairwise(made):
        assert (one < other) == (before <= after)


def test_no_id_is_made_twice_by_threads_in_the_same_millisecond() -> None:
    def hundred(_: int) -> list[str]:
        return [new_id() for _ in range(100)]

    with time_machine.travel(AT, tick=False), ThreadPoolExecutor(8) as pool:
        made = [id_ for ids in pool.map(hundred, range(20)) for id_ in ids]
    assert len(set(made)) == 2000


def test_the_next_of_a_millisecond_is_not_to_be_guessed() -> None:
    with time_machine.travel(AT, tick=False):
        ends = {new_id()[-8:] for _ in range(100)}
    assert len(ends) == 100, "steps are random in their last 40 bits"
