"""The stand-in's Graph API, without the transport: requests in, answers out.

Paths after Meta's Cloud API as of v26.0; any ``/v<major>.<minor>`` is answered. Stricter than Meta in two
points, on purpose: both ``to`` and ``recipient`` at once are refused (Meta lets ``to`` win), and so is
every message type but templates and, within 24 hours of the person's own message, plain text.
"""

from __future__ import annotations

import base64
import itertools
import os
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from connector.sandbox.approved import fill
from connector.sandbox.behaviour import Behaviour
from connector.sandbox.chance import draw
from connector.sandbox.courier import Courier
from connector.sandbox.ledger import Ledger
from connector.sandbox.media import MediaShelf
from connector.sandbox.receipts import Accepted, Number, is_early, news_body, plan, update, user_id_of
from connector.sandbox.refusal import GraphError
from connector.sandbox.talk import Talk
from connector.sandbox.templates import Catalogue
from connector.sandbox.transport import Answer as Answer
from connector.sandbox.transport import Call as Call
from connector.sandbox.transport import as_json as as_json
from connector.sandbox.trouble import NONE, Trouble, trouble_of

Json = dict[str, Any]

_VERSION = re.compile(r"v\d{1,2}\.\d")
_PHONE = re.compile(r"\+?[0-9 ()\-.]{5,30}")
_USER = re.compile(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}")
_CALLBACK_LIMIT = 512
_TEXT_LIMIT = 4096
_ABSENT = 131026
_COUNTRY_OF_BUSINESS = "1"
_SCOPES = ["whatsapp_business_management", "whatsapp_business_messaging"]
_SEND_KEYS = frozenset(
    ("messaging_product", "recipient_type", "to", "recipient", "type", "template", "biz_opaque_callback_data",
     "messaging_account_id", "text", "context")
)  # fmt: skip


def read_json(call: Call) -> Json:
    """Return a request's body as a JSON object. Raises GraphError 100."""
    try:
        document = call.document()
    except ValueError:
        raise GraphError(100, "the body is not JSON") from None
    if not isinstance(document, dict):
        raise GraphError(100, "the body must be a JSON object")
    return document


_SERVICE: Json = {"name": "", "language": "", "category": "SERVICE"}
"""Stands for the template of a message that has none."""


