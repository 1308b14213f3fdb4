"""The connection doctor: what the adapter finds about an account, and what we find about ourselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from connector.contract import Adapter, Finding, Kit, Visit, is_loopback
from connector.errors import ConfigurationError, ConnectorError, RemoteError
from connector.flow import catchup, silence, tending
from connector.flow.accounts import Registry
from connector.http import Http
from connector.model import Account, now
from connector.store import Store, Transaction, accounts

if TYPE_CHECKING:
    from connector.queue import Bell

MAX_SKEW = 60.0
"""Seconds that this machine's clock may be off: signatures and tokens are refused far beyond it."""


def examine(
    store: Store, registry: Registry, account: Account, webhook_url: str, kit: Kit | None = None
) -> tuple[Finding, ...]:
    """Visit an account: its adapter's doctor, the clock, the public URL. Raises nothing that a vendor says.

    An account that was suspended is resumed where nothing is wrong and something was found to be right. Of
    one in use it is also told how it was last looked after and caught up with. ``kit`` is for an account
    that is stored.
    """
    adapter = registry.get(account.adapter)
    findings = tuple(_visit(adapter, account, webhook_url, kit))
    if not account.active:  # what was found in the past is no reason against it any more
        return (*findings, _resume(store, account, findings))
    silence.observe(store)
    with store.read() as tx:
        return findings + tuple(_remember(tx, adapter, account))


def passes(findings: Iterable[Finding]) -> bool:
    """Tell whether nothing is wrong."""
    return all(finding.ok is not False for finding in findings)


def examine_installation(store: Store, bell: Bell | None) -> Iterator[Finding]:
    """Look at what all accounts stand on: the database, and the queue (None: the embedded one is not running)."""
    with store.read() as tx:
        count = len(accounts.all_(tx))
    kind = "SQLite" if store.is_sqlite else "PostgreSQL"
    yield Finding(name="database", ok=True, words=f"{kind} answers; {count} accounts.")
    if bell is None:
        words = "The embedded queue runs while `connector run` does, and does not run now."
        yield Finding(name="queue", ok=None, words=words)
    elif bell.ping():
        yield Finding(name="queue", ok=True, words=f"answers; {bell.depth() or 0} jobs wait.")
    else:
        fix = "Start Redis or Valkey, or correct REDIS_URL. Nothing is lost meanwhile, only late."
        yield Finding(name="queue", ok=False, words="does not answer.", fix=fix)


def _remember(tx: Transaction, adapter: Adapter, account: Account) -> Iterator[Finding]:
    """Yield what the connector found by itself, the last time that it looked."""
    if adapter.feed is not None and (caught := catchup.look(tx, account.id)) is not None:
        yield caught
    if adapter.tend is not None:
        yield from tending.look(tx, account.id)
    if silence.listens(adapter) and (heard := silence.look(tx, account.id)) is not None:
        yield heard


def _visit(adapter: Adapter, account: Account, webhook_url: str, kit: Kit | None) -> Iterator[Finding]:
    hosts = list(adapter.hosts(account.settings))
    http = Http(hosts, threads=2)
    told: set[str] = set()
    try:
        if adapter.check is None:
            yield Finding(name="connection", ok=None, words=f"{adapter.title} offers nothing to check.")
        else:
            for finding in adapter.check(Visit(account.settings, http, webhook_url, kit)):
                told.add(finding.name)
                yield finding
    except ConnectorError as error:
        advice = error.advice if isinstance(error, RemoteError) else ""
        fix = advice or "Correct the account's settings."
        yield Finding(name="connection", ok=False, words=str(error), fix=fix)
    if "clock" not in told:
        yield _check_clock(http, hosts)
    if "public URL" not in told:
        yield _check_public_url(webhook_url, hosts)
    http.close()


def _check_clock(http: Http, hosts: Sequence[str]) -> Finding:
    if not hosts:
        return Finding(name="clock", ok=None, words="This account calls nobody whose clock could be asked.")
    scheme = "http" if _is_near(hosts[0]) else "https"
    try:
        answer = http.request("HEAD", f"{scheme}://{hosts[0]}/")
        theirs = parsedate_to_datetime(answer.headers.get("date", ""))
        seconds = (now() - theirs).total_seconds()
    except (RemoteError, ConfigurationError, ValueError, TypeError):
        return Finding(name="clock", ok=None, words=f"{hosts[0]} did not tell the time.")
    if abs(seconds) <= MAX_SKEW:
        return Finding(name="clock", ok=True, words=f"agrees with {hosts[0]}.")
    side = "ahead of" if seconds > 0 else "behind"
    return Finding(
        name="clock",
        ok=False,
        words=f"This machine's clock is {abs(seconds):.0f} seconds {side} that of {hosts[0]}.",
        fix="Let the machine keep time by NTP: `timedatectl set-ntp true`.",
    )


def _check_public_url(webhook_url: str, hosts: Sequence[str]) -> Finding:
    parts = urlsplit(webhook_url)
    where = f"{parts.scheme}://{parts.netloc}"
    fix = "Set CONNECTOR_PUBLIC_URL to the https address at which the internet reaches this machine."
    if is_loopback(parts.hostname or ""):
        # A stand-in on this machine reaches us here; a vendor does not.
        ok = None if hosts and all(map(_is_near, hosts)) else False
        words = f"{where} is reached from this machine alone."
        return Finding(name="public URL", ok=ok, words=words, fix=fix)
    if parts.scheme != "https":
        return Finding(name="public URL", ok=False, words=f"{where} is not https, which vendors ask for.", fix=fix)
    return Finding(name="public URL", ok=True, words=f"{where} is set; whether it is reached, the first webhook tells.")


def _is_near(host: str) -> bool:
    return is_loopback(urlsplit(f"//{host}").hostname or "")


def _resume(store: Store, account: Account, findings: Sequence[Finding]) -> Finding:
    if not passes(findings) or not any(finding.ok for finding in findings):
        words = f"Suspended: {account.note or 'no reason was kept'}"
        return Finding(name="account", ok=False, words=words, fix="Fix what is wrong above, then check again.")
    with store.write() as tx:
        accounts.resume(tx, account.id, now())
    return Finding(name="account", ok=True, words="was suspended and is in use again; what waited for it is sent.")
