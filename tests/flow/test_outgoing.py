"""Webhooks leave signed, once for each endpoint that wants them, and again where nobody answered."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import time_machine
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from connector.errors import ConfigurationError
from connector.flow import labels as labels_
from connector.flow import ledger, outgoing
from connector.flow.outgoing import Courier, Made
from connector.http import Http
from connector.mapping.people_form import shipped
from connector.model import ConsentState, Contact, ContactId, Entry, MessageId, Purpose, Source, State, new_id, now
from connector.security.vault import Vault
from connector.store import Store, accounts, labels, mappings, news, outbox, people, templates
from connector.store import outgoing as rows
from connector.store.outgoing import News
from tests.scene import CHANNEL, PHONE, SHOP, TEMPLATE, Scene

START = datetime.fromisoformat("2026-03-01T12:00:00+00:00")


class _Server(ThreadingHTTPServer):
    request_queue_size = 128


class Ear:
    """A receiver of webhooks on this machine."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[tuple[int, bytes]] = []
        ear = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                ear.heard.append(({name.lower(): value for name, value in self.headers.items()}, body))
                status, said = ear.answers.pop(0) if ear.answers else (200, b"thanks")
                self.send_response(status)
                self.send_header("Content-Length", str(len(said)))
                if status == 302:
                    self.send_header("Location", f"http://127.0.0.1:{ear.port}/elsewhere")
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = _Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}/hooks"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def told(self) -> list[dict[str, Any]]:
        """Return what was told, in the order of its kinds."""
        return sorted((json.loads(body) for _, body in self.heard), key=lambda item: item["type"])

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def ear(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ear]:
    monkeypatch.setattr(outgoing, "TIMEOUT", (60.0, 60.0))  # a courier must not wait so long; machines in tests may
    made = Ear()
    yield made
    made.close()


@pytest.fixture
def still() -> Iterator[time_machine.Traveller]:
    """A clock that stands still: what is to be tried again in five seconds is not due however long a test takes."""
    with time_machine.travel(START, tick=False) as clock:
        yield clock


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault.open(tmp_path, {})


@pytest.fixture
def listens(store: Store, vault: Vault, ear: Ear) -> Callable[..., Made]:
    def make(*types: str, **given: Any) -> Made:
        return outgoing.add(store, vault, ear.url, types or news.CHOSEN, loopback=True, **given)

    return make


def carry(store: Store, vault: Vault) -> outgoing.Tally:
    return Courier(store, vault, owner="test", loopback=True).run()


def tell(store: Store, key: str = "one", type_: str = "label.changed", **data: Any) -> None:
    with store.write() as tx:
        rows.tell(tx, [News(type=type_, key=key, at=now(), data=data or {"contact_id": "c1"})])


def deliveries(store: Store, **wanted: Any) -> list[rows.DeliveryRow]:
    with store.read() as tx:
        return rows.listing(tx, **wanted)


def test_what_happened_is_told_signed_and_once(store: Store, vault: Vault, ear: Ear, listens: Any) -> None:
    made = listens()
    tell(store, contact_id="c1", label="vip", added=True)
    tell(store, contact_id="c1", label="vip", added=True)

    assert carry(store, vault).done == 1
    assert carry(store, vault).done == 0

    ((headers, body),) = ear.heard
    told = Webhook(made.secret.reveal()).verify(body, headers)
    assert told["type"] == "label.changed"
    assert told["id"] == headers["webhook-id"]
    assert told["data"] == {"contact_id": "c1", "label": "vip", "added": True}
    assert set(told) == {"id", "type", "timestamp", "data"}
    (row,) = deliveries(store)
    assert (row.state, row.status, row.tries) == ("done", 200, 1)


def test_a_changed_body_or_another_secret_is_noticed(store: Store, vault: Vault, ear: Ear, listens: Any) -> None:
    made = listens()
    tell(store)
    carry(store, vault)
    ((headers, body),) = ear.heard

    for secret, told in ((made.secret.reveal(), body + b" "), ("whsec_" + "A" * 32, body)):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(told, headers)


