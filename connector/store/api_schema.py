"""Tables of the API: its keys, and webhooks that leave."""

from __future__ import annotations
