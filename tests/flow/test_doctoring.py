"""The doctor is sent with patience that ends, and what was found stays."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from connector.contract import Adapter, Finding, SettingsSchema, Visit
from connector.errors import ConfigurationError
from connector.flow import accounts, doctoring
from connector.flow.doctoring import Practice
from connector.model import AccountId
from connector.security.vault import Vault
from connector.store import Store
from connector.store import accounts as rows

URL = "https://connect.example.org/hooks/x"


class Clinic:
    """One adapter whose check can be told what to do."""

    def __init__(self) -> None:
        self.check: Callable[[Visit], Iterator[Finding]] = lambda visit: iter(
            [Finding(name="token", ok=True, words="")]
        )
        self.adapter = Adapter(name="toy", title="Toy", settings=SettingsSchema, check=lambda visit: self.check(visit))

    def get(self, name: str) -> Adapter:
        if name != "toy":
            raise ConfigurationError(f"There is no adapter {name!r}.")
        return self.adapter

    def names(self) -> list[str]:
        return ["toy"]


@pytest.fixture
def clinic() -> Clinic:
    return Clinic()


@pytest.fixture
def practice(sqlite_store: Store, clinic: Clinic, tmp_path: Any) -> Practice:
    vault = Vault.open(tmp_path, {})
    accounts.connect(sqlite_store, clinic, vault, "toy", "shop", {})
    return Practice(sqlite_store, clinic, vault, lambda adapter, account: None)  # type: ignore[arg-type,return-value]


def kept(store: Store) -> doctoring.Report | None:
    with store.read() as tx:
        return doctoring.last(tx, AccountId(rows.all_(tx)[0].id))


def test_what_was_found_is_kept_with_its_time(practice: Practice, sqlite_store: Store) -> None:
    assert kept(sqlite_store) is None
    report = practice.examine("shop", URL, patience=60)
    assert report is not None
    assert report == kept(sqlite_store)
    assert [finding.name for finding in report.findings][:1] == ["token"]


def test_a_vendor_that_hangs_holds_nobody_up(practice: Practice, clinic: Clinic, sqlite_store: Store) -> None:
    asked, answered, calls = threading.Event(), threading.Event(), []

    def hang(visit: Visit) -> Iterator[Finding]:
        calls.append(visit)
        asked.set()
        answered.wait(60)
        yield Finding(name="token", ok=False, words="late", fix="wait")

    clinic.check = hang
    assert practice.examine("shop", URL, patience=0.05) is None
    assert asked.wait(60)
    assert practice.examine("shop", URL, patience=0.05) is None, "it is still on its way"
    assert len(calls) == 1, "one visit at a time"
    answered.set()
    report = practice.examine("shop", URL, patience=60)
    assert report is not None
    assert [finding.words for finding in report.wrong if finding.name == "token"] == ["late"]


def test_a_bug_of_an_adapter_is_told_as_one(practice: Practice, clinic: Clinic) -> None:
    def fail(visit: Visit) -> Iterator[Finding]:
        raise RuntimeError("boom")
        yield

    clinic.check = fail
    report = practice.examine("shop", URL, patience=60)
    assert report is not None
    assert "boom" not in str(report)
    assert not report.ok


def test_settings_that_cannot_be_loaded_are_a_finding(practice: Practice, clinic: Clinic) -> None:
    from marshmallow import fields

    class Stricter(SettingsSchema):
        key = fields.String(required=True)

    clinic.adapter = replace(clinic.adapter, settings=Stricter)
    report = practice.examine("shop", URL, patience=60)
    assert report is not None
    assert [(finding.name, finding.ok) for finding in report.findings] == [("settings", False)]


def test_nobody_is_visited_who_is_not_there(practice: Practice) -> None:
    with pytest.raises(ConfigurationError, match="other"):
        practice.examine("other", URL)
