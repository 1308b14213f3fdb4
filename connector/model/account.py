"""Accounts: one connected shop, organisation or number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connector.model.ids import AccountId


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A connected account. ``settings`` is what the adapter's schema loaded; secrets in it are Secret."""

    id: AccountId
    adapter: str
    name: str
    token: str = field(repr=False)
    """The unguessable part of its webhook URL."""
    settings: Mapping[str, Any]
    active: bool = True
    note: str = ""
    """Why it is suspended."""
    created_at: datetime
    updated_at: datetime
