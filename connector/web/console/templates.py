"""Templates: what the channels have, who uses each, and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from connector.flow import template_uses
from connector.flow.bubble import Bubble, fill
from connector.flow.template_uses import Use
from connector.model import Account, AccountId, Permission
from connector.store import Transaction, mappings, marks, template_history
from connector.store import templates as rows
from connector.store.template_history import FOUND, TemplateEntry
from connector.store.templates import GONE, TemplateRow
from connector.web.console.frame import console, missing, needs, record, say, store, tools

TONES: Mapping[str, str] = {"approved": "ok", "pending": "wait", "in_appeal": "wait", "paused": "warn"}
"""How a status is shown; what is not here needs somebody."""
STATUSES: Mapping[str, str] = {
    "approved": "It may be sent.",
    "pending": "It waits for the channel's review.",
    "rejected": "It failed the review. Mappings that use it send nothing.",
    "paused": "The channel has stopped it for some hours, since people blocked or reported it. What is due waits.",
    "disabled": "The channel has stopped it for good.",
    "in_appeal": "The channel looks at it once more.",
    "deleted": "The channel no longer lists it.",
    "archived": "It was not used for long and is put away; it is deleted after 28 days unless somebody takes it back.",
}
"""What each status means for sending."""
QUALITIES = {"green": "good", "yellow": "middling", "red": "bad", "unknown": "not known yet"}


@dataclass(frozen=True, slots=True)
class Listed:
    """A template in the list."""

    row: TemplateRow
    account: str
    uses: Sequence[Use]

    @property
    def tone(self) -> str:
        """How its status is shown."""
        return TONES.get(self.row.template.status, "fail")


@dataclass(frozen=True, slots=True)
class Told:
    """One entry of a template's history, in words."""

    entry: TemplateEntry
    words: str
    meaning: str
    tone: str


@console.get("/templates")
@needs(Permission.LOOK)
def templates() -> str:
    """List the templates of every channel account, by what one asks for."""
    senders = {account.id: account for account in tools().directory.senders()}
    with store().read() as tx:
        listed = _list(tx, senders)
        synced = {account.id: _synced_at(tx, account.id) for account in senders.values()}
        ever = bool(mappings.all_(tx))
    given = {name: request.args.get(name, "") for name in ("account", "status", "category", "language", "used", "q")}
    shown = [each for each in listed if _matches(each, given)]
    alive = [each for each in listed if not given["account"] or each.account == given["account"]]
    return render_template(
        "console/templates.html",
        listed=shown,
        total=len(listed),
        given=given,
        accounts=sorted(account.name for account in senders.values()),
        senders=sorted(senders.values(), key=lambda account: account.name),
        synced=synced,
        statuses=Counter(each.row.template.status for each in alive),
        categories=Counter(each.row.template.category.value for each in alive),
        languages=sorted({each.row.template.language for each in listed}),
        has_mappings=ever,
        qualities=QUALITIES,
    )


@console.get("/templates/<account>/<name>/<language>")
@needs(Permission.LOOK)
def template(account: str, name: str, language: str) -> str | AnyResponse:
    """Show one template as a phone shows it, with its slots, its users and its history."""
    senders = {each.id: each for each in tools().directory.senders()}
    owner = next((each for each in senders.values() if each.name == account), None)
    if owner is None:
        return missing("template")
    with store().read() as tx:
        every = [each for each in _list(tx, senders) if each.row.account_id == owner.id]
        told = template_history.of(tx, owner.id, name, language)
        synced_at = _synced_at(tx, owner.id)
    found = next((e for e in every if (e.row.template.name, e.row.template.language) == (name, language)), None)
    if found is None:
        return missing("template")
    it = found.row.template
    return render_template(
        "console/template.html",
        it=it,
        found=found,
        sender=owner,
        bubble=_example(found.row),
        others=[each for each in every if each.row.template.name == name and each is not found],
        history=[_tell(entry) for entry in told],
        means=STATUSES.get(it.status, "The channel says so; only approved templates are sent."),
        synced_at=synced_at,
        budget=dict(it.budget),
        qualities=QUALITIES,
        gone=GONE,
    )


