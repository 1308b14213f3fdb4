"""A notification mapping in one plain sentence, for people who read no TOML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from connector.contract import Topic
from connector.mapping.notification import Mapping
from connector.model import Template


def say(
    mapping: Mapping,
    *,
    topic: Topic | None = None,
    template: Template | None = None,
    languages: Sequence[str] = (),
    topics: Iterable[Topic] = (),
) -> str:
    """Say a mapping in one sentence.

    ``topic`` is that of its event; ``topics`` all of its adapter, for the names of cancelling events (the
    first with the mapping's event stands in for ``topic``); ``template`` gives the category; ``languages`` are
    those in which the template is approved, where more is to be said than what the mapping names.
    """
    raise NotImplementedError
