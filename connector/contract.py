"""What an adapter is: a manifest, and any of four small roles.

An adapter translates; the connector decides. So an adapter never retries, logs, queues, stores, sleeps
or reads the environment: it verifies, parses, calls the vendor through the guarded session it is given,
and raises one of the errors of :mod:`connector.errors`.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Protocol
from urllib.parse import urlsplit

from marshmallow import RAISE, Schema, ValidationError, fields

from connector.errors import RemoteError
from connector.guide import Proof as Proof
from connector.guide import Step as Step
from connector.http import Http
from connector.http import is_loopback as is_loopback
from connector.model import (
    Item,
    Json,
    Message,
    Payload,
    Request,
    Response,
    Secret,
    Sent,
    Template,
    Verified,
)
from connector.whereabouts import Country as Country
from connector.whereabouts import Timezone as Timezone

Settings = Mapping[str, Any]
"""What an adapter's settings schema loads; its secret fields hold Secret, or tuples of them."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a topic's payload, as an editor offers it."""

    path: str
    """``customer.first_name``, ``line_items[0].title``; a ``*`` in a name stands for any text (``*__c``)."""
    type: str
    """``text``, ``number``, ``money``, ``boolean``, ``time``, ``phone``, ``url``, ``id``, ``list`` or ``object``."""
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A kind of webhook an adapter understands."""

    name: str
    """The vendor's word: ``orders/paid``."""
    event: str
    """Our word: ``order.paid``."""
    title: str
    fields: tuple[Field, ...] = ()
    sample: Callable[[], Payload] = field(default=dict, repr=False)
    """A payload, written by us, that shows every field."""
    remembers: Mapping[str, str] = field(default_factory=dict)
    """Earlier payloads its expressions may use: root name -> our event whose fields it has."""


class Receiver(ABC):
    """They push. Pure: no I/O; the clock comes with the request."""

    topics: ClassVar[Mapping[str, Topic]] = {}

    def handshake(self, request: Request) -> Response | None:
        """Answer the vendor's set-up challenge, or None where this request is none."""
        return None

    @abstractmethod
    def verify(self, request: Request) -> Verified:
        """Prove the sender over the raw bytes, in constant time. Raises SignatureError; never parses.

        What is returned is stored: a header that holds the secret itself is left out of it.
        """

    @abstractmethod
    def key(self, request: Verified) -> str:
        """Return what the vendor repeats when it retries this delivery (a header, else the body's hash)."""

    def topic(self, request: Verified) -> str:
        """Return the vendor's word for what this is, without parsing, for lists and counters."""
        return ""

    @abstractmethod
    def parse(self, request: Verified) -> Sequence[Item]:
        """Translate into 0 to 1000 items; unknown topics become Ignored. Raises PayloadError."""

    def pushed(self, topic: str, body: bytes, at: datetime) -> Verified:
        """Return what stands for a webhook of this topic and JSON body that our own API took, and nobody signed."""
        return Verified(Request(method="POST", headers={"content-type": "application/json"}, body=body, received_at=at))

    def acknowledge(self, request: Verified | None = None) -> Response:
        """Tell the vendor that it is safe with us; ``request`` is what was stored, for vendors with several doors."""
        return Response()


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A token that a vendor gave us."""

    access_token: Secret
    refresh_token: Secret | None = None
    expires_at: datetime | None = None
    """When to ask for another; None: it stays valid until the vendor refuses it."""
    details: Mapping[str, str] = field(default_factory=dict)
    """What else belongs to it: ``instance_url``, ``scope``. No secrets."""


class Tokens(Protocol):
    """Where an account's token is kept, shared by all processes."""

    def current(self, renew: Callable[[Grant | None], Grant]) -> Grant:
        """Return the token, asking ``renew`` for another where there is none that is valid.

        Only one process asks at a time, and what it got is stored before anyone sees it. ``renew`` is given
        the last grant, if any (for its refresh token).
        """

    def reject(self, grant: Grant) -> None:
        """The vendor refused it: forget its access token, unless it has been replaced already."""

    def keep(self, grant: Grant) -> None:
        """Store a grant that was got in another way (authorization code)."""


