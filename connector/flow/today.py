"""Today: what needs a person now, with the next step; what is held, and until when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

from connector.flow import drift, rollup, silence
from connector.flow.cause import CAUSES
from connector.model import Account, AccountId, now
from connector.store import Transaction, accounts, counts, figures, held, look, write_backs
from connector.store.figures import Scope
from connector.store.stats import HOUR, hour_of
from connector.store.views import NONE, MessageFilter

SPAN = timedelta(hours=24)
"""Failed messages of so long are looked at."""
MOST_CODES = 3
MOST_DRIFTS = 5
LATE = timedelta(minutes=20)
"""The clock looks at the counts at least every ten minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Something that needs a person."""

    kind: str
    """``engine``, ``account``, ``failed``, ``mapping``, ``silence``, ``requests`` or ``write_back``."""
    tone: str
    """``fail``: people do not get what they should; ``warn``: they soon may not."""
    title: str
    words: str = field(default="", repr=False)
    """What is wrong; a vendor's words may quote somebody."""
    fix: str = ""
    href: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Messages or fields that are held on purpose."""

    title: str
    words: str
    number: int
    due: int = 0
    until: datetime | None = None
    """When the first of them may leave; None: now, or when what holds them is gone."""
    href: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """How the parts stand that everything else needs."""

    queue_answers: bool
    failed_jobs: int


def needs(tx: Transaction, listeners: Iterable[Account], engine: Engine) -> list[Need]:
    """Return what needs a person, the worst first; empty: all is well."""
    at = now()
    found = [
        *_engine(tx, engine, at), *_accounts(tx), *_failed(tx, at), *_drifts(tx), *_silences(tx, listeners),
        *_requests(tx), *_write_backs(tx),
    ]  # fmt: skip
    return sorted(found, key=lambda need: need.tone != "fail")


def _engine(tx: Transaction, engine: Engine, at: datetime) -> Iterator[Need]:
    if not engine.queue_answers:
        yield Need(
            kind="engine", tone="fail", title="The queue does not answer",
            words="Events are still taken in and kept; nothing is decided or sent until it is back.",
            fix="Start Redis or Valkey, or correct REDIS_URL. Nothing is lost meanwhile, only late.",
            href="/accounts", action="See the installation",
        )  # fmt: skip
    counted_at = rollup.progress(tx).counted_at
    if engine.queue_answers and counted_at is not None and at - counted_at > LATE:  # without a queue nothing goes
        minutes = round((at - counted_at).total_seconds() / 60)
        yield Need(
            kind="engine", tone="fail", title="The clock or the workers stand still",
            words=f"Nothing has been counted for {minutes:,} minutes; what waits for its time does not leave either.",
            fix="See that “connector run” is up, with its clock and its workers; the log says what it met.",
        )  # fmt: skip
    if engine.failed_jobs:
        yield Need(
            kind="engine", tone="warn",
            title=_many(engine.failed_jobs, "job has ended", "jobs have ended") + " in a fault",
            words="Only faults of the program end so. What they were about is kept, and was tried again.",
            fix="The log has the fault under job.failed; please report it.",
        )  # fmt: skip


def _accounts(tx: Transaction) -> Iterator[Need]:
    for row in accounts.all_(tx):
        if not row.active:
            yield Need(
                kind="account", tone="fail", title=f"{row.name} is suspended",
                words=row.note or "No reason was kept.",
                fix="Mend what is wrong, then check the account: what waited for it goes on by itself.",
                href=f"/accounts/{quote(row.name)}", action="Check the account",
            )  # fmt: skip


def _failed(tx: Transaction, at: datetime) -> Iterator[Need]:
    since = hour_of(at - SPAN)
    scope = Scope(since=since, until=hour_of(at) + HOUR)
    by_word: dict[str, int] = {}
    for why in figures.reasons(tx, scope):
        if why.kind == "failed":
            by_word[why.word] = by_word.get(why.word, 0) + why.number
    for word, number in sorted(by_word.items(), key=lambda item: -item[1])[:MOST_CODES]:
        known = CAUSES.get(word)
        wanted = MessageFilter(reached="failed", since=since, word=word or NONE)
        found = look.list_messages(tx, wanted, most=1)
        words = known.words if known else found[0].words if found else ""
        code = f": code {word}" if word[:1].isdigit() else ""
        link = {"reached": "failed", "from": f"{since:%Y-%m-%dT%H:%M}", "word": word or NONE}
        yield Need(
            kind="failed", tone="fail",
            title=_many(number, "message has", "messages have") + " failed" + code,
            words=words, fix=known.step if known else "Open one of them: it says what to do next.",
            href=f"/messages?{urlencode(link)}", action="Show them",
        )  # fmt: skip


def _drifts(tx: Transaction) -> Iterator[Need]:
    told = [(name, one) for name, drifts in drift.all_(tx).items() for one in drifts]
    told.sort(key=lambda item: not item[1].stops)
    for name, one in told[:MOST_DRIFTS]:
        yield Need(
            kind="mapping", tone="fail" if one.stops else "warn", title=f"{name}: {_brief(one.kind)}", words=one.words,
            fix=one.fix, href=f"/mappings/{quote(name)}", action="Open the mapping",
        )  # fmt: skip


_BRIEF = {
    "gone": "its template is gone", "paused": "its template is paused", "rejected": "its template is not approved",
    "edited": "its template was edited", "recategorised": "its template has another category",
    "quality": "its template's quality has fallen", "blank_field": "a field stays empty",
    "lost_field": "a field is gone",
}  # fmt: skip


def _brief(kind: str) -> str:
    return _BRIEF.get(kind, kind.replace("_", " "))


def _silences(tx: Transaction, listeners: Iterable[Account]) -> Iterator[Need]:
    for account in listeners:
        found = silence.look(tx, account.id)
        if found is not None and found.ok is False:
            yield Need(
                kind="silence", tone="warn", title=f"{account.name} has gone silent", words=found.words, fix=found.fix,
                href=f"/accounts/{quote(account.name)}", action="Check the account",
            )  # fmt: skip


def _requests(tx: Transaction) -> Iterator[Need]:
    if number := counts.troubled(tx):
        yield Need(
            kind="requests", tone="warn", title=_many(number, "request", "requests") + " could not be read",
            words="They are kept as they came, and were acknowledged.",
            fix="Look at why; after the fix they can be replayed, and nothing is told twice.",
            href="/requests?state=unread", action="Show them",
        )  # fmt: skip


def _write_backs(tx: Transaction) -> Iterator[Need]:
    names = look.account_names(tx)
    for id_, numbers in write_backs.count(tx).items():
        if number := numbers.get("failed", 0):
            (row, *_) = write_backs.listing(tx, AccountId(id_), states=("failed",), most=1)
            name = names.get(id_, "an account that is gone")
            yield Need(
                kind="write_back", tone="warn",
                title=_many(number, "field", "fields") + f" could not be written to {name}",
                words=row.words, fix="Once the cause is gone, let them be tried again: “connector writeback retry”.",
                href=f"/accounts/{quote(name)}", action="Open the account",
            )  # fmt: skip


def waits(tx: Transaction) -> list[Waiting]:
    """Return what is held on purpose, and until when."""
    at = now()
    found = []
    for item in held.held(tx, at):
        cause = CAUSES.get(item.reason)
        title = item.reason.replace("_", " ").capitalize() if item.reason else "Planned for later"
        words = cause.words if cause else "Their mapping lets them wait; each leaves when its time has come."
        link = {"state": "waiting", "window": "all", "word": item.reason or NONE}
        found.append(
            Waiting(
                title=title, words=words, number=item.number, due=item.due, until=item.first,
                href=f"/messages?{urlencode(link)}",
            )
        )  # fmt: skip
    names = look.account_names(tx)
    rows = write_backs.count(tx)
    for id_, restraint in write_backs.holding_back(tx, at).items():
        numbers = rows.get(id_, {})
        name = names.get(id_, id_)
        found.append(
            Waiting(
                title=f"Writing to {name} holds back", words=restraint.words or "The vendor asked us to wait.",
                number=numbers.get("waiting", 0), until=restraint.until, href=f"/accounts/{quote(name)}",
            )
        )  # fmt: skip
    return found


def _many(number: int, one: str, more: str) -> str:
    return f"{number:,} {one if number == 1 else more}"
