"""Liquid, tamed: one environment, strict blanks, limits, and nothing that could loop or reach out.

What an expression may use: output statements, the tags of :data:`TAGS`, the filters of
:mod:`connector.mapping.filters`. Loops, ranges, captures and partials are not there, so that a rendering
costs no more than its source is long. An output that has nothing to print stops the rendering
(:class:`BlankError`): a missing value never becomes an empty string.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from io import StringIO
from typing import Any, ClassVar, TextIO

from babel import Locale
from liquid import BoundTemplate, Environment, FalsyStrictUndefined, RenderContext
from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.expressions.primitive import Blank, Empty, FloatLiteral, Literal, RangeLiteral
from liquid.builtin.illegal import Illegal
from liquid.builtin.output import Output, OutputNode
from liquid.exceptions import LiquidError, LiquidSyntaxError, UndefinedError
from liquid.expression import Expression as LiquidExpression
from liquid.stream import TokenStream
from liquid.token import TOKEN_DOC, Token
from liquid.utils import ReadOnlyChainMap

from connector.mapping.filters import FILTERS, refuse_arguments
from connector.mapping.nearest import nearest
from connector.mapping.scalar import is_missing, number, plain
from connector.mapping.text import is_blank

MAX_SOURCE = 2_000
"""Characters of one expression."""
MAX_OUTPUT = 2_000
"""Characters that one expression may print; what is longer is cut off right after."""
MAX_DEPTH = 30
TAGS = ("if", "unless", "case", "assign", "comment", "raw")
_PARTS_OF_TAGS = frozenset(("else", "elsif", "endif", "endunless", "when", "endcase", "endcomment", "endraw"))


class ExpressionError(Exception):
    """An expression cannot be compiled; ``faults`` says all that is wrong, in words."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class BlankError(Exception):
    """There is nothing to print; the message names what was missing."""


class BrokenError(Exception):
    """An expression broke a limit or met a value that it cannot use; the message says which."""


class _FullError(Exception):
    """The output has reached its limit."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression."""

    source: str
    paths: tuple[tuple[str, ...], ...] = field(repr=False)
    """The names it reads, without list positions: ``("line_items", "title")``."""
    filters: frozenset[str] = field(repr=False)
    texts: tuple[str, ...] = field(repr=False)
    """The text between its outputs."""
    _template: BoundTemplate = field(repr=False, compare=False)
    _bare: tuple[str, ...] = field(repr=False, compare=False)
    """The steps of the path, where it is nothing but one: half of all expressions, and a short way for them."""

    @property
    def label(self) -> str:
        """A short name for traces: the path itself where it is only that."""
        inner = self.source.strip().removeprefix("{{").removesuffix("}}").strip(" -")
        text = self.source if "{" in inner else inner
        return text if len(text) <= 80 else text[:79] + "…"

    @property
    def is_constant(self) -> bool:
        """Whether it prints the same for every event."""
        return not self.paths

    def render(self, roots: Mapping[str, Any], locale: Locale) -> str:
        """Print it for these values; at most ``MAX_OUTPUT + 1`` characters, where one too many means cut off.

        Raises BlankError where an output has nothing to print, BrokenError where a limit is broken or a
        filter cannot use its value. Nothing else.
        """
        if self._bare and (found := _look_up(self._bare, roots)):
            return found
        context = _Context(self._template, globals=roots)
        # The library would also offer `now` and `today`, which read the clock.
        context.scope = ReadOnlyChainMap(context.locals, roots)
        context.locale = locale
        buffer = _Buffer()
        try:
            with suppress(_FullError):
                for node in self._template.nodes:
                    node.render(context, buffer)
        except BlankError:
            raise
        except UndefinedError as error:
            raise BlankError(f"{error.message}.") from None
        except LiquidError as error:
            raise BrokenError(f"{self.label}: {error.message}.") from None
        except Exception as error:  # noqa: BLE001 - whatever a payload does to a filter ends here
            raise BrokenError(f"{self.label} cannot be worked out ({type(error).__name__}).") from None
        return buffer.getvalue()


