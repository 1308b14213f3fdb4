"""Addresses of the network: which are outside, so that what admins type in reaches nothing behind the firewall, and
which one a request comes from, whatever its sender says.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LOOPBACK: tuple[Network, ...] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_HOME = 64
"""Bits of an IPv6 address that one customer of a provider has for themselves: the rest is theirs to change."""
_WITH_PORT = re.compile(r"\[(?P<six>[^\]]*)\](?::[0-9]{1,5})?|(?P<four>[0-9.]+):[0-9]{1,5}")


class InsideError(OSError):
    """A name leads to an address that is not outside."""


def is_loopback(host: str) -> bool:
    """Tell whether a host name means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_outside(address: str, *, loopback: bool = False) -> bool:
    """Tell whether an IP address is one of the public network; with ``loopback`` this machine counts too."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    inner = _inner(found)
    if inner.is_loopback:
        return loopback
    return inner.is_global and not inner.is_multicast and not inner.is_reserved and not inner.is_unspecified


def outside(host: str, port: int, *, loopback: bool = False) -> list[str]:
    """Return the addresses that a name leads to, every one of them outside.

    Raises InsideError where one is not: a name that leads to both is no mistake, and OSError where the name is
    not known.
    """
    told = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    found = list(dict.fromkeys(str(entry[4][0]) for entry in told))
    if not found or not all(is_outside(address, loopback=loopback) for address in found):
        raise InsideError("the name leads to an address that is not on the public network")
    return found


def sender(direct: str, forwarded: str, trusted: Collection[Network]) -> str:
    """Return the address that a request comes from: the nearest one that is no proxy of ours.

    ``direct`` is who is connected to us; ``forwarded`` is X-Forwarded-For, to whose end each proxy adds whom it
    heard. So it is read from its end, as long as those who wrote it are trusted; what strangers wrote before is
    never reached. Where an entry is no address, the proxy that passed it on is taken.
    """
    found = _read(direct)
    if found is None:
        return direct
    for entry in reversed(forwarded.split(",")) if forwarded else ():
        if not _is_among(found, trusted) or (before := _read(entry.strip())) is None:
            break
        found = before
    return str(found)


def home(address: str) -> str:
    """Return what one guest has for themselves: an IPv4 address, or the network of an IPv6 one."""
    found = _read(address)
    if not isinstance(found, IPv6Address):
        return str(found or address)
    return str(ipaddress.ip_network((int(found) >> (128 - _HOME) << (128 - _HOME), _HOME)))


def _read(text: str) -> Address | None:
    """Read an address as proxies write it: with a port, in brackets, as IPv4 inside IPv6; None where it is none."""
    if with_port := _WITH_PORT.fullmatch(text):
        text = with_port["six"] or with_port["four"] or ""
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped if isinstance(found, IPv6Address) else None) or found


def _is_among(address: Address, networks: Collection[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _inner(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one stands for, where it does: mapped, 6to4, Teredo or NAT64."""
    if not isinstance(address, IPv6Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None) or address
