from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector.errors import ConfigurationError
from connector.model import Secret
from connector.security import Vault

VALUES = {"access_token": "EAAG-secret", "webhook_secret": ["new", "old"]}


def keys(data: Path) -> list[str]:
    return (data / "secret.key").read_text().splitlines()


def test_what_was_sealed_can_be_opened_again_and_not_read(tmp_path: Path) -> None:
    sealed = Vault.open(tmp_path, {}).seal(VALUES)
    assert "EAAG-secret" not in sealed
    assert b"EAAG-secret" not in urlsafe_b64decode(sealed)
    assert Vault.open(tmp_path, {}).open_(sealed) == VALUES


def test_secrets_are_sealed_as_their_text(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path, {})
    sealed = vault.seal({"a": Secret("one"), "b": (Secret("two"), Secret("three"))})
    assert vault.open_(sealed) == {"a": "one", "b": ["two", "three"]}


def test_what_cannot_be_kept_is_refused_by_its_type_alone(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"^object cannot be sealed$"):
        Vault.open(tmp_path, {}).seal({"a": object()})


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
_one = Vault.open(Path("unused"), {"CONNECTOR_SECRET_KEY": Fernet.generate_key().decode()})


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text(), _json, max_size=4))
def test_any_json_object_comes_back_as_it_was(values: dict[str, Any]) -> None:
    assert _one.open_(_one.seal(values)) == values


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text())
def test_any_other_text_is_refused_with_advice(text: str) -> None:
    with pytest.raises(ConfigurationError, match="Put the old key back"):
        _one.open_(text)


