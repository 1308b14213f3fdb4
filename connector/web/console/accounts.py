"""Accounts: what is connected, how it stands, and what is still to do at the vendor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import render_template
from werkzeug.wrappers import Response as AnyResponse

from connector.contract import Adapter, Finding, Proof, is_loopback
from connector.errors import ConfigurationError
from connector.flow import accounts, connections, doctor, due
from connector.flow.catchup import CHORE as CATCH_UP
from connector.flow.connections import Connection
from connector.flow.fields import objects_of
from connector.flow.knocks import Knock
from connector.flow.settings import DOTS, Setting, masked, settings_of, write_text
from connector.flow.tending import CHORE as UPKEEP
from connector.model import Account, AccountId, Permission, now
from connector.store import Transaction, addresses
from connector.store.addresses import OldAddress
from connector.web.console import glossary
from connector.web.console.frame import console, may, missing, needs, store, tools

HIDDEN = "…/hooks/" + DOTS
"""A webhook address, for those who may not see it: whoever knows it may post."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A secret of an account: that it is set, and since when as far as that is known."""

    setting: Setting
    count: int
    """How many values are valid; 0: it is not set."""
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """Whether the vendor reaches us: what came to an account's address, and what was refused there."""

    heard_at: datetime | None
    knock: Knock

    @property
    def is_refusing(self) -> bool:
        """Tell whether the last thing that came was refused."""
        refused = self.knock.refused_at
        return refused is not None and (self.heard_at is None or refused > self.heard_at)


@console.get("/accounts")
@needs(Permission.LOOK)
def accounts_() -> str:
    """List the accounts, by what they do."""
    found = connections.look(store(), tools().registry, tools().vault)
    is_embedded = not tools().settings.redis_url
    bell = None if is_embedded and not tools().queue.ping() else tools().queue
    return render_template(
        "console/accounts.html",
        sources=[each for each in found if not each.sends],
        channels=[each for each in found if each.sends],
        installation=[*doctor.examine_installation(store(), bell), _reachable()],
        refused={each.row.id: tools().knocks.of(each.row.id) for each in found},
    )


@console.get("/accounts/<name>")
@needs(Permission.LOOK)
def account(name: str) -> str | AnyResponse:
    """Show one account."""
    found = find(name)
    if found is None:
        return missing("account")
    loaded = None if found.fault else accounts.load(tools().registry, tools().vault, found.row)
    with store().read() as tx:
        old = addresses.old(tx, now(), found.row.id)
        chores = _chores(tx, found)
        since = accounts.secret_times(tx, found.row.id)
    return render_template(
        "console/account.html",
        it=found,
        shown=_shown(found, loaded),
        kept=_kept(found, loaded, since),
        url=webhook_url(found),
        old=[_old_url(each) for each in old],
        light=light(found.row.id),
        chores=chores,
        curl=curl(found, loaded),
        is_local=is_local(),
        objects=objects_of(found.adapter) if found.adapter and found.adapter.crm else (),
        busy=tools().practice.is_busy(found.row.id),
        can_install=found.adapter is not None and found.adapter.authorizer is not None,
    )


@console.get("/accounts/<name>/steps")
@needs(Permission.EDIT_ACCOUNTS)
def account_steps(name: str) -> str | AnyResponse:
    """Show what is left to do at the vendor, with all that is to be copied."""
    found = find(name)
    if found is None or found.adapter is None:
        return missing("account")
    copies = {
        "webhook_url": tools().settings.webhook_url(found.row.token),
        "callback_url": tools().settings.authorize_url(name, "callback"),
        **{key: write_text(setting, found.row.settings.get(key)) for key, setting in _public(found.adapter).items()},
    }
    loaded = None if found.fault else accounts.load(tools().registry, tools().vault, found.row)
    return render_template(
        "console/account_steps.html", it=found, copies=copies, draw=glossary.draw, light=light(found.row.id),
        is_local=is_local(), curl=curl(found, loaded),
    )  # fmt: skip


@console.get("/accounts/<name>/light")
@needs(Permission.LOOK)
def account_light(name: str) -> str | AnyResponse:
    """Draw the light alone, for the script that looks again and again."""
    try:
        row = accounts.find(store(), name)
    except ConfigurationError:
        return missing("account")
    return render_template("console/_account_light.html", light=light(row.id))


def find(name: str) -> Connection | None:
    """Return how an account stands; None where there is none of that name."""
    found = connections.look(store(), tools().registry, tools().vault)
    return next((each for each in found if each.row.name == name), None)


