"""Why a message was not sent, or did not arrive, in plain words, with the next step (docs/reasons.md in short)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from connector.flow.story import quoted
from connector.model import Reason, State, Status
from connector.store.views import MessageFile


@dataclass(frozen=True, slots=True)
class Cause:
    """Why, and what to do about it."""

    words: str
    step: str = ""
    """``""``: there is nothing to do."""
    place: str = ""
    """Where in the console that is done: ``mapping``, ``person``, ``templates``, ``accounts``; ``""``: nowhere."""


CAUSES: Mapping[str, Cause] = {
    Reason.CONDITION: Cause(
        "A condition of the mapping was not true for this event.",
        "Read the step “conditions”: it names the field and what was found there.",
        "mapping",
    ),
    Reason.NO_RECIPIENT: Cause(
        "None of the mapping's phone expressions found anything in the event.",
        "Add another place to look for the phone; guest checkouts often have one only in the billing address.",
        "mapping",
    ),
    Reason.MASKED_PHONE: Cause(
        "The phone was there, but the sender had hidden some of its digits.",
        "Give the shop's app the right to read protected customer data.",
        "accounts",
    ),
    Reason.INVALID_PHONE: Cause(
        "No such phone number can exist in the region that the mapping names.",
        "Correct the number in the shop or CRM, or the mapping's region for numbers without a country code.",
        "mapping",
    ),
    Reason.BLANK_SLOT: Cause(
        "A slot of the template had nothing to print.",
        "Give the slot a fallback, or leave it: an empty gap in a message is worse than none.",
        "mapping",
    ),
    Reason.SLOT_FAULT: Cause(
        "A value did not fit its slot, or its expression went beyond a limit.",
        "The step names the slot and the fault; correct its expression.",
        "mapping",
    ),
    Reason.TOO_LATE: Cause(
        "It was older than the mapping lets a message become.",
        "If late news is still news, raise “expires” of the mapping.",
        "mapping",
    ),
    Reason.OVERTAKEN: Cause("An event that calls it off came first: the order was cancelled, the checkout was bought."),
    Reason.ALREADY_SAID: Cause("This mapping has already spoken about this order. Nobody is told twice."),
    Reason.NO_AGREEMENT: Cause(
        "Nothing says that the person agreed to this purpose.",
        "Ask the person. What is recorded, and why a grant that is there does not count, stands on their page.",
        "person",
    ),
    Reason.REVOKED: Cause("The person took their consent back. They come back by writing START, or by agreeing anew."),
    Reason.BLOCKED: Cause(
        "The person is blocked here, or at the channel.", "Unblock them, once the cause is gone.", "person"
    ),
    Reason.UNREACHABLE: Cause(
        "The channel has said several times in a row that this number is not there.",
        "Correct the number in the shop or CRM; a message that is delivered ends it, and so does “unblock”.",
        "person",
    ),
    Reason.OVER_CAP: Cause(
        "So many messages of this kind have gone to this person already.",
        "Raise the cap of the mapping or of the people policy, if people would like that.",
        "mapping",
    ),
    Reason.WINDOW_CLOSED: Cause(
        "An answer in free words was due more than 24 hours after the person last wrote; only templates may go then."
    ),
    Reason.ERASED: Cause("The person was erased after this was planned."),
    Reason.NO_CHANNEL: Cause(
        "There is no account in use that can send, or the mapping does not say which of several.",
        "Connect a number, or name it in the mapping.",
        "accounts",
    ),
    Reason.NO_TEMPLATE: Cause(
        "The channel has no template of this name and language.",
        "Sync the templates, and look at the language that the mapping chooses.",
        "templates",
    ),
    Reason.TEMPLATE_NOT_APPROVED: Cause(
        "The template is rejected, disabled, or still being reviewed.",
        "Follow it in the list of templates.",
        "templates",
    ),
    Reason.TEMPLATE_CHANGED: Cause(
        "The template is not what the mapping was published for.",
        "Adapt the mapping to it and publish again.",
        "mapping",
    ),
    "quiet_hours": Cause("It came due in the person's quiet hours, and leaves by itself when they end."),
    "held": Cause("Its template is paused at the channel; it is looked at again every minute.", "", "templates"),
    "account_suspended": Cause(
        "The number was refused by the channel, so nothing leaves by it.",
        "Mend the account and resume it; what waits leaves by itself.",
        "accounts",
    ),
    "refused_for_now": Cause("The channel refused it for now; it is tried again by itself."),
    "resend_after_doubt": Cause("No receipt came for an earlier attempt, so it is sent again."),
    "in_doubt": Cause("An attempt may have been carried out; a receipt that names it will tell."),
    "gave_up": Cause(
        "The channel refused it again and again, until it was too late.", "See what it answered below.", "accounts"
    ),
    "gave_up_in_doubt": Cause("No receipt came, and the mapping says not to send it again."),
}
"""By reason: of :class:`connector.model.Reason`, and of messages that wait or have failed."""


def cause_of(file: MessageFile) -> Cause | None:
    """Say why a message is not on the phone; None where it is, or is on its way without a hitch."""
    message = file.message
    failed = [receipt for receipt in file.receipts if receipt.status is Status.FAILED]
    if message.state is State.FAILED and failed:
        last = failed[-1]
        code = f" (code {last.code})" if last.code else ""
        return Cause(
            f"The channel could not deliver it: {quoted(last.words) or 'it gave no reason'}{code}.", last.advice
        )
    known = CAUSES.get(message.reason)
    if message.state is State.FAILED and message.reason not in CAUSES:
        code = f" (code {message.code})" if message.code else ""
        return Cause(f"The channel refused it: {quoted(message.words) or 'it gave no reason'}{code}")
    if known is None or message.state in (State.ACCEPTED, State.SENT, State.DELIVERED, State.READ):
        return None
    return known