class Budget(Protocol):
    """What an account's API still allows, shared by all processes: points, or calls, that come back with time."""

    def take(self, cost: float) -> float:
        """Take ``cost`` out of what is left; return 0, or how many seconds to wait before it is there."""

    def tell(self, *, left: float, most: float, per_second: float) -> None:
        """Tell what the vendor said is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """What a role is given that speaks to the vendor on its own account."""

    http: Http
    tokens: Tokens
    budget: Budget


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Something a feed found, in the form of a webhook, so that the receiver's ``parse`` reads it."""

    key: str
    """The same whenever the same state of the same thing is found; unlike any delivery key of a webhook."""
    topic: str
    request: Verified = field(repr=False)


@dataclass(frozen=True, slots=True)
class Page:
    """A stretch of a feed; the cursor is saved after what it brought is stored."""

    found: Sequence[Fetched]
    cursor: str
    more: bool


class Feed(ABC):
    """We ask, for pushes that were lost. What is found goes through the same door as what is pushed."""

    every: timedelta = timedelta(hours=1)

    @abstractmethod
    def pull(self, cursor: str, now: datetime) -> Page:
        """Return what happened since the cursor (``""``: from now). Raises a RemoteError."""


class Channel(ABC):
    """Reaches people. Must be safe to use from many threads at once."""

    rate: float = 80.0
    """Messages a second that the vendor allows this account."""
    doubt_seconds: float = 90.0
    """How long to wait for a receipt before a message in doubt is sent again or given up."""

    @abstractmethod
    def send(self, message: Message) -> Sent:
        """Send, carrying ``message.id`` so that receipts can echo it. Raises a RemoteError."""

    @abstractmethod
    def templates(self) -> Iterable[Template]:
        """Return every template of the account, approved or not. Raises a RemoteError."""


@dataclass(frozen=True, slots=True)
class Delta:
    """A change to a field that holds a set (tags, a multi-select picklist): what else it holds is left alone."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """What a CRM should now hold: one wanted value of one field of one record."""

    object: str
    """The vendor's word: ``customer``, ``order``, ``Contact``."""
    record_id: str
    field: str
    """The vendor's word: ``tags``, ``WhatsApp_Status__c``."""
    value: Json | Delta = dataclasses.field(repr=False)
    at: datetime | None = None
    """When the fact happened that it tells."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one change; ``error`` is None where it was written.

    TemporaryError: try this row again. PermanentError: this row will not do. CredentialsError is raised
    and not returned: it concerns the account.
    """

    change: Change
    error: RemoteError | None = None


class Crm(ABC):
    """Remembers people. Safe to use from several threads is not required: a drain has one of its own."""

    most: int = 200
    """How many records one call of ``record`` takes."""
    bulk_from: int | None = None
    """With more records than this waiting, ``start`` is used; None: never."""

    @abstractmethod
    def record(self, changes: Sequence[Change]) -> Sequence[Outcome]:
        """Write changes of at most ``most`` records; one outcome per change; the same twice changes nothing.

        Raises a RemoteError where nothing was written, or nobody knows (writing it again is safe).
        """

    @abstractmethod
    def fields(self, object: str) -> Sequence[Field]:  # noqa: A002 - the CRM's own word
        """Describe an object's fields. Raises a RemoteError."""

    def find(self, object: str, phones: Sequence[str]) -> Mapping[str, str]:  # noqa: A002 - the CRM's own word
        """Look up records by E.164 number: number -> record id, for those that were found. Raises a RemoteError."""
        return {}

    def start(self, changes: Sequence[Change]) -> str:
        """Hand over many changes at once and return a ticket to ask with. Raises a RemoteError."""
        raise NotImplementedError

    def finish(self, ticket: str, changes: Sequence[Change]) -> Sequence[Outcome] | None:
        """Return what became of what ``start`` took, or None while the vendor is still at it. Raises a RemoteError."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the connection doctor."""

    name: str
    """``token``, ``scopes``, ``subscription``, ``clock``, ``public URL``, …"""
    ok: bool | None
    """None: could not be found out, or does not apply."""
    words: str
    fix: str = ""
    """What to do, where it is not ok."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What a doctor is given: the account's settings, a session, and the URL that vendors must reach."""

    settings: Settings
    http: Http
    webhook_url: str
    """Public URL of this account's webhook; starts with ``http://127.`` while none is configured."""
    kit: Kit | None = None
    """For adapters whose token is shared; None in a trial of settings that are not stored yet."""


