"""How the org behaves now: what can be set at start, and changed while it runs."""

from __future__ import annotations

from dataclasses import dataclass

from connector.model import Secret
from connector.sandbox.knobs import Knobs
from connector.sandbox.loopback import loopback_url

NOTIFICATIONS_LIMIT = 100
_LONGEST_MS = 60_000.0
_SECRET = Secret("sandbox-secret")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrgKnobs(Knobs):
    """Rates are shares from 0 to 1; draws depend on the seed and the how-manieth call or write it is, not on timing.

    Raises ConfigurationError for values out of range, and for a webhook URL that is not of this machine.
    """

    seed: int = 1
    client_id: str = "sandbox-client"
    client_secret: Secret = _SECRET
    username: str = "integration@sandbox.example"
    """Whom a JWT bearer may speak for."""
    public_key: str = ""
    """PEM; checks the signature of a JWT bearer. Empty: whatever is signed is taken."""
    webhook_url: str = ""
    """Where Outbound Messages go; empty: nowhere."""
    objects: tuple[str, ...] = ("Contact", "Lead", "Case", "Opportunity", "Event", "Appointment__c")
    """Objects that have an Outbound Message; it sends all their fields that are filled."""
    batch: int = NOTIFICATIONS_LIMIT
    """At most this many notifications in one message; Salesforce's limit is 100."""
    gather_ms: float = 20.0
    """How long a change waits for others to come along."""
    echo: bool = False
    """The integration user's writes send Outbound Messages too."""
    restamp: bool = False
    """A trigger in the org writes its own, later time into WhatsApp_Status_At__c."""
    restrict_labels: bool = False
    """WhatsApp_Labels__c takes only the values of its list."""
    latency_ms: float = 0.0
    """Before every answer."""
    token_calls: int = 0
    """A session ends after so many calls; 0: it stays."""
    unauthorized: bool = False
    """Every call is answered with 401, whatever the token; logins go well."""
    refused: bool = False
    """Every login is refused: invalid_client."""
    bare_token: bool = False
    """The token comes without instance_url."""
    down: bool = False
    """Every call gets 503."""
    error_rate: float = 0.0
    """Share of calls that get HTTP 500; nothing is written."""
    html_rate: float = 0.0
    """Share of calls that get a page instead of JSON; nothing is written."""
    lock_rate: float = 0.0
    """Share of row writes that fail with UNABLE_TO_LOCK_ROW."""
    daily_limit: int = 100_000
    """Calls in 24 hours, as the limit header tells; over it come REQUEST_LIMIT_EXCEEDED."""
    used: int = 0
    """Calls that others have used up already."""
    bulk_polls: int = 2
    """How many times a bulk job's status is asked before it is complete."""
    bulk_fails: bool = False
    """Bulk jobs end as Failed, nothing processed."""

    def __post_init__(self) -> None:
        self.check_shares("error_rate", "html_rate", "lock_rate")
        self.check_range(0, _LONGEST_MS, "latency_ms", "gather_ms")
        self.check_range(1, NOTIFICATIONS_LIMIT, "batch")
        self.check_range(0, 1_000_000_000, "token_calls", "daily_limit", "used", "bulk_polls")
        if self.webhook_url:
            loopback_url(self.webhook_url)
