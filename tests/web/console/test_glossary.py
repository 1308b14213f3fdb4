"""The words of the field are explained, and every page that uses one finds it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from connector.web.console import glossary
from connector.web.console.frame import console

ROOT = Path(__file__).parents[3]
TEMPLATES = ROOT / "connector" / "web" / "templates"
VOCABULARY = """
    Account; Action buttons; Call-to-action; Interactive buttons; Agent; Multi-agent; Multi-agent (shared inbox);
    Analytics; Engagement rate; Campaign metrics; Campaign metrics (yield); API; JSON; Webhook; Automated messages;
    Notifications; Broadcast; Campaign; Segmentation; BSP; Business verification; Green tick; Verified business;
    Chatbot; FAQ; Quick replies; Knowledge base; Click-to-chat; Click-to-chat widget; Compliance; Opt-in;
    Delivery report; Read receipts; End-to-end encryption; Free tier conversations; Zero-rated messaging; HSM;
    Message templates; Integration; Labels; Lead generation; Payment link; Personalisation; Rich media;
    Session (24-hour window); Session; User-initiated conversation; Two-factor authentication; XML;
    WhatsApp Business Platform
"""
WORDS = [word.strip() for word in VOCABULARY.split(";")]


@pytest.fixture
def page() -> Iterator[Flask]:
    app = Flask(__name__)
    with app.test_request_context("/"):
        yield app


@pytest.mark.parametrize("word", WORDS)
def test_every_word_of_the_field_is_explained(word: str) -> None:
    entry = glossary.find(word)
    assert entry is not None
    sentences = re.findall(r"[.?!](?=\s|$)", " ".join(entry.paragraphs))
    assert 2 <= len(sentences) <= 7
    assert entry.places, "where is it found?"


def test_no_word_has_two_meanings() -> None:
    entries = [entry for group in glossary.groups() for entry in group.entries]
    names = [name.lower() for entry in entries for name in (entry.word, *entry.aliases)]
    assert sorted({name for name in names if names.count(name) > 1}) == []
    assert len({entry.slug for entry in entries}) == len(entries)


def test_every_term_that_a_page_uses_is_explained() -> None:
    used = {
        (path.name, word)
        for path in TEMPLATES.rglob("*.html")
        for word in re.findall(r"term\(\s*['\"]([^'\"]+)['\"]", path.read_text())
    }
    assert sorted((name, word) for name, word in used if glossary.find(word) is None) == []


def test_a_term_is_a_link_that_tells_its_first_sentence(page: Flask) -> None:
    drawn = glossary.term("opt-in")
    assert 'href="/glossary#opt-in"' in drawn
    assert 'aria-describedby="term-1"' in drawn
    assert 'id="term-1">A person&#39;s agreement to hear from you on WhatsApp.</span>' in drawn


def test_two_terms_of_a_page_have_places_of_their_own(page: Flask) -> None:
    assert 'id="term-1"' in glossary.term("opt-in")
    assert 'id="term-2"' in glossary.term("opt-in", "agreed")


def test_an_unknown_term_is_written_as_it_is(page: Flask) -> None:
    assert glossary.term("<b>nothing</b>") == "&lt;b&gt;nothing&lt;/b&gt;"


def test_marks_are_drawn_and_everything_else_is_escaped() -> None:
    drawn = glossary.draw("**a** *b* `<c>` [d](#e) <script> [x](javascript:y)")
    assert drawn == (
        "<strong>a</strong> <em>b</em> <code>&lt;c&gt;</code> "
        '<a href="#e">d</a> &lt;script&gt; [x](javascript:y)'
    )  # fmt: skip


def test_an_anchor_is_what_github_makes_of_the_heading() -> None:
    assert glossary.slug("Session (24-hour window)") == "session-24-hour-window"


def test_the_document_is_the_file_that_the_package_carries() -> None:
    assert (ROOT / "docs" / "glossary.md").resolve() == glossary.FILE.resolve()


def test_the_places_of_words_are_pages_of_the_navigation() -> None:
    frame = (TEMPLATES / "console" / "frame.html").read_text()
    rooms = set(re.findall(r"room\('(/[^']*)'", frame)) | {"/me"}
    assert set(glossary.PLACES.values()) <= rooms


def test_the_words_are_known_to_every_page_of_the_console() -> None:
    app = Flask(__name__)
    app.register_blueprint(console)
    assert app.jinja_env.globals["term"] is glossary.term