def test_nothing_is_written_where_nobody_listens(store: Store, listens: Any) -> None:
    tell(store)
    assert deliveries(store) == []

    listens("message.read")
    tell(store)
    assert deliveries(store) == [], "it did not choose this kind"


def test_what_is_rolled_back_is_not_told(store: Store, vault: Vault, ear: Ear, listens: Any) -> None:
    listens()
    with suppress(RuntimeError), store.write() as tx:
        rows.tell(tx, [News(type="label.changed", key="k", at=now(), data={})])
        raise RuntimeError

    carry(store, vault)
    assert ear.heard == []


def test_every_endpoint_has_deliveries_of_its_own(store: Store, vault: Vault, ear: Ear, listens: Any) -> None:
    first, second = listens(), listens()
    tell(store)
    carry(store, vault)

    assert len(ear.heard) == 2
    assert len({headers["webhook-id"] for headers, _ in ear.heard}) == 2
    verified = 0
    for headers, body in ear.heard:
        for made in (first, second):
            try:
                Webhook(made.secret.reveal()).verify(body, headers)
                verified += 1
            except WebhookVerificationError:
                pass
    assert verified == 2, "each is signed by its own secret"


def test_it_is_tried_again_over_three_days_under_the_same_id(
    store: Store, vault: Vault, ear: Ear, listens: Any
) -> None:
    listens()
    with time_machine.travel(START, tick=False) as clock:
        tell(store)
        ear.answers = [(500, b"down")] * 10
        for wait in (*outgoing.WAITS, None):
            assert carry(store, vault).failed == 1
            assert carry(store, vault).failed == 0, "not before its time"
            if wait:
                clock.shift(wait * 1.1)
        (row,) = deliveries(store)
        assert (row.state, row.tries, row.status) == ("failed", 10, 500)
        clock.shift(timedelta(days=10))
        assert carry(store, vault).failed == 0
    assert len({headers["webhook-id"] for headers, _ in ear.heard}) == 1
    assert len({headers["webhook-timestamp"] for headers, _ in ear.heard}) == 10
    assert timedelta(days=3) < sum(outgoing.WAITS, timedelta()) < timedelta(days=3.5)


@pytest.mark.usefixtures("still")
def test_every_attempt_is_kept_with_what_was_answered(store: Store, vault: Vault, ear: Ear, listens: Any) -> None:
    listens()
    tell(store)
    ear.answers = [(503, b"\xff\x00" + b"x" * 10_000)]
    carry(store, vault)

    (row,) = deliveries(store)
    with store.read() as tx:
        (tried,) = rows.tries_of(tx, [row.id])[row.id]
    assert (tried.status, row.state) == (503, "waiting")
    assert len(tried.answer) <= outgoing.MOST_ANSWER
    assert "\x00" not in tried.answer
    assert "503" in tried.words
    assert tried.ms >= 0


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("status", [302, 304, 400, 404])
def test_only_2xx_says_that_it_was_taken(store: Store, vault: Vault, ear: Ear, listens: Any, status: int) -> None:
    listens()
    tell(store)
    ear.answers = [(status, b"")]
    carry(store, vault)

    assert deliveries(store)[0].state == "waiting"
    assert len(ear.heard) == 1, "a redirect is not followed"


def test_an_endpoint_that_fails_for_days_is_switched_off(store: Store, vault: Vault, ear: Ear, listens: Any) -> None:
    made = listens()
    ear.answers = [(500, b"")] * 50
    with time_machine.travel(START, tick=False) as clock:
        for day in range(6):
            tell(store, f"day {day}")
            carry(store, vault)
            clock.shift(timedelta(days=1))
        with store.read() as tx:
            row = rows.get(tx, made.row.id)
            entries = tx.exec_driver_sql("SELECT action, actor FROM audit").all()
    assert row is not None
    assert not row.active
    assert "2026-03-01" in row.note
    assert [tuple(entry) for entry in entries] == [("outgoing.switched_off", "system")]
    assert {item.state for item in deliveries(store)} == {"failed"}
    tell(store, "later")
    assert len(deliveries(store)) == 6, "nothing is written for it any more"


