"""The sandbox beside an installation: connected by what it offers, against the real stand-in."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from connector.errors import ConfigurationError, TemporaryError
from connector.flow import accounts, playground
from connector.flow.templates import sync
from connector.sandbox import offer
from connector.sandbox.server import SandboxServer
from connector.sandbox.shopify import SandboxShop
from connector.settings import Settings
from connector.store import Store
from connector.testing.vendor import nobody
from connector.wiring import Wiring

KEYS = {name: f"{name}-5d1e" for name in ("graph_token", "app_secret", "client_secret", "verify_token")}


@pytest.fixture
def tools(tmp_path: Path, sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wiring]:
    monkeypatch.setattr(playground, "_SECONDS", (60.0, 60.0))  # a page must not wait so long; machines in tests may
    with closing(Wiring(Settings.from_env({}, data=tmp_path))) as made:
        yield made


@pytest.fixture
def shop(tools: Wiring) -> Iterator[SandboxShop]:
    """The sandbox as ``connector run --sandbox`` would start it, at a port that nobody else can get in between."""
    shop = SandboxShop(client_secret=KEYS["client_secret"], webhook_secret=KEYS["client_secret"])
    with SandboxServer(token=KEYS["graph_token"], tenants=(shop,)) as server:
        at = urlsplit(server.url).port
        assert at is not None
        playground.write(tools.settings.data, offer.offer(at, KEYS))
        assert offer.prepare(tools.settings.data)["SANDBOX_GRAPH_TOKEN"] == KEYS["graph_token"]
        yield shop


def connect(tools: Wiring) -> list[str]:
    found = playground.connect(tools.store, tools.registry, tools.vault, tools.settings.data, tools.settings.local_url)
    tools.directory.forget()
    return [account.name for account in found]


def test_without_a_sandbox_nothing_is_offered(tools: Wiring) -> None:
    assert playground.read(tools.settings.data) is None
    with pytest.raises(ConfigurationError, match="connector run --sandbox"):
        connect(tools)


def test_what_is_offered_is_for_its_owner_alone_and_stays_the_same(tools: Wiring) -> None:
    data = tools.settings.data
    first = offer.prepare(data)
    path = data / playground.FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_text()
    assert offer.prepare(data) == first
    assert path.read_text() == before
    assert not any(secret in " ".join(offer.words(data)) for secret in first.values()), "they show in the process list"


def test_a_file_that_cannot_be_read_says_what_to_do(tools: Wiring) -> None:
    (tools.settings.data / playground.FILE).write_text("{")
    with pytest.raises(ConfigurationError, match="delete it"):
        playground.read(tools.settings.data)


def test_a_sandbox_that_is_not_running_says_so(tools: Wiring) -> None:
    with nobody() as url:
        playground.write(tools.settings.data, offer.offer(int(url.rpartition(":")[2]), KEYS))
        found = playground.read(tools.settings.data)
        assert found is not None
        assert not playground.is_up(found)
        with pytest.raises(TemporaryError, match="does not answer"):
            connect(tools)


def test_connecting_makes_accounts_that_work(tools: Wiring, shop: SandboxShop) -> None:
    assert connect(tools) == [offer.SHOP_NAME, offer.NUMBER_NAME]
    found = playground.read(tools.settings.data)
    assert found is not None
    assert playground.is_up(found)
    assert playground.missing(tools.store, found) == []
    account = next(each for each in tools.directory.senders())
    reached = tools.channel(account.id)
    assert reached is not None
    assert sync(tools.store, account, reached[1]).new > 0
    assert connect(tools) == [], "a second time tells the sandbox again, and makes nothing"
    token = accounts.find(tools.store, offer.SHOP_NAME).token
    assert f"/hooks/{token}" in " ".join(offer.words(tools.settings.data)), "it is told when it starts again"


def test_an_order_is_placed_by_somebody_who_can_be_reached(tools: Wiring, shop: SandboxShop) -> None:
    connect(tools)
    first, second = (playground.act(tools.settings.data, "order") for _ in range(2))
    assert first != second
    assert [order["name"] for order in shop.orders()] == [first, second]
    assert shop.stats()["webhooks"]["planned"] == 4, "placed, and paid"


def test_what_is_not_offered_cannot_be_acted(tools: Wiring, shop: SandboxShop) -> None:
    with pytest.raises(ConfigurationError, match="nothing of that kind"):
        playground.act(tools.settings.data, "refund-all")


def test_a_sandbox_elsewhere_is_not_spoken_to(tools: Wiring) -> None:
    offer.prepare(tools.settings.data)
    path = tools.settings.data / playground.FILE
    path.write_text(path.read_text().replace("http://127.0.0.1", "http://192.0.2.7"))
    with pytest.raises(ConfigurationError, match="loopback"):
        connect(tools)
    with pytest.raises(ConfigurationError, match="on this machine"):
        playground.act(tools.settings.data, "order")