def light(account_id: AccountId) -> Light:
    """Return whether the vendor reaches us."""
    with store().read() as tx:
        heard_at = connections.heard(tx, account_id)
    return Light(heard_at=heard_at, knock=tools().knocks.of(account_id))


def webhook_url(found: Connection) -> str:
    """Return an account's webhook address, as far as who looks may see it; empty where nothing is received."""
    if found.adapter is None or found.adapter.receiver is None:
        return ""
    return tools().settings.webhook_url(found.row.token) if may(Permission.EDIT_ACCOUNTS) else HIDDEN


def curl(found: Connection, loaded: Account | None) -> str:
    """Return commands of a shell that post a signed test webhook; empty where that cannot be said.

    The secret is not in it: whoever runs them types it.
    """
    if found.adapter is None or found.adapter.proof is None or loaded is None or not may(Permission.EDIT_ACCOUNTS):
        return ""
    proof = found.adapter.proof(loaded.settings)
    return _commands(proof, tools().settings.webhook_url(found.row.token)) if proof else ""


def is_local() -> bool:
    """Tell whether the addresses that we tell are reached from this machine alone."""
    host = tools().settings.public_url.partition("//")[2].partition("/")[0]
    return is_loopback(host.rpartition(":")[0].strip("[]") or host)


def _commands(proof: Proof, url: str) -> str:
    def quote(text: str) -> str:
        return "'" + text.replace("'", "'\\''") + "'"

    lines = ["read -rs SECRET   # type or paste it, without echo", f"BODY={quote(proof.body)}"]
    value = "$SECRET"
    if proof.digest:
        binary = f'printf %s "$BODY" | openssl dgst -{proof.digest} -hmac "$SECRET" -binary'
        lines.append(f"DIGEST=$({binary} | {'base64' if proof.encoding == 'base64' else 'xxd -p -c 256'})")
        value = "$DIGEST"
    headers = ["'Content-Type: application/json'", f'"{proof.header}: {proof.prefix}{value}"']
    headers += [quote(f"{name}: {text}") for name, text in proof.more.items()]
    told = "".join(f" \\\n  -H {header}" for header in headers)
    return "\n".join([*lines, f'curl -i {quote(url)}{told} \\\n  -d "$BODY"'])


def _reachable() -> Finding:
    url = tools().settings.public_url
    fix = "Set CONNECTOR_PUBLIC_URL to the https address at which the internet reaches this machine."
    if is_local():
        words = f"{url} is reached from this machine alone; enough for the sandbox, and for no vendor."
        return Finding(name="public URL", ok=None, words=words, fix=fix)
    if not url.startswith("https:"):
        return Finding(name="public URL", ok=False, words=f"{url} is not https, which vendors ask for.", fix=fix)
    return Finding(name="public URL", ok=True, words=f"{url} is where vendors reach us.")


def _public(adapter: Adapter) -> dict[str, Setting]:
    return {setting.name: setting for setting in settings_of(adapter) if not setting.secret}


def _shown(found: Connection, loaded: Account | None) -> Sequence[tuple[Setting, str, bool]]:
    """Return the public settings: what it is, its value, and whether that is only the usual one."""
    if found.adapter is None:
        return ()
    values = masked(found.adapter, loaded.settings) if loaded else dict(found.row.settings)
    return [
        (setting, write_text(setting, values.get(name)), name not in found.row.settings)
        for name, setting in _public(found.adapter).items()
    ]


def _kept(found: Connection, loaded: Account | None, since: Mapping[str, datetime]) -> list[Kept]:
    if found.adapter is None:
        return []
    stored = tools().vault.open_(found.row.secrets) if loaded else {}
    kept = []
    for setting in settings_of(found.adapter):
        if setting.secret:
            value = stored.get(setting.name)
            count = len(value) if isinstance(value, list) else int(bool(value))
            at = since.get(setting.name) or (found.row.created_at if count else None)
            kept.append(Kept(setting=setting, count=count, since=at))
    return kept


def _old_url(old: OldAddress) -> tuple[str, OldAddress]:
    return (tools().settings.webhook_url(old.token) if may(Permission.EDIT_ACCOUNTS) else HIDDEN), old


def _chores(tx: Transaction, found: Connection) -> list[tuple[str, datetime | None]]:
    """Return what is done for an account without being asked, and when it is due next."""
    adapter = found.adapter
    if adapter is None or not found.row.active:
        return []
    told = []
    if adapter.feed is not None:
        told.append(("Asking for what was lost", due.at(tx, CATCH_UP, found.row.id)))
    if adapter.tend is not None:
        told.append(("Looking after subscriptions", due.at(tx, UPKEEP, found.row.id)))
    return told
