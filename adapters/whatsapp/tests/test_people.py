"""What Meta tells of people, and answers to them in free words."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import responses

from adapters.whatsapp.channel import WhatsAppChannel, envelope
from adapters.whatsapp.refusals import TABLE, fault, refusal
from adapters.whatsapp.settings import API_URL
from adapters.whatsapp.tests.hooks import NUMBER, OURS, fixture, message
from connector.errors import PermanentError
from connector.model import Identity, Rekey, RemoteId

Read = Callable[[object], list[Any]]
OLD, NEW = "491712345678", "491798765432"


def moved(read: Read, told: dict[str, Any], **piece: Any) -> Rekey | None:
    """Read a system message that tells this, and nothing else."""
    payload = fixture("system")
    (entry,) = payload["entry"][0]["changes"][0]["value"]["messages"]
    for name in ("from_user_id", "from_parent_user_id"):
        entry.pop(name, None)
    entry |= {"from": OLD, "system": {"body": "Changed", **told}, **piece}
    (reply,) = read(payload)
    found: Rekey | None = reply.rekey
    return found


class TestRekey:
    def test_a_new_number_comes_with_both_user_ids(self, read: Read) -> None:
        told = {"type": "user_changed_number", "wa_id": NEW, "user_id": "DE.new", "previous_user_id": "DE.old"}
        assert moved(read, told | {"previous_parent_user_id": "DE.ENT.old", "parent_user_id": "DE.ENT.new"}) == Rekey(
            old=Identity(phone=f"+{OLD}", user_id="DE.old", parent_user_id="DE.ENT.old"),
            new=Identity(phone=f"+{NEW}", user_id="DE.new", parent_user_id="DE.ENT.new"),
        )

    @pytest.mark.parametrize("kind", ["user_changed_number", "customer_changed_number"])
    def test_or_without_any(self, read: Read, kind: str) -> None:
        assert moved(read, {"type": kind, "new_wa_id": NEW}) == Rekey(
            old=Identity(phone=f"+{OLD}"), new=Identity(phone=f"+{NEW}")
        )

    def test_a_new_user_id_comes_without_numbers(self, read: Read) -> None:
        told = {"type": "user_changed_user_id", "previous_user_id": "DE.old", "user_id": "DE.new"}
        assert moved(read, told, **{"from": ""}) == Rekey(
            old=Identity(user_id="DE.old"), new=Identity(user_id="DE.new")
        )

    def test_the_senders_user_id_is_the_new_one_where_nothing_else_is_told(self, read: Read) -> None:
        found = moved(read, {"type": "user_changed_user_id", "previous_user_id": "DE.old"}, from_user_id="DE.new")
        assert found is not None
        assert (found.old.user_id, found.new.user_id) == ("DE.old", "DE.new")

    @pytest.mark.parametrize(
        "told",
        [
            {"type": "user_identity_changed", "wa_id": NEW},
            {"type": "user_changed_number"},
            {"type": "user_changed_user_id", "user_id": "DE.new"},
            {"type": "user_changed_number", "wa_id": ["+1"], "user_id": {"a": 1}},
            {},
        ],
    )
    def test_what_does_not_say_who_became_whom_rekeys_nobody(self, read: Read, told: dict[str, Any]) -> None:
        assert moved(read, told, **{"from": ""}) is None

    def test_what_other_messages_say_of_systems_rekeys_nobody(self, read: Read) -> None:
        told = {"type": "user_changed_number", "wa_id": NEW}
        assert moved(read, told, type="text", text={"body": "hello"}) is None


ABOUT = {131050: "opted_out", 131026: "unreachable", 130403: "blocked"}


class TestAbout:
    @pytest.mark.parametrize("code", sorted(TABLE))
    def test_a_refusal_tells_what_lies_in_the_person_by_receipt_and_at_once(self, code: int) -> None:
        told = ABOUT.get(code, "")
        answer = fault(400, {"error": {"code": code, "message": "No."}})

        assert refusal([{"code": code, "title": "No."}]).about == told
        assert (answer.about if isinstance(answer, PermanentError) else "") == told

    def test_a_receipt_carries_it(self, read: Read) -> None:
        payload = fixture("system")
        value = payload["entry"][0]["changes"][0]["value"]
        del value["messages"]
        value["statuses"] = [
            {"id": "wamid.X", "status": "failed", "timestamp": "1795349000", "errors": [{"code": 131050}]}
        ]
        (receipt,) = read(payload)
        assert receipt.refusal.about == "opted_out"


class TestAnswers:
    def answer(self, **more: Any) -> Any:
        return replace(message(text="See you *soon*.\nBye"), template="", language="", **more)

    def test_an_answer_quotes_what_it_answers(self) -> None:
        assert envelope(self.answer(in_reply_to=RemoteId("wamid.IN1"))) == {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": "+491712345678",
            "biz_opaque_callback_data": OURS,
            "context": {"message_id": "wamid.IN1"},
            "type": "text",
            "text": {"preview_url": False, "body": "See you *soon*.\nBye"},
        }

    def test_or_nothing(self) -> None:
        assert "context" not in envelope(self.answer())

    def test_who_is_known_by_user_id_is_answered_by_it(
        self, channel: WhatsAppChannel, meta: responses.RequestsMock
    ) -> None:
        accepted = {"contacts": [{"input": "GB.1", "user_id": "GB.1"}], "messages": [{"id": "wamid.O"}]}
        meta.post(f"{API_URL}/{NUMBER}/messages", json=accepted)
        sent = channel.send(self.answer(recipient="GB.1"))

        body = json.loads(meta.calls[0].request.body)
        assert (body.get("to"), body["recipient"]) == (None, "GB.1")
        assert (sent.remote_id, sent.recipient_id) == ("wamid.O", "GB.1")

    def test_a_template_quotes_nothing(self) -> None:
        assert "context" not in envelope(replace(message(), in_reply_to=RemoteId("wamid.IN1")))
