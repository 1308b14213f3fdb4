"""Outbound Messages: Salesforce's SOAP envelopes, read within bounds.

Elements are told by namespace and name, whatever their prefix; depth, size and number are bounded. The SessionId
is passed over: it is never looked at.
https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_om_outboundmessaging_wsdl.htm
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from adapters.salesforce.ids import is_name
from adapters.salesforce.markup import Found, walk
from connector.errors import PayloadError

MOST_BYTES = 1024 * 1024
"""A hundred notifications of thirty fields take a fifth of it."""
MOST_NOTIFICATIONS = 100
"""By Salesforce's own WSDL."""
MOST_DEPTH = 10
"""A field stands at the sixth level."""
HEAD = 16 * 1024
"""Bytes that are looked at before the sender is proved; the organisation stands in the first thousand."""

ACK = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/">'
    b"<soapenv:Body>"
    b'<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse>'
    b"</soapenv:Body></soapenv:Envelope>\n"
)
"""The only answer that Salesforce takes for a yes; a bare 200 is sent again for 24 hours."""

_SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
_OUTBOUND = "{http://soap.sforce.com/2005/09/outbound}"
_RECORDS = ("{urn:sobject.enterprise.soap.sforce.com}", "{urn:sobject.partner.soap.sforce.com}")
_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"

_MESSAGE = [f"{_SOAP}Envelope", f"{_SOAP}Body", f"{_OUTBOUND}notifications"]
_NOTIFICATION = [*_MESSAGE, f"{_OUTBOUND}Notification"]
_RECORD = [*_NOTIFICATION, f"{_OUTBOUND}sObject"]
_ORGANIZATION = f"{_OUTBOUND}OrganizationId"
_ACTION = f"{_OUTBOUND}ActionId"
_ID = f"{_OUTBOUND}Id"


@dataclass(frozen=True, slots=True)
class Notification:
    """One record as it stood when Salesforce sent it."""

    id: str
    """The same when it is sent again."""
    object: str
    """``Contact``; empty where no record came with it."""
    values: Mapping[str, str | None] = field(repr=False)
    """Fields by API name, as text; None: told to be nothing. What is blank or may not be read is missing."""


@dataclass(frozen=True, slots=True)
class Message:
    """An envelope: 0 to 100 notifications of one outbound message."""

    organization_id: str
    action_id: str
    notifications: tuple[Notification, ...]


def read(body: bytes) -> Message:
    """Read a whole envelope. Raises PayloadError."""
    if len(body) > MOST_BYTES:
        raise PayloadError(
            f"The message has {len(body)} bytes; at most {MOST_BYTES} are read. Choose fewer fields for it in Setup."
        )
    target = _Target(None)
    walk(target, body)
    if not target.is_message:
        raise PayloadError("The XML is no outbound message: there is no soapenv:Envelope/Body/notifications in it.")
    return Message(target.organization_id, target.action_id, tuple(target.notifications))


def organization_of(body: bytes) -> str:
    """Return the organisation that an envelope names, looking no further than that. Raises PayloadError."""
    target = _Target(_ORGANIZATION)
    walk(target, body[:HEAD], whole=False)
    return target.organization_id


def object_of(body: bytes) -> str:
    """Return the object of the first record, or ``""``, looking no further than that."""
    target = _Target(f"{_OUTBOUND}sObject")
    try:
        walk(target, body[:HEAD], whole=False)
    except PayloadError:
        return ""
    return target.object


class _Target:
    """Takes what the parser sees, and keeps what belongs to a message; stops when ``until`` has been read."""

    def __init__(self, until: str | None) -> None:
        self._until = until
        self._path: list[str] = []
        self._text: list[str] = []
        self._leaf = False
        self._nil = False
        self.is_message = False
        self.organization_id = ""
        self.action_id = ""
        self.notifications: list[Notification] = []
        self._id = ""
        self.object = ""
        self._values: dict[str, str | None] = {}

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if len(self._path) >= MOST_DEPTH:
            raise PayloadError("The XML is nested too deeply; an outbound message is not.")
        if self._path == _MESSAGE and tag == _NOTIFICATION[-1]:
            if len(self.notifications) == MOST_NOTIFICATIONS:
                raise PayloadError(f"The message holds more than {MOST_NOTIFICATIONS} notifications.")
            self._id, self.object, self._values = "", "", {}
        elif self._path == _NOTIFICATION and tag == _RECORD[-1]:
            # ``sf:Contact``: the prefix is whatever the envelope calls it.
            self.object = attributes.get(f"{_XSI}type", "").rpartition(":")[2] or "?"
            if self._until == tag:
                raise Found
        self._path.append(tag)
        self._text.clear()
        self._leaf = True
        self._nil = attributes.get(f"{_XSI}nil", "") in ("true", "1")

    def data(self, text: str) -> None:
        self._text.append(text)

    def end(self, tag: str) -> None:
        self._path.pop()
        if self._path == _MESSAGE:
            self._end_in_message(tag)
        elif self._path == _NOTIFICATION and tag == _ID:
            self._id = self._take().strip(" \t\r\n")
        elif self._path == _RECORD and self._leaf:
            self._keep(tag)
        elif self._path == _MESSAGE[:-1] and tag == _MESSAGE[-1]:
            self.is_message = True
        self._leaf = False

    def close(self) -> None:
        """Nothing is left to do; the parser asks."""

    def _end_in_message(self, tag: str) -> None:
        if tag == _ORGANIZATION:
            if self.organization_id:
                raise PayloadError("The message names two organisations.")
            self.organization_id = self._take().strip(" \t\r\n")
            if self._until == tag:
                raise Found
        elif tag == _ACTION:
            self.action_id = self._take().strip(" \t\r\n")
        elif tag == _NOTIFICATION[-1]:
            self.notifications.append(Notification(self._id, self.object, self._values))

    def _keep(self, tag: str) -> None:
        namespace, _, name = tag.rpartition("}")
        if f"{namespace}}}" in _RECORDS and is_name(name) and name != "fieldsToNull":
            self._values[name] = None if self._nil else self._take()

    def _take(self) -> str:
        return "".join(self._text)
