"""Debian's chromium on the real pages.

page              at 375 and at 1,440 px: the test runs twice. It fails on any console error, violation of the
                  Content-Security-Policy, uncaught exception, failed sub-resource or request to another origin
open_page(width, **options)    one more page, with options of Playwright's new_context (java_script_enabled,
                  color_scheme, timezone_id...)
problems          what the pages of this test have complained about; clear() what was meant
axe(page)         fails on anything that axe-core finds
shot(page, name)  keeps a screenshot in target/screenshots
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, expect, sync_playwright

from web_fixtures import deeds, web

__all__ = ["deeds", "web"]

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
SCREENSHOTS = Path(__file__).parents[2] / "target" / "screenshots"
WIDTHS = (375, 1440)
PATIENCE = 20_000  # ms; two slow cores may have much else to do
expect.set_options(timeout=PATIENCE)


# No longer than a module: while it runs, asyncio.run() works nowhere else in this thread.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("FASTKIQ_CI") == "1" and sys.platform == "linux":
            pytest.fail("no chromium, and in CI it must be there")
        pytest.skip("no chromium on this machine; .ci/run installs it")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield running
        running.close()


@pytest.fixture
def problems() -> list[str]:
    return []


@pytest.fixture
def open_page(browser: Browser, problems: list[str]) -> Iterator[Callable[..., Page]]:
    contexts: list[Any] = []

    def start(width: int = 1440, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        _watch(page, problems)
        return page

    yield start
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture(params=WIDTHS, ids=lambda width: f"{width}px")
def page(request: pytest.FixtureRequest, open_page: Callable[..., Page]) -> Page:
    return open_page(request.param)


def _watch(page: Page, problems: list[str]) -> None:
    origins: set[str] = set()

    def said(message: ConsoleMessage) -> None:
        # A page that answers 404 or 503 is no problem when it was gone to; sub-resources are looked at below.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource: the server"):
            problems.append(f"console: {message.text}")

    def asked(request: Request) -> None:
        if request.url.startswith(("data:", "blob:")):
            return
        origin = "/".join(request.url.split("/")[:3])
        origins.add(origin)
        if len(origins) > 1:
            problems.append(f"another origin: {request.url}")

    def answered(response: Response) -> None:
        if response.status >= 400 and not response.request.is_navigation_request():
            problems.append(f"{response.status}: {response.url}")

    page.on("console", said)
    page.on("pageerror", lambda error: problems.append(f"uncaught: {error}"))
    page.on("request", asked)
    page.on("response", answered)
    page.on("crash", lambda _: problems.append("crashed"))


@pytest.fixture
def axe() -> Callable[[Page], None]:
    def check(page: Page) -> None:
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        assert not overflows(page), "the page scrolls sideways"

    return check


def overflows(page: Page) -> bool:
    """Whether the whole page is wider than the window."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


@pytest.fixture
def shot() -> Callable[[Page, str], Path]:
    def keep(page: Page, name: str) -> Path:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        assert page.viewport_size is not None
        path = SCREENSHOTS / f"{name}-{page.viewport_size['width']}.png"
        page.screenshot(path=path, full_page=True)
        return path

    return keep
