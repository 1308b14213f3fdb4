"""However many workers there are, one of them logs in; and what it got is kept well."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from connector.contract import Grant
from connector.errors import CredentialsError, TemporaryError
from connector.flow import tokens as flow
from connector.flow.tokens import StoredTokens, reseal_all
from connector.model import AccountId, Secret, now
from connector.security import Vault
from connector.store import Store, leases, tokens
from tests.house.tree import ROOT

ACCOUNT = AccountId("acc-crm")
HIDDEN = "hush-hush-9b1f"


class Vendor:
    """Gives tokens, counts how often it was asked, and remembers what it was shown."""

    def __init__(self, lives: timedelta | None = timedelta(hours=1), seconds: float = 0.0) -> None:
        self.lives, self.seconds = lives, seconds
        self.asked: list[Grant | None] = []
        self.refuses = False

    def renew(self, last: Grant | None) -> Grant:
        self.asked.append(last)
        time.sleep(self.seconds)
        if self.refuses:
            raise CredentialsError("The client secret is wrong.", code="invalid_client", status=401, advice="Copy it.")
        number = len(self.asked)
        return Grant(
            access_token=Secret(f"{HIDDEN}-{number}"),
            refresh_token=Secret(f"again-{number}"),
            expires_at=flow.now() + self.lives if self.lives else None,
            details={"instance_url": "https://org.example"},
        )


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault.open(tmp_path, {})


@pytest.fixture
def open_tokens(store: Store, vault: Vault) -> Callable[..., StoredTokens]:
    """Each is as another process would see it: nothing is shared but the database."""
    return lambda **given: StoredTokens(store, vault, ACCOUNT, **given)


def at(moment: datetime, monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Stop the clock of tokens and of their vendor at a moment."""
    monkeypatch.setattr(flow, "now", lambda: moment)
    return moment


def test_many_threads_of_many_processes_cost_one_login(
    open_tokens: Callable[..., StoredTokens], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "WAIT_SECONDS", 60.0)
    vendor, found = Vendor(seconds=0.3), []
    processes = [open_tokens() for _ in range(4)]
    threads = [
        threading.Thread(target=lambda one=one: found.append(one.current(vendor.renew)))  # type: ignore[misc]
        for one in processes
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(vendor.asked) == 1
    assert {grant.access_token.reveal() for grant in found} == {f"{HIDDEN}-1"}
    assert len(found) == 24
    assert found[0].details == {"instance_url": "https://org.example"}


def test_real_processes_cost_one_login(sqlite_store: Store, tmp_path: Path) -> None:
    script = """
import sys, time
from connector.contract import Grant
from connector.flow import tokens
from connector.flow.tokens import StoredTokens
from connector.model import Secret
from connector.security import Vault
from connector.store import Store
from pathlib import Path
url, folder = sys.argv[1:]
tokens.WAIT_SECONDS = 60.0
def renew(last):
    with open(folder + "/logins", "a") as file:
        file.write("x")
    time.sleep(0.5)
    return Grant(access_token=Secret("one"))
print(StoredTokens(Store(url), Vault.open(Path(folder), {}), "acc-crm").current(renew).access_token.reveal())
"""
    command = [sys.executable, "-c", script, sqlite_store.url, str(tmp_path)]
    started = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate(timeout=180)[0] for process in started] == ["one\n"] * 3
    assert (tmp_path / "logins").read_text() == "x"


def test_a_valid_token_is_taken_from_memory(open_tokens: Callable[..., StoredTokens], store: Store) -> None:
    vendor, mine = Vendor(), open_tokens()
    first = mine.current(vendor.renew)
    with store.write() as tx:
        tokens.delete_(tx, ACCOUNT)
    assert mine.current(vendor.renew) is first


