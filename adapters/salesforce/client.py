"""The one wrapper of simple-salesforce: direct mode, over the guarded session that the account was given.

The library knows Salesforce's paths and errors; tokens, time limits, hosts and retries are ours. In direct mode it
holds a token and nothing to renew it with, so a token that is refused costs one call and not a login storm. Its
``SFType`` calls (``sf.Contact.update``) are not used: they build URLs with ``urljoin``, so that a record id such as
``//evil.example/x`` would take the token with it, and they take https for granted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from adapters.salesforce.auth import renew
from adapters.salesforce.errors import MINUTE, coded, fault, unreadable
from adapters.salesforce.ids import is_name
from connector.contract import Grant, Kit, Settings
from connector.errors import CredentialsError, PayloadError, PermanentError, Scope, TemporaryError
from connector.http import Answer, Http
from connector.model import Json, Payload

SHARE = 0.8
"""Of the organisation's calls of 24 hours: above it, what can wait waits, and the rest is for people."""
PAUSE = 5.0 * MINUTE
DAY = 24.0 * 3600
_USAGE = re.compile(r"(?<![\w-])api-usage=(\d{1,12})/(\d{1,12})")
_WRITING = {
    # Consent and labels must not hand a lead to another owner, nor stop at a warning about duplicates.
    "Sforce-Auto-Assign": "FALSE",
    "Sforce-Duplicate-Rule-Header": "allowSave=true",
}
T = TypeVar("T")


class _RefusedError(Exception):
    """HTTP 401; holds neither token nor URL."""


class Client:
    """One organisation's REST API. Objects' and records' names must have been checked before they are put in a path."""

    def __init__(self, settings: Settings, kit: Kit, *, urgent: bool = False) -> None:
        """``urgent``: go on where the account's share of calls is used up."""
        self._settings = settings
        self._kit = kit
        self._urgent = urgent
        self._described: dict[str, Payload] = {}

    def query(self, soql: str, *, deleted: bool = False) -> Payload:
        """Return one page of a query: ``records``, ``done``. Raises a RemoteError."""
        found = self._call(lambda sf: sf.query(soql, include_deleted=deleted))
        if not isinstance(found, Mapping) or not isinstance(found.get("records"), list):
            raise unreadable(200)
        return found

    def rest(self, method: str, path: str, body: Json = None, *, params: Mapping[str, str] | None = None) -> Json:
        """Call ``/services/data/vXX.X/<path>`` and return its JSON, None where there is none. Raises a RemoteError."""
        options: dict[str, Any] = {} if body is None else {"json": body}
        headers = {} if method == "GET" else _WRITING
        told: Json = self._call(lambda sf: sf.restful(path, params=params, method=method, headers=headers, **options))
        return told

    def upload(self, path: str, csv: bytes) -> None:
        """Put a CSV file. Raises a RemoteError."""
        headers = {"Content-Type": "text/csv; charset=UTF-8"}
        self._call(lambda sf: sf.restful(path, method="PUT", data=csv, headers=headers))

    def download(self, path: str) -> str:
        """Get a CSV file. Raises a RemoteError."""

        def get(sf: Any) -> str:
            reply = _get(sf, sf.base_url + path, "text/csv")
            if "html" in reply.headers.get("Content-Type"):
                raise PayloadError("a page of HTML")
            return reply.text

        return self._call(get)

    def versions(self) -> Json:
        """Return the versions of the API that the organisation answers to, oldest first. Raises a RemoteError."""
        told: Json = self._call(lambda sf: _get(sf, sf.base_url.rsplit("/", 2)[0], "application/json").json())
        return told

    def describe(self, name: str) -> Payload:
        """Return an object's description, asked for once: ``fields`` with ``name``, ``type``, ``updateable``, ….

        Raises PermanentError where the name can be none or there is no such object, or another RemoteError.
        """
        if not is_name(name):
            raise PermanentError("This is not the API name of an object.", code="INVALID_TYPE")
        if name not in self._described:
            try:
                told = self.rest("GET", f"sobjects/{name}/describe")
            except PermanentError as error:
                raise (coded("INVALID_TYPE") if error.code == "NOT_FOUND" else error) from None
            if not isinstance(told, Mapping) or not isinstance(told.get("fields"), list):
                raise unreadable(200)
            self._described[name] = told
        return self._described[name]

    def _call(self, do: Callable[[Any], T]) -> T:
        """Call with the shared token; one that is refused is renewed once, and a new one that is refused never."""
        self._take()
        fresh: list[Grant] = []

        def ask(last: Grant | None) -> Grant:
            fresh.append(renew(self._settings, self._kit.http))
            return fresh[-1]

        for _ in range(2):
            grant = self._kit.tokens.current(ask)
            try:
                return self._once(do, grant)
            except _RefusedError:
                self._kit.tokens.reject(grant)
            if fresh:
                break
        raise CredentialsError(
            "Salesforce refuses the token that it has just given.",
            code="INVALID_SESSION_ID",
            status=401,
            advice="Check the app's policies: scope 'Manage user data via APIs (api)', IP restrictions, and that its "
            "run-as user has API Enabled; then check the account.",
        )

    def _once(self, do: Callable[[Any], T], grant: Grant) -> T:
        from simple_salesforce.exceptions import SalesforceError, SalesforceExpiredSession

        told: Exception
        try:
            return do(self._salesforce(grant))
        except SalesforceExpiredSession:
            told = _RefusedError()
        except SalesforceError as error:
            told = fault(error.status, error.content)
        except PayloadError:
            told = unreadable(200)
        # Out here, so that it holds neither the URL nor the body that the library's own error does.
        raise told

    def _salesforce(self, grant: Grant) -> Any:
        from simple_salesforce.api import Salesforce  # not at the top: 0.14 s, with zeep and lxml

        url = grant.details.get("instance_url") or self._settings["api_url"]
        version = self._settings["api_version"]
        session: Any = _Session(self._kit.http, self._tell)
        sf = Salesforce(session_id=grant.access_token.reveal(), instance_url=url, version=version, session=session)
        sf.base_url = f"{url}/services/data/v{version}/"  # the library makes https of loopback's http
        return sf

    def _take(self) -> None:
        wait = 0.0 if self._urgent else self._kit.budget.take(1)
        if wait > 0:
            raise TemporaryError(
                f"{SHARE:.0%} of the organisation's API calls of 24 hours are used; the rest is left to people.",
                retry_after=max(wait, PAUSE),
                code="REQUEST_LIMIT_EXCEEDED",
                scope=Scope.ACCOUNT,
                advice="Nothing to do; it goes on by itself. Setup > API Usage shows who uses them.",
            )

    def _tell(self, answer: Answer) -> None:
        """Pass on what Salesforce says of its limit, as the share of it that is ours to use."""
        if found := _USAGE.search(answer.headers.get("sforce-limit-info", "")):
            used, most = int(found[1]), int(found[2])
            self._kit.budget.tell(left=max(0.0, most * SHARE - used), most=most * SHARE, per_second=most / DAY)


