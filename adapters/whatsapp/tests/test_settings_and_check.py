"""What the operator gives, and what the doctor finds."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import responses
from marshmallow import ValidationError

from adapters.whatsapp.adapter import ADAPTER
from adapters.whatsapp.settings import API_URL, hosts
from adapters.whatsapp.tests.hooks import NUMBER, WABA, fixture, load
from connector.contract import Finding, Visit
from connector.http import Http
from connector.model import now
from connector.testing.vendor import nobody

HOOK = "https://connect.shop.example/hooks/abc"


def test_metas_address_and_rate_are_the_defaults() -> None:
    settings = load()
    assert settings["api_url"] == "https://graph.facebook.com/v26.0"
    assert settings["messages_per_second"] == 80
    assert settings["in_doubt_seconds"] == 90
    assert hosts(settings) == ("graph.facebook.com",)


@pytest.mark.parametrize("host", ["127.0.0.1:9300", "localhost:9300", "[::1]:9300"])
def test_a_stand_in_on_this_machine_may_be_fast(host: str) -> None:
    settings = load(api_url=f"http://{host}/v26.0")
    assert settings["messages_per_second"] == 1000
    assert hosts(settings) == (host,)
    assert load(api_url=f"http://{host}", messages_per_second=5)["messages_per_second"] == 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"phone_number_id": None},
        {"phone_number_id": "1/../2"},
        {"phone_number_id": "1" * 65},
        {"phone_number_id": "1\n"},
        {"phone_number_id": 220000000000001},
        {"waba_id": ""},
        {"access_token": "two words"},
        {"app_secret": None},
        {"app_secret": []},
        {"verify_token": "é"},
        {"api_url": "http://graph.facebook.com/v26.0"},
        {"api_url": "ftp://x"},
        {"messages_per_second": 0},
        {"messages_per_second": 2001},
        {"in_doubt_seconds": 9},
        {"in_doubt_seconds": 3601},
        {"acces_token": "x"},
    ],
)
def test_a_wrong_setting_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        load(**wrong)
    assert set(caught.value.normalized_messages()) == set(wrong)


def test_numbers_may_be_typed_as_text() -> None:
    assert load(messages_per_second="200", in_doubt_seconds="30")["messages_per_second"] == 200


def test_no_secret_is_shown() -> None:
    assert "EAAtoken5f" not in repr(load())
    assert "71c2" not in repr(load())


def doctor(url: str = HOOK, **settings: Any) -> dict[str, Finding]:
    loaded = load(**settings)
    assert ADAPTER.check
    return {finding.name: finding for finding in ADAPTER.check(Visit(loaded, Http(hosts(loaded)), url))}


def answer(meta: responses.RequestsMock, *, number: Any = None, apps: Any = None, skew: float = 0) -> None:
    told = {
        "display_phone_number": "+49 30 901820",
        "verified_name": "Example Shop",
        "quality_rating": "GREEN",
        "throughput": {"level": "STANDARD"},
        "name_status": "APPROVED",
        "id": NUMBER,
    } | (number or {})
    date = format_datetime(now() - timedelta(seconds=skew), usegmt=True)
    meta.get(f"{API_URL}/{NUMBER}", json=told, headers={"Date": date})
    found = [{"whatsapp_business_api_data": {"id": "5", "name": "Shop app"}}] if apps is None else apps
    meta.get(f"{API_URL}/{WABA}/subscribed_apps", json={"data": found})
    meta.get(f"{API_URL}/{WABA}/message_templates", json=fixture("templates"))


def test_a_healthy_number_passes_on_every_line(meta: responses.RequestsMock) -> None:
    answer(meta)
    found = doctor()
    assert list(found) == ["token", "quality", "throughput", "clock", "subscription", "templates", "public URL"]
    assert all(finding.ok for finding in found.values()), found
    assert "Example Shop" in found["token"].words
    assert "Shop app" in found["subscription"].words
    assert found["templates"].words == "9 of 10 approved."


@pytest.mark.parametrize(
    ("given", "name", "fix"),
    [
        ({"number": {"name_status": "DECLINED"}}, "display name", "approved"),
        ({"number": {"quality_rating": "RED"}}, "quality", "marketing"),
        ({"apps": []}, "subscription", "subscribed_apps"),
        ({"skew": 300}, "clock", "NTP"),
        ({"skew": -300}, "clock", "NTP"),
    ],
)
def test_each_trouble_is_found_with_its_fix(
    meta: responses.RequestsMock, given: dict[str, Any], name: str, fix: str
) -> None:
    answer(meta, **given)
    finding = doctor()[name]
    assert finding.ok is False
    assert fix in finding.fix


def test_unused_throughput_is_advised(meta: responses.RequestsMock) -> None:
    answer(meta, number={"throughput": {"level": "HIGH"}})
    assert doctor()["throughput"].fix == "Set messages_per_second to 1000."


def test_too_high_a_rate_is_found(meta: responses.RequestsMock) -> None:
    answer(meta)
    assert doctor(messages_per_second=500)["throughput"].ok is False


def test_a_dead_token_is_one_line_with_its_fix(meta: responses.RequestsMock) -> None:
    body = {"error": {"message": "Malformed access token EAAtoken5f", "code": 190}}
    meta.get(f"{API_URL}/{NUMBER}", status=401, json=body)
    found = doctor()
    assert list(found) == ["token", "clock", "public URL"], "the rest would only say so again"
    assert found["token"].ok is False
    assert "system user token" in found["token"].fix
    assert "EAAtoken5f" not in repr(found)


def test_a_listing_that_is_refused_is_one_line_with_its_fix(meta: responses.RequestsMock) -> None:
    answer(meta)
    body = {"error": {"message": "(#200) Requires whatsapp_business_management", "code": 200}}
    meta.replace("GET", f"{API_URL}/{WABA}/subscribed_apps", status=403, json=body)
    meta.replace("GET", f"{API_URL}/{WABA}/message_templates", status=403, json=body)
    found = doctor()
    for name in ("subscription", "templates"):
        assert found[name].ok is False
        assert "whatsapp_business_management" in found[name].fix


def test_without_a_network_nothing_is_claimed() -> None:
    with nobody() as url:
        found = doctor(url="http://127.0.0.1:8080/hooks/abc", api_url=f"{url}/v26.0")
    assert found["token"].ok is None
    assert found["clock"].ok is None


def test_a_stand_in_on_this_machine_reaches_an_address_of_this_machine(meta: responses.RequestsMock) -> None:
    answer(meta)
    near = "http://127.0.0.1:8080/hooks/abc"
    assert doctor(url=near)["public URL"].ok is False
    assert "CONNECTOR_PUBLIC_URL" in doctor(url=near)["public URL"].fix
    assert "public URL" not in doctor(url=near, api_url="http://127.0.0.1:9/v26.0")
