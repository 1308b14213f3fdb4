"""The guarded session: the only way out to vendors, and the only importer of requests.

It speaks to the hosts it was made for and to no other, over https (plain http towards loopback only),
follows no redirect, repeats nothing, keeps no cookies, reads no proxy, netrc or CA settings from the
environment, bounds what it reads, and answers of whatever goes wrong one question: may the request have
been carried out, or can it not have been? Words of its errors name the host, and never a path, a query,
a header or a body: those hold tokens and people.

Underneath is requests' own transport adapter, called with prepared requests. What requests.Session adds
to it (merging settings, cookies, redirects, netrc) is exactly what is not wanted here, and costs a third
of the CPU of a call.
"""

from __future__ import annotations

import json as jsonlib
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import requests
from requests import exceptions as wrong
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import (
    ClosedPoolError,
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NewConnectionError,
    SSLError,
)
from urllib3.util.ssl_ import create_urllib3_context
from urllib3.util.ssl_match_hostname import CertificateError

from connector import __version__
from connector.errors import ConfigurationError, ConnectorError, RemoteError, TemporaryError, UncertainError
from connector.model import Json, parse_json
from connector.model.exchange import Exchange, secrets_of
from connector.security.addresses import is_loopback as is_loopback

ANSWER_CAP = 8 * 1024 * 1024
"""Bytes, after unpacking; longer answers are refused."""
_CHUNK = 64 * 1024
_KNOWN = 1024
"""How many checked URLs are remembered; a channel posts to one."""
_HEADERS = {
    "User-Agent": f"whatsapp-connector/{__version__}",
    "Accept-Encoding": "gzip, deflate",
    "Accept": "*/*",
    "Connection": "keep-alive",
}
_PORTS = {"https": 443, "http": 80}