class Graph:
    """One business account with its numbers, templates and media."""

    def __init__(
        self,
        behaviour: Callable[[], Behaviour],
        catalogue: Catalogue,
        courier: Courier,
        ledger: Ledger,
        talk: Talk,
        *,
        waba_id: str,
        phone_number_ids: Sequence[str],
        base_url: str,
    ) -> None:
        self._behaviour = behaviour
        self._courier = courier
        self._ledger = ledger
        self._talk = talk
        self._base_url = base_url
        self.catalogue = catalogue
        self.subscribed = True
        """The app is subscribed to the account's webhooks."""
        self.media = MediaShelf()
        self.waba_id = waba_id
        self.numbers = {
            number_id: Number(number_id, waba_id, f"155501001{index:02d}")
            for index, number_id in enumerate(phone_number_ids)
        }
        # Not seeded: a stand-in that was started again must not give ids that its caller knows already.
        self._run = os.urandom(9)
        self._turn = itertools.count(1)

    def answer(self, call: Call) -> Answer:
        """Answer any request below ``/v<major>.<minor>/``."""
        try:
            return self._route(call)
        except GraphError as refusal:
            if call.method == "POST" and call.path[-1:] == ["messages"]:
                self._ledger.refused(str(refusal.code))
            return Answer(status=refusal.status, body=refusal.body(self._trace()))

    def _route(self, call: Call) -> Answer:
        if not call.path or not _VERSION.fullmatch(call.path[0]):
            raise GraphError(2500, "start the path with a version such as /v26.0/")
        self._authenticate(call.headers)
        match call.method, call.path[1:]:
            case "POST", [number_id, "messages"] if number_id in self.numbers:
                return self._send(self.numbers[number_id], read_json(call))
            case "POST", [number_id, "media"] if number_id in self.numbers:
                return as_json({"id": self.media.put(call.headers.get("content-type", ""), call.body)})
            case "GET", [self.waba_id, "message_templates"]:
                return self._list(call)
            case "POST", [self.waba_id, "message_templates"]:
                return self._create(read_json(call))
            case "GET", [self.waba_id, "phone_numbers"]:
                return as_json({"data": [self._number(one) for one in self.numbers.values()]})
            case ("GET" | "POST" | "DELETE") as method, [self.waba_id, "subscribed_apps"]:
                return self._apps(method)
            case "GET", ["debug_token"]:
                return as_json({"data": {"is_valid": True, "type": "SYSTEM_USER", "app_id": "1", "scopes": _SCOPES}})
            case "GET", [object_id]:
                return as_json(_chosen(self._object(object_id), call.query))
            case "POST", [template_id] if (template := self.catalogue.by_id(template_id)) is not None:
                return self._edit(template, read_json(call))
        raise GraphError(33, f"{call.method} /{'/'.join(call.path[1:])[:100]} is nothing that this token can reach")

    def _authenticate(self, headers: Mapping[str, str]) -> None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        wanted = self._behaviour().token.reveal()
        if scheme.lower() != "bearer" or not token or (wanted and token != wanted):
            raise GraphError(190, "Invalid OAuth access token - Cannot parse access token")

    def _send(self, number: Number, document: Json) -> Answer:
        recipient, wa_id = _recipient(document)
        key = document.get("biz_opaque_callback_data", "")
        if not isinstance(key, str) or len(key) > _CALLBACK_LIMIT:
            raise GraphError(100, f"biz_opaque_callback_data takes a text of at most {_CALLBACK_LIMIT} characters")
        template, body = _SERVICE, _text(document) if document["type"] == "text" else ""
        if document["type"] == "template":
            template, body = self._checked(document)
        behaviour = self._behaviour()
        nth = self._ledger.tried(wa_id or recipient)
        trouble = trouble_of(wa_id) if wa_id else NONE
        self._stumble(behaviour, trouble, (wa_id or recipient, nth), key)
        user_id = user_id_of(wa_id) if wa_id else recipient
        self._gate(template["category"], wa_id, user_id)
        delay = behaviour.latency_ms / 1000 + trouble.delay
        if trouble.silent:
            self._ledger.refused("503")
            return Answer(status=503, delay=delay)
        message = Accepted(
            wamid="wamid.HBgL" + base64.b64encode(self._run + next(self._turn).to_bytes(9, "big")).decode(),
            number=number, to=recipient, wa_id=wa_id, user_id=user_id, key=key,
            template=template["name"], language=template["language"], category=template["category"], body=body,
            accepted_at=time.time(), nth=nth,
            fails=trouble.fails or (_ABSENT if wa_id and self._talk.mood(wa_id) == "absent" else 0),
        )  # fmt: skip
        self._ledger.accepted(message, document)
        after = None if trouble.mute else self._promise(message, behaviour, template, document)
        contact = {"input": recipient} | ({"wa_id": wa_id} if wa_id else {"user_id": recipient})
        document = {
            "messaging_product": "whatsapp",
            "contacts": [contact],
            "messages": [{"id": message.wamid, "message_status": "accepted"}],
        }
        return as_json(document, delay=delay, cut=trouble.cut, after=after)

    def _checked(self, document: Json) -> tuple[Json, str]:
        """Check the template part of a message; return the template and the text. Raises GraphError."""
        wanted = document.get("template")
        if not isinstance(wanted, dict):
            raise GraphError(131008, "template is missing")
        language = wanted.get("language")
        code = language.get("code") if isinstance(language, dict) else None
        if not isinstance(wanted.get("name"), str) or not isinstance(code, str):
            raise GraphError(131008, "template name and language code are required")
        template = self.catalogue.find(wanted["name"], code)
        return template, fill(template, wanted.get("components", []))

    def _stumble(self, behaviour: Behaviour, trouble: Trouble, about: tuple[str, int], key: str) -> None:
        """Raise what the number, or chance, has in store for this send."""
        if trouble.code and (not trouble.once or self._ledger.first_time(key or about[0])):
            raise GraphError(trouble.code, f"This number's last digits mean: {trouble.words}.")
        if behaviour.error_rate and draw(behaviour.seed, "error", *about) < behaviour.error_rate:
            raise GraphError(131000, "Something went wrong, because of error_rate.")

    def _gate(self, category: str, wa_id: str, user_id: str) -> None:
        """Raise where this person may not be written to like this."""
        if category == "MARKETING" and wa_id and self._talk.refuses_marketing(wa_id):
            raise GraphError(131050, "This person has stopped marketing messages.")
        if category == _SERVICE["category"] and not self._talk.is_open(user_id):
            raise GraphError(131047, "More than 24 hours have passed since this person last wrote.")

    def _promise(
        self, message: Accepted, behaviour: Behaviour, template: Json, document: Json
    ) -> threading.Event | None:
        """Plan the receipts, and what the person does then; return what the answer has to wait for."""
        if not behaviour.webhook_url or not self.subscribed:
            return None
        planned = plan(message, behaviour) if behaviour.receipts else []
        first = threading.Event() if planned and is_early(message, behaviour) else None
        start = time.monotonic()  # of both, and the receipts first: nobody answers what they have not read
        self._courier.plan(
            message.recipient,
            [
                (start + moment, update(message, word, behaviour.receipt_ms, first if not place else None))
                for place, (moment, word) in enumerate(planned)
            ],
        )
        self._talk.react(message, template, document, start + max((moment for moment, _ in planned), default=0.0))
        return first

    def _list(self, call: Call) -> Answer:
        page = self.catalogue.page(call.query)
        document: Json = {"data": [_chosen(item, call.query) for item in page.data]}
        document["paging"] = {"cursors": {"before": page.before, "after": page.after}}
        if page.more:
            query = urlencode({**call.query, "after": page.after})
            document["paging"]["next"] = f"{self._base_url}/{'/'.join(call.path)}?{query}"
        return as_json(document)

    def _create(self, document: Json) -> Answer:
        created = self.catalogue.create(document)
        if self._behaviour().approve:
            self.change_template(created["name"], created["language"], status="APPROVED")
        return as_json({"id": created["id"], "status": "PENDING", "category": created["category"]})

    def _edit(self, template: Json, document: Json) -> Answer:
        changes = {name: document[name] for name in ("components", "category", "parameter_format") if name in document}
        if not changes:
            raise GraphError(100, "give components, category or parameter_format")
        self.change_template(template["name"], template["language"], **changes)
        return as_json({"success": True})

    def change_template(self, name: str, language: str, **changes: Any) -> Json:
        """Change a template and tell the webhook about it; return it. Raises GraphError."""
        before, after = self.catalogue.change(name, language, **changes)
        if self._behaviour().webhook_url:
            for field, value in _news(before, after):
                self._courier.say(news_body(self.waba_id, field, value))
        return after

    def _object(self, object_id: str) -> Json:
        if object_id in self.numbers:
            return self._number(self.numbers[object_id])
        if object_id == self.waba_id:
            return {"id": self.waba_id, "name": "Sandbox", "currency": "USD", "timezone_id": "1"}
        if (media := self.media.get(object_id)) is not None:
            return media.described(f"{self._base_url}/_sandbox/media/{object_id}")
        if (template := self.catalogue.by_id(object_id)) is not None:
            return template
        raise GraphError(33, f"Object with ID '{object_id[:40]}' does not exist")

    def _number(self, number: Number) -> Json:
        return {
            "id": number.id,
            "display_phone_number": f"+{number.display}",
            "verified_name": "Sandbox",
            "quality_rating": "GREEN",
            "code_verification_status": "VERIFIED",
            "name_status": "APPROVED",
            "platform_type": "CLOUD_API",
            "status": "CONNECTED",
            "throughput": {"level": "STANDARD"},
            "whatsapp_business_manager_messaging_limit": "TIER_2K",
        }

    def _apps(self, method: str) -> Answer:
        if method != "GET":
            self.subscribed = method == "POST"
            return as_json({"success": True})
        app = {"whatsapp_business_api_data": {"id": "1", "name": "Sandbox", "link": "https://app.example/"}}
        return as_json({"data": [app] if self.subscribed and self._behaviour().webhook_url else []})

    def _trace(self) -> str:
        return f"A{next(self._turn):x}"


