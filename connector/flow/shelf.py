"""All mappings at a glance, and how ready one of them is: what lists and the home of a mapping show."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache

from connector.contract import Topic
from connector.errors import ConfigurationError, MappingError
from connector.flow import drift, publish
from connector.flow.accounts import Registry
from connector.flow.catalogue import Catalogue
from connector.flow.drift import Drift
from connector.flow.publish import Described
from connector.mapping import Mapping as Notification
from connector.mapping import sentence
from connector.mapping.kinds import Document, kind_of, read
from connector.model import Account, Category, Template, now
from connector.store import Store, Transaction, mappings, recent, tasks, templates
from connector.store.mappings import MappingRow
from connector.store.recent import Lately

LATELY = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One mapping, as lists show it."""

    row: MappingRow
    kind: str
    title: str
    sentence: str
    """``""`` where the draft cannot be read, or the kind has none."""
    event: str
    has_changes: bool
    """The draft is not what is in force."""
    drifts: Sequence[Drift] = ()
    lately: Lately = field(default_factory=Lately)

    @property
    def name(self) -> str:
        """The mapping's name."""
        return self.row.name

    @property
    def is_on(self) -> bool:
        """Tell whether a version is in force."""
        return self.row.published is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that should be so before anybody gets a message."""

    name: str
    done: bool
    words: str
    href: str = ""
    """Where it is done."""
    must: bool = True
    """Publishing is refused without it; False: it is only wise."""


def items(tx: Transaction, registry: Registry, event: str = "") -> list[Item]:
    """Return every mapping by name, or those that listen to an event."""
    drifted, lately = drift.all_(tx), recent.by_mapping(tx, now() - LATELY)
    sources = {version.name: version.source for version in mappings.in_force(tx)}
    approved = {row.template.name: row.template for row in templates.all_(tx)}
    found = (
        item(row, sources.get(row.name), registry, approved.get, drifted.get(row.name, ()), lately.get(row.name))
        for row in mappings.all_(tx)
    )
    return [each for each in found if event in ("", each.event)]


def item(
    row: MappingRow,
    in_force: str | None,
    registry: Registry,
    template: Callable[[str], Template | None],
    drifts: Sequence[Drift] = (),
    lately: Lately | None = None,
) -> Item:
    """Return one mapping as lists show it."""
    made = document(row.name, row.draft)
    known = template(made.template.name) if isinstance(made, Notification) else None
    return Item(
        row=row,
        kind=kind_of(row.draft),
        title=str(getattr(made, "title", "")) or row.name,
        sentence=say(made, registry, known) if isinstance(made, Notification) else "",
        event=made.when.event if isinstance(made, Notification) else "",
        has_changes=row.draft != in_force,
        drifts=drifts,
        lately=lately or Lately(),
    )


def say(made: Notification, registry: Registry, template: Template | None) -> str:
    """Say a mapping in one sentence."""
    return sentence.say(made, topics=topics(registry, made.when.adapter), template=template)


def topics(registry: Registry, adapter: str) -> Sequence[Topic]:
    """Return what an adapter declares; nothing where it is not installed."""
    try:
        return registry.get(adapter).topics
    except ConfigurationError:
        return ()


@lru_cache(maxsize=500)
def document(name: str, source: str) -> Document | None:
    """Return what a text says, or None where it cannot be read."""
    try:
        return read(name, source)
    except MappingError:
        return None


def checks(
    store: Store,
    registry: Registry,
    catalogue: Catalogue,
    accounts: Sequence[Account],
    row: MappingRow,
    described: Described = publish.undescribed,
) -> list[Check]:
    """Return what should be so before a notification mapping goes live, and whether it is."""
    made = document(row.name, row.draft)
    if not isinstance(made, Notification):
        return []
    faults = publish.find_faults(store, registry, row.name, row.draft, described)
    catalogue.refresh()
    channel = catalogue.channel(made)
    wanted = [catalogue.finder(channel)(made.template.name, language) for language in made.template.language.all]
    edit = f"/mappings/{row.name}/edit"
    mended = (
        f"{len(faults)} {'thing is' if len(faults) == 1 else 'things are'} to be mended: {faults[0]}" if faults else ""
    )
    return [
        *_connections(made, accounts, channel is not None),
        *_templates(made, wanted),
        Check(
            name="Mapping complete",
            done=not faults,
            words=mended or "Every slot is filled, and every field is known.",
            href=edit,
        ),
        _consent(made, wanted, edit),
        *_trials(store, row),
    ]


def _trials(store: Store, row: MappingRow) -> Iterator[Check]:
    with store.read() as tx:
        tested = recent.trials(tx, row.name, row.updated_at)
        reports = tasks.listing(tx, "backtest", since=row.updated_at, most=100)
    backtested = any(
        task.args.get("name") == row.name and task.args.get("source") == row.draft and task.state == "done"
        for task in reports
    )
    yield Check(
        name="Test sent",
        done=bool(tested),
        words="This draft has been sent to a test number." if tested else "Send this draft to a phone of your own.",
        href=f"/mappings/{row.name}/test",
        must=False,
    )
    yield Check(
        name="Backtested",
        done=backtested,
        words="This draft has been tried on what came." if backtested else "Try this draft on what came lately.",
        href=f"/mappings/{row.name}/backtest",
        must=False,
    )


def _connections(made: Notification, accounts: Sequence[Account], can_send: bool) -> Iterator[Check]:
    sources = [each for each in accounts if each.adapter == made.when.adapter]
    missing = f"No account of {made.when.adapter} is connected: no {made.when.event} will come."
    words = f"{', '.join(each.name for each in sources[:3])} {'tells' if len(sources) == 1 else 'tell'} of it."
    done = bool(sources) and can_send
    if sources and not can_send:
        named = f" {made.template.account}" if made.template.account else ""
        missing = f"The account{named} that sends is not clear, or not connected."
    yield Check(name="Connected", done=done, words=words if done else missing, href="/accounts")


def _templates(made: Notification, wanted: Sequence[Template | None]) -> Iterator[Check]:
    pairs = list(zip(made.template.language.all, wanted, strict=True))
    wrong = [
        f"{language} is {template.status if template else 'not there'}"
        for language, template in pairs
        if template is None or template.status != "approved"
    ]
    words = f"{made.template.name} is approved in {', '.join(made.template.language.all)}."
    yield Check(
        name="Template approved",
        done=not wrong,
        words=f"{made.template.name} in {'; '.join(wrong)}." if wrong else words,
        href="/templates",
    )


def _consent(made: Notification, wanted: Sequence[Template | None], href: str) -> Check:
    category = next((template.category for template in wanted if template is not None), None)
    if category is Category.MARKETING:
        field_ = f" or by the event's field {made.to.agreement[0]}" if made.to.agreement else ""
        words = f"Marketing: it goes only to people who agreed to it, by the ledger{field_}."
    elif category is Category.UTILITY and made.to.ground == "consent":
        words = "Utility, and it goes only to people who agreed to utility messages."
    elif category is None:
        words = "The template's category decides what consent is needed; there is no template yet."
    else:
        words = f"{str(category).capitalize()}: it goes to whom it concerns, unless they said stop."
    return Check(name="Consent rule", done=category is not None, words=words, href=href)