def test_one_success_forgives_what_was_before(store: Store, vault: Vault, ear: Ear, listens: Any) -> None:
    made = listens()
    with time_machine.travel(START, tick=False) as clock:
        for day in range(8):
            tell(store, f"day {day}")
            ear.answers = [] if day == 3 else [(500, b"")] * 20
            carry(store, vault)
            clock.shift(timedelta(days=1))
    with store.read() as tx:
        row = rows.get(tx, made.row.id)
    assert row is not None
    assert row.active


def test_gone_switches_an_endpoint_off_at_once(store: Store, vault: Vault, ear: Ear, listens: Any) -> None:
    made = listens()
    tell(store)
    ear.answers = [(410, b"")]
    carry(store, vault)

    with store.read() as tx:
        row = rows.get(tx, made.row.id)
    assert row is not None
    assert not row.active
    assert deliveries(store)[0].state == "failed"


def test_what_failed_is_sent_again_on_purpose_under_its_id(store: Store, vault: Vault, ear: Ear, listens: Any) -> None:
    made = listens()
    tell(store, "a")
    tell(store, "b")
    carry(store, vault)
    first = {headers["webhook-id"] for headers, _ in ear.heard}
    with store.write() as tx:
        tx.exec_driver_sql("UPDATE delivery SET state = 'failed'")
        assert rows.again(tx, endpoint_id=made.row.id, since=now() + timedelta(hours=1)) == 0
        assert rows.again(tx, endpoint_id=made.row.id, since=now() - timedelta(hours=1)) == 2

    carry(store, vault)

    assert len(ear.heard) == 4
    assert {headers["webhook-id"] for headers, _ in ear.heard} == first
    with store.write() as tx:
        assert rows.again(tx, id_=min(first)) == 1, "also one that went through"


@pytest.mark.usefixtures("still")
def test_what_waits_for_its_next_try_can_leave_now(store: Store, vault: Vault, ear: Ear, listens: Any) -> None:
    listens()
    tell(store, "a")
    ear.answers = [(500, b"later")]
    carry(store, vault)
    assert deliveries(store)[0].state == "waiting"
    carry(store, vault)
    assert len(ear.heard) == 1, "not before its time"
    with store.write() as tx:
        assert rows.again(tx, id_=deliveries(store)[0].id) == 1
    carry(store, vault)
    assert len(ear.heard) == 2
    assert deliveries(store)[0].state == "done"


def test_two_secrets_are_valid_while_one_is_rotated(store: Store, vault: Vault, ear: Ear, listens: Any) -> None:
    made = listens()
    newer = outgoing.rotate(store, vault, made.row.id)
    tell(store, "a")
    carry(store, vault)
    newest = outgoing.rotate(store, vault, made.row.id)
    tell(store, "b")
    carry(store, vault)
    outgoing.retire(store, vault, made.row.id)
    tell(store, "c")
    carry(store, vault)

    def fits(number: int, secret: Any) -> bool:
        headers, body = ear.heard[number]
        try:
            Webhook(secret.reveal()).verify(body, headers)
        except WebhookVerificationError:
            return False
        return True

    secrets = (made.secret, newer, newest)
    assert [[fits(number, secret) for secret in secrets] for number in range(3)] == [
        [True, True, False], [False, True, True], [False, False, True],
    ]  # fmt: skip


@pytest.mark.usefixtures("still")
def test_an_address_behind_the_firewall_gets_nothing(store: Store, vault: Vault, ear: Ear, listens: Any) -> None:
    listens()
    tell(store)

    Courier(store, vault, owner="test", loopback=False).run()

    assert ear.heard == []
    (row,) = deliveries(store)
    with store.read() as tx:
        (tried,) = rows.tries_of(tx, [row.id])[row.id]
    assert tried.status is None
    assert tried.words