Guard = Callable[[str, int], Sequence[str]]
MEANING: Mapping[type[Exception], type[ConnectorError]] = {
    # Our own request is malformed, so it was never made.
    wrong.URLRequired: ConfigurationError,
    wrong.MissingSchema: ConfigurationError,
    wrong.InvalidSchema: ConfigurationError,
    wrong.InvalidURL: ConfigurationError,
    wrong.InvalidProxyURL: ConfigurationError,
    wrong.InvalidHeader: ConfigurationError,
    wrong.InvalidJSONError: ConfigurationError,
    # Nothing has left this machine.
    wrong.ConnectTimeout: TemporaryError,
    wrong.ProxyError: TemporaryError,
    # The request may have arrived. Faults while connecting (refused, DNS, TLS handshake) come as a
    # ConnectionError too and are told apart by the cause inside: see _never_left.
    wrong.ConnectionError: UncertainError,
    wrong.SSLError: UncertainError,
    wrong.Timeout: UncertainError,
    wrong.ReadTimeout: UncertainError,
    wrong.ChunkedEncodingError: UncertainError,
    wrong.ContentDecodingError: UncertainError,
    wrong.JSONDecodeError: UncertainError,
    wrong.HTTPError: UncertainError,
    wrong.TooManyRedirects: UncertainError,
    wrong.StreamConsumedError: UncertainError,
    wrong.RetryError: UncertainError,
    wrong.UnrewindableBodyError: UncertainError,
    wrong.RequestException: UncertainError,
}
"""What each of requests' exceptions means to us, where its cause does not say better."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a vendor answered: header names in lower case, the body unpacked and whole."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def json(self) -> Json:
        """Return the body as JSON, with exact numbers. Raises PayloadError."""
        return parse_json(self.body)


_said: ContextVar[list[Exchange] | None] = ContextVar("said", default=None)


@contextmanager
def recorded() -> Iterator[list[Exchange]]:
    """Yield a list that gets whatever is said on the wire within, in this thread: for writing attempts down."""
    said: list[Exchange] = []
    before = _said.set(said)
    try:
        yield said
    finally:
        _said.reset(before)


class Http:
    """A session that may speak to ``hosts`` only; safe to use from many threads at once.

    ``hosts``: ``host`` (the scheme's usual port) or ``host:port`` (that port); ``[::1]:8080`` for IPv6.
    ``threads``: how many calls run at once, so that each finds its connection open.
    ``timeout``: seconds for connecting, and for each wait for further bytes. ``guard``: gives the addresses that
    may be connected to for a host and port, or raises OSError; for hosts that somebody typed in.

    Raises ConfigurationError where a host is not one.
    """

    def __init__(
        self, hosts: Iterable[str], *, threads: int = 16, timeout: tuple[float, float] = (3.05, 20.0),
        guard: Guard | None = None,
    ) -> None:  # fmt: skip
        self.hosts = frozenset(map(_host, hosts))
        self._timeout = timeout
        self._known: dict[str, tuple[str, str]] = {}
        self._adapter = _Adapter(pool_connections=max(10, len(self.hosts)), pool_maxsize=threads)
        if guard is not None:
            self._adapter.poolmanager.pool_classes_by_scheme = _guarded(guard)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        data: bytes | None = None,
        params: Mapping[str, str] | None = None,
        most: int | None = None,
    ) -> Answer:
        """Make one request and return the answer, whatever its status; ``most``: only the beginning of its body.

        ``json`` is sent as UTF-8 JSON (a Decimal as a number), ``data`` as it is.

        Raises ConfigurationError (a URL, host or header that is not allowed), TemporaryError (nothing has
        left this machine) or UncertainError (it may have been carried out).
        """
        host, prepared = self._prepare(method, url, headers, json, data, params)
        answer: Answer | None = None
        try:
            response = self._adapter.send(prepared, stream=True, timeout=self._timeout)
            try:
                answer = _read(response, host, most)
            finally:
                # After a whole answer the connection is back in the pool, and this does nothing.
                response.close()
        except (wrong.RequestException, HTTPError, OSError) as error:
            fault = translate(error, host)
        finally:
            _record(prepared, answer)
        if answer is not None:
            return answer
        # Raised out here, so that it does not hold on to the request and its Authorization header.
        raise fault

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._adapter.close()

    def _prepare(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        json: Any,
        data: bytes | None,
        params: Mapping[str, str] | None,
    ) -> tuple[str, requests.PreparedRequest]:
        prepared = requests.PreparedRequest()
        prepared.method = method.upper()
        host, prepared.url = self._known.get(url) or self._check(url)
        if params:
            prepared.prepare_url(prepared.url, params)
        prepared.headers = CaseInsensitiveDict(_HEADERS)
        if json is not None:
            data = jsonlib.dumps(
                json, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_number
            ).encode("utf-8", "replace")  # half an emoji, cut by the sender, must not stop a message
            prepared.headers["Content-Type"] = "application/json"
        for name, value in (headers or {}).items():
            if not (value.isascii() and value.isprintable() and name.isascii() and name.isprintable()):
                raise ConfigurationError(
                    f"The header {name!r} for {host} holds characters that may not be sent; "
                    "was a token copied with a line break?"
                )
            prepared.headers[name] = value
        prepared.body = data
        if data is not None or prepared.method not in ("GET", "HEAD"):
            prepared.headers["Content-Length"] = str(len(data or b""))
        return host, prepared

    def _check(self, url: str) -> tuple[str, str]:
        """Return host and URL as they will be used, where they may be. Raises ConfigurationError."""
        prepared = requests.PreparedRequest()
        try:
            prepared.prepare_url(url, None)
            parts = urlsplit(prepared.url or "")  # what the adapter will connect to, not what was written
            host, port = parts.hostname or "", parts.port
        except (wrong.RequestException, ValueError):
            raise ConfigurationError("A vendor's address is not a URL; check the account's api_url.") from None
        if parts.username is not None or parts.password is not None:
            raise ConfigurationError(f"The URL for {host} holds a user name or password; leave it out.")
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
            raise ConfigurationError(f"{host} must be reached over https; plain http is for loopback only.")
        name = f"[{host}]" if ":" in host else host
        usual = _PORTS[parts.scheme]
        if f"{name}:{port or usual}" not in self.hosts and not (port in (None, usual) and name in self.hosts):
            allowed = ", ".join(sorted(self.hosts)) or "none"
            raise ConfigurationError(
                f"{name}{f':{port}' if port else ''} is not among the hosts that this account may speak to "
                f"({allowed}); correct the account's settings."
            )
        if len(self._known) >= _KNOWN:
            self._known.clear()
        self._known[url] = checked = host, prepared.url or ""
        return checked


def _record(prepared: requests.PreparedRequest, answer: Answer | None) -> None:
    said = _said.get()
    if said is not None:
        said.append(
            Exchange(
                prepared.method or "",
                prepared.url or "",
                prepared.headers.get("Content-Type", ""),
                prepared.body if isinstance(prepared.body, bytes) else b"",
                secrets_of(prepared.headers),
                answer.status if answer else None,
                answer.headers.get("content-type", "") if answer else "",
                answer.body if answer else b"",
            )
        )


def translate(error: Exception, host: str) -> ConnectorError:
    """Return what a fault of requests or urllib3 means to us (see MEANING)."""
    cause = _never_left(error)
    kind = (
        TemporaryError
        if cause
        else next((MEANING[base] for base in type(error).__mro__ if base in MEANING), UncertainError)
    )
    name = _name(cause or _innermost(error))
    if not issubclass(kind, RemoteError):
        return kind(f"The request to {host} cannot be made ({name}).")
    if isinstance(cause, ssl.SSLError | CertificateError):
        reason = getattr(cause, "verify_message", "") or getattr(cause, "reason", "") or name
        return kind(f"No trusted connection to {host}: {reason}.", advice=_TLS_ADVICE)
    if kind is TemporaryError:
        return kind(f"{host} could not be reached ({name}).", advice=_NETWORK_ADVICE)
    advice = _TLS_ADVICE if isinstance(error, wrong.SSLError) else ""
    return kind(f"{host} gave no whole answer ({name}).", advice=advice)


_NETWORK_ADVICE = "Check the network, the DNS and the firewall of this machine; it is tried again by itself."
_TLS_ADVICE = (
    "Check this machine's clock, and whether something between it and the vendor opens TLS connections; "
    "certificates are never ignored."
)


def _never_left(error: Exception) -> BaseException | None:
    """Return what went wrong while connecting, or None where the request may have left."""
    inner = error.args[0] if error.args else None
    reason = inner.reason if isinstance(inner, MaxRetryError) else inner
    if isinstance(reason, NewConnectionError):
        return reason.__cause__ or reason
    if isinstance(reason, ConnectTimeoutError | ClosedPoolError):
        return reason
    return error if isinstance(error, wrong.ConnectTimeout) else None


def _innermost(error: BaseException) -> BaseException:
    """Return the first cause that the layers below have wrapped; the wrappers' words hold the path."""
    for _ in range(8):
        inner = getattr(error, "reason", None) or next(iter(reversed(error.args)), None)
        if not isinstance(inner, BaseException):
            break
        error = inner
    return error


def _name(error: BaseException) -> str:
    """Name a fault without its words, which may hold a URL: the system's, or those of its class."""
    words = getattr(error, "strerror", None)
    return words.lower() if isinstance(words, str) and len(words) < 60 else type(error).__name__


def _number(value: object) -> int | float:
    if not isinstance(value, Decimal):
        raise TypeError(f"{type(value).__name__} is not JSON")
    return int(value) if value == value.to_integral_value() else float(value)


def _host(text: str) -> str:
    parts = urlsplit(f"//{text}")
    try:
        plain = parts.hostname and parts.port != 0 and parts.netloc == text and "@" not in text
    except ValueError:
        plain = False
    if not plain:
        raise ConfigurationError("An allowed host must be written as host or host:port.")
    return text.lower()


def _read(response: requests.Response, host: str, most: int | None = None) -> Answer:
    if most is not None:
        return Answer(response.status_code, {}, response.raw.read1(most)[:most])
    size = response.headers.get("Content-Length", "")
    bounded = not (size.isdigit() and int(size[:20]) > ANSWER_CAP) or response.request.method == "HEAD"
    body = b""
    if bounded:
        for chunk in response.iter_content(_CHUNK):
            body = body + chunk if body else chunk
            if len(body) > ANSWER_CAP:
                bounded = False
                break
    if not bounded:
        raise UncertainError(
            f"{host} answered with more than {ANSWER_CAP >> 20} MB, which is not read.", status=response.status_code
        )
    return Answer(response.status_code, {name.lower(): value for name, value in response.headers.items()}, body)


class _Connection(HTTPSConnection):
    """Says of every fault before the first byte of the request that it was one of connecting.

    urllib3 reports a timeout or a reset in the TLS handshake in the same words as one after the request.
    """

    def connect(self) -> None:
        try:
            super().connect()
        except (OSError, SSLError, CertificateError) as error:
            raise NewConnectionError(self, type(error).__name__) from error


class _Pool(HTTPSConnectionPool):
    ConnectionCls = _Connection


def _guarded(guard: Guard) -> dict[str, Any]:
    """Return pools whose connections go to addresses alone that a guard gave, in the moment of connecting."""

    def pool(base: Any) -> Any:
        class Connection(base.ConnectionCls):  # type: ignore[misc]
            _dns_host: str

            def _new_conn(self) -> Any:
                host, self._dns_host = self._dns_host, guard(self._dns_host, self.port)[0]
                try:
                    return super()._new_conn()
                finally:
                    self._dns_host = host  # the name that the certificate must have

        return type("_Guarded", (base,), {"ConnectionCls": Connection})

    return {"http": pool(HTTPConnectionPool), "https": pool(_Pool)}


class _Adapter(HTTPAdapter):
    """One TLS context for all connections: reading the list of authorities takes 15 ms of CPU each time."""

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any) -> None:
        context = create_urllib3_context()
        context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
        super().init_poolmanager(connections, maxsize, block, ssl_context=context, **pool_kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            **self.poolmanager.pool_classes_by_scheme, "https": _Pool,
        }  # fmt: skip

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave the pool as it is: its context demands a certificate and knows the authorities."""
