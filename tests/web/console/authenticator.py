"""A passkey made of software: what a browser and a phone answer, signed with a real key."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import bytes_to_base64url

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


class Authenticator:
    """One passkey for one site."""

    def __init__(self, origin: str = "http://localhost", host: str = "localhost", *, verifies: bool = True) -> None:
        self.origin, self.host = origin, host
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id = os.urandom(32)
        self.count = 0
        self.flags = PRESENT | (VERIFIED if verifies else 0)

    def make(self, options: dict[str, Any]) -> str:
        """Answer a browser that wants a new passkey."""
        numbers = self.key.public_key().public_numbers()
        point = {-2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        public = cbor2.dumps({1: 2, 3: -7, -1: 1} | point)
        attested = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + public
        data = self._data(ATTESTED) + attested
        answer = {
            "clientDataJSON": self._client("webauthn.create", options),
            "attestationObject": bytes_to_base64url(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})),
            "transports": ["internal"],
        }
        return self._answer(answer)

    def sign(self, options: dict[str, Any]) -> str:
        """Answer a browser that wants to sign in."""
        self.count += 1
        data, client = self._data(), self._client("webauthn.get", options)
        told = json.dumps(self._told("webauthn.get", options)).encode()
        signature = self.key.sign(data + sha256(told).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(
            {
                "clientDataJSON": client,
                "authenticatorData": bytes_to_base64url(data),
                "signature": bytes_to_base64url(signature),
            }
        )

    def _data(self, more: int = 0) -> bytes:
        return sha256(self.host.encode()).digest() + bytes([self.flags | more]) + self.count.to_bytes(4, "big")

    def _told(self, kind: str, options: dict[str, Any]) -> dict[str, Any]:
        return {"type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": False}

    def _client(self, kind: str, options: dict[str, Any]) -> str:
        return bytes_to_base64url(json.dumps(self._told(kind, options)).encode())

    def _answer(self, response: dict[str, Any]) -> str:
        id_ = bytes_to_base64url(self.id)
        whole = {"id": id_, "rawId": id_, "type": "public-key", "response": response, "clientExtensionResults": {}}
        return json.dumps(whole)
