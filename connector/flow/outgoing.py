"""Webhooks that leave: who is told, signed by which secret, and what to do where nobody answers.

The form is that of Standard Webhooks: ``webhook-id``, ``webhook-timestamp`` and ``webhook-signature`` (v1) over
``id.timestamp.body``. What was told once is told again under the same id. Bodies hold ids and states; what is
personal is added when a delivery leaves, for endpoints that are allowed it.
"""

from __future__ import annotations

import os
import random
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from standardwebhooks.webhooks import Webhook

from connector.errors import ConfigurationError, ConnectorError
from connector.flow import audit
from connector.flow.accounts import Vault
from connector.http import Answer, Http
from connector.log import get
from connector.model import AccountId, ContactId, Secret, new_id, now
from connector.model.exact import write_json
from connector.security.addresses import is_loopback, is_outside, outside
from connector.store import Store, Transaction, look, news, outgoing, people, tokens
from connector.store.outgoing import DONE, FAILED, WAITING, DeliveryRow, EndpointRow, Try
from connector.store.tokens import TokenRow
from connector.store.views import MessageFilter, MessageRow

JOB = "notify"
SEALED = "outgoing:"
"""How the ids begin under which the secrets of endpoints are kept."""
WAITS = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
)  # fmt: skip
"""After the first attempt, the second, …: together a little more than three days."""
PATIENCE = timedelta(days=5)
"""An endpoint that has failed for so long, with no success in between, is switched off."""
KEPT = timedelta(days=30)
MOST_AT_ONCE = 16
LEASE_SECONDS = 120.0
TIMEOUT = (5.0, 15.0)
MOST_ANSWER = 2048
"""Bytes of an answer that are kept."""
MOST_SECRETS = 2
SECRET_BYTES = 24
MOST_URL, MOST_WORDS = 500, 200

log = get(__name__)


@dataclass(frozen=True, slots=True)
class Made:
    """An endpoint, and the one sight of its new secret."""

    row: EndpointRow
    secret: Secret = field(repr=False)


@dataclass(slots=True)
class Tally:
    """What a run came to."""

    done: int = 0
    failed: int = 0
    left: bool = False


# endpoints


def add(
    store: Store, vault: Vault, url: str, types: Collection[str], *, words: str = "", personal: bool = False,
    loopback: bool = False,
) -> Made:  # fmt: skip
    """Make an endpoint, with a secret that is shown once. Raises ConfigurationError in words for a form."""
    at = now()
    row = EndpointRow(
        id=new_id(), url=check_url(url, loopback=loopback), words=_words(words), types=_types(types),
        with_personal_data=personal, active=True, created_at=at, updated_at=at,
    )  # fmt: skip
    secret = _new_secret()
    with store.write() as tx:
        outgoing.add(tx, row)
        _seal(tx, vault, row.id, [secret], at)
    return Made(row, Secret(secret))


def change(store: Store, id_: str, *, loopback: bool = False, **given: Any) -> EndpointRow:
    """Change ``url``, ``words``, ``types``, ``with_personal_data`` or ``active``. Raises ConfigurationError.

    One that is switched on again begins with a clean record.
    """
    values = dict(given)
    if "url" in values:
        values["url"] = check_url(values["url"], loopback=loopback)
    if "words" in values:
        values["words"] = _words(values["words"])
    if "types" in values:
        values["types"] = list(_types(values["types"]))
    if values.get("active"):
        values |= {"note": "", "failing_since": None}
    at = now()
    with store.write() as tx:
        if not outgoing.change(tx, id_, **values, updated_at=at):
            raise ConfigurationError("There is no such endpoint.")
        if values.get("active") is False:
            outgoing.give_up(tx, id_, at)
        row = outgoing.get(tx, id_)
    if row is None:
        raise ConfigurationError("There is no such endpoint.")
    return row