@console.post("/templates/sync")
@needs(Permission.EDIT_ACCOUNTS)
def sync_templates() -> AnyResponse:
    """Have every channel account, or one, asked for its templates now."""
    wanted = request.form.get("account", "")
    asked = [each for each in tools().directory.senders() if each.active and wanted in ("", each.name)]
    heard = [tools().queue.ring("sync_templates", each.id) for each in asked]
    names = ", ".join(each.name for each in asked)
    if not asked:
        say("There is no number in use that could be asked.", "warn")
    elif not all(heard):
        say("The queue does not answer, so nobody could be asked. It is tried again every day by itself.", "fail")
    else:
        record("template.sync_asked", names, f"Asked {names} for its templates.")
        say(f"{names} is asked for its templates; the list follows in a moment.")
    return redirect(url_for("console.templates", account=wanted or None), 303)


def _list(tx: Transaction, senders: Mapping[AccountId, Account]) -> list[Listed]:
    found = [row for row in rows.all_(tx) if row.account_id in senders]
    shapes = {(r.account_id, r.template.name, r.template.language): r.template.fingerprint for r in found}
    uses = template_uses.find(tx, list(senders.values()), shapes)
    listed = [
        Listed(
            row, senders[row.account_id].name, uses.get((row.account_id, row.template.name, row.template.language), ())
        )
        for row in found
    ]
    return sorted(listed, key=lambda each: (each.row.template.name, each.row.template.language, each.account))


def _matches(each: Listed, given: Mapping[str, str]) -> bool:
    it = each.row.template
    said = " ".join((it.name, *(part.text for part in it.parts))).lower()
    return (
        given["account"] in ("", each.account)
        and given["status"] in ("", it.status)
        and given["category"] in ("", it.category.value)
        and given["language"] in ("", it.language)
        and (not given["used"] or bool(each.uses) == (given["used"] == "yes"))
        and given["q"].strip().lower() in said
    )


def _synced_at(tx: Transaction, account_id: AccountId) -> datetime | None:
    """Return when the channel's list was last taken over: every template of it was seen then."""
    seen = [row.seen_at for row in rows.all_(tx, account_id)]
    return max(seen, default=None) or marks.at(tx, f"templates:{account_id}")


def _example(row: TemplateRow) -> Bubble:
    """Return the template with its own examples in it; where it has none, the slot's mark stays."""
    return fill(row.template, {slot.key: slot.example for slot in row.template.slots if slot.example})


def _tell(entry: TemplateEntry) -> Told:
    before, after = entry.before.replace("_", " "), entry.after.replace("_", " ")
    if entry.what == FOUND:
        return Told(entry, f"Found for the first time, {after}.", "", "info")
    if entry.what == "status":
        tone = {"ok": "ok", "wait": "info", "warn": "skip"}.get(TONES.get(entry.after, ""), "fail")
        return Told(entry, f"{after.capitalize()}, was {before}.", STATUSES.get(entry.after, ""), tone)
    if entry.what == "category" and not entry.before:
        return Told(entry, f"Its category: {after}.", "", "info")
    if entry.what == "category":
        tone = "fail" if entry.after == "marketing" else "info"
        return Told(entry, f"Now {after}, was {before}.", _recategorised(entry), tone)
    if entry.what == "quality":
        tone = {"green": "ok", "red": "fail"}.get(entry.after, "info")
        return Told(entry, f"Quality {QUALITIES.get(after, after) or 'not told'}.", "", tone)
    meaning = "Mappings that use it are kept back until somebody has looked and published them again."
    return Told(entry, "Its text or its slots were edited.", meaning, "skip")


def _recategorised(entry: TemplateEntry) -> str:
    if entry.after == "marketing":
        return (
            "From then on it is sent only to people who agreed to marketing, and costs what marketing costs. Whoever "
            "it was to reach without that agreement is skipped, and the reason says so."
        )
    if entry.after == "utility":
        return "Agreement to marketing is no longer needed for it: it stands on the order or case that it is about."
    return "Its price, and the agreement that it needs, are those of the new category from then on."
