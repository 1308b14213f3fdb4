"""The project speaks of the product alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house.tree import ROOT, shown, texts

FORBIDDEN = [
    word.replace("·", "")  # so that this file may be read by its own rule
    for word in [
        "/wo·rk/", "/tmp/l·ab", "/ro·ot/", "/ho·me/", "/opt/py·pi",
        "py·pi.org", "pythonho·sted", "npmjs.o·rg", "deb.deb·ian.org",
        "--index-·url", "--extra-index-·url", "--find-·links",
        "TO·DO", "FIX·ME", "X·XX",
    ]
]  # fmt: skip


@pytest.mark.parametrize("word", FORBIDDEN)
def test_no_path_registry_or_unfinished_place_is_named(word: str) -> None:
    found = [f"{shown(path)}:{number}" for path in texts() for number, line in lines(path) if word in line]
    assert found == []


def lines(path: Path) -> list[tuple[int, str]]:
    return list(enumerate(path.read_text(encoding="utf-8").splitlines(), 1))


def test_lock_files_pin_every_package_by_hash_and_agree() -> None:
    pins = {}
    for name in ("requirements.txt", "requirements-test.txt", "requirements-build.txt"):
        entries = (ROOT / ".ci" / name).read_text().replace("\\\n", " ").splitlines()
        entries = [entry for entry in entries if entry.strip() and not entry.startswith("#")]
        assert all("==" in entry and "--hash=sha256:" in entry for entry in entries), name
        pins[name] = {entry.split()[0] for entry in entries}
    assert pins["requirements.txt"] <= pins["requirements-test.txt"], "run `make lock`"
    assert pins["requirements-build.txt"] <= pins["requirements-test.txt"], "run `make lock`"
