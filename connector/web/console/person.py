"""One person: where they stand and why, what they were sent, and what an operator may do about them."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime

from flask import make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from connector.errors import ConfigurationError
from connector.flow import by_hand, explain, followed, portrait
from connector.flow.admit import Notary, Statement
from connector.flow.portrait import Portrait
from connector.flow.proof import prove
from connector.model import ConsentState, ContactId, MessageId, Permission, Purpose, Source, now
from connector.store import Transaction, accounts, counts, look, reactions
from connector.store.reactions import Reaction
from connector.store.views import MessageFilter, MessageRow
from connector.web.console.frame import actor, console, missing, needs, record, say, store, tools
from connector.web.console.lists import ID
from connector.web.console.people import allowed, who_is_meant
from connector.web.console.sight import sees_people
from connector.web.proof import render

MESSAGES = 20
"""Of a person's newest messages, so many are shown."""
PLACES = ("at the till", "by phone", "by e-mail", "on a paper form", "in the shop's account page")


@console.get("/people/<id_>")
@needs(Permission.LOOK)
def person(id_: str) -> AnyResponse | str:
    """Show one person: where they stand and why, the ledger, labels, records, messages and decisions."""
    with store().read() as tx:
        found = portray(tx, id_)
        if found is None:
            return missing("person")
        if found.contact.id != id_:  # merged since
            return redirect(url_for("console.person", id_=found.contact.id), 303)
        events = explain.events_about(tx, found)
        messages = look.list_messages(tx, MessageFilter(contact_id=id_), most=MESSAGES + 1)
        done = reactions.of(tx, messages=[MessageId(row.id) for row in messages])
        said = look.inbound_from(tx, [key.value for key in found.keys if key.kind != "record"], most=MESSAGES)
        unread = counts.troubled(tx)
    stories = {story.title.partition(" · ")[2]: story for story in portrait.tell_person(found, whole=True)}
    return render_template(
        "console/person.html",
        who=found,
        stories=stories,
        wishes=[(row, *followed.tell_state(row)) for row in found.wishes],
        events=events,
        messages=messages[:MESSAGES],
        more=len(messages) > MESSAGES,
        answered=_answers(messages, done),
        said=said,
        tells=followed,
        purposes=list(Purpose),
        places=PLACES,
        unread=unread,
    )


def portray(tx: Transaction, id_: str) -> Portrait | None:
    """Return somebody by the id of a contact, or of one that was merged into them."""
    whom = portrait.whom(tx, id_) if ID.fullmatch(id_) else []
    return portrait.portray(tx, whom[0], now()) if whom else None


def _answers(messages: list[MessageRow], done: list[Reaction]) -> dict[str, list[str]]:
    """Return what people did with each message: tapped a button, answered."""
    words = {"button": "tapped a button", "replied": "answered"}
    found: dict[str, list[str]] = {row.id: [] for row in messages}
    for item in done:
        kind = item.on.partition(":")[0]
        if kind in words and item.message_id in found and words[kind] not in found[item.message_id]:
            found[item.message_id].append(words[kind])
    return found


def change(id_: str, do: Callable[[ContactId], by_hand.Done], action: str, words: str, same: str) -> AnyResponse:
    """Do something to a person, enter it in the audit log, wake whoever writes it back, and return to them."""
    if not ID.fullmatch(id_):
        return missing("person")
    try:
        done = do(ContactId(id_))
    except ConfigurationError as error:
        say(str(error), "fail")
        return redirect(url_for("console.person", id_=id_), 303)
    if not done.changed:
        say(same, "warn")
        return redirect(url_for("console.person", id_=id_), 303)
    for account_id in done.accounts:
        tools().queue.ring("write_back", account_id)
    record(action, id_, words)
    say(words)
    return redirect(url_for("console.person", id_=id_), 303)


def form(name: str, most: int = 500) -> str:
    """Return a field of the form, bounded, without what no database takes."""
    given = request.form.get(name, "").replace("\0", "").encode("utf-8", "replace").decode()
    return given.strip()[:most]


@console.post("/people/<id_>/label")
@needs(Permission.EDIT_PEOPLE)
def person_label(id_: str) -> AnyResponse:
    """Put a label on a person, or take it off."""
    name, added, reason = form("name", 100), form("do") != "remove", form("reason")

    def do(who: ContactId) -> by_hand.Done:
        desk = tools().desk
        return by_hand.label(store(), desk, who, name, now(), added=added, by=actor().name, reason=reason)

    words = f"Label “{name}” {'added' if added else 'removed'}."
    same = f"They {'have this label already' if added else 'do not have this label'}."
    return change(id_, do, "person.labelled", words, same)


