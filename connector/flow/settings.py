"""An adapter's settings schema at work: what it asks for, what it refuses, what is secret, what may be shown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from marshmallow import ValidationError, fields, missing
from marshmallow.validate import OneOf

from connector.contract import Adapter, ApiUrl, Country, SecretField, Settings, Timezone
from connector.errors import ConfigurationError
from connector.model import Secret

DOTS = "••••"
_JSON_FIELDS = (fields.Number, fields.Boolean, fields.List, fields.Tuple, fields.Mapping, fields.Nested)


class SettingsError(ConfigurationError):
    """Settings have faults; ``faults`` holds all of them, ``field: words`` each."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(self.faults))


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One field of an adapter's settings, as a form or a prompt asks for it."""

    name: str
    title: str
    words: str
    secret: bool
    rotates: bool
    """Takes a new value while older ones stay valid."""
    required: bool
    json: bool
    """Takes a number, a list or an object: a text that is JSON is to be read as such."""
    kind: str = "text"
    """``text``, ``number``, ``truth``, ``choice``, ``url``, ``country``, ``timezone``; ``json``: list or object."""
    choices: tuple[str, ...] = ()
    """Of a choice."""
    default: Any = None
    """What holds where nothing is given, as JSON; None: nothing does."""


@dataclass(frozen=True, slots=True)
class Split:
    """Settings as they are stored; both parts are JSON."""

    public: Mapping[str, Any]
    secret: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Split(public={self.public!r}, secret={DOTS!r})"


def settings_of(adapter: Adapter) -> tuple[Setting, ...]:
    """Return what an adapter asks for, in the order of its schema."""
    return tuple(
        Setting(
            name=name,
            title=str(field.metadata.get("title") or _title(name)),
            words=str(field.metadata.get("description", "")),
            secret=_is_secret(field),
            rotates=isinstance(field, SecretField) and field.rotates,
            required=field.required,
            json=isinstance(field, _JSON_FIELDS),
            kind=_kind(field),
            choices=_choices(field),
            default=_default(field),
        )
        for name, field in _fields(adapter)
    )


def load(adapter: Adapter, given: Mapping[str, Any]) -> Settings:
    """Load settings through the adapter's schema. Raises SettingsError that names every faulty field."""
    try:
        loaded: Settings = adapter.settings().load(_plain(given))
    except ValidationError as error:
        raise SettingsError(_faults(adapter, given, error)) from None
    return loaded


def check(adapter: Adapter, given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what is wrong with settings, ``field: words`` each; no words hold a secret that was given."""
    try:
        adapter.settings().load(_plain(given))
    except ValidationError as error:
        return _faults(adapter, given, error)
    return ()


def split(adapter: Adapter, given: Mapping[str, Any]) -> Split:
    """Check settings and part them for storing: what may be shown in its normal form, the rest as given.

    Defaults are not stored, so that a newer adapter's defaults reach older accounts.
    Raises SettingsError that names every faulty field.
    """
    normal = adapter.settings().dump(load(adapter, given))
    secret = {name for name, field in _fields(adapter) if _is_secret(field)}
    plain = _plain(given)
    return Split(
        public={name: normal.get(name, value) for name, value in plain.items() if name not in secret},
        secret={name: value for name, value in plain.items() if name in secret},
    )


def public(settings: Settings) -> dict[str, Any]:
    """Return loaded settings without any value that is, or holds, a secret."""
    return {name: value for name, value in settings.items() if not _holds_secret(value)}


def masked(adapter: Adapter, settings: Settings) -> dict[str, Any]:
    """Return loaded settings as they may be shown: JSON, with dots where a secret is set; None: not set."""
    normal = adapter.settings().dump(settings)
    shown = {}
    for name, field in _fields(adapter):
        if _is_secret(field):
            value = settings.get(field.attribute or name)
            count = len(value) if isinstance(value, tuple) else 1
            shown[name] = (f"{DOTS} and {count - 1} older" if count > 1 else DOTS) if value else None
        else:
            shown[name] = normal.get(name)
    return shown


def read_text(setting: Setting, text: str) -> Any:
    """Return what somebody typed as a setting's value: JSON where the setting takes it, a Secret where it is one."""
    if setting.secret:
        return Secret(text)
    if setting.json:
        try:
            return json.loads(text)
        except ValueError:
            return text  # the schema says what is wrong with it, or takes a list with commas
    return text


def write_text(setting: Setting, value: Any) -> str:
    """Return a stored value as somebody would type it; empty where there is none, or where it is secret."""
    if value is None or setting.secret:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _title(name: str) -> str:
    """Return the name of a setting as people write it: ``api_url`` -> ``API URL``."""
    words = [word.upper() if word in ("api", "id", "url", "waba") else word for word in name.split("_")]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])


