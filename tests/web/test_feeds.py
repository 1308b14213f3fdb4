"""What only a feed may say, nobody can say from outside."""

from __future__ import annotations

import pytest

from tests.web.conftest import House

BODY = b'{"id": 820982911946154508, "name": "#1001"}'


@pytest.mark.parametrize("name", ["x-connector-feed", "X-Connector-Feed", "X_CONNECTOR_FEED"])
def test_the_mark_of_a_feed_is_taken_off_whatever_comes_by_the_web(house: House, name: str) -> None:
    assert house.post(BODY, **{name: "orders"}).status_code == 200
    [row] = house.rows("request")
    assert [header for header in row.headers if "feed" in header] == []


def test_the_mark_of_a_feed_is_taken_off_for_every_adapter(house: House) -> None:
    assert (
        house.tell({"object": "whatsapp_business_account", "entry": []}, **{"X-Connector-Feed": "1"}).status_code == 200
    )
    [row] = house.rows("request")
    assert "x-connector-feed" not in row.headers
