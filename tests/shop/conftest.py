"""The whole shop of examples/shop as `make demo` starts it, on free ports and with data of its own.

shop      started once a module; its payment service fails three times in ten
page      Debian's chromium, 1,200 px wide; the test fails on any console error
look      fails on anything that axe-core finds on the page, and keeps a picture of it
"""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect, sync_playwright

from shop_kit import CHROMIUM, PATIENCE, Shop, missing

PICTURES = Path(__file__).parents[2] / "target" / "screenshots"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    why = missing()
    if why and os.environ.get("FASTKIQ_CI") == "1" and sys.platform == "linux":
        pytest.fail(f"{why}, and in CI it must be there")
    if why:
        pytest.skip(f"{why} on this machine; .ci/run installs it")
    whole = Shop(tmp_path_factory.mktemp("shop") / "data")
    try:
        whole.start()
        yield whole
    finally:
        whole.remove()


@pytest.fixture
def page(shop: Shop) -> Iterator[Page]:
    problems: list[str] = []
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        context = browser.new_context(viewport={"width": 1200, "height": 900}, base_url=shop.address("shop"))
        context.set_default_timeout(PATIENCE * 1000)
        expect.set_options(timeout=PATIENCE * 1000)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(f"uncaught: {error}"))
        yield page
        browser.close()
    assert problems == []


@pytest.fixture
def look(page: Page) -> Callable[[str], None]:
    def at(name: str) -> None:
        page.wait_for_load_state("networkidle")
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / f"shop-{name}.png", full_page=True)
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()

    return at
