"""The site in a real Chromium, opened as files: no server, no network."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from browser.conftest import browser, open_page, overflows, page, problems

__all__ = ["browser", "open_page", "page", "problems"]
PAGES = ("index", "configuration", "benchmarks", "errors", "design", "reference/cli", "reference/settings")


@pytest.mark.parametrize("name", PAGES)
def test_no_page_is_wider_than_the_window(page: Page, built_site: Path, name: str) -> None:
    page.goto((built_site / f"{name}.html").as_uri())
    expect(page.locator("h1")).to_be_visible()
    assert not overflows(page)


def test_search_finds_words_within_names(open_page: Callable[..., Page], built_site: Path) -> None:
    page = open_page()
    page.goto((built_site / "reference" / "cli.html").as_uri())
    page.locator("html.js").wait_for(state="attached")
    field = page.get_by_role("textbox", name="Search")
    field.click()
    field.press_sequentially("poison", delay=30)
    results = page.locator(".md-search-result__item")
    expect(results.filter(has_text="Errors and retries").first).to_be_attached()
    expect(results.filter(has_text="PoisonPill").first).to_be_attached()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_follow_the_scheme(open_page: Callable[..., Page], built_site: Path, scheme: str) -> None:
    page = open_page(color_scheme=scheme)
    page.goto((built_site / "design.html").as_uri())
    other = {"light": "dark", "dark": "light"}[scheme]
    expect(page.locator(f'img[src*="way-{scheme}.svg"]')).to_be_visible()
    expect(page.locator(f'img[src*="way-{other}.svg"]')).to_be_hidden()
