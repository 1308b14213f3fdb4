"""``connector consent``: what people agreed to, with the evidence; entering, importing, exporting, proving it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from connector.cli.console import Commands, enter, fail, say, say_done, say_mark, say_next, show_json, show_table, tools
from connector.cli.person import WHO, account, actor, actor_name, as_json, private
from connector.flow import optins
from connector.flow.admit import Admitted, Notary, Statement, whose
from connector.flow.explain import hide_phones
from connector.flow.proof import Proof, entry_shape, prove, shape, standing_shape
from connector.model import AccountId, ConsentState, Entry, Purpose, Source, now, parse_time
from connector.policy.consent import plain
from connector.store import Transaction, accounts
from connector.wiring import Wiring

MARKS = {ConsentState.GRANTED: True, ConsentState.REVOKED: False}
MOST_FAULTS = 50


@click.group(cls=Commands)
def consent() -> None:
    """Know, enter and prove what people agreed to: marketing, utility, authentication.

    A person is named by a phone number with its country code, an e-mail address, the id of a contact, or a
    record of a shop or CRM (Contact:003000000000001AAA, with --account).

    \b
    Example:
      connector consent show "+44 7400 123456"
    """


@consent.command()
@click.argument("who", metavar=WHO)
@account
@as_json
def show(who: str, account: str, as_json: bool) -> None:
    """Show where a person stands for each purpose, why, and every entry of the ledger about them.

    \b
    Examples:
      connector consent show "+44 7400 123456"
      connector consent show Contact:003000000000001AAA --account salesforce --json
    """
    with_ = tools()
    with with_.store.read() as tx:
        proof = _proof(tx, who, account, by="")
    if as_json:
        show_json(
            {
                "contact": proof.contact.id,
                "standings": {purpose.value: standing_shape(item) for purpose, item in proof.standings.items()},
                "entries": [entry_shape(entry, proof.account_of(entry)) for entry in proof.entries],
            }
        )
        return
    say(f"Contact {proof.contact.id}")
    for purpose, standing in proof.standings.items():
        say_mark(MARKS.get(standing.state), purpose, f"{standing.state}. {standing.words}")
    if proof.entries:
        say("")
        show_table(("WHEN (UTC)", "PURPOSE", "STATE", "SOURCE", "PLACE", "EVIDENCE"), map(_line, proof.entries))
    say_next("connector consent proof … prints all of it as a page")


@consent.command()
@click.argument("who", metavar=WHO)
@click.option("--purpose", type=click.Choice([item.value for item in Purpose]), required=True)
@click.option("--place", required=True, help="Where and how the person agreed: 'form at the till, Main Street'.")
@click.option("--wording", default="", help="The words that the person agreed to.")
@click.option("--wording-version", default="", help="Which version of them.")
@click.option("--at", callback=lambda _ctx, _param, value: _moment(value), help="When; default: now.")
@account
@actor
@as_json
def grant(who: str, purpose: str, as_json: bool, **given: Any) -> None:
    """Enter that a person agreed. It counts if it is newer than their last revocation.

    \b
    Example:
      connector consent grant "+44 7400 123456" --purpose marketing --place "form at the till, Main Street" \\
        --wording "Yes, send me offers by WhatsApp" --at 2026-05-03T14:30:00+02:00
    """
    done = _enter(who, ConsentState.GRANTED, [purpose], **given)
    if as_json:
        show_json(_admitted(done[0]))
    else:
        _say_admitted(done, ConsentState.GRANTED)


@consent.command()
@click.argument("who", metavar=WHO)
@click.option(
    "--purpose",
    "purposes",
    type=click.Choice([item.value for item in Purpose]),
    multiple=True,
    help="May be given several times; default: every purpose.",
)
@click.option("--place", default="", help="Where and how the person said so: 'call to the shop'.")
@click.option("--wording", default="", help="What the person said.")
@click.option("--at", callback=lambda _ctx, _param, value: _moment(value), help="When; default: now.")
@account
@actor
@as_json
def revoke(who: str, purposes: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Enter that a person does not want to be written to; without --purpose, about anything.

    It holds at once, also for messages that wait already. A number that is not known yet is remembered.

    \b
    Example:
      connector consent revoke "+44 7400 123456" --place "call to the shop"
    """
    done = _enter(who, ConsentState.REVOKED, purposes or [item.value for item in Purpose], **given)
    if as_json:
        show_json([_admitted(item) for item in done])
    else:
        _say_admitted(done, ConsentState.REVOKED)


@consent.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--purpose", default="", type=click.Choice(["", *(item.value for item in Purpose)]), help="For all rows.")
@click.option("--place", default="", help="Where and how it was collected, for rows that do not say.")
@click.option("--skip-faulty", is_flag=True, help="Enter the good rows of a file with faults.")
@account
@actor
@as_json
def import_(file: Path, skip_faulty: bool, as_json: bool, **given: str) -> None:
    """Enter opt-ins and opt-outs from the CSV file FILE; the same row is entered once, however often it comes.

    Columns: phone, email or record (with account) say who; purpose; state (granted, pending, revoked); at (a
    time with its offset, or a date); place (where and how it was collected); wording; wording_version. Without
    a time a grant never wins over a revocation. A file with faults is not entered at all.

    \b
    Example:
      connector consent import optins.csv --purpose marketing --place "newsletter form"
    """
    with_ = tools()
    notary = _notary(with_)
    defaults = optins.Defaults(
        actor=actor_name(given["actor"]),
        name=plain(file.name),
        purpose=given["purpose"],
        place=given["place"],
        account=given["account"],
    )
    with file.open("rb") as stream, _progress(quiet=as_json) as progress:
        report = optins.take(notary, stream, defaults, now(), skip_faulty=skip_faulty, progress=progress)
    if report.entered:
        enter("person.consent_imported", words=f"{report.entered} entries", place=given["place"])
    if as_json:
        _show_report(report)
    else:
        _say_report(report, skip_faulty=skip_faulty)
    if report.faults:
        click.get_current_context().exit(1 if skip_faulty else 2)


