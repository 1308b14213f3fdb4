"""The feed: what has changed, deleted records included, page after page, nothing left out and little twice."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.salesforce import feed as feed_room
from adapters.salesforce.feed import FIELDS_MOST, SalesforceFeed, make_feed
from adapters.salesforce.tests.calling import BASE, Org, a_kit, described, load, page, record_id
from adapters.salesforce.tests.posting import receiver
from connector.contract import Fetched
from connector.errors import PermanentError, RemoteError, TemporaryError
from connector.model import Event

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SYSTEM = {"Id": "id", "SystemModstamp": "datetime", "IsDeleted": "boolean"}
QUERY_ALL = "queryAll/"


def a_feed(**settings: Any) -> SalesforceFeed:
    loaded = load(**({"objects": ["Contact"]} | settings))
    made = make_feed(loaded, a_kit(loaded))
    assert made is not None
    return made


def row(number: int, stamp: str = "2026-11-22T11:58:00.000+0000", **fields: Any) -> dict[str, Any]:
    attributes = {"type": "Contact", "url": f"/services/data/v64.0/sobjects/Contact/{record_id(number)}"}
    return {
        "attributes": attributes, "Id": record_id(number), "SystemModstamp": stamp, "IsDeleted": False, **fields
    }  # fmt: skip


def serve(org: Org, *answers: Any, **fields: str) -> None:
    org.login()
    for name in ("Contact", "Lead"):
        org.on("GET", f"sobjects/{name}/describe", (200, described(**SYSTEM, **fields)))
    org.on("GET", QUERY_ALL, *answers)


def asked(org: Org) -> list[str]:
    return [sent["q"] for sent in org.calls("GET", QUERY_ALL)]


def body(fetched: Fetched) -> Mapping[str, Any]:
    read: Mapping[str, Any] = json.loads(fetched.request.body)
    return read


def test_the_first_look_begins_now_with_five_minutes_of_overlap(org: Org) -> None:
    serve(org, (200, page([])), LastName="string")
    told = a_feed().pull("", NOW)
    (query,) = asked(org)
    assert query == (
        "SELECT Id, SystemModstamp, IsDeleted, LastName FROM Contact "
        "WHERE SystemModstamp >= 2026-11-22T11:55:00.000Z ORDER BY SystemModstamp, Id LIMIT 1000"
    )
    assert (told.found, told.more) == ([], False)
    assert json.loads(told.cursor) == {"Contact": "2026-11-22T12:00:00.000Z"}


def test_the_next_look_begins_before_the_newest_that_was_seen(org: Org) -> None:
    serve(org, (200, page([row(1), row(2, "2026-11-22T12:03:00.000+0000")])), (200, page([])))
    feed = a_feed()
    told = feed.pull("", NOW)
    later = feed.pull(told.cursor, NOW + timedelta(minutes=15))
    assert "SystemModstamp >= 2026-11-22T11:58:00.000Z ORDER" in asked(org)[1]
    assert later.cursor == told.cursor
    assert len(org.calls("GET", "sobjects/Contact/describe")) == 1


def test_the_cursor_never_goes_back(org: Org) -> None:
    serve(org, (200, page([row(1, "2026-11-22T11:56:00.000+0000")])))
    cursor = '{"Contact":"2026-11-22T12:00:00.000Z"}'
    assert a_feed().pull(cursor, NOW).cursor == cursor


def test_what_is_found_goes_through_the_receivers_door(org: Org) -> None:
    gone = row(2, IsDeleted=True, LastName="Gone", MasterRecordId=record_id(9))
    serve(org, (200, page([row(1, LastName="Ayşe", Amount=39.0), gone])))
    (fetched,) = a_feed().pull("", NOW).found
    assert fetched.topic == "feed/Contact"
    assert fetched.request.headers["x-connector-feed"] == "1"
    assert body(fetched)["object"] == "Contact"
    assert [record["LastName"] for record in body(fetched)["records"]] == ["Ayşe"]
    assert body(fetched)["deleted"] == [
        {"Id": record_id(2), "SystemModstamp": "2026-11-22T11:58:00.000+0000", "MasterRecordId": record_id(9)}
    ]
    events = receiver().parse(fetched.request)
    assert [(event.type, event.subject) for event in events if isinstance(event, Event)] == [
        ("contact.saved", f"Contact:{record_id(1)}"),
        ("contact.deleted", f"Contact:{record_id(2)}"),
    ]


def test_the_same_state_has_the_same_key_and_another_one_another(org: Org) -> None:
    changed = row(1, "2026-11-22T11:59:00.000+0000")
    serve(org, *[(200, page([one])) for one in (row(1), row(1), changed)])
    feed = a_feed()
    keys = [feed.pull("", NOW).found[0].key for _ in range(3)]
    assert keys[0] == keys[1] != keys[2]


def test_at_most_200_records_go_together(org: Org) -> None:
    serve(org, (200, page([row(number) for number in range(450)])))
    found = a_feed().pull("", NOW).found
    assert [len(body(one)["records"]) for one in found] == [200, 200, 50]
    assert len({one.key for one in found}) == 3


class Records:
    """Answers the feed's queries as Salesforce does, in the order of the query."""

    def __init__(self, rows: list[dict[str, Any]], page_size: int = 10_000) -> None:
        self.rows = rows
        self.page_size = page_size

    def __call__(self, sent: Any) -> tuple[int, Any]:
        query = sent["q"]
        since = moment(re.findall(r">= (\S+)", query)[0])
        after = re.search(r"> (\S+) OR Id > '(\w+)'", query)
        limit = int(query.rpartition("LIMIT ")[2])
        found = [one for one in self.rows if moment(one["SystemModstamp"]) >= since]
        if after:
            found = [one for one in found if moment(one["SystemModstamp"]) > moment(after[1]) or one["Id"] > after[2]]
        found.sort(key=lambda one: (one["SystemModstamp"], one["Id"]))
        cut = min(limit, self.page_size)
        return 200, page(found[:cut], done=len(found[:limit]) <= cut)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize("page_size", [10_000, 7])
