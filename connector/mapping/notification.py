"""A notification mapping as a value: what to send, when, to whom, in which template."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from datetime import timedelta

from connector.mapping.conditions import Condition
from connector.mapping.liquid import Expression
from connector.mapping.rules import Rule
from connector.model import Category


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """Which events it speaks about."""

    event: str
    """Our event type: ``order.paid``."""
    adapter: str
    """Whose topics declare the fields."""
    accounts: tuple[str, ...] = ()
    """Names of accounts; empty: all of the adapter."""
    conditions: Condition | None = None
    once_per: Expression | None = None
    """It speaks once about a subject; with this, once for each text that this prints (a stage, a date)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class To:
    """Whom it speaks to, and how."""

    phone: tuple[Expression, ...]
    region: tuple[Expression, ...] = ()
    locale: tuple[Expression, ...] = ()
    agreement: tuple[str, ...] = ()
    """Paths of fields; any true one is the buyer's agreement to marketing."""
    ground: str = "transaction"
    """What a utility message stands on: ``transaction`` (they gave the number with what it is about), or
    ``consent`` (the ledger must hold a grant)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """Which language of the template: a fixed one, or one chosen by what an expression prints."""

    default: str
    choose: Expression | None = None
    map: MappingOf[str, str] = field(default_factory=dict)
    """What is printed (``pt-BR``, or ``pt`` for all of them) -> the template's language."""

    @property
    def all(self) -> tuple[str, ...]:
        """Every language that may be chosen, the default first."""
        return tuple(dict.fromkeys((self.default, *self.map.values())))

    def pick(self, printed: str) -> str:
        """Return the language for ``pt-BR``: matched whole first, then by its language, else the default.

        Case does not matter, nor whether ``-`` or ``_`` stands between the parts.
        """
        wanted = normal(printed)
        known = {normal(key): language for key, language in self.map.items()}
        return known.get(wanted) or known.get(wanted.partition("_")[0]) or self.default


def normal(language: str) -> str:
    """Return the form in which languages are compared: ``pt_br``."""
    return language.strip().lower().replace("-", "_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which approved template, of which account."""

    name: str
    language: Language
    account: str = ""
    """Name of the account that sends; empty: the only one there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When it leaves, until when it may, and what stops it."""

    delay: timedelta = timedelta()
    at: Expression | None = None
    """The moment that ``delay`` and ``before`` count from, where it is not the event's own: an appointment."""
    before: timedelta = timedelta()
    """So long before that moment."""
    expires: timedelta | None = None
    cancel_when: tuple[str, ...] = ()
    restart: bool = False
    quiet: str | None = None
    """``21:00-09:00`` in the person's own time; ``""``: none; None: as the people policy says."""
    cap: tuple[str, ...] = ()
    """``1 per 7d``: at most so many messages of this mapping to one person."""
    in_doubt: str = ""
    """``resend``, ``give_up``, or ``""``: by the template's category."""

    def resends(self, category: Category) -> bool:
        """Tell whether a message in doubt is sent again: by default unless it is marketing."""
        return self.in_doubt == "resend" if self.in_doubt else category is not Category.MARKETING


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """A notification mapping that has been read and compiled."""

    name: str
    """``shopify/order_paid``"""
    title: str
    description: str = ""
    when: When
    to: To
    template: Choice
    slots: MappingOf[str, Expression]
    timing: Timing
    after: tuple[Rule, ...] = ()
    source: str = field(repr=False)

    def wants(self, *, adapter: str, event: str, account: str) -> bool:
        """Tell whether events of this type, of this account, are its business; conditions come later."""
        return (
            self.when.event == event
            and self.when.adapter == adapter
            and (not self.when.accounts or account in self.when.accounts)
        )

    def expressions(self) -> Iterable[tuple[str, Expression]]:
        """Yield every expression with its path in the file."""
        for name in ("phone", "region", "locale"):
            for place, expression in enumerate(getattr(self.to, name)):
                yield f"to.{name}.{place}", expression
        if self.when.once_per:
            yield "when.once_per", self.when.once_per
        if self.timing.at:
            yield "timing.at", self.timing.at
        if self.template.language.choose:
            yield "template.language.choose", self.template.language.choose
        for key, expression in self.slots.items():
            yield f"slots.{key}", expression
        for place, rule in enumerate(self.after):
            if rule.answer is not None:
                yield f"after.{place}.answer", rule.answer
