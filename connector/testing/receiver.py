# ruff: noqa: S101 - this is a test suite
"""The contract of receivers: proving the sender, and knowing a delivery again."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

import pytest

from connector.contract import Receiver, SecretField
from connector.errors import SignatureError
from connector.model import Payload, Request, Verified
from connector.testing.bodies import HOSTILE_JSON, encode
from connector.testing.parsing import ParsingTests, storable
from connector.testing.subject import Subject

OTHER_SECRET = "another-secret-0a1b2c3d4e5f"  # noqa: S105 - of nobody


class ReceiverContract(ParsingTests, Subject):
    """Inherit it as ``class TestReceiver(ReceiverContract)`` and fill the hooks."""

    secret_setting: ClassVar[str]
    """The setting that webhooks are signed with; ``sign`` is called with its first value."""
    signature_header: ClassVar[str]
    """In lower case."""
    signs_body: ClassVar[bool] = True
    """False where the vendor sends a shared secret and proves nothing of the body."""
    hostile: ClassVar[Mapping[str, bytes]] = HOSTILE_JSON
    """Bodies that must raise PayloadError, by what is wrong with them."""

    @abstractmethod
    def sign(self, body: bytes, topic: str, secret: str) -> Request:
        """Return a request as the vendor would post it, received at ``captured.MOMENT``.

        Where the vendor gives each delivery an id, derive it from the body: the same body again is a retry.
        """

    def samples(self) -> list[tuple[str, Payload]]:
        """Return topics and payloads to try; by default those of the declared topics."""
        return [(topic.name, topic.sample()) for topic in self.adapter.topics]

    def unknown(self) -> Request:
        """Return a genuine request about something that the adapter has never heard of."""
        return self.genuine(b'{"id":1}', "nobody/asked_for_this")

    def receiver(self, *secrets: str) -> Receiver:
        """Return the receiver of an account with these secrets, newest first; by default the given ones."""
        assert self.adapter.receiver, f"{self.adapter.name} declares no receiver"
        if not secrets:
            return self.adapter.receiver(self.load())
        value = list(secrets) if self._rotates() else secrets[0]
        return self.adapter.receiver(self.load(**{self.secret_setting: value}))

    def secret(self) -> str:
        """Return the secret that requests are signed with."""
        value = self.given[self.secret_setting]
        return str(value[0] if isinstance(value, list | tuple) else value)

    def genuine(self, body: bytes | None = None, topic: str | None = None) -> Request:
        """Return a request that must be accepted; by default the first sample."""
        if body is None or topic is None:
            known, payload = self.samples()[0]
            body, topic = encode(payload) if body is None else body, known if topic is None else topic
        found = self.sign(body, topic, self.secret())
        assert found.header(self.signature_header), f"sign() must set {self.signature_header}, in lower case"
        return found

    # proving the sender

    def test_a_genuine_request_is_accepted_as_it_is(self) -> None:
        """Every sample, signed, passes and comes back untouched, but for a header that holds the secret itself."""
        for topic, payload in self.samples():
            request = self.genuine(encode(payload), topic)
            verified = self.receiver().verify(request)
            assert replace(verified, headers=request.headers) == request
            assert verified.headers == {
                name: value for name, value in request.headers.items() if self.secret() not in value
            }

    def test_a_request_signed_with_another_secret_is_refused(self) -> None:
        """The secret counts."""
        _, payload = self.samples()[0]
        self.must_refuse(self.sign(encode(payload), self.samples()[0][0], OTHER_SECRET))
        self.must_refuse(self.genuine(), self.receiver(OTHER_SECRET))

    def test_a_changed_body_is_refused(self) -> None:
        """One bit anywhere, or a blank more, breaks the signature."""
        self._needs_signed_body()
        request = self.genuine()
        for place in {0, len(request.body) // 2, len(request.body) - 1}:
            changed = bytearray(request.body)
            changed[place] ^= 1
            self.must_refuse(replace(request, body=bytes(changed)))
        for body in (request.body + b"\n", b" " + request.body, request.body * 2):
            self.must_refuse(replace(request, body=body))

    def test_a_cut_body_is_refused(self) -> None:
        """A body that lost its end, or all of it, breaks the signature."""
        self._needs_signed_body()
        request = self.genuine()
        for size in {len(request.body) - 1, len(request.body) // 2, 0}:
            self.must_refuse(replace(request, body=request.body[:size]))

    def test_a_missing_signature_is_refused(self) -> None:
        """No header, or an empty one."""
        request = self.genuine()
        headers = {name: value for name, value in request.headers.items() if name != self.signature_header}
        self.must_refuse(replace(request, headers=headers))
        for blank in ("", " "):
            self.must_refuse(self._with_signature(blank))

    def test_a_signature_beyond_ascii_is_refused(self) -> None:
        """compare_digest raises TypeError for such texts: it must never get them."""
        signature = self.genuine().header(self.signature_header)
        for odd in ("é", "ÿ" * len(signature), signature[:-1] + "ｅ", signature + "\u0661", "\ud800", "\x00"):
            self.must_refuse(self._with_signature(odd))

    def test_a_cut_signature_is_refused(self) -> None:
        """Whatever is missing at either end."""
        signature = self.genuine().header(self.signature_header)
        for cut in {signature[:-1], signature[:-2], signature[: len(signature) // 2], signature[1:], signature[:1]}:
            self.must_refuse(self._with_signature(cut))

    def test_a_signature_of_another_length_is_refused(self) -> None:
        """Longer ones too, however long."""
        signature = self.genuine().header(self.signature_header)
        for longer in (signature + signature[-1], signature * 2, f"{signature},{signature}", "a" * 100_000):
            self.must_refuse(self._with_signature(longer))

    def test_a_signature_with_another_character_is_refused(self) -> None:
        """Every part of it counts."""
        signature = self.genuine().header(self.signature_header)
        for place in (len(signature) // 2, len(signature) // 2 + 5, len(signature) - 6):
            other = "0" if signature[place] != "0" else "1"
            self.must_refuse(self._with_signature(signature[:place] + other + signature[place + 1 :]))

    def test_while_a_secret_rotates_both_are_accepted_and_then_only_the_new(self) -> None:
        """Requests signed with the old secret are still on their way when the new one is set."""
        if not self._rotates():
            pytest.skip(f"{self.secret_setting} does not rotate")
        topic, payload = self.samples()[0]
        old = self.genuine()
        new = self.sign(encode(payload), topic, OTHER_SECRET)
        rotating = self.receiver(OTHER_SECRET, self.secret())
        rotating.verify(old)
        rotating.verify(new)
        self.must_refuse(old, self.receiver(OTHER_SECRET))

    # knowing a delivery again

    def test_a_delivery_that_is_repeated_has_the_same_key(self) -> None:
        """Also when it comes later, and for another process."""
        for topic, payload in self.samples():
            first = self.genuine(encode(payload), topic)
            again = replace(first, received_at=first.received_at + timedelta(hours=4))
            key = self.receiver().key(Verified(first))
            assert key, "a delivery key must not be empty"
            assert storable(key), f"a delivery key must be a plain text of at most 255 characters, not {key!r}"
            assert self.receiver().key(Verified(again)) == key

    def test_another_delivery_has_another_key(self) -> None:
        """Nothing that came is taken for something else."""
        bodies = {encode(payload) + blank: topic for topic, payload in self.samples() for blank in (b"", b"\n")}
        keys = {self.receiver().key(Verified(self.genuine(body, topic))) for body, topic in bodies.items()}
        assert len(keys) == len(bodies)

    def test_set_up_questions_are_not_seen_where_there_are_none(self) -> None:
        """A webhook is not taken for a handshake, and is answered with success."""
        assert self.receiver().handshake(self.genuine()) is None
        assert 200 <= self.receiver().acknowledge().status < 300

    # how

    def must_refuse(self, request: Request, receiver: Receiver | None = None) -> None:
        """Fail unless the request is refused by a SignatureError that gives nothing away."""
        with pytest.raises(SignatureError) as caught:
            (receiver or self.receiver()).verify(request)
        told = f"{caught.value} {caught.value!r}"
        signature = request.header(self.signature_header)
        for secret in (*self.secrets(), OTHER_SECRET, *([signature] if len(signature) > 8 else [])):
            assert secret not in told, "an error must show neither a secret nor a signature"

    def _with_signature(self, signature: str) -> Request:
        request = self.genuine()
        return replace(request, headers={**request.headers, self.signature_header: signature})

    def _needs_signed_body(self) -> None:
        if not self.signs_body:
            pytest.skip("this vendor does not sign the body")

    def _rotates(self) -> bool:
        field = self.adapter.settings().fields[self.secret_setting]
        return isinstance(field, SecretField) and field.rotates
