"""``connector people export``, ``erase``, ``requests``: telling people what is stored of them, and forgetting them."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from connector.cli.console import enter, fail, say, say_done, say_mark, say_next, show_json, tools
from connector.cli.person import WHO, account, as_json, ask, find, meant, private, progress, yes
from connector.errors import ConfigurationError
from connector.flow import dossier, privacy, redact
from connector.flow.erasure import digester
from connector.model import AccountId, Key, KeyKind, now
from connector.store import Transaction, accounts, events
from connector.store import people as rows
from connector.store import privacy as asked
from connector.store.privacy import DATA_REQUEST, Asked

STDOUT = Path("-")


@click.command()
@click.argument("who", required=False, metavar=f"[{WHO}]")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="A file, or - .")
@click.option("--request", "request_id", default="", metavar="ID", help="Fulfil this request of `people requests`.")
@account
def export(who: str | None, output: Path, request_id: str, account: str) -> None:
    """Write all that is stored of a person as JSON, for them to have; docs/security.md tells its form.

    \b
    Examples:
      connector people export "+44 7400 123456" --output jane.json
      connector people export --request 01m81m2y7r0fjjvfden7manqc5 --output jane.json
    """
    with_ = tools()
    if bool(who) == bool(request_id):
        raise ConfigurationError("Say whose data it is, or --request ID; not both.")
    with with_.store.read() as tx:
        item = _request(tx, request_id) if request_id else None
        given = _of_request(tx, item) if item else {"id_": find(tx, who or "", account)}
    with progress() as step:
        told = dossier.compile_(with_.store, with_.desk.accounts, progress=step, **given)
    text = json.dumps(told, ensure_ascii=False, indent=2, default=str) + "\n"
    if output == STDOUT:
        click.echo(text, nl=False)
    else:
        with private(output) as stream:
            stream.write(text)
        say_done(f"{output} holds all that is stored. Hand it over, and delete it.")
    enter("person.exported", given["id_"] or request_id)
    if item is not None:
        with with_.store.write() as tx:
            asked.finish(tx, item.id, "Exported for them.", now())


def _request(tx: Transaction, id_: str) -> Asked:
    item = asked.get(tx, id_.strip().lower())
    if item is None or item.kind != DATA_REQUEST:
        raise ConfigurationError(f"There is no data request {id_}; `connector people requests` lists them.")
    if item.state == "done" and not item.record:
        raise ConfigurationError(f"The person of request {id_} has been erased: {item.words}")
    return item


def _of_request(tx: Transaction, item: Asked) -> dict[str, Any]:
    key = Key(KeyKind.RECORD, item.record, item.account_id)
    told = events.subjects_of(tx, [item.event_id]).get(item.event_id, [])
    records = {(item.account_id, name) for name in (item.record, *told)}
    return {"id_": rows.find(tx, [key]).get(key), "records": records, "forms": redact.named(tx, item)}


@click.command()
@click.argument("who", metavar=WHO)
@account
@yes
@as_json
def erase(who: str, account: str, yes: bool, as_json: bool) -> None:
    """Forget a person for good: contact, consent, labels, words, and the bytes of requests that mention them.

    What is kept of somebody who refused is a hash of their number, so that it is not written to again. The
    shop and the CRM keep what they have: erase the person there too, or they are told to us anew.

    \b
    Example:
      connector people erase "+44 7400 123456"
    """
    with_, id_ = meant(who, account)
    ask(f"Contact {id_} and all that is stored of them will be gone for good. Do it?", yes=yes)
    with progress(quiet=as_json) as step:
        done = privacy.erase(with_.store, digester(with_.store, with_.vault), id_, step)
    enter("person.erased", id_)
    if as_json:
        show_json(asdict(done))
        return
    say_done(
        f"Forgotten. {done.messages} messages, {done.requests} stored requests and {done.replies} replies were emptied."
    )
    if done.refusals:
        say(f"  Kept: {done.refusals} hashes of what they had refused.")
    say_next("erase them in the shop and the CRM too")


@click.command()
@click.option("--all", "every", is_flag=True, help="Also what is done.")
@click.option("--work", is_flag=True, help="Forget at once whoever shops want forgotten; the worker does it anyway.")
@as_json
def requests(every: bool, work: bool, as_json: bool) -> None:
    """List what shops asked for in their customers' name, and by when it is due; red is overdue.

    To forget a customer or a shop is done by the worker. To tell a customer what is stored is for you:
    `connector people export --request ID`.

    \b
    Example:
      connector people requests
    """
    with_, at = tools(), now()
    if work:
        with progress(quiet=as_json) as step:
            worked = redact.work_off(with_.store, digester(with_.store, with_.vault), progress=step)
        if worked.failed:
            fail(f"{worked.failed} could not be worked off; the log says why.")
    with with_.store.read() as tx:
        found = asked.listing(tx, states=("open", "done") if every else ("open",))
        names = {row.id: row.name for row in accounts.all_(tx)}
    if as_json:
        show_json([_request_shape(item, names, at) for item in found])
    for item in () if as_json else found:
        _say_request(item, names, at)
    if not found and not as_json:
        say("Nothing is open." if not every else "Nothing has been asked for.")
    if any(_is_overdue(item, at) for item in found):
        sys.exit(1)


def _say_request(item: Asked, names: dict[AccountId, str], at: datetime) -> None:
    of = f"{item.record or 'somebody who is forgotten'} of {names.get(item.account_id, item.account_id)}"
    if item.state == "done":
        say_mark(True, item.kind, f"{of}, {item.id}: done {item.done_at:%Y-%m-%d}. {item.words}")
        return
    days = (item.due_at - at).days
    when = f"{-days} days overdue" if _is_overdue(item, at) else f"in {days} days"
    fix = f"connector people export --request {item.id} --output FILE" if item.kind == DATA_REQUEST else ""
    fix = fix or "is a worker running? connector people requests --work does it now"
    say_mark(False if _is_overdue(item, at) else None, item.kind, f"{of}: due {item.due_at:%Y-%m-%d}, {when}", fix)


def _is_overdue(item: Asked, at: datetime) -> bool:
    return item.state == "open" and item.due_at < at


def _request_shape(item: Asked, names: dict[AccountId, str], at: datetime) -> dict[str, Any]:
    told = asdict(item) | {"account": names.get(item.account_id, item.account_id), "overdue": _is_overdue(item, at)}
    del told["account_id"]
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in told.items()}
