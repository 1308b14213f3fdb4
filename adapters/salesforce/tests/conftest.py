"""The made-up organisation's API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import responses

from adapters.salesforce.client import Client
from adapters.salesforce.crm import SalesforceCrm
from adapters.salesforce.tests.calling import Budget, Org, Tokens, a_kit, load
from connector.contract import Kit


@pytest.fixture
def org() -> Iterator[Org]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield Org(mock)


@dataclass
class Side:
    """Our side: what an account's roles are given, and what they left there."""

    settings: Any
    kit: Kit
    tokens: Any
    budget: Any

    @property
    def client(self) -> Client:
        return Client(self.settings, self.kit)

    @property
    def crm(self) -> SalesforceCrm:
        return SalesforceCrm(self.settings, self.kit)


@pytest.fixture
def ours() -> Side:
    settings = load()
    kit = a_kit(settings)
    assert isinstance(kit.tokens, Tokens)
    assert isinstance(kit.budget, Budget)
    return Side(settings, kit, kit.tokens, kit.budget)
