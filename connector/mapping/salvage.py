"""What of a mapping's text can be used although something in it is wrong: for previews while it is typed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from connector.mapping import conditions
from connector.mapping.conditions import Condition, Test
from connector.mapping.document import ANY_HOUR, Form, Row
from connector.mapping.document_rows import plain_conditions
from connector.mapping.liquid import Expression, ExpressionError, compile_expression
from connector.mapping.notification import Choice, Language, Mapping, Timing, To, When
from connector.model import parse_duration
from connector.policy import parse_quiet


def salvage(name: str, source: str, form: Form) -> Mapping:
    """Return the mapping without its faulty parts: expressions that do not compile, times that are none.

    It is for looking at, never for sending: what is left out may be what stops a message.
    """
    when, timing = form.when, form.timing
    return Mapping(
        name=name,
        title=form.title,
        description=form.description,
        when=When(
            event=when.event, adapter=when.adapter, accounts=when.accounts, conditions=_conditions(form),
            once_per=compiled(when.once_per),
        ),
        to=To(
            phone=_all(form.to.phone), region=_all(form.to.region), locale=_all(form.to.locale),
            agreement=tuple(path for path in form.to.agreement if not conditions.refuse_path(path)),
            ground=form.to.ground,
        ),
        template=Choice(name=form.template.name, account=form.template.account, language=_language(form)),
        slots={key: found for key, text in form.slots.items() if (found := compiled(text)) is not None},
        timing=Timing(
            delay=_length(timing.delay), at=compiled(timing.at), before=_length(timing.before),
            expires=_length(timing.expires) or None, cancel_when=timing.cancel_when, restart=timing.restart,
            quiet=_quiet(timing.quiet), in_doubt=timing.in_doubt,
        ),
        source=source,
    )  # fmt: skip


def compiled(text: str) -> Expression | None:
    """Return an expression, or None where there is none or it has a fault."""
    try:
        return compile_expression(text) if text.strip() else None
    except ExpressionError:
        return None


def test_of(row: Row, path: str) -> tuple[Test | None, str]:
    """Return a row of a form as a test, or what is wrong with it."""
    found, faults = conditions.read(plain_conditions(row), path)
    if isinstance(found, Test):
        return found, ""
    return None, "; ".join(f"{fault.path.removeprefix(path).lstrip('.')} {fault.words}".strip() for fault in faults)


def _conditions(form: Form) -> Condition | None:
    if not form.when.conditions.parts:
        return None
    found, _ = conditions.read(plain_conditions(form.when.conditions), "when.conditions")
    return found


def _all(texts: Iterable[str]) -> tuple[Expression, ...]:
    return tuple(found for text in texts if (found := compiled(text)) is not None)


def _language(form: Form) -> Language:
    part = form.template.language
    choose = compiled(part.choose) if part.chosen else None
    more: dict[str, Any] = {"choose": choose, "map": part.map} if choose is not None else {}
    return Language(default=part.default, **more)


def _length(text: str) -> timedelta:
    try:
        return parse_duration(text) if text and len(text) < 60 else timedelta()
    except (ValueError, OverflowError):
        return timedelta()


def _quiet(text: str) -> str | None:
    if text == ANY_HOUR:
        return ""
    try:
        parse_quiet(text)
    except ValueError:
        return None
    return text