def test_a_changed_seal_is_refused(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path, {})
    sealed = vault.seal(VALUES)
    for place in (10, len(sealed) // 2, -10):
        changed = sealed[:place] + ("A" if sealed[place] != "A" else "B") + sealed[place + 1 or len(sealed) :]
        with pytest.raises(ConfigurationError):
            vault.open_(changed)


# the file


def test_the_key_file_is_made_once_and_is_the_owners_alone(tmp_path: Path) -> None:
    data = tmp_path / "deep" / "data"
    mask = os.umask(0)
    try:
        Vault.open(data, {})
    finally:
        os.umask(mask)
    first = keys(data)
    assert stat.S_IMODE((data / "secret.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    Vault.open(data, {})
    assert keys(data) == first
    assert len(first) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_file_that_others_can_open_is_refused(tmp_path: Path, mode: int) -> None:
    Vault.open(tmp_path, {})
    (tmp_path / "secret.key").chmod(mode)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        Vault.open(tmp_path, {})


@pytest.mark.parametrize("content", ["", "\n\n", "short", "é" * 44, "A" * 43])
def test_a_key_file_without_good_keys_is_refused_and_kept(tmp_path: Path, content: str) -> None:
    file = tmp_path / "secret.key"
    file.write_text(content)
    file.chmod(0o600)
    with pytest.raises(ConfigurationError, match="32 bytes") as caught:
        Vault.open(tmp_path, {})
    assert file.read_text() == content
    assert not content.strip() or content not in str(caught.value)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be used"):
        Vault.open(tmp_path / "file", {})


def test_a_key_file_that_disappears_is_not_made_anew_under_our_feet(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path, {})
    (tmp_path / "secret.key").unlink()
    with pytest.raises(ConfigurationError, match="Put it back from a backup"):
        vault.seal(VALUES)


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from connector.security import Vault; print('ready', flush=True); sys.stdin.readline();"
        f"print(Vault.open(pathlib.Path({str(tmp_path / 'data')!r}), {{}}).seal({{'a': 'b'}}))"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    for process in started:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    vault = None
    for process in started:
        sealed = process.communicate(timeout=180)[0].strip()
        vault = vault or Vault.open(tmp_path / "data", {})
        assert vault.open_(sealed) == {"a": "b"}
    assert len(keys(tmp_path / "data")) == 1


# rotation


def test_a_rotation_seals_with_the_new_key_and_still_opens_the_old(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path, {})
    old = vault.seal(VALUES)
    first = keys(tmp_path)
    vault.rotate()
    assert keys(tmp_path)[1:] == first
    assert vault.open_(old) == VALUES
    new = vault.seal(VALUES)
    with pytest.raises(ConfigurationError):
        Vault.open(tmp_path, {"CONNECTOR_SECRET_KEY": first[0]}).open_(new)


def test_other_processes_take_up_a_new_key_without_a_restart(tmp_path: Path) -> None:
    ours, theirs = Vault.open(tmp_path, {}), Vault.open(tmp_path, {})
    ours.rotate()
    assert theirs.open_(ours.seal(VALUES)) == VALUES
    ours.retire([theirs.seal(VALUES)])
    assert theirs.open_(ours.seal(VALUES)) == VALUES


def test_retiring_drops_all_but_the_newest(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path, {})
    old = vault.seal(VALUES)
    vault.rotate()
    vault.rotate()
    newest = keys(tmp_path)[0]
    vault.retire([vault.seal(VALUES)])
    assert keys(tmp_path) == [newest]
    assert stat.S_IMODE((tmp_path / "secret.key").stat().st_mode) == 0o600
    with pytest.raises(ConfigurationError):
        vault.open_(old)


def test_a_key_that_is_still_in_use_is_not_dropped(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path, {})
    old = vault.seal(VALUES)
    vault.rotate()
    before = keys(tmp_path)
    with pytest.raises(ConfigurationError, match="still in use"):
        vault.retire([vault.seal(VALUES), old])
    assert keys(tmp_path) == before


def test_rotations_at_once_keep_every_key(tmp_path: Path) -> None:
    vaults = [Vault.open(tmp_path, {}) for _ in range(8)]
    threads = [threading.Thread(target=vault.rotate) for vault in vaults]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(keys(tmp_path))) == 9


# the environment


def test_keys_of_the_environment_go_first_and_leave_no_file(tmp_path: Path) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    sealed = Vault.open(tmp_path, {"CONNECTOR_SECRET_KEY": old}).seal(VALUES)
    vault = Vault.open(tmp_path, {"CONNECTOR_SECRET_KEY": f" {new} , {old},"})
    assert vault.open_(sealed) == VALUES
    with pytest.raises(ConfigurationError, match="CONNECTOR_SECRET_KEY does not hold"):
        Vault.open(tmp_path, {"CONNECTOR_SECRET_KEY": new}).open_(sealed)
    assert not list(tmp_path.iterdir())


def test_keys_of_the_environment_are_not_rotated_here(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path, {"CONNECTOR_SECRET_KEY": Fernet.generate_key().decode()})
    for change in (vault.rotate, lambda: vault.retire([])):
        with pytest.raises(ConfigurationError, match="in front of them"):
            change()


@pytest.mark.parametrize("value", ["hunter2", ",", "hunter2,hunter3"])
def test_bad_keys_of_the_environment_are_refused_unshown(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigurationError, match="openssl rand") as caught:
        Vault.open(tmp_path, {"CONNECTOR_SECRET_KEY": value})
    assert "hunter" not in str(caught.value)


def test_the_advice_makes_a_key_that_works(tmp_path: Path) -> None:
    made = subprocess.run("openssl rand -base64 32 | tr +/ -_", shell=True, capture_output=True, text=True)
    if made.returncode or not made.stdout:
        pytest.skip("openssl is not installed")
    vault = Vault.open(tmp_path, {"CONNECTOR_SECRET_KEY": made.stdout})
    assert vault.open_(vault.seal(VALUES)) == VALUES


def test_a_vault_prints_no_key(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path, {})
    key = keys(tmp_path)[0]
    assert key not in f"{vault!r} {vault}"
    assert "keys: 1" in repr(vault)
