"""The store posts as a shop does: signed, again where not taken, and it knows what must come of it."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from connector.errors import ConfigurationError
from connector.model import Secret
from connector.sandbox import store
from connector.sandbox.deliveries import Kind, Mix, Sender, deliveries
from connector.sandbox.store import Tally, post
from connector.testing.vendor import nobody
from tests.sandbox.conftest import Webhook

OpenWebhook = Callable[[str], Webhook]
AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
SENDER = Sender("toys.myshopify.com", Secret("s3cret"))


def header(headers: dict[str, str], name: str) -> str:
    return headers.get(f"x-shopify-{name}") or headers[f"shopify-{name}"]


def test_genuine_posts_are_taken_and_forged_ones_refused(open_webhook: OpenWebhook) -> None:
    webhook = open_webhook("s3cret")
    mix = Mix(total=100, duplicates=10, forged=15, unusable=7, test=2)
    result = post(webhook.url, secret="s3cret", shop="toys.myshopify.com", mix=mix, seed=3)
    assert result.ok
    assert result.total == 100
    assert result.acknowledged == {"genuine": 75, "duplicate": 10, "forged": 0}
    assert (result.refused, len(webhook.refused)) == (15, 15)
    assert (result.expected_messages, result.expected_skips) == (68, 7)
    assert result.by_topic == {"orders/paid": Tally(usable=68, unusable=7, test=2)}
    names = Counter(json.loads(body)["name"] for _, body in webhook.taken)
    assert set(names) == {*result.usable, *result.unusable}
    assert not set(names) & set(result.forged)
    assert sum(names.values()) == 85
    assert len(names) == 75


def test_half_of_the_duplicates_are_retries_and_half_come_with_a_new_id(open_webhook: OpenWebhook) -> None:
    webhook = open_webhook("s3cret")
    post(webhook.url, secret="s3cret", mix=Mix(total=60, duplicates=20), seed=3)
    ids = Counter(header(headers, "webhook-id") for headers, _ in webhook.taken)
    assert len(ids) == 50


def test_both_families_of_headers_are_used(open_webhook: OpenWebhook) -> None:
    webhook = open_webhook("s3cret")
    post(webhook.url, secret="s3cret", shop="toys.myshopify.com", mix=Mix(total=40), seed=3)
    classic = [headers for headers, _ in webhook.taken if "x-shopify-topic" in headers]
    recent = [headers for headers, _ in webhook.taken if "shopify-topic" in headers]
    assert min(len(classic), len(recent)) > 8
    assert len(classic) + len(recent) == 40
    assert "x-shopify-event-id" in classic[0]
    assert "shopify-event-id" not in recent[0]
    for headers, _ in webhook.taken:
        assert header(headers, "topic") == "orders/paid"
        assert header(headers, "shop-domain") == "toys.myshopify.com"
        assert header(headers, "triggered-at").endswith("Z")


def test_what_is_not_taken_comes_again_with_the_same_id(
    open_webhook: OpenWebhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_FIRST_WAIT", 0.01)
    webhook = open_webhook("s3cret")
    webhook.answer = lambda nth: 500 if nth in (1, 2, 5) else 200
    result = post(webhook.url, secret="s3cret", mix=Mix(total=10), seed=3, connections=1)
    assert (result.retries, result.undelivered, result.acknowledged["genuine"]) == (3, 0, 10)
    assert result.statuses == {200: 10, 500: 3}
    assert len({header(headers, "webhook-id") for headers, _ in webhook.taken}) == 10


def test_a_shop_gives_up_after_eight_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_FIRST_WAIT", 0.001)
    with nobody() as url:
        result = post(url, secret="s3cret", mix=Mix(total=2, forged=1), seed=3)
    assert (result.undelivered, result.retries, result.statuses) == (1, 16, {0: 18})
    assert not result.ok


def test_a_receiver_that_takes_forgeries_is_found_out(open_webhook: OpenWebhook) -> None:
    webhook = open_webhook("s3cret")
    webhook.proven = lambda headers, body: True  # type: ignore[method-assign]
    result = post(webhook.url, secret="s3cret", mix=Mix(total=10, forged=5), seed=3)
    assert (result.acknowledged["forged"], result.ok) == (5, False)


def test_the_story_of_an_order_is_told_in_order(open_webhook: OpenWebhook) -> None:
    webhook = open_webhook("s3cret")
    topics = ("orders/create", "orders/paid", "fulfillments/create", "refunds/create")
    result = post(webhook.url, secret="s3cret", mix=Mix(total=41, unusable=2, topics=topics), seed=3)
    stories: dict[Any, list[str]] = {}
    for headers, body in webhook.taken:
        payload = json.loads(body)
        stories.setdefault(payload.get("order_id") or payload["id"], []).append(header(headers, "topic"))
    assert len(stories) == 11
    assert sorted(map(len, stories.values())) == [1] + [4] * 10
    assert all(story == list(topics[: len(story)]) for story in stories.values())
    assert sum(tally.usable + tally.unusable for tally in result.by_topic.values()) == 41
    assert result.expected_messages + result.expected_skips == 41


def test_the_same_seed_posts_the_same_ids_and_bodies() -> None:
    def made(seed: int) -> list[tuple[str, bytes]]:
        lanes = deliveries(Mix(total=30, duplicates=3, forged=3), SENDER, seed=seed, at=AT)
        return [
            (header({k.lower(): v for k, v in one.headers.items()}, "webhook-id"), one.body)
            for lane in lanes
            for one in lane
        ]

    assert made(3) == made(3)
    assert not set(made(3)) & set(made(4))


def test_progress_is_told_for_every_post(open_webhook: OpenWebhook) -> None:
    webhook = open_webhook("s3cret")
    lock, told = threading.Lock(), Counter[Kind]()

    def progress(kind: Kind) -> None:
        with lock:
            told[kind] += 1

    post(webhook.url, secret="s3cret", mix=Mix(total=20, duplicates=3, forged=2), seed=3, progress=progress)
    assert told == {Kind.GENUINE: 15, Kind.DUPLICATE: 3, Kind.FORGED: 2}


@pytest.mark.parametrize(
    "mix",
    [
        {"total": 5, "forged": 5},
        {"total": 5, "forged": 6},
        {"total": 5, "unusable": 6},
        {"total": 5, "test": 3, "unusable": 3},
        {"total": -1},
        {"topics": ()},
        {"topics": ("orders/eaten",)},
    ],
)
def test_a_mix_that_cannot_be_is_told_before_anything_is_posted(mix: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Mix(**mix)


@pytest.mark.parametrize("url", ["http://example.com/", "https://127.0.0.1/", "http://10.0.0.1/", "nonsense"])
def test_it_posts_to_this_machine_only(url: str) -> None:
    with pytest.raises(ConfigurationError):
        post(url, secret="s", mix=Mix(total=1))


def test_the_secret_is_in_no_repr() -> None:
    lane = deliveries(Mix(total=1), SENDER, seed=1)[0]
    assert "s3cret" not in repr(SENDER)
    assert "+" not in repr(lane[0].order)
