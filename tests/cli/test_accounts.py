from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from connector.cli import given
from connector.cli.accounts import accounts
from connector.cli.keys import keys
from connector.contract import Authorizer, Grant
from connector.flow import accounts as flow
from connector.model import Secret, now
from connector.store import accounts as rows
from connector.wiring import Wiring
from tests import toys
from tests.toys import SECRET

Run = Any


def _add(run: Run, *args: str, **options: Any) -> Any:
    return run(accounts, "add", "toyshop", "--name", "main", "--set", "shop=abc", *args, **options)


def _settings(wiring: Wiring, name: str = "main") -> Any:
    return flow.load(wiring.registry, wiring.vault, flow.find(wiring.store, name)).settings


def test_added_accounts_get_a_webhook_url_to_paste(run: Run, wiring: Wiring) -> None:
    result = _add(run, "--set", f"webhook_secret={SECRET}")
    assert result.exit_code == 0
    assert "main is connected (Toy shop)" in result.stdout
    token = flow.find(wiring.store, "main").token
    assert f"https://connect.example.org/hooks/{token}\n" in result.stdout
    assert "Next: connector accounts check main" in result.stdout


def test_added_accounts_are_told_to_programs_as_json(run: Run, wiring: Wiring) -> None:
    result = _add(run, "--set", f"webhook_secret={SECRET}", "--set", "rate=5", "--json")
    told = json.loads(result.stdout)
    row = flow.find(wiring.store, "main")
    assert told["id"] == row.id
    assert (told["name"], told["adapter"]) == ("main", "toyshop")
    assert told["webhook_url"] == f"https://connect.example.org/hooks/{row.token}"
    assert told["settings"] == {
        "shop": "abc", "rate": 5, "paths": None, "api_url": "https://toy.example", "health": "well",
    }  # fmt: skip
    assert told["secrets"] == {"webhook_secret": "••••", "access_token": None}


def test_secrets_are_taken_from_the_environment(run: Run, wiring: Wiring) -> None:
    assert _add(run, env={"CONNECTOR_SECRET_WEBHOOK_SECRET": SECRET}).exit_code == 0
    assert _settings(wiring)["webhook_secret"] == (Secret(SECRET),)


def test_what_is_said_goes_before_the_environment(run: Run, wiring: Wiring) -> None:
    environ = {"CONNECTOR_SECRET_WEBHOOK_SECRET": SECRET}
    assert _add(run, "--set", "webhook_secret=said", env=environ).exit_code == 0
    assert _settings(wiring)["webhook_secret"] == (Secret("said"),)


def test_a_value_may_be_read_from_a_file_without_its_last_line_break(run: Run, wiring: Wiring, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text(f"{SECRET}\n")
    assert _add(run, "--set", f"webhook_secret=@{tmp_path}/secret.txt").exit_code == 0
    assert _settings(wiring)["webhook_secret"] == (Secret(SECRET),)


def test_two_at_signs_stand_for_one(run: Run, wiring: Wiring) -> None:
    assert _add(run, "--set", "webhook_secret=@@handle").exit_code == 0
    assert _settings(wiring)["webhook_secret"] == (Secret("@handle"),)


def test_objects_are_given_as_json_or_in_parts(run: Run, wiring: Wiring) -> None:
    secret = ("--set", f"webhook_secret={SECRET}")
    assert _add(run, *secret, "--set", "paths.phone=buyer.tel", "--set", "paths.id=nr").exit_code == 0
    assert _settings(wiring)["paths"] == {"phone": "buyer.tel", "id": "nr"}
    assert run(accounts, "set", "main", 'paths={"phone": "tel"}').exit_code == 0
    assert _settings(wiring)["paths"] == {"phone": "tel"}


def test_a_secret_given_twice_is_the_new_one_and_the_old_one(run: Run, wiring: Wiring) -> None:
    assert _add(run, "--set", "webhook_secret=new", "--set", f"webhook_secret={SECRET}").exit_code == 0
    assert _settings(wiring)["webhook_secret"] == (Secret("new"), Secret(SECRET))


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--set", "webhook_secret=two words", "--set", "rate=fast"), "webhook_secret: must be plain ASCII"),
        (("--set", "webhook_secret=two words", "--set", "rate=fast"), "rate: Not a valid integer."),
        ((), "webhook_secret: Set webhook_secret or access_token."),
        (("--set", SECRET), "--set takes key=value"),
        (("--set", f"={SECRET}"), "--set takes key=value"),
        (("--set", f"webhook_secre={SECRET}"), "webhook_secre: is not a setting of Toy shop, which has shop,"),
        (("--set", "shop=again"), "shop: was given twice."),
        (("--set", "webhook_secret=@/no/such/file"), "webhook_secret: /no/such/file cannot be read"),
        (("--set", "webhook_secret=@/dev/zero"), "webhook_secret: /dev/zero is longer than 64 KB"),
    ],
)
def test_bad_settings_end_with_2_and_words_without_traceback(
    run: Run, wiring: Wiring, args: tuple[str, ...], words: str
) -> None:
    result = _add(run, *args)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert all(line.startswith("Error: ") for line in result.stderr.splitlines())
    assert words in result.stderr
    with wiring.store.read() as tx:
        assert rows.all_(tx) == []


