"""Who holds a lease: a process of some machine, and whether it can still be alive."""

from __future__ import annotations

import os
import socket

from connector.model import new_id


def new_owner() -> str:
    """Return a name for one run of one job in this process."""
    return f"{socket.gethostname()}:{os.getpid()}:{new_id()[-8:]}"


def is_dead(owner: str) -> bool:
    """Tell whether an owner is known to be gone: a process of this machine that is no longer there.

    Of other machines nothing is known; their leases run out by themselves.
    """
    host, _, rest = owner.partition(":")
    number = rest.partition(":")[0]
    if host != socket.gethostname() or not number.isdigit() or int(number) == os.getpid():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
