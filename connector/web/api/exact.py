"""What the API reads and writes JSON with: exact numbers both ways."""

from __future__ import annotations

from typing import Any

from flask.json.provider import JSONProvider

from connector.model import parse_json
from connector.model.exact import write_json


class ExactJson(JSONProvider):
    """Numbers are written as they were read."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """Write."""
        return write_json(obj)

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Read. Raises PayloadError."""
        return parse_json(s.encode() if isinstance(s, str) else s)
