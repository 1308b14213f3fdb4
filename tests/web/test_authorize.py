"""Authorization in a browser: who may begin, who may come back, and what is said when it goes wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient

from connector.contract import Authorizer, Grant, Kit, Settings
from connector.errors import ConfigurationError, CredentialsError, PermanentError, SignatureError, UncertainError
from connector.flow import accounts, authorization, team
from connector.flow.tokens import StoredTokens
from connector.model import Account, Role, Secret, now
from connector.settings import Settings as Installation
from connector.store import Store
from connector.web import create_pages
from connector.wiring import Wiring
from tests.toys import SHOP, ToyRegistry

PUBLIC = "https://connect.example"
START = "/authorize/main-store/start"
CALLBACK = "/authorize/main-store/callback"
GRANTED = "granted-9b1f"
EMAIL, PASSWORD = "admin@example.org", "marmalade-orbit-flint"
HEADERS = {"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


class Owner(Authorizer):
    """Lets us in, or not."""

    def __init__(self) -> None:
        self.fault: Exception | None = None
        self.completed: list[tuple[Mapping[str, str], str]] = []

    def begin(self, settings: Settings, *, state: str, redirect_url: str) -> str:
        if self.fault:
            raise self.fault
        return f"https://vendor.example/allow?state={state}&redirect_uri={redirect_url}"

    def complete(self, settings: Settings, kit: Kit, *, params: Mapping[str, str], redirect_url: str) -> Grant:
        self.completed.append((params, redirect_url))
        if self.fault:
            raise self.fault
        return Grant(access_token=Secret(GRANTED), refresh_token=Secret("again"))


class Registry(ToyRegistry):
    def __init__(self) -> None:
        super().__init__()
        self.owner = Owner()

    def get(self, name: str) -> Any:
        return replace(SHOP, authorizer=self.owner) if name == "toyshop" else super().get(name)


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def owner(registry: Registry) -> Owner:
    return registry.owner


@pytest.fixture
def tools(tmp_path: Path, sqlite_store: Store, registry: Registry) -> Iterator[Wiring]:
    with closing(Wiring(Installation.from_env({"CONNECTOR_PUBLIC_URL": PUBLIC}, data=tmp_path))) as made:
        made.registry = made.directory._registry = registry
        yield made


@pytest.fixture
def shop(tools: Wiring) -> Account:
    accounts.connect(tools.store, tools.registry, tools.vault, "toyany", "plain", {"shop": "a", "access_token": "one"})
    given = {"shop": "a", "access_token": "one"}
    return accounts.connect(tools.store, tools.registry, tools.vault, "toyshop", "main-store", given)


def browser(tools: Wiring) -> FlaskClient:
    app = create_pages(tools)
    app.config["PREFERRED_URL_SCHEME"] = "https"
    return app.test_client()


@pytest.fixture
def operator(tools: Wiring, shop: Account) -> FlaskClient:
    team.add(tools.store, email_=EMAIL, name_="Admin", role=Role.ADMIN, password=PASSWORD)
    return sign_in(browser(tools), EMAIL)


def sign_in(client: FlaskClient, email: str) -> FlaskClient:
    page = client.get("/sign-in", base_url=PUBLIC, headers={"Accept": "text/html"}).text
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found
    form = {"csrf_token": found[1], "email": email, "password": PASSWORD}
    answer = client.post("/sign-in", data=form, base_url=PUBLIC, headers={"Referer": f"{PUBLIC}/sign-in"})
    assert answer.status_code == 303, answer.text
    return client


def begin(client: FlaskClient) -> str:
    """Go to the vendor; return the state that it was given."""
    answer = client.get(START, base_url=PUBLIC)
    assert answer.status_code == 303, answer.text
    return parse_qs(urlsplit(answer.location).query)["state"][0]


def come_back(client: FlaskClient, state: str = "", **params: str) -> tuple[int, str]:
    given = {"state": state, "code": "c-1"} | params
    answer = client.get(CALLBACK, query_string=given, base_url=PUBLIC)
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.status_code, answer.text


def kept(tools: Wiring, account: Account) -> str:
    def renew(last: Grant | None) -> Grant:
        return Grant(access_token=Secret("none"))

    tokens = StoredTokens(tools.store, tools.vault, account.id, bound_to="toy.example")
    return tokens.current(renew).access_token.reveal()


def test_a_shop_that_lets_us_in_leaves_its_token(
    operator: FlaskClient, tools: Wiring, shop: Account, owner: Owner
) -> None:
    state = begin(operator)
    status, text = come_back(operator, state, hmac="abc")
    assert status == 200
    assert "has let main-store in" in text
    assert owner.completed == [({"state": state, "code": "c-1", "hmac": "abc"}, f"{PUBLIC}{CALLBACK}")]
    assert kept(tools, shop) == GRANTED
    assert GRANTED not in text


def test_a_stranger_is_sent_to_sign_in(tools: Wiring, shop: Account) -> None:
    stranger = browser(tools)
    for query in ("", "?token=", "?token=wrong"):
        answer = stranger.get(START + query, base_url=PUBLIC)
        assert answer.status_code == 401
        assert "connector_authorize" not in answer.headers.get("Set-Cookie", "")
    assert stranger.get("/authorize/nobody/start", base_url=PUBLIC).status_code == 401
    answer = stranger.get(START, base_url=PUBLIC, headers={"Accept": "text/html"})
    assert answer.status_code == 303
    assert "vendor.example" not in answer.location


def test_who_may_not_change_accounts_may_not_begin(tools: Wiring, shop: Account) -> None:
    team.add(tools.store, email_="editor@example.org", name_="Editor", role=Role.EDITOR, password=PASSWORD)
    editor = sign_in(browser(tools), "editor@example.org")
    assert editor.get(START, base_url=PUBLIC).status_code == 403


def test_the_cookie_is_for_this_way_alone(operator: FlaskClient) -> None:
    answer = operator.get(START, base_url=PUBLIC)
    cookie = next(each for each in answer.headers.getlist("Set-Cookie") if each.startswith("connector_authorize="))
    for part in ("HttpOnly", "Secure", "SameSite=Lax", "Path=/authorize/main-store/", "Max-Age=600"):
        assert part in cookie
    word = cookie.partition("=")[2].partition(";")[0]
    assert word not in answer.location
    assert answer.location.startswith("https://vendor.example/allow?")


def test_whoever_comes_back_twice_is_refused(operator: FlaskClient, owner: Owner) -> None:
    state, cookie = begin(operator), None
    cookie = operator.get_cookie("connector_authorize", "connect.example", "/authorize/main-store/")
    assert cookie is not None
    assert come_back(operator, state)[0] == 200
    operator.set_cookie("connector_authorize", cookie.value, domain="connect.example", path="/authorize/main-store/")
    assert come_back(operator, state)[0] == 400
    assert len(owner.completed) == 1


def test_another_browser_cannot_come_back(operator: FlaskClient, tools: Wiring, owner: Owner) -> None:
    state, other = begin(operator), browser(tools)
    assert come_back(other, state)[0] == 400
    other.set_cookie("connector_authorize", "guessed", domain="connect.example", path="/authorize/main-store/")
    assert come_back(other, state)[0] == 400
    assert owner.completed == []
    assert come_back(operator, state)[0] == 200  # what strangers try ends nothing


@pytest.mark.parametrize("state", ["", "wrong", "é\x00\ud800".encode("utf-8", "replace").decode()])
def test_a_wrong_state_is_refused(operator: FlaskClient, owner: Owner, state: str) -> None:
    begin(operator)
    status, text = come_back(operator, state)
    assert status == 400
    assert "Begin again" in text
    assert owner.completed == []


def test_after_ten_minutes_it_is_over(operator: FlaskClient, owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    state, later = begin(operator), now() + timedelta(minutes=10, seconds=1)
    monkeypatch.setattr(authorization, "now", lambda: later)
    assert come_back(operator, state)[0] == 400
    assert owner.completed == []


def test_a_newer_beginning_takes_the_place_of_the_older(operator: FlaskClient) -> None:
    older, newer = begin(operator), begin(operator)
    assert come_back(operator, older)[0] == 400
    assert come_back(operator, newer)[0] == 200


def test_a_state_of_one_account_does_not_open_another(operator: FlaskClient, tools: Wiring, owner: Owner) -> None:
    given = {"shop": "b", "access_token": "one"}
    accounts.connect(tools.store, tools.registry, tools.vault, "toyshop", "other", given)
    tools.directory._read_at = float("-inf")
    state = begin(operator)
    cookie = operator.get_cookie("connector_authorize", "connect.example", "/authorize/main-store/")
    assert cookie is not None
    operator.set_cookie("connector_authorize", cookie.value, domain="connect.example", path="/authorize/other/")
    answer = operator.get("/authorize/other/callback", query_string={"state": state, "code": "c"}, base_url=PUBLIC)
    assert answer.status_code == 400
    assert owner.completed == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (SignatureError("This does not come from the vendor."), "does not come from the vendor"),
        (PermanentError("The owner said no.", advice="Ask nicely."), "Ask nicely."),
        (CredentialsError("The client secret is wrong.", advice="Copy it whole."), "Copy it whole."),
        (UncertainError("vendor.example gave no whole answer."), "no whole answer"),
        (ConfigurationError("Set client_id."), "Set client_id."),
        (KeyError("access_token"), "The adapter failed"),
    ],
)
def test_what_goes_wrong_is_told_in_plain_words(
    operator: FlaskClient, tools: Wiring, shop: Account, owner: Owner, fault: Exception, words: str
) -> None:
    state = begin(operator)
    owner.fault = fault
    status, text = come_back(operator, state)
    assert status == 400
    assert words in text
    assert kept(tools, shop) == "none"


def test_what_cannot_begin_says_why(operator: FlaskClient, owner: Owner) -> None:
    for fault, words in (
        (ConfigurationError("Set client_id."), "Set client_id."),
        (KeyError("shop"), "The adapter failed"),
    ):
        owner.fault = fault
        answer = operator.get(START, base_url=PUBLIC)
        assert answer.status_code == 400
        assert words in answer.text


@pytest.mark.parametrize("name", ["nobody", "plain", "%00", "a" * 3000])
def test_accounts_that_are_not_authorized_in_this_way_have_no_door(operator: FlaskClient, name: str) -> None:
    assert operator.get(f"/authorize/{name}/start", base_url=PUBLIC).status_code == 404
    assert operator.get(f"/authorize/{name}/callback?state=x", base_url=PUBLIC).status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "state={}&code=" + "x" * 9000,
        "state={}&" + "&".join(f"p{n}=1" for n in range(60)),
        "state={}&state=other",
        "state={}&code=1&code=2",
    ],
)
def test_too_much_or_ambiguous_answers_are_refused(operator: FlaskClient, owner: Owner, query: str) -> None:
    state = begin(operator)
    assert operator.get(f"{CALLBACK}?{query.format(state)}", base_url=PUBLIC).status_code == 400
    assert owner.completed == []


def test_what_a_vendor_says_is_not_taken_for_html(operator: FlaskClient, owner: Owner) -> None:
    state = begin(operator)
    owner.fault = PermanentError("<script>alert(1)</script>")
    assert "<script>alert" not in come_back(operator, state)[1]


def test_neither_state_nor_code_nor_token_end_in_the_log_or_in_the_clear(
    operator: FlaskClient, tools: Wiring, capsys: pytest.CaptureFixture[str]
) -> None:
    state = begin(operator)
    path = Path(tools.store.url.removeprefix("sqlite:///"))
    assert not any(state.encode() in file.read_bytes() for file in path.parent.glob("connector.db*"))
    come_back(operator, state, code="code-77")
    said = "".join(capsys.readouterr())
    assert not [secret for secret in (state, "code-77", GRANTED) if secret in said]
    assert not any(GRANTED.encode() in file.read_bytes() for file in path.parent.glob("connector.db*"))


def test_the_addresses_stand_below_the_public_one(tools: Wiring) -> None:
    assert tools.settings.authorize_url("main-store", "start") == f"{PUBLIC}{START}"
