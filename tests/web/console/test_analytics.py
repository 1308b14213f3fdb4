"""The page of figures: every figure is that of the rows it leads to."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from connector.flow import attribution, rollup
from connector.flow.figures import DEFINITIONS
from connector.model import State, now
from connector.store import schema, sequels
from connector.store.sequels import Sequel
from connector.web.console import analytics, charts
from tests.web.console.room import Room
from tests.web.console.traffic import Traffic

ROW = re.compile(r'class="row-link"')


@pytest.fixture(name="life")
def a_life(scene: Traffic, room: Room) -> Traffic:
    """Messages of two mappings, in all states, an hour and ten days ago; counted."""
    at = now() - timedelta(hours=1)
    read = scene.message(at=at, language="de")
    scene.message(at=at, state=State.DELIVERED, mapping="cart", template="cart", recipient="+447400123456")
    scene.message(at=at, state=State.FAILED, code="131026")
    scene.message(at=at, state=State.SKIPPED, reason="revoked", mapping="cart", template="cart")
    scene.message(at=at, trial=True)
    scene.skip(scene.event("#7", at=at), at=at)
    scene.message(at=at - timedelta(days=10))
    with room.store.write() as tx:
        sequels.add(tx, [Sequel(key=f"{kind}:{read}", kind=kind, message_id=read, at=at) for kind in ("tap", "order")])
    rollup.roll_up(room.store)
    return scene


def see(client: FlaskClient, path: str) -> str:
    """The text of a page."""
    answer = client.get(path)
    assert answer.status_code == 200, answer.text[:400]
    return answer.text


def linked(page: str) -> dict[str, str]:
    """The figures that lead somewhere: address -> what is shown."""
    return {
        unescape(href): shown.replace(",", "")
        for href, shown in re.findall(r'<a class="figure" href="([^"]+)"[^>]*>([\d,]+)</a>', page)
    }


@pytest.mark.usefixtures("life")
@pytest.mark.parametrize(
    "path", ["/analytics?period=7d", "/analytics", "/analytics?by=country", "/analytics?by=language"]
)
def test_every_figure_leads_to_as_many_rows(room: Room, path: str) -> None:
    client = room.client()
    figures = linked(see(client, path))
    assert len(figures) > 15
    for href, shown in figures.items():
        assert len(ROW.findall(see(client, href))) == int(shown), href


@pytest.mark.usefixtures("life")
def test_the_funnel_tells_how_far_things_came(room: Room) -> None:
    page = see(room.client(), "/analytics?period=7d")
    told = [
        re.sub(r"<[^>]+>", "", part).strip()
        for part in re.findall(r'class="number">(.*?)</span>\s*<svg', page, re.DOTALL)
    ]
    assert told == ["6", "4", "2", "2", "1", "1", "1"]
    assert "50.0 %" in page  # one of two delivered was engaged
    assert "131026" in page
    assert "No agreement" in page


@pytest.mark.usefixtures("life")
@pytest.mark.parametrize(
    ("query", "matched"),
    [("mapping=cart", 2), ("language=de", 1), ("country=GB", 1), ("template=order_paid", 2), ("account=old-line", 4),
     ("source=old-store", 4), ("mapping=nothing", 0), ("period=90d", 5), ("from=2001-01-01&to=2001-01-02", 0)],
)  # fmt: skip
def test_filters_narrow_what_is_counted(room: Room, query: str, matched: int) -> None:
    answer = room.client().get(
        f"/analytics.csv?period=7d&{query}" if "period" not in query else f"/analytics.csv?{query}"
    )
    lines = list(csv.DictReader(io.StringIO(answer.text.lstrip("\ufeff"))))
    assert lines[0]["by"] == "all"
    assert int(lines[0]["matched"]) == matched
    assert sum(int(line["matched"]) for line in lines if line["by"] in ("day", "hour")) == matched
    assert sum(int(line["matched"]) for line in lines if line["by"] == "mapping") == matched


@pytest.mark.usefixtures("life")
def test_what_events_have_no_side_for_is_a_dash_and_not_a_nought(room: Room) -> None:
    page = see(room.client(), "/analytics?country=GB")
    assert "events have no such side" in page
    line = next(csv.DictReader(io.StringIO(room.client().get("/analytics.csv?country=GB").text.lstrip("\ufeff"))))
    assert (line["received"], line["clicked"], line["cost"]) == ("", "", "")


@pytest.mark.usefixtures("life")
def test_columns_sort_by_link(room: Room) -> None:
    client = room.client()
    order = re.compile(r'<th scope="row"><a[^>]*><bdi>(\w+)</bdi>')
    assert order.findall(see(client, "/analytics?sort=name")) == ["cart", "order_paid"]
    assert order.findall(see(client, "/analytics?sort=-name")) == ["order_paid", "cart"]
    assert order.findall(see(client, "/analytics?sort=failed")) == ["cart", "order_paid"]
    assert 'aria-sort="descending"' in see(client, "/analytics?sort=-read")


@pytest.mark.usefixtures("life")
def test_two_stretches_are_compared(room: Room) -> None:
    page = see(room.client(), "/analytics?period=7d&compare=1")
    assert "Compared with the 7 days before" in page
    assert set(re.findall(r'class="was">from ([^<]+)<', page)) == {"1"}


def test_days_are_those_of_the_viewer(scene: Traffic, room: Room) -> None:
    at = now().replace(hour=20, minute=30, second=0, microsecond=0) - timedelta(days=2)
    scene.message(at=at)
    rollup.roll_up(room.store)

    def days(zone: str) -> set[str]:
        text = room.client().get(f"/analytics.csv?zone={zone}").text.lstrip("\ufeff")
        return {
            line["value"][:10]
            for line in csv.DictReader(io.StringIO(text))
            if line["by"] == "day" and line["sent"] != "0"
        }

    assert days("UTC") == {f"{at:%Y-%m-%d}"}
    assert days("Asia/Tokyo") == {f"{at + timedelta(days=1):%Y-%m-%d}"}
    assert days("Asia/Kolkata") == {f"{at + timedelta(days=1):%Y-%m-%d}"}
    assert days("No/Where") == days("UTC")
    client = room.client()
    client.set_cookie("connector_zone", "Asia/Tokyo")
    assert "Asia/Tokyo" in see(client, "/analytics")


def test_a_day_that_ends_while_the_page_is_made_moves_no_stretch(
    scene: Traffic, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = now().replace(hour=23, minute=59, second=59)
    scene.message(at=last.replace(hour=0) - timedelta(days=6))  # on the first of the seven days
    rollup.roll_up(room.store)
    client, looks = room.client(), iter([last])
    monkeypatch.setattr(analytics, "now", lambda: next(looks, last + timedelta(seconds=1)))
    (line, *_) = csv.DictReader(io.StringIO(client.get("/analytics.csv?period=7d").text.lstrip("\ufeff")))
    assert line["matched"] == "1"


@pytest.mark.parametrize(
    "query",
    ["period=x", "from=&to=", "from=2026-13-40", "to=0001-01-01", "from=9999-12-31", "by=%00", "sort=-nothing",
     "zone=../../etc/passwd", "zone=" + "a" * 5000, "mapping=%00%ff", "from=2030-01-01&to=2020-01-01"],
)  # fmt: skip
def test_a_strange_address_is_no_fault(room: Room, query: str) -> None:
    assert room.client().get(f"/analytics?{query}").status_code == 200
    assert room.client().get(f"/analytics.csv?{query}").status_code == 200


def test_an_empty_page_says_what_comes_first(room: Room) -> None:
    page = see(room.client(), "/analytics")
    assert "There is nothing to count yet" in page
    assert "/start" in page


@pytest.mark.usefixtures("life")
def test_each_definition_stands_on_the_page_and_at_its_figure(room: Room) -> None:
    page = unescape(see(room.client("viewer"), "/analytics"))
    for name, told in DEFINITIONS.items():
        assert page.count(told.words) >= (1 if name == "engaged" else 2), name
        assert f'id="def-{name}"' in page


@pytest.mark.usefixtures("life")
def test_nothing_on_the_page_is_personal_or_needs_inline_style(room: Room) -> None:
    page = see(room.client("viewer"), "/analytics")
    assert " style=" not in page
    assert "onclick" not in page
    assert "1701234567" not in page
    see(room.client("editor"), "/analytics")
    with room.store.read() as tx:
        assert "person.seen" not in set(tx.execute(select(schema.audit.c.action)).scalars())


def test_the_window_of_orders_is_changed_by_those_who_may(room: Room) -> None:
    owner = room.client()
    assert "7 days" in see(owner, "/analytics")
    answer = room.post(owner, "/analytics/attribution", page="/analytics", days="3", types="order.paid, order.paid")
    assert answer.status_code == 303
    with room.store.read() as tx:
        assert attribution.rules(tx) == attribution.Rules(days=3, types=("order.paid",))
        actions = list(tx.execute(select(schema.audit.c.action)).scalars())
    assert "attribution.changed" in actions
    room.post(owner, "/analytics/attribution", page="/analytics", days="900", types="order.paid")
    with room.store.read() as tx:
        assert attribution.rules(tx).days == 3

    viewer = room.client("viewer")
    assert "Change this" not in see(viewer, "/analytics")
    token = room.csrf(owner, "/analytics")
    assert viewer.post("/analytics/attribution", data={"csrf_token": token, "days": "1"}).status_code in (400, 403)


@pytest.mark.parametrize(
    ("most", "top"),
    [(0, 2), (1, 2), (3, 4), (9, 10), (11, 12), (13, 16), (17, 20), (999, 1000), (726, 800), (1_000_001, 1_200_000)],
)
def test_an_axis_ends_at_a_round_number(most: int, top: int) -> None:
    assert charts.ceiling(most) == top


def test_a_chart_escapes_what_it_is_given() -> None:
    drawn: Any = charts.columns("<b>", "<i>", [charts.Column(words="<u>", parts=[1, 0])], ["a", "b"])
    drawn += charts.line("<b>", "", [1, 2, 3], other=[3]) + charts.spark("<b>", []) + charts.bar([("x", 7.0)])
    assert not re.search(r"<[biu]>", drawn)
    assert 'width="1000"' in drawn
