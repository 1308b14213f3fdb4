"""What follows from an attempt, and from a crash: where a message goes next."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from connector.errors import (
    CredentialsError,
    RemoteError,
    Scope,
    TemporaryError,
    UncertainError,
)
from connector.flow.gate import HOLD_SECONDS
from connector.flow.settle import RESEND_HORIZON
from connector.model import AccountId, Sent, State, now
from connector.policy import late
from connector.store import Transaction, outbox

LONGEST_WAIT = 900.0


def describe(sent: Sent | None, error: RemoteError | None) -> tuple[str, str, str]:
    """Return the outcome, code and words to keep of an attempt."""
    match error:
        case None:
            return "accepted", "", ""
        case UncertainError():
            return "uncertain", error.code, error.words
        case TemporaryError():
            return "temporary", error.code, error.words
        case CredentialsError():
            return "credentials", error.code, note_of(error)
        case _:
            return "permanent", error.code, note_of(error)


def note_of(error: RemoteError) -> str:
    """Return the vendor's words and our advice in one."""
    return f"{error.words} {error.advice}".strip()


def is_about_template(error: RemoteError) -> bool:
    """Tell whether a refusal concerns every message of the template."""
    return error.scope is Scope.TEMPLATE


def is_overload(error: RemoteError) -> bool:
    """Tell whether the channel is too busy for our pace, or is down."""
    return isinstance(error, TemporaryError) and (error.scope is Scope.ACCOUNT or (error.status or 500) >= 500)


def refuse(row: outbox.Row, error: RemoteError, at: datetime, *, doubt_seconds: float) -> None:
    """Move a message on after an attempt that failed. A receipt may have moved it already: never go back."""
    if row.state is not State.SENDING:
        return
    row.code, row.words = error.code, note_of(error)
    row.lease_owner = row.lease_until = None
    match error:
        case UncertainError():
            doubt(row, at, doubt_seconds)
        case TemporaryError():
            _again(row, error, at)
        case CredentialsError():
            row.state, row.reason, row.tries = State.WAITING, "account_suspended", row.tries - 1
        case _:
            row.state, row.reason, row.ended_at = State.FAILED, "refused", at


def _again(row: outbox.Row, error: TemporaryError, at: datetime) -> None:
    if error.scope is not Scope.MESSAGE:  # the number or the template was refused, not this message
        row.tries -= 1
        wait = error.retry_after or (HOLD_SECONDS if error.scope is Scope.TEMPLATE else 1.0)
    else:  # Meta asks for 4^n seconds
        wait = min(LONGEST_WAIT, max(error.retry_after or 1.0, 4.0 ** (row.tries - 1)))
    again = at + timedelta(seconds=wait * random.uniform(0.9, 1.2))  # noqa: S311 - spreading load, not secrecy
    if again < (row.expires_at or row.created_at + RESEND_HORIZON):
        row.state, row.reason, row.not_before = State.WAITING, "refused_for_now", again
    else:
        row.state, row.reason, row.ended_at = State.FAILED, "gave_up", at


def doubt(row: outbox.Row, at: datetime, seconds: float) -> None:
    """Put a message in doubt: a receipt may tell within the window."""
    row.state, row.reason = State.IN_DOUBT, "in_doubt"
    row.lease_owner, row.lease_until = None, at + timedelta(seconds=seconds)


def adopt_orphans(tx: Transaction, channel_id: AccountId, owner: str, seconds: float) -> int:
    """Put in doubt what another drain, now dead, had in flight; return how many."""
    at = now()
    rows = outbox.orphans(tx, channel_id, owner)
    for row in rows:
        doubt(row, at, seconds)
        row.words = "The process that was sending this came to an end; waiting for a receipt."
    outbox.save(tx, rows)
    resolve_doubts(tx, channel_id, at)
    return len(rows)


def resolve_doubts(tx: Transaction, channel_id: AccountId, at: datetime) -> int:
    """Decide about messages in doubt whose window has closed without a receipt; return how many."""
    rows = outbox.doubts(tx, channel_id)
    for row in rows:
        row.lease_until = None
        if row.resend_in_doubt and not late(row.expires_at, at):
            row.state, row.reason, row.not_before = State.WAITING, "resend_after_doubt", at
            row.words = "No receipt came; it is sent again."
        else:
            row.state, row.reason, row.ended_at = State.FAILED, "gave_up_in_doubt", at
            row.words = "No receipt came; the mapping says not to send it again."
    outbox.save(tx, rows)
    return len(rows)
