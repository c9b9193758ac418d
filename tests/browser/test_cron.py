"""Recurring jobs in a browser."""

from collections.abc import Callable
from pathlib import Path

import pytest
import redis as redis_py
from playwright.sync_api import Page, expect

from fastkiq import api

Check = Callable[[Page], None]
Shot = Callable[[Page, str], Path]


@pytest.fixture
def base(web: Callable[..., str], redis_url: str, redis: redis_py.Redis) -> str:
    recurring = api.RecurringSet(api.connect(url=redis_url))
    recurring.add("poll", "app.Poll", "eu", every=3600)
    recurring.add("report", "app.Report", cron="0 8 * * mon", timezone="Europe/Berlin", description="For the board")
    recurring.run_now("report")
    redis.hset("fastkiq:cron", "garbage", b"<script>window.xss = 1</script>")
    return web()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_are_accessible(base: str, page: Page, axe: Check, shot: Shot, theme: str) -> None:
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    for path, name in (("/cron", "cron"), ("/cron/report", "cron-report"), ("/cron/garbage", "cron-garbage")):
        page.goto(base + path)
        expect(page.locator("h1")).to_be_visible()
        shot(page, f"{name}-{theme}")
        axe(page)
    assert page.evaluate("window.xss") is None


def test_pause_run_and_remove_by_clicking(base: str, redis: redis_py.Redis, page: Page) -> None:
    page.goto(base + "/cron")
    page.get_by_role("button", name="Pause poll").click()
    expect(page.locator("#flashes")).to_contain_text("poll is paused")
    expect(page.locator('tr[data-key="poll"]')).to_contain_text("Paused")
    assert redis.smembers("fastkiq:cron:paused") == {b"poll"}
    page.get_by_role("link", name="poll", exact=True).click()
    page.get_by_role("button", name="Run now").click()
    expect(page.locator("#history")).to_contain_text("By hand")
    expect(page.locator("[data-live-toggle]")).to_be_visible()  # the scripts are there: it is asked in the page
    page.get_by_role("button", name="Remove").click()
    page.locator("[data-confirm-yes]").click()
    expect(page.locator("#flashes")).to_contain_text("poll was removed")
    assert redis.hexists("fastkiq:cron", "poll") is False
