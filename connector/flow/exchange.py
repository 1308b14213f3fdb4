"""Mapping files that come and go through the console: the same names and the same bytes as on the command line."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from connector.errors import ConfigurationError, Fault
from connector.flow import publish
from connector.mapping.pieces import MAX_FILE
from connector.store import Store, mappings
from connector.store.mappings import Conflict, MappingRow

FOLDER = "mappings"
ENDING = ".toml"
MOST_FILES = 200
MOST_BYTES = 2 * 1024 * 1024
"""Of all files of one import together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A mapping's text and what the mapping would be called."""

    name: str
    source: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arriving:
    """A file that may be imported, and what that would mean."""

    file: File
    faults: tuple[Fault, ...]
    """Of its form: such a text cannot be stored."""
    row: MappingRow | None
    """The mapping of this name as it stands; None: it would be new."""

    @property
    def is_same(self) -> bool:
        """Tell whether the draft says this already."""
        return self.row is not None and self.row.draft == self.file.source


def unpack(name: str, body: bytes) -> list[File]:
    """Return the mapping files in what was uploaded: one ``.toml``, or a ``.zip`` of them.

    A mapping is called by its path below a folder named ``mappings``, else by its path in the archive, else by
    the file. Raises ConfigurationError.
    """
    if not body.startswith(b"PK\x03\x04"):
        return [File(name=_name(name), source=decode(body, name))]
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            entries = [info for info in archive.infolist() if info.filename.endswith(ENDING) and not info.is_dir()]
            if not entries:
                raise ConfigurationError(f"There is no {ENDING} file in {name}.")
            if len(entries) > MOST_FILES or sum(info.file_size for info in entries) > MOST_BYTES:
                raise ConfigurationError(f"{name} holds more than {MOST_FILES} files, or more than 2 MB of them.")
            return [
                File(name=_name(info.filename), source=decode(_read(archive, info), info.filename)) for info in entries
            ]
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, EOFError, ValueError):
        raise ConfigurationError(f"{name} cannot be read as a ZIP archive.") from None


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as stream:  # what the archive says about sizes may be a lie
        return stream.read(MAX_FILE + 1)


def decode(body: bytes, where: str) -> str:
    """Return a file's text as the command line reads it. Raises ConfigurationError."""
    if len(body) > MAX_FILE:
        raise ConfigurationError(f"{where} is longer than {MAX_FILE >> 10} KB; a mapping is not.")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{where} is not UTF-8 text (byte {error.start}).") from None


def _name(path: str) -> str:
    parts = PurePosixPath(path.replace("\\", "/")).with_suffix("").parts
    places = [place for place, part in enumerate(parts[:-1]) if part == FOLDER]
    return "/".join(parts[places[-1] + 1 :] if places else parts)


def place(store: Store, files: Iterable[File]) -> list[File]:
    """Give files that an export has named by their last part alone the names of the mappings that they are of."""
    with store.read() as tx:
        names = [row.name for row in mappings.all_(tx)]
    placed = []
    for each in files:
        ends = [name for name in names if name.rpartition("/")[2] == each.name]
        placed.append(replace(each, name=ends[0]) if each.name not in names and len(ends) == 1 else each)
    return placed


def look(store: Store, files: Iterable[File]) -> list[Arriving]:
    """Return what importing these would mean; nothing is stored. Raises ConfigurationError where two have one name."""
    found: dict[str, Arriving] = {}
    with store.read() as tx:
        for each in files:
            if each.name in found:
                raise ConfigurationError(f"Two files are both called {each.name!r}.")
            faults = publish.find_form_faults(each.name, each.source)
            row = mappings.get(tx, each.name) if not faults else None
            found[each.name] = Arriving(file=each, faults=faults, row=row)
    return list(found.values())


def take(store: Store, files: Sequence[tuple[File, int]], by: str) -> list[str]:
    """Store files as drafts, each over the revision that was looked at; return the names of those that changed.

    All or nothing up to the first that somebody else changed: raises Conflict there, MappingError for a form.
    """
    for file, revision in files:
        with store.read() as tx:
            row = mappings.get(tx, file.name)
        if row is not None and row.draft != file.source and row.revision != revision:
            raise Conflict(row)
    return [
        file.name for file, revision in files if publish.save(store, file.name, file.source, revision=revision, by=by)
    ]


def pack(files: Iterable[File]) -> bytes:
    """Return a ZIP archive of these, as ``connector mappings import`` takes it once it is unpacked."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in files:
            info = zipfile.ZipInfo(f"{FOLDER}/{each.name}{ENDING}")  # a fixed date: the same mappings, the same bytes
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(info, each.source.encode())
    return body.getvalue()
