"""Metrics in a browser."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis as redis_py
from playwright.sync_api import Page, expect

from beating import deployed, ran

Web = Callable[..., str]
Check = Callable[[Page], None]
Shot = Callable[[Page, str], Path]
XSS = "\"'><script>window.xss=1</script><img src=x onerror=window.xss=1>"


@pytest.fixture
def filled(redis: redis_py.Redis) -> redis_py.Redis:
    """An hour of eight classes, one of which means harm."""
    now = datetime.now(UTC)
    with redis.pipeline() as pipeline:
        for minute in range(0, 58, 2):
            for number, name in enumerate(
                ("shop.Mail", "shop.Checkout", "App::Ruby/Job", XSS, "a.b", "c.d", "e.f", "g.h")
            ):
                runs = 40 + int(30 * math.sin(minute / 8 + number))
                buckets = {f"b{4 + number % 3 + step}": max(0, runs // (step + 2)) for step in range(5)}
                ran(
                    pipeline,
                    name,
                    now - timedelta(minutes=minute),
                    runs=runs,
                    failed=number,
                    ms=runs * 90 * (8 - number),
                    **buckets,
                )
        pipeline.execute()
    deployed(redis, now - timedelta(minutes=20), "v2.31")
    deployed(redis, now - timedelta(minutes=40), XSS)
    return redis


@pytest.mark.parametrize(
    ("path", "theme"), [("/metrics", "light"), ("/metrics", "dark"), ("/metrics/shop.Mail", "dark")]
)
def test_pages_are_accessible_and_harmless(
    web: Web, filled: redis_py.Redis, page: Page, axe: Check, shot: Shot, theme: str, path: str
) -> None:
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    page.goto(web() + path)
    expect(page.locator(".chart-canvas canvas").first).to_be_visible()
    shot(page, f"metrics-{path.count('/')}-{theme}")
    for summary in page.locator(".chart-table summary").all():
        summary.click()
    axe(page)
    assert page.evaluate("window.xss") is None


def test_from_the_classes_to_one_of_them(web: Web, filled: redis_py.Redis, page: Page) -> None:
    base = web()
    page.goto(base + "/metrics")
    expect(page.locator("tbody tr[data-key]")).to_have_count(8)
    expect(page.locator(".chart-legend .dash")).to_have_count(6)
    page.get_by_label("Part of the class’s name").fill("Ruby")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("tbody tr[data-key]")).to_have_count(1)
    page.get_by_role("link", name="App::Ruby/Job").click()
    expect(page.locator("h1")).to_have_text("App::Ruby/Job")
    expect(page.locator(".heat-map rect").first).to_be_visible()
    expect(page.locator(".heat-map rect title").first).to_contain_text("UTC")
    expect(page.locator(".heat-mark")).to_have_count(2)
    page.get_by_role("link", name="8 h").click()
    expect(page.locator(".heat-legend")).to_contain_text("Each column is 8 minutes.")
    assert page.url == f"{base}/metrics/App%3A%3ARuby%2FJob?period=8h"


def test_a_chart_shows_values_and_marks_and_stays_fresh(web: Web, filled: redis_py.Redis, page: Page) -> None:
    page.goto(web() + "/metrics/shop.Mail")
    over = page.locator(".chart .u-over").first
    over.hover()
    expect(page.locator(".chart-tip").first).to_contain_text("Runs:")
    runs = page.locator("#class-totals dd").first
    before = runs.inner_text()
    ran(filled, "shop.Mail", datetime.now(UTC), runs=100_000, ms=1, b1=5)
    page.locator("[data-live-toggle]").click()
    page.locator("[data-live-toggle]").click()
    expect(runs).not_to_have_text(before)
    expect(page.locator(".heat-labels")).to_contain_text("20 ms to 30 ms")
