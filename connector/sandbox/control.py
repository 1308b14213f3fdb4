"""The stand-in's own paths below ``/_sandbox/``: look at it, change it, let a customer write."""

from __future__ import annotations

import itertools
import json
import os
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from connector.errors import ConfigurationError
from connector.sandbox.behaviour import Behaviour
from connector.sandbox.courier import Courier
from connector.sandbox.graph import Graph, read_json
from connector.sandbox.ledger import Ledger
from connector.sandbox.receipts import inbound_body, user_id_of
from connector.sandbox.refusal import GraphError
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
    ) -> None:
        self._behaviour = behaviour
        self._configure = configure
        self._graph = graph
        self._courier = courier
        self._ledger = ledger
        self._run = os.urandom(4).hex()
        self._turn = itertools.count(1)

    def answer(self, call: Call) -> Answer:
        """Answer a request; ``call.path`` begins after ``_sandbox``."""
        try:
            match call.method, call.path:
                case "GET", ["stats"]:
                    return as_json(self.stats())
                case "GET", ["messages"]:
                    return as_json({"messages": self._ledger.last(_limit(call.query))})
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
        return _wrong(404, "There are stats, messages, config, reset, inbound and template.")

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
        """Forget messages, counts and pending receipts; templates and settings stay."""
        self._courier.forget()
        self._ledger.reset()

    def _inbound(self, document: Json) -> Json:
        """Post one inbound message: ``from`` with ``text``, or with ``button`` and ``payload``."""
        number = next(iter(self._graph.numbers.values()))
        wa_id = re.sub(r"\D", "", str(document.get("from", "")))
        if not 7 <= len(wa_id) <= 15:
            raise GraphError(100, "from must be a phone number such as +16505551234")
        message: Json = {
            "from": wa_id,
            "from_user_id": user_id_of(wa_id),
            "id": f"wamid.HBgI{self._run}{next(self._turn):08x}",
            "timestamp": str(int(time.time())),
        }
        if isinstance(document.get("text"), str):
            message |= {"type": "text", "text": {"body": document["text"]}}
        elif isinstance(document.get("button"), str):
            payload = document.get("payload", document["button"])
            message |= {"type": "button", "button": {"text": document["button"], "payload": payload}}
        else:
            raise GraphError(100, "give text, or button (its label) and payload")
        if isinstance(document.get("in_reply_to"), str):
            message["context"] = {"from": number.display, "id": document["in_reply_to"]}
        if not self._behaviour().webhook_url:
            raise ConfigurationError("No webhook URL is set; POST it to /_sandbox/config first.")
        name = str(document.get("name", f"Customer {wa_id[-4:]}"))
        contact = {"profile": {"name": name}, "wa_id": wa_id, "user_id": user_id_of(wa_id)}
        status = self._courier.post(None, inbound_body(number, message, contact))
        return {"id": message["id"], "status": status}

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


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", "20")
    if not text.isascii() or not text.isdigit():
        raise GraphError(100, "limit must be a number")
    return int(text[:6])


def _wrong(status: int, words: str) -> Answer:
    return Answer(status=status, body=json.dumps({"error": words}).encode())
