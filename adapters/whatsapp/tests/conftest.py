"""The made-up number's receiver and channel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import responses

from adapters.whatsapp.channel import WhatsAppChannel
from adapters.whatsapp.receiver import WhatsAppReceiver
from adapters.whatsapp.settings import hosts
from adapters.whatsapp.tests.hooks import load, post
from connector.http import Http


@pytest.fixture
def receiver() -> WhatsAppReceiver:
    return WhatsAppReceiver(load())


@pytest.fixture
def read(receiver: WhatsAppReceiver) -> Callable[[object], list[Any]]:
    """Verify and parse a payload."""
    return lambda payload: list(receiver.parse(receiver.verify(post(payload))))


@pytest.fixture
def meta() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def channel() -> WhatsAppChannel:
    settings = load()
    return WhatsAppChannel(settings, Http(hosts(settings)))