@console.post("/people/<id_>/block")
@needs(Permission.EDIT_PEOPLE)
def person_block(id_: str) -> AnyResponse:
    """Send nothing to a person any more, or let them be written to again."""
    reason = form("reason")
    if form("do") == "unblock":
        return change(
            id_,
            lambda who: by_hand.unblock(store(), who, now()),
            "person.unblocked",
            "Unblocked: they may be written to again, within their consent.",
            "They were not blocked.",
        )
    if not reason:
        say("Say why: it is shown wherever somebody asks why nothing is sent to them.", "fail")
        return redirect(url_for("console.person", id_=id_, _anchor="block"), 303)
    return change(
        id_,
        lambda who: by_hand.block(store(), who, now(), by=actor().name, reason=reason),
        "person.blocked",
        "Blocked: nothing is sent to them, also nothing that waits already.",
        "They were blocked already; that reason stays.",
    )


@console.post("/people/<id_>/consent")
@needs(Permission.EDIT_PEOPLE)
def person_consent(id_: str) -> AnyResponse:
    """Enter in the ledger what a person said to somebody here."""
    state, purposes = form("state"), [Purpose(each) for each in request.form.getlist("purpose") if each in set(Purpose)]
    if state not in (ConsentState.GRANTED, ConsentState.REVOKED) or not purposes or not ID.fullmatch(id_):
        say("Say whether they agreed or refused, and to what.", "fail")
        return redirect(url_for("console.person", id_=id_, _anchor="consent"), 303)
    with store().read() as tx:
        names = {row.name: row.id for row in accounts.all_(tx)}
    notary = Notary(store(), tools().people, names, tools().spread)
    try:
        said = [
            Statement(
                purpose=purpose, state=ConsentState(state), source=Source.ADMIN, actor=actor().name,
                place=form("place"), wording=form("wording", 4000), wording_version=form("version", 100),
                evidence=form("evidence"), occurred_at=_moment(form("at")),
            )
            for purpose in purposes
        ]  # fmt: skip
        notary.admit(id_, said, now())
    except ConfigurationError as error:
        say(str(error), "fail")
        return redirect(url_for("console.person", id_=id_, _anchor="consent"), 303)
    words = f"{', '.join(purposes)}: {state}"
    record("person.consent_changed", id_, words, purposes=[each.value for each in purposes], state=state)
    say(f"Entered in the ledger: {words}. It decides from now on, unless something newer says otherwise.")
    return redirect(url_for("console.person", id_=id_), 303)


def _moment(text: str) -> datetime | None:
    """Read a moment of a form, in UTC. Raises ConfigurationError."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text[:25])
    except ValueError:
        raise ConfigurationError("The time cannot be read; write it as 2026-11-22 15:00.") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


@console.get("/people/<id_>/merge")
@needs(Permission.EDIT_PEOPLE)
def person_merge(id_: str) -> AnyResponse | str:
    """Say what making two contacts one would do, before it is done."""
    term = request.args.get("other", "").replace("\0", "").strip()[:200]
    with store().read() as tx:
        keep = portray(tx, id_)
        if keep is None:
            return missing("person")
        meant = who_is_meant(tx, term) if term and allowed(term) else []
        others = [
            found for each in meant[:10] if each != keep.contact.id and (found := portrait.portray(tx, each, now()))
        ]
    return render_template("console/person_merge.html", who=keep, others=others, term=term)


@console.post("/people/<id_>/merge")
@needs(Permission.EDIT_PEOPLE)
def person_merge_now(id_: str) -> AnyResponse:
    """Make two contacts one, for good."""
    other, reason = form("other", 26), form("reason")
    if not ID.fullmatch(other):
        return missing("person")

    def do(who: ContactId) -> by_hand.Done:
        desk = tools().desk
        return by_hand.merge(store(), desk, who, ContactId(other), now(), by=actor().name, reason=reason)

    return change(id_, do, "person.merged", f"Contact {other} is a part of this one now.", "It is one contact already.")


@console.get("/people/<id_>/proof")
@needs(Permission.SEE_PEOPLE)
def person_proof(id_: str) -> AnyResponse:
    """Show the printable proof of a person's consent."""
    with store().read() as tx:
        names = {row.name: row.id for row in accounts.all_(tx)}
        found = prove(tx, ContactId(id_), names, now(), actor().name) if ID.fullmatch(id_) else None
    if found is None:
        return missing("person")
    sees_people()
    text = render(found)
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode() if style else ""
    answer = make_response(text)
    # The page is one file that stands by itself on paper, so its style is in it.
    answer.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return answer
