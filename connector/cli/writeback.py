"""``connector writebacks``: what shops and CRMs are still to hold, and what they refused."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from connector.cli.console import Commands, say, say_done, say_next, show_json, show_table, tools
from connector.flow import accounts
from connector.flow.explain import hide_phones
from connector.flow.writeback import read
from connector.model import AccountId, now
from connector.store import accounts as account_rows
from connector.store import restraint, write_backs
from connector.store.wanted import LOOK_UP, Row

STATES = {"failed": "refused", "waiting": "waiting", "leased": "being written", "handed_over": "handed over"}


@click.group(cls=Commands)
def writebacks() -> None:
    """See what is still to be written back to shops and CRMs, and what they refused.

    \b
    Example:
      connector writebacks list --failed
    """


@writebacks.command("list")
@click.argument("name", required=False, metavar="[ACCOUNT]")
@click.option("--failed", is_flag=True, help="Only what was refused or given up, and needs a person.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(name: str | None, failed: bool, limit: int, as_json: bool) -> None:
    """List what is not written yet: what was refused first, then what is due soonest.

    \b
    Example:
      connector writebacks list salesforce
    """
    with_, at = tools(), now()
    only = accounts.find(with_.store, name).id if name else None
    with with_.store.read() as tx:
        names = {row.id: row.name for row in account_rows.all_(tx)}
        rows = write_backs.listing(tx, only, states=("failed",) if failed else write_backs.OPEN, most=limit)
        numbers = {id_: found for id_, found in write_backs.count(tx).items() if only in (None, id_)}
        held = {id_: why for id_, why in write_backs.holding_back(tx, at).items() if only in (None, id_)}
    if as_json:
        show_json([_describe(names, row) for row in rows])
        return
    if rows:
        columns = ("ACCOUNT", "RECORD", "FIELD", "VALUE", "STATE", "TRIES", "NEXT", "WORDS")
        show_table(columns, (_line(names, row, at) for row in rows))
    for id_, found in numbers.items():
        say(f"{names.get(id_, id_)}: " + ", ".join(f"{found[key]} {STATES[key]}" for key in STATES if found.get(key)))
    if not rows:
        say("Nothing was refused." if failed else "Nothing waits to be written.")
    for id_, why in held.items():
        if id_ in numbers:
            say(_holds_back(names.get(id_, id_), why, at))
    if any(found.get("failed") for found in numbers.values()):
        say_next("correct what the words say, then connector writebacks retry")


@writebacks.command()
@click.argument("name", required=False, metavar="[ACCOUNT]")
@click.option("--code", default="", help="Only what was refused with this code of the vendor's.")
def retry(name: str | None, code: str) -> None:
    """Have what was refused or given up tried again now; without ACCOUNT, of every account.

    What already waits for its next try keeps its time; an account that holds back because its vendor was in
    trouble is asked again at once.

    \b
    Example:
      connector writebacks retry salesforce --code INVALID_FIELD
    """
    with_ = tools()
    only = accounts.find(with_.store, name).id if name else None
    with with_.store.write() as tx:
        number = write_backs.retry(tx, now(), only, code=code)
        for row in account_rows.all_(tx):
            if only in (None, row.id):
                restraint.lift(tx, row.id)
    say_done(f"{number} {'is' if number == 1 else 'are'} tried again." if number else "Nothing had been refused.")
    if number:
        say_next("connector writebacks list")


def _line(names: dict[AccountId, str], row: Row, at: datetime) -> tuple[str, ...]:
    due = row.state == "waiting"
    return (
        names.get(row.account_id, row.account_id),
        _record(row),
        row.field,
        _value(row),
        STATES[row.state],
        str(row.tries),
        _when(row.not_before, at) if due else "",
        hide_phones(row.words),
    )


def _record(row: Row) -> str:
    if row.record_id.startswith(LOOK_UP):
        return f"{row.object} of {row.record_id.removeprefix(LOOK_UP)}"
    return f"{row.object}:{row.record_id}"


def _value(row: Row) -> str:
    value = read(row.value or "null")
    if row.item:
        return f"{'+' if value is True else '-'}{row.item}"
    return "(empty)" if value in (None, "") else hide_phones(str(value))


def _when(moment: datetime, at: datetime) -> str:
    seconds = round((moment - at).total_seconds())
    if seconds <= 0:
        return "now"
    if seconds < 120:
        return f"in {seconds} s"
    return f"in {seconds // 60} min" if seconds < 7200 else f"in {seconds // 3600} h"


def _holds_back(name: str, held: restraint.Restraint, at: datetime) -> str:
    return f"{name} is not asked again before {held.until:%H:%M:%S} UTC ({_when(held.until, at)}): {held.words}"


def _describe(names: dict[AccountId, str], row: Row) -> dict[str, Any]:
    return {
        "account": names.get(row.account_id, row.account_id),
        "object": row.object,
        "record_id": row.record_id,
        "field": row.field,
        "item": row.item,
        "value": read(row.value or "null"),
        "known": None if row.known is None else read(row.known),
        "contact_id": row.contact_id,
        "state": row.state,
        "tries": row.tries,
        "next_at": row.not_before.isoformat() if row.state == "waiting" else None,
        "waiting_since": row.waiting_since.isoformat() if row.waiting_since else None,
        "code": row.code,
        "words": row.words,
    }
