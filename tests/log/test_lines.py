"""Log lines: their form, and what must never be in them."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector import log
from connector.errors import ConfigurationError
from connector.model import Secret, new_id


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Give the process back as it was: loggers and handlers are global."""
    names = (
        "",
        "rq",
        "werkzeug",
        "sqlalchemy",
        "alembic",
        "urllib3",
        "_granian",
        "granian.access",
        "py.warnings",
        "rq.worker",
    )
    loggers = [logging.getLogger(name) for name in names]
    configured, configuration = structlog.is_configured(), structlog.get_config()
    before = [(logger.handlers, logger.level, logger.propagate) for logger in loggers]
    yield
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    if configured:
        structlog.configure(**configuration)


class Lines:
    """What has been said, line by line."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def last(self) -> dict[str, Any]:
        line: dict[str, Any] = json.loads(self.text().splitlines()[-1])
        return line

    def text(self) -> str:
        out, err = self._capsys.readouterr()
        assert out == "", "a line went to stdout, where programs read results"
        return err


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    log.configure("info", as_json=True)
    return Lines(capsys)


def said(lines: Lines, **keys: Any) -> dict[str, Any]:
    log.get("tests").info("test.said", **keys)
    return lines.last()


def test_a_line_is_one_json_object_with_time_level_event_and_module(lines: Lines) -> None:
    line = said(lines, words="one\ntwo", state="sent", tries=2, took_ms=1.5, ok=True, nothing=None)
    assert datetime.fromisoformat(line.pop("at")).tzinfo == UTC
    assert line == {
        "level": "info", "event": "test.said", "module": "tests", "words": "one\ntwo", "state": "sent",
        "tries": 2, "took_ms": 1.5, "ok": True, "nothing": None,
    }  # fmt: skip


def test_bound_keys_are_said_every_time(lines: Lines) -> None:
    log.get("tests").bind(account="main-store").warning("test.said")
    assert lines.last()["account"] == "main-store"


def test_lines_below_the_level_are_not_written(lines: Lines) -> None:
    logging.getLogger("rq.worker").setLevel(logging.DEBUG)  # a library's own choice
    log.configure("info", as_json=True)
    log.get("tests").debug("test.whispered")
    logging.getLogger("rq.worker").info("*** Listening")
    logging.getLogger("rq.job").info("done")
    assert lines.text() == ""


def test_an_unknown_level_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="debug, info, warning, error"):
        log.configure("loud")


def test_before_any_configuration_lines_go_to_stderr_and_are_clean() -> None:
    program = "from connector import log; log.get('x').info('test.said', phone='+491701234567')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert json.loads(done.stderr)["phone"] == "••••67"


@pytest.mark.parametrize("key", ["webhook_secret", "access_token", "verifyToken", "password", "Authorization",
                                 "x-hub-signature-256", "hmac", "api_key", "cookie", "credentials"])  # fmt: skip
def test_a_secret_is_hidden_by_its_key_at_any_depth(lines: Lines, key: str) -> None:
    line = said(lines, settings={"deep": [{key: "s3cr3t"}]}, **{key: 5})
    assert line[key] == "••••"
    assert line["settings"] == {"deep": [{key: "••••"}]}


def test_a_secret_value_is_dots_under_any_key(lines: Lines) -> None:
    assert "hunter2" not in json.dumps(said(lines, shop=Secret("hunter2"), all=[Secret("hunter2")]))


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("GET /hooks/abcDEF123 404", "GET /hooks/•••• 404"),
        ("Authorization: Bearer EAAG.x-y", "Authorization: Bearer ••••"),
        ("https://h/x?access_token=abc&limit=5", "https://h/x?access_token=••••&limit=5"),
        ("postgresql+psycopg://me:pw@db/x", "postgresql+psycopg://••••@db/x"),
        ("redis://:pw@cache:6379/0", "redis://••••@cache:6379/0"),
        ("mail ada.l+shop@mail.example.com now", "mail ••••@mail.example.com now"),
        ("{'email': 'ada@example.com'}", "{'email': '••••@example.com'}"),
    ],
)
def test_secrets_and_addresses_inside_text_are_hidden(lines: Lines, words: str, shown: str) -> None:
    assert said(lines, words=words)["words"] == shown


@pytest.mark.parametrize(
    "key", ["phone", "to", "from_", "recipient", "recipient_id", "wa_id", "sender_phone", "msisdn"]
)
@pytest.mark.parametrize("phone", ["+4917012345", "4917012345", 4917012345, "170 1234", ["1701234"]])
def test_under_a_phone_key_only_two_digits_stay(lines: Lines, key: str, phone: object) -> None:
    key = key.rstrip("_")
    shown = said(lines, **{key: phone})[key]
    shown = shown[0] if isinstance(shown, list) else shown
    assert shown == "••••" + (phone[0] if isinstance(phone, list) else str(phone))[-2:]


UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""How long an example takes is the machine's affair."""
separators = st.sampled_from(["", "", "", " ", "-", ".", "/", ") ", " ("])
digits = st.text("0123456789", min_size=1, max_size=1)


@st.composite
def phones(draw: st.DrawFn, plus: bool) -> str:
    count = draw(st.integers(7, 15) if plus else st.integers(10, 15))
    first = draw(st.sampled_from("123456789"))
    body = "".join(draw(separators) + draw(digits) for _ in range(count - 1))
    return ("+" if plus else "") + first + body


