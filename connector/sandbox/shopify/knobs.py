"""How the shop behaves now: what can be set at start, and changed while it runs."""

from __future__ import annotations

from dataclasses import dataclass

from connector.model import Secret
from connector.sandbox.knobs import Knobs
from connector.sandbox.loopback import loopback_url

_LONGEST_MS = 60_000.0
_NONE = Secret("")
_SECRET = Secret("sandbox-secret")
_PASTED = Secret("shpat_sandbox")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopKnobs(Knobs):
    """Rates are shares from 0 to 1; draws depend on the seed and the how-manieth call or webhook it is.

    Raises ConfigurationError for values out of range, and for a webhook URL that is not of this machine.
    """

    seed: int = 1
    client_id: str = "sandbox-client"
    client_secret: Secret = _SECRET
    access_token: Secret = _PASTED
    """A token that always opens, as an old custom app's does."""
    webhook_secret: Secret = _NONE
    """Signs the webhooks; empty: the client secret does."""
    webhook_url: str = ""
    """Where all topics go, as if subscribed in the app's file; empty: only where subscriptions say."""
    scopes: tuple[str, ...] = (
        "read_orders", "read_fulfillments", "read_customers", "read_draft_orders", "write_customers", "write_orders",
    )  # fmt: skip
    token_seconds: int = 86_399
    """Life of a token by client credentials; that of an authorization is an hour."""
    unauthorized: bool = False
    """Every call is answered with 401, whatever the token; tokens are still given."""
    refused: bool = False
    """No token is given."""
    down: bool = False
    """Every call gets 503."""
    error_rate: float = 0.0
    """Share of calls that get HTTP 500; nothing is written."""
    html_rate: float = 0.0
    """Share of calls that get a page instead of JSON, with status 200; nothing is written."""
    latency_ms: float = 0.0
    bucket: float = 2000.0
    """Points; Shopify's standard plan has 2000 and gives back 100 a second."""
    restore: float = 100.0
    throttled: bool = False
    """Every query is THROTTLED, for ever."""
    most: int = 250
    """Records that a query may ask for at once; more is MAX_COST_EXCEEDED."""
    echo: bool = True
    """Writes through the API fire webhooks too, as they do in a real shop."""
    scatter_ms: float = 0.0
    """Webhooks come up to so much later, each by its own draw: out of order."""
    duplicates: float = 0.0
    """Share of webhooks that come twice, with the same webhook id."""

    def __post_init__(self) -> None:
        self.check_shares("error_rate", "html_rate", "duplicates")
        self.check_range(0, _LONGEST_MS, "latency_ms", "scatter_ms")
        self.check_range(1, 1_000_000_000, "token_seconds", "bucket", "restore", "most")
        if self.webhook_url:
            loopback_url(self.webhook_url)