def test_a_token_is_renewed_a_minute_before_its_end(
    open_tokens: Callable[..., StoredTokens], monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor, mine, start = Vendor(), open_tokens(), at(now(), monkeypatch)
    mine.current(vendor.renew)
    at(start + timedelta(minutes=58, seconds=59), monkeypatch)
    assert mine.current(vendor.renew).access_token == Secret(f"{HIDDEN}-1")
    at(start + timedelta(minutes=59), monkeypatch)
    assert mine.current(vendor.renew).access_token == Secret(f"{HIDDEN}-2")
    assert vendor.asked[1] is not None
    assert vendor.asked[1].refresh_token == Secret("again-1")


def test_a_short_lived_token_is_used_for_most_of_its_life(
    open_tokens: Callable[..., StoredTokens], monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor, mine, start = Vendor(lives=timedelta(seconds=30)), open_tokens(), at(now(), monkeypatch)
    mine.current(vendor.renew)
    at(start + timedelta(seconds=23), monkeypatch)
    mine.current(vendor.renew)
    assert len(vendor.asked) == 1
    at(start + timedelta(seconds=24), monkeypatch)
    mine.current(vendor.renew)
    assert len(vendor.asked) == 2


def test_a_rejected_token_is_forgotten_by_all_and_its_refresh_token_is_not(
    open_tokens: Callable[..., StoredTokens], monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor, mine, other = Vendor(), open_tokens(), open_tokens()
    grant = mine.current(vendor.renew)
    assert other.current(vendor.renew) == grant
    at(now() + timedelta(seconds=30), monkeypatch)
    mine.reject(grant)
    renewed = mine.current(vendor.renew)
    assert vendor.asked[1] is not None
    assert vendor.asked[1].refresh_token == Secret("again-1")
    assert not vendor.asked[1].access_token
    other.reject(grant)  # late: it has been replaced already
    assert other.current(vendor.renew) == renewed == mine.current(vendor.renew)
    assert len(vendor.asked) == 2


def test_a_storm_of_401_does_not_become_a_storm_of_logins(
    open_tokens: Callable[..., StoredTokens], monkeypatch: pytest.MonkeyPatch
) -> None:
    at(now(), monkeypatch)
    vendor = Vendor()
    told = []
    for one in [open_tokens() for _ in range(10)]:
        try:
            one.reject(one.current(vendor.renew))
        except TemporaryError as error:
            told.append((error.code, 0 < (error.retry_after or 0) <= flow.SOON_SECONDS))
    assert len(vendor.asked) == 1
    assert told == [("token_refused", True)] * 9


def test_refused_credentials_are_not_shown_again_for_a_while(
    open_tokens: Callable[..., StoredTokens], monkeypatch: pytest.MonkeyPatch
) -> None:
    at(now(), monkeypatch)
    vendor = Vendor()
    vendor.refuses = True
    for one in [open_tokens() for _ in range(5)]:
        with pytest.raises(CredentialsError, match="client secret is wrong") as caught:
            one.current(vendor.renew)
        assert (caught.value.code, caught.value.status, caught.value.advice) == ("invalid_client", 401, "Copy it.")
    assert len(vendor.asked) == 1
    vendor.refuses = False
    at(now() + timedelta(seconds=flow.REFUSED_SECONDS + 1), monkeypatch)
    assert open_tokens().current(vendor.renew)
    assert len(vendor.asked) == 2


def test_a_person_who_has_mended_something_need_not_wait(open_tokens: Callable[..., StoredTokens]) -> None:
    vendor = Vendor()
    vendor.refuses = True
    with pytest.raises(CredentialsError):
        open_tokens().current(vendor.renew)
    vendor.refuses = False
    assert open_tokens(patient=False).current(vendor.renew)
    assert open_tokens().current(vendor.renew)
    assert len(vendor.asked) == 2


def test_a_grant_that_was_kept_is_everybodys(open_tokens: Callable[..., StoredTokens]) -> None:
    vendor = Vendor()
    vendor.refuses = True
    with pytest.raises(CredentialsError):
        open_tokens().current(vendor.renew)
    open_tokens().keep(Grant(access_token=Secret("by code"), refresh_token=Secret("again")))
    found = open_tokens().current(vendor.renew)
    assert (found.access_token, found.refresh_token, found.expires_at) == (Secret("by code"), Secret("again"), None)
    assert len(vendor.asked) == 1


def test_a_token_is_never_sent_to_another_host_than_it_was_given_for(open_tokens: Callable[..., StoredTokens]) -> None:
    vendor = Vendor()
    open_tokens(bound_to="one.example").current(vendor.renew)
    open_tokens(bound_to="two.example").current(vendor.renew)
    assert vendor.asked == [None, None]


def test_whoever_waits_too_long_is_told_to_try_again(
    open_tokens: Callable[..., StoredTokens], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "WAIT_SECONDS", 0.3)
    with store.write() as tx:
        leases.acquire(tx, f"token:{ACCOUNT}", "elsewhere:1:x", 60)
    vendor = Vendor()
    with pytest.raises(TemporaryError, match="logging in"):
        open_tokens().current(vendor.renew)
    assert vendor.asked == []


def test_a_process_that_died_while_logging_in_holds_up_nobody(
    open_tokens: Callable[..., StoredTokens], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hasty:
        monotonic = time.monotonic

        def sleep(self, seconds: float) -> None:
            raise AssertionError("it waits")

    monkeypatch.setattr(flow, "time", Hasty())
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    with store.write() as tx:
        leases.acquire(tx, f"token:{ACCOUNT}", f"{os.uname().nodename}:{process.pid}:x", 60)
    assert open_tokens().current(Vendor().renew)


def test_a_login_that_fails_lets_the_next_one_try(open_tokens: Callable[..., StoredTokens]) -> None:
    def stumble(last: Grant | None) -> Grant:
        raise TemporaryError("Down for maintenance.")

    with pytest.raises(TemporaryError, match="maintenance"):
        open_tokens().current(stumble)
    assert open_tokens().current(Vendor().renew)


def test_asking_the_vendor_holds_no_transaction(open_tokens: Callable[..., StoredTokens], store: Store) -> None:
    def renew(last: Grant | None) -> Grant:
        with store.write() as tx:
            leases.acquire(tx, "something else", "me", 1)
        return Grant(access_token=Secret("one"))

    assert open_tokens().current(renew)


def test_neither_the_database_nor_the_log_nor_a_repr_shows_a_token(
    sqlite_store: Store, vault: Vault, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = StoredTokens(sqlite_store, vault, ACCOUNT)
    grant = mine.current(Vendor().renew)
    with sqlite_store.read() as tx:
        row = tokens.get(tx, ACCOUNT)
    said = "".join(capsys.readouterr())
    assert HIDDEN not in f"{mine!r} {mine._held!r} {grant!r} {row!r} {said}"
    assert row is not None
    assert HIDDEN not in row.sealed
    path = Path(sqlite_store.url.removeprefix("sqlite:///"))
    assert not any(HIDDEN.encode() in file.read_bytes() for file in path.parent.glob("connector.db*"))


def test_tokens_outlive_a_change_of_the_key(sqlite_store: Store, tmp_path: Path) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    vendor = Vendor()
    StoredTokens(sqlite_store, Vault.open(tmp_path, {"CONNECTOR_SECRET_KEY": old}), ACCOUNT).current(vendor.renew)
    both = Vault.open(tmp_path, {"CONNECTOR_SECRET_KEY": f"{new},{old}"})
    assert len(reseal_all(sqlite_store, both)) == 1
    alone = Vault.open(tmp_path, {"CONNECTOR_SECRET_KEY": new})
    assert StoredTokens(sqlite_store, alone, ACCOUNT).current(vendor.renew).access_token == Secret(f"{HIDDEN}-1")
    assert len(vendor.asked) == 1


def test_a_token_whose_key_is_gone_is_asked_for_anew(sqlite_store: Store, tmp_path: Path) -> None:
    vendor = Vendor()
    for key in (Fernet.generate_key().decode(), Fernet.generate_key().decode()):
        vault = Vault.open(tmp_path, {"CONNECTOR_SECRET_KEY": key})
        StoredTokens(sqlite_store, vault, ACCOUNT).current(vendor.renew)
    assert vendor.asked == [None, None]


def test_each_store_of_its_own_sees_the_same_token(sqlite_store: Store, vault: Vault) -> None:
    vendor = Vendor()
    StoredTokens(sqlite_store, vault, ACCOUNT).current(vendor.renew)
    with closing(Store(sqlite_store.url)) as other:
        assert StoredTokens(other, vault, ACCOUNT).current(vendor.renew).access_token == Secret(f"{HIDDEN}-1")
    assert len(vendor.asked) == 1
