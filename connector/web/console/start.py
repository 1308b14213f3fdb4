"""Guided start: the checklist that ticks itself, and the sandbox by a button."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from connector.errors import ConfigurationError, MappingError, RemoteError
from connector.flow import playground, progress, shelf
from connector.flow.playground import Playground
from connector.flow.progress import Progress
from connector.mapping import Mapping
from connector.mapping.kinds import read
from connector.model import Category, Permission
from connector.store import mappings, templates
from connector.web.console.frame import console, may, needs, record, say, store, tools

MOST_RECIPES = 4
FIRST = ("order.paid", "order.created")
"""Events whose recipes are offered before others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggested:
    """A recipe that can be used with what is connected."""

    name: str
    title: str
    words: str
    """What it is for, in a sentence."""
    sentence: str
    """What it does, in full."""
    is_ready: bool
    """Its template is approved."""


@console.app_template_global("checklist_progress")
def look() -> Progress | None:
    """Return how far the start has come, for ``_checklist.html``; None where it is over, or was put away."""
    if progress.is_hidden(store()):
        return None
    found = progress.look(store(), tools().registry, tools().directory.senders())
    return None if found.next is None else found


@console.get("/start")
@needs(Permission.LOOK)
def getting_started() -> str:
    """Show all steps to the first message."""
    found = progress.look(store(), tools().registry, tools().directory.senders())
    offered, fault = _offered()
    is_up = offered is not None and playground.is_up(offered)
    return render_template(
        "console/start.html",
        progress=found,
        offered=offered,
        fault=fault,
        is_up=is_up,
        left=playground.missing(store(), offered) if offered else [],
        recipes=list(_suggest()) if found.next and found.next.key == "recipe" else [],
        is_hidden=progress.is_hidden(store()),
    )


@console.post("/start/sandbox")
@needs(Permission.EDIT_ACCOUNTS)
def connect_sandbox() -> AnyResponse:
    """Connect the shop and the number of the sandbox that runs beside this installation."""
    settings = tools().settings
    try:
        fresh = playground.connect(store(), tools().registry, tools().vault, settings.data, settings.local_url)
    except (ConfigurationError, RemoteError) as error:
        advice = error.advice if isinstance(error, RemoteError) else ""
        say(f"{error} {advice}".strip(), "fail")
        return redirect(url_for("console.getting_started"), 303)
    tools().directory.forget()
    for account in fresh:
        record("account.added", account.name, f"Connected {account.name} of the sandbox.", adapter=account.adapter)
        tools().queue.ring("sync_templates", account.id)
    names = " and ".join(account.name for account in fresh)
    say(f"{names} are connected." if fresh else "The sandbox knows again where to post.")
    return redirect(url_for("console.getting_started"), 303)


@console.post("/start/act")
@needs(Permission.EDIT_ACCOUNTS)
def act_in_sandbox() -> AnyResponse:
    """Let something happen in the sandbox."""
    try:
        name = playground.act(tools().settings.data, request.form.get("act", ""))
    except (ConfigurationError, RemoteError) as error:
        advice = error.advice if isinstance(error, RemoteError) else ""
        say(f"{error} {advice}".strip(), "fail")
    else:
        say(f"{name} is under way. What comes of it stands under Events within a second or two.")
    return redirect(url_for("console.getting_started"), 303)


@console.post("/start/hide")
@needs(Permission.EDIT_MAPPINGS)
def hide_checklist() -> AnyResponse:
    """Take the checklist off the other pages, or put it there again."""
    if request.form.get("again"):
        progress.show(store())
    else:
        progress.hide(store())
        say("The checklist stays here, under Getting started.")
    return redirect(url_for("console.getting_started"), 303)


def _offered() -> tuple[Playground | None, str]:
    try:
        return playground.read(tools().settings.data), ""
    except ConfigurationError as error:
        return None, str(error)


def _suggest() -> Iterator[Suggested]:
    """Yield recipes of what is connected, those first whose template is approved and needs no agreement."""
    if not may(Permission.EDIT_MAPPINGS):
        return
    connected = {each.account.adapter for each in tools().directory.all_()}
    with store().read() as tx:
        known = {row.template.name: row.template for row in templates.all_(tx) if row.template.status == "approved"}
        taken = {row.name for row in mappings.all_(tx)}
    found: list[tuple[bool, bool, bool, str, Mapping]] = []
    for folder in (files("mappings") / name for name in sorted(connected)):
        for each in folder.iterdir() if folder.is_dir() else ():
            name = f"{folder.name}/{each.name.removesuffix('.toml')}"
            if not each.name.endswith(".toml") or name in taken:
                continue
            try:
                made = read(name, each.read_text("utf-8"))
            except MappingError:
                continue
            if isinstance(made, Mapping):
                template = known.get(made.template.name)
                is_late = made.when.event not in FIRST
                found.append((template is None, _is_marketing(template), is_late, name, made))
    for absent, _, _, name, made in sorted(found, key=_rank)[:MOST_RECIPES]:
        words = shelf.say(made, tools().registry, known.get(made.template.name))
        about = made.description.split(". ")[0].rstrip(".") + "." if made.description else words
        yield Suggested(name=name, title=made.title, words=about, sentence=words, is_ready=not absent)


def _rank(row: tuple[bool, bool, bool, str, Mapping]) -> tuple[object, ...]:
    absent, marketing, late, name, made = row
    return absent, marketing, late, 0 if late else FIRST.index(made.when.event), name


def _is_marketing(template: object) -> bool:
    return getattr(template, "category", None) is Category.MARKETING