before = st.sampled_from(["", "call ", "to:", "(", "'", '"', "order:", "phone=", "<", "é "])
after = st.sampled_from(["", ".", ", now", ")", "'", '"', ">", " é"])


@UNHURRIED
@given(st.one_of(phones(plus=True), phones(plus=False)), before, after)
def test_no_phone_in_any_form_survives_in_text(phone: str, before: str, after: str) -> None:
    shown = re.sub(r"\D", "", log.hide(before + phone + after))
    bare = re.sub(r"\D", "", phone)
    if re.match(r"\d{4}-\d\d-\d\d|\d{1,3}(\.\d{1,3}){3}$", phone):
        return  # written as a day or as an address, which stay
    assert len(shown) <= 5, f"{phone!r} became {shown!r}"
    assert bare[:-5] not in shown


@UNHURRIED
@given(phones(plus=True))
def test_a_phone_with_plus_is_hidden_even_under_a_key_of_ours(phone: str) -> None:
    entry = log._clean(None, "info", {"event": "x.happened", "subject": phone, "delivery_key": phone})
    assert len(re.sub(r"\D", "", entry["subject"])) <= 4
    assert len(re.sub(r"\D", "", entry["delivery_key"])) <= 4


def test_ids_stay_whole(lines: Lines) -> None:
    ids = {
        "order_id": 5512345678901, "message_id": new_id(), "account_id": "0123456789", "subject": "order:5512345678901",
        "delivery_key": "820982911946154508", "topic_ids": [5512345678901], "key": "order.paid:5512345678901",
    }  # fmt: skip
    line = said(lines, **ids)
    assert {key: line[key] for key in ids} == ids


@UNHURRIED
@given(st.builds(new_id))
def test_our_own_ids_stay_whole_in_text(id_: str) -> None:
    assert log.hide(f"message {id_} is on its way") == f"message {id_} is on its way"


@pytest.mark.parametrize(
    "words", ["2026-11-22 12:31:04", "at 2026-11-22T12:31:04.123456+00:00", "127.0.0.1:8080", "from 192.168.100.200",
              "1.234.567 rows", "took 151.3 ms", "wamid.HBgLNDkxNzAxMjM0NTY3FQIAERgSQTZDMzFGNkQ5"]
)  # fmt: skip
def test_what_only_looks_like_a_phone_stays(words: str) -> None:
    assert log.hide(words) == words


def test_an_exception_shows_type_words_and_frames_but_no_variables(lines: Lines) -> None:
    password = "hunter2"  # noqa: F841 - it must not be shown
    try:
        try:
            raise KeyError("+491701234567")
        except KeyError as error:
            raise ValueError("nobody at ada@example.com") from error
    except ValueError:
        log.get("tests").exception("job.failed")
    line = lines.last()
    shown = line["exception"]
    assert (line["level"], shown["type"], shown["words"]) == ("error", "ValueError", "nobody at ••••@example.com")
    assert shown["frames"][-1].startswith("tests/log/test_lines.py:")
    assert shown["cause"]["words"] == "'••••67'"
    assert "hunter2" not in json.dumps(line)


def test_lines_of_libraries_take_the_same_way(lines: Lines) -> None:
    logging.getLogger("sqlalchemy.pool").error("lost %s", "+491701234567", exc_info=ValueError("no +491701234567"))
    line = lines.last()
    assert (line["event"], line["module"], line["words"]) == ("library.spoke", "sqlalchemy.pool", "lost ••••67")
    assert line["exception"]["words"] == "no ••••67"


def test_a_library_line_with_wrong_arguments_is_still_written(lines: Lines) -> None:
    log._LibraryHandler().emit(logging.LogRecord("werkzeug", logging.WARNING, "", 1, "%d apples", ("many",), None))
    assert lines.last()["words"] == "%d apples"


def test_warnings_take_the_same_way(lines: Lines) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)  # and no other, such as of what is collected in between
        logging.captureWarnings(capture=True)
        warnings.warn("old +491701234567", UserWarning, stacklevel=1)
    assert "old ••••67" in lines.last()["words"]


def test_a_long_value_is_cut_and_a_deep_one_is_stopped(lines: Lines) -> None:
    deep: list[Any] = []
    for _ in range(50):
        deep = [deep]
    line = said(lines, words="x" * 10_000, deep=deep)
    assert len(line["words"]) == log.MAX_TEXT + 1
    assert json.dumps(line["deep"]).count("[") == log.MAX_DEPTH


def test_any_value_can_be_said(lines: Lines) -> None:
    class Colour(StrEnum):
        RED = "red"

    line = said(
        lines, colour=Colour.RED, raw=b"ab\xff", many={1}, at_once=datetime(2026, 1, 2, tzinfo=UTC), kind=Colour
    )
    assert line["colour"] == "red"
    assert line["many"] == [1]
    assert line["at_once"] == "2026-01-02 00:00:00+00:00"


def test_people_get_one_readable_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    log.configure("info", as_json=False)
    log.get("tests").info("message.accepted", phone="+491701234567", words="one\ntwo\x1b[31m")
    shown = capsys.readouterr().err
    assert re.fullmatch(r"\d\d:\d\d:\d\d info    message\.accepted phone=••••67 words=one·two·\[31m\n", shown)


def test_colours_are_for_terminals_that_want_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    log.configure("info", as_json=False)
    log.get("tests").error("message.failed")
    assert "\x1b[31merror" in capsys.readouterr().err
