"""Guided start: the steps from nothing to the first message, each ticked by what is stored and by nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from connector.contract import Adapter
from connector.errors import ConfigurationError
from connector.flow import publish
from connector.flow.accounts import Registry
from connector.mapping import Mapping
from connector.mapping.kinds import read
from connector.model import Account, now
from connector.store import Store, mappings, marks
from connector.store import accounts as rows
from connector.store import progress as facts_of
from connector.store.mappings import MappingRow
from connector.store.progress import Facts

MOST_CHECKED = 10
"""Drafts that are looked at for one that is complete."""
_HIDDEN = "start:hidden"
_UNTESTED = "Passed over: it was published without one."


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing on the way."""

    key: str
    title: str
    why: str
    done: bool
    words: str = ""
    """How it stands, where there is something to say."""
    action: str = ""
    href: str = ""
    """Where it is done."""


@dataclass(frozen=True, slots=True)
class Progress:
    """All steps, and where one is."""

    steps: tuple[Step, ...]

    @property
    def done(self) -> int:
        """How many are done."""
        return sum(step.done for step in self.steps)

    @property
    def next(self) -> Step | None:
        """The first that is not done; None: all are."""
        return next((step for step in self.steps if not step.done), None)

    @property
    def share(self) -> int:
        """How far it is, in percent."""
        return round(100 * self.done / len(self.steps))


def look(store: Store, registry: Registry, senders: Sequence[Account]) -> Progress:
    """Return where the installation is on its way; asks no vendor."""
    with store.read() as tx:
        facts = facts_of.facts(tx)
        known = [(row.name, _adapter(registry, row.adapter)) for row in rows.all_(tx)]
        drafts = [row for row in mappings.all_(tx) if _is_notification(row)]
    sources = [name for name, adapter in known if adapter and adapter.receiver and not adapter.channel]
    sound = _sound(store, registry, drafts, facts)
    return Progress((*_to_connect(facts, sources, senders), *_to_map(drafts, sound), *_to_send(facts, drafts, sound)))


def hide(store: Store) -> None:
    """Show the checklist on no other page than its own."""
    with store.write() as tx:
        marks.put(tx, _HIDDEN, now().isoformat())


def show(store: Store) -> None:
    """Show it again."""
    with store.write() as tx:
        marks.delete(tx, _HIDDEN)


def is_hidden(store: Store) -> bool:
    """Tell whether somebody put it away."""
    with store.read() as tx:
        return marks.get(tx, _HIDDEN) is not None


def _to_connect(facts: Facts, sources: Sequence[str], senders: Sequence[Account]) -> list[Step]:
    count = f"{facts.templates} {'is' if facts.templates == 1 else 'are'} approved." if facts.templates else ""
    waits = "They are asked for within a minute after a number was connected." if senders else ""
    return [
        Step(
            key="owner", title="Create the owner", done=facts.has_owner, action="Create the owner", href="/setup",
            why="Whoever connects secrets and sends messages has a name; every change is entered with it.",
        ),
        Step(
            key="source", title="Connect a shop or a CRM", done=bool(sources), words=_listed(sources),
            action="Connect a shop or CRM", href="/accounts/add",
            why="It tells what happens: an order was paid, a case was closed.",
        ),
        Step(
            key="channel", title="Connect a number", done=bool(senders),
            words=_listed([account.name for account in senders]), action="Connect a number", href="/accounts/add",
            why="Messages leave by it, and receipts and answers come back to it.",
        ),
        Step(
            key="templates", title="Have its templates", done=facts.templates > 0 and bool(senders),
            words=count or waits, action="Ask for them", href="/templates",
            why="Only texts that the channel has approved may be sent first; they come by themselves, every day.",
        ),
    ]  # fmt: skip


def _to_map(drafts: Sequence[MappingRow], sound: str) -> list[Step]:
    first = drafts[0].name if drafts else ""
    return [
        Step(
            key="recipe", title="Pick a recipe", done=bool(drafts), words=_listed([row.name for row in drafts]),
            action="Pick a recipe", href="/mappings/new",
            why="A mapping says what is sent to whom when something happens. A recipe is one that is nearly right.",
        ),
        Step(
            key="mapped", title="Fill every slot", done=bool(sound), words=f"{sound} is complete." if sound else "",
            action="Open the draft", href=f"/mappings/{first}/edit" if first else "/mappings/new",
            why="Beside your own data you see the message as a phone shows it, while you choose the fields.",
        ),
    ]  # fmt: skip


def _to_send(facts: Facts, drafts: Sequence[MappingRow], sound: str) -> list[Step]:
    name = sound or (drafts[0].name if drafts else "")
    page = f"/mappings/{name}" if name else "/mappings"
    passed_over = "" if facts.tested else "No longer needed: a real one has arrived." if facts.first else _UNTESTED
    is_over = facts.tested or bool(facts.first) or facts.published > 0
    return [
        Step(
            key="tested", title="Send yourself a test", done=is_over, words=passed_over if is_over else "",
            action="Send a test", href=f"{page}/test" if name else "/mappings",
            why="One message to a phone of your own says more than any preview.",
        ),
        Step(
            key="published", title="Publish", done=facts.published > 0,
            words=_listed([row.name for row in drafts if row.published]), action="Publish",
            href=f"{page}/publish" if name else "/mappings",
            why="Until then nothing is sent to anybody. What is published can be taken back at any time.",
        ),
        Step(
            key="delivered", title="See the first message arrive", done=bool(facts.first),
            words="It is on the person's phone." if facts.first else "",
            action="Show it" if facts.first else "Look for it",
            href=f"/messages/{facts.first}" if facts.first else "/messages",
            why="From here on it goes by itself, and every message says why it was sent, or why not.",
        ),
    ]  # fmt: skip


def _sound(store: Store, registry: Registry, drafts: Sequence[MappingRow], facts: Facts) -> str:
    """Return a mapping that is in force, or whose draft has no faults; ``""`` where there is none."""
    published = next((row.name for row in drafts if row.published), "")
    if published or not facts.templates:
        return published
    latest = sorted(drafts, key=lambda row: row.updated_at, reverse=True)[:MOST_CHECKED]
    return next((row.name for row in latest if not publish.find_faults(store, registry, row.name, row.draft)), "")


def _is_notification(row: MappingRow) -> bool:
    try:
        return isinstance(read(row.name, row.draft), Mapping)
    except ConfigurationError:
        return True  # it is one that somebody is in the middle of


def _adapter(registry: Registry, name: str) -> Adapter | None:
    try:
        return registry.get(name)
    except ConfigurationError:
        return None


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