def _kind(field: fields.Field[Any]) -> str:
    kinds: Sequence[tuple[Any, str]] = (
        (fields.Boolean, "truth"), (fields.Number, "number"), (_JSON_FIELDS, "json"), (ApiUrl, "url"),
        (Country, "country"), (Timezone, "timezone"),
    )  # fmt: skip
    found = next((kind for types, kind in kinds if isinstance(field, types)), "text")
    return "choice" if found == "text" and _choices(field) else found


def _choices(field: fields.Field[Any]) -> tuple[str, ...]:
    found = (one for one in field.validators if isinstance(one, OneOf))
    return tuple(str(choice) for one in found for choice in one.choices)


def _default(field: fields.Field[Any]) -> Any:
    value = field.load_default() if callable(field.load_default) else field.load_default
    return None if value is missing else value


def _fields(adapter: Adapter) -> Iterator[tuple[str, fields.Field[Any]]]:
    for name, field in adapter.settings().fields.items():
        yield field.data_key or name, field


def _is_secret(field: fields.Field[Any]) -> bool:
    """Tell whether a field is or holds a secret; then all of it is kept secret."""
    if isinstance(field, fields.List):
        return _is_secret(field.inner)
    if isinstance(field, fields.Tuple):
        return any(map(_is_secret, field.tuple_fields))
    if isinstance(field, fields.Mapping):
        return field.value_field is not None and _is_secret(field.value_field)
    if isinstance(field, fields.Nested):
        return any(map(_is_secret, field.schema.fields.values()))
    return isinstance(field, SecretField)


def _holds_secret(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_holds_secret, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_secret, value))
    return isinstance(value, Secret)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value.reveal() if isinstance(value, Secret) else value


def _faults(adapter: Adapter, given: Mapping[str, Any], error: ValidationError) -> tuple[str, ...]:
    messages = error.messages if isinstance(error.messages, Mapping) else {"": error.messages}
    names = ", ".join(name for name, _ in _fields(adapter))
    meanings = {
        "Missing data for required field.": "is required.",
        "Unknown field.": f"is not a setting of {adapter.title}, which has {names}.",
    }
    hidden = sorted(_secret_texts(adapter, given), key=len, reverse=True)
    return tuple(_hide(line, hidden) for line in _lines(messages, meanings))


def _lines(messages: Any, meanings: Mapping[str, str], path: str = "") -> Iterator[str]:
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            step = "" if name in ("", "_schema") else str(name)
            yield from _lines(inner, meanings, ".".join(filter(None, (path, step))))
    elif isinstance(messages, list | tuple):
        for inner in messages:
            yield from _lines(inner, meanings, path)
    else:
        words = meanings.get(str(messages), str(messages))
        yield f"{path}: {words}" if path else words


def _secret_texts(adapter: Adapter, given: Mapping[str, Any]) -> set[str]:
    """Return the texts that no message may repeat; a value under an unknown name may be a mistyped secret."""
    public_names = {name for name, field in _fields(adapter) if not _is_secret(field)}
    return {text for name, value in given.items() if name not in public_names for text in _texts(_plain(value))}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str) and len(value) > 3:
        yield value


def _hide(words: str, hidden: list[str]) -> str:
    for text in hidden:
        words = words.replace(text, DOTS)
    return words
