"""What every contract is about: an adapter, and settings that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from connector.contract import Adapter, SecretField, Settings


class Subject:
    """An adapter under test; the contracts' first two hooks."""

    adapter: ClassVar[Adapter]
    given: ClassVar[Mapping[str, Any]]
    """Settings as an operator gives them, complete and valid; secrets as text, rotating ones as a list."""

    def load(self, **changes: Any) -> Settings:
        """Return the settings as the schema loads them, some of them changed."""
        loaded: Settings = self.adapter.settings().load({**self.given, **changes})
        return loaded

    def secrets(self) -> list[str]:
        """Return every secret text among the given settings."""
        found: list[str] = []
        for name, field in self.adapter.settings().fields.items():
            if isinstance(field, SecretField) and name in self.given:
                value = self.given[name]
                found += value if isinstance(value, list | tuple) else [value]
        return found
