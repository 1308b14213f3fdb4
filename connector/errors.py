"""Errors, sorted by what is to be done about them.

::

    ConnectorError
    ├── ConfigurationError     fix the set-up; told at start, exit code 2
    │   └── MappingError       carries every fault of a mapping, each with its path
    ├── WebhookError           something is wrong with what was posted
    │   ├── SignatureError     401, nothing stored
    │   └── PayloadError       authentic but unreadable: kept, 200, shown, replayable after the fix
    └── RemoteError            a vendor said no, or nothing
        ├── TemporaryError     try again, not before ``retry_after`` seconds
        │   └── UncertainError the request may have been carried out: wait for a receipt first
        ├── PermanentError     never again; carries the vendor's code and words
        └── CredentialsError   suspend the account, not the message

A decision is a value (:class:`connector.model.Skip`); a fault is an exception.
Messages are sentences for the operator, hold no personal data and no secret, and say what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """How far a vendor's refusal reaches."""

    MESSAGE = "message"
    """Only this message or this recipient."""
    TEMPLATE = "template"
    """Every message of this template."""
    ACCOUNT = "account"
    """Every message of this account."""


class ConnectorError(Exception):
    """Whatever goes wrong here, and is foreseen."""


class ConfigurationError(ConnectorError):
    """The set-up must be changed before this can work."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a mapping: where, and what to do about it."""

    path: str
    """Dotted path inside the file: ``slots.body.1``."""
    words: str

    def __str__(self) -> str:
        return f"{self.path}: {self.words}" if self.path else self.words


class MappingError(ConfigurationError):
    """A mapping has faults; ``faults`` holds all of them."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(map(str, self.faults)))


class WebhookError(ConnectorError):
    """What was posted cannot be used."""


class SignatureError(WebhookError):
    """The sender did not prove who they are. Answered with 401; nothing is stored."""


class PayloadError(WebhookError):
    """The sender is who they say, but the body cannot be read. Kept and shown; replay after the fix."""


class RemoteError(ConnectorError):
    """A vendor refused, or did not answer.

    ``code`` is the vendor's own code (or ``""``), ``scope`` says how far the refusal reaches, ``advice``
    says what a person should do next (or ``""``).
    """

    def __init__(
        self,
        words: str,
        *,
        code: str = "",
        scope: Scope = Scope.MESSAGE,
        status: int | None = None,
        advice: str = "",
        about: str = "",
    ) -> None:
        super().__init__(words)
        self.words = words
        self.code = code
        self.scope = scope
        self.status = status
        self.advice = advice
        self.about = about


class TemporaryError(RemoteError):
    """Try again, not before ``retry_after`` seconds (``None``: the caller's own backoff)."""

    def __init__(
        self,
        words: str,
        *,
        retry_after: float | None = None,
        code: str = "",
        scope: Scope = Scope.MESSAGE,
        status: int | None = None,
        advice: str = "",
    ) -> None:
        super().__init__(words, code=code, scope=scope, status=status, advice=advice)
        self.retry_after = retry_after


class UncertainError(TemporaryError):
    """No answer after the request left: it may have been carried out. Never repeat it blindly."""


class PermanentError(RemoteError):
    """The same request will be refused for ever; ``about`` says what that tells of the person, if anything."""


class CredentialsError(RemoteError):
    """The account's credentials or standing are at fault: suspend the account, keep its messages."""

    def __init__(self, words: str, *, code: str = "", status: int | None = None, advice: str = "") -> None:
        super().__init__(words, code=code, scope=Scope.ACCOUNT, status=status, advice=advice)
