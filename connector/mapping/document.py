"""A notification mapping's file as a form: every part of it, in the shape that a page can show and send back.

:func:`read_form` is complete (what the file does not say is there with its default) and total for any TOML;
:func:`write_form` puts a changed form into the text and touches only the lines of what has changed, so that
comments, order and the writer's style stay. What a form does not know is kept. Whether a mapping is right is
for :func:`connector.mapping.kinds.read` to say; a form holds wrong words as well as right ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from connector.mapping.document_rows import Group, Row, Value

ANY_HOUR = "none"
"""``timing.quiet`` of a form where the file says ``quiet = false``: at any hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhenPart:
    """``[when]``"""

    event: str = ""
    adapter: str = ""
    accounts: tuple[str, ...] = ()
    """Names; empty: all of the adapter."""
    conditions: Group = field(default_factory=Group)
    """Always a group; one of kind ``all`` without parts stands for no conditions."""
    once_per: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToPart:
    """``[to]``: expressions in the order in which they are tried; ``agreement`` are bare paths."""

    phone: tuple[str, ...] = ()
    region: tuple[str, ...] = ()
    locale: tuple[str, ...] = ()
    agreement: tuple[str, ...] = ()
    ground: str = "transaction"
    """``transaction`` or ``consent``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguagePart:
    """``template.language``: a fixed one (``default`` alone), or chosen by what an expression prints."""

    default: str = ""
    chosen: bool = False
    """Whether ``choose`` and ``map`` count."""
    choose: str = ""
    map: Mapping[str, str] = field(default_factory=dict)
    """What is printed -> the template's language, in the file's order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplatePart:
    """``[template]``"""

    account: str = ""
    """Name of the account that sends; ``""``: the only one there is."""
    name: str = ""
    language: LanguagePart = field(default_factory=LanguagePart)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingPart:
    """``[timing]``: durations, quiet hours and caps as they are written (``10m``, ``21:00-08:00``, ``1 per 7d``)."""

    delay: str = ""
    at: str = ""
    before: str = ""
    expires: str = ""
    cancel_when: tuple[str, ...] = ()
    restart: bool = False
    quiet: str = ""
    """``""``: as the people policy says; :data:`ANY_HOUR`; or ``21:00-08:00``."""
    cap: tuple[str, ...] = ()
    in_doubt: str = ""
    """``resend``, ``give_up``, or ``""``: by the template's category."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RulePart:
    """One ``[[after]]``: see :class:`connector.mapping.rules.Rule`."""

    on: str = "delivered"
    payload: str = ""
    consent: Mapping[str, str] = field(default_factory=dict)
    """Purpose -> ``granted`` or ``revoked``."""
    wording: str = ""
    add_labels: tuple[str, ...] = ()
    remove_labels: tuple[str, ...] = ()
    record: str = ""
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    set_fields: Mapping[str, Value] = field(default_factory=dict)
    """Vendor's field -> value."""
    cancel_others: bool = False
    answer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A whole notification mapping."""

    title: str = ""
    description: str = ""
    """Without blank lines around it."""
    when: WhenPart = field(default_factory=WhenPart)
    to: ToPart = field(default_factory=ToPart)
    template: TemplatePart = field(default_factory=TemplatePart)
    slots: Mapping[str, str] = field(default_factory=dict)
    """Key (``body.1``) -> expression, in the file's order. A blank one is taken out of the file."""
    timing: TimingPart = field(default_factory=TimingPart)
    after: tuple[RulePart, ...] = ()
    unknown: tuple[str, ...] = field(default=(), compare=False)
    """Dotted paths of the file that no part of the form shows: unknown names, and values of another kind than
    belongs there. They stay in the file until that part of the form is changed."""


def read_form(source: str) -> Form:
    """Read a notification mapping's text. Raises MappingError where it is no TOML (:func:`place_of` says where)."""
    raise NotImplementedError


def write_form(source: str, form: Form) -> str:
    """Return the text with what the form says; an unchanged form gives back the very same text.

    ``source`` may be ``""``: then the whole file is written. Raises MappingError where it is no TOML.
    """
    raise NotImplementedError


def rows(group: Group, path: str = "when.conditions") -> Iterator[tuple[str, Row]]:
    """Yield every row of a tree of conditions with its dotted path, which is that of the faults about it."""
    raise NotImplementedError