@pytest.mark.parametrize("url", [
    "http://shop.example/hooks", "https://", "ftp://shop.example", "https://user:pw@shop.example", "https://10.0.0.1/",
    "https://169.254.169.254/latest", "https://[::1]/", "https://localhost/", "https://127.0.0.1/", "https://x/#y", "x",
    "https://shop.example/" + "x" * 500, "https://shop.example:99999/", "https://sh op.example/", "https://ü.example/",
])  # fmt: skip
def test_an_address_that_webhooks_must_not_go_to_is_refused(sqlite_store: Store, vault: Vault, url: str) -> None:
    with pytest.raises(ConfigurationError, match="url"):
        outgoing.add(sqlite_store, vault, url, ["message.read"])


def test_loopback_is_for_installations_on_the_same_machine() -> None:
    assert outgoing.is_here("http://127.0.0.1:8080")
    assert not outgoing.is_here("https://connect.example.org")
    assert outgoing.check_url("http://127.0.0.1:1/x", loopback=True)


@pytest.mark.parametrize("types", [[], ["message.read", "nonsense"], ["endpoint.test"]])
def test_kinds_of_news_must_be_known(sqlite_store: Store, vault: Vault, types: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="types"):
        outgoing.add(sqlite_store, vault, "https://shop.example/hooks", types)


def test_a_test_comes_whatever_was_chosen(store: Store, vault: Vault, ear: Ear, listens: Any) -> None:
    made = listens("message.read")
    outgoing.test(store, made.row.id)
    carry(store, vault)

    assert ear.told()[0]["type"] == "endpoint.test"
    outgoing.change(store, made.row.id, active=False)
    with pytest.raises(ConfigurationError):
        outgoing.test(store, made.row.id)


def test_a_removed_endpoint_leaves_nothing_behind(store: Store, vault: Vault, listens: Any) -> None:
    made = listens()
    tell(store)
    assert outgoing.remove(store, made.row.id)

    assert deliveries(store) == []
    with store.read() as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM token").scalar_one() == 0


