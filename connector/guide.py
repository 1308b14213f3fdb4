"""What an adapter tells whoever connects an account: what is left to do at the vendor, how a webhook is signed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do at the vendor after an account was stored.

    ``words`` may hold ``code`` in backticks and **the names of pages and buttons** in stars.
    """

    words: str
    link: str = ""
    """The vendor's page where it is done: an https address."""
    copy: str = ""
    """What to copy over: ``webhook_url``, ``callback_url``, or the name of a setting that is no secret."""
    items: tuple[str, ...] = ()
    """What to tick, or to list there: topics, scopes, fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """How a sender proves itself: a header that holds an HMAC of the raw body, or the secret itself."""

    header: str
    secret: str
    """The setting that holds the secret."""
    digest: str = "sha256"
    """``sha256``, ``sha512``; empty: the header holds the secret."""
    encoding: str = "hex"
    """``hex`` or ``base64``."""
    prefix: str = ""
    more: Mapping[str, str] = field(default_factory=dict)
    """Further headers of a test; nothing that must not be shown."""
    body: str = "{}"
    """A body that is taken and changes nothing."""
