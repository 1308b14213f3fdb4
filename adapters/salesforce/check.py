"""Salesforce's part of the connection doctor: token, version, organisation, limits, fields; each with the fix."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from adapters.salesforce.auth import has_access, renew
from adapters.salesforce.client import SHARE, Client
from adapters.salesforce.fit import by_name, picklist
from adapters.salesforce.ids import same_id
from connector.contract import Budget, Finding, Grant, Kit, Settings, Tokens, Visit
from connector.errors import ConnectorError, CredentialsError, PermanentError, RemoteError
from connector.model import Json, text_at

FIELDS: Mapping[str, str] = {
    "WhatsApp_Status__c": "picklist",
    "WhatsApp_Status_At__c": "datetime",
    "WhatsApp_Status_Source__c": "string",
    "WhatsApp_Id__c": "string",
    "WhatsApp_Labels__c": "multipicklist",
}
"""What the shipped contact mappings write to, with Salesforce's types."""
PEOPLE = ("Contact", "Lead")
STATES = ("Unknown", "Opted in", "Opted out")
_DEPLOY = "Deploy adapters/salesforce/metadata, or map fields of your own: docs/connect-salesforce.md, step 3."
_RIGHTS = "Give the run-as user the permission set WhatsApp Connector."


class _Trial(Tokens, Budget):
    """A token for one visit, of settings that are not stored yet."""

    def __init__(self) -> None:
        self._grant: Grant | None = None

    def current(self, renew: Callable[[Grant | None], Grant]) -> Grant:
        self._grant = self._grant or renew(None)
        return self._grant

    def reject(self, grant: Grant) -> None:
        self._grant = None

    def keep(self, grant: Grant) -> None:
        self._grant = grant

    def take(self, cost: float) -> float:
        return 0.0

    def tell(self, *, left: float, most: float, per_second: float) -> None:
        pass


def check(visit: Visit) -> Iterator[Finding]:
    """Look at one account, and at what Salesforce says of it; network faults are findings, not errors."""
    settings = visit.settings
    if not has_access(settings):
        yield Finding(
            name="token",
            ok=None,
            words="No API access is set up; Outbound Messages are received without it, and nothing is written back.",
            fix="Set my_domain, client_id and client_secret (docs/connect-salesforce.md) to write back and catch up.",
        )
        return
    trial = _Trial()
    kit = visit.kit or Kit(http=visit.http, tokens=trial, budget=trial)
    client = Client(settings, kit, urgent=True)
    try:
        # Asked for anew even where one is kept: it is the login that is looked at.
        kit.tokens.keep(renew(settings, visit.http))
        yield Finding(name="token", ok=True, words=f"Salesforce lets us in at {settings['api_url']}.")
        yield _version(client, settings)
        yield _organization(client, settings)
        yield _limits(client)
        for name in PEOPLE:
            yield from _fields(client, name)
        yield from _objects(client, [name for name in settings["objects"] if name not in PEOPLE])
    except CredentialsError as error:
        yield Finding(name="token", ok=False, words=error.words, fix=error.advice)
    except RemoteError as error:
        yield Finding(name="connection", ok=None, words=error.words, fix=error.advice or "Run the check again.")
    except ConnectorError as error:
        yield Finding(name="connection", ok=False, words=str(error), fix="Check my_domain and api_url.")


def _version(client: Client, settings: Settings) -> Finding:
    wanted = settings["api_version"]
    told = client.versions()
    versions = [text_at(entry, "version") for entry in told] if isinstance(told, Sequence) else []
    if not any(versions):
        return Finding(name="API version", ok=None, words="Salesforce does not list its versions.")
    if wanted in versions:
        return Finding(name="API version", ok=True, words=f"API {wanted} is there; the newest is {versions[-1]}.")
    return Finding(
        name="API version",
        ok=False,
        words=f"This organisation has no API {wanted}; it has {versions[0]} to {versions[-1]}.",
        fix=f"Set api_version to {versions[-1]}.",
    )


