"""Conditions as the editor shows them: groups of rows, of which all, any or none hold; to and from a file's groups.

A node of a sheet is a row (``field``, ``operator``, ``text``, ``was``) or a group (``kind``, ``parts``, ``bare``).
``was`` remembers the typed values that a text stood for, so that what nobody touched is written as it was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from werkzeug.datastructures import MultiDict

from connector.errors import MappingError
from connector.mapping.document_rows import Group, Row, Value, guess_value, guess_values, takes

Node = dict[str, Any]
KINDS = {
    "all": "All of these hold",
    "any": "Any of these holds",
    "none": "None of these holds",
    "some": "Not all of these hold",
}
"""A group's kind -> its words. ``none`` is ``not any`` of the file, ``some`` is ``not all``."""
MOST_DEEP = 8
MOST_PARTS = 100


def sheet_of_group(group: Group) -> Node:
    """Return the node that shows a group."""
    if group.kind != "not":
        return {"kind": group.kind, "bare": False, "parts": [_node(part) for part in group.parts]}
    inner = group.parts[0] if group.parts else None
    if isinstance(inner, Group) and inner.kind in ("any", "all"):
        kind = "none" if inner.kind == "any" else "some"
        return {"kind": kind, "bare": False, "parts": [_node(part) for part in inner.parts]}
    return {"kind": "none", "bare": True, "parts": [_node(part) for part in group.parts]}


def _node(part: Group | Row) -> Node:
    if isinstance(part, Group):
        return sheet_of_group(part)
    text = "\n".join(value.text for value in part.values)
    return {"field": part.field, "operator": part.operator, "text": text, "was": was(part.values)}


def was(values: Sequence[Value]) -> str:
    """Write typed values down for the page to send back."""
    return json.dumps([[value.kind, value.text] for value in values], ensure_ascii=False)


def value_of(text: str, before: str, type_: str, operator: str = "is") -> tuple[Value, ...]:
    """Return the values that a text means: the ones that it stood for before, or what may be guessed."""
    known = _known(before)
    if known is not None and "\n".join(value.text for value in known) == text and (known or takes(operator) != "one"):
        return known
    if takes(operator) == "nothing":
        return ()
    if takes(operator) == "list":
        return guess_values(text, type_)
    return (guess_value(text, type_),)


def _known(before: str) -> tuple[Value, ...] | None:
    try:
        pairs = json.loads(before)
        return tuple(Value(str(kind), str(text)) for kind, text in pairs)
    except (ValueError, TypeError, RecursionError):
        return None


def to_group(node: Node, types: Mapping[str, str]) -> Group:
    """Return the group that a node means; rows without a field are left out, and nested groups that are empty."""
    parts = tuple(part for each in node["parts"] if (part := _part(each, types)) is not None)
    kind = node["kind"]
    if kind in ("all", "any"):
        return Group(kind, parts)
    if kind == "none" and node.get("bare") and len(parts) == 1:
        return Group("not", parts)
    return Group("not", (Group("any" if kind == "none" else "all", parts),)) if parts else Group()


def _part(node: Node, types: Mapping[str, str]) -> Group | Row | None:
    if "parts" in node:
        group = to_group(node, types)
        return group if group.parts else None
    name, operator = node["field"].strip(), node["operator"]
    if not name and not node["text"].strip():
        return None
    values = (
        () if takes_of(operator) == "nothing" else value_of(node["text"], node["was"], types.get(name, ""), operator)
    )
    return Row(name, operator, values)


def takes_of(operator: str) -> str:
    """Return how many values an operator takes; an unknown one takes one."""
    try:
        return takes(operator)
    except (KeyError, ValueError, MappingError):
        return "one"


def post_node(post: MultiDict[str, str], path: str, depth: int = 1) -> Node:
    """Read a posted group: ``c:kind``, and its parts ``c.0:is`` (``row`` or ``group``), ``c.0:field``, …"""
    kind = post.get(f"{path}:kind", "all")
    parts: list[Node] = []
    for place in range(MOST_PARTS):
        at = f"{path}.{place}"
        what = post.get(f"{at}:is")
        if what is None:
            break
        if what == "group" and depth < MOST_DEEP:
            parts.append(post_node(post, at, depth + 1))
        elif what == "row":
            parts.append(
                {
                    "field": post.get(f"{at}:field", "").replace("\0", ""),
                    "operator": post.get(f"{at}:operator", "is"),
                    "text": post.get(f"{at}:value", "").replace("\r\n", "\n").replace("\0", ""),
                    "was": post.get(f"{at}:was", ""),
                }
            )
    return {"kind": kind if kind in KINDS else "all", "bare": post.get(f"{path}:bare") == "1", "parts": parts}


def change_node(root: Node, deed: str) -> str:
    """Do what a button says: ``row:c`` and ``group:c`` add, ``drop:c.0.1`` takes away; returns where to go on."""
    verb, _, path = deed.partition(":")
    if verb == "drop":
        parent, _, last = path.rpartition(".")
        node = _find(root, parent)
        if node is None or not last.isdigit() or int(last) >= len(node["parts"]):
            return ""
        node["parts"].pop(int(last))
        return f"{parent}:kind"
    node = _find(root, path)
    if node is None or len(node["parts"]) >= MOST_PARTS:
        return ""
    at = f"{path}.{len(node['parts'])}"
    if verb == "group":
        if at.count(".") >= MOST_DEEP:
            return ""
        node["parts"].append({"kind": "any", "bare": False, "parts": [blank_row(), blank_row()]})
        return f"{at}.0:field"
    node["parts"].append(blank_row())
    return f"{at}:field"


def blank_row() -> Node:
    """Return a row that nobody has filled in."""
    return {"field": "", "operator": "is", "text": "", "was": ""}


def _find(root: Node, path: str) -> Node | None:
    node = root
    for place in path.split(".")[1:]:
        parts = node.get("parts", ())
        if not place.isdigit() or int(place) >= len(parts):
            return None
        node = parts[int(place)]
    return node if "parts" in node else None


def locate(root: Node, path: str = "when.conditions") -> dict[str, str]:
    """Return where the file will have each part of a sheet's conditions: ``c.0`` -> ``when.conditions.all.0``."""
    found: dict[str, str] = {}
    _locate(root, "c", path, found)
    return found


def _locate(node: Node, at: str, path: str, found: dict[str, str]) -> None:
    found[at] = path
    parts = [(place, part) for place, part in enumerate(node["parts"]) if _counts(part)]
    kind = node["kind"]
    if kind == "none" and node.get("bare") and len(parts) == 1:
        place, part = parts[0]
        found[f"{at}.{place}"] = f"{path}.not"
        if "parts" in part:
            _locate(part, f"{at}.{place}", f"{path}.not", found)
        return
    inner = {"none": f"{path}.not.any", "some": f"{path}.not.all"}.get(kind, f"{path}.{kind}")
    for number, (place, part) in enumerate(parts):
        found[f"{at}.{place}"] = f"{inner}.{number}"
        if "parts" in part:
            _locate(part, f"{at}.{place}", f"{inner}.{number}", found)


def _counts(node: Node) -> bool:
    """Tell whether a node is written at all: see :func:`to_group`."""
    if "parts" in node:
        return any(map(_counts, node["parts"]))
    return bool(node["field"].strip() or node["text"].strip())
