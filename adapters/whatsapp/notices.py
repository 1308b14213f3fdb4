"""News about templates, numbers and accounts out of Meta's updates, one line for the operator each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from adapters.whatsapp.pieces import Update, id_of, text_of
from adapters.whatsapp.refusals import tidy
from connector.model import Json, Notice, TemplateChange, parse_time

STATUS_AFTER: Mapping[str, str | None] = {
    "reinstated": "approved",
    "unarchived": "approved",
    "flagged": None,
}
"""Events whose word is not the template's status afterwards; None leaves the status as it was."""
QUIET_FIELDS: Mapping[str, str] = {
    "account_alerts": "Meta has an alert about the account.",
    "account_review_update": "Meta reviewed the account.",
    "account_settings_update": "A setting of the account changed.",
    "automatic_events": "Meta detected an event in a chat.",
    "business_status_update": "The state of the business changed.",
    "business_username_updates": "The business's username changed.",
    "calls": "A call, or news of one; calls are not handled here.",
    "flows": "News of a flow; see WhatsApp Manager.",
    "group_lifecycle_update": "News of a group; groups are not handled here.",
    "group_participants_update": "News of a group; groups are not handled here.",
    "group_settings_update": "News of a group; groups are not handled here.",
    "group_status_update": "News of a group; groups are not handled here.",
    "history": "Older chats of the WhatsApp Business app; they are not read here.",
    "messaging_handovers": "Another responder took or gave up a conversation.",
    "partner_solutions": "News of a partner solution.",
    "payment_configuration_update": "A payment configuration changed.",
    "phone_number_name_update": "Meta decided about the number's display name.",
    "security": "The number's two-step verification changed.",
    "smb_app_state_sync": "Contacts of the WhatsApp Business app; they are not read here.",
    "smb_message_echoes": "Somebody wrote from the WhatsApp Business app.",
    "standby": "A message in a conversation that another responder holds.",
    "tracking_events": "A tracking event.",
}
"""Fields that are kept and shown, and of which nothing follows here."""


def notices(update: Update) -> Iterator[Notice]:
    """Yield the notice that an update of a field other than messages and preferences makes."""
    if reader := _READERS.get(update.field):
        yield reader(update)
    elif words := QUIET_FIELDS.get(update.field):
        yield update.notice(_join(words, text_of(update.value, "event", "alert_type", "decision")))
    else:
        yield update.unreadable("Meta sent a kind of update that is not known here.", None)


def app_errors(update: Update, piece: Json) -> Notice:
    """Read one of ``value.errors[]``: a fault of the account that belongs to no message."""
    code = tidy(text_of(piece, "code"))
    said = tidy(text_of(piece, "error_data.details", "message", "title"))
    return update.notice(_join(f"Meta reports error {code or 'without a code'}.", said), piece)


def user_actions(update: Update, piece: Json) -> Notice:
    """Read one of ``user_actions[]``: a tap on a link of a marketing message."""
    return update.notice(
        _join("A person acted on a message.", tidy(text_of(piece, "action_type"))),
        piece,
        at=update.moment(piece),
    )


def template_status(update: Update) -> Notice:
    """Read ``message_template_status_update``; Meta has sent quality updates under this name too."""
    value = update.value
    if not (event := text_of(value, "event").lower()):
        return template_quality(update)
    reason = text_of(value, "reason")
    more = text_of(value, "rejection_info.reason", "other_info.description", "other_info.title")
    shown = [
        "" if reason.upper() == "NONE" else reason,
        more,
        text_of(value, "rejection_info.recommendation"),
        text_of(value, "disable_info.disable_date"),
    ]
    return update.notice(
        _join(f"{_named(update)} is {event.replace('_', ' ')}.", *map(tidy, shown)),
        template=_change(
            update,
            status=STATUS_AFTER.get(event, event),
            category=text_of(value, "message_template_category").lower() or None,
        ),
    )


def template_quality(update: Update) -> Notice:
    """Read ``message_template_quality_update``: GREEN, YELLOW, RED or UNKNOWN."""
    quality = text_of(update.value, "new_quality_score").lower()
    if not quality:
        return update.unreadable("A template update says neither what happened nor a quality.", None)
    before = text_of(update.value, "previous_quality_score").lower()
    words = f"{_named(update)} now has quality {quality}{f', before {before}' if before else ''}."
    return update.notice(words, template=_change(update, quality=quality))