class Authorizer(ABC):
    """Lets the vendor's user allow us in, by authorization code: they are sent to the vendor and come back."""

    @abstractmethod
    def begin(self, settings: Settings, *, state: str, redirect_url: str) -> str:
        """Return the vendor's URL to send them to."""

    @abstractmethod
    def complete(self, settings: Settings, kit: Kit, *, params: Mapping[str, str], redirect_url: str) -> Grant:
        """Check what came back and exchange it. ``state`` has been checked already.

        Raises SignatureError where the vendor did not sign it, a RemoteError where it gives no token.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """A vendor's manifest; ``adapters/<name>/adapter.py`` exports it as ``ADAPTER``."""

    name: str
    title: str
    settings: type[SettingsSchema]
    hosts: Callable[[Settings], Iterable[str]] = field(default=lambda settings: ())
    """The only hosts that its session may speak to."""
    receiver: Callable[[Settings], Receiver] | None = None
    feed: Callable[[Settings, Kit], Feed | None] | None = None
    """None is returned where the settings hold no access to the vendor's API."""
    channel: Callable[[Settings, Http], Channel] | None = None
    crm: Callable[[Settings, Kit], Crm | None] | None = None
    authorizer: Authorizer | None = None
    check: Callable[[Visit], Iterable[Finding]] | None = None
    tend: Callable[[Visit], Iterable[Finding]] | None = None
    """Look after what the vendor keeps for us, hourly: make subscriptions again that are gone. Tells what it did."""
    objects: tuple[str, ...] = ()
    """What a contact mapping of it may be about: ``customer``, ``Contact``, ``Lead``."""
    holds: Mapping[str, tuple[Field, ...]] = field(default_factory=dict)
    """Fields of these objects that can be written without asking the vendor for a description."""
    read_templates: Callable[[Payload], Iterable[Template]] | None = None
    """Read the vendor's own JSON of one or many templates, for trials without a network. Raises PayloadError."""
    read_fields: Callable[[bytes], Mapping[str, tuple[Field, ...]]] | None = None
    """Read fields by object out of a file of the vendor's own (a WSDL), without its API. Raises PayloadError."""
    topics: tuple[Topic, ...] = ()
    custom_events: str = ""
    """Pattern of events beyond those of the topics, which nobody can declare beforehand: ``*__c.saved``."""
    summary: str = ""
    """What connecting one gives, in a line."""
    guide: tuple[Step, ...] = ()
    """What is left to do at the vendor once an account is stored, in order."""
    proof: Callable[[Settings], Proof | None] | None = None
    """How its webhooks are signed, for a test by hand; None: not by a header alone."""


class SettingsSchema(Schema):
    """Base of every adapter's settings; unknown keys are refused, secrets are SecretField."""

    class Meta:
        """Refuse what is not declared: a typing error must not pass in silence."""

        unknown = RAISE


class SecretField(fields.Field[Any]):
    """A secret: loads to Secret; with ``rotates``, to a tuple of Secret, newest first.

    Stored encrypted, never shown, asked for without echo.
    """

    def __init__(self, *, rotates: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rotates = rotates

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        values = value if isinstance(value, list | tuple) else [value]
        texts = [item.reveal() if isinstance(item, Secret) else item for item in values]
        if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
            raise ValidationError("must be a non-empty text.")
        if any(not text.isascii() or any(c.isspace() or not c.isprintable() for c in text) for text in texts):
            raise ValidationError("must be plain ASCII without spaces; was it copied whole?")
        if self.rotates:
            return tuple(map(Secret, texts))
        if len(texts) != 1:
            raise ValidationError("takes one value.")
        return Secret(texts[0])

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return "••••" if value else None


class ApiUrl(fields.Field[str]):
    """The base URL of a vendor's API: https, or http towards loopback only (sandbox, tests)."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        try:
            parts = urlsplit(str(value))
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            raise ValidationError("is not a URL.") from None
        if not host or parts.query or parts.fragment or parts.username:
            raise ValidationError("must be a plain URL such as https://host/path.")
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
            raise ValidationError("must be https (plain http is for loopback only).")
        return str(value).rstrip("/")