@consent.command()
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A file; default: standard output.")
def export(form: str, out: Path | None) -> None:
    """Write out the whole ledger, one entry a line, with phone numbers and e-mail addresses: keep it safe.

    \b
    Example:
      connector consent export --format jsonl --out consent.jsonl
    """
    with_ = tools()
    with with_.store.read() as tx:
        names = _names(tx)
    rows = optins.export(with_.store, names)
    lines = optins.as_csv(rows) if form == "csv" else optins.as_json_lines(rows)
    if out is None:
        enter("person.consent_exported")
        for line in lines:
            click.echo(line, nl=False)
        return
    number = -1 if form == "csv" else 0
    enter("person.consent_exported")
    with private(out) as stream:
        for line in lines:
            stream.write(line)
            number += 1
    say_done(f"{number} entries are in {out}.")


@consent.command()
@click.argument("who", metavar=WHO)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A file; default: standard output.")
@account
@actor
@as_json
def proof(who: str, out: Path | None, account: str, actor: str, as_json: bool) -> None:
    """Print the proof of a person's consent: one HTML page for paper, or JSON.

    It holds who they are, where they stand and why, the whole history with its evidence, and the rules.

    \b
    Examples:
      connector consent proof "+44 7400 123456" --out proof.html
      connector consent proof "+44 7400 123456" --json > proof.json
    """
    with_ = tools()
    with with_.store.read() as tx:
        found = _proof(tx, who, account, by=actor_name(actor))
    if as_json and out is None:
        show_json(shape(found))
        return
    if as_json:
        import json

        text = json.dumps(shape(found), ensure_ascii=False, indent=2) + "\n"
    else:
        from connector.web.proof import render  # and with it the web: only where a page is wanted

        text = render(found)
    if out is None:
        click.echo(text, nl=False)
        return
    with private(out) as stream:
        stream.write(text)
    say_done(f"The proof is in {out}.")


def _enter(
    who: str, state: ConsentState, purposes: Sequence[str], *, at: datetime | None, account: str, **given: str
) -> list[Admitted]:
    with_ = tools()
    notary = _notary(with_)
    given["actor"] = actor_name(given["actor"])
    said = [
        Statement(
            purpose=Purpose(purpose),
            state=state,
            source=Source.ADMIN,
            evidence="command line",
            occurred_at=at,
            **given,
        )
        for purpose in purposes
    ]
    done = notary.admit(who, said, now(), account=account)
    for item in done:
        enter("person.consent_changed", item.contact_id, f"{item.purpose} {state}")
    return done


def _say_admitted(done: Sequence[Admitted], state: ConsentState) -> None:
    for item in done:
        before = "" if item.before.state is item.after.state else f" (before: {item.before.state})"
        say_done(f"Entered. {item.purpose}: {item.after.state}{before}.")
        if item.after.state is not state:
            say(f"  It does not decide: {item.after.words}")


def _admitted(item: Admitted) -> dict[str, Any]:
    return {
        "contact": item.contact_id,
        "purpose": item.purpose.value,
        "before": standing_shape(item.before),
        "after": standing_shape(item.after),
    }


def _names(tx: Transaction) -> dict[str, AccountId]:
    return {row.name: row.id for row in accounts.all_(tx)}


def _notary(with_: Wiring) -> Notary:
    with with_.store.read() as tx:
        names = _names(tx)
    return Notary(with_.store, with_.people, names, with_.spread)


def _proof(tx: Transaction, who: str, account: str, *, by: str) -> Proof:
    names = _names(tx)
    id_ = whose(tx, who, names, account)
    found = prove(tx, id_, names, now(), by) if id_ is not None else None
    if found is None:
        fail("Nobody is known by this.")
        sys.exit(1)
    return found


def _line(entry: Entry) -> tuple[str, ...]:
    when = f"{entry.occurred_at:%Y-%m-%d %H:%M:%S}" if entry.dated else "(undated)"
    return (when, entry.purpose, entry.state, entry.source, plain(entry.place), hide_phones(plain(entry.evidence)))


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    found = parse_time(text)
    if found is None:
        raise click.BadParameter("write a time with its offset: 2026-05-03T14:30:00+02:00")
    return found


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Any]:
    """Show on a terminal how many rows have been entered."""
    if quiet or not sys.stderr.isatty():
        yield lambda _rows: None
        return
    done = 0

    def step(rows: int) -> None:
        nonlocal done
        done += rows
        click.echo(f"\r{done} rows", nl=False, err=True)

    yield step
    click.echo("\r\033[K", nl=False, err=True)


def _say_report(report: optins.Report, *, skip_faulty: bool) -> None:
    for fault in report.faults[:MOST_FAULTS]:
        fail(str(fault))
    if len(report.faults) > MOST_FAULTS:
        fail(f"… and {len(report.faults) - MOST_FAULTS} more.")
    if report.faults and not skip_faulty:
        say("Nothing was entered.")
        say_next("correct these rows and import the file again, or enter the good ones: --skip-faulty")
        return
    say_done(f"{report.entered} entered, {report.known} known already, {report.changed} standings changed.")
    if report.undated:
        say(f"  {report.undated} rows have no time; a grant among them never wins over a revocation.")


def _show_report(report: optins.Report) -> None:
    faults = [{"line": fault.line, "column": fault.column, "words": fault.words} for fault in report.faults]
    numbers = {name: getattr(report, name) for name in ("rows", "entered", "known", "undated", "changed")}
    show_json(numbers | {"faults": faults})