def test_many_records_of_one_second_are_read_page_by_page_and_each_once(
    org: Org, monkeypatch: pytest.MonkeyPatch, page_size: int
) -> None:
    monkeypatch.setattr(feed_room, "PAGE", 10)
    rows = [row(number) for number in range(25)]
    rows += [row(100 + number, f"2026-11-22T11:59:{number:02}.000+0000") for number in range(25)]
    serve(org, Records(rows, page_size))
    feed, cursor, seen, calls = a_feed(), "", [], 0
    while True:
        told = feed.pull(cursor, NOW)
        cursor, calls = told.cursor, calls + 1
        seen += [record["Id"] for one in told.found for record in body(one)["records"]]
        if not told.more:
            break
    assert sorted(seen) == sorted(one["Id"] for one in rows)
    assert calls == (6 if page_size == 10_000 else 8)
    assert json.loads(cursor) == {"Contact": "2026-11-22T11:59:24.000Z"}


def test_while_one_object_has_more_the_others_are_left_in_peace(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_room, "PAGE", 2)
    serve(org, lambda sent: Records([row(n) for n in range(5)])(sent) if "Contact" in sent["q"] else (200, page([])))
    feed = a_feed(objects=["Contact", "Lead"])
    cursor, more, rounds = "", True, 0
    while more:
        told = feed.pull(cursor, NOW)
        cursor, more, rounds = told.cursor, told.more, rounds + 1
    assert rounds == 3
    assert len([query for query in asked(org) if "FROM Lead" in query]) == 1


