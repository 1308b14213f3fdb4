"""How the stand-in behaves now: what can be set at start, and changed while it runs."""

from __future__ import annotations

from dataclasses import dataclass

from connector.errors import ConfigurationError
from connector.model import Secret
from connector.sandbox.knobs import Knobs
from connector.sandbox.loopback import loopback_url

_LONGEST_MS = 60_000.0
_NONE = Secret("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour(Knobs):
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

    def __post_init__(self) -> None:
        self.check_shares("error_rate", "duplicates", "reorder", "early")
        self.check_range(0, _LONGEST_MS, "latency_ms", "receipt_ms")
        self.check_range(1, 1000, "batch")
        if self.webhook_url:
            loopback_url(self.webhook_url)
            if not self.app_secret:
                raise ConfigurationError("Receipts are signed: give the app secret together with the webhook URL.")
