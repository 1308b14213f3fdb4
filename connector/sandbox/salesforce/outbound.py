"""Outbound Messages: SOAP to the webhook about records that were changed, again until it acknowledges."""

from __future__ import annotations

import html
import itertools
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from connector.errors import ConfigurationError
from connector.sandbox.line import Line
from connector.sandbox.rounds import Rounds
from connector.sandbox.salesforce.knobs import OrgKnobs
from connector.sandbox.salesforce.records import Row, whole_id
from connector.sandbox.salesforce.values import as_text

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
OUTBOUND = "http://soap.sforce.com/2005/09/outbound"
_ATTEMPTS = 40
_FIRST_WAIT, _LONGEST_WAIT = 0.25, 5.0
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_FIXED = ("Id", "IsDeleted")


@dataclass(slots=True)
class SentCount:
    """How the notifications fared, counted singly."""

    planned: int = 0
    acknowledged: int = 0
    dropped: int = 0
    refused: int = 0
    """Posts without an Ack (tried again)."""
    posts: int = 0
    """Posts with one."""

    @property
    def pending(self) -> int:
        """Return how many are still to be taken."""
        return self.planned - self.acknowledged - self.dropped


@dataclass(slots=True)
class _Batch:
    """What goes into one message: notification id -> record id."""

    object: str
    notices: dict[str, str] = field(default_factory=dict)
    due: float = 0.0
    tries: int = 0


class Messenger(Rounds[SentCount]):
    """Gathers changes, posts them, and posts them again; one thread."""

    def __init__(self, org_id: str, knobs: Callable[[], OrgKnobs], row: Callable[[str, str], Row]) -> None:
        super().__init__("sandbox-outbound", SentCount)
        self._org_id = org_id
        self._knobs = knobs
        self._row = row
        self._turn = itertools.count(1)
        self._waiting: list[_Batch] = []

    def tell(self, name: str, record_id: str) -> None:
        """Take a change up; it goes out with others of its object."""
        knobs = self._knobs()
        notice = whole_id(f"04lSb0{next(self._turn):09d}")
        with self._news:
            open_one = next(
                (
                    one for one in self._waiting
                    if one.object == name and not one.tries and len(one.notices) < knobs.batch
                ),
                None,
            )  # fmt: skip
            if open_one is None:
                open_one = _Batch(name, due=time.monotonic() + knobs.gather_ms / 1000)
                self._waiting.append(open_one)
            open_one.notices[notice] = record_id
            self._count.planned += 1
            self._news.notify_all()

    def _clear(self) -> None:
        self._waiting.clear()

    def _run(self) -> None:
        line: Line | None = None
        url = ""
        while (batch := self._next()) is not None:
            if line is None or url != self._knobs().webhook_url:
                url = self._knobs().webhook_url
                if line is not None:
                    line.close()
                line = Line(url)
            self._carry(line, batch)
        if line is not None:
            line.close()

    def _next(self) -> _Batch | None:
        with self._news:
            while not self._closing:
                first = min(self._waiting, key=lambda one: one.due, default=None)
                wait = first.due - time.monotonic() if first is not None else None
                if first is not None and wait is not None and wait <= 0:
                    self._waiting.remove(first)
                    return first
                self._news.wait(wait)
        return None

    def _carry(self, line: Line, batch: _Batch) -> None:
        body = self._body(batch)
        try:
            status, said = line.ask("POST", line.path, body, _HEADERS)
            taken = status == 200 and acknowledged(said)
        except (OSError, ConfigurationError):
            taken = False
        with self._news:
            batch.tries += 1
            if taken:
                self._count.acknowledged += len(batch.notices)
                self._count.posts += 1
            elif batch.tries >= _ATTEMPTS:
                self._count.dropped += len(batch.notices)
            else:
                self._count.refused += 1
                batch.due = time.monotonic() + min(_FIRST_WAIT * 2 ** (batch.tries - 1), _LONGEST_WAIT)
                self._waiting.append(batch)
            self._news.notify_all()

    def _body(self, batch: _Batch) -> bytes:
        """Write the message with what the records hold now, not with what they held when they were changed."""
        rows = {notice: self._row(batch.object, record_id) for notice, record_id in batch.notices.items()}
        return envelope(self._org_id, action_id(batch.object), batch.object, rows)


_HEADERS = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""', "User-Agent": "Salesforce"}


def action_id(name: str) -> str:
    """Return the id of an object's message definition: always the same."""
    return whole_id("04kSb0" + "".join(one for one in name if one.isalnum())[:9].ljust(9, "0"))


def envelope(org_id: str, action: str, name: str, rows: Mapping[str, Row]) -> bytes:
    """Write notifications about records of one object: notification id -> record. Blank fields are left out."""
    notices = "".join(
        f"   <Notification>\n    <Id>{notice}</Id>\n"
        f'    <sObject xsi:type="sf:{name}" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">\n'
        f"{_fields(row)}    </sObject>\n   </Notification>\n"
        for notice, row in rows.items()
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<soapenv:Envelope xmlns:soapenv="{SOAP}" xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n <soapenv:Body>\n'
        f'  <notifications xmlns="{OUTBOUND}">\n   <OrganizationId>{org_id}</OrganizationId>\n'
        f'   <ActionId>{action}</ActionId>\n   <SessionId xsi:nil="true"/>\n'
        f"   <EnterpriseUrl>https://sandbox.my.salesforce.com/services/Soap/c/64.0/{org_id}</EnterpriseUrl>\n"
        f"   <PartnerUrl>https://sandbox.my.salesforce.com/services/Soap/u/64.0/{org_id}</PartnerUrl>\n"
        f"{notices}  </notifications>\n </soapenv:Body>\n</soapenv:Envelope>"
    ).encode()


def _fields(row: Row) -> str:
    filled: list[tuple[str, Any]] = [("Id", row["Id"])]
    filled += sorted((name, value) for name, value in row.items() if name not in _FIXED and value is not None)
    return "".join(
        f"     <sf:{name}>{html.escape(_CONTROL.sub('', as_text(value)), quote=False)}</sf:{name}>\n"
        for name, value in filled
    )


def acknowledged(body: bytes) -> bool:
    """Tell whether this is the one answer that Salesforce takes: Envelope, Body, notificationsResponse, Ack true."""
    try:
        root = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return False
    said = root.find(f"{{{SOAP}}}Body/{{{OUTBOUND}}}notificationsResponse/{{{OUTBOUND}}}Ack")
    return root.tag == f"{{{SOAP}}}Envelope" and said is not None and (said.text or "").strip() == "true"
