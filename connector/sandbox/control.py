"""The stand-in's own paths below ``/_sandbox/``: look at it, change it, let a customer write."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from connector.errors import ConfigurationError
from connector.sandbox.behaviour import Behaviour
from connector.sandbox.courier import Courier
from connector.sandbox.graph import Graph, read_json
from connector.sandbox.ledger import Ledger
from connector.sandbox.receipts import user_id_of
from connector.sandbox.refusal import GraphError
from connector.sandbox.talk import Talk
from connector.sandbox.transport import Answer, Call, as_json

Json = dict[str, Any]


class Control:
    """Answers ``/_sandbox/…``; see docs/sandbox.md for the list."""

    def __init__(
        self,
        behaviour: Callable[[], Behaviour],
        configure: Callable[[Mapping[str, Any]], Behaviour],
        graph: Graph,
        courier: Courier,
        ledger: Ledger,
        talk: Talk,
    ) -> None:
        self._behaviour = behaviour
        self._configure = configure
        self._graph = graph
        self._courier = courier
        self._ledger = ledger
        self._talk = talk

    def answer(self, call: Call) -> Answer:
        """Answer a request; ``call.path`` begins after ``_sandbox``."""
        try:
            match call.method, call.path:
                case "GET", ["stats"]:
                    return as_json(self.stats())
                case "GET", ["messages"]:
                    return as_json({"messages": self._ledger.last(_limit(call.query))})
                case "GET", ["said"]:
                    return as_json({"said": self._talk.shown()})
                case "GET", ["config"]:
                    return as_json(self._behaviour().shown())
                case "GET", ["media", media_id] if (media := self._graph.media.get(media_id)) is not None:
                    return Answer(body=media.content)
                case "POST", ["reset"]:
                    self.reset()
                    return as_json({"success": True})
                case "POST", ["config"]:
                    return as_json(self._configure(read_json(call)).shown())
                case "POST", ["inbound"]:
                    return as_json(self._inbound(read_json(call)))
                case "POST", ["template"]:
                    return as_json(self._template(read_json(call)))
        except GraphError as refusal:
            return _wrong(400, refusal.details)
        except ConfigurationError as fault:
            return _wrong(400, str(fault))
        except OSError:
            return _wrong(502, "The webhook did not answer.")
        return _wrong(404, "There are stats, messages, said, config, reset, inbound and template.")

    def stats(self) -> Json:
        """Return all counts."""
        count = self._courier.count
        receipts = {
            "planned": count.planned,
            "posted": count.posted,
            "pending": count.pending,
            "dropped": count.dropped,
            "refused_posts": count.refused,
            "webhooks": count.webhooks,
        }
        return self._ledger.stats() | {"receipts": receipts}

    def reset(self) -> None:
        """Forget messages, counts, windows and what is pending; templates and settings stay."""
        self._courier.forget()
        self._ledger.reset()
        self._talk.forget()

    def speak(self, document: Json) -> None:
        """Do what ``POST /_sandbox/inbound`` does. Raises ConfigurationError."""
        try:
            self._inbound(document)
        except GraphError as refusal:
            raise ConfigurationError(refusal.details) from None
        except OSError:
            raise ConfigurationError("The webhook did not answer.") from None

    def _inbound(self, document: Json) -> Json:
        """Let a person write (``text``), tap (``button``), set a ``preference`` or change to a ``new_number``."""
        number = next(iter(self._graph.numbers.values()))
        wa_id = _wa_id(document, "from")
        if isinstance(document.get("preference"), str):
            return self._talk.prefer(number, wa_id, document["preference"])
        if isinstance(document.get("text"), str):
            content: Json = {"type": "text", "text": {"body": document["text"]}}
        elif isinstance(document.get("button"), str):
            payload = document.get("payload", document["button"])
            content = {"type": "button", "button": {"text": document["button"], "payload": payload}}
        elif "new_number" in document:
            told = {
                "body": "User changed number",
                "type": "user_changed_number",
                "wa_id": _wa_id(document, "new_number"),
            }
            content = {"type": "system", "system": told | {"user_id": user_id_of(told["wa_id"])}}
        else:
            raise GraphError(100, "give text, button (its label) with payload, preference or new_number")
        if isinstance(document.get("in_reply_to"), str):
            content["context"] = {"from": number.display, "id": document["in_reply_to"]}
        at = document.get("at")
        if at is not None and (isinstance(at, bool) or not isinstance(at, int | float)):
            raise GraphError(100, "at must be Unix seconds")
        return self._talk.speak(number, wa_id, content, name=str(document.get("name", "")), at=at)

    def _template(self, document: Json) -> Json:
        """Change a template's status, category or components, and tell the webhook."""
        changes = {
            name: document[name].upper() if isinstance(document[name], str) else document[name]
            for name in ("status", "category", "components")
            if name in document
        }
        if not changes:
            raise GraphError(100, "give status, category or components")
        name, language = str(document.get("name", "")), str(document.get("language", ""))
        return self._graph.change_template(name, language, **changes)


def _wa_id(document: Json, name: str) -> str:
    digits = re.sub(r"\D", "", str(document.get(name, "")))
    if not 7 <= len(digits) <= 15:
        raise GraphError(100, f"{name} must be a phone number such as +16505551234")
    return digits


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", "20")
    if not text.isascii() or not text.isdigit():
        raise GraphError(100, "limit must be a number")
    return int(text[:6])


def _wrong(status: int, words: str) -> Answer:
    return Answer(status=status, body=json.dumps({"error": words}).encode())
