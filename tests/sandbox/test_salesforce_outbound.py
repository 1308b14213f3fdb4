"""Outbound Messages: batched SOAP with the latest values, repeated until the one right acknowledgement comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from connector.sandbox.salesforce import SandboxOrg, outbound
from connector.sandbox.salesforce.outbound import OUTBOUND, SOAP, acknowledged
from tests.sandbox.conftest import PATIENCE, Sales

SF = "urn:sobject.enterprise.soap.sforce.com"
ACK = (
    f'<?xml version="1.0"?><s:Envelope xmlns:s="{SOAP}"><s:Body>'
    f'<notificationsResponse xmlns="{OUTBOUND}"><Ack>true</Ack></notificationsResponse>'
    "</s:Body></s:Envelope>"
)


@dataclass
class Listener:
    """Takes Outbound Messages; ``answers``: what is said before it acknowledges."""

    url: str = ""
    answers: list[tuple[int, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def notices(self) -> list[tuple[str, dict[str, str]]]:
        found = []
        for body in self.bodies:
            for one in ElementTree.fromstring(body).iter(f"{{{OUTBOUND}}}Notification"):
                record = one.find(f"{{{OUTBOUND}}}sObject")
                assert record is not None
                fields = {child.tag.removeprefix(f"{{{SF}}}"): child.text or "" for child in record}
                found.append((one.findtext(f"{{{OUTBOUND}}}Id") or "", fields))
        return found


@pytest.fixture
def listener() -> Iterator[Listener]:
    found = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            status, body = found.answers.pop(0) if found.answers else (200, ACK)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    found.url = f"http://127.0.0.1:{server.server_port}/hooks/abc"
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> Callable[[], AbstractContextManager[None]]:
    """Stop the clock by which changes are gathered; however long they take, they are of one moment."""

    @contextmanager
    def stop() -> Iterator[None]:
        at = time.monotonic()
        with monkeypatch.context() as patched:
            patched.setattr(outbound, "time", SimpleNamespace(monotonic=lambda: at))
            yield

    return stop


def test_a_humans_change_is_told_with_all_filled_fields(open_org: Callable[..., Sales], listener: Listener) -> None:
    org = open_org(webhook_url=listener.url).org
    made = org.create("Contact", {"LastName": "O'Brien & <Söhne>", "MobilePhone": "(415) 555-1212", "DoNotCall": True})
    assert org.settled(PATIENCE)
    ((notice, fields),) = listener.notices()
    assert notice.startswith("04l")
    assert len(notice) == 18
    assert (fields["Id"], fields["LastName"], fields["DoNotCall"]) == (made, "O'Brien & <Söhne>", "true")
    assert fields["SystemModstamp"].endswith(".000Z")
    assert "Title" not in fields, "blank fields are absent"
    root = ElementTree.fromstring(listener.bodies[0])
    assert root.findtext(f".//{{{OUTBOUND}}}OrganizationId") == org.org_id
    assert root.findtext(f".//{{{OUTBOUND}}}ActionId") == SandboxOrg.action_of("Contact")


def test_numbers_come_with_a_decimal_point(open_org: Callable[..., Sales], listener: Listener) -> None:
    org = open_org(webhook_url=listener.url).org
    org.create("Appointment__c", {"Seats__c": 39, "Phone__c": "+447400123456"})
    assert org.settled(PATIENCE)
    assert listener.notices()[0][1]["Seats__c"] == "39.0"


def test_changes_are_gathered_into_messages_of_a_hundred_at_most(
    open_org: Callable[..., Sales], listener: Listener, stopped: Callable[[], AbstractContextManager[None]]
) -> None:
    org = open_org(webhook_url=listener.url, gather_ms=300.0).org
    with stopped():
        for n in range(230):
            org.create("Lead", {"LastName": f"L{n}", "Company": "Sample"})
    assert org.settled(PATIENCE)
    assert len(listener.notices()) == 230
    assert [body.count(b"<Notification>") for body in listener.bodies] == [100, 100, 30]


def test_the_latest_values_are_sent_and_not_those_of_the_change(
    open_org: Callable[..., Sales], listener: Listener, stopped: Callable[[], AbstractContextManager[None]]
) -> None:
    org = open_org(webhook_url=listener.url, gather_ms=200.0).org
    with stopped():
        made = org.create("Contact", {"LastName": "Old"})
        org.edit("Contact", made, {"LastName": "New"})
    assert org.settled(PATIENCE)
    assert [fields["LastName"] for _, fields in listener.notices()] == ["New", "New"]


@pytest.mark.parametrize(
    "wrong",
    [
        (200, ""),
        (200, ACK.replace("true", "false")),
        (200, ACK.replace("notificationsResponse", "notifications")),
        (200, ACK.replace("2005/09/outbound", "2005/10/outbound")),
        (202, ACK),
        (500, ACK),
    ],
)
def test_anything_but_the_exact_acknowledgement_brings_the_same_notices_again(
    open_org: Callable[..., Sales], listener: Listener, wrong: tuple[int, str]
) -> None:
    listener.answers.append(wrong)
    org = open_org(webhook_url=listener.url).org
    org.create("Contact", {"LastName": "Again"})
    assert org.settled(PATIENCE)
    ids = [notice for notice, _ in listener.notices()]
    assert len(ids) == 2
    assert len(set(ids)) == 1
    assert org.stats()["outbound"]["refused_posts"] == 1


def test_an_acknowledgement_with_a_document_type_is_none() -> None:
    assert acknowledged(ACK.encode())
    assert not acknowledged(ACK.replace("?>", "?><!DOCTYPE s:Envelope>").encode())
    assert not acknowledged(b"\xff\xfe<")


def test_what_the_integration_writes_is_echoed_only_where_asked_for(
    open_org: Callable[..., Sales], listener: Listener
) -> None:
    sales = open_org(webhook_url=listener.url)
    made = sales.org.create("Contact", {"LastName": "Echo"})
    assert sales.org.settled(PATIENCE)
    sales.update({"id": made, "WhatsApp_Status__c": "Opted in", "WhatsApp_Status_At__c": "2026-01-02T03:04:05Z"})
    assert sales.org.stats()["outbound"]["planned"] == 1
    sales.org.configure(echo=True, restamp=True)
    sales.update({"id": made, "WhatsApp_Status__c": "Opted out", "WhatsApp_Status_At__c": "2026-01-02T03:04:05Z"})
    assert sales.org.settled(PATIENCE)
    told = listener.notices()[-1][1]
    assert told["WhatsApp_Status__c"] == "Opted out"
    assert told["WhatsApp_Status_At__c"] > "2026-01-02T03:04:05", "a trigger wrote a later time than ours"
