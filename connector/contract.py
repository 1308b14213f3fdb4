"""What an adapter is: a manifest, and any of four small roles.

An adapter translates; the connector decides. So an adapter never retries, logs, queues, stores, sleeps
or reads the environment: it verifies, parses, calls the vendor through the guarded session it is given,
and raises one of the errors of :mod:`connector.errors`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urlsplit

from marshmallow import RAISE, Schema, ValidationError, fields

from connector.http import Http
from connector.http import is_loopback as is_loopback
from connector.model import (
    Event,
    Ignored,
    Item,
    Message,
    Payload,
    Request,
    Response,
    Secret,
    Sent,
    Template,
    Verified,
)

Settings = Mapping[str, Any]
"""What an adapter's settings schema loads; its secret fields hold Secret, or tuples of them."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a topic's payload, as an editor offers it."""

    path: str
    """``customer.first_name``, ``line_items[0].title``"""
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

    def acknowledge(self) -> Response:
        """Tell the vendor that it is safe with us."""
        return Response()


@dataclass(frozen=True, slots=True)
class Page:
    """A stretch of a feed; the cursor is saved after the events."""

    items: Sequence[Event | Ignored]
    cursor: str
    more: bool


class Feed(ABC):
    """We ask, for pushes that were lost."""

    @abstractmethod
    def pull(self, cursor: str) -> Page:
        """Return what happened since the cursor (``""``: from now)."""


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
class Change:
    """What a CRM should now hold: one wanted value of one field of one record."""

    object: str
    record_id: str
    field: str
    value: Any


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one change; ``error`` is None where it was written."""

    change: Change
    error: Exception | None = None


class Crm(ABC):
    """Remembers people."""

    @abstractmethod
    def record(self, changes: Sequence[Change]) -> Sequence[Outcome]:
        """Write a batch; one outcome per change; writing the same twice changes nothing."""

    @abstractmethod
    def fields(self, object: str) -> Sequence[Field]:  # noqa: A002 - the CRM's own word
        """Describe an object's fields."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """A vendor's manifest; ``adapters/<name>/adapter.py`` exports it as ``ADAPTER``."""

    name: str
    title: str
    settings: type[SettingsSchema]
    hosts: Callable[[Settings], Iterable[str]] = field(default=lambda settings: ())
    """The only hosts that its session may speak to."""
    receiver: Callable[[Settings], Receiver] | None = None
    feed: Callable[[Settings, Http], Feed] | None = None
    channel: Callable[[Settings, Http], Channel] | None = None
    crm: Callable[[Settings, Http], Crm] | None = None
    check: Callable[[Visit], Iterable[Finding]] | None = None
    read_templates: Callable[[Payload], Iterable[Template]] | None = None
    """Read the vendor's own JSON of one or many templates, for trials without a network. Raises PayloadError."""
    topics: tuple[Topic, ...] = ()


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
