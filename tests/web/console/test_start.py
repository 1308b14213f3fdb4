"""Guided start in the console: the checklist, and the sandbox by a button."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from connector.flow import accounts, playground, publish
from connector.sandbox import offer
from connector.sandbox.server import SandboxServer
from connector.sandbox.shopify import SandboxShop
from connector.testing.vendor import nobody
from tests.web.conftest import RECIPES
from tests.web.console.room import Room

START = "/start"
KEYS = {name: f"{name}-77" for name in ("graph_token", "app_secret", "client_secret", "verify_token")}


def told(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


@pytest.fixture
def bare(room: Room) -> Room:
    """An installation to which nothing is connected."""
    for name in ("main-store", "hotline"):
        accounts.remove(room.store, name)
    room.tools.directory.forget()
    return room


def offered(room: Room, port: int) -> None:
    """Let a sandbox be offered at a port that somebody holds already: one that is free may be taken meanwhile."""
    playground.write(room.tools.settings.data, offer.offer(port, KEYS))


@pytest.fixture
def sandbox(bare: Room, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxShop]:
    monkeypatch.setattr(playground, "_SECONDS", (60.0, 60.0))
    shop = SandboxShop(client_secret=KEYS["client_secret"], webhook_secret=KEYS["client_secret"])
    with SandboxServer(token=KEYS["graph_token"], tenants=(shop,)) as server:
        offered(bare, int(server.url.rpartition(":")[2]))
        yield shop


def test_the_next_step_alone_has_a_primary_action(bare: Room) -> None:
    page = bare.client("owner").get(START).text
    assert page.count("btn-primary") == 1
    assert 'href="/accounts/add">Connect a shop or CRM</a>' in page
    assert page.count('aria-current="step"') == 1
    assert "1 of 9 done" in told(page)


def test_without_a_sandbox_the_page_says_how_to_have_one(bare: Room) -> None:
    assert "connector run --sandbox" in bare.client("viewer").get(START).text


def test_the_sandbox_is_connected_by_one_button(bare: Room, sandbox: SandboxShop) -> None:
    bare.user("owner")
    client = bare.client("admin")
    assert "Use the sandbox" in client.get(START).text
    assert bare.post(client, "/start/sandbox", page=START).status_code == 303
    page = told(client.get(START).text)
    assert "sandbox-shop and sandbox-number are connected" in page
    assert "Place and pay an order" in page
    added = [row.object for row in bare.house.rows("audit") if row.action == "account.added"]
    assert sorted(added) == ["sandbox-number", "sandbox-shop"]


def test_something_happens_in_the_sandbox_by_a_button(bare: Room, sandbox: SandboxShop) -> None:
    client = bare.client("admin")
    bare.post(client, "/start/sandbox", page=START)
    bare.post(client, "/start/act", page=START, act="order")
    assert "#1001 is under way" in client.get(START).text
    assert len(sandbox.orders()) == 1
    bare.post(client, "/start/act", page=START, act="nonsense")
    assert "nothing of that kind" in client.get(START).text


def test_a_sandbox_that_is_gone_is_told_as_such(bare: Room) -> None:
    with nobody() as url:
        offered(bare, int(url.rpartition(":")[2]))
        client = bare.client("admin")
        assert "is not running" in client.get(START).text
        bare.post(client, "/start/sandbox", page=START)
        assert "The sandbox does not answer." in client.get(START).text


def test_recipes_are_offered_when_it_is_their_turn(room: Room) -> None:
    room.house.know_templates()
    client = room.client("owner")
    page = client.get(START).text
    names = re.findall(r'name="recipe" value="(shopify/\w+)"', page)
    assert len(names) == 4
    assert names[0] == "shopify/order_paid"
    assert 'name="recipe"' not in room.client("viewer").get(START).text


def test_who_wants_no_test_goes_on_without_one(room: Room) -> None:
    room.house.know_templates()
    name = "shopify/order_paid"
    publish.save(room.store, name, (RECIPES / "order_paid.toml").read_text("utf-8"))
    client = room.client("owner")
    page = client.get(START).text
    assert (
        f'href="/mappings/{name}/test">Send a test</a><a href="/mappings/{name}/publish">Go on without one</a>' in page
    )
    publish.publish(room.store, room.tools.registry, name)
    page = client.get(START).text
    assert "Passed over" in page
    assert "See the first message arrive" in page.partition('aria-current="step"')[2].partition("</h2>")[0]


def test_the_checklist_is_drawn_on_other_pages_until_it_is_put_away(room: Room) -> None:
    source = '{% from "console/_checklist.html" import checklist with context %}{{ checklist() }}'

    def drawn() -> str:
        with room.app.test_request_context("/"):
            from flask import g, render_template_string

            g.actor = None
            return told(render_template_string(source))

    assert "To your first message" in drawn()
    client = room.client("editor")
    room.post(client, "/start/hide", page=START)
    assert drawn() == ""
    room.post(client, "/start/hide", page=START, again="1")
    assert "To your first message" in drawn()


@pytest.mark.parametrize("path", ["/start/sandbox", "/start/act"])
def test_who_may_not_change_accounts_starts_nothing(room: Room, path: str) -> None:
    client = room.client("editor")
    assert client.post(path, data={"csrf_token": room.csrf(client, "/me")}).status_code == 403