def _get(sf: Any, url: str, accept: str) -> _Reply:
    """Get what the library has no call for; it raises as its own calls do."""
    from simple_salesforce.util import exception_handler

    reply: _Reply = sf.session.request("GET", url, headers={**sf.headers, "Accept": accept})
    if reply.status_code >= 300:
        exception_handler(reply)  # type: ignore[arg-type]
    return reply


class _Session:
    """What simple-salesforce uses of a requests.Session, on the guarded session."""

    proxies: Mapping[str, str] = {}

    def __init__(self, http: Http, hear: Callable[[Answer], None]) -> None:
        self._http = http
        self._hear = hear

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        params: Mapping[str, str] | None = None,
        json: Json = None,
        data: bytes | None = None,
    ) -> _Reply:
        """Make one request. Raises a RemoteError where there was no answer."""
        sent = {name: value for name, value in headers.items() if name != "X-PrettyPrint"}
        sent["Sforce-Call-Options"] = "client=whatsapp-connector"
        answer = self._http.request(method, url, headers=sent, params=params, json=json, data=data)
        self._hear(answer)
        return _Reply(answer)


class _Headers:
    """Header names in any case."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def get(self, name: str, default: str = "") -> str:
        return self._headers.get(name.lower(), default)


class _Reply:
    """What simple-salesforce reads of a requests.Response."""

    url = "Salesforce"
    """Not the true one, which the library would put in its errors."""

    def __init__(self, answer: Answer) -> None:
        self.status_code = answer.status
        self.headers = _Headers(answer.headers)
        self._answer = answer

    @property
    def text(self) -> str:
        """Return the body as text, whatever it is."""
        return self._answer.body.decode("utf-8-sig", "replace")

    def json(self, **ignored: object) -> Any:
        """Return the body as JSON with exact numbers, ``{}`` where it is empty. Raises PayloadError."""
        if not self._answer.body.strip():
            return {}
        told = self._answer.json()
        if not isinstance(told, list | dict):
            raise PayloadError("neither a list nor an object")
        return told
