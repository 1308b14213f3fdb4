"""Every page of the console, as different people meet it: seen badly, on a phone, without a script, as a viewer."""

from __future__ import annotations

from collections.abc import Iterator
from html import unescape

import pytest
from playwright.sync_api import Route, expect
from werkzeug.routing import Rule

from connector.sandbox.orders import orders
from connector.store import Store, look, people
from connector.store.views import EventFilter, MessageFilter
from connector.web import create_pages
from tests.browser.conftest import OpenWindow, Window
from tests.browser.town import ORDERS, UNUSABLE, Town, found
from tests.stories.conftest import OpenStage
from tests.stories.kit import SHOP

BUDGET = 150 * 1024
"""Bytes over the wire for each page after the first."""
NO_PAGES = ("static", "export", "download", ".csv", ".json", ".toml", ".zip", "/raw", "/state", "/light", "/qr")
"""What is fetched and not looked at."""


@pytest.fixture
def town(open_stage: OpenStage, open_window: OpenWindow) -> Town:
    return found(open_stage(latency_ms=20, receipt_ms=100), open_window)


def samples(store: Store) -> dict[str, list[str]]:
    """What stands in the addresses of pages that are about one thing: the same orders and people in each town."""
    with store.read() as tx:
        messages = sorted(look.list_messages(tx, MessageFilter()), key=lambda row: row.label)
        sent = min(look.list_events(tx, EventFilter(verdict="send")), key=lambda row: row.label)
        skipped = min(look.list_events(tx, EventFilter(verdict="skip")), key=lambda row: row.label)
        contacts = sorted(people.listing(tx), key=lambda who: (who.name, who.phone))
    return {
        "message": [messages[0].id], "event": [sent.id, skipped.id], "request": [str(sent.request_id)],
        "person": [contacts[0].id, contacts[-1].id], "mapping": ["shopify/order_paid"], "account": ["aurora-tea"],
        "adapter": ["shopify"], "template": ["aurora-number/order_paid/en"],
    }  # fmt: skip


def addresses(town: Town) -> list[str]:
    """The address of every page that can be looked at, an example where it is about one thing."""
    known = samples(town.stage.store)
    rules = create_pages(town.stage.wiring).url_map.iter_rules()
    return sorted(path for rule in rules for path in examples(rule, known))


def examples(rule: Rule, known: dict[str, list[str]]) -> list[str]:
    """Addresses of a page; none of what is no page, or has no example in this town."""
    path = str(rule)
    if "GET" not in (rule.methods or ()) or not rule.endpoint.startswith("console.") or any(map(path.count, NO_PAGES)):
        return []
    if "<" not in path:
        return [path]
    whose = {
        "/messages/": "message", "/events/": "event", "/people/": "person", "/requests/": "request",
        "/mappings/": "mapping", "/accounts/add/": "adapter", "/accounts/": "account", "/templates/": "template",
    }  # fmt: skip
    for beginning, what in whose.items():
        head, _, rest = path.partition(beginning)
        if not head and rest.count("<") == (3 if what == "template" else 1) and rest.startswith("<"):
            return [f"{beginning}{one}{rest.rpartition('>')[2]}" for one in known[what]]
    return []


def alter(route: Route, before: str, after: str) -> None:
    """Let a page arrive with another text in it."""
    answer = route.fetch()
    headers = {name: value for name, value in answer.headers.items() if name != "content-encoding"}
    assert before in answer.text()
    route.fulfill(status=200, headers=headers, body=answer.text().replace(before, after))


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


def test_what_happens_while_a_page_is_on_its_way_is_shown_by_its_first_look(town: Town) -> None:
    window = town.open(town.add("owner"))

    def delay(route: Route) -> None:
        if route.request.is_navigation_request():
            alter(route, "<h1>Messages", "<h1>Long ago")
        else:
            route.continue_()

    window.page.route("**/messages", delay)
    window.go("/messages")
    expect(window.page.locator("h1")).to_have_text("Messages")
    expect(window.page.locator("#live-state")).to_have_text("Live")
    assert window.wrong == []


def test_times_in_sentences_are_the_viewers_own(town: Town) -> None:
    window = town.open(town.add("owner"), zone="Asia/Tokyo")
    told = "It was silent from 2026-01-05 23:30 UTC to 2026-01-06 01:15:20 UTC. <code>2026-01-05 23:30 UTC</code>"

    window.page.route("**/people", lambda route: alter(route, "<h1>", f"<p id=told>{told}</p><h1>"))
    window.go("/people")
    times = window.page.locator("#told time")
    expect(times).to_have_count(2)
    expect(times.first).to_contain_text("08:30")
    expect(times.last).to_contain_text("10:15")
    expect(window.page.locator("#told")).to_contain_text(". 2026-01-05 23:30 UTC")
    assert window.wrong == []


def test_a_viewer_sees_nobody_by_name_or_number(town: Town) -> None:
    """What the shop told of people stands on no page that a viewer opens."""
    viewer, store = town.add("viewer"), town.stage.store
    with store.read() as tx:
        numbers = {each.phone for each in people.listing(tx)}
    called, numbers = set(names()), numbers | {number.lstrip("+") for number in numbers}
    assert len(called) > 15
    assert len(numbers) > 15
    paths = addresses(town)

    told = [
        f"{path} tells …{page[max(0, at - 80) : at]}{secret}"
        for path, page in pages(town.open(viewer), paths)
        for secret in called | numbers
        if (at := page.find(secret)) >= 0
    ]
    assert told == []

    theirs = [path for path in paths if path.startswith(("/people", "/messages/"))]
    shown = " ".join(page for _, page in pages(town.open(town.add("admin")), theirs))
    assert any(name in shown for name in called), "who may see people sees them there"
    assert any(number in shown for number in numbers)


def names() -> Iterator[str]:
    """Return how the town's buyers are called and can be written to, as far as no page says the same by chance."""
    for order in orders(1, ORDERS, unusable=UNUSABLE, shop=SHOP):
        customer = order.payload["customer"] or {}
        said = [customer.get(part) or "" for part in ("first_name", "last_name", "email")]
        yield from (text for text in said if "@" in text or not text.isascii())


def pages(window: Window, paths: list[str]) -> Iterator[tuple[str, str]]:
    """Open page after page, and return what stands in each."""
    for path in paths:
        window.go(path)
        assert "/sign-in" not in window.page.url
        yield path, unescape(window.page.content())
