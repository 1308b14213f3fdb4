"""Log lines: one JSON object each on stderr, with nothing in them that could hurt anybody.

Event names are ``area.past_tense`` (``message.accepted``); everything else goes into keys. Lines of other
libraries (rq, werkzeug, sqlalchemy, alembic, granian) take the same way, as the event ``library.spoke``.

**What is hidden, in this order, at any depth:**

1. *Secrets by key.* A value whose key contains ``secret``, ``token``, ``password``, ``authorization``,
   ``signature``, ``hmac``, ``cookie``, ``credential`` or ``api_key`` becomes dots.
2. *Phones by key.* Under ``phone``, ``to``, ``from``, ``recipient``, ``sender``, ``wa_id``, ``msisdn``,
   ``mobile`` (alone or with an ending such as ``recipient_id``) all but the last two characters become dots.
3. *Secrets in text*: what follows ``Bearer``, ``token=``, ``secret=``, ``password=``, ``signature=``,
   ``/hooks/`` (an account's URL is a secret) or stands between ``://`` and ``@``.
4. *E-mail addresses in text* keep their domain only.
5. *Phones in text*: ``+`` and 7 to 15 digits, or 10 to 15 digits alone, also with spaces, dashes, dots,
   slashes or brackets between them, keep their last two digits. Days, moments and IPv4 addresses stay.
   Under a key that names something of ours (``id``, ``key``, ``subject`` or an ending ``_id``, ``_ids``,
   ``_key``) only the form with ``+`` is hidden, so that a 64-bit order id stays whole. Whole numbers of
   10 to 15 digits are treated as text.

What the rule cannot know: a bare number of 7 to 9 digits under another key, and a person's name.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from os import environ
from traceback import extract_tb
from types import TracebackType
from typing import Any, Final

import structlog

from connector.errors import ConfigurationError

HIDDEN: Final = "••••"
LEVELS: Final = ("debug", "info", "warning", "error")
MAX_TEXT: Final = 2000
"""Characters of one value; the rest is cut off."""
MAX_DEPTH: Final = 6
MAX_FRAMES: Final = 20

_SECRET_KEY = re.compile(r"secret|token|passw|authorization|signature|hmac|cookie|credential|api_?key", re.IGNORECASE)
_PHONE_KEY = re.compile(
    r"(?:.*_)?(?:phone|to|from|recipient|sender|wa_id|msisdn|mobile)(?:_(?:id|number|phone))?", re.IGNORECASE
)
_OWN_KEY = re.compile(r"(?:.*_)?(?:id|ids|key)|subject", re.IGNORECASE)

_SUSPECT = re.compile(r"\d[\d\s().\-/]{5}|@|earer|/hooks/|=")
"""Nothing is hidden in a text without a match: the one check that most values pay for."""
_SECRET = re.compile(
    r"(bearer\s+|/hooks/|(?:token|secret|passw(?:or)?d|signature|hmac|api_?key)=)[^\s&\"',;]+", re.IGNORECASE
)
_URL_LOGIN = re.compile(r"(?<=://)[^\s/@]+(?=@)")
_EMAIL = re.compile(r"[\w.%+\-]+@(?=[\w\-]+(?:\.[\w\-]+)+)")
_PLUS = re.compile(r"\+\(?\d(?:[\s().\-/]{0,2}\d){6,14}")
_BARE = re.compile(r"(?<![\w.])\(?\d(?:[\s().\-/]{0,2}\d){9,14}(?!\w)")
_NOT_A_PHONE = re.compile(r"\d{4}-\d\d-\d\d(?!\d)|\d{1,3}(?:\.\d{1,3}){3}$")

_LIBRARIES = ("rq", "werkzeug", "sqlalchemy", "alembic", "urllib3", "_granian", "granian.access", "py.warnings")
GRANIAN: Final[dict[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {},
    "formatters": {},
    "loggers": {"_granian": {"propagate": True}, "granian.access": {"propagate": True}},
}
"""For granian's ``log_dictconfig``: it would put handlers of its own, on stdout, in our way."""

_COLOURS = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "31;1"}


def configure(level: str = "info", *, as_json: bool | None = None) -> None:
    """Send every line of this process, ours and the libraries', to stderr.

    ``level`` is debug, info, warning or error. ``as_json`` None: JSON, except on a terminal, where people
    read. Call it once at start; calling it again replaces what was. Raises ConfigurationError.
    """
    level = level.lower()
    if level not in LEVELS:
        raise ConfigurationError(f"CONNECTOR_LOG_LEVEL must be one of {', '.join(LEVELS)}; it is {level[:20]!r}.")
    number = logging.getLevelNamesMapping()[level.upper()]
    _set_up(number, as_json if as_json is not None else not sys.stderr.isatty())
    root = logging.getLogger()
    root.handlers = [_LibraryHandler(logging.INFO if level == "debug" else max(number, logging.WARNING))]
    root.setLevel(number)
    for name in list(logging.root.manager.loggerDict):
        if name.startswith(_LIBRARIES):  # what they have set up for themselves gives way
            library = logging.getLogger(name)
            library.handlers, library.propagate = [], True
    logging.captureWarnings(capture=True)


def get(name: str) -> structlog.typing.FilteringBoundLogger:
    """Return the logger of a module; ``bind(key=…)`` gives one that says these keys every time."""
    if not structlog.is_configured():
        _set_up(logging.INFO, as_json=not sys.stderr.isatty())
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(module=name)
    return logger


def hide(text: str) -> str:
    """Return a text without secrets, phones and e-mail addresses: for words that leave through other doors."""
    return _text(text, own=False)


