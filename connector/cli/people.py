"""``connector people``: who is known, one person on one screen, labels, blocks, merging."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from connector.cli.console import Commands, enter, say, say_done, say_next, show_json, show_table, tools
from connector.cli.person import WHO, account, actor, actor_name, as_json, ask, find, meant, yes
from connector.cli.privacy import erase, export, requests
from connector.cli.screen import say_person
from connector.errors import ConfigurationError
from connector.flow import by_hand
from connector.flow.portrait import whom
from connector.flow.story import hide_phone
from connector.model import Contact, Purpose, now
from connector.store import Transaction, consents, labels
from connector.store import people as rows
from connector.wiring import Wiring

reveal = click.option("--reveal", is_flag=True, help="Show numbers and addresses whole.")


@click.group(cls=Commands)
def people() -> None:
    """See who is known, change labels and blocks, hand out or forget what is stored of somebody.

    A person is named by a phone number with its country code, an e-mail address, the id of a contact, or a
    record of a shop or CRM (Contact:003000000000001AAA, with --account).

    \b
    Example:
      connector people show "+44 7400 123456"
    """


@people.command("list")
@click.argument("text", required=False, metavar="[TEXT]")
@click.option("--label", default="", metavar="NAME", help="Only people who have this label.")
@click.option("--blocked", is_flag=True, help="Only people to whom nothing is sent: blocked, or not on WhatsApp.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many.")
@click.option("--before", default="", metavar="ID", help="Continue below this contact, for the next page.")
@reveal
@as_json
def list_(text: str | None, label: str, limit: int, before: str, as_json: bool, **flags: bool) -> None:
    """List people, the newest first; TEXT is a number, an e-mail address, a record, or a part of the name.

    \b
    Examples:
      connector people list
      connector people list fernhill
      connector people list --label vip --json
    """
    if text and (label or flags["blocked"] or before):
        raise ConfigurationError("Give TEXT alone: it is looked for among all people.")
    with tools().store.read() as tx:
        if text:
            named = rows.load(tx, whom(tx, text)).values()
            found = list({item.id: item for item in (*named, *rows.search(tx, text, limit))}.values())[:limit]
        else:
            found = rows.listing(tx, label_name=label, blocked=flags["blocked"], before=before, most=limit)
        shapes = _shapes(tx, found, whole=flags["reveal"])
    if as_json:
        show_json(shapes)
        return
    if not shapes:
        say("Nobody is like that." if text or label or flags["blocked"] else "Nobody is known yet.")
        return
    columns = ("CONTACT", "PHONE", "NAME", "MARKETING", "LABELS", "SENDING")
    show_table(columns, [[str(shape[name.lower()] or "") for name in columns] for shape in shapes])
    if len(found) == limit and not text:
        say_next(f"connector people list --before {found[-1].id} shows older ones")


def _shapes(tx: Transaction, found: Sequence[Contact], *, whole: bool) -> list[dict[str, Any]]:
    ids = [item.id for item in found]
    standings, wearing = consents.standings(tx, ids), labels.of(tx, ids)
    return [
        {
            "contact": item.id,
            "phone": item.phone if whole else hide_phone(item.phone),
            "name": item.name,
            "marketing": standing.state.value
            if (standing := standings.get((item.id, Purpose.MARKETING)))
            else "unknown",
            "labels": ", ".join(wearing.get(item.id, ())),
            "sending": "blocked" if item.blocked_at else "not on WhatsApp" if item.unreachable_at else "",
            "updated_at": item.updated_at.isoformat(),
        }
        for item in found
    ]


@people.command()
@click.argument("who", metavar=WHO)
@account
@reveal
@as_json
def show(who: str, account: str, reveal: bool, as_json: bool) -> None:
    """Show one person on one screen: keys, consent, labels, conversations, messages, write-backs.

    \b
    Examples:
      connector people show "+44 7400 123456"
      connector people show customer:5521 --account main-store --reveal
    """
    with tools().store.read() as tx:
        say_person(tx, find(tx, who, account), whole=reveal, as_json=as_json)


@people.command("labels")
@as_json
def labels_(as_json: bool) -> None:
    """List the labels that people have, and how many have each.

    \b
    Example:
      connector people labels
    """
    with tools().store.read() as tx:
        found = labels.count(tx)
    if as_json:
        show_json(found)
    elif found:
        show_table(("LABEL", "PEOPLE"), [(name, f"{number:,}") for name, number in found.items()])
    else:
        say("Nobody has a label.")


@people.command("label")
@click.argument("who", metavar=WHO)
@click.argument("name", metavar="LABEL")
@click.option("--reason", default="", help="Why, for the history.")
@account
@actor
def label_(who: str, name: str, account: str, actor: str, reason: str) -> None:
    """Put a label on a person; shops and CRMs get it as their contact mappings say.

    \b
    Example:
      connector people label "+44 7400 123456" vip
    """
    _label(who, name, account, actor, reason, added=True)


@people.command()
@click.argument("who", metavar=WHO)
@click.argument("name", metavar="LABEL")
@click.option("--reason", default="", help="Why, for the history.")
@account
@actor
def unlabel(who: str, name: str, account: str, actor: str, reason: str) -> None:
    """Take a label off a person; their records in shops and CRMs lose it too.

    \b
    Example:
      connector people unlabel "+44 7400 123456" vip
    """
    _label(who, name, account, actor, reason, added=False)


def _label(who: str, name: str, account: str, actor: str, reason: str, *, added: bool) -> None:
    with_, id_ = meant(who, account)
    by = actor_name(actor)
    done = by_hand.label(with_.store, with_.desk, id_, name, now(), added=added, by=by, reason=reason)
    if not done.changed:
        say(f"Nothing to do: they {'have it already' if added else 'do not have it'}.")
        return
    _ring(with_, done)
    enter("person.labelled", id_, f"{name} {'added' if added else 'removed'}")
    say_done(f"Label {name} {'added' if added else 'removed'}.")


@people.command()
@click.argument("who", metavar=WHO)
@click.option("--reason", required=True, help="Why: it is shown wherever somebody asks why nothing is sent.")
@account
@actor
def block(who: str, reason: str, account: str, actor: str) -> None:
    """Send nothing to a person any more, of any kind; what waits already does not leave.

    Their consent stays as it is: for somebody who does not want to be written to, use `consent revoke`.

    \b
    Example:
      connector people block "+44 7400 123456" --reason "disputed order, by the legal department"
    """
    with_, id_ = meant(who, account)
    done = by_hand.block(with_.store, id_, now(), by=actor_name(actor), reason=reason)
    if done.changed:
        enter("person.blocked", id_)
    say_done("Blocked." if done.changed else "They were blocked already; that reason stays.")


@people.command()
@click.argument("who", metavar=WHO)
@account
def unblock(who: str, account: str) -> None:
    """Let a person be written to again, within their consent; also one who was not on WhatsApp.

    \b
    Example:
      connector people unblock "+44 7400 123456"
    """
    with_, id_ = meant(who, account)
    done = by_hand.unblock(with_.store, id_, now())
    if done.changed:
        enter("person.unblocked", id_)
    say_done("Unblocked." if done.changed else "They were not blocked.")


@people.command()
@click.argument("keep", metavar="KEEP")
@click.argument("gone", metavar="OTHER")
@click.option("--reason", default="", help="Why they are the same person.")
@account
@actor
@yes
def merge(keep: str, gone: str, reason: str, account: str, actor: str, yes: bool) -> None:
    """Make two contacts one: KEEP stays, and has the keys, labels and history of OTHER too.

    A revocation of either holds for both. It cannot be undone.

    \b
    Example:
      connector people merge "+44 7400 123456" Contact:003000000000001AAA --reason "said so at the till"
    """
    with_, first = meant(keep, account)
    _, second = meant(gone, account)
    if first != second:
        ask(f"{second} becomes a part of {first}, for good. Do it?", yes=yes)
    done = by_hand.merge(with_.store, with_.desk, first, second, now(), by=actor_name(actor), reason=reason)
    _ring(with_, done)
    enter("person.merged", first, other=second)
    say_done(f"{second} is a part of {first} now.")


def _ring(with_: Wiring, done: by_hand.Done) -> None:
    for account_id in done.accounts:
        with_.queue.ring("write_back", account_id)


people.add_command(export)
people.add_command(erase)
people.add_command(requests)
