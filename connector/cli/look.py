"""``connector events``, ``messages``, ``explain``, ``replay``, ``stats``: looking, and replaying on purpose."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from connector.cli.bubble import bubble
from connector.cli.console import Commands, fail, say, say_done, say_next, show_json, show_table, tools
from connector.errors import ConfigurationError
from connector.flow.explain import Story, Tone, hide_phone, hide_phones, outcome, tell_message
from connector.flow.explain import explain as tell
from connector.flow.replay import Selection, Source, Survey, run, survey
from connector.model import State, now, parse_duration
from connector.store import counts, find, look
from connector.store.counts import Counts
from connector.store.views import EventFilter, EventRow, MessageFilter, MessageRow

MARKS = {Tone.OK: ("✓", "green"), Tone.SKIP: ("–", "dim"), Tone.FAIL: ("✗", "red"), Tone.INFO: ("·", "cyan")}


def _since(ctx: click.Context, param: click.Parameter, value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        return now() - parse_duration(value)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(str(error)) from None


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
since = click.option("--since", callback=_since, metavar="DURATION", help="Only what is younger: 30m, 2h, 7d.")
limit = click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many.")
before = click.option("--before", default="", metavar="ID", help="Continue below this id, for the next page.")


@click.command()
@click.option("--type", "type_", default="", help="Our word: order.paid.")
@click.option("--label", default="", help="What a person calls it: #1001.")
@click.option("--subject", default="", help="What it bears on: order:5521.")
@click.option("--account", default="", help="The name of the account that it came from.")
@click.option("--mapping", default="", help="Only what this mapping decided about.")
@click.option("--verdict", type=click.Choice(["send", "skip", "none"]), help="none: no mapping listened.")
@click.option("--reason", default="", help="Why nothing was sent: no_agreement.")
@since
@limit
@before
@as_json
def events(as_json: bool, before: str, limit: int, type_: str, verdict: str | None, **given: Any) -> None:
    """List events, the newest first, and what was decided about each.

    \b
    Examples:
      connector events --verdict skip --since 2h
      connector events --label 1001 --json
    """
    wanted = EventFilter(type=type_, verdict=verdict or "", **given)
    with tools().store.read() as tx:
        rows = look.list_events(tx, wanted, before=before, most=limit)
    if as_json:
        show_json([_event_shape(row) for row in rows])
        return
    if not rows:
        say("No event is like that." if wanted != EventFilter() else "No event has come in yet.")
        say_next("connector accounts check NAME tells whether the source reaches us")
        return
    table = [(when(row.planned_at), row.label, row.type, row.account, outcome(row)[1]) for row in rows]
    show_table(("WHEN", "ORDER", "EVENT", "ACCOUNT", "OUTCOME"), table)
    _say_more(len(rows) == limit, "connector events", rows[-1].id)


@click.group(cls=Commands, invoke_without_command=True)
@click.option("--state", "states", multiple=True, type=click.Choice([state.value for state in State]))
@click.option("--mapping", default="", help="Only messages of this mapping.")
@click.option("--to", default="", metavar="PHONE", help="Only messages to this number, in any way to write it.")
@click.option("--label", default="", help="Only messages about this order: #1001.")
@since
@limit
@before
@as_json
def messages(as_json: bool, before: str, limit: int, states: tuple[str, ...], to: str, **given: Any) -> None:
    """List messages, the newest first; `messages show ID` draws one as the phone shows it.

    \b
    Examples:
      connector messages --state failed --since 1d
      connector messages --to "0170 1234567"
      connector messages show 01m81m2y7r0fjjvfden7manqc5
    """
    if click.get_current_context().invoked_subcommand:
        return
    wanted = MessageFilter(states=tuple(map(State, states)), **given)
    with tools().store.read() as tx:
        if to:
            wanted = MessageFilter(states=wanted.states, ids=_messages_to(tx, to), **given)
        rows = look.list_messages(tx, wanted, before=before, most=limit)
    if as_json:
        show_json([_message_shape(row) for row in rows])
        return
    if not rows:
        say("No message is like that." if wanted != MessageFilter() else "No message has been planned yet.")
        say_next("connector events --since 1d tells what came in, and why nothing was sent")
        return
    table = [
        (when(row.created_at), row.label, hide_phone(row.recipient), row.mapping, row.state, row.id) for row in rows
    ]
    show_table(("WHEN", "ORDER", "TO", "MAPPING", "STATE", "ID"), table)
    _say_more(len(rows) == limit, "connector messages", rows[-1].id)


def _messages_to(tx: Any, phone: str) -> tuple[str, ...]:
    if not find.phones(phone):
        raise ConfigurationError("--to takes a phone number of 7 to 15 digits, such as +491701234567.")
    return find.find_messages_to(tx, phone)


@messages.command()
@click.argument("id_", metavar="ID")
@as_json
def show(id_: str, as_json: bool) -> None:
    """Show one message as the phone shows it, and its life.

    \b
    Example:
      connector messages show 01m81m2y7r0fjjvfden7manqc5
    """
    with tools().store.read() as tx:
        file = look.message_file(tx, id_.strip().lower())
    if file is None:
        fail(f"There is no message {id_}; `connector messages` lists them, `connector explain` takes anything.")
        sys.exit(1)
    row, story = file.message, tell_message(file)
    if as_json:
        show_json(_message_shape(row) | {"slots": dict(row.slots), "trace": _story_shape(story)})
        return
    if file.template:
        Console().print(bubble(file.template, row.slots, state=row.state, at=row.sent_at or row.created_at))
    else:
        say(f"Template {row.template} ({row.language}) is not known here: connector templates sync")
        show_table(("SLOT", "VALUE"), sorted(row.slots.items()))
    _say_story(story)


@click.command()
@click.argument("term", metavar="ORDER|PERSON|ID")
@as_json
def explain(term: str, as_json: bool) -> None:
    """Tell why something was, or was not, sent: every decision, step by step, with the consent behind it.

    Takes an order (#1001 or 1001), the id of a message or an event, the channel's id of a message, the
    delivery id of a webhook, or the number of a stored request; and what followed from it is told too.
    Of a person (a phone number in any form, an e-mail address, the id of a contact, a record of a shop or
    CRM) it tells where they stand, the whole ledger with its evidence, their labels and records, and the
    last decisions about them.

    \b
    Examples:
      connector explain 1001
      connector explain "+44 7400 123456"
      connector explain Contact:003000000000001AAA
    """
    stories = tell(tools().store, term)
    if as_json:
        show_json([_story_shape(story) for story in stories])
    else:
        for number, story in enumerate(stories):
            if number:
                say("")
            _say_story(story)
    if not any(story.found for story in stories):
        sys.exit(1)


@click.command()
@click.argument("term", metavar="[ORDER|PHONE|ID]", default="")
@click.option(
    "--source",
    type=click.Choice([source.value for source in Source]),
    default=Source.REQUEST.value,
    show_default=True,
    help="request: read the stored bytes again; mapping: also plan the known events again.",
)
@click.option("--unreadable", is_flag=True, help="All requests that could not be read, or on which we failed.")
@since
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
def replay(term: str, source: str, unreadable: bool, since: datetime | None, yes: bool, as_json: bool) -> None:
    """Read stored requests again, on purpose; says first what de-duplication will swallow, then asks.

    A message that exists is never sent twice: the mapping has spoken about that order. --json without
    --yes only says what would be done.

    \b
    Examples:
      connector replay --unreadable --since 2h          after a fix of an adapter
      connector replay 1001 --source mapping            after a fix of a mapping
    """
    with_ = tools()
    plan = survey(with_.store, Selection(term=term, unreadable=unreadable, since=since), Source(source))
    if not as_json:
        _say_survey(plan)
    if not yes and not as_json and plan.requests:
        if not sys.stdin.isatty():
            raise ConfigurationError("Nobody is here to ask: say --yes to do it.")
        yes = click.confirm("Do it?", default=False)
    done = run(with_.store, plan) if yes and plan.requests else 0
    if done:
        with_.queue.ring("decide")
    if as_json:
        show_json(_survey_shape(plan) | {"put_back": done})
    elif done:
        say_done(f"{done} put back into the inbox.")
        say_next("connector stats shows them leave it")


@click.command()
@as_json
def stats(as_json: bool) -> None:
    """Count messages and requests by state, and what waits.

    \b
    Example:
      connector stats --json
    """
    with_, at = tools(), now()
    with with_.store.read() as tx:
        told = counts.count(tx, at)
    depth = with_.queue.depth()
    if as_json:
        show_json(_count_shape(told, depth, at))
        return
    waits = f"{_age((at - told.oldest).total_seconds())}" if told.oldest else "nothing waits"
    rows = [
        ("inbox, not read yet", f"{told.inbox:,}"),
        ("outbox, not sent yet", f"{told.outbox:,} ({told.due:,} due now)"),
        ("in doubt", f"{told.in_doubt:,}"),
        ("receipts without a message", f"{told.parked:,}"),
        ("jobs in the queue", "Redis is away" if depth is None else f"{depth:,}"),
        ("oldest due and waiting", waits),
    ]
    show_table(("WAITING", ""), rows)
    say("")
    show_table(("MESSAGES", ""), [(_words(state), f"{n:,}") for state, n in told.messages.items() if n])
    say("")
    show_table(("REQUESTS", ""), [(state.value, f"{n:,}") for state, n in told.requests.items() if n])
    if told.skips:
        say("")
        show_table(("SKIPPED BECAUSE", ""), [(_words(reason), f"{n:,}") for reason, n in told.skips.items()])


def when(at: datetime) -> str:
    """Write a moment in the viewer's own zone: the time alone for today, else the day too."""
    local = at.astimezone()
    return f"{local:%H:%M:%S}" if local.date() == now().astimezone().date() else f"{local:%Y-%m-%d %H:%M}"


def _say_story(story: Story) -> None:
    mark, style = MARKS[story.tone]
    say(Text.assemble((mark, style), " ", (story.title, "bold"), f"  {story.outcome}"))
    column = max((len(when(line.at)) for line in story.lines if line.at), default=0)
    for line in story.lines:
        mark, style = MARKS[line.tone]
        clock = (when(line.at) if line.at else "now" if story.found else "").rjust(column)
        body = Text(line.words, style="dim" if line.tone is Tone.SKIP and line.depth else "")
        say(Text.assemble("  ", (clock, "dim"), "  " + "  " * line.depth, (mark, style), " ", body))


def _say_survey(plan: Survey) -> None:
    for words in plan.words():
        say(f"  {words}")
    if plan.oldest and plan.source is Source.MAPPING:
        say(f"  The oldest of these events happened {when(plan.oldest)}; mappings with an expiry skip what is late.")


def _say_more(more: bool, command: str, last: str) -> None:
    if more:
        say_next(f"{command} --before {last} shows older ones")


def _event_shape(row: EventRow) -> dict[str, Any]:
    tone, words = outcome(row)
    decided = [
        {
            "mapping": told.mapping,
            "version": told.version,
            "verdict": told.verdict,
            "reason": told.reason,
            "words": hide_phones(told.words),
            "message_id": told.message_id,
            "at": _iso(told.at),
        }
        for told in row.decisions
    ]
    plain = {
        name: getattr(row, name) for name in ("id", "type", "topic", "label", "subject", "account", "request_id", "key")
    }
    moments = {"occurred_at": _iso(row.occurred_at), "planned_at": _iso(row.planned_at)}
    return plain | moments | {"outcome": words, "tone": tone.value, "decisions": decided}


def _message_shape(row: MessageRow) -> dict[str, Any]:
    shape = asdict(row)
    del shape["slots"], shape["channel_id"]
    shape |= {"recipient": hide_phone(row.recipient), "words": hide_phones(row.words), "state": row.state.value}
    return {name: _iso(value) if isinstance(value, datetime) else value for name, value in shape.items()}


def _story_shape(story: Story) -> dict[str, Any]:
    lines = [
        {"at": _iso(line.at), "tone": line.tone.value, "words": line.words, "depth": line.depth} for line in story.lines
    ]
    return asdict(story) | {"tone": story.tone.value, "message_ids": list(story.message_ids), "lines": lines}


def _survey_shape(plan: Survey) -> dict[str, Any]:
    return {
        "source": plan.source.value,
        "requests": plan.requests,
        "events_known": plan.events,
        "inbound_known": plan.inbound,
        "messages_known": plan.messages,
        "waiting_already": plan.waiting,
        "capped": plan.capped,
        "words": list(plan.words()),
    }


def _count_shape(told: Counts, depth: int | None, at: datetime) -> dict[str, Any]:
    return {
        "messages": {state.value: number for state, number in told.messages.items()},
        "requests": {state.value: number for state, number in told.requests.items()},
        "inbox": told.inbox,
        "outbox": told.outbox,
        "due": told.due,
        "queue_depth": depth,
        "oldest_waiting_seconds": max(0.0, (at - told.oldest).total_seconds()) if told.oldest else None,
        "in_doubt": told.in_doubt,
        "parked_receipts": told.parked,
        "skips": told.skips,
    }


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _words(word: str) -> str:
    return word.replace("_", " ")


def _age(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"