def remove(store: Store, id_: str) -> bool:
    """Remove an endpoint with its deliveries; False where there is none."""
    with store.write() as tx:
        tokens.delete_(tx, _name(id_))
        return outgoing.remove(tx, id_)


def rotate(store: Store, vault: Vault, id_: str) -> Secret:
    """Give an endpoint a new secret; deliveries are signed by the one before too, until the next rotation."""
    secret, at = _new_secret(), now()
    with store.write() as tx:
        if outgoing.get(tx, id_) is None:
            raise ConfigurationError("There is no such endpoint.")
        _seal(tx, vault, id_, [secret, *_secrets(tx, vault, id_)][:MOST_SECRETS], at)
    return Secret(secret)


def retire(store: Store, vault: Vault, id_: str) -> None:
    """Sign by the newest secret alone from now on."""
    with store.write() as tx:
        _seal(tx, vault, id_, _secrets(tx, vault, id_)[:1], now())


def test(store: Store, id_: str) -> str:
    """Send an endpoint a test and return the delivery's id; it comes whatever kinds were chosen."""
    at = now()
    with store.write() as tx:
        row = outgoing.get(tx, id_)
        if row is None or not row.active:
            raise ConfigurationError("There is no such endpoint, or it is switched off.")
        return outgoing.add_one(tx, id_, "endpoint.test", f"endpoint.test:{new_id()}", {"endpoint_id": id_}, at)


def is_here(public_url: str) -> bool:
    """Tell whether this installation is one on somebody's own machine, whose webhooks may go to that machine."""
    return is_loopback(urlsplit(public_url).hostname or "")


def check_url(url: str, *, loopback: bool) -> str:
    """Return an address that webhooks may be sent to. Raises ConfigurationError.

    Where its name leads is looked at in the moment of connecting, each time: names change.
    """
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ConfigurationError("url: this is not a URL.") from None
    if len(url) > MOST_URL or not host or not url.isascii() or any(char.isspace() for char in url.strip()):
        raise ConfigurationError(f"url: must be a URL such as https://shop.example/hooks, of {MOST_URL} signs at most.")
    if parts.username is not None or parts.fragment:
        raise ConfigurationError("url: leave user names, passwords and what stands behind # out.")
    here = loopback and is_loopback(host)
    if parts.scheme != "https" and not (parts.scheme == "http" and here):
        raise ConfigurationError("url: must begin with https://.")
    is_address = host.replace(".", "").isdigit() or ":" in host
    if (is_address and not is_outside(host, loopback=loopback)) or (is_loopback(host) and not here):
        raise ConfigurationError("url: this address is not on the public network; webhooks go nowhere else.")
    return url.strip()


def _types(types: Collection[str]) -> tuple[str, ...]:
    chosen = tuple(name for name in news.CHOSEN if name in types)
    if unknown := sorted(set(types) - set(chosen)):
        raise ConfigurationError(f"types: there is no {', '.join(unknown)[:100]}.")
    if not chosen:
        raise ConfigurationError("types: choose at least one kind of news.")
    return chosen


def _words(words: str) -> str:
    return " ".join(words.split())[:MOST_WORDS]


def _new_secret() -> str:
    return "whsec_" + b64encode(os.urandom(SECRET_BYTES)).decode()


def _name(id_: str) -> AccountId:
    # Kept beside the tokens, since they are sealed, and sealed anew with another key, as those are.
    return AccountId(f"{SEALED}{id_}")


def _seal(tx: Transaction, vault: Vault, id_: str, secrets: Sequence[str], at: datetime) -> None:
    sealed = vault.seal({"secrets": list(secrets)})
    tokens.put(tx, TokenRow(account_id=_name(id_), sealed=sealed, expires_at=None, updated_at=at))


def _secrets(tx: Transaction, vault: Vault, id_: str) -> list[str]:
    row = tokens.get(tx, _name(id_))
    return list(vault.open_(row.sealed)["secrets"]) if row is not None else []


# deliveries


