"""Whatever is posted at an organisation's address: refused where nobody proved it, kept where somebody did."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from connector.model import Account
from tests.web.conftest import CAP, House

ORGANIZATION = "00D5g000004AbCdEAK"
CONTACT = "0035g00000QwErTAAV"
PHONE = "+447400123456"
ACK = b"<Ack>true</Ack>"


def notice(number: int = 1, id_: str = CONTACT, extra: str = "") -> str:
    return (
        f"<Notification><Id>04l5g{number:010d}AAA</Id>"
        '<sObject xsi:type="sf:Contact" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">'
        f"<sf:Id>{id_}</sf:Id><sf:MobilePhone>{PHONE}</sf:MobilePhone>{extra}</sObject></Notification>"
    )


def envelope(
    *notices: str, head: str = '<?xml version="1.0" encoding="UTF-8"?>', organization: str = ORGANIZATION
) -> bytes:
    return (
        f'{head}<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'
        '<notifications xmlns="http://soap.sforce.com/2005/09/outbound">'
        f"<OrganizationId>{organization}</OrganizationId><ActionId>04k5g000000TyUiAAK</ActionId>"
        f"{''.join(notices)}</notifications></soapenv:Body></soapenv:Envelope>"
    ).encode()


def doctype(inside: str) -> bytes:
    return envelope(notice(), head=f'<?xml version="1.0"?><!DOCTYPE b {inside}>')


STRANGERS: Mapping[str, bytes] = {
    "a bomb": doctype('[<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]'),
    "an external entity": doctype('[<!ENTITY c SYSTEM "http://127.0.0.1:9/x">]'),
    "a file as an entity": doctype('[<!ENTITY c SYSTEM "file:///etc/hostname">]'),
    "a parameter entity": doctype('[<!ENTITY % p SYSTEM "http://127.0.0.1:9/x"> %p;]'),
    "a DTD elsewhere": doctype('SYSTEM "http://127.0.0.1:9/x.dtd"'),
    "a harmless DTD": doctype("[<!ELEMENT b ANY>]"),
    "nested a million times": b"<a>" * 1_000_000,
    "nested a million times before the organisation": envelope(notice()).replace(
        b"<OrganizationId>", b"<a>" * 1_000_000 + b"<OrganizationId>"
    ),
    "as UTF-7": envelope(notice(), head='<?xml version="1.0" encoding="UTF-7"?>'),
    "hidden in UTF-7": b'<?xml version="1.0" encoding="utf-7"?>+ADwAIQ-DOCTYPE b+AD4-',
    "in no encoding": envelope(notice(), head='<?xml version="1.0" encoding="nobody"?>'),
    "of another organisation": envelope(notice(), organization="00D5g000004AbCeEAK"),
    "of the organisation in other capitals": envelope(notice(), organization=ORGANIZATION.lower()),
    "of a path as an organisation": envelope(notice(), organization="../../x"),
    "of no organisation": envelope(notice(), organization=""),
    "a page": b"<!DOCTYPE html><html><body>Sign in</body></html>",
    "JSON without a proof": b'{"object": "Contact", "record": {"Id": "' + CONTACT.encode() + b'"}}',
    "nothing": b"",
    "half an element": b"<soapenv:Envelope",
}

GENUINE: Mapping[str, bytes] = {
    "a record that leads elsewhere": envelope(notice(id_="//evil.example/x")),
    "a record that leads upwards": envelope(notice(id_="../../x")),
    "nested deep inside": envelope(notice(extra="<sf:A>" * 100_000)),
    "one bad record among good ones": envelope(notice(1), notice(2, id_="x"), notice(3)),
    "more than a hundred": envelope(*map(notice, range(101))),
    "cut off": envelope(notice())[:-40],
    "two organisations": envelope(f"<OrganizationId>{ORGANIZATION}</OrganizationId>", notice()),
    "an entity that nobody declared": envelope(notice(extra="<sf:Name>&c;</sf:Name>")),
}


@pytest.fixture
def org(house: House) -> Account:
    """An organisation that is connected, and posts."""
    return house.connect("salesforce", "crm", organization_id=ORGANIZATION)


@pytest.mark.parametrize("body", STRANGERS.values(), ids=STRANGERS)
def test_what_proves_nobody_leaves_nothing(house: House, org: Account, body: bytes) -> None:
    assert len(body) < CAP
    answer = house.knock(org, body, headers={"Content-Type": "text/xml"})
    assert answer.status_code == 401
    assert ACK not in answer.data
    assert house.rows("request") == []


@pytest.mark.parametrize("body", GENUINE.values(), ids=GENUINE)
def test_what_the_organisation_sent_and_nobody_can_read_is_kept_and_in_nobodys_way(
    house: House, org: Account, body: bytes
) -> None:
    bad = house.knock(org, body, headers={"Content-Type": "text/xml"})
    good = house.knock(org, envelope(notice(999)), headers={"Content-Type": "text/xml"})
    assert (bad.status_code, good.status_code) == (200, 200)
    assert ACK in bad.data, "Salesforce would send it again for a day, and it would be no better"

    house.decide()
    unread, read = house.rows("request")
    assert (unread.state, read.state) == ("unreadable", "done")
    assert unread.words
    assert "evil.example" not in unread.words
    assert PHONE not in unread.words
    assert [row.subject for row in house.rows("event")] == [f"Contact:{CONTACT}"], "of a bad message nothing is taken"


def test_a_message_that_is_sent_again_is_acknowledged_again_and_stored_once(house: House, org: Account) -> None:
    first = envelope(notice(1), notice(2))
    again = envelope(notice(2), notice(1, extra="<sf:Title>Dr</sf:Title>"))  # the record as it stands by then
    for body in (first, again):
        answer = house.knock(org, body, headers={"Content-Type": "text/xml; charset=UTF-8"})
        assert (answer.status_code, answer.content_type) == (200, "text/xml; charset=utf-8")
        assert answer.data.startswith(b'<?xml version="1.0" encoding="UTF-8"?>')
        assert ACK in answer.data
    assert len(house.rows("request")) == 1


def test_nobody_outside_speaks_as_the_feed(house: House, org: Account) -> None:
    body = b'{"object": "Contact", "records": [{"Id": "' + CONTACT.encode() + b'"}]}'
    for name in ("X-Connector-Feed", "x-connector-feed"):
        assert house.knock(org, body, headers={name: "1", "Content-Type": "application/json"}).status_code == 401
    assert house.rows("request") == []