def template_category(update: Update) -> Notice:
    """Read ``template_category_update``: announced a day ahead, then done.

    The announcement's ``new_category`` is the present one, and ``correct_category`` the coming one.
    """
    value = update.value
    now, coming = text_of(value, "new_category").lower(), text_of(value, "correct_category").lower()
    if text_of(value, "previous_category") or not (coming or text_of(value, "category_update_timestamp")):
        if not now:
            return update.unreadable("A category update does not name the category.", None)
        words = f"{_named(update)} is now in category {now}; consent and price follow it."
        return update.notice(words, template=_change(update, category=now))
    moment = parse_time(text_of(value, "category_update_timestamp"))
    when = f" on {moment:%Y-%m-%d %H:%M} UTC" if moment else " within a day"
    words = f"{_named(update)} will become {coming or 'another category'}{when}; it is still {now or 'as before'}."
    return update.notice(words, template=_change(update))


def template_detection(update: Update) -> Notice:
    """Read ``template_correct_category_detection``: Meta's opinion, from which nothing follows yet."""
    better = text_of(update.value, "correct_category").lower() or "another category"
    return update.notice(f"{_named(update)} fits {better} better, Meta thinks.", template=_change(update))


def template_components(update: Update) -> Notice:
    """Read ``message_template_components_update``: somebody edited the template."""
    words = f"{_named(update)} was edited; sync templates and check the mappings that use it."
    return update.notice(words, template=_change(update))


def number_quality(update: Update) -> Notice:
    """Read ``phone_number_quality_update``: throughput and limits of a number."""
    value = update.value
    limit = text_of(value, "max_daily_conversations_per_business", "current_limit")
    event = text_of(value, "event").lower().replace("_", " ") or "changed"
    faster = "Set messages_per_second to 1000." if event == "throughput upgrade" else ""
    return update.notice(_join(f"The number's quality or throughput: {event}.", _limit(limit), faster))


def capability(update: Update) -> Notice:
    """Read ``business_capability_update``: how many people may be written to in a day."""
    limit = text_of(update.value, "max_daily_conversations_per_business", "max_daily_conversation_per_phone")
    return update.notice(_join("What the business may do has changed.", _limit(limit)))


def account(update: Update) -> Notice:
    """Read ``account_update``: violations, restrictions, bans, partners, prices."""
    value = update.value
    event = text_of(value, "event").lower().replace("_", " ") or "without a name"
    more = text_of(value, "violation_info.violation_type", "ban_info.waba_ban_state")
    limits = [text_of(value, f"restriction_info[{index}].restriction_type") for index in range(3)]
    return update.notice(_join(f"The account: {event}.", *(tidy(text) for text in (more, *limits))))


_READERS: Mapping[str, Callable[[Update], Notice]] = {
    "message_template_status_update": template_status,
    "message_template_quality_update": template_quality,
    "template_category_update": template_category,
    "template_correct_category_detection": template_detection,
    "message_template_components_update": template_components,
    "phone_number_quality_update": number_quality,
    "business_capability_update": capability,
    "account_update": account,
}


def language_of(text: str) -> str:
    """Write a language as templates have it: Meta sends ``en-US`` and ``en_US`` for the same."""
    head, _, tail = text.strip().replace("-", "_").partition("_")
    return f"{head.lower()}_{tail.upper() if len(tail) == 2 else tail}" if tail else head.lower()


def _change(
    update: Update, *, status: str | None = None, category: str | None = None, quality: str | None = None
) -> TemplateChange | None:
    name, language = id_of(update.value, "message_template_name"), _language(update)
    if not name or not language:
        return None
    return TemplateChange(name=name, language=language, status=status, category=category, quality=quality)


def _language(update: Update) -> str:
    return language_of(id_of(update.value, "message_template_language"))


def _named(update: Update) -> str:
    name = tidy(text_of(update.value, "message_template_name")) or "without a name"
    return f"Template {name} ({_language(update) or 'no language'})"


def _limit(limit: str) -> str:
    return f"People a day: {tidy(limit.removeprefix('TIER_')).lower()}." if limit else ""


def _join(first: str, *more: str) -> str:
    return " ".join([first, *filter(None, more)])