def _look_up(path: tuple[str, ...], roots: Any) -> str:
    """Return the text at a path, or ``""`` where there is none and Liquid itself must look (and complain)."""
    value = roots
    for step in path:
        if type(value) is not dict or step not in value:
            return ""
        value = value[step]
    return value[: MAX_OUTPUT + 1] if type(value) is str and not is_blank(value) else ""


class _Buffer(StringIO):
    def write(self, text: str) -> int:
        room = MAX_OUTPUT + 1 - self.tell()
        super().write(text[:room])
        if len(text) >= room:
            raise _FullError
        return len(text)


class _Context(RenderContext):
    __slots__ = ("locale",)
    locale: Locale


class _PrintNode(OutputNode):
    """An output that refuses to print nothing, and lists and objects."""

    expression: FilteredExpression

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        value = self.expression.evaluate(context)
        try:
            text = value if type(value) is str else plain(value)
        except ValueError as error:
            if not value:
                raise BlankError(f"{self.expression.left} is empty.") from None
            raise LiquidError(str(error), token=self.token) from None
        if is_blank(text):
            raise BlankError(f"{self._culprit(context)}.")
        return buffer.write(text)

    def _culprit(self, context: RenderContext) -> str:
        parts = [self.expression.left]
        for each in self.expression.filters or ():
            parts += each.children()
        for part in parts:
            value = part.evaluate(context)
            if is_missing(value):
                return f"{part} is missing"
            if isinstance(part, Path) and isinstance(value, str) and is_blank(value):
                return f"{part} is blank"
        return f"{self.expression} prints nothing"


class _Print(Output):
    node_class = _PrintNode


class _Refused(Illegal):
    """Any tag that is not there."""

    def parse(self, stream: TokenStream) -> Any:
        token = stream.current
        name = "doc" if token.kind == TOKEN_DOC else token.value.strip()
        if name in _PARTS_OF_TAGS:
            raise LiquidSyntaxError(f"{name!r} stands without its beginning", token=token)
        if not name.replace("_", "").isalnum() or len(name) > 40:
            raise LiquidSyntaxError("this tag has no name that is known here", token=token)
        words = f"the tag {name!r} is not available; there are {', '.join(TAGS)}"
        raise LiquidSyntaxError(words, token=token)


class _Template(BoundTemplate):
    context_class = _Context


class _Environment(Environment):
    context_depth_limit: ClassVar[int] = 10
    block_nesting_limit: ClassVar[int] = 10
    loop_iteration_limit: ClassVar[int | None] = 200
    local_namespace_limit: ClassVar[int | None] = 20_000
    output_stream_limit: ClassVar[int | None] = 4 * MAX_OUTPUT
    template_class = _Template

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        self.add_tag(_Print)
        self.add_tag(_Refused)
        kept = {*TAGS, Output.name, Illegal.name, "content"}
        self.tags = {name: tag for name, tag in self.tags.items() if name in kept}
        self.filters = dict(FILTERS)


_ENVIRONMENT = _Environment(undefined=FalsyStrictUndefined)


@lru_cache(maxsize=4096)
def compile_expression(source: str) -> Expression:
    """Compile an expression, once for each text. Raises ExpressionError with every fault that can be seen."""
    if len(source) > MAX_SOURCE:
        raise ExpressionError([f"is {len(source)} characters long; at most {MAX_SOURCE} are allowed."])
    try:
        template = _ENVIRONMENT.from_string(source)
        faults = list(_faults(template, source))
        analysis = template.analyze(include_partials=False)
    except LiquidSyntaxError as error:
        raise ExpressionError([f"{error.message}{_where(error.token, source)}."]) from None
    except (LiquidError, RecursionError):
        raise ExpressionError(["is nested too deeply, or is not Liquid."]) from None
    if faults:
        raise ExpressionError(faults)
    paths = {_names(variable.segments) for found in analysis.globals.values() for variable in found}
    texts = tuple(node.text for node, _ in _nodes(template) if isinstance(node, ContentNode))
    return Expression(source, tuple(sorted(paths)), frozenset(analysis.filters), texts, template, _bare(template))


