"""A person at the console: Debian's Chromium before a whole installation with a sandbox at both ends.

========================  ==========================================================================
fixture                   gives
========================  ==========================================================================
``open_stage``            an installation, as for the stories
``open_window``           a function that opens a browser window: ``open_window(url, width=390, scheme="dark")``
========================  ==========================================================================

Screenshots go to ``build/screens``, whoever runs the tests. Without Chromium these tests are passed over, and
say so; with ``CONNECTOR_BROWSER=required`` (as CI sets it) they fail.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect, sync_playwright

from tests.stories.conftest import open_stage as open_stage

SCREENS = Path(__file__).parents[2] / "build" / "screens"
NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 60_000
"""Milliseconds until something that ought to be seen is given up; machines have bad moments."""
HARMLESS = ("Failed to load resource: the server responded with a status of 4",)
"""What the browser says of a page that is meant to refuse."""


@dataclass
class Window:
    """A window of the browser, and what went wrong in it."""

    page: Page
    context: BrowserContext
    url: str
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.wrong.append(f"{self.page.url}: {error}"))
        self.page.on("request", self._ask)

    def _hear(self, said: ConsoleMessage) -> None:
        if said.type == "error" and not said.text.startswith(HARMLESS):
            self.wrong.append(f"{self.page.url}: {said.text}")

    def _ask(self, request: Any) -> None:
        if not request.url.startswith((self.url, "data:", "blob:", "about:")):
            self.wrong.append(f"{self.page.url} asks {request.url}")

    def go(self, path: str) -> int:
        """Open a page and return its status."""
        answer = self.page.goto(self.url + path if path.startswith("/") else path)
        assert answer is not None
        return answer.status

    def press(self, button: Locator) -> None:
        """Click what leads to another page, and wait until that is there."""
        with self.page.expect_navigation():
            button.click()

    def keep(self, name: str, *, whole: bool = False) -> None:
        """Keep a picture of what is seen."""
        SCREENS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENS / f"{name}.png", full_page=whole)

    def grave(self) -> list[str]:
        """Return what hinders people on this page gravely, by axe: rule and where."""
        found = Axe().run(self.page, options={"resultTypes": ["violations"]})
        return [
            f"{each['id']} ({each['impact']}): {node['html'][:160]}"
            for each in found.response["violations"]
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"][:5]
        ]

    def too_wide(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        wide: int = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        return max(0, wide)

    def transferred(self) -> int:
        """Return the bytes that came over the wire for this page."""
        script = "performance.getEntries().reduce((sum, each) => sum + (each.transferSize || 0), 0)"
        bytes_: int = self.page.evaluate(script)
        return bytes_


OpenWindow = Callable[..., Window]


def _chromium() -> str:
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        words = "No Chromium is installed, so nobody looks at the console. On Debian: apt-get install chromium"
        if os.environ.get("CONNECTOR_BROWSER") == "required":
            pytest.fail(words)
        pytest.skip(words)
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Chromium, and end it with the module: its event loop stands in the way of other tests that run one."""
    path = _chromium()
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"], timeout=3 * PATIENCE)
        yield started
        started.close()


@pytest.fixture
def open_window(browser: Browser) -> Iterator[OpenWindow]:
    """Open windows; each has cookies of its own, and all are closed afterwards."""
    contexts: list[BrowserContext] = []

    def open_one(
        url: str, *, width: int = 1280, height: int = 900, scheme: str = "light", script: bool = True, zone: str = "UTC"
    ) -> Window:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
            java_script_enabled=script,
            reduced_motion="reduce",
            timezone_id=zone,
        )
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        return Window(context.new_page(), context, url)

    yield open_one
    for context in contexts:
        context.close()
