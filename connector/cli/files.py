"""Mapping files: finding them, naming them, reading them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from connector.errors import ConfigurationError

FOLDER = "mappings"
ENDING = ".toml"
SHIPPED = "shipped"
CAP = 64 * 1024
"""Bytes of one mapping file, as the form has it."""


@dataclass(frozen=True, slots=True)
class MappingFile:
    """A mapping's text, what the mapping is called, and where the text was found."""

    name: str
    source: str = field(repr=False)
    where: str


def is_file(argument: str) -> bool:
    """Tell whether an argument means files rather than a stored mapping."""
    return argument.endswith(ENDING) or Path(argument).is_dir()


def read_files(arguments: Iterable[str]) -> list[MappingFile]:
    """Read mapping files, folders of them, and ``shipped`` (the recipes that come with the connector).

    Raises ConfigurationError where one cannot be read, where there is none, or where two have one name.
    """
    found: dict[str, MappingFile] = {}
    for argument in arguments:
        for each in _shipped() if argument == SHIPPED else _read(Path(argument)):
            if each.name in found and found[each.name].where != each.where:
                raise ConfigurationError(f"{found[each.name].where} and {each.where} are both called {each.name!r}.")
            found[each.name] = each
    return list(found.values())


def name_of(path: Path, root: Path | None = None) -> str:
    """Return a mapping's name by its path, without the ending.

    It is what follows the nearest folder called ``mappings``; where there is none, what follows ``root``,
    the folder that was asked for; else the file's own name.
    """
    path = path.absolute().with_suffix("")
    folder = next((parent for parent in path.parents if parent.name == FOLDER), root and root.absolute())
    return path.relative_to(folder).as_posix() if folder else path.name


def _read(path: Path) -> Iterator[MappingFile]:
    root = path if path.is_dir() else None
    paths = sorted(path.rglob(f"*{ENDING}")) if root else [path]
    if not paths:
        raise ConfigurationError(f"There is no {ENDING} file in {path}.")
    for each in paths:
        try:
            with each.open("rb") as stream:
                body = stream.read(CAP + 1)
        except OSError as error:
            raise ConfigurationError(f"{each} cannot be read: {error.strerror}.") from None
        yield MappingFile(name_of(each, root), _decode(body, str(each)), str(each))


def _shipped(folder: Traversable | None = None, prefix: str = "") -> Iterator[MappingFile]:
    for each in sorted((folder or files(FOLDER)).iterdir(), key=lambda item: item.name):
        if each.is_dir():
            yield from _shipped(each, f"{prefix}{each.name}/")
        elif each.name.endswith(ENDING):
            name = prefix + each.name.removesuffix(ENDING)
            yield MappingFile(name, _decode(each.read_bytes(), name), f"{FOLDER}/{name}{ENDING}")


def _decode(body: bytes, where: str) -> str:
    if len(body) > CAP:
        raise ConfigurationError(f"{where} is longer than {CAP >> 10} KB; a mapping is not.")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{where} is not UTF-8 text (byte {error.start}).") from None
