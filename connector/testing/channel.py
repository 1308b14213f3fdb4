# ruff: noqa: S101 - this is a test suite
"""The contract of channels: what a send comes to, and what its errors mean.

The vendor is a real server on the loopback, so the settings need a field for the vendor's URL (ApiUrl).
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import pytest

from connector.contract import Channel
from connector.errors import CredentialsError, RemoteError, Scope, TemporaryError, UncertainError
from connector.http import Http
from connector.model import Message, MessageId, RemoteId
from connector.testing.subject import Subject
from connector.testing.vendor import PATIENCE, Trouble, Vendor, a_vendor, nobody


@dataclass(frozen=True, slots=True)
class Staged:
    """What the vendor is to answer."""

    json: Any
    status: int = 200
    remote_id: str = field(default="", kw_only=True)
    """The id that ``send`` must find in it."""


class ChannelContract(Subject, ABC):
    """Inherit it as ``class TestChannel(ChannelContract)`` and fill the hooks."""

    url_setting: ClassVar[str] = "api_url"
    """The setting that holds the vendor's URL."""

    @abstractmethod
    def message(self) -> Message:
        """Return a message that the vendor would take, with a slot or two."""

    @abstractmethod
    def accepted(self) -> Staged:
        """Return the vendor's answer to a message that it takes, with its ``remote_id``."""

    @abstractmethod
    def token_refused(self) -> Staged:
        """Return the vendor's answer to a token that has expired."""

    def channel(self, url: str, timeout: float = PATIENCE) -> tuple[Channel, Http]:
        """Return a channel that speaks to this URL, and its session."""
        assert self.adapter.channel, f"{self.adapter.name} declares no channel"
        loaded = self.load(**{self.url_setting: url})
        http = Http(self.adapter.hosts(loaded), threads=8, timeout=(timeout, timeout))
        return self.adapter.channel(loaded, http), http

    # what becomes of a message

    def test_a_message_that_is_taken_over_has_the_vendors_id(self) -> None:
        """Receipts speak of it by this id."""
        with self._vendor() as (channel, vendor):
            self._stage(vendor, self.accepted())
            assert channel.send(self.message()).remote_id == RemoteId(self.accepted().remote_id)

    def test_the_message_carries_our_id_its_template_and_its_recipient(self) -> None:
        """Receipts echo our id, also where the answer to a send was lost."""
        with self._vendor() as (channel, vendor):
            self._stage(vendor, self.accepted())
            message = self.message()
            channel.send(message)
            told = vendor.asked[-1].body.decode() + vendor.asked[-1].head + vendor.asked[-1].target
            assert message.id in told
            assert message.template in told
            assert message.recipient.lstrip("+") in told
            for text in message.slots.values():
                assert text in told or json.dumps(text)[1:-1] in told

    def test_many_threads_may_send_at_once(self) -> None:
        """Each message leaves once, whole, under its own id."""
        with self._vendor() as (channel, vendor):
            self._stage(vendor, self.accepted())
            messages = [replace(self.message(), id=MessageId(f"{number:026d}")) for number in range(40)]
            with ThreadPoolExecutor(8) as pool:
                assert len(list(pool.map(channel.send, messages))) == len(messages)
            bodies = [asked.body.decode() + asked.head for asked in vendor.asked]
            for message in messages:
                assert sum(message.id in body for body in bodies) == 1

    # what its errors mean

    def test_a_refused_connection_is_temporary_and_certain(self) -> None:
        """Nothing has left this machine: it can be sent again without a thought."""
        with nobody() as url:
            channel, http = self.channel(url)
            with closing(http):
                for call in self._calls(channel):
                    assert not isinstance(self.fault_of(call, TemporaryError), UncertainError)

    @pytest.mark.parametrize("trouble", Trouble, ids=lambda trouble: trouble.name.lower())
    def test_no_whole_answer_is_uncertain_and_is_not_repeated(self, trouble: Trouble) -> None:
        """It may have been carried out: a receipt will tell, and a second try would be a second message."""
        with self._vendor(0.25 if trouble is Trouble.SILENCE else PATIENCE) as (channel, vendor):
            self._stage(vendor, self.accepted())
            vendor.trouble = trouble
            self.fault_of(lambda: channel.send(self.message()), UncertainError)
            assert vendor.heard() == 1

    def test_a_refused_token_suspends_the_account(self) -> None:
        """The message is not at fault and must be kept."""
        with self._vendor() as (channel, vendor):
            self._stage(vendor, self.token_refused())
            for call in self._calls(channel):
                fault = self.fault_of(call, CredentialsError)
                assert fault.scope is Scope.ACCOUNT
                assert fault.advice, "say where a new token comes from"

    @pytest.mark.parametrize("body", [b"", b"<html>Welcome</html>", b"{}", b"[]", b"null", b'{"id": null}', b"\xff"])
    def test_success_without_an_id_is_uncertain(self, body: bytes) -> None:
        """The vendor said yes; what it took we cannot know."""
        with self._vendor() as (channel, vendor):
            vendor.body = body
            self.fault_of(lambda: channel.send(self.message()), UncertainError)
            assert len(vendor.asked) == 1

    @pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 504])
    @pytest.mark.parametrize("body", [b"", b"<html>Bad gateway</html>", b'{"error": 1}', b'{"error": {"code": {}}}'])
    def test_an_answer_that_is_not_the_vendors_is_a_remote_error(self, status: int, body: bytes) -> None:
        """Proxies and outages answer in their own words; a message is not dropped for a gateway's fault."""
        with self._vendor() as (channel, vendor):
            vendor.status, vendor.body = status, body
            for call in self._calls(channel):
                fault = self.fault_of(call, RemoteError)
                if status >= 500:
                    assert isinstance(fault, TemporaryError), "a server's fault passes"
            assert not any("elsewhere" in asked.target for asked in vendor.asked), "a redirect was followed"

    # how

    def fault_of(self, call: Callable[[], object], kind: type[RemoteError]) -> RemoteError:
        """Return the error that a call raises; fail where it is of another kind or shows what it must not."""
        with pytest.raises(RemoteError) as caught:
            call()
        fault = caught.value
        assert isinstance(fault, kind), f"{type(fault).__name__} instead of {kind.__name__}: {fault}"
        assert str(fault), "an error needs words"
        message = self.message()
        for told in _chain(fault):
            for private in (
                *self.secrets(),
                message.recipient.lstrip("+"),
                *filter(_is_telling, message.slots.values()),
            ):
                assert private not in told, "an error must show no secret, no phone and no text of a message"
        return fault

    def _calls(self, channel: Channel) -> list[Callable[[], object]]:
        return [lambda: channel.send(self.message()), lambda: list(channel.templates())]

    @contextmanager
    def _vendor(self, timeout: float = PATIENCE) -> Iterator[tuple[Channel, Vendor]]:
        with a_vendor() as vendor:
            channel, http = self.channel(vendor.url, timeout)
            with closing(http):
                assert not any(secret in f"{channel!r} {http!r}" for secret in self.secrets())
                yield channel, vendor

    def _stage(self, vendor: Vendor, staged: Staged) -> None:
        vendor.status, vendor.body = staged.status, json.dumps(staged.json).encode()


def _is_telling(text: str) -> bool:
    return len(text) > 5  # shorter ones are found in any sentence


def _chain(fault: BaseException | None) -> Iterator[str]:
    while fault is not None:
        details: Mapping[str, Any] = vars(fault)
        yield f"{fault} {fault!r} {details}"
        fault = fault.__cause__ or (None if fault.__suppress_context__ else fault.__context__)
