"""The made-up shop's receiver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from adapters.shopify.receiver import ShopifyReceiver
from adapters.shopify.tests.api import Shopify, a_shopify
from adapters.shopify.tests.posting import load, post


@pytest.fixture
def receiver() -> ShopifyReceiver:
    return ShopifyReceiver(load())


@pytest.fixture
def read(receiver: ShopifyReceiver) -> Callable[..., list[Any]]:
    """Verify and parse a payload of a topic."""

    def read_it(topic: str, payload: object, **options: Any) -> list[Any]:
        return list(receiver.parse(receiver.verify(post(topic, payload, **options))))

    return read_it


@pytest.fixture
def api() -> Iterator[Shopify]:
    """A stand-in for Shopify's Admin API."""
    with a_shopify() as shopify:
        yield shopify
