"""Health and numbers: what a load balancer, a supervisor and Prometheus are told, on good days and bad ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from connector import metrics, queue
from connector.settings import Settings
from connector.store import Store, migrate
from connector.wiring import Wiring
from tests.servers import Postgres, Valkey
from tests.web.conftest import PATIENCE, SECRETS, Away, House, Served, until

Values = dict[tuple[str, ...], float]
BODY = b'{"id": 1, "phone": "+447400123456"}'
OUTCOMES = "connector_webhook_requests_total"


def numbers(exposition: bytes | str) -> dict[str, Values]:
    """What Prometheus would see: sample name -> label values in the order of their names -> number."""
    text = exposition.decode() if isinstance(exposition, bytes) else exposition
    found: dict[str, Values] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            assert labels not in found.setdefault(sample.name, {}), f"{sample.name} {labels} is told twice"
            found[sample.name][labels] = sample.value
    return found


def scrape(house: House) -> dict[str, Values]:
    answer = house.open("/metrics")
    assert (answer.status_code, answer.content_type) == (200, metrics.CONTENT_TYPE)
    return numbers(answer.data)


def counted(house: House) -> Callable[[], Values]:
    """Return how often each outcome has been counted since now."""
    before = scrape(house).get(OUTCOMES, {})

    def since() -> Values:
        after = scrape(house)[OUTCOMES]
        return {labels: value - before.get(labels, 0) for labels, value in after.items() if value != before.get(labels)}

    return since


# well, and ready


def test_the_process_is_well_whatever_the_day(house: House) -> None:
    with house.store.write() as tx:
        tx.exec_driver_sql("DROP TABLE alembic_version")
        tx.exec_driver_sql("ALTER TABLE account RENAME TO gone")
    answer = house.open("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def test_it_is_ready_where_the_database_is(house: House, log_lines: Callable[[], list[Mapping[str, Any]]]) -> None:
    answer = house.open("/readyz")
    assert (answer.status_code, answer.json and answer.json["database"]) == (200, "ok")
    assert log_lines() == [], "a probe every few seconds says nothing while all is well"


def test_without_redis_it_is_ready_and_says_so(house: House) -> None:
    answer = house.open("/readyz")
    assert answer.status_code == 200
    assert answer.json == {"status": "ok", "database": "ok", "redis": "unavailable (the clock goes on)"}


def test_with_redis_all_is_well(
    valkey: Valkey, tmp_path: Path, sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = queue._connect  # half a second without an answer is a bad moment here, and no lost server
    monkeypatch.setattr(queue, "_connect", lambda url, **given: plain(url, **given | {"timeout": PATIENCE}))
    settings = Settings.from_env({"REDIS_URL": valkey.url}, data=tmp_path)
    with closing(House(Wiring(settings))) as house:
        well = {"status": "ok", "database": "ok", "redis": "ok"}
        assert house.open("/readyz").json == well
        assert house.post(BODY).status_code == 200
        until(house.tools.queue.depth)  # the bell rings after the answer
        assert scrape(house)["connector_queue_jobs"] == {("waiting",): 1, ("failed",): 0}
        valkey.stop()
        answer = house.open("/readyz")
        assert (answer.status_code, answer.json and answer.json["redis"]) == (200, "unavailable (the clock goes on)")
        assert house.post(BODY + b" ").status_code == 200, "what nobody can be told of is stored all the same"
        found = scrape(house)
        assert found["connector_gauges_up"] == {(): 1}
        assert found["connector_inbox_requests"] == {("new",): 2}
        assert "connector_queue_jobs" not in found, "what is not known is not 0"
        valkey.start()
        assert house.open("/readyz").json == well


def test_a_database_that_was_not_migrated_is_not_ready_before_it_is(
    tmp_path: Path, log_lines: Callable[[], list[Mapping[str, Any]]]
) -> None:
    tools = Wiring(Settings.from_env({}, data=tmp_path))
    migrate.upgrade(tools.store)
    with closing(House(tools)) as house:
        migrate.downgrade(tools.store, "base")
        answer = house.open("/readyz")
        assert answer.status_code == 503
        assert answer.json == {
            "status": "unavailable",
            "database": "unavailable or not migrated",
            "redis": "unavailable (the clock goes on)",
        }
        assert "health.failed" in {line["event"] for line in log_lines()}
        migrate.upgrade(tools.store)
        assert house.open("/readyz").status_code == 200


def test_a_database_that_is_away_is_not_ready_and_the_counts_still_come(
    postgres: Postgres, postgres_url: str, tmp_path: Path, log_lines: Callable[[], list[Mapping[str, Any]]]
) -> None:
    url = postgres_url.replace("postgres@", "postgres:database-password@")
    tools = Wiring(Settings.from_env({"DATABASE_URL": url}, data=tmp_path))
    migrate.upgrade(tools.store)
    away = Away(postgres, postgres_url)
    with closing(House(tools)) as house:
        since = counted(house)
        assert house.post(BODY).status_code == 200
        assert scrape(house)["connector_gauges_up"] == {(): 1}
        away.go()
        assert house.open("/healthz").status_code == 200
        answer = house.open("/readyz")
        assert (answer.status_code, answer.json and answer.json["database"]) == (503, "unavailable or not migrated")
        assert house.post(BODY + b" ").status_code == 503
        assert since() == {("shopify", "stored"): 1, ("shopify", "not_stored"): 1}
        assert scrape(house)["connector_gauges_up"] == {(): 0}
        away.come_back()
        assert house.open("/readyz").status_code == 200
        assert scrape(house)["connector_gauges_up"] == {(): 1}
        told = json.dumps(log_lines()) + answer.text
        assert "database-password" not in told


# numbers


def test_what_happened_at_the_door_is_counted(house: House) -> None:
    since = counted(house)
    for body in (BODY, BODY, b"{}"):
        assert house.post(body).status_code == 200
    house.post(BODY, x_shopify_hmac_sha256="x")
    house.post(b"a" * (5 << 20))
    house.knock(house.number, b"{}")
    house.knock(house.number, method="PUT")
    house.knock(house.number, method="GET")
    for number in range(50):
        house.open(f"/hooks/{number}", "POST")
    assert since() == {
        ("shopify", "stored"): 2, ("shopify", "repeated"): 1, ("shopify", "refused"): 1, ("shopify", "too_large"): 1,
        ("whatsapp", "refused"): 1, ("whatsapp", "wrong_method"): 1, ("whatsapp", "handshake"): 1,
        ("", "unknown_address"): 50,
    }  # fmt: skip


def test_the_gauges_say_what_waits(house: House) -> None:
    assert scrape(house)["connector_inbox_requests"] == {("new",): 0}
    assert house.post(BODY).status_code == 200
    found = scrape(house)
    assert found["connector_inbox_requests"] == {("new",): 1}
    assert 0 <= found["connector_oldest_waiting_seconds"][("request",)] < 60
    assert found["connector_accounts"] == {("active",): 2, ("suspended",): 0}
    house.decide()
    assert scrape(house)["connector_inbox_requests"] == {("new",): 0}


def test_every_acknowledgement_is_timed(house: House) -> None:
    before = scrape(house).get("connector_webhook_ack_seconds_count", {(): 0.0})[()]
    for number in range(5):
        assert house.post({"id": number}).status_code == 200
    found = scrape(house)
    assert found["connector_webhook_ack_seconds_count"][()] - before == 5
    assert found["connector_webhook_ack_seconds_bucket"][("+Inf",)] - before == 5


def test_strangers_cannot_make_the_numbers_grow(house: House) -> None:
    house.open("/hooks/x", "POST")
    before = len(scrape(house)[OUTCOMES])
    for number in range(200):
        house.open(f"/hooks/{number}", "POST", headers={"X-Shopify-Topic": f"topic/{number}"})
        house.open(f"/{number}")
        house.knock(house.shop, method=f"METHOD{number}")
    assert len(scrape(house)[OUTCOMES]) <= before + 1


def test_numbers_name_no_secret_no_phone_and_no_address(house: House) -> None:
    house.know_templates()
    house.publish("order_paid")
    assert house.post(BODY).status_code == 200
    house.decide()
    told = house.open("/metrics").text
    for word in (*SECRETS, house.shop.token, house.number.token, "7400123456"):
        assert word not in told


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_health_is_asked_and_not_told(house: House, path: str) -> None:
    assert house.open(path, "HEAD").status_code == 200
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert house.open(path, method, data=b"x").status_code == 405
    assert house.open(f"{path}/").status_code == 404


# many processes


@pytest.fixture
def two_processes(postgres_url: str, tmp_path: Path) -> Iterator[Served]:
    """The web in two processes on PostgreSQL, which count into files of their own."""
    tools = Wiring(Settings.from_env({"DATABASE_URL": postgres_url}, data=tmp_path / "data"))
    migrate.upgrade(tools.store)
    folder = tmp_path / "metrics"
    folder.mkdir()
    variables = {"DATABASE_URL": postgres_url, metrics.FOLDER: str(folder)}
    with closing(Served(House(tools), tmp_path / "data", "--processes", "2", **variables)) as served:
        yield served


def test_processes_are_added_up_whichever_is_asked(two_processes: Served) -> None:
    ask = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    for number in range(60):
        body = json.dumps({"id": number}).encode()
        assert b"200 OK" in two_processes.send(two_processes.head(body), body)
    assert b"401 " in two_processes.send(two_processes.head(b"x"), b"y")
    assert len(two_processes.bodies()) == 60
    for _ in range(8):
        head, _, told = two_processes.send(ask).partition(b"\r\n\r\n")
        assert b"200 OK" in head
        found = numbers(told)
        assert found[OUTCOMES] == {("shopify", "stored"): 60, ("shopify", "refused"): 1}
        assert found["connector_webhook_ack_seconds_count"] == {(): 61}
        assert found["connector_inbox_requests"] == {("new",): 60}


def test_the_server_answers_probes_while_senders_are_slow(two_processes: Served) -> None:
    """Twenty senders that have said half of it, and say no more for now."""
    half = [two_processes.connect() for _ in range(20)]
    try:
        for connection in half:
            connection.sendall(two_processes.head(BODY) + BODY[:5])
        assert two_processes.is_well()
        for connection in half:
            connection.sendall(BODY[5:])
        answers = {connection.recv(65536)[:15] for connection in half}
        assert answers == {b"HTTP/1.1 200 OK"}
    finally:
        for connection in half:
            connection.close()
