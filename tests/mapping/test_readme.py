"""Every example of mappings/README.md prints what the table says."""

import json
import re
from pathlib import Path

import pytest

from connector.mapping.contact import CONSENT, LABELS, PLAIN
from connector.mapping.filters import FILTERS
from connector.mapping.formats import choose_locale
from connector.mapping.kinds import KINDS, read
from connector.mapping.liquid import compile_expression
from connector.mapping.people_form import NAME
from connector.mapping.rules_form import RuleForm
from connector.model import Payload, parse_object

README = (Path(__file__).parents[2] / "mappings" / "README.md").read_text("utf-8")


def _payload() -> Payload:
    found = re.search(r"```json\n(.+?)```", README, re.DOTALL)
    assert found
    return parse_object(found[1].encode())


def _rows(head: str) -> list[list[str]]:
    lines = README.splitlines()
    start = lines.index(next(line for line in lines if line.startswith(head))) + 2
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.replace("\\|", "|").strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return rows


FILTER_ROWS = _rows("| filter |")
LANGUAGE_ROWS = _rows("| language |")


@pytest.mark.parametrize(("example", "result"), [(row[2], row[3]) for row in FILTER_ROWS])
def test_a_filter_prints_what_the_table_says(example: str, result: str) -> None:
    assert compile_expression(example.strip("`")).render(_payload(), choose_locale(["en"])) == result


@pytest.mark.parametrize(("language", "example", "result"), LANGUAGE_ROWS)
def test_a_language_prints_what_the_table_says(language: str, example: str, result: str) -> None:
    assert compile_expression(example.strip("`")).render(_payload(), choose_locale([language])) == result


def test_every_filter_is_in_the_table() -> None:
    named = set(re.findall(r"[a-z_]+", " ".join(" ".join(re.findall(r"`([^`]+)`", row[0])) for row in FILTER_ROWS)))
    assert set(FILTERS) <= named, json.dumps(sorted(set(FILTERS) - named))


FILES = re.findall(r"```toml\n(.+?)```", README, re.DOTALL)


@pytest.mark.parametrize(("name", "source"), list(zip(("a/notification", "a/contact", NAME), FILES, strict=True)))
def test_a_file_that_is_shown_can_be_read(name: str, source: str) -> None:
    assert read(name, source)


def test_every_kind_rule_and_contact_field_is_named() -> None:
    words = set(re.findall(r"`([a-z_.]+)`", README))
    assert set(KINDS) | set(RuleForm().fields) | {*PLAIN, *LABELS, *CONSENT} <= words
