"""Sending templates through the Cloud API, and listing them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from adapters.whatsapp.components import components
from adapters.whatsapp.notices import language_of
from adapters.whatsapp.pieces import text_of
from adapters.whatsapp.refusals import fault
from adapters.whatsapp.templates import read_template
from connector.contract import Channel, Settings
from connector.errors import PayloadError, TemporaryError
from connector.http import Answer, Http
from connector.model import Category, Json, Message, RemoteId, Sent, Template, dig, text_at

FIELDS = "id,name,status,category,language,components,parameter_format,quality_score,rejected_reason"
PAGE = 200
PAGES_MOST = 100
"""20,000 templates; Meta allows 6,000."""
UNREADABLE = "unreadable"
"""Status of a template that the WABA has and we cannot read."""
_dumps = json.JSONEncoder(separators=(",", ":")).encode


class WhatsAppChannel(Channel):
    """One business phone number; safe to use from many threads at once, since it holds nothing that changes."""

    def __init__(self, settings: Settings, http: Http) -> None:
        self._http = http
        self._messages = f"{settings['api_url']}/{settings['phone_number_id']}/messages"
        self._templates = f"{settings['api_url']}/{settings['waba_id']}/message_templates"
        self._asking = {"Authorization": f"Bearer {settings['access_token'].reveal()}"}
        self._posting = {**self._asking, "Content-Type": "application/json"}
        self.rate = float(settings["messages_per_second"])
        self.doubt_seconds = float(settings["in_doubt_seconds"])

    def send(self, message: Message) -> Sent:
        """Post one message that carries ``message.id`` as ``biz_opaque_callback_data``.

        Meta has no key against doubles: what may have arrived raises UncertainError, and is for the caller
        to settle by receipts. Raises a RemoteError, classified by Meta's code.
        """
        body = _dumps(envelope(message)).encode()
        answer = self._http.request("POST", self._messages, headers=self._posting, data=body)
        reply = _reply(answer)
        remote_id = text_at(reply, "messages[0].id") if 200 <= answer.status < 300 else ""
        if not remote_id:
            raise fault(answer.status, reply)
        return Sent(RemoteId(remote_id), text_at(reply, "contacts[0].wa_id", "contacts[0].user_id"))

    def templates(self) -> Iterator[Template]:
        """Yield every template of the WABA, page by page; one that cannot be read has the status ``unreadable``.

        Raises a RemoteError.
        """
        params: Mapping[str, str] = {"fields": FIELDS, "limit": str(PAGE)}
        for _ in range(PAGES_MOST):
            answer = self._http.request("GET", self._templates, headers=self._asking, params=params)
            reply = _reply(answer)
            data = dig(reply, "data")
            if not 200 <= answer.status < 300 or not isinstance(data, list):
                raise _not_listed(answer.status, reply)
            yield from map(listed, data)
            # The cursor and not the ``next`` URL, which holds the access token.
            after = text_at(reply, "paging.cursors.after")
            last = len(data) < PAGE and not text_at(reply, "paging.next")
            if last or not data or not after or after == params.get("after"):
                return
            params = {**params, "after": after}


def envelope(message: Message) -> dict[str, Any]:
    """Return the body of ``POST /{phone_number_id}/messages`` (Graph API v26.0).

    A phone number goes with its ``+``, without which Meta would put the business's own country code in
    front; a business-scoped user id goes as ``recipient``. A message without a template is an answer in free
    words, which Meta takes within 24 hours of what the person wrote.
    """
    phone = message.recipient.startswith("+")
    outer: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to" if phone else "recipient": message.recipient,
        "biz_opaque_callback_data": message.id,
    }
    if not message.template:
        if message.in_reply_to:
            outer["context"] = {"message_id": message.in_reply_to}
        return outer | {"type": "text", "text": {"preview_url": False, "body": message.slots["text"]}}
    template: dict[str, Any] = {"name": message.template, "language": {"code": message.language}}
    if parts := components(message):
        template["components"] = parts
    return outer | {"type": "template", "template": template}


def listed(payload: Json) -> Template:
    """Read one template of many; one that cannot be read has the status ``unreadable`` and the reason."""
    try:
        return read_template(payload)
    except PayloadError as error:
        # Marketing asks for the most consent; nothing is sent with this status anyway.
        return Template(
            name=text_of(payload, "name") or "?",
            language=language_of(text_of(payload, "language", "language.code")) or "?",
            category=Category.MARKETING,
            status=UNREADABLE,
            remote_id=text_of(payload, "id"),
            reason=str(error),
        )


def _reply(answer: Answer) -> Json:
    try:
        return answer.json()
    except PayloadError:
        return None


def _not_listed(status: int, reply: Json) -> Exception:
    error = fault(status, reply)
    if status < 300 and not error.code:
        return TemporaryError("Meta answered the list of templates with something else.", status=status)
    return error
