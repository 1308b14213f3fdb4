"""A new mapping: from a recipe that is shipped, or from an event and a template, with slots suggested."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from importlib.resources.abc import Traversable

from flask import make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from connector.contract import Adapter, Topic
from connector.errors import ConfigurationError, Fault, MappingError
from connector.flow import publish
from connector.mapping import kinds, sentence
from connector.mapping.contact import ContactMapping
from connector.mapping.document import Form, LanguagePart, TemplatePart, ToPart, WhenPart, read_form, write_form
from connector.mapping.notification import Mapping
from connector.mapping.pieces import refuse_name
from connector.mapping.suggest import suggest_slots
from connector.model import Permission, Template
from connector.store import mappings
from connector.store import templates as stored_templates
from connector.store.mappings import Conflict
from connector.web.console.frame import actor, console, needs, record, say, store, tools

_NOT_IN_NAME = re.compile(r"[^a-z0-9_.-]+")
MOST_NUMBERS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A shipped mapping, as its card shows it."""

    name: str
    title: str
    sentence: str
    source: str
    wants: Sequence[tuple[bool, str]]
    """What it needs, and whether it is there."""
    taken: bool
    """A mapping of this name is stored already."""


@console.get("/mappings/new")
@needs(Permission.EDIT_MAPPINGS)
def new_mapping() -> str:
    """Offer the shipped recipes, and a start from an event and a template."""
    return _draw()


@console.post("/mappings/new")
@needs(Permission.EDIT_MAPPINGS)
def make_mapping() -> AnyResponse | str:
    """Make a draft of a recipe, or of an event and a template, and open it."""
    recipe = request.form.get("recipe", "")
    try:
        name, source = _of_recipe(recipe) if recipe else _of_parts()
        publish.save(store(), name, source, revision=0, by=actor().name)
    except MappingError as error:
        return make_response(_draw(error.faults), 422)
    except Conflict as conflict:
        return make_response(
            _draw([Fault("name", f"{conflict.theirs.name} is there already; choose another name.")]), 409
        )
    record("mapping.saved", name, f"Made the draft of {name}")
    say("The draft is made. Look at it with a real event; nothing is sent by it before you publish.")
    return redirect(f"/mappings/{name}/edit", 303)


def _of_recipe(wanted: str) -> tuple[str, str]:
    source = next((text for name, text in _texts() if name == wanted), None)
    if source is None:
        raise MappingError([Fault("recipe", "There is no such recipe.")])
    return _free(wanted), source


def _of_parts() -> tuple[str, str]:
    """Return the name and text of a mapping for the chosen event and template."""
    adapter_name, _, event = request.form.get("event", "").partition(" ")
    account, _, template_name = request.form.get("template", "").partition(" ")
    adapter, topic = _topic(adapter_name, event)
    if adapter is None or topic is None:
        raise MappingError([Fault("event", "Choose an event.")])
    template = _template(account, template_name)
    if template is None:
        raise MappingError([Fault("template", "Choose a template.")])
    wish = _NOT_IN_NAME.sub("_", request.form.get("name", "").strip().lower().removeprefix(f"{adapter_name}/"))
    name = f"{adapter_name}/{wish}" if wish else _free(f"{adapter_name}/{template_name.lower()}")
    refuse_name(name)
    model = _model(adapter_name, event)
    several = len(tools().directory.senders()) > 1
    form = Form(
        title=topic.title,
        when=replace(model.when, event=event) if model else WhenPart(event=event, adapter=adapter_name),
        to=model.to if model else ToPart(phone=_phones(topic)),
        template=TemplatePart(
            account=account if several else "", name=template_name, language=LanguagePart(default=template.language)
        ),
        slots=suggest_slots(template, topic.fields, model.slots if model else {}),
    )
    return name, write_form("", form)


def _phones(topic: Topic) -> tuple[str, ...]:
    found = [field.path for field in topic.fields if field.type == "phone" and "[" not in field.path]
    return tuple(f"{{{{ {path} }}}}" for path in found[:5]) or ("{{ phone }}",)