def _bare(template: BoundTemplate) -> tuple[str, ...]:
    if len(template.nodes) == 1 and isinstance(node := template.nodes[0], _PrintNode):
        path = node.expression.left
        if not node.expression.filters and isinstance(path, Path) and all(isinstance(step, str) for step in path.path):
            return tuple(step for step in path.path if isinstance(step, str))
    return ()


def _where(token: Token | None, source: str) -> str:
    if token is None or token.start_index < 0:
        return ""
    line = source.count("\n", 0, token.start_index) + 1
    column = token.start_index - (source.rfind("\n", 0, token.start_index) + 1) + 1
    return f" (character {column})" if "\n" not in source else f" (line {line}, character {column})"


def _names(segments: list[Any]) -> tuple[str, ...]:
    """Return the names of a path up to where it depends on another value."""
    names = []
    for segment in segments:
        if isinstance(segment, list):
            break
        if isinstance(segment, str):
            names.append(segment)
    return tuple(names)


def _nodes(template: BoundTemplate) -> Iterator[tuple[Node, int]]:
    context = _Context(template)
    waiting = [(node, 0) for node in template.nodes]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        waiting += [(child, depth + 1) for child in node.children(context, include_partials=False)]


def _expressions(template: BoundTemplate) -> Iterator[tuple[LiquidExpression, int]]:
    for node, _ in _nodes(template):
        waiting = [(expression, 0) for expression in node.expressions()]
        while waiting:
            expression, depth = waiting.pop()
            yield expression, depth
            waiting += [(child, depth + 1) for child in expression.children()]


def _faults(template: BoundTemplate, source: str) -> Iterator[str]:
    """Yield what the syntax allows and we do not; makes fractions exact on the way."""
    for expression, depth in _expressions(template):
        where = _where(expression.token, source)
        if depth > MAX_DEPTH:
            yield f"is nested more than {MAX_DEPTH} deep{where}."
            return
        if isinstance(expression, RangeLiteral):
            yield f"ranges such as (1..9) are not available{where}."
        elif isinstance(expression, FloatLiteral):
            exact = number(expression.value)
            if exact is None:
                yield f"a number is too long{where}."
            else:
                expression.value = exact  # type: ignore[assignment]  # money is not counted in floats
        elif isinstance(expression, Path):
            yield from _hidden(expression, where)
        elif isinstance(expression, FilteredExpression):
            yield from _filter_faults(expression, source)


def _hidden(path: Path, where: str) -> Iterator[str]:
    for segment in path.path:
        if isinstance(segment, str) and segment.startswith("_"):
            yield f"{str(path)[:80]} is out of reach: names that begin with '_' are not data{where}."
            return


def _filter_faults(expression: FilteredExpression, source: str) -> Iterator[str]:
    if isinstance(expression.left, Empty | Blank):
        where = _where(expression.left.token, source)
        yield f"'empty' and 'blank' are words of Liquid; a field of that name is written ['empty']{where}."
    for each in expression.filters or ():
        where = _where(each.token, source)
        if each.name not in FILTERS:
            yield f"there is no filter {each.name[:80]!r}{nearest(each.name, FILTERS)}{where}."
            continue
        positional = [arg.value for arg in each.args if not hasattr(arg, "name")]
        keyword = {arg.name: arg.value for arg in each.args if hasattr(arg, "name")}
        if words := refuse_arguments(each.name, list(map(_literal, positional)), keyword):
            yield f"{words}{where}."


def _literal(expression: LiquidExpression) -> Any:
    """Return the value of a literal, or the expression itself, which stands for any value."""
    return expression.value if isinstance(expression, Literal) else expression
