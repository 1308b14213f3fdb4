"""Salesforce's two doors, and the feed's: who sent it, which delivery it is, and what it tells.

- Outbound Messages carry no signature. The secret is the URL; beside it the organisation that they name must be
  the account's.
- JSON from Flow or Apex carries a digest of the body (``X-Connector-Signature``), or, where nothing better can be
  sent than a fixed header, the secret itself (``X-Connector-Secret``), which is not stored.
- What our own feed finds never comes through the web: a request that says so is refused.

``verify`` has to read the organisation's id out of XML. It looks at the first 16 KiB alone, through the same
parser as later, and stops at that id; whatever cannot be read there proves nobody.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode
from binascii import unhexlify
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from adapters.salesforce import posts, soap
from adapters.salesforce.events import Record, read
from adapters.salesforce.ids import long_id, same_id
from adapters.salesforce.topics import BY_NAME
from adapters.salesforce.values import typed
from connector.contract import Receiver, Settings
from connector.errors import PayloadError, SignatureError
from connector.model import Event, Ignored, Item, Request, Response, Verified

SIGNATURE = "x-connector-signature"
SECRET = "x-connector-secret"  # noqa: S105 - the name of a header
FEED = "x-connector-feed"
"""Set on what the feed found, and on nothing that came from outside."""

_HEX, _BASE64 = 64, 44
"""Characters of 32 bytes."""


class SalesforceReceiver(Receiver):
    """Receives what one organisation sends."""

    topics = BY_NAME

    def __init__(self, settings: Settings) -> None:
        self._organization: str = settings["organization_id"]
        self._secrets = tuple(secret.reveal().encode() for secret in settings.get("webhook_secret") or ())
        self._actions: dict[str, str] = settings.get("actions") or {}

    def verify(self, request: Request) -> Verified:
        """Prove the sender: digest or secret in a header, else the organisation in the XML. Raises SignatureError."""
        if FEED in request.headers:
            raise SignatureError("The request claims to be from the connector's own feed, which never posts.")
        if SIGNATURE in request.headers or SECRET in request.headers:
            self._require_secret(request)
            kept = {name: value for name, value in request.headers.items() if name != SECRET}
            return Verified(replace(request, headers=kept))
        self._require_organization(request.body)
        return Verified(request)

    def key(self, request: Verified) -> str:
        """Return a digest of the notifications' ids, which a retry repeats whatever the records hold by then."""
        if _is_xml(request.body):
            try:
                ids = sorted(notification.id for notification in soap.read(request.body).notifications)
            except PayloadError:
                ids = []
            if any(ids):
                return f"om:{hashlib.sha256(' '.join(ids).encode()).hexdigest()}"
        return f"sha256:{hashlib.sha256(request.body).hexdigest()}"

    def topic(self, request: Verified) -> str:
        """Return the object of the first record of an outbound message; JSON is not parsed for it."""
        found = soap.object_of(request.body) if _is_xml(request.body) else ""
        return found if found.isascii() and found.isprintable() and len(found) <= 80 else ""

    def parse(self, request: Verified) -> Sequence[Item]:
        """Translate all that came, or none of it. Raises PayloadError."""
        records: Iterable[Record]
        records = self._records(soap.read(request.body)) if _is_xml(request.body) else posts.read(request.body)
        events: dict[str, Event] = {}
        for record in records:
            event = read(record, request.received_at)
            events.setdefault(event.key, event)
        return list(events.values()) or [Ignored("(no records)")]

    def acknowledge(self, request: Verified | None = None) -> Response:
        """Say yes in the one way that Salesforce takes; to a sender of JSON, in JSON."""
        if request is not None and not _is_xml(request.body):
            return Response(200, b'{"accepted":true}', "application/json")
        return Response(200, soap.ACK, "text/xml; charset=utf-8")

    def _records(self, message: soap.Message) -> Iterator[Record]:
        if not same_id(message.organization_id, self._organization):
            raise PayloadError("The message names another organisation than the account's.")
        event = self._actions.get(long_id(message.action_id), "")
        for notification in message.notifications:
            id_ = long_id(notification.id)
            if not id_:
                raise PayloadError("A notification has no usable Id, so that a second one could not be told from it.")
            if notification.object:  # it comes without where the record is gone by the time of sending
                values = {name: typed(name, text) for name, text in notification.values.items()}
                yield Record(object=notification.object, values=values, event=event, version=id_)

    def _require_secret(self, request: Request) -> None:
        if not self._secrets:
            raise SignatureError("The account has no webhook_secret to compare with; set one.")
        signature = request.headers.get(SIGNATURE)
        shared = request.headers.get(SECRET, "")
        claimed = _decode(signature) if signature is not None else shared.encode() if shared.isascii() else b""
        genuine = False
        for secret in self._secrets:  # to the end, so that timing does not tell which secret is in use
            ours = secret if signature is None else hmac.digest(secret, request.body, "sha256")
            genuine |= hmac.compare_digest(ours, claimed)
        if not genuine:
            raise SignatureError(
                "Neither X-Connector-Signature nor X-Connector-Secret fits the account's webhook_secret; compare "
                "them with the external credential or the Apex class in Salesforce."
            )

    def _require_organization(self, body: bytes) -> None:
        try:
            found = soap.organization_of(body)
        except PayloadError as error:
            raise SignatureError(
                f"Neither a signature nor an outbound message: {error} JSON needs X-Connector-Signature or "
                "X-Connector-Secret."
            ) from None
        if not same_id(found, self._organization):
            raise SignatureError(
                "The message names another organisation than organization_id; a sandbox has one of its own."
                if found
                else "The message names no OrganizationId within its first 16 KiB."
            )


def _is_xml(body: bytes) -> bool:
    return body.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n\0").startswith((b"<", b"\xff\xfe", b"\xfe\xff"))


def _decode(signature: str) -> bytes:
    """Return the 32 bytes of a digest in hex or base64, or none."""
    text = signature.removeprefix("sha256=")
    if not text.isascii() or len(text) not in (_HEX, _BASE64):
        return b""
    try:
        return unhexlify(text) if len(text) == _HEX else b64decode(text, validate=True)
    except ValueError:
        return b""
