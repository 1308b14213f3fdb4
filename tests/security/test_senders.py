"""Where a request comes from is what our own proxies say, and nothing that a stranger writes."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector.security.addresses import LOOPBACK, home, sender

OURS = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"), *LOOPBACK)
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""How long an example takes is the machine's affair."""
PROXIES = st.sampled_from(["10.1.2.3", "10.9.9.9", "fd00::5", "127.0.0.1", "::1", "::ffff:10.1.2.3"])
STRANGERS = st.ip_addresses().filter(
    lambda address: not any(address.version == each.version and address in each for each in OURS)
)
GARBAGE = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40) | st.lists(
    st.one_of(PROXIES, STRANGERS.map(str), st.just("unknown"), st.just("_hidden"), st.just("")), max_size=5
).map(", ".join)


def written(address: str, form: str) -> str:
    """An address as proxies write it."""
    return {"bare": address, "port": f"[{address}]:443" if ":" in address else f"{address}:443"}[form]


@UNHURRIED
@given(GARBAGE, STRANGERS, st.lists(PROXIES, min_size=1, max_size=4), st.sampled_from(["bare", "port"]))
def test_it_is_whom_the_first_proxy_saw_whatever_the_guest_says(
    said: str, guest: ipaddress.IPv4Address | ipaddress.IPv6Address, proxies: list[str], form: str
) -> None:
    told = said
    for seen in (str(guest), *proxies[:-1]):  # each proxy adds whom it heard
        told = f"{told}, {written(seen, form)}" if told else written(seen, form)
    mapped = getattr(guest, "ipv4_mapped", None)
    if mapped is None or not any(mapped in each for each in OURS if each.version == 4):
        assert sender(proxies[-1], told, OURS) == str(mapped or guest)


@UNHURRIED
@given(GARBAGE, STRANGERS)
def test_a_stranger_who_comes_directly_is_believed_nothing(
    said: str, guest: ipaddress.IPv4Address | ipaddress.IPv6Address
) -> None:
    assert sender(str(guest), said, OURS) == sender(str(guest), "", OURS)


@pytest.mark.parametrize(
    ("direct", "told", "found"),
    [
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "1.2.3.4, 203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "203.0.113.9, 10.0.0.7", "10.0.0.7"),  # a proxy that nobody trusts is who comes
        ("127.0.0.1", "203.0.113.9, not an address", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.9,", "127.0.0.1"),
        ("127.0.0.1", "[2001:db8::1]:4711, ::1", "2001:db8::1"),
        ("::ffff:127.0.0.1", "203.0.113.9:80", "203.0.113.9"),
        ("127.0.0.1", "127.0.0.2", "127.0.0.2"),
        ("10.0.0.7", "203.0.113.9", "10.0.0.7"),
        ("unix:", "203.0.113.9", "unix:"),
    ],
)
def test_only_this_machine_is_believed_where_nothing_is_said(direct: str, told: str, found: str) -> None:
    assert sender(direct, told, LOOPBACK) == found


@pytest.mark.parametrize(
    ("address", "whole"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("", ""),
    ],
)
def test_whoever_has_a_whole_network_counts_once(address: str, whole: str) -> None:
    assert home(address) == whole