def _organization(client: Client, settings: Settings) -> Finding:
    try:
        told = client.query("SELECT Id, Name FROM Organization LIMIT 1")
    except PermanentError as error:
        return Finding(name="organisation", ok=None, words=error.words, fix=_RIGHTS)
    found = text_at(told, "records[0].Id")
    if same_id(found, settings["organization_id"]):
        return Finding(name="organisation", ok=True, words=f"It is {text_at(told, 'records[0].Name') or found}.")
    return Finding(
        name="organisation",
        ok=False,
        words=f"The token belongs to organisation {found or '?'}, not to {settings['organization_id']}.",
        fix="Correct organization_id or my_domain; a sandbox has ids of its own.",
    )


def _limits(client: Client) -> Finding:
    try:
        told = client.rest("GET", "limits")
    except PermanentError as error:
        return Finding(name="API calls", ok=None, words=error.words, fix="Give the run-as user View Setup.")
    most, left = (_whole(told, f"DailyApiRequests.{name}") for name in ("Max", "Remaining"))
    if most <= 0:
        return Finding(name="API calls", ok=None, words="Salesforce does not tell how many calls are left.")
    words = f"{most - left:,} of {most:,} calls of the last 24 hours are used."
    if most - left < most * SHARE:
        return Finding(name="API calls", ok=True, words=words)
    return Finding(
        name="API calls",
        ok=False,
        words=f"{words} Above {SHARE:.0%} the connector waits.",
        fix="Find what uses them (Setup > API Usage), or ask for fewer objects, less often (feed_minutes).",
    )


def _whole(told: Json, path: str) -> int:
    text = text_at(told, path)
    return int(text) if text.isascii() and text.isdigit() else 0


def _fields(client: Client, name: str) -> Iterator[Finding]:
    try:
        fields = by_name(client.describe(name))
    except PermanentError as error:
        yield Finding(name=name, ok=False, words=f"{name} cannot be seen: {error.words}", fix=_RIGHTS)
        return
    missing = [field for field in FIELDS if field not in fields]
    if missing:
        words = f"Not there, or not visible to the run-as user: {', '.join(missing)}."
        yield Finding(name=f"{name} fields", ok=False, words=words, fix=f"{_DEPLOY} {_RIGHTS}")
    else:
        yield Finding(name=f"{name} fields", ok=True, words=f"All {len(FIELDS)} fields of the connector are there.")
    there = [field for field in FIELDS if field in fields]
    if other := [field for field in there if text_at(fields[field], "type") != FIELDS[field]]:
        told = ", ".join(f"{field} is {text_at(fields[field], 'type')} and not {FIELDS[field]}" for field in other)
        yield Finding(name=f"{name} types", ok=False, words=f"{told}.", fix=_DEPLOY)
    if locked := [field for field in there if fields[field].get("updateable") is not True]:
        words = f"The run-as user may not edit {', '.join(locked)}."
        yield Finding(name=f"{name} rights", ok=False, words=words, fix=_RIGHTS)
    elif there:
        yield Finding(name=f"{name} rights", ok=True, words="The run-as user may edit them.")
    values = picklist(fields.get("WhatsApp_Status__c", {}))
    if values and (lacking := [state for state in STATES if state not in values]):
        yield Finding(
            name=f"{name} status",
            ok=False,
            words=f"The picklist WhatsApp_Status__c lacks {', '.join(lacking)}.",
            fix="Add the values, or give the contact mapping a value table of your own.",
        )


def _objects(client: Client, names: Sequence[str]) -> Iterator[Finding]:
    for name in names:
        try:
            client.describe(name)
        except PermanentError as error:
            yield Finding(
                name=name, ok=False, words=f"{name} cannot be asked for: {error.words}",
                fix="Take it out of the account's objects, or let the run-as user read it.",
            )  # fmt: skip
