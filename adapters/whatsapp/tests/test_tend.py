"""The subscription is made again where it is gone, and left alone where it is not."""

from __future__ import annotations

from typing import Any

import pytest
import responses

from adapters.whatsapp.adapter import ADAPTER
from adapters.whatsapp.settings import API_URL, hosts
from adapters.whatsapp.tests.hooks import WABA, load
from connector.contract import Finding, Visit
from connector.errors import RemoteError, TemporaryError
from connector.http import Http

HOOK = "https://connect.shop.example/hooks/abc"
APPS = f"{API_URL}/{WABA}/subscribed_apps"
APP = f"{API_URL}/app"


def tend(webhook_url: str = HOOK) -> list[Finding]:
    settings = load()
    assert ADAPTER.tend is not None
    return list(ADAPTER.tend(Visit(settings, Http(hosts(settings)), webhook_url)))


def app(id_: str, name: str) -> dict[str, Any]:
    return {"whatsapp_business_api_data": {"id": id_, "name": name, "link": "https://www.facebook.com/games/?app_id=1"}}


def posts(meta: responses.RequestsMock) -> list[str]:
    return [str(call.request.url) for call in meta.calls if call.request.method == "POST"]


def test_a_subscription_that_stands_is_left_alone(meta: responses.RequestsMock) -> None:
    meta.get(APPS, json={"data": [app("7", "Other"), app("9", "Connector")]})
    meta.get(APP, json={"id": "9", "name": "Connector"})
    assert [(one.ok, one.words) for one in tend()] == [(True, "This app is subscribed.")]
    assert posts(meta) == []
    assert {call.request.headers["Authorization"] for call in meta.calls} == {
        f"Bearer {load()['access_token'].reveal()}"
    }


@pytest.mark.parametrize(("others", "words"), [([], ""), ([app("7", "Other")], " Others are: Other.")])
def test_a_subscription_that_is_gone_is_made_again(
    meta: responses.RequestsMock, others: list[dict[str, Any]], words: str
) -> None:
    meta.get(APPS, json={"data": others})
    if others:
        meta.get(APP, json={"id": "9", "name": "Connector"})
    meta.post(APPS, json={"success": True})
    assert [(one.ok, one.words) for one in tend()] == [(True, f"This app was not subscribed, and is again.{words}")]
    assert posts(meta) == [APPS]


def test_where_meta_does_not_say_which_app_is_ours_nothing_is_changed(meta: responses.RequestsMock) -> None:
    meta.get(APPS, json={"data": [app("7", "Other")]})
    meta.get(APP, status=400, json={"error": {"code": 100, "message": "Unsupported"}})
    assert [(one.ok, one.words) for one in tend()] == [(True, "Webhooks go to: Other.")]


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/hooks/abc", "http://shop.example/hooks/abc"])
def test_without_a_public_address_nothing_is_asked(meta: responses.RequestsMock, url: str) -> None:
    assert [one.ok for one in tend(url)] == [None]


@pytest.mark.parametrize("answer", [{"data": {}}, {"data": None}, {}])
def test_an_answer_without_a_list_changes_nothing(meta: responses.RequestsMock, answer: dict[str, Any]) -> None:
    meta.get(APPS, json=answer)
    assert [one.ok for one in tend()] == [None]


def test_a_refusal_is_raised_as_what_it_is(meta: responses.RequestsMock) -> None:
    meta.get(APPS, status=403, json={"error": {"code": 200, "message": "Missing permission"}})
    with pytest.raises(RemoteError):
        tend()


def test_html_instead_of_json_passes(meta: responses.RequestsMock) -> None:
    meta.get(APPS, status=502, body="<html>Bad gateway</html>")
    with pytest.raises(TemporaryError):
        tend()