def test_two_couriers_carry_each_delivery_once(store: Store, vault: Vault, ear: Ear, listens: Any) -> None:
    listens()
    for number in range(40):
        tell(store, f"n{number}")
    threads = [
        threading.Thread(target=lambda name=name: Courier(store, vault, owner=name, loopback=True).run())
        for name in ("a", "b")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({headers["webhook-id"] for headers, _ in ear.heard}) == len(ear.heard) == 40


def test_what_is_carried_at_once_goes_through_one_session(
    sqlite_store: Store, vault: Vault, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Http] = []

    class Slow(Http):
        def __init__(self, *given: Any, **more: Any) -> None:
            made.append(self)
            time.sleep(0.1)
            super().__init__(*given, **more)

    monkeypatch.setattr(outgoing, "Http", Slow)
    outgoing.add(sqlite_store, vault, ear.url, news.CHOSEN, loopback=True)
    for number in range(8):
        tell(sqlite_store, f"n{number}")

    assert carry(sqlite_store, vault).done == 8
    assert len(made) == 1, "another would be lost, and never closed"


def test_a_delivery_of_a_dead_courier_is_carried_by_another(store: Store, vault: Vault, ear: Ear, listens: Any) -> None:
    listens()
    tell(store)
    with store.write() as tx:
        assert len(rows.lease(tx, "dead", 10, 60)) == 1
    assert carry(store, vault).done == 0
    with time_machine.travel(now() + timedelta(seconds=61)):
        assert carry(store, vault).done == 1


# what is told of what


def person(store: Store) -> ContactId:
    id_, at = ContactId(new_id()), now()
    with store.write() as tx:
        people.add(
            tx, [Contact(id=id_, name="Zoë", phone=PHONE, email="zoe@shop.example", created_at=at, updated_at=at)]
        )
    return id_


def test_the_life_of_a_message_is_told_state_by_state(store: Store, vault: Vault, ear: Ear, listens: Any) -> None:
    scene = Scene(store)
    id_ = scene.message(state=State.ACCEPTED, contact_id=person(store))
    listens()
    for state in (State.SENT, State.SENT, State.DELIVERED, State.READ):
        with store.write() as tx:
            (row,) = outbox.load(tx, [MessageId(id_)])
            row.state = state
            outbox.save(tx, [row])
    carry(store, vault)

    told = ear.told()
    assert [item["type"] for item in told] == ["message.delivered", "message.read", "message.sent"]
    assert told[1]["data"]["state"] == "read"
    assert told[1]["data"]["mapping"] == "order_paid"
    text = json.dumps(told, ensure_ascii=False)
    for personal in (PHONE, PHONE[1:], "Zoë", "zoe@", "#1001", "wamid"):
        assert personal not in text


def test_an_endpoint_that_is_allowed_it_is_told_whom_it_is_about(
    store: Store, vault: Vault, ear: Ear, listens: Any
) -> None:
    scene, who = Scene(store), person(store)
    id_ = scene.message(state=State.SENT, contact_id=who)
    listens(personal=True)
    with store.write() as tx:
        (row,) = outbox.load(tx, [MessageId(id_)])
        row.state, row.code, row.reason = State.FAILED, "131026", "refused"
        outbox.save(tx, [row])
    carry(store, vault)

    (told,) = ear.told()
    assert told["type"] == "message.failed"
    assert told["data"]["code"] == "131026"
    assert told["data"]["recipient"] == PHONE
    assert told["data"]["slots"]["body.1"] == "Zoë"
    assert told["data"]["contact"] == {"name": "Zoë", "phone": PHONE, "email": "zoe@shop.example"}


def test_nothing_personal_is_kept_for_delivery(store: Store, listens: Any) -> None:
    scene = Scene(store)
    id_ = scene.message(state=State.SENT, contact_id=person(store))
    listens(personal=True)
    with store.write() as tx:
        (row,) = outbox.load(tx, [MessageId(id_)])
        row.state = State.READ
        outbox.save(tx, [row])

    stored = json.dumps([dict(item.data) for item in deliveries(store)])
    assert "message_id" in stored
    assert PHONE not in stored
    assert "Zo" not in stored


def test_consent_and_labels_are_told(store: Store, vault: Vault, ear: Ear, listens: Any) -> None:
    who, at = person(store), now()
    listens()
    with store.write() as tx:
        entry = Entry(
            id=new_id(), contact_id=who, purpose=Purpose.MARKETING, state=ConsentState.GRANTED, source=Source.ADMIN,
            place="at the till", occurred_at=at, learned_at=at,
        )  # fmt: skip
        ledger.enter(tx, [("k", entry)], at)
        change = labels.LabelChange(key="l", contact_id=who, name="vip", added=True, origin="admin", at=at)
        labels_.change(tx, [change, change], shipped())
    carry(store, vault)

    consent, label = ear.told()
    assert (consent["data"]["before"], consent["data"]["after"]) == ("unknown", "granted")
    assert consent["data"]["purpose"] == "marketing"
    assert label["data"] == {"contact_id": who, "label": "vip", "added": True}


def test_mappings_templates_and_accounts_are_told(store: Store, vault: Vault, ear: Ear, listens: Any) -> None:
    Scene(store)
    listens()
    at = now()
    with store.write() as tx:
        mappings.save_draft(tx, "a", "title = 'a'", at)
        mappings.publish(tx, "a", "title = 'a'", [], at=at)
        mappings.unpublish(tx, "a", at)
        mappings.unpublish(tx, "a", at)
        templates.upsert_all(tx, CHANNEL, [replace(TEMPLATE, status="paused")], at)
        accounts.suspend(tx, SHOP, "The token has expired.", at)
        accounts.suspend(tx, SHOP, "again", at)
        accounts.resume(tx, SHOP, at)
    carry(store, vault)

    told = {item["type"]: item["data"] for item in ear.told()}
    assert len(ear.heard) == 5
    assert told["mapping.published"] == {"mapping": "a", "version": 1}
    assert told["mapping.unpublished"]["mapping"] == "a"
    assert (told["template.changed"]["field"], told["template.changed"]["after"]) == ("status", "paused")
    assert told["template.changed"]["account"] == "hotline"
    assert told["account.suspended"] == told["account.resumed"] == {"account_id": SHOP, "account": "main-store"}
