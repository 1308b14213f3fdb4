"""What lets somebody in stands in no page, no file, no log line, no audit entry and no attempt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from connector.flow import keys, outgoing, team
from connector.model import GRANTS, Role
from connector.model.exchange import Exchange, secrets_of
from connector.store import accounts
from tests.flow.test_outgoing import Ear
from tests.web.conftest import SECRETS
from tests.web.console.crawl import HTML, addresses, crawl, rules
from tests.web.console.crowd import MAPPING, Crowd
from tests.web.console.room import PASSWORD, Room
from tests.web.console.test_masks import FILES, deliver, resources
from tests.web.console.test_masks import crowd as crowd
from tests.web.console.test_masks import ear as ear


def test_no_secret_is_shown_logged_or_written_down(
    room: Room, crowd: Crowd, ear: Ear, log_lines: Callable[[], list[Mapping[str, Any]]]
) -> None:
    deliver(room, ear, crowd)
    owner = room.user()
    made = keys.make(room.store, "all", keys.OFFERED, may=GRANTS[Role.OWNER], by=owner.id, by_name="Ada")
    hook = outgoing.add(room.store, room.tools.vault, "https://shop.example/x", ["message.read"])
    client, headers = room.client(), {"Authorization": f"Bearer {made.token.reveal()}"}
    token = room.csrf(client, "/me")
    session = client.get_cookie("connector_session")
    assert session
    secrets = {*SECRETS, PASSWORD, made.token.reveal(), hook.secret.reveal(), session.value, owner.password,
               str(room.app.config["PAGE_TOKEN"])}  # fmt: skip
    assert len(secrets) > 8
    told = [
        seen.answer.get_data().decode("utf-8", "replace")
        for seen in crawl(client, [*addresses(crowd, rules(room.app, "GET", "console")), *FILES], each=3)
    ]
    told += [client.get("/audit/export?format=jsonl").text]
    told += [client.get(path, headers=headers).text for path in addresses(crowd, resources(room))]
    for path in addresses(crowd, rules(room.app, "POST", "console")):  # errors tell of what was typed, too
        if "/me/" not in path and "/team" not in path and "/remove" not in path:
            form = {"csrf_token": token, "webhook_secret": SECRETS[0], "access_token": SECRETS[3], "do": "x"}
            told.append(client.post(path, data=form, headers=HTML).text)
    room.stranger().post("/api/v1/messages", json={"mapping": MAPPING}, headers=headers)
    logged = "\n".join(map(str, log_lines()))
    rows = "\n".join(row for name, row in crowd.everything() if name != "console_user")
    for secret in secrets:
        assert not [text[:200] for text in told if secret in text], secret
        assert secret not in logged
        assert secret not in rows
    assert made.token.reveal() not in repr(made)
    assert hook.secret.reveal() not in repr(hook)


def test_an_invitation_and_a_link_are_kept_as_hashes(room: Room) -> None:
    client = room.client()
    page = room.post(client, "/team/invitations", page="/team", email="new@example.org", role="viewer").text
    word = page.partition("/invitation/")[2].split('"')[0].split("<")[0].strip()
    assert len(word) > 20
    assert team.invited(room.store, word) is not None
    assert word not in "".join(str(row) for table in ("invitation", "audit") for row in room.house.rows(table))
    assert word not in client.get("/team", headers=HTML).text


@pytest.mark.parametrize("where", ["header", "query", "json", "form", "answer", "escaped"])
def test_an_attempt_keeps_no_token_wherever_it_stood(where: str) -> None:
    token = "EAAsecret-token-9f8e7d"
    headers = {"Authorization": f"Bearer {token}"} if where in ("header", "answer") else {}
    said = Exchange(
        method="POST",
        url="https://graph.example/v23.0/1/messages" + (f"?access_token={token}&x=1" if where == "query" else ""),
        type="application/json" if where != "form" else "application/x-www-form-urlencoded",
        request={
            "json": f'{{"access_token": "{token}", "to": "1"}}', "form": f"grant_type=x&client_secret={token}&a=1",
            "escaped": f'{{"access_token": "\\"{token}"}}',
        }.get(where, "{}").encode(),
        secrets=secrets_of(headers), status=400, answer_type="application/json",
        answer=f'{{"error": "bad {token}"}}'.encode() if where == "answer" else b"{}",
    )  # fmt: skip
    assert token not in str(said.shape())
    assert token not in repr(said)


def test_no_account_shows_its_secrets(room: Room) -> None:
    with room.store.read() as tx:
        rows = accounts.all_(tx)
    assert not [secret for row in rows for secret in SECRETS if secret in repr(row)]