def _set_up(number: int, as_json: bool) -> None:
    structlog.configure(
        processors=[_clean, _as_json if as_json else _as_words],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: _STDERR,
        cache_logger_on_first_use=False,
    )


class _Stderr:
    """Writes lines to whatever sys.stderr is at that moment."""

    def write(self, line: str) -> None:
        sys.stderr.write(line + "\n")

    debug = info = warning = error = critical = write


_STDERR = _Stderr()


class _LibraryHandler(logging.Handler):
    """Takes the lines of the standard library's logging into our way."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            words = record.getMessage()
        except (TypeError, ValueError):  # a library's own slip shall not cost its line
            words = str(record.msg)
        entry: dict[str, Any] = {"event": "library.spoke", "module": record.name, "words": words.strip()}
        if record.exc_info:
            entry["exc_info"] = record.exc_info
        logger = structlog.get_config()
        level = record.levelname.lower()
        for processor in logger["processors"]:
            entry = processor(None, level, entry)
        _STDERR.write(str(entry))


def _clean(_logger: Any, level: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    clean: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
        "level": level,
        "event": entry["event"],
    }
    for key, value in entry.items():
        if key == "exc_info":
            if (error := _error_of(value)) is not None:
                clean["exception"] = _exception(error)
        elif key != "event":
            clean[key] = _text(value, own=False) if type(value) is str and not _kind(key) else _value(key, value, 0)
    return clean


@lru_cache(maxsize=2048)
def _kind(key: str) -> str:
    if _SECRET_KEY.search(key):
        return "secret"
    if _PHONE_KEY.fullmatch(key):
        return "phone"
    return "own" if _OWN_KEY.fullmatch(key) else ""


def _value(key: str, value: Any, depth: int) -> Any:
    kind = _kind(key)
    if value is None or value is True or value is False or (type(value) is float and kind != "secret"):
        return value
    if kind == "secret":
        return HIDDEN
    if type(value) is int and kind != "phone":
        return value if kind == "own" or not 10**9 <= abs(value) < 10**15 else _text(str(value), own=False)
    if isinstance(value, Mapping):
        if depth >= MAX_DEPTH:
            return "…"
        return {_text(str(k), own=False): _value(str(k), v, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return "…" if depth >= MAX_DEPTH else [_value(key, item, depth + 1) for item in value]
    if kind == "phone":
        text = str(value)
        return HIDDEN + text[-2:] if len(text) > 6 else text and HIDDEN
    return _text(str(value), own=kind == "own")


def _text(text: str, *, own: bool) -> str:
    if len(text) > MAX_TEXT:
        text = text[:MAX_TEXT] + "…"
    if text.isidentifier() or (text.isalnum() and not text.isdecimal()):
        return text  # one word: no pattern below fits it, and most values are one
    if not _SUSPECT.search(text):
        return text
    text = _SECRET.sub(rf"\1{HIDDEN}", text)
    if "@" in text:
        text = _URL_LOGIN.sub(HIDDEN, text)
        text = _EMAIL.sub(HIDDEN + "@", text)
    text = _PLUS.sub(lambda found: HIDDEN + found[0][-2:], text)
    return text if own else _BARE.sub(_bare, text)


def _bare(found: re.Match[str]) -> str:
    return found[0] if _NOT_A_PHONE.match(found[0]) else HIDDEN + found[0][-2:]


def _error_of(value: Any) -> BaseException | None:
    if isinstance(value, BaseException):
        return value
    if isinstance(value, tuple):
        return value[1] if isinstance(value[1], BaseException) else None
    return sys.exc_info()[1] if value else None


def _exception(error: BaseException, depth: int = 0) -> dict[str, Any]:
    """Type, words and frames; never the values of variables."""
    shown: dict[str, Any] = {
        "type": type(error).__qualname__,
        "words": _text(str(error), own=False),
        "frames": _frames(error.__traceback__),
    }
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and depth < MAX_DEPTH:
        shown["cause"] = _exception(cause, depth + 1)
    return shown


def _frames(traceback: TracebackType | None) -> list[str]:
    frames = extract_tb(traceback)[-MAX_FRAMES:]
    return [f"{'/'.join(frame.filename.split('/')[-3:])}:{frame.lineno} {frame.name}" for frame in frames]


def _as_json(_logger: Any, _level: str, entry: Mapping[str, Any]) -> str:
    return _ENCODER.encode(entry)


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False, default=str)


def _as_words(_logger: Any, level: str, entry: Mapping[str, Any]) -> str:
    """Draw a line for people: time, level, event, then the keys."""
    rest = dict(entry)
    clock, event, failure = rest.pop("at")[11:19], rest.pop("event"), rest.pop("exception", None)
    rest.pop("level")
    rest.pop("module", None)
    paint = _paint if "NO_COLOR" not in environ else _plain
    keys = " ".join(f"{paint('2', key + '=')}{_one_line(value)}" for key, value in rest.items())
    line = f"{paint('2', clock)} {paint(_COLOURS.get(level, '0'), f'{level:7}')} {paint('1', str(event))} {keys}"
    while failure:
        line += f"\n    {failure['type']}: {_one_line(failure['words'])}"
        line += "".join(f"\n      {frame}" for frame in failure["frames"])
        failure = failure.get("cause")
    return line.rstrip()


def _paint(colour: str, text: str) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m"


def _plain(_colour: str, text: str) -> str:
    return text


def _one_line(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return "".join(char if char.isprintable() else "·" for char in text)
