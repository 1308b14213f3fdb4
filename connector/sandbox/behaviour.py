"""How the stand-in behaves now: what can be set at start, and changed while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from connector.errors import ConfigurationError
from connector.model import Secret
from connector.sandbox.loopback import loopback_url

_LONGEST_MS = 60_000.0
_NONE = Secret("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """Rates are shares from 0 to 1; draws depend on the seed and the message, not on timing.

    Raises ConfigurationError for values out of range, and for a webhook URL that is not of this machine.
    """

    seed: int = 1
    token: Secret = _NONE
    """The bearer token that must be given; empty: any."""
    webhook_url: str = ""
    """Where receipts go; empty: nowhere."""
    app_secret: Secret = _NONE
    """Signs what is posted there."""
    verify_token: Secret = _NONE
    """With it, a new webhook URL is asked to echo a challenge first, as Meta does."""
    latency_ms: float = 0.0
    """Before every answer to a send."""
    error_rate: float = 0.0
    """Share of sends that get HTTP 500 with code 131000."""
    receipts: bool = True
    receipt_ms: float = 400.0
    """From acceptance to ``read``, give or take half; ``sent`` comes after a tenth, ``delivered`` after 4/10."""
    duplicates: float = 0.0
    """Share of receipts that come twice."""
    reorder: float = 0.0
    """Share of messages whose receipts come in another order."""
    early: float = 0.0
    """Share of messages whose ``sent`` comes before the answer to the send."""
    batch: int = 200
    """At most this many receipts in one webhook; Meta's limit is 1000."""
    approve: bool = True
    """New templates are approved at once; else they stay pending."""

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """Return it with these changes, checked. Raises ConfigurationError."""
        kinds = {field.name: type(getattr(self, field.name)) for field in fields(self)}
        values: dict[str, Any] = {}
        for name, value in changes.items():
            if name not in kinds:
                raise ConfigurationError(f"There is no setting {name[:40]!r}; there are {', '.join(kinds)}.")
            values[name] = _value(name, kinds[name], value)
        return replace(self, **values)

    def __post_init__(self) -> None:
        for name in ("error_rate", "duplicates", "reorder", "early"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigurationError(f"{name} must be a share from 0 to 1.")
        for name in ("latency_ms", "receipt_ms"):
            if not 0 <= getattr(self, name) <= _LONGEST_MS:
                raise ConfigurationError(f"{name} must be from 0 to {_LONGEST_MS:.0f}.")
        if not 1 <= self.batch <= 1000:
            raise ConfigurationError("batch must be from 1 to 1000.")
        if self.webhook_url:
            loopback_url(self.webhook_url)
            if not self.app_secret:
                raise ConfigurationError("Receipts are signed: give the app secret together with the webhook URL.")

    def shown(self) -> dict[str, Any]:
        """Return the settings as JSON, secrets as whether they are set."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: bool(value) if isinstance(value, Secret) else value for name, value in values.items()}


def _value(name: str, kind: type, value: Any) -> Any:
    if isinstance(value, Secret) and kind is Secret:
        return value
    if kind is Secret:
        if isinstance(value, str) and value.isascii():
            return Secret(value)
    elif kind is float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    elif type(value) is kind:
        return value
    words = {Secret: "plain ASCII text", float: "a number", int: "a whole number", bool: "true or false"}
    raise ConfigurationError(f"{name} must be {words.get(kind, 'text')}.")