def test_an_object_that_is_no_longer_asked_for_leaves_the_cursor(org: Org) -> None:
    serve(org, (200, page([])))
    told = a_feed().pull('{"Lead":"2026-11-22T10:00:00.000Z","Contact":"2026-11-22T11:00:00.000Z"}', NOW)
    assert json.loads(told.cursor) == {"Contact": "2026-11-22T11:00:00.000Z"}


@pytest.mark.parametrize(
    "cursor",
    [
        "x", "[]", "7", "null", '{"Contact": 7}', '{"Contact": "yesterday"}', '{"Contact": "1700000000"}',
        '{"Contact": "2026-11-22T11:00:00Z/\' OR Id != \'"}', '{"Contact": "2026-11-22T11:00:00Z/"}',
    ],
)  # fmt: skip
def test_a_cursor_that_cannot_be_read_begins_now(org: Org, cursor: str) -> None:
    serve(org, (200, page([])))
    assert json.loads(a_feed().pull(cursor, NOW).cursor) == {"Contact": "2026-11-22T12:00:00.000Z"}
    assert "OR Id" not in asked(org)[0]


def test_all_plain_fields_are_asked_for_and_the_rest_is_left_out(org: Org) -> None:
    kinds = {
        "Tier__c": "picklist",
        "LastName": "string",
        "MailingAddress": "address",
        "Photo": "base64",
        "Phone": "phone",
    }
    serve(org, (200, page([])), **kinds)
    a_feed().pull("", NOW)
    assert asked(org)[0].startswith("SELECT Id, SystemModstamp, IsDeleted, LastName, Phone, Tier__c FROM")


def test_a_long_text_is_left_out(org: Org) -> None:
    fields = described(**SYSTEM, Description="textarea", Note="textarea")
    fields["fields"][3]["length"] = 32_000
    org.login()
    org.on("GET", "sobjects/Contact/describe", (200, fields))
    org.on("GET", QUERY_ALL, (200, page([])))
    a_feed().pull("", NOW)
    assert asked(org)[0].startswith("SELECT Id, SystemModstamp, IsDeleted, Note FROM")


def test_a_query_fits_into_an_address_however_many_fields_there_are(org: Org) -> None:
    serve(org, (200, page([])), **{f"A_rather_long_name_of_a_field_{number}__c": "string" for number in range(900)})
    a_feed().pull("", NOW)
    assert FIELDS_MOST / 2 < len(asked(org)[0]) < FIELDS_MOST + 300


@pytest.mark.parametrize("lacking", SYSTEM)
def test_an_object_that_cannot_be_followed_is_named(org: Org, lacking: str) -> None:
    org.login()
    kinds = {name: kind for name, kind in SYSTEM.items() if name != lacking}
    org.on("GET", "sobjects/Contact/describe", (200, described(**kinds)))
    with pytest.raises(PermanentError, match=f"Contact cannot be asked .*{lacking}") as caught:
        a_feed().pull("", NOW)
    assert "objects" in caught.value.advice


@pytest.mark.parametrize(
    "records",
    [["x"], [{}], [{"Id": "../x", "SystemModstamp": "2026-11-22T11:58:00Z"}], [{"Id": record_id(1)}],
     [{"Id": record_id(1), "SystemModstamp": "soon"}]],
)  # fmt: skip
def test_records_that_are_none_are_not_passed_on(org: Org, records: Any) -> None:
    serve(org, (200, {"done": True, "records": records}))
    with pytest.raises(TemporaryError):
        a_feed().pull("", NOW)


def test_a_refused_query_is_an_error_of_ours(org: Org) -> None:
    serve(org, (400, [{"errorCode": "INVALID_FIELD", "message": "No such column 'X'"}]))
    with pytest.raises(RemoteError) as caught:
        a_feed().pull("", NOW)
    assert BASE not in str(caught.value)


def test_it_is_off_without_access_and_as_often_as_is_set_with_it() -> None:
    settings = load(client_secret=None)
    assert make_feed(settings, a_kit(settings)) is None
    assert a_feed(feed_minutes=20).every == timedelta(minutes=20)
