"""Reading the people policy: the words that stop and start, quiet hours, caps, owners of labels."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files
from typing import Any

from marshmallow import ValidationError, fields, post_load

from connector.errors import Fault, MappingError
from connector.mapping.people import Owner, PeoplePolicy, Words
from connector.mapping.pieces import (
    Flag,
    ListOf,
    OneOf,
    OneOrMore,
    Table,
    TableOf,
    Text,
    Written,
    read_form,
    table,
)
from connector.mapping.rules_form import Label
from connector.mapping.words import contradictions, normal_words
from connector.model import Purpose
from connector.policy import parse_cap, parse_quiet

KIND = "policy"
NAME = "policy/people"
"""The only name that a policy has."""
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})?")


def load_people(name: str, source: str) -> PeoplePolicy:
    """Read a policy's TOML. Raises MappingError, which holds every fault with its dotted path, and nothing else."""
    if name != NAME:
        raise MappingError([Fault("", f"A policy is called {NAME}, and this is {name}.")])
    policy = read_form(name, source, _PolicyForm, _make_policy)
    faults = [
        Fault(f"words.{language}.{meaning}", f"{word!r} stands in {other} too; a word means one thing.")
        for language, meaning, word, other in contradictions(policy)
    ]
    if faults:
        raise MappingError(faults)
    return policy


@lru_cache(maxsize=1)
def shipped() -> PeoplePolicy:
    """Return the policy that comes with the connector, which holds until another one is published."""
    return load_people(NAME, files("mappings").joinpath(f"{NAME}.toml").read_text("utf-8"))


def _make_policy(*, name: str, source: str, title: str = "", description: str = "", **parts: Any) -> PeoplePolicy:
    return PeoplePolicy(source=source, **parts)


class _Language(Text):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not _LANGUAGE.fullmatch(str(value)):
            raise ValidationError("is no language; languages are named such as en or pt-BR.")
        return str(value)


class _Word(Text):
    """A whole message that means something."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not normal_words(text):
            raise ValidationError("holds nothing that can be seen.")
        return text


class _WordsForm(Table):
    stop = ListOf(_Word(most=60))
    start = ListOf(_Word(most=60))
    unclear = ListOf(_Word(most=60))
    stopped = Text(most=1000, prose=True)
    started = Text(most=1000, prose=True)

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> Words:
        return Words(**data)


class _Count(fields.Field[int]):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 100:
            raise ValidationError("must be a whole number from 1 to 100.")
        return value


class _PolicyForm(Table):
    kind = OneOf((KIND,), required=True)
    title = Text()
    description = Text(most=2000, prose=True)
    words = TableOf(_Language(), table(_WordsForm))
    stop_purposes = ListOf(OneOf(Purpose), least=1)
    start_purposes = ListOf(OneOf(Purpose), least=1)
    unclear_label = Label(most=100)
    confirm = Flag()
    unreachable_after = _Count()
    quiet = TableOf(OneOf(Purpose), Written(parse_quiet))
    cap = TableOf(OneOf(Purpose), OneOrMore(Written(parse_cap)))
    labels = TableOf(Label(most=100), OneOf(Owner))

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        for name in ("stop_purposes", "start_purposes"):
            if name in data:
                data[name] = tuple(map(Purpose, data[name]))
        for name in ("quiet", "cap"):
            if name in data:
                data[name] = {Purpose(purpose): value for purpose, value in data[name].items()}
        if "labels" in data:
            data["labels"] = {name: Owner(owner) for name, owner in data["labels"].items()}
        return data