def _recipient(document: Json) -> tuple[str, str]:
    """Return whom a message is for: as written, and the digits (empty for a user id). Raises GraphError."""
    if unknown := sorted(set(document) - _SEND_KEYS):
        raise GraphError(100, f"Unexpected key {unknown[0][:40]!r}")
    if document.get("messaging_product") != "whatsapp":
        raise GraphError(100, "messaging_product must be 'whatsapp'")
    if document.get("recipient_type", "individual") != "individual":
        raise GraphError(100, "recipient_type must be 'individual'")
    if document.get("type") not in ("template", "text"):
        raise GraphError(131051, "the stand-in takes messages of type template or text only")
    to, user = document.get("to"), document.get("recipient")
    if (to is None) == (user is None):
        raise GraphError(131008 if to is None else 100, "give either to (a phone number) or recipient (a user id)")
    if user is not None:
        if not isinstance(user, str) or not _USER.fullmatch(user):
            raise GraphError(131009, "recipient must be a business-scoped user id such as US.13491208655302741918")
        return user, ""
    if not isinstance(to, str) or not _PHONE.fullmatch(to.strip()):
        raise GraphError(131009, "to must be a phone number in the form +16505551234")
    number = re.sub(r"\D", "", to)
    # As Meta does: without the plus, the number is taken for one of the business's own country.
    number = number if to.strip().startswith("+") else _COUNTRY_OF_BUSINESS + number
    if not 7 <= len(number) <= 15:
        raise GraphError(131009, "to must be a phone number of 7 to 15 digits with its country code")
    return to, number


