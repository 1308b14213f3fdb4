"""Every page of the console, as different people meet it: seen badly, on a phone, without a script, as a viewer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from werkzeug.routing import Rule

from connector.model import ContactId
from connector.store import Store, look, people, tasks
from connector.store.views import EventFilter, MessageFilter
from connector.web import create_pages
from tests.browser.conftest import OpenWindow, Window
from tests.browser.town import Town, found
from tests.stories.conftest import OpenStage

BUDGET = 150 * 1024
"""Bytes over the wire for each page after the first."""
NO_PAGES = ("static", "export", "download", ".csv", ".json", ".toml", ".zip", "/raw", "/state", "/light", "/qr")
"""What is fetched and not looked at."""
GONE_FIRST = ("door", "setup", "invitation", "sign")


@pytest.fixture
def town(open_stage: OpenStage, open_window: OpenWindow) -> Town:
    return found(open_stage(latency_ms=20, receipt_ms=100), open_window)


def samples(store: Store) -> dict[str, str]:
    """What stands in the address of a page that is about one thing."""
    with store.read() as tx:
        message = look.list_messages(tx, MessageFilter(), most=1)[0]
        event = look.list_events(tx, EventFilter(), most=1)[0]
        contact: ContactId = next(iter(people.listing(tx))).id
        task = next((each.id for each in tasks.listing(tx, most=1)), "")
    return {
        "message": message.id, "event": event.id, "person": contact, "request": str(event.request_id), "task": task,
        "mapping": "shopify/order_paid", "account": "aurora-tea", "adapter": "shopify",
        "template": "aurora-number/order_paid/en",
    }  # fmt: skip


def addresses(town: Town) -> list[str]:
    """The address of every page that can be looked at, an example where it is about one thing."""
    known = samples(town.stage.store)
    rules = create_pages(town.stage.wiring).url_map.iter_rules()
    return sorted(filter(None, (address(rule, known) for rule in rules)))


def address(rule: Rule, known: dict[str, str]) -> str:
    """An example of a page's address; nothing for what is no page, or has no example in this town."""
    path = str(rule)
    if "GET" not in (rule.methods or ()) or not rule.endpoint.startswith("console.") or any(map(path.count, NO_PAGES)):
        return ""
    if "<" not in path:
        return path
    whose = {
        "/messages/": "message", "/events/": "event", "/people/": "person", "/requests/": "request",
        "/mappings/": "mapping", "/accounts/add/": "adapter", "/accounts/": "account", "/templates/": "template",
    }  # fmt: skip
    for beginning, what in whose.items():
        head, _, rest = path.partition(beginning)
        if not head and rest.startswith("<") and known[what]:
            tail = rest.rpartition(">")[2]
            return "" if tail.count("<") else f"{beginning}{known[what]}{tail}"
    return ""


def look_at(window: Window, paths: list[str]) -> Iterator[str]:
    """Open page after page, and tell what is wrong with each."""
    for path in paths:
        status = window.go(path)
        if status >= 500:
            yield f"{path} answers {status}"
            continue
        yield from (f"{path}: {fault}" for fault in window.grave())
        if wide := window.too_wide():
            yield f"{path} is {wide} pixels wider than the window"
        if (weight := window.transferred()) > BUDGET:
            yield f"{path} weighs {weight} bytes"
        if window.page.locator("h1").count() != 1:
            yield f"{path} ({status}) has {window.page.locator('h1').count()} headings of the first rank"
    yield from window.wrong


def test_every_page_is_fit_for_everybody_on_any_screen(town: Town) -> None:
    """Nothing that axe finds grave, nothing from elsewhere, no error of a script, nothing cut off, nothing heavy."""
    owner, paths = town.add("owner"), addresses(town)
    assert len(paths) > 25, paths
    faults: list[str] = []
    for width, scheme in ((1280, "light"), (360, "dark")):
        window = town.open(owner, width=width, scheme=scheme)
        faults += [f"{width} {scheme}: {fault}" for fault in look_at(window, paths)]

    assert faults == []


def test_every_page_can_be_read_without_a_script(town: Town) -> None:
    owner, paths = town.add("owner"), addresses(town)
    window = town.open(owner, script=False)

    blank = [path for path in paths if window.go(path) >= 500 or len(window.page.locator("body").inner_text()) < 60]

    assert blank == []


def test_a_viewer_sees_nobody_by_name_or_number(town: Town) -> None:
    """What the shop told of people stands on no page that a viewer opens."""
    viewer, store = town.add("viewer"), town.stage.store
    with store.read() as tx:
        known = people.listing(tx)
    secrets = {text for each in known for text in (each.phone, each.phone.lstrip("+"), each.name, each.email) if text}
    window = town.open(viewer)

    told = []
    for path in addresses(town):
        window.go(path)
        page = window.page.content()
        told += [f"{path} tells …{page[at - 80 : at]}{secret}" for secret in secrets if (at := page.find(secret)) >= 0]

    assert told == []
    with store.read() as tx:
        assert len(known) > 5
