"""Reading an account's settings from the command line, files, the environment and the keyboard."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from connector.contract import Adapter
from connector.errors import ConfigurationError
from connector.flow.settings import Setting, check, settings_of
from connector.model import Secret

PREFIX = "CONNECTOR_SECRET_"
FILE_CAP = 64 * 1024
"""Bytes of a file named by ``key=@file``; a secret is not longer."""


def read_settings(adapter: Adapter, assignments: Iterable[str]) -> dict[str, Any]:
    """Collect an account's settings: ``key=value`` first, then the environment, then the keyboard.

    Secrets are looked for in the environment as ``CONNECTOR_SECRET_<FIELD>``; what is still missing is
    asked for on a terminal, secrets without echo. Raises ConfigurationError.
    """
    settings = {setting.name: setting for setting in settings_of(adapter)}
    given = read_assignments(settings, assignments)
    for setting in settings.values():
        if setting.secret and setting.name not in given and (value := from_environment(setting)) is not None:
            given[setting.name] = value
    if is_interactive():
        _ask_for_missing(adapter, settings, given)
    return given


def read_assignments(settings: Mapping[str, Setting], assignments: Iterable[str]) -> dict[str, Any]:
    """Read ``key=value``, ``key=@file`` and ``key.part=value``. Raises ConfigurationError.

    Secrets come back as Secret. A key that was given twice makes a list, where the setting takes several.
    """
    given: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        key = key.strip()
        if not equals or not key:
            # Not repeated: it may be a secret whose name was forgotten.
            raise ConfigurationError("--set takes key=value, such as --set shop=my-shop.")
        head, _, part = key.partition(".")
        setting = settings.get(head)
        value = _read_value(setting, key, text)
        if part and setting is not None and setting.json:
            inner = given.setdefault(head, {})
            if not isinstance(inner, dict):
                raise ConfigurationError(f"{head}: give it whole or in parts, not both.")
            inner[part] = value
        elif key in given:
            if setting is None or not (setting.rotates or setting.json):
                raise ConfigurationError(f"{key}: was given twice.")
            known = given[key]
            given[key] = [*known, value] if isinstance(known, list) else [known, value]
        else:
            given[key] = value
    return given


def from_environment(setting: Setting) -> Secret | None:
    """Return a secret from ``CONNECTOR_SECRET_<FIELD>``, or None where it is not set or empty."""
    value = os.environ.get(PREFIX + setting.name.upper())
    return Secret(value) if value else None


def ask(setting: Setting) -> Any:
    """Ask for a setting on the terminal, a secret without echo; ``""`` where nothing was typed."""
    hint = f" ({setting.words.rstrip('.')})" if setting.words else ""
    text = click.prompt(
        f"{setting.title}{hint}", default="", show_default=False, hide_input=setting.secret, err=True
    ).strip()
    return Secret(text) if setting.secret and text else text


def is_interactive() -> bool:
    """Tell whether somebody sits at a terminal."""
    return sys.stdin.isatty()


def _ask_for_missing(adapter: Adapter, settings: Mapping[str, Setting], given: dict[str, Any]) -> None:
    # What the schema says is wrong and was not given is what is missing: also one of two, where it wants
    # either. It says the latter only once every single field is right, hence the rounds.
    asked: set[str] = set()
    while True:
        wrong = {fault.partition(":")[0] for fault in check(adapter, given)}
        missing = [name for name in settings if name in wrong - asked and name not in given]
        if not missing:
            return
        for name in missing:
            asked.add(name)
            if value := ask(settings[name]):
                given[name] = value


def _read_value(setting: Setting | None, key: str, text: str) -> Any:
    if text.startswith("@@"):
        text = text[1:]
    elif text.startswith("@"):
        text = _read_file(key, Path(text[1:]))
    if setting is not None and setting.json:
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text if setting is not None and not setting.secret else Secret(text)


def _read_file(key: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            body = file.read(FILE_CAP + 1)
        if len(body) > FILE_CAP:
            raise ConfigurationError(f"{key}: {path} is longer than {FILE_CAP >> 10} KB.")
        return body.decode().strip()
    except OSError as error:
        words = f"{key}: {path} cannot be read ({error.strerror}); write @@ for a value that begins with @."
        raise ConfigurationError(words) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{key}: {path} is not UTF-8 text.") from None