def _text(document: Json) -> str:
    """Return the words of a plain text. Raises GraphError."""
    told = document.get("text")
    words = told.get("body") if isinstance(told, dict) else None
    if not isinstance(words, str) or not words.strip():
        raise GraphError(131008, "text.body is required")
    if len(words) > _TEXT_LIMIT:
        raise GraphError(100, f"text.body takes at most {_TEXT_LIMIT} characters")
    context = document.get("context", {"message_id": "x"})
    if not isinstance(context, dict) or not isinstance(context.get("message_id"), str):
        raise GraphError(100, "context takes a message_id")
    return words


def _chosen(document: Json, query: Mapping[str, str]) -> Json:
    names = [name.partition("{")[0].strip() for name in query.get("fields", "").split(",") if name.strip()]
    return {key: value for key, value in document.items() if not names or key in names or key == "id"}


def _news(before: Json, after: Json) -> list[tuple[str, Json]]:
    """Return the webhooks that tell of a changed template: field and value."""
    about = {
        "message_template_id": int(after["id"]),
        "message_template_name": after["name"],
        "message_template_language": after["language"],
    }
    news: list[tuple[str, Json]] = []
    if before["status"] != after["status"]:
        value = about | {
            "event": after["status"],
            "reason": "NONE",
            "message_template_category": after["category"],
        }
        if after["status"] == "PAUSED":
            value["other_info"] = {
                "title": "FIRST_PAUSE",
                "description": "Paused for 3 hours because of its quality.",
            }
        elif before["status"] == "PAUSED" and after["status"] == "APPROVED":
            value["other_info"] = {"title": "UNPAUSE", "description": "The pause is over."}
        news.append(("message_template_status_update", value))
    if before["category"] != after["category"]:
        value = about | {"previous_category": before["category"], "new_category": after["category"]}
        news.append(("template_category_update", value))
    if before["components"] != after["components"]:
        of = {str(part.get("type", "")).upper(): part for part in after["components"]}
        value = about | {"message_template_element": of["BODY"].get("text", "")}
        news.append(("message_template_components_update", value))
    return news
