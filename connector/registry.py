"""Finds adapters by name: folders of the ``adapters`` package, and entry points of other packages.

An adapter is imported when it is asked for and not before, so that a broken or heavy one harms nobody
else. The connector names no vendor: modules are named by strings.
"""

from __future__ import annotations

import importlib.util
import pkgutil
import re
from importlib.metadata import EntryPoint, entry_points

from connector.contract import Adapter
from connector.errors import ConfigurationError

PACKAGE = "adapters"
GROUP = "connector.adapters"
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
"""What an adapter may be called: it is a folder, a word of the command line and a column of the database."""


class Registry:
    """The adapters of this installation."""

    def __init__(self) -> None:
        self._loaded: dict[str, Adapter] = {}

    def names(self) -> list[str]:
        """Return the names of all adapters, sorted, without importing any."""
        return sorted(_places())

    def get(self, name: str) -> Adapter:
        """Return an adapter, imported on first use.

        Raises ConfigurationError where there is none of that name, two, or one that cannot be used.
        """
        if name not in self._loaded:
            self._loaded[name] = _load(name)
        return self._loaded[name]


def _load(name: str) -> Adapter:
    places = _places()
    found = places.get(name, [])
    if not found:
        raise ConfigurationError(f"There is no adapter {name!r}. There are: {', '.join(sorted(places)) or 'none'}.")
    if len(found) > 1:
        owners = " and ".join(sorted(_owner(place) for place in found))
        raise ConfigurationError(f"{owners} both bring an adapter {name!r}; uninstall one of them.")
    if not NAME.fullmatch(name):
        raise ConfigurationError(
            f"{_owner(found[0])} brings an adapter {name!r}; a name is made of small letters, digits and _, "
            "and begins with a letter."
        )
    where = found[0].value
    try:
        adapter = found[0].load()
    except Exception as error:
        # Somebody else's code runs here: whatever it raises is told with the adapter's name.
        raise ConfigurationError(
            f"The adapter {name!r} cannot be loaded from {where}: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(adapter, Adapter):
        raise ConfigurationError(f"{where} must be a connector.contract.Adapter, not {type(adapter).__name__}.")
    if adapter.name != name:
        raise ConfigurationError(
            f"{where} calls itself {adapter.name!r} but is installed as {name!r}; make both the same."
        )
    return adapter


def _places() -> dict[str, list[EntryPoint]]:
    """Return where the adapters are: name -> one place, or several where two share a name.

    A folder is written as the entry point that it amounts to.
    """
    places: dict[str, list[EntryPoint]] = {}
    package = importlib.util.find_spec(PACKAGE)
    paths = list(package.submodule_search_locations or ()) if package else []
    for path in paths:
        for folder in pkgutil.iter_modules([path]):
            if any(module.name == "adapter" for module in pkgutil.iter_modules([f"{path}/{folder.name}"])):
                value = f"{PACKAGE}.{folder.name}.adapter:ADAPTER"
                places[folder.name] = [EntryPoint(folder.name, value, GROUP)]
    for offer in entry_points(group=GROUP):
        others = places.setdefault(offer.name, [])
        # A package that is found twice on the path offers the same thing twice.
        if all(offer.value != other.value for other in others):
            others.append(offer)
    return places


def _owner(place: EntryPoint) -> str:
    return f"The package {place.dist.name}" if place.dist else f"The folder of {place.value}"
