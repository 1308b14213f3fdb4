"""What the environment says is checked when it is read."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from connector.errors import ConfigurationError
from connector.security.addresses import LOOPBACK
from connector.settings import Settings


@pytest.mark.parametrize("text", ["", " ", ","])
def test_only_this_machine_is_a_trusted_proxy_where_none_is_named(text: str) -> None:
    assert Settings.from_env({"CONNECTOR_TRUSTED_PROXIES": text}).trusted_proxies == LOOPBACK


def test_trusted_proxies_are_networks_and_single_addresses() -> None:
    told = Settings.from_env({"CONNECTOR_TRUSTED_PROXIES": "172.16.0.0/12, 192.0.2.7,fd00::/8"}).trusted_proxies
    assert told == (ip_network("172.16.0.0/12"), ip_network("192.0.2.7/32"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("proxy.example.org", "proxy.example.org is none"),
        ("10.0.0.0/8 172.16.0.0/12", "with commas between"),
        ("10.0.0.1/8", "10.0.0.1/8 is none"),
        ("0.0.0.0/0", "everybody"),
        ("127.0.0.1,::/0", "::/0, which is everybody"),
    ],
)
def test_what_names_no_proxy_or_everybody_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match="CONNECTOR_TRUSTED_PROXIES") as refused:
        Settings.from_env({"CONNECTOR_TRUSTED_PROXIES": text})
    assert words in str(refused.value)