def _model(adapter: str, event: str) -> Form | None:
    """Return the shipped recipe of the event, whose recipients and slots are a good beginning."""
    for name, source in _texts():
        if name.startswith(f"{adapter}/") and kinds.kind_of(source) == "notification":
            form = read_form(source)
            if form.when.event == event:
                return form
    return None


def _topic(adapter_name: str, event: str) -> tuple[Adapter | None, Topic | None]:
    try:
        adapter = tools().registry.get(adapter_name)
    except ConfigurationError:
        return None, None
    return adapter, next((topic for topic in adapter.topics if topic.event == event), None)


def _template(account: str, name: str) -> Template | None:
    sender = next((each for each in tools().directory.senders() if each.name == account), None)
    if sender is None:
        return None
    with store().read() as tx:
        rows = stored_templates.all_(tx, sender.id)
    mine = [row.template for row in rows if row.template.name == name]
    return next((each for each in mine if each.status == "approved"), mine[0] if mine else None)


def _free(name: str) -> str:
    """Return the name, or the next one that nobody has."""
    with store().read() as tx:
        for number in range(1, MOST_NUMBERS):
            wanted = name if number == 1 else f"{name}_{number}"
            if mappings.get(tx, wanted) is None:
                return wanted
    raise MappingError([Fault("name", f"There are {MOST_NUMBERS} mappings called {name} already; give it a name.")])


def _texts(folder: Traversable | None = None, prefix: str = "") -> Iterator[tuple[str, str]]:
    for each in sorted((folder or files("mappings")).iterdir(), key=lambda item: item.name):
        if each.is_dir() and each.name != "fixtures":
            yield from _texts(each, f"{prefix}{each.name}/")
        elif each.name.endswith(".toml"):
            yield prefix + each.name.removesuffix(".toml"), each.read_text("utf-8")


def _recipes() -> Iterator[Recipe]:
    connected = {each.account.adapter for each in tools().directory.all_()}
    with store().read() as tx:
        known = {row.name for row in mappings.all_(tx)}
        approved = {row.template.name: row.template for row in stored_templates.all_(tx)}
    for name, source in _texts():
        try:
            found = kinds.read(name, source)
        except MappingError:
            continue
        if isinstance(found, Mapping):
            template = approved.get(found.template.name)
            wants = [
                (found.when.adapter in connected, f"an account of {found.when.adapter}"),
                (template is not None, f"the template {found.template.name}"),
            ]
            words = sentence.say(found, topics=_topics(found.when.adapter), template=template)
            yield Recipe(name=name, title=found.title, sentence=words, source=source, wants=wants, taken=name in known)
        elif isinstance(found, ContactMapping):
            wants = [(found.adapter in connected, f"an account of {found.adapter}")]
            first = found.description.partition(":")[0].partition(".")[0].replace("\n", " ").strip()
            yield Recipe(
                name=name, title=found.title, sentence=f"{first}.", source=source, wants=wants, taken=name in known
            )


def _topics(adapter: str) -> Sequence[Topic]:
    try:
        return tools().registry.get(adapter).topics
    except ConfigurationError:
        return ()


def _events() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return what can be chosen: vendor's title -> events of the accounts that are connected."""
    found = []
    for name in sorted({each.account.adapter for each in tools().directory.all_()}):
        topics = {topic.event: topic for topic in _topics(name)}
        if topics:
            title = tools().registry.get(name).title
            rows = sorted((topic.title, f"{name} {event}") for event, topic in topics.items())
            found.append((title, [(value, words) for words, value in rows]))
    return found


def _templates() -> list[tuple[str, list[tuple[str, str]]]]:
    found = []
    with store().read() as tx:
        for sender in tools().directory.senders():
            names: dict[str, str] = {}
            for row in stored_templates.all_(tx, sender.id):
                if row.template.status != stored_templates.GONE:
                    names.setdefault(row.template.name, row.template.category.value)
            found.append((sender.name, [(f"{sender.name} {name}", f"{name} — {kind}") for name, kind in names.items()]))
    return found


def _draw(faults: Sequence[Fault] = ()) -> str:
    return render_template(
        "console/new_mapping.html", recipes=list(_recipes()), events=_events(), templates=_templates(), faults=faults,
        given=request.form,
    )  # fmt: skip
