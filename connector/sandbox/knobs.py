"""Settings of a stand-in that can be changed while it runs: typed, checked, shown without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from connector.errors import ConfigurationError
from connector.model import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """Base of a stand-in's settings: a frozen value; texts, numbers, truths, lists of texts and secrets."""

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """Return it with these changes, checked. Raises ConfigurationError."""
        kinds = {field.name: type(getattr(self, field.name)) for field in fields(self)}
        values: dict[str, Any] = {}
        for name, value in changes.items():
            if name not in kinds:
                raise ConfigurationError(f"There is no setting {name[:40]!r}; there are {', '.join(kinds)}.")
            values[name] = _value(name, kinds[name], value)
        return replace(self, **values)

    def shown(self) -> dict[str, Any]:
        """Return the settings as JSON, secrets as whether they are set."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: bool(value) if isinstance(value, Secret) else value for name, value in values.items()}

    def check_shares(self, *names: str) -> None:
        """Raise ConfigurationError where one of these is no share."""
        for name in names:
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigurationError(f"{name} must be a share from 0 to 1.")

    def check_range(self, least: float, most: float, *names: str) -> None:
        """Raise ConfigurationError where one of these is out of range."""
        for name in names:
            if not least <= getattr(self, name) <= most:
                raise ConfigurationError(f"{name} must be from {least:.0f} to {most:.0f}.")


def _value(name: str, kind: type, value: Any) -> Any:
    if isinstance(value, Secret) and kind is Secret:
        return value
    if kind is Secret:
        if isinstance(value, str) and value.isascii():
            return Secret(value)
    elif kind is float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    elif kind is tuple:
        if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
            return tuple(value)
    elif type(value) is kind:
        return value
    words = {Secret: "plain ASCII text", float: "a number", int: "a whole number", bool: "true or false"}
    raise ConfigurationError(f"{name} must be {words.get(kind, 'a list of texts' if kind is tuple else 'text')}.")
