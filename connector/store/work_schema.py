"""Tables of work in the background and of shadow runs."""

from __future__ import annotations
