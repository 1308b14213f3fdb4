"""What somebody typed in leads outside, or nowhere."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from connector.security import addresses
from connector.security.addresses import InsideError, is_outside, outside


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "8.8.8.8"])
def test_a_public_address_is_outside(address: str) -> None:
    assert is_outside(address)


@pytest.mark.parametrize("address", [
    "10.0.0.1", "172.16.5.5", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "255.255.255.255",
    "224.0.0.1", "192.0.2.1", "198.18.0.1", "240.0.0.1", "127.0.0.1", "::1", "::", "fe80::1", "fe80::1%eth0",
    "fc00::1", "ff02::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::a9fe:a9fe", "2002:a00:1::1", "2001:db8::1",
    "localhost", "", "10.1",
])  # fmt: skip
def test_what_stands_behind_the_firewall_is_not(address: str) -> None:
    assert not is_outside(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_this_machine_counts_only_where_that_was_said(address: str) -> None:
    assert is_outside(address, loopback=True)
    assert not is_outside(address)


def test_loopback_lets_nothing_else_in() -> None:
    assert not is_outside("10.0.0.1", loopback=True)


@pytest.fixture
def name_leads_to(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def lead(*found: str) -> None:
        told = [(0, 0, 0, "", (address, 443)) for address in found]
        monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *args, **kwargs: told)

    return lead


def test_a_name_is_as_good_as_the_worst_it_leads_to(name_leads_to: Callable[..., None]) -> None:
    name_leads_to("8.8.8.8", "1.1.1.1", "8.8.8.8")
    assert outside("shop.example", 443) == ["8.8.8.8", "1.1.1.1"]

    name_leads_to("8.8.8.8", "10.0.0.1")
    with pytest.raises(InsideError):
        outside("shop.example", 443)

    name_leads_to()
    with pytest.raises(InsideError):
        outside("shop.example", 443)