def test_what_is_missing_is_asked_for_at_a_terminal_and_secrets_are_not_echoed(
    run: Run, wiring: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(given, "is_interactive", lambda: True)
    result = run(accounts, "add", "toyshop", "--name", "main", input=f"abc\n{SECRET}\n")
    assert result.exit_code == 0
    assert "Shop (Its name):" in result.stderr
    assert "Webhook secret:" in result.stderr
    assert "Access token" not in result.stderr
    assert _settings(wiring)["shop"] == "abc"
    assert _settings(wiring)["webhook_secret"] == (Secret(SECRET),)


def test_an_answer_that_is_left_empty_is_a_fault_and_not_asked_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given, "is_interactive", lambda: True)
    result = _add(run, input="\n")
    assert result.exit_code == 2
    assert "webhook_secret: Set webhook_secret or access_token." in result.stderr


ASK = """
from connector.cli.given import ask
from connector.flow.settings import Setting
token = Setting(name="token", title="Token", words="", secret=True, rotates=False, required=True, json=False)
print("length", len(ask(token).reveal()))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_secret_typed_at_a_real_terminal_does_not_appear_on_it() -> None:
    import termios

    ours, theirs = os.openpty()
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    with subprocess.Popen([sys.executable, "-c", ASK], start_new_session=True, **streams) as process:
        os.close(theirs)
        seen = b""
        while b"Token:" not in seen:
            seen += os.read(ours, 1024)
        while termios.tcgetattr(ours)[3] & termios.ECHO:  # the question is asked before the terminal is told
            time.sleep(0.01)
        os.write(ours, f"{SECRET}\n".encode())
        with suppress(OSError):  # the terminal is gone with the process
            while found := os.read(ours, 1024):
                seen += found
    os.close(ours)
    assert process.returncode == 0
    assert f"length {len(SECRET)}".encode() in seen
    assert SECRET.encode() not in seen


@pytest.mark.usefixtures("_shop")
def test_lists_tell_what_is_in_use(run: Run, wiring: Wiring) -> None:
    with wiring.store.write() as tx:
        rows.suspend(tx, rows.all_(tx)[0].id, "The token was withdrawn.", now())
    listed = run(accounts, "list").stdout
    assert re.search(r"main +toyshop +suspended +The token was withdrawn\.", listed)
    told = json.loads(run(accounts, "list", "--json").stdout)
    assert [(item["name"], item["active"]) for item in told] == [("main", False)]


def test_an_empty_list_says_how_to_begin(run: Run) -> None:
    assert (
        "connector accounts add ADAPTER --name NAME (adapters: toyany, toyline, toyshop)"
        in run(accounts, "list").stdout
    )


@pytest.mark.usefixtures("_shop")
def test_show_masks_secrets_and_says_what_is_not_set(run: Run) -> None:
    shown = run(accounts, "show", "main").stdout
    assert re.search(r"webhook_secret +••••", shown)
    assert re.search(r"access_token +\(not set\)", shown)
    assert re.search(r"api_url +https://toy\.example", shown)
    assert "https://connect.example.org/hooks/" in shown


def test_an_unknown_name_is_answered_with_the_known_ones(run: Run) -> None:
    result = run(accounts, "show", "other")
    assert result.exit_code == 2
    assert "There is no account named 'other'" in result.stderr


@pytest.mark.usefixtures("_shop")
def test_secrets_are_rotated_and_old_ones_dropped(run: Run, wiring: Wiring) -> None:
    result = run(accounts, "rotate", "main", "webhook_secret", "--set", "second")
    assert "1 older value is still accepted." in result.stdout
    assert "rotate main webhook_secret --drop-old" in result.stdout
    assert _settings(wiring)["webhook_secret"] == (Secret("second"), Secret(SECRET))
    result = run(accounts, "rotate", "main", "webhook_secret", "--drop-old")
    assert "keeps its newest value alone" in result.stdout
    assert _settings(wiring)["webhook_secret"] == (Secret("second"),)
    environ = {"CONNECTOR_SECRET_ACCESS_TOKEN": SECRET}
    assert run(accounts, "rotate", "main", "access_token", env=environ).exit_code == 0
    assert _settings(wiring)["access_token"] == Secret(SECRET)


@pytest.mark.usefixtures("_shop")
def test_a_rotation_without_a_new_value_is_refused(run: Run) -> None:
    result = run(accounts, "rotate", "main", "webhook_secret")
    assert result.exit_code == 2
    assert "webhook_secret: no new value was given." in result.stderr


@pytest.mark.usefixtures("_shop")
def test_settings_are_changed_but_secrets_are_sent_to_rotate(run: Run, wiring: Wiring) -> None:
    assert run(accounts, "set", "main", "shop=xyz").exit_code == 0
    assert _settings(wiring)["shop"] == "xyz"
    result = run(accounts, "set", "main", f"webhook_secret={SECRET}x")
    assert result.exit_code == 2
    assert "use `connector accounts rotate main webhook_secret`" in result.stderr


@pytest.mark.usefixtures("_shop")
def test_a_healthy_account_passes_its_check(run: Run) -> None:
    result = run(accounts, "check", "main")
    assert result.exit_code == 0
    assert "  ✓ database: SQLite answers; 1 accounts." in result.stdout
    assert "  – queue: The embedded queue runs while" in result.stdout
    assert "  ✓ token: The shop is well." in result.stdout
    assert "  ✓ clock: agrees." in result.stdout
    assert "  ✓ public URL: https://connect.example.org is set" in result.stdout


@pytest.mark.usefixtures("_shop")
def test_a_sick_account_fails_with_the_fix(run: Run) -> None:
    run(accounts, "set", "main", "health=ill")
    result = run(accounts, "check", "--all")
    assert result.exit_code == 1
    assert "  ✗ token: The shop is ill. → Give it a new token." in result.stdout
    told = json.loads(run(accounts, "check", "main", "--json").stdout)
    assert [section["account"] for section in told] == [None, "main"]
    assert [section["ok"] for section in told] == [True, False]
    token = {"name": "token", "ok": False, "words": "The shop is ill.", "fix": "Give it a new token."}
    assert token in told[1]["findings"]


@pytest.mark.usefixtures("_shop")
def test_a_vendor_that_refuses_the_doctor_is_a_finding(run: Run) -> None:
    run(accounts, "set", "main", "health=dead")
    result = run(accounts, "check", "main")
    assert result.exit_code == 1
    assert "  ✗ connection: It does not answer. → Wake it." in result.stdout


@pytest.mark.usefixtures("_shop")
def test_a_suspended_account_comes_back_when_it_passes(run: Run, wiring: Wiring) -> None:
    with wiring.store.write() as tx:
        rows.suspend(tx, rows.all_(tx)[0].id, "The token was withdrawn.", now())
    run(accounts, "set", "main", "health=ill")
    result = run(accounts, "check", "main")
    assert "  ✗ account: Suspended: The token was withdrawn." in result.stdout
    assert not flow.find(wiring.store, "main").active
    run(accounts, "set", "main", "health=well")
    result = run(accounts, "check", "main")
    assert result.exit_code == 0
    assert "  ✓ account: was suspended and is in use again" in result.stdout
    assert flow.find(wiring.store, "main").active


@pytest.mark.usefixtures("_shop")
def test_an_account_that_cannot_be_loaded_is_a_finding(run: Run, wiring: Wiring) -> None:
    with wiring.store.write() as tx:
        row = rows.all_(tx)[0]
        rows.update_settings(tx, row.id, settings={"shop": 5}, secrets=row.secrets, at=now())
    result = run(accounts, "check", "main")
    assert result.exit_code == 1
    assert "  ✗ settings: Account main: shop: Not a valid string." in result.stdout


def test_a_check_of_nothing_is_refused(run: Run) -> None:
    assert run(accounts, "check").exit_code == 2
    assert run(accounts, "check", "other").exit_code == 2


@pytest.mark.usefixtures("_shop")
def test_a_removed_account_is_gone(run: Run) -> None:
    result = run(accounts, "remove", "main")
    assert result.exit_code == 0
    assert "delete its webhook at toyshop" in result.stdout
    assert run(accounts, "show", "main").exit_code == 2


@pytest.mark.usefixtures("_shop", "_line")
def test_a_new_key_opens_what_the_old_one_sealed(run: Run, wiring: Wiring) -> None:
    key = (wiring.settings.data / "secret.key").read_text()
    result = run(keys, "rotate")
    assert "The secrets of 2 accounts are sealed with a new key" in result.stdout
    after = (wiring.settings.data / "secret.key").read_text()
    assert len(after.split()) == 1
    assert after != key
    assert _settings(wiring)["webhook_secret"] == (Secret(SECRET),)
    assert run(keys, "reseal").exit_code == 0


class _Clock(BaseHTTPRequestHandler):
    date = ""

    def do_HEAD(self) -> None:
        self.send_response_only(404)
        if self.date:
            self.send_header("Date", self.date)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def vendor() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Clock)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("date", "ok", "words"),
    [
        (lambda: format_datetime(now(), usegmt=True), True, "agrees with 127.0.0.1"),
        (lambda: "Sun, 06 Nov 1994 08:49:37 GMT", False, "seconds ahead of that of 127.0.0.1"),
        (lambda: "", None, "did not tell the time"),
        (lambda: "soon", None, "did not tell the time"),
    ],
)
def test_the_clock_is_compared_with_the_vendors(
    run: Run, wiring: Wiring, vendor: ThreadingHTTPServer, date: Any, ok: bool | None, words: str
) -> None:
    _Clock.date = date()
    wiring.registry._loaded["plain"] = replace(wiring.registry.get("toyshop"), name="plain", check=None)
    url = f"http://127.0.0.1:{vendor.server_port}"
    given = ("--set", "shop=abc", "--set", f"webhook_secret={SECRET}", "--set", f"api_url={url}")
    assert run(accounts, "add", "plain", "--name", "plain", *given).exit_code == 0
    told = json.loads(run(accounts, "check", "plain", "--json").stdout)[1]["findings"]
    found = {finding["name"]: finding for finding in told}
    assert found["connection"]["ok"] is None
    assert found["clock"]["ok"] is ok
    assert words in found["clock"]["words"]


def test_every_command_has_an_example(run: Run) -> None:
    for group in (accounts, keys):
        for name in group.commands:
            assert "Example:\n" in run(group, name, "--help").stdout


class _Owner(Authorizer):
    def begin(self, settings: Any, *, state: str, redirect_url: str) -> str:
        raise NotImplementedError

    def complete(self, settings: Any, kit: Any, *, params: Any, redirect_url: str) -> Grant:
        raise NotImplementedError


@pytest.mark.usefixtures("_shop")
def test_the_address_of_an_authorization_is_printed_with_the_one_to_come_back_to(
    run: Run, wiring: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toys, "SHOP", replace(toys.SHOP, authorizer=_Owner()))
    told = run(accounts, "authorize", "main").stdout
    assert "  https://connect.example.org/authorize/main/callback\n" in told
    assert "  https://connect.example.org/authorize/main/start\n" in told


@pytest.mark.usefixtures("_line")
def test_an_account_that_needs_no_browser_says_so(run: Run) -> None:
    result = run(accounts, "authorize", "line")
    assert result.exit_code == 2
    assert "Toy line is not authorized in a browser" in result.output
