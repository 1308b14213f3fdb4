"""How the stand-in behaves now: what can be set at start, and changed while it runs."""

from __future__ import annotations

from dataclasses import dataclass

from connector.errors import ConfigurationError
from connector.model import Secret
from connector.sandbox.knobs import Knobs
from connector.sandbox.loopback import loopback_url

_LONGEST_MS = 60_000.0
_NONE = Secret("")

MOODS = ("absent", "blocked", "opts_out", "stops", "starts", "taps")
"""Shares of people; each person is one of these at most."""


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
    absent: float = 0.0
    """Share of people who are not on WhatsApp: accepted, then ``failed`` with 131026."""
    blocked: float = 0.0
    """Share of people who stopped marketing before, unnoticed: marketing to them is refused with 131050."""
    opts_out: float = 0.0
    """Share of people who stop marketing with Meta after their first message: a webhook, then 131050."""
    stops: float = 0.0
    """Share of people who write one of ``stop_words`` after their first message."""
    starts: float = 0.0
    """Share of people who write one of ``start_words`` after their first message."""
    taps: float = 0.0
    """Share of people who tap a quick reply of every message that has some."""
    stop_words: tuple[str, ...] = ("STOP",)
    start_words: tuple[str, ...] = ("START",)
    answer_ms: float = 200.0
    """From ``read`` to what a person does."""
    approve: bool = True
    """New templates are approved at once; else they stay pending."""

    def __post_init__(self) -> None:
        self.check_shares("error_rate", "duplicates", "reorder", "early", *MOODS)
        self.check_range(0, _LONGEST_MS, "latency_ms", "receipt_ms", "answer_ms")
        self.check_range(1, 1000, "batch")
        if sum(getattr(self, mood) for mood in MOODS) > 1:
            raise ConfigurationError(f"The shares of {', '.join(MOODS)} must not be more than 1 together.")
        if not self.stop_words or not self.start_words:
            raise ConfigurationError("stop_words and start_words need a word each.")
        if self.webhook_url:
            loopback_url(self.webhook_url)
            if not self.app_secret:
                raise ConfigurationError("Receipts are signed: give the app secret together with the webhook URL.")
