from __future__ import annotations

from connector.flow.knocks import LONGEST, Knock, Knocks
from connector.model import AccountId

SHOP = AccountId("shop")


def test_refused_requests_are_counted_for_their_account_alone() -> None:
    knocks = Knocks()
    knocks.refuse(SHOP, "not signed")
    knocks.refuse(SHOP, "signed with   another secret" + "!" * 500)
    found = knocks.of(SHOP)
    assert (found.refused, found.words[:28]) == (2, "signed with another secret!!")
    assert len(found.words) == LONGEST
    assert found.refused_at is not None
    assert knocks.of(AccountId("other")) == Knock()


def test_a_set_up_question_is_remembered_and_a_wrong_one_counts_as_refused() -> None:
    knocks = Knocks()
    knocks.greet(SHOP, welcome=True)
    assert knocks.of(SHOP).greeted_at is not None
    knocks.greet(SHOP, welcome=False)
    assert "verify token" in knocks.of(SHOP).words
