"""Uploaded media: a small shelf that forgets the oldest."""

from __future__ import annotations

import email.parser
import email.policy
import hashlib
import itertools
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from connector.sandbox.refusal import GraphError

_KEPT = 64
_FIRST_ID = 900_000_000_000_000


@dataclass(frozen=True, slots=True)
class Media:
    """One uploaded file."""

    id: str
    mime_type: str
    content: bytes

    def described(self, url: str) -> dict[str, Any]:
        """Return what ``GET /{media-id}`` says, with the URL to fetch it from."""
        return {
            "messaging_product": "whatsapp",
            "url": url,
            "mime_type": self.mime_type,
            "sha256": hashlib.sha256(self.content).hexdigest(),
            "file_size": str(len(self.content)),
            "id": self.id,
        }


class MediaShelf:
    """Keeps the last uploads by id."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids = itertools.count(_FIRST_ID)
        self._media: OrderedDict[str, Media] = OrderedDict()

    def put(self, content_type: str, body: bytes) -> str:
        """Take a multipart upload; return its id. Raises GraphError 100 or 131009."""
        if not content_type.lower().startswith("multipart/form-data") or not content_type.isascii():
            raise GraphError(100, "upload media as multipart/form-data with messaging_product, type and file")
        head = f"Content-Type: {content_type}\r\n\r\n".encode()
        form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
        parts = {str(part.get_param("name", header="content-disposition")): part for part in form.iter_parts()}
        values = {name: _bytes(part.get_payload(decode=True)) for name, part in parts.items()}
        if values.get("messaging_product") != b"whatsapp":
            raise GraphError(100, "messaging_product must be 'whatsapp'")
        content = values.get("file")
        if not content:
            raise GraphError(100, "file is missing")
        mime_type = (values.get("type") or parts["file"].get_content_type().encode()).decode("ascii", "replace")
        with self._lock:
            media = Media(str(next(self._ids)), mime_type, content)
            self._media[media.id] = media
            while len(self._media) > _KEPT:
                self._media.popitem(last=False)
        return media.id

    def get(self, media_id: str) -> Media | None:
        """Return an upload, or None where it is not known (any more)."""
        return self._media.get(media_id)


def _bytes(payload: object) -> bytes:
    return payload if isinstance(payload, bytes) else b""
