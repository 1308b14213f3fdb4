from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from connector.cli.files import name_of
from connector.cli.mappings import mappings
from connector.cli.templates import templates
from tests.toys import RECIPE

Run = Any
NAME = "toys/order_paid"
FAULTY = RECIPE.replace("{{ name }}", "{{ nmae }}").replace("{{ phone }}", "{{ phome }}")


@pytest.fixture
def file(tmp_path: Path, run: Run, _shop: None, _line: None) -> Path:
    run(templates, "sync")
    path = tmp_path / "mappings" / "toys" / "order_paid.toml"
    path.parent.mkdir(parents=True)
    path.write_text(RECIPE)
    return path


@pytest.fixture
def published(file: Path, run: Run) -> Path:
    assert run(mappings, "import", str(file), "--publish").exit_code == 0
    return file


def test_a_sound_file_is_told_to_be_so(run: Run, file: Path) -> None:
    result = run(mappings, "check", str(file))
    assert (result.exit_code, result.stdout) == (0, f"✓ {file} is sound.\n")


def test_every_fault_is_told_with_file_and_path(run: Run, file: Path) -> None:
    file.write_text(FAULTY)
    result = run(mappings, "check", str(file.parent))
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"{file}: to.phone.0: ")
    assert lines[1].startswith(f"{file}: slots.body.2: ")
    told = json.loads(run(mappings, "check", str(file), "--json").stdout)
    assert [fault["path"] for fault in told[0]["faults"]] == ["to.phone.0", "slots.body.2"]


def test_a_file_is_checked_without_a_database_and_none_is_made(file: Path, tmp_path: Path) -> None:
    data = tmp_path / "fresh"
    result = CliRunner().invoke(mappings, ["check", str(file)], env={"CONNECTOR_DATA": str(data), "DATABASE_URL": ""})
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{file}: when.adapter: There is no adapter 'toyshop'.")
    assert not data.exists()
    file.write_text("title = ")
    result = CliRunner().invoke(mappings, ["check", str(file)], env={"CONNECTOR_DATA": str(data), "DATABASE_URL": ""})
    assert f"{file}: This is not TOML" in result.stdout


def test_a_stored_draft_is_checked_by_name(run: Run, file: Path) -> None:
    run(mappings, "import", str(file))
    assert run(mappings, "check", NAME).exit_code == 0
    result = run(mappings, "check", "toys/order_piad")
    assert result.exit_code == 2
    assert "there is toys/order_paid" in result.stderr


def test_an_imported_file_is_a_draft_named_by_its_path(run: Run, file: Path) -> None:
    result = run(mappings, "import", str(file.parent.parent))
    assert result.exit_code == 0
    assert f"✓ {NAME}: the draft is stored." in result.stdout
    assert f"Next: connector mappings publish {NAME}" in result.stdout
    assert "the draft says this already" in run(mappings, "import", str(file)).stdout
    assert re.search(rf"{NAME} +notification +no +changed", run(mappings, "list").stdout)


def test_nothing_is_imported_where_one_file_is_no_mapping(run: Run, file: Path) -> None:
    (file.parent / "another.toml").write_text("titel = 'x'")
    result = run(mappings, "import", str(file.parent))
    assert result.exit_code == 2
    assert "another.toml: when: is missing" in result.stderr
    assert json.loads(run(mappings, "list", "--json").stdout) == []


def test_imported_and_published_at_once_unless_faulty(run: Run, file: Path) -> None:
    (file.parent / "faulty.toml").write_text(FAULTY)
    result = run(mappings, "import", str(file.parent), "--publish", "--note", "first")
    assert result.exit_code == 1
    assert f"✓ {NAME} v1 is in force." in result.stdout
    assert "toys/faulty: slots.body.2: " in result.stdout
    told = {each["name"]: each["published"] for each in json.loads(run(mappings, "list", "--json").stdout)}
    assert told == {NAME: 1, "toys/faulty": None}


@pytest.mark.parametrize(
    ("body", "words"),
    [(b"\xff", "is not UTF-8 text (byte 0)"), (b"#" * 70_000, "is longer than 64 KB")],
)
def test_a_file_that_is_no_text_is_refused(run: Run, file: Path, body: bytes, words: str) -> None:
    file.write_bytes(body)
    for command in ("check", "import"):
        result = run(mappings, command, str(file))
        assert result.exit_code == 2
        assert words in result.stderr


def test_missing_files_and_empty_folders_are_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "cannot be read: No such file" in run(mappings, "import", str(tmp_path / "no.toml")).stderr
    assert "There is no .toml file in" in run(mappings, "import", str(tmp_path / "empty")).stderr


