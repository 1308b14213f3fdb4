"""The tree as the house rules see it: rooms, modules, imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
ADAPTERS = sorted(folder for folder in (ROOT / "adapters").iterdir() if (folder / "adapter.py").exists())
TEXTS = {".py", ".md", ".toml", ".txt", ".json", ".html", ".css", ".js", ".svg", ".mako", ".ini", ".http", ".tmpl", ""}


def modules(*rooms: str, tests: bool = False) -> Iterator[Path]:
    """Every module of these rooms, without tests unless asked for."""
    for room in rooms:
        for path in sorted((ROOT / room).rglob("*.py")):
            if tests or "tests" not in path.relative_to(ROOT).parts:
                yield path


def texts() -> Iterator[Path]:
    """Every file that a person wrote or will read, in all rooms."""
    for path in sorted(ROOT.iterdir()):
        if path.is_file() and not path.name.startswith(".") and path.suffix in {".md", ".toml", ".py", ""}:
            yield path
    for room in ("connector", "adapters", "mappings", "tests", "docs", ".ci"):
        for path in sorted((ROOT / room).rglob("*")):
            if path.is_file() and path.suffix in TEXTS and "__pycache__" not in path.parts:
                yield path


@cache
def parsed(path: Path) -> ast.Module:
    """A module's syntax tree."""
    return ast.parse(path.read_text())


def imports(path: Path) -> set[str]:
    """The top-level packages that a module imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def shown(path: Path) -> str:
    """A path as a person would name it."""
    return path.relative_to(ROOT).as_posix()
