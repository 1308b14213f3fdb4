"""What has come in and gone out, in a room: rows as flows leave them, beside the accounts of its house."""

from __future__ import annotations

import re
from dataclasses import dataclass

from flask.testing import FlaskClient

from connector.store import accounts, templates
from tests.scene import CHANNEL, SHOP, START, TEMPLATE, Scene

EVIL = "<script>alert(1)</script>"


@dataclass
class Traffic(Scene):
    """A scene whose accounts have names of their own: the house has a shop and a number already."""

    def __post_init__(self) -> None:
        with self.store.write() as tx:
            for id_, adapter, name in ((SHOP, "shop", "old-store"), (CHANNEL, "chat", "old-line")):
                row = accounts.AccountRow(
                    id=id_, adapter=adapter, name=name, token=f"token-{id_}", settings={}, secrets="",
                    created_at=START, updated_at=START,
                )  # fmt: skip
                accounts.add(tx, row)
            templates.upsert_all(tx, CHANNEL, [TEMPLATE], START)


def read(client: FlaskClient, path: str, status: int = 200) -> str:
    """Return a page."""
    answer = client.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == status, answer.text
    return str(answer.text)


def listed(text: str) -> list[str]:
    """Return what the rows of a list are called."""
    return [re.sub(r"<[^>]+>", "", row).strip() for row in re.findall(r'class="row-link"[^>]*>(.*?)</a>', text)]


def assert_plain(text: str, path: str = "") -> None:
    """Nothing that vendors or people wrote has become anything but text."""
    assert EVIL not in text, path
    assert "<img src=x" not in text, path
    assert 'href="javascript:' not in text, path
    assert not re.search(r"\s(?:style|onclick|onerror|onload)=", re.sub(r"&lt;.*?&gt;", "", text)), path
