"""Carries out a GraphQL operation: holds it against the schema, prices it, resolves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from connector.model import parse_time
from connector.sandbox.shopify.language import Document, EnumWord, FieldNode, Inline, Operation, Selection, Variable
from connector.sandbox.shopify.schema import ARGUMENTS, ENUMS, INPUTS, SCALARS, TYPES, bare

MUTATION_COST = 10
MOST_COST = 1000

Json = dict[str, Any]
Resolve = Callable[[Mapping[str, Any]], Any]
"""Arguments -> value: a node as a dict, a list of such, or a scalar."""


class QueryError(Exception):
    """An error of the whole request, or of one root field, with Shopify's code."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(f"{code}: {message}")

    def told(self, **more: Any) -> Json:
        """Return it as an entry of ``errors``."""
        return {"message": self.message, **more, "extensions": {"code": self.code}}


class Execution:
    """One operation with its variables, held against the schema. Raises QueryError."""

    def __init__(self, document: Document, operation: Operation, variables: Mapping[str, Any]) -> None:
        self._document = document
        self._operation = operation
        self._used: set[str] = set()
        self.root = "Mutation" if operation.kind == "mutation" else "QueryRoot"
        self._check(operation.selections, self.root, ())
        if unused := set(operation.variables) - self._used:
            raise QueryError("variableNotUsed", f"Variable ${min(unused)} is declared by {operation.name} but not used")
        self._variables = {
            name: _coerced(variables.get(name, default), kind, f"${name}")
            for name, (kind, default) in operation.variables.items()
        }

    def fields(self) -> list[FieldNode]:
        """Return the root fields, in order."""
        return self._flat(self._operation.selections, self.root)

    @property
    def cost(self) -> float:
        """Return what it is priced at before it is carried out."""
        return min(MOST_COST, sum(self._price(node, self.root) for node in self.fields()))

    def run(self, resolvers: Mapping[str, Resolve]) -> tuple[Json, list[Json], float]:
        """Carry it out; return data, errors of single root fields, and what it cost."""
        data: Json = {}
        errors: list[Json] = []
        actual = 0.0
        for node in self.fields():
            try:
                value = resolvers[node.name](self.arguments(node, self.root))
            except QueryError as fault:
                data[node.key] = None
                errors.append(fault.told(path=[node.key]))
                continue
            data[node.key] = self._shaped(value, node, self.root)
            actual += MUTATION_COST if self.root == "Mutation" else _objects(data[node.key])
        return data, errors, min(actual, self.cost) or 1.0

    def arguments(self, node: FieldNode, kind: str) -> Json:
        """Return the arguments of a type's field with their variables' values."""
        known = ARGUMENTS.get((kind, node.name), {})
        return {name: _coerced(self._filled(value), known[name], name) for name, value in node.arguments.items()}

    def _filled(self, value: Any) -> Any:
        if isinstance(value, Variable):
            return self._variables.get(value.name)
        if isinstance(value, list):
            return [self._filled(item) for item in value]
        if isinstance(value, dict):
            return {name: self._filled(item) for name, item in value.items()}
        return value

    def _flat(self, selections: Sequence[Selection], kind: str) -> list[FieldNode]:
        """Return the fields of a selection, those of its fragments too; a field asked for twice is one."""
        found: dict[str, FieldNode] = {}
        for node in self._each(selections, kind):
            before = found.get(node.key)
            if before is not None and (before.name, before.arguments) != (node.name, node.arguments):
                raise QueryError(
                    "fieldConflict", f"Field '{node.key}' has a field conflict: {before.name} or {node.name}?"
                )
            found[node.key] = (
                node if before is None else replace(before, selections=before.selections + node.selections)
            )
        return list(found.values())

    def _each(self, selections: Sequence[Selection], kind: str) -> Iterator[FieldNode]:
        for one in selections:
            if isinstance(one, FieldNode):
                yield one
                continue
            inner = one if isinstance(one, Inline) else self._document.fragments[one.name]
            if inner.on == kind:
                yield from self._each(inner.selections, kind)

    def _check(self, selections: Sequence[Selection], kind: str, inside: tuple[str, ...]) -> None:
        for one in selections:
            if isinstance(one, FieldNode):
                self._check_field(one, kind, inside)
                continue
            inner = one if isinstance(one, Inline) else self._document.fragments.get(one.name)
            name = "" if isinstance(one, Inline) else one.name
            if inner is None or name in inside:
                raise QueryError(
                    "useAndDefineFragment", f"Fragment {name[:80]} was used, but not defined, or is circular"
                )
            if inner.on not in TYPES:
                raise QueryError("undefinedType", f"No such type {inner.on[:80]}, so it can't be a fragment condition")
            self._check(inner.selections, inner.on, (*inside, name) if name else inside)

    def _check_field(self, node: FieldNode, kind: str, inside: tuple[str, ...]) -> None:
        of = TYPES[kind]
        if node.name == "__typename" and not node.selections:
            return
        if node.name not in of:
            raise QueryError("undefinedField", f"Field '{node.name[:80]}' doesn't exist on type '{kind}'")
        known = ARGUMENTS.get((kind, node.name), {})
        if unknown := [name for name in node.arguments if name not in known]:
            raise QueryError("argumentNotAccepted", f"Field '{node.name}' doesn't accept argument '{unknown[0][:80]}'")
        if missing := [name for name, wanted in known.items() if wanted.endswith("!") and name not in node.arguments]:
            raise QueryError(
                "missingRequiredArguments", f"Field '{node.name}' is missing required arguments: {missing[0]}"
            )
        for name, value in node.arguments.items():
            self._check_value(value, known[name], f"{node.name}.{name}")
        inner = bare(of[node.name])
        if (inner in TYPES) != bool(node.selections):
            words = "must have selections" if inner in TYPES else "can't have selections"
            raise QueryError("selectionMismatch", f"Field '{node.name}' returns {inner} and {words}")
        if node.selections:
            self._check(node.selections, inner, inside)

    def _check_value(self, value: Any, wanted: str, where: str) -> None:
        if isinstance(value, Variable):
            declared = self._operation.variables.get(value.name)
            if declared is None:
                raise QueryError("variableNotDefined", f"Variable ${value.name[:80]} is used but not declared")
            self._used.add(value.name)
            if not _fits(declared[0], wanted) and not (declared[1] is not None and _fits(f"{declared[0]}!", wanted)):
                raise QueryError(
                    "variableMismatch",
                    f"Type mismatch on variable ${value.name} and argument {where} ({declared[0]} / {wanted})",
                )
        elif isinstance(value, list) and wanted.startswith("["):
            for item in value:
                self._check_value(item, wanted.removesuffix("!")[1:-1], where)
        elif isinstance(value, dict) and bare(wanted) in INPUTS:
            for name, item in value.items():
                if name not in INPUTS[bare(wanted)]:
                    raise QueryError(
                        "argumentNotAccepted", f"InputObject '{bare(wanted)}' doesn't accept '{name[:80]}'"
                    )
                self._check_value(item, INPUTS[bare(wanted)][name], f"{where}.{name}")
        else:
            _coerced(value, wanted, where)

    def _price(self, node: FieldNode, kind: str) -> float:
        """A mutation is 10, an object 1, a list as many as it may hold; scalars are free."""
        inner = bare(TYPES[kind].get(node.name, "String"))
        if kind == "Mutation":
            return MUTATION_COST
        if inner not in TYPES:
            return 0.0
        below = sum(self._price(child, inner) for child in self._flat(node.selections, inner))
        given = self.arguments(node, kind)
        many = given.get("first") or given.get("last")
        if inner in ("PageInfo", *INPUTS):
            return 0.0
        return below * many if inner.endswith("Connection") and many else 1.0 + below

    def _shaped(self, value: Any, node: FieldNode, kind: str) -> Any:
        """Return of the value of a type's field what was asked for."""
        if callable(value):
            value = value(self.arguments(node, kind))
        inner = bare(TYPES[kind][node.name])
        if value is None or inner not in TYPES:
            return value
        if isinstance(value, list):
            return [self._shaped(item, node, kind) for item in value]
        found: Json = {}
        for child in self._flat(node.selections, inner):
            if child.name == "__typename":
                found[child.key] = inner
            else:
                found[child.key] = self._shaped(value.get(child.name), child, inner)
        return found


