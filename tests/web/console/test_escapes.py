"""Whatever vendors, buyers and users write stays text: in pages, in scripts, in links and in spreadsheets."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from sqlalchemy import update

from connector.flow import publish, templates
from connector.store import schema
from tests.web.console import crowd as people
from tests.web.console.crawl import addresses, crawl, rules
from tests.web.console.crowd import MAPPING, Crowd
from tests.web.console.room import Room
from tests.web.console.test_masks import FILES
from tests.web.console.traffic import EVIL

IMAGE = '"><img src=x onerror=alert(1)>'
LINK = "javascript:alert(1)"
FORMULA = '=HYPERLINK("http://evil.example","x")'
_SCRIPT = re.compile(r"<script\b([^>]*)>(.*?)</script>", re.DOTALL)


@pytest.fixture
def hostile(room: Room, monkeypatch: pytest.MonkeyPatch) -> Crowd:
    """A house where everything that anybody may write is hostile."""
    plain = people.order

    def order(*given: object, **more: object) -> object:
        told = plain(*given, **more)  # type: ignore[arg-type]
        told |= {"order_status_url": f"https://shop.example/{LINK}", "note": "{{ 7919*7919 }}", "tags": IMAGE}
        told["line_items"] = [{"title": EVIL, IMAGE: EVIL, "name": "</script><script>alert(1)</script>"}]
        return told

    monkeypatch.setattr(people, "order", order)
    monkeypatch.setattr(people, "FIRST", EVIL)
    monkeypatch.setattr(people, "LAST", IMAGE)
    monkeypatch.setattr(people, "NICK", FORMULA)
    made = Crowd(room.house)
    publish.save(room.store, MAPPING, made.draft().replace('title = "Order paid"', f"title = '''{IMAGE}{EVIL}'''"))
    adapter = room.tools.registry.get("whatsapp")
    told = {"name": "odd", "language": "en", "status": "REJECTED", "category": "UTILITY", "id": "1",
            "rejected_reason": EVIL, "components": [{"type": "BODY", "text": f"{EVIL} {IMAGE}"}, {"type": "BUTTONS",
            "buttons": [{"type": "URL", "text": EVIL, "url": f"{LINK}//x"}]}]}  # fmt: skip
    found = templates.read(adapter, json.dumps({"data": [told]}).encode())
    templates.take(room.store, room.house.number, found)
    with room.store.write() as tx:
        tx.execute(update(schema.request).where(schema.request.c.state == "unreadable").values(words=EVIL + IMAGE))
        tx.execute(update(schema.account).where(schema.account.c.name == "old-store").values(note=EVIL + IMAGE))
        tx.execute(update(schema.event).where(schema.event.c.label == "#1002").values(label=FORMULA))
        tx.execute(update(schema.event).where(schema.event.c.label == "#1003").values(label=EVIL))
        tx.execute(update(schema.console_user).values(name=EVIL))
    room.add("evil@example.org", "viewer", f"{EVIL}"[:60])
    return made


def test_nothing_that_anybody_wrote_becomes_a_part_of_a_page(room: Room, hostile: Crowd) -> None:
    found, escaped = [], 0
    for seen in crawl(room.client("owner"), list(addresses(hostile, rules(room.app, "GET", "console"))), each=3):
        if "html" not in seen.answer.content_type:
            continue
        text = seen.answer.text
        wrong = [
            each for each in (EVIL, "<img src=x", 'href="javascript:', "href='javascript:", "62710561") if each in text
        ]
        found += [(seen.path, wrong)] if wrong else []
        escaped += "&lt;script&gt;alert(1)" in text
        nonce = re.search(r"'nonce-([\w-]+)'", seen.answer.headers["Content-Security-Policy"])
        for head, body in _SCRIPT.findall(text):
            assert nonce, seen.path
            assert "src=" in head or f'nonce="{nonce[1]}"' in head or "application/json" in head, (seen.path, head)
            assert "<" not in body or "application/json" not in head, (seen.path, body[:200])
        if seen.path.endswith("/proof"):
            continue  # a file to be printed, with styles of its own and no script at all
        assert not re.search(r"<[a-z][^>]*\s(?:style|on[a-z]+)=", re.sub(r'"[^"]*"', '""', text)), seen.path
    assert found == []
    assert escaped > 20


@pytest.mark.parametrize("path", [*FILES, "/audit/export?format=csv"])
def test_no_cell_of_a_file_is_a_formula(room: Room, hostile: Crowd, path: str) -> None:
    answer = room.client("owner").get(path)
    rows = list(csv.reader(io.StringIO(answer.get_data().decode("utf-8-sig"))))
    cells = [cell for row in rows for cell in row]
    assert [cell for cell in cells if cell[:1] in ("=", "+", "@", "\t", "\r") or re.match(r"-[^\d]", cell)] == []
    assert "events" not in path or any(cell == f"'{FORMULA}" for cell in cells)
    assert answer.headers["Content-Disposition"].isascii()


@pytest.mark.parametrize("name", ["events", "messages", "people"])
def test_a_file_is_called_as_its_page(room: Room, name: str) -> None:
    answer = room.client().get(f"/{name}?format=csv")
    assert answer.headers["Content-Disposition"].startswith(f'attachment; filename="{name}-2')
