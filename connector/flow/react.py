"""What a mapping's ``[[after]]`` rules do, once, about what becomes of its messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from connector.flow.crowd import Crowd
from connector.flow.gate import WINDOW
from connector.flow.settle import Moved
from connector.flow.writeback import Want
from connector.mapping.formats import ENGLISH
from connector.mapping.liquid import BlankError, BrokenError
from connector.mapping.rules import Rule
from connector.model import (
    RANK,
    AccountId,
    Category,
    ContactId,
    Entry,
    EventId,
    MessageId,
    RemoteId,
    Reply,
    Send,
    Source,
    State,
    new_id,
)
from connector.store import addressed, events
from connector.store.labels import LabelChange
from connector.store.outbox import NewMessage, Row
from connector.store.reactions import Reaction

LONGEST_ANSWER = 4096
"""Characters of a text message (facts: Cloud API, type text)."""
TAGS = "tags"
"""The field that holds a record's tags, in every adapter that has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One rule that applies to one message."""

    key: str
    rule: Rule
    row: Row
    contact_id: ContactId | None
    on: str
    at: datetime
    reply: Reply | None = None


def outcomes(crowd: Crowd, moved: Iterable[Moved]) -> None:
    """Do what the rules say about messages that were delivered, read, or could not be delivered.

    Receipts may come late: whoever has answered has long read it, and what the answer did is not undone.
    """
    ruled = [(item, rules) for item in moved if (rules := _rules(crowd, item.row))]
    spoken = crowd.answered({item.row.id for item, _ in ruled})
    cases = []
    for item, rules in ruled:
        reached = set() if item.row.id in spoken else set(_reached(item))
        for place, rule in enumerate(rules):
            if rule.on in reached:
                cases.append(_case(f"{item.row.id}:{rule.on}:{place}", rule, item.row, crowd.at))
    _do(crowd, cases)


def answered(crowd: Crowd, row: Row, reply: Reply, contact_id: ContactId) -> Sequence[Rule]:
    """Do what the rules say about a reply to a message; return the rules that were about it."""
    on = "button" if reply.button else "replied"
    cases = [
        _Case(
            key=f"{row.id}:{on}:{place}:{reply.button}"[:300], rule=rule, row=row, contact_id=contact_id, on=on,
            at=reply.occurred_at, reply=reply,
        )
        for place, rule in enumerate(_rules(crowd, row))
        if rule.on == on and rule.payload in ("", reply.button)
    ]  # fmt: skip
    _do(crowd, cases)
    return [case.rule for case in cases]


def _rules(crowd: Crowd, row: Row) -> Sequence[Rule]:
    recipe = crowd.desk.catalogue.version_of(row.mapping, row.version, crowd.tx) if row.template else None
    return recipe.mapping.after if recipe else ()


def _reached(item: Moved) -> Iterable[str]:
    before, after = RANK.get(item.before, 0), RANK.get(item.row.state, 0)
    if item.row.state is State.FAILED:
        yield "undeliverable"
        return
    for state, word in ((State.DELIVERED, "delivered"), (State.READ, "read")):
        if after >= RANK[state] and (before < RANK[state] or item.before is State.FAILED):
            yield word


def _case(key: str, rule: Rule, row: Row, at: datetime) -> _Case:
    return _Case(key=key, rule=rule, row=row, contact_id=row.contact_id, on=rule.on, at=at)


def _do(crowd: Crowd, cases: Sequence[_Case]) -> None:
    if not cases:
        return
    fresh = crowd.fresh(case.key for case in cases)
    subjects = events.subjects_of(crowd.tx, {case.row.event_id for case in cases if case.key in fresh})
    for case in cases:
        consented = list(_consent(crowd, case))  # as often as they say so: the last word counts
        if case.key in fresh:
            fresh.discard(case.key)
            done = [
                *consented,
                *_labels(crowd, case),
                *_record(crowd, case, subjects.get(case.row.event_id, ())),
                *_cancel(crowd, case),
                *_answer(crowd, case),
            ]
            crowd.did(
                Reaction(
                    key=case.key, on=case.on, words="; ".join(done) or "nothing to do", contact_id=case.contact_id,
                    message_id=case.row.id, event_id=case.row.event_id, at=crowd.at,
                )
            )  # fmt: skip


