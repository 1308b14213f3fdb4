from __future__ import annotations

from pathlib import Path
from typing import Any

from click.testing import CliRunner

from connector.cli.accounts import accounts

PASSWORD = "hush-hush-9b1f"


def _list(**environ: str) -> Any:
    return CliRunner().invoke(accounts, ["list"], env={"DATABASE_URL": "", **environ})


def test_a_fresh_data_folder_is_made_ready_by_the_first_command(tmp_path: Path) -> None:
    result = _list(CONNECTOR_DATA=str(tmp_path / "fresh"))
    assert result.exit_code == 0
    assert "No account is connected yet." in result.stdout
    assert (tmp_path / "fresh" / "connector.db").exists()


def test_an_empty_postgresql_is_left_to_connector_migrate(tmp_path: Path, postgres_url: str) -> None:
    result = _list(CONNECTOR_DATA=str(tmp_path), DATABASE_URL=postgres_url)
    assert result.exit_code == 2
    assert "run `connector migrate`" in result.stderr


def test_a_database_that_is_not_there_is_told_without_its_password(tmp_path: Path) -> None:
    url = f"postgresql+psycopg://user:{PASSWORD}@127.0.0.1:1/none"
    result = _list(CONNECTOR_DATA=str(tmp_path), DATABASE_URL=url)
    assert result.exit_code == 2
    assert "The database cannot be used, check DATABASE_URL:" in result.stderr
    assert PASSWORD not in result.output
    assert len(result.stderr.splitlines()) == 1


def test_a_file_that_is_no_database_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "connector.db").write_text("this is not a database, however long it may go on " * 100)
    result = _list(CONNECTOR_DATA=str(tmp_path))
    assert result.exit_code == 2
    assert "check the data folder (CONNECTOR_DATA)" in result.stderr


def test_a_data_folder_that_cannot_be_made_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = _list(CONNECTOR_DATA=str(tmp_path / "file" / "data"))
    assert result.exit_code == 2
    assert "The data folder (CONNECTOR_DATA) cannot be used" in result.stderr


def test_bad_settings_are_told_in_one_sentence(tmp_path: Path) -> None:
    result = _list(CONNECTOR_DATA=str(tmp_path), DATABASE_URL="mysql://x")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: DATABASE_URL")
