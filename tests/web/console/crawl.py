"""Going everywhere: every address that the application has, with ids that exist, and every link that pages show."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from tests.web.console.crowd import MAPPING, Crowd

HTML = {"Accept": "text/html"}
MOST = 700
_LINK = re.compile(r'(?:href|action|data-[a-z-]*(?:url|href|src|address))="(/[^"#]*)')


@dataclass(frozen=True)
class Seen:
    """An address, and what it answered."""

    path: str
    answer: TestResponse

    @property
    def whole(self) -> str:
        """Return headers and body as text."""
        head = "\n".join(f"{name}: {value}" for name, value in self.answer.headers)
        return f"{head}\n\n{self.answer.get_data().decode('utf-8', 'replace')}"


def rules(app: Flask, method: str = "GET", *blueprints: str) -> list[Rule]:
    """Return the rules that take a method; of these blueprints, where some are given."""
    return sorted(
        (
            rule
            for rule in app.url_map.iter_rules()
            if method in (rule.methods or ())
            and not rule.endpoint.endswith("static")
            and (not blueprints or rule.endpoint.partition(".")[0] in blueprints)
        ),
        key=lambda rule: (rule.rule, rule.endpoint),
    )


def values(crowd: Crowd) -> Mapping[str, list[str]]:
    """Return what exists, by the beginning of the rule's address."""
    return {
        "/accounts/add": ["shopify", "whatsapp", "salesforce"],
        "/accounts": ["main-store", "hotline", "old-store", "old-line"],
        "/authorize": ["main-store"],
        "/events": crowd.ids("event"),
        "/messages": crowd.ids("message"),
        "/people": crowd.ids("contact"),
        "/contacts": crowd.ids("contact"),
        "/requests": crowd.ids("request"),
        "/tasks": crowd.ids("task"),
        "/outgoing": crowd.ids("endpoint"),
        "/webhooks": crowd.ids("endpoint"),
        "/deliveries": crowd.ids("delivery"),
        "/team": crowd.ids("console_user"),
        "/keys": crowd.ids("api_key"),
        "/mappings": [MAPPING, "contact", "only_bob"],
    }


def addresses(crowd: Crowd, found: list[Rule]) -> Iterator[str]:
    """Yield the addresses of rules, each with everything that exists."""
    known = values(crowd)
    for rule in found:
        path = rule.rule
        if "<" not in path:
            yield path
            continue
        bare = path.removeprefix("/api/v1")
        given = next((ids for start, ids in known.items() if bare.startswith(start)), ["x"])
        for value in given or ["0" * 26]:
            first = re.sub(r"<(?:\w+:)?(?:name|id_?|number|word|adapter)>", quote(value), path, count=1)
            for name, stands in FURTHER.items():
                first = re.sub(rf"<(?:\w+:)?{name}>", stands, first)
            assert "<" not in first, first
            yield first


FURTHER = {
    "account": "hotline", "name": "order_paid", "language": "en", "number": "1", "version": "1",
    "field": "webhook_secret", "session_id": "x",
}  # fmt: skip


def links(answer: TestResponse) -> set[str]:
    """Return where a page leads to."""
    if "html" not in answer.content_type:
        return set()
    return {html.unescape(each) for each in _LINK.findall(answer.text)}


def shape(path: str) -> str:
    """Return what addresses have in common that lead to the same kind of page."""
    parts = urlsplit(path)
    bare = re.sub(r"/(?:[0-9a-z]{26}|\d+)(?=/|$)", "/*", parts.path)
    pairs = [pair.partition("=") for pair in parts.query.split("&")]
    names = sorted(
        {f"{name}={value}" if name in ("format", "open", "show", "by", "tab") else name for name, _, value in pairs}
    )
    return f"{bare}?{'&'.join(names)}"


def crawl(client: FlaskClient, begin: list[str], *, each: int = 12) -> Iterator[Seen]:
    """Go wherever links lead, at most so often to pages of one kind; what begins it is seen in any case."""
    ahead, seen, often = list(dict.fromkeys(begin)), set(begin), dict[str, int]()
    while ahead and len(seen) < MOST * 4:
        path = ahead.pop(0)
        answer = client.get(path, headers=HTML)
        yield Seen(path, answer)
        if answer.status_code != 200:
            continue
        for link in sorted(links(answer) - seen):
            kind = shape(link)
            often[kind] = often.get(kind, 0) + 1
            if often[kind] <= each and not link.startswith(("/assets", "/bootstrap")):
                seen.add(link)
                ahead.append(link)
