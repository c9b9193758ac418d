"""The site is whole by itself: no page asks another server for anything, and what the README links to is there."""

import re
from pathlib import Path

from .blocks import ROOT

FETCHED = re.compile(r"""<(?:script|link|img|iframe|source|video)\b[^>]*?\b(?:src|href)=["']?(https?:|//)[^>]*>""")


def test_no_page_asks_another_server(built_site: Path) -> None:
    pages = sorted(built_site.rglob("*.html"))
    assert len(pages) > 30
    foreign = {(page.name, found[0]) for page in pages for found in FETCHED.finditer(page.read_text())}
    assert {each for each in foreign if 'rel="canonical"' not in each[1]} == set()
    for sheet in built_site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(https?:|//)|@import", sheet.read_text()), sheet


def test_the_front_page_is_the_readme_with_links_of_the_site(built_site: Path) -> None:
    front = (built_site / "index.html").read_text()
    for link in ("install.html", "contributing.html", "changes.html", "examples.html", "images/dashboard.png"):
        assert f'"{link}' in front
        assert (built_site / link).is_file()


def test_every_page_is_in_the_navigation(built_site: Path) -> None:
    navigation = (ROOT / "mkdocs.yml").read_text()
    for page in ROOT.glob("docs/*.md"):
        assert f": {page.name}\n" in navigation, f"{page.name} has no place in the nav of mkdocs.yml"
        assert (built_site / f"{page.stem}.html").is_file()


def test_pictures_differ_in_their_colours_only() -> None:
    for light in ROOT.glob("docs/images/*-light.svg"):
        dark = light.with_name(light.name.replace("-light", "-dark"))
        one, other = (re.sub(r"<style>.*?</style>", "", each.read_text()) for each in (light, dark))
        assert one == other, f"{light.name} and {dark.name}"
