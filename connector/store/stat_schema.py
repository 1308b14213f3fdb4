"""Tables of counts, rolled up by the clock."""

from __future__ import annotations