def _consent(crowd: Crowd, case: _Case) -> Iterable[str]:
    if case.contact_id is None:
        return
    for purpose, state in case.rule.consent.items():
        said = case.reply.text or case.reply.button if case.reply else ""
        crowd.enter(
            f"{case.key}:{purpose}" + (f":{case.reply.key}" if case.reply else ""),
            Entry(
                id=new_id(), contact_id=case.contact_id, purpose=purpose, state=state,
                source=Source.BUTTON if case.on == "button" else Source.KEYWORD, account_id=case.row.channel_id,
                place=f"message {case.row.template}", wording=case.rule.wording or said,
                wording_version=f"{case.row.mapping} v{case.row.version}", evidence=_evidence(case),
                actor="the person", occurred_at=case.at, learned_at=crowd.at,
            ),
        )  # fmt: skip
        yield f"{purpose} {state}"


def _evidence(case: _Case) -> str:
    return f"message {case.reply.remote_id}" if case.reply else f"message {case.row.id}"


def _labels(crowd: Crowd, case: _Case) -> Iterable[str]:
    if case.contact_id is None:
        return
    for added, names in ((True, case.rule.add_labels), (False, case.rule.remove_labels)):
        for name in names:
            crowd.label(
                LabelChange(
                    key=f"{case.key}:{name}:{added}", contact_id=case.contact_id, name=name, added=added,
                    origin=f"mapping:{case.row.mapping}", words=f"{case.on} of message {case.row.id}", at=crowd.at,
                )
            )  # fmt: skip
            yield f"label {name} {'added' if added else 'removed'}"


def _record(crowd: Crowd, case: _Case, subjects: Sequence[str]) -> Iterable[str]:
    rule, row = case.rule, case.row
    if not (rule.add_tags or rule.remove_tags or rule.set_fields):
        return
    wanted = rule.record or row.subject.partition(":")[0]
    found = next((name for name in (row.subject, *subjects) if name.partition(":")[0] == wanted), "")
    if not found or all(account.id != row.source_id for account in crowd.desk.accounts.crms()):
        yield f"no {wanted} to write to"
        return
    kind, _, number = found.partition(":")
    changes = [(TAGS, tag, added) for added, tags in ((True, rule.add_tags), (False, rule.remove_tags)) for tag in tags]
    for field, item, value in [*changes, *((name, "", value) for name, value in rule.set_fields.items())]:
        crowd.want(
            Want(
                account_id=row.source_id, object=kind, record_id=number, field=field, item=item, value=value,
                contact_id=case.contact_id, at=case.at,
            )
        )  # fmt: skip
        yield f"{kind} {field} {item or value!r}{'' if not item else ' added' if value else ' removed'}"


def _cancel(crowd: Crowd, case: _Case) -> Iterable[str]:
    if case.rule.cancel_others and case.contact_id is not None:
        row = case.row
        count = addressed.cancel_others(crowd.tx, case.contact_id, row.source_id, row.subject, crowd.at)
        yield f"{count} other message{'' if count == 1 else 's'} cancelled"


def _answer(crowd: Crowd, case: _Case) -> Iterable[str]:
    if case.rule.answer is None or case.reply is None or case.contact_id is None:
        return
    try:
        text = case.rule.answer.render(crowd.desk.retell(crowd.tx, case.row.event_id) or {}, ENGLISH).strip()
    except (BlankError, BrokenError) as fault:
        yield f"not answered: {fault}"
        return
    if text:
        crowd.answer(answer_to(case.reply, case.contact_id, text, case.key, channel=case.row.channel_id, row=case.row))
        yield "answered"


def answer_to(
    reply: Reply,
    contact_id: ContactId,
    text: str,
    key: str,
    *,
    channel: AccountId,
    row: Row | None = None,
) -> NewMessage:
    """Return an answer in free words to what a person wrote; the same ``key`` is answered once."""
    return NewMessage(
        id=MessageId(new_id()),
        event_id=row.event_id if row else EventId(""),
        mapping=row.mapping if row else "policy/people",
        version=row.version if row else 0,
        source_id=row.source_id if row else channel,
        dedupe_key=f"answer|{key}",
        subject=row.subject if row else f"contact:{contact_id}",
        label=row.label if row else "answer",
        occurred_at=reply.occurred_at,
        send=Send(
            channel=channel,
            recipient=reply.sender.phone or reply.sender.user_id,
            template="",
            language="",
            category=Category.UTILITY,
            slots={"text": text[:LONGEST_ANSWER]},
            not_before=reply.occurred_at,
            expires_at=reply.occurred_at + WINDOW - timedelta(minutes=1),
            resend_in_doubt=False,
        ),
        contact_id=contact_id,
        in_reply_to=RemoteId(reply.remote_id),
    )
