"""A made-up organisation, and ways to post as Salesforce would."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from adapters.salesforce.adapter import ADAPTER
from adapters.salesforce.receiver import SalesforceReceiver
from connector.model import Event, Item, Request
from connector.testing.captured import MOMENT, read_captured

FIXTURES = Path(__file__).parent.parent / "fixtures"
ORGANIZATION = "00D5g000004AbCdEAK"
ACTION = "04k5g000000TyUiAAK"
SECRET = "fixture-secret-8d21"
RECEIVED_AT = MOMENT
CONTACT = "0035g00000QwErTAAV"


def load(**settings: Any) -> Mapping[str, Any]:
    given = {"organization_id": ORGANIZATION, "webhook_secret": [SECRET]} | settings
    return ADAPTER.settings().load({name: value for name, value in given.items() if value is not None})


def receiver(**settings: Any) -> SalesforceReceiver:
    return SalesforceReceiver(load(**settings))


def request(body: bytes | str, **headers: str) -> Request:
    own = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(
        method="POST",
        headers=own,
        body=body.encode() if isinstance(body, str) else body,
        received_at=RECEIVED_AT,
    )


def post(payload: object, *, secret: str = SECRET) -> Request:
    """Make a signed request of JSON."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload, ensure_ascii=False, default=float).encode()
    digest = hmac.digest(secret.encode(), body, "sha256").hex()
    return request(body, content_type="application/json", x_connector_signature=digest)


def notification(number: int = 1, object_: str = "Contact", **fields: str | None) -> str:
    values = {"Id": CONTACT} | fields
    inner = "".join(
        f"<sf:{name}/>" if value is None else f"<sf:{name}>{escape(value)}</sf:{name}>"
        for name, value in values.items()
    )
    return (
        f"<Notification><Id>04l5g{number:010d}AAA</Id>"
        f'<sObject xsi:type="sf:{object_}" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">{inner}</sObject>'
        "</Notification>"
    )


def envelope(*notifications: str, organization: str = ORGANIZATION, action: str = ACTION) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        '<soapenv:Body><notifications xmlns="http://soap.sforce.com/2005/09/outbound">'
        f"<OrganizationId>{organization}</OrganizationId><ActionId>{action}</ActionId>"
        '<SessionId xsi:nil="true"/><EnterpriseUrl>https://acme.my.salesforce.com/services/Soap/c/64.0/x</EnterpriseUrl>'
        f"{''.join(notifications)}</notifications></soapenv:Body></soapenv:Envelope>"
    )


def soap(*notifications: str, **parts: str) -> Request:
    return request(envelope(*notifications, **parts), content_type="text/xml; charset=UTF-8")


def parse(found: Request, **settings: Any) -> Sequence[Item]:
    here = receiver(**settings)
    return here.parse(here.verify(found))


def events(found: Request, **settings: Any) -> list[Event]:
    return [item for item in parse(found, **settings) if isinstance(item, Event)]


def captured(name: str) -> Request:
    return read_captured(FIXTURES / f"{name}.http")
