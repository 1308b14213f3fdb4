"""The people at the other end: what they write, tap and set of their own accord, and the 24-hour window.

Who does what depends on the seed and the person alone, so that a trial can be repeated and reckoned up.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from connector.errors import ConfigurationError
from connector.sandbox.behaviour import MOODS, Behaviour
from connector.sandbox.chance import draw
from connector.sandbox.courier import Courier
from connector.sandbox.receipts import Accepted, Number, inbound_body, preference_body, user_id_of

Json = dict[str, Any]

WINDOW_SECONDS = 24 * 3600.0
PREFERENCES = ("stop", "resume", "signup")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a person did of their own accord."""

    wa_id: str = field(repr=False)
    kind: str
    """``text``, ``button`` or ``preference``."""
    words: str
    """The text, the button's label, or ``stop``."""
    payload: str = ""
    in_reply_to: str = ""
    """The wamid of the message that made them."""
    key: str = ""
    """Our own key of that message."""


class Talk:
    """What people say, by themselves or because a trial makes them; safe to use from many threads."""

    def __init__(self, behaviour: Callable[[], Behaviour], courier: Courier) -> None:
        self._behaviour = behaviour
        self._courier = courier
        self._lock = threading.Lock()
        self._run = os.urandom(4).hex()
        self._turn = itertools.count(1)
        self.forget()

    def forget(self) -> None:
        """Forget who said what, all windows, and who has stopped marketing."""
        with self._lock:
            self._wrote: dict[str, float] = {}
            """User id -> Unix seconds of their last message."""
            self._acted: set[str] = set()
            self._stopped: set[str] = set()
            self._said: list[Said] = []

    def mood(self, wa_id: str) -> str:
        """Return what a person is like: one of MOODS, or empty."""
        behaviour = self._behaviour()
        place = draw(behaviour.seed, "mood", wa_id)
        for mood in MOODS:
            place -= getattr(behaviour, mood)
            if place < 0:
                return mood
        return ""

    def refuses_marketing(self, wa_id: str) -> bool:
        """Tell whether marketing to a person is answered with 131050."""
        with self._lock:
            stopped = wa_id in self._stopped
        return stopped or self.mood(wa_id) == "blocked"

    def is_open(self, user_id: str) -> bool:
        """Tell whether a person wrote within the last 24 hours."""
        with self._lock:
            return time.time() - self._wrote.get(user_id, 0.0) < WINDOW_SECONDS

    def said(self) -> list[Said]:
        """Return what people did of their own accord, in the order of the messages that made them."""
        with self._lock:
            return list(self._said)

    def shown(self) -> list[Json]:
        """Return the same as JSON."""
        return [asdict(one) for one in self.said()]

    def react(self, message: Accepted, template: Mapping[str, Any], request: Json, read_at: float) -> None:
        """Let the recipient answer a message, some time after it was read (``read_at``: by ``time.monotonic``)."""
        behaviour = self._behaviour()
        if message.fails or not message.wa_id or not behaviour.webhook_url:
            return
        said = self._reaction(message, template, request, behaviour)
        if said is None:
            return
        with self._lock:
            self._said.append(said)
        due = read_at + behaviour.answer_ms / 1000
        body = self._body(message.number, said, time.time() + due - time.monotonic())
        self._courier.deliver(message.recipient, due, body)

    def _reaction(
        self, message: Accepted, template: Mapping[str, Any], request: Json, behaviour: Behaviour
    ) -> Said | None:
        mood = self.mood(message.wa_id)
        about = {"wa_id": message.wa_id, "in_reply_to": message.wamid, "key": message.key}
        if mood == "taps":
            found = buttons(template, request)
            if not found:
                return None
            words, payload = found[int(draw(behaviour.seed, "tap", message.wa_id, message.nth) * len(found))]
            return Said(kind="button", words=words, payload=payload, **about)
        with self._lock:
            first = message.wa_id not in self._acted
            self._acted.add(message.wa_id)
        if not first or mood not in ("stops", "starts", "opts_out"):
            return None
        if mood == "opts_out":
            with self._lock:
                self._stopped.add(message.wa_id)
            return Said(kind="preference", words="stop", **about)
        known = behaviour.stop_words if mood == "stops" else behaviour.start_words
        return Said(kind="text", words=known[int(draw(behaviour.seed, "word", message.wa_id) * len(known))], **about)

    def _body(self, number: Number, said: Said, at: float) -> bytes:
        if said.kind == "preference":
            return preference_body(number, said.wa_id, said.words, at)
        if said.kind == "button":
            content: Json = {"type": "button", "button": {"text": said.words, "payload": said.payload}}
        else:
            content = {"type": "text", "text": {"body": said.words}}
        if said.kind == "button" or draw(self._behaviour().seed, "quote", said.wa_id) < 0.5:
            content["context"] = {"from": number.display, "id": said.in_reply_to}
        return self._message(number, said.wa_id, content, at)[1]

    def speak(self, number: Number, wa_id: str, content: Json, *, name: str = "", at: float | None = None) -> Json:
        """Post an inbound message now; return its id and how it was answered.

        ``content``: ``type`` and what belongs to it. ``at``: Unix seconds of its writing. Raises OSError, and
        ConfigurationError where no webhook URL is set.
        """
        self._require_url()
        wamid, body = self._message(number, wa_id, content, time.time() if at is None else at, name)
        return {"id": wamid, "status": self._courier.post(None, body)}

    def prefer(self, number: Number, wa_id: str, value: str) -> Json:
        """Set a person's marketing preference with Meta now. Raises OSError and ConfigurationError."""
        self._require_url()
        if value not in PREFERENCES:
            raise ConfigurationError(f"preference must be one of {', '.join(PREFERENCES)}.")
        with self._lock:
            (self._stopped.add if value == "stop" else self._stopped.discard)(wa_id)
        return {"status": self._courier.post(None, preference_body(number, wa_id, value, time.time()))}

    def _message(self, number: Number, wa_id: str, content: Json, at: float, name: str = "") -> tuple[str, bytes]:
        user_id = user_id_of(wa_id)
        wamid = f"wamid.HBgI{self._run}{next(self._turn):08x}"
        message = {"from": wa_id, "from_user_id": user_id, "id": wamid, "timestamp": str(int(at))} | content
        contact = {"profile": {"name": name or f"Customer {wa_id[-4:]}"}, "wa_id": wa_id, "user_id": user_id}
        with self._lock:
            self._wrote[user_id] = max(at, self._wrote.get(user_id, 0.0))
        if content["type"] == "system":  # these come without the person
            del message["from_user_id"]
            return wamid, inbound_body(number, message, None)
        return wamid, inbound_body(number, message, contact)

    def _require_url(self) -> None:
        if not self._behaviour().webhook_url:
            raise ConfigurationError("No webhook URL is set; POST it to /_sandbox/config first.")


def buttons(template: Mapping[str, Any], request: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the quick replies of a message: label, and the payload that it was sent with (else the label)."""
    given = request.get("template", {}).get("components", [])
    payloads = {
        str(one.get("index", "")): one["parameters"][0].get("payload", "")
        for one in given
        if str(one.get("type", "")).lower() == "button" and one.get("parameters")
    }
    parts: Sequence[Mapping[str, Any]] = template.get("components", ())
    of = next((part for part in parts if str(part.get("type", "")).upper() == "BUTTONS"), {})
    return [
        (one["text"], payloads.get(str(place)) or one["text"])
        for place, one in enumerate(of.get("buttons", ()))
        if str(one.get("type", "")).upper() == "QUICK_REPLY"
    ]