def _fits(declared: str, wanted: str) -> bool:
    """Tell whether a variable of one type may stand where another is wanted."""
    if declared == wanted or f"{wanted}!" == declared:
        return True
    inner, outer = declared.removesuffix("!"), wanted.removesuffix("!")
    if inner.startswith("[") and outer.startswith("[") and (declared.endswith("!") or not wanted.endswith("!")):
        return _fits(inner[1:-1], outer[1:-1])
    return False


def _coerced(value: Any, wanted: str, where: str) -> Any:
    """Return a value as its type takes it. Raises QueryError INVALID_VARIABLE."""
    if value is None:
        if wanted.endswith("!"):
            raise _invalid(where, wanted, "Expected value to not be null")
        return None
    kind = wanted.removesuffix("!")
    if kind.startswith("["):
        items = value if isinstance(value, list) else [value]
        return [_coerced(item, kind[1:-1], f"{where}.{place}") for place, item in enumerate(items)]
    if kind in INPUTS:
        if not isinstance(value, dict):
            raise _invalid(where, wanted, "Expected an object")
        if unknown := [name for name in value if name not in INPUTS[kind]]:
            raise _invalid(f"{where}.{unknown[0][:80]}", wanted, "Field is not defined")
        known = ((name, value.get(name), inner) for name, inner in INPUTS[kind].items())
        found = {name: _coerced(item, inner, f"{where}.{name}") for name, item, inner in known}
        return {name: item for name, item in found.items() if name in value}
    if not _is(kind, value):
        raise _invalid(where, wanted, f"Could not coerce value {str(value)[:60]!r} to {kind}")
    return str(value) if kind == "ID" else value


def _is(kind: str, value: Any) -> bool:
    if kind in ENUMS:
        return isinstance(value, str) and value in ENUMS[kind]
    if isinstance(value, EnumWord) or kind not in SCALARS:
        return False
    match kind:
        case "Int":
            return isinstance(value, int) and not isinstance(value, bool) and -(2**31) <= value < 2**31
        case "Float":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "Boolean":
            return isinstance(value, bool)
        case "DateTime":
            return isinstance(value, str) and parse_time(value) is not None
        case "ID":
            return isinstance(value, str | int) and not isinstance(value, bool)
    return isinstance(value, str)


def _invalid(where: str, wanted: str, why: str) -> QueryError:
    return QueryError("INVALID_VARIABLE", f"Variable {where} of type {wanted} was provided invalid value: {why}")


def _objects(value: Any) -> int:
    """Count the objects of an answer."""
    if isinstance(value, list):
        return sum(map(_objects, value))
    return 1 + sum(map(_objects, value.values())) if isinstance(value, dict) else 0
