"""Names that say what is inside."""

from __future__ import annotations

import re

from tests.house.tree import ROOT, modules, shown

NOTHING_SAID = {"util", "utils", "helper", "helpers", "common", "manager", "managers", "base", "misc", "stuff", "lib"}


def test_no_module_is_named_after_nothing() -> None:
    named = [
        path.parent.name if path.stem == "__init__" else path.stem
        for path in modules("connector", "adapters", "tests", tests=True)
    ]
    assert sorted(NOTHING_SAID & {word for name in named for word in name.split("_")}) == []


def test_every_test_is_a_sentence() -> None:
    tests = [path for path in modules("adapters", "tests", tests=True) if path.name.startswith("test_")]
    short = [
        f"{shown(path)}: {name}"
        for path in tests
        for name in re.findall(r"^    ?def (test_\w+)|^def (test_\w+)", path.read_text(), re.MULTILINE)
        for name in name
        if name and name.count("_") < 2
    ]
    assert short == [], "say what must be true, in words"


def test_modules_have_names_that_import_statements_can_spell() -> None:
    odd = [shown(path) for path in modules("connector", "adapters") if not re.fullmatch(r"[a-z0-9_]+", path.stem)]
    assert odd == []
    assert (ROOT / "wsgi.py").exists()