class Courier:
    """Carries deliveries; safe to be run by several processes at once."""

    def __init__(self, store: Store, vault: Vault, *, owner: str, loopback: bool = False) -> None:
        """``loopback``: addresses of this machine count as outside; for trials."""
        self._store, self._vault, self._owner = store, vault, owner
        self._loopback = loopback
        self._https: dict[str, Http] = {}
        self._lock = threading.Lock()

    def run(self, enough: Callable[[], bool] = lambda: False) -> Tally:
        """Carry what is due until nothing is, or ``enough`` says so."""
        tally = Tally()
        with ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="notify") as pool:
            while not enough():
                with self._store.write() as tx:
                    rows = outgoing.lease(tx, self._owner, MOST_AT_ONCE, LEASE_SECONDS)
                if not rows:
                    break
                letters = self._letters(rows)
                for row, tried, gone in pool.map(self._carry, letters):
                    self._write(row, tried, gone, tally)
        with self._store.write() as tx:
            outgoing.prune(tx, now() - KEPT)
            tally.left = outgoing.is_due(tx)
        for http in self._https.values():
            http.close()
        return tally

    def _letters(self, rows: Sequence[DeliveryRow]) -> list[_Letter]:
        letters = []
        with self._store.read() as tx:
            for row in rows:
                endpoint = outgoing.get(tx, row.endpoint_id)
                if endpoint is None or not endpoint.active:
                    letters.append(_Letter(row, None, b"", ()))
                    continue
                body = write_json(envelope(tx, row, personal=endpoint.with_personal_data)).encode("utf-8", "replace")
                letters.append(_Letter(row, endpoint, body, tuple(self._keys(tx, endpoint.id))))
        return letters

    def _keys(self, tx: Transaction, id_: str) -> list[str]:
        try:
            return _secrets(tx, self._vault, id_)
        except ConfigurationError:  # sealed by a key that is gone: told in the attempt
            return []

    def _carry(self, letter: _Letter) -> tuple[DeliveryRow, Try, bool]:
        row, started, at = letter.row, time.perf_counter(), now()
        status, words, said = None, "", ""
        if letter.endpoint is None:
            words = "The endpoint is switched off."
        elif not letter.secrets:
            words = "Its secret cannot be read; rotate it."
        else:
            try:
                answer = self._post(letter.endpoint.url, row.id, letter.body, letter.secrets, at)
                status, said = answer.status, _readable(answer.body)
                words = "" if 200 <= status < 300 else f"It answered {status}; 2xx says that it was taken."
            except ConnectorError as error:
                words = str(error)
            except Exception as error:  # one endpoint's oddness must not cost the others their news
                log.exception("delivery.failed", delivery_id=row.id)
                words = f"It could not be sent ({type(error).__name__})."
        ms = int((time.perf_counter() - started) * 1000)
        tried = Try(delivery_id=row.id, at=at, ms=ms, status=status, words=words[:500], answer=said)
        return row, tried, letter.endpoint is None or status == 410

    def _post(self, url: str, id_: str, body: bytes, secrets: Sequence[str], at: datetime) -> Answer:
        parts = urlsplit(url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
        name = f"{host}:{parts.port}" if parts.port else host
        with self._lock:  # one for all threads: another would be lost, and never closed
            if name not in self._https:
                self._https[name] = Http([name], threads=MOST_AT_ONCE, timeout=TIMEOUT, guard=self._guard)
        return self._https[name].request("POST", url, data=body, headers=sign(id_, at, body, secrets), most=MOST_ANSWER)

    def _guard(self, host: str, port: int) -> list[str]:
        return outside(host, port, loopback=self._loopback)

    def _write(self, row: DeliveryRow, tried: Try, gone: bool, tally: Tally) -> None:
        ok = not tried.words
        wait = WAITS[row.tries] * random.uniform(1, 1.1) if row.tries < len(WAITS) else None  # noqa: S311 - not a secret
        state = DONE if ok else FAILED if wait is None or gone else WAITING
        off = ""
        with self._store.write() as tx:
            outgoing.end(tx, self._owner, row, tried, state=state, not_before=tried.at + wait if wait else None)
            endpoint = outgoing.get(tx, row.endpoint_id)
            if endpoint is not None and endpoint.active:
                off = _judge(tx, endpoint, tried, ok=ok)
        tally.done += ok
        tally.failed += not ok
        if off:
            audit.record(self._store, "system", "the connector", "outgoing.switched_off", row.endpoint_id, off)
            log.error("endpoint.switched_off", endpoint_id=row.endpoint_id, words=off)


@dataclass(frozen=True, slots=True)
class _Letter:
    row: DeliveryRow
    endpoint: EndpointRow | None
    body: bytes = field(repr=False)
    secrets: Sequence[str] = field(repr=False)


def _judge(tx: Transaction, endpoint: EndpointRow, tried: Try, *, ok: bool) -> str:
    """Note how an endpoint fares; return why it is switched off, where it is."""
    if ok:
        if endpoint.failing_since is not None:
            outgoing.change(tx, endpoint.id, failing_since=None)
        return ""
    since = endpoint.failing_since or tried.at
    if endpoint.failing_since is None:
        outgoing.change(tx, endpoint.id, failing_since=since)
    words = ""
    if tried.status == 410:
        words = "It answered 410 Gone: nobody wants to be told there any more."
    elif tried.at - since >= PATIENCE:
        words = f"Nothing went through since {since:%Y-%m-%d %H:%M} UTC. {tried.words}"
    if words:
        outgoing.change(tx, endpoint.id, active=False, note=words[:500], updated_at=tried.at)
        outgoing.give_up(tx, endpoint.id, tried.at)
    return words


def sign(id_: str, at: datetime, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """Return the headers of a delivery, signed by each of the secrets."""
    signatures = " ".join(Webhook(secret).sign(id_, at, body.decode()) for secret in secrets)
    return {
        "Content-Type": "application/json", "Accept-Encoding": "identity", "webhook-id": id_,
        "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signatures,
    }  # fmt: skip


def envelope(tx: Transaction, row: DeliveryRow, *, personal: bool) -> dict[str, Any]:
    """Return what is told: id, type, timestamp, data; with what is personal only where that is allowed."""
    data = {name: value for name, value in row.data.items() if name != "reply"}
    if names := data.get("account_id"):
        data["account"] = look.account_names(tx).get(names, "")
    if message_id := data.get("message_id"):
        found = look.list_messages(tx, MessageFilter(ids=[message_id]))
        data |= _message(found[0], personal=personal) if found else {}
    if personal and data.get("contact_id"):
        data["contact"] = _contact(tx, data["contact_id"])
    return {"id": row.id, "type": row.type, "timestamp": row.at, "data": data}


def _message(row: MessageRow, *, personal: bool) -> dict[str, Any]:
    told = {
        "mapping": row.mapping, "version": row.version, "template": row.template, "language": row.language,
        "category": row.category, "event_id": row.event_id, "contact_id": row.contact_id, "subject": row.subject,
        "channel": row.channel, "source": row.source,
    }  # fmt: skip
    if not personal:
        return told
    # The channel's own id of a message holds the number that it went to.
    return told | {
        "recipient": row.recipient, "slots": dict(row.slots), "label": row.label, "remote_id": row.remote_id,
    }  # fmt: skip


def _contact(tx: Transaction, id_: str) -> Mapping[str, str] | None:
    found = people.load(tx, [ContactId(id_)]).get(ContactId(id_))
    return {"name": found.name, "phone": found.phone, "email": found.email} if found else None


def _readable(body: bytes) -> str:
    text = body[:MOST_ANSWER].decode("utf-8", "replace").replace("\0", "\ufffd")
    return "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text)
