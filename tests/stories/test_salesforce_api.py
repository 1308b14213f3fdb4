"""The Salesforce adapter against an organisation that knows the wire on its own, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from adapters.salesforce.adapter import ADAPTER
from connector.contract import Change, Crm, Delta, Grant, Kit, Outcome, Settings, Visit
from connector.errors import CredentialsError, PermanentError, TemporaryError
from connector.http import Http
from connector.model import Json, now
from connector.sandbox.salesforce import SandboxOrg
from connector.sandbox.server import SandboxServer

STATUS, AT, SOURCE, LABELS = (
    "WhatsApp_Status__c", "WhatsApp_Status_At__c", "WhatsApp_Status_Source__c", "WhatsApp_Labels__c",
)  # fmt: skip
MOST_CALLS = 60
"""What 10,000 opt-ins may cost, login and polls included."""


@dataclass
class Tokens:
    grant: Grant | None = None

    def current(self, renew: Callable[[Grant | None], Grant]) -> Grant:
        self.grant = self.grant or renew(None)
        return self.grant

    def reject(self, grant: Grant) -> None:
        self.grant = None if self.grant == grant else self.grant

    def keep(self, grant: Grant) -> None:
        self.grant = grant


class Budget:
    def take(self, cost: float) -> float:
        return 0.0

    def tell(self, *, left: float, most: float, per_second: float) -> None:
        pass


@dataclass
class Scene:
    org: SandboxOrg
    settings: Settings
    tokens: Tokens = field(default_factory=Tokens)

    def kit(self) -> Kit:
        return Kit(http=Http(ADAPTER.hosts(self.settings)), tokens=self.tokens, budget=Budget())

    def crm(self) -> Crm:
        """Return a new one, as each job makes it."""
        assert ADAPTER.crm is not None
        crm = ADAPTER.crm(self.settings, self.kit())
        assert crm is not None
        return crm

    def people(self, count: int) -> list[str]:
        ids = [self.org.create("Contact", {"LastName": f"Person {number}"}) for number in range(count)]
        self.org.reset()
        return ids

    def held(self, record_id: str, name: str) -> Json:
        value: Json = self.org.record("Contact", record_id)[name]
        return value


@pytest.fixture
def scene() -> Iterator[Scene]:
    org = SandboxOrg()
    with SandboxServer(tenants=[org]) as server:
        given = {
            "organization_id": org.org_id, "client_id": "sandbox-client", "client_secret": "sandbox-secret",
            "api_url": server.url, "objects": ["Contact"],
        }  # fmt: skip
        yield Scene(org, ADAPTER.settings().load(given))


def opted_in(record_id: str) -> list[Change]:
    return [
        Change("Contact", record_id, STATUS, "Opted in"),
        Change("Contact", record_id, AT, "2026-11-22T10:00:00Z"),
        Change("Contact", record_id, SOURCE, "keyword"),
        Change("Contact", record_id, LABELS, Delta(add=("whatsapp-opt-in",))),
    ]


def failures(outcomes: object) -> list[Outcome]:
    assert isinstance(outcomes, list)
    return [outcome for outcome in outcomes if outcome.error]


def test_ten_thousand_opt_ins_cost_few_calls_and_all_stand_there(scene: Scene) -> None:
    ids = scene.people(10_000)
    scene.org.edit("Contact", ids[0], {LABELS: "vip"})
    changes = [change for record_id in ids for change in opted_in(record_id)]
    ticket = scene.crm().start(changes)
    while (outcomes := scene.crm().finish(ticket, changes)) is None:
        pass
    assert len(outcomes) == len(changes)
    assert failures(outcomes) == []
    assert sum(scene.org.calls().values()) <= MOST_CALLS
    records = scene.org.records("Contact")
    assert {record[STATUS] for record in records} == {"Opted in"}
    assert [record[LABELS] for record in records if record[LABELS] != "whatsapp-opt-in"] == ["vip;whatsapp-opt-in"]


def test_writing_the_same_twice_changes_nothing(scene: Scene) -> None:
    (record_id,) = scene.people(1)
    for _ in range(2):
        assert failures(scene.crm().record(opted_in(record_id))) == []
    assert scene.held(record_id, LABELS) == "whatsapp-opt-in"
    assert scene.org.calls()["login"] == 1


def test_locked_rows_are_told_and_written_when_they_are_tried_again(scene: Scene) -> None:
    ids = scene.people(200)
    scene.org.configure(lock_rate=0.3)
    left = [Change("Contact", record_id, STATUS, "Opted out") for record_id in ids]
    for _ in range(20):
        failed = failures(scene.crm().record(left))
        assert {type(outcome.error) for outcome in failed} <= {TemporaryError}
        left = [outcome.change for outcome in failed]
        if not left:
            break
    assert {scene.held(record_id, STATUS) for record_id in ids} == {"Opted out"}


def test_a_label_that_the_picklist_refuses_does_not_hold_up_consent(scene: Scene) -> None:
    scene.org.configure(restrict_labels=True)
    (record_id,) = scene.people(1)
    changes = [
        Change("Contact", record_id, STATUS, "Opted out"),
        Change("Contact", record_id, LABELS, Delta(add=("unheard of",))),
    ]
    (failed,) = failures(scene.crm().record(changes))
    assert (failed.change.field, type(failed.error)) == (LABELS, PermanentError)
    assert scene.held(record_id, STATUS) == "Opted out"


def test_topics_are_put_on_and_taken_off(scene: Scene) -> None:
    one, two = scene.people(2)
    crm = scene.crm()
    crm.record([Change("Contact", record_id, "Topics", Delta(add=("VIP", "o'clock"))) for record_id in (one, two)])
    crm.record([Change("Contact", one, "Topics", Delta(add=("new",), remove=("vip",)))])
    assert (scene.org.topics(one), scene.org.topics(two)) == ({"o'clock", "new"}, {"VIP", "o'clock"})


def test_a_storm_of_401_ends_after_two_calls_and_one_login(scene: Scene) -> None:
    (record_id,) = scene.people(1)
    scene.crm().record(opted_in(record_id))
    scene.org.reset()
    scene.org.configure(unauthorized=True)
    with pytest.raises(CredentialsError):
        scene.crm().record([Change("Contact", record_id, STATUS, "Unknown")])
    assert scene.org.calls() == {"login": 1, "update": 2}


def test_sessions_that_end_in_between_are_not_noticed(scene: Scene) -> None:
    (record_id,) = scene.people(1)
    scene.crm().record(opted_in(record_id))
    scene.org.expire()
    assert failures(scene.crm().record([Change("Contact", record_id, STATUS, "Opted out")])) == []


def test_the_feed_finds_every_record_once_and_those_that_are_gone(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.salesforce.feed.PAGE", 50)
    ids = scene.people(260)
    scene.org.delete("Contact", ids[7])
    assert ADAPTER.feed is not None
    feed = ADAPTER.feed(scene.settings, scene.kit())
    assert feed is not None
    cursor, more, saved, gone = "", True, [], []
    while more:
        page = feed.pull(cursor, now())
        cursor, more = page.cursor, page.more
        for found in page.found:
            body = json.loads(found.request.body)
            saved += [record["Id"] for record in body["records"]]
            gone += [record["Id"] for record in body["deleted"]]
    assert sorted(saved) == sorted(set(ids) - {ids[7]})
    assert gone == [ids[7]]


def test_the_doctor_finds_nothing_to_fix(scene: Scene) -> None:
    assert ADAPTER.check is not None
    visit = Visit(scene.settings, scene.kit().http, "https://connect.example.org/hooks/x", scene.kit())
    assert {finding.name: finding.ok for finding in ADAPTER.check(visit)}.items() >= {
        "token": True, "organisation": True, "Contact fields": True, "Lead rights": True,
    }.items()  # fmt: skip
