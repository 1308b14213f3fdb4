"""Meta's webhooks: the set-up challenge, the signature, and the walk through entries and changes."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence

from adapters.whatsapp.pieces import WORD_MOST, Told, Update, pieces_of, text_of
from adapters.whatsapp.settings import secrets
from adapters.whatsapp.updates import translate
from connector.contract import Receiver, Settings
from connector.errors import PayloadError, SignatureError
from connector.model import Item, Payload, Request, Response, Verified, parse_object

SIGNATURE_HEADER = "x-hub-signature-256"
MOST = 1000
"""Updates of one request, as Meta announces."""
UNKNOWN = "unknown"
_CHALLENGE_MOST = 512
_SIGNATURE = re.compile(r"sha256=([0-9a-fA-F]{64})")
_FIELD = re.compile(rb'"field"\s*:\s*"([a-z_]{1,60})"')


class WhatsAppReceiver(Receiver):
    """Reads the webhooks of one number; pure."""

    def __init__(self, settings: Settings) -> None:
        self._secrets = secrets(settings, "app_secret")
        self._verify_token = settings["verify_token"].reveal().encode()
        self._phone_number_id = str(settings["phone_number_id"])
        self._waba_id = str(settings["waba_id"])

    def handshake(self, request: Request) -> Response | None:
        """Answer ``GET ?hub.mode=subscribe`` with the challenge, verbatim, where the token is ours."""
        if request.method != "GET" or "hub.mode" not in request.query:
            return None
        token = request.query.get("hub.verify_token", "").encode("utf-8", "surrogatepass")
        challenge = request.query.get("hub.challenge", "")
        ours = hmac.compare_digest(hashlib.sha256(token).digest(), hashlib.sha256(self._verify_token).digest())
        if request.query["hub.mode"] != "subscribe" or not ours:
            return Response(403, b"The verify token is not the one of this account.")
        if not (0 < len(challenge) <= _CHALLENGE_MOST and challenge.isascii() and challenge.isprintable()):
            return Response(400, b"The challenge is missing or cannot be answered.")
        return Response(200, challenge.encode())

    def verify(self, request: Request) -> Verified:
        """Check ``X-Hub-Signature-256`` over the raw bytes against every app secret. Raises SignatureError."""
        match = _SIGNATURE.fullmatch(request.header(SIGNATURE_HEADER))
        if not match:
            raise SignatureError("X-Hub-Signature-256 is missing or is not sha256= and 64 hex digits.")
        given, proved = bytes.fromhex(match[1]), False
        for secret in self._secrets:
            proved |= hmac.compare_digest(hmac.digest(secret, request.body, "sha256"), given)
        if not proved:
            raise SignatureError("The signature is not that of this account's app secret; check app_secret.")
        return Verified(request)

    def key(self, request: Verified) -> str:
        """Return the body's digest: Meta gives a delivery no id, and repeats it byte for byte."""
        return hashlib.sha256(request.body).hexdigest()

    def topic(self, request: Verified) -> str:
        """Return the first ``field`` of the body, such as ``messages``."""
        match = _FIELD.search(request.body)
        return match[1].decode() if match else ""

    def parse(self, request: Verified) -> Sequence[Item]:
        """Translate every array of every change of every entry; the same thing said twice counts once.

        Raises PayloadError where the body is not a JSON object.
        """
        payload = parse_object(request.body)
        items: dict[tuple[type, str], Told] = {}
        try:
            for update in walk(payload, request):
                for item in translate(update, self._phone_number_id, self._waba_id):
                    if len(items) >= MOST and (type(item), item.key) not in items:
                        rest = update.unreadable(f"Only the first {MOST} updates of this request were read.", [])
                        return [*items.values(), rest]
                    items.setdefault((type(item), item.key), item)
        except RecursionError:
            raise PayloadError("The body is nested too deeply to be read.") from None
        return list(items.values())


def walk(payload: Payload, request: Request) -> Iterator[Update]:
    """Yield every change of every entry, and an update of kind ``unknown`` for what is none."""
    count = 0
    for count, entry in enumerate(pieces_of(payload, "entry"), 1):  # noqa: B007 - told apart from none
        waba_id, time = text_of(entry, "id"), text_of(entry, "time")
        changes = list(pieces_of(entry, "changes"))
        for change in changes or [entry]:
            value = change.get("value") if isinstance(change, Mapping) else None
            if changes and isinstance(value, Mapping):
                yield Update(waba_id, text_of(change, "field")[:WORD_MOST] or UNKNOWN, value, time, request.received_at)
            else:
                yield Update(waba_id, UNKNOWN, {"change": change}, time, request.received_at)
    if not count:
        yield Update("", UNKNOWN, payload, "", request.received_at)
