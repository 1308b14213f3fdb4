"""One kept-open connection to a URL of this machine."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from types import TracebackType

from connector.sandbox.loopback import loopback_url

_ANSWER_CAP = 64 * 1024


class Line:
    """Posts bytes to one URL over one connection, for one thread at a time.

    ``timeout``: seconds. Raises ConfigurationError where the URL is not of this machine.
    """

    def __init__(self, url: str, *, timeout: float = 5.0) -> None:
        parts = loopback_url(url)
        self.path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=timeout)
        self._used = False

    def __enter__(self) -> Line:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def post(self, body: bytes, headers: Mapping[str, str]) -> int:
        """Post, and return the status. Raises OSError where nobody answered.

        A kept-open connection that the other side has closed in the meantime is opened anew, once.
        """
        return self.ask("POST", self.path, body, headers)[0]

    def ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Send any request over this connection; return the status and the beginning of the answer."""
        try:
            try:
                return self._once(method, path, body, headers)
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                if not self._used:
                    raise
                self.close()
                return self._once(method, path, body, headers)
        except http.client.HTTPException as fault:
            self.close()
            raise ConnectionError(f"no readable answer: {type(fault).__name__}") from None
        except OSError:
            self.close()
            raise

    def _once(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        self._connection.request(method, path, body=body, headers=dict(headers))
        answer = self._connection.getresponse()
        start = answer.read(_ANSWER_CAP)
        if answer.read(1):
            self.close()
        else:
            self._used = True
        return answer.status, start

    def close(self) -> None:
        """Hang up; the next post connects again."""
        self._connection.close()
        self._used = False