def test_two_files_of_one_name_are_refused(run: Run, file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "mappings" / "toys" / "order_paid.toml"
    other.parent.mkdir(parents=True)
    other.write_text(RECIPE)
    result = run(mappings, "import", str(file), str(other))
    assert result.exit_code == 2
    assert "are both called 'toys/order_paid'" in result.stderr


def test_the_shipped_recipes_can_be_imported(run: Run) -> None:
    result = run(mappings, "import", "shipped")
    assert result.exit_code == 0
    assert "✓ shopify/order_paid: the draft is stored." in result.stdout
    told = {each["name"]: each["kind"] for each in json.loads(run(mappings, "list", "--json").stdout)}
    assert (told["salesforce/contact"], told["policy/people"]) == ("contact", "policy")


def test_a_contact_mapping_and_the_policy_are_published_compared_and_rolled_back(run: Run, tmp_path: Path) -> None:
    run(mappings, "import", "shipped")
    for name in ("salesforce/contact", "policy/people"):
        assert f"{name} v1 is in force." in run(mappings, "publish", name).stdout
    file = tmp_path / "mappings" / "policy" / "people.toml"
    file.parent.mkdir(parents=True)
    shipped = run(mappings, "export", "policy/people").stdout
    file.write_text(shipped.replace("unreachable_after = 3", "unreachable_after = 5"))
    assert run(mappings, "import", str(file), "--publish").exit_code == 0
    assert "+unreachable_after = 5" in run(mappings, "diff", "policy/people", "1", "2").stdout
    assert run(mappings, "rollback", "policy/people", "1").exit_code == 0
    assert run(mappings, "export", "policy/people", "--version", "3").stdout == shipped


def test_a_policy_by_another_name_is_refused(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "mappings" / "policy" / "other.toml"
    file.parent.mkdir(parents=True)
    file.write_text('kind = "policy"\n')
    result = run(mappings, "check", str(file))
    assert result.exit_code == 1
    assert "A policy is called policy/people" in result.stdout


@pytest.mark.parametrize(
    ("path", "root", "name"),
    [
        ("/a/mappings/shopify/order_paid.toml", None, "shopify/order_paid"),
        ("/mappings/a/mappings/b/c.toml", None, "b/c"),
        ("/a/mappings/mappings.toml", None, "mappings"),
        ("/a/b/c/order_paid.toml", "/a/b", "c/order_paid"),
        ("/a/b/order_paid.toml", None, "order_paid"),
    ],
)
def test_names_come_from_paths(path: str, root: str | None, name: str) -> None:
    assert name_of(Path(path), root and Path(root)) == name


def test_an_exported_mapping_is_what_was_imported(run: Run, published: Path, tmp_path: Path) -> None:
    assert run(mappings, "export", NAME).stdout == RECIPE
    published.write_bytes(RECIPE.replace("there", "Straße").replace("\n", "\r\n").encode())
    run(mappings, "import", str(published))
    output = tmp_path / "out.toml"
    assert run(mappings, "export", NAME, "--output", str(output)).exit_code == 0
    assert output.read_bytes() == published.read_bytes()
    assert run(mappings, "export", NAME, "--version", "1").stdout == RECIPE
    result = run(mappings, "export", NAME, "--output", str(tmp_path / "no" / "out.toml"))
    assert (result.exit_code, "cannot be written" in result.stderr) == (2, True)


def test_a_draft_is_changed_compared_published_and_rolled_back(run: Run, published: Path) -> None:
    published.write_text(RECIPE.replace("'there'", "'friend'"))
    run(mappings, "import", str(published))
    assert re.search(rf"{NAME} +notification +v1 +changed", run(mappings, "list").stdout)
    assert "+body.1 = \"{{ customer.first_name | default: 'friend' }}\"" in run(mappings, "diff", NAME).stdout
    assert f"✓ {NAME} v2 is in force." in run(mappings, "publish", NAME, "--note", "warmer").stdout
    assert "v2 is in force already and says the same" in run(mappings, "publish", NAME).stdout
    assert "say the same" in run(mappings, "diff", NAME).stdout
    assert "'there'" in run(mappings, "diff", NAME, "1", "2").stdout
    assert f"{NAME} v3 is in force; it says what v1 said." in run(mappings, "rollback", NAME, "1").stdout
    shown = run(mappings, "show", NAME).stdout
    assert f"{NAME}: v3 is in force\n" in shown
    assert re.search(r"● v3  .* UTC  Back to version 1\.", shown)
    assert re.search(r"  v2  .* UTC  warmer", shown)
    assert shown.endswith(RECIPE)
    assert "'friend'" in run(mappings, "show", NAME, "--version", "2").stdout
    told = json.loads(run(mappings, "show", NAME, "--json").stdout)
    assert [version["version"] for version in told["versions"]] == [3, 2, 1]
    assert told["versions"][0]["templates"][0]["name"] == "order_paid"


def test_a_mapping_is_taken_out_of_force(run: Run, published: Path) -> None:
    assert "is no longer in force" in run(mappings, "unpublish", NAME).stdout
    assert "was not in force" in run(mappings, "unpublish", NAME).stdout
    assert "nothing is in force" in run(mappings, "show", NAME).stdout


def test_a_faulty_draft_is_not_published(run: Run, published: Path) -> None:
    published.write_text(FAULTY)
    run(mappings, "import", str(published))
    result = run(mappings, "publish", NAME)
    assert result.exit_code == 1
    assert f"{NAME}: slots.body.2: " in result.stdout
    assert "Next:" not in result.stdout


def test_every_command_has_an_example(run: Run) -> None:
    for name in mappings.commands:
        assert "Example:\n" in run(mappings, name, "--help").stdout
