"""Secrets at rest: sealed with Fernet (AES-128-CBC and HMAC-SHA256), keys in a file or the environment.

Of several keys the first is the newest: it seals, all of them open. Processes share a key file, so each
call looks whether it has changed: a rotation needs no restart.

Rotation, safe to break off at every step: :meth:`Vault.rotate`, seal everything again, :meth:`Vault.retire`.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from connector.errors import ConfigurationError
from connector.model import Secret

FILE = "secret.key"
VARIABLE = "CONNECTOR_SECRET_KEY"
_READABLE_BY_OTHERS = 0o077
_LARGEST = 64 * 1024
"""Bytes of a key file; some 1400 keys."""


class Vault:
    """Seals and opens mappings; safe to use from many threads and processes at once."""

    def __init__(self, read: Callable[[], Keys], file: Path | None = None) -> None:
        """Use :meth:`open`."""
        self._read = read
        self._file = file
        self._keys = read()

    @classmethod
    def open(cls, data: Path, env: Mapping[str, str]) -> Vault:
        """Open with the keys of CONNECTOR_SECRET_KEY (comma separated), else of ``<data>/secret.key``.

        The file is made on first use, readable by its owner only. Raises ConfigurationError.
        """
        if given := env.get(VARIABLE, "").strip():
            keys = Keys([part.strip() for part in given.split(",") if part.strip()], VARIABLE)
            return cls(lambda: keys)
        file = data / FILE
        try:
            if not file.exists():
                data.mkdir(mode=0o700, parents=True, exist_ok=True)
                with _locked(file):
                    if not file.exists():
                        _write(file, [Fernet.generate_key().decode()])
            return cls(lambda: _read(file), file)
        except OSError as error:
            raise ConfigurationError(f"The key file {file} cannot be used: {error.strerror}.") from None

    @property
    def place(self) -> str:
        """Where the keys are, in words: the file with the time of its last change, or the variable."""
        if self._file is None:
            return f"those of {VARIABLE}"
        try:
            at = datetime.fromtimestamp(self._file.stat().st_mtime, UTC)
        except OSError:
            return f"that of the key file {self._file}, which is missing"
        return f"that of the key file {self._file} (of {at:%Y-%m-%d %H:%M} UTC; a missing one is made anew)"

    def seal(self, values: Mapping[str, Any]) -> str:
        """Encrypt a JSON object; a Secret in it is sealed as its text."""
        plain = json.dumps(values, ensure_ascii=False, separators=(",", ":"), default=_reveal)
        return self._current().box.encrypt(plain.encode("utf-8", "surrogatepass")).decode()

    def open_(self, sealed: str) -> dict[str, Any]:
        """Decrypt what :meth:`seal` made. Raises ConfigurationError where none of the keys fits."""
        try:
            plain = self._current().box.decrypt(sealed.encode())
        except (InvalidToken, UnicodeEncodeError):
            where = f"the key file {self._file}" if self._file else VARIABLE
            raise ConfigurationError(
                f"A stored secret was sealed with a key that {where} does not hold. Put the old key back "
                "(from a backup; further keys go behind the first); where there is none, `connector keys reset` "
                "drops what it sealed, and it is entered again."
            ) from None
        values: dict[str, Any] = json.loads(plain.decode("utf-8", "surrogatepass"))
        return values

    def rotate(self) -> None:
        """Put a new key in front; the old ones still open. Raises ConfigurationError without a key file."""
        with self._changing() as file:
            _write(file, [Fernet.generate_key().decode(), *_read(file).texts])

    def retire(self, sealed: Iterable[str]) -> None:
        """Drop all keys but the newest, where that one opens every one of ``sealed``.

        Raises ConfigurationError, and drops nothing, where it does not, or without a key file.
        """
        with self._changing() as file:
            newest = Keys(_read(file).texts[:1], str(file))
            try:
                for one in sealed:
                    newest.box.decrypt(one.encode())
            except (InvalidToken, UnicodeEncodeError):
                raise ConfigurationError(
                    "Old keys are still in use: seal the secrets of all accounts again before dropping them."
                ) from None
            _write(file, newest.texts)

    def _current(self) -> Keys:
        if self._file and _stamp(self._file) != self._keys.stamp:
            self._keys = self._read()
        return self._keys

    @contextmanager
    def _changing(self) -> Iterator[Path]:
        if self._file is None:
            raise ConfigurationError(
                f"The keys are in {VARIABLE}: put a new one (`openssl rand -base64 32 | tr +/ -_`) in front of "
                "them, separated by a comma, and restart."
            )
        try:
            with _locked(self._file):
                yield self._file
        except OSError as error:
            raise ConfigurationError(f"The key file {self._file} cannot be changed: {error.strerror}.") from None

    def __repr__(self) -> str:
        return f"Vault(keys: {len(self._keys.texts)}, of {self._file or VARIABLE})"


class Keys:
    """One or more keys, newest first, and the state of the file that they were read from."""

    __slots__ = ("box", "stamp", "texts")

    def __init__(self, texts: Iterable[str], where: str, stamp: object = None) -> None:
        self.texts = tuple(texts)
        self.stamp = stamp
        try:
            self.box = MultiFernet([Fernet(text) for text in self.texts])
        except ValueError:
            raise ConfigurationError(
                f"{where} must hold one or more keys of 32 bytes in URL-safe base64; "
                "make one with `openssl rand -base64 32 | tr +/ -_`."
            ) from None


def _read(file: Path) -> Keys:
    """Read a key file. Raises ConfigurationError."""
    try:
        with file.open("rb") as stream:
            found = os.fstat(stream.fileno())
            text = stream.read(_LARGEST)
    except OSError as error:
        raise ConfigurationError(
            f"The key file {file} cannot be read: {error.strerror}. Put it back from a backup, "
            f"or give the keys in {VARIABLE}."
        ) from None
    if found.st_mode & _READABLE_BY_OTHERS:
        raise ConfigurationError(
            f"The key file {file} is open to others: run `chmod 600 {file}` "
            f"(where the file system knows no owners, give the keys in {VARIABLE})."
        )
    lines = text.decode("ascii", "replace").split()
    return Keys(lines, f"The key file {file}", (found.st_ino, found.st_mtime_ns, found.st_size))


def _stamp(file: Path) -> object:
    """Return what changes whenever the file is replaced; None where it is gone."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _write(file: Path, texts: Iterable[str]) -> None:
    """Replace a key file as a whole, or not at all; the caller holds the lock."""
    new = file.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.writelines(f"{text}\n" for text in texts)
        stream.flush()
        os.fsync(descriptor)
    new.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # a key that a crash takes back would take the secrets with it
    finally:
        os.close(folder)


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Let one process at a time make or change the file; the lock goes with its process."""
    descriptor = os.open(file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _reveal(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    raise TypeError(f"{type(value).__name__} cannot be sealed")
