"""Which addresses of the network are outside: what admins type in must not reach what stands behind the firewall."""

from __future__ import annotations

import ipaddress
import socket
from ipaddress import IPv4Address, IPv6Address

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


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


def _inner(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that an IPv6 one stands for, where it does: mapped, 6to4, Teredo or NAT64."""
    if not isinstance(address, IPv6Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None) or address
