"""Tabs, figures, keys, help, sizes."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest
import redis as redis_py

from top_kit import Screen, add, failed, opened, process, stored

pytestmark = pytest.mark.timeout(30)

TABS = ["Home", "Busy", "Queues", "Scheduled", "Retries", "Dead", "Metrics"]


def run(url: str, scenario: Callable[[Screen], Awaitable[None]], size: tuple[int, int] = (80, 24)) -> None:
    async def within() -> None:
        async with opened(url, size) as screen:
            await scenario(screen)

    asyncio.run(within())


@pytest.mark.both_servers
def test_the_figures_head_every_screen_and_home_charts_them(redis: redis_py.Redis, redis_url: str) -> None:
    redis.mset({"stat:processed": 1_234_567, "stat:failed": 89, f"stat:processed:{datetime.now(UTC):%Y-%m-%d}": 77})
    redis.sadd("queues", "mail")
    redis.lpush("queue:mail", stored(), stored())
    for key, size in (("schedule", 3), ("retry", 4), ("dead", 5)):
        add(redis, key, [failed(jid=f"{at}") for at in range(size)])

    async def scenario(screen: Screen) -> None:
        await screen.sees("1,234,567", "77 processed, 0 failed", "waits ", "here:6379")
        for tab in TABS:
            await screen.until(lambda tab=tab: screen.top.tab == tab)
            await screen.sees(tab)
            assert screen.lines[1].split() == [
                *("Processed", "Failed", "Busy", "Enqueued", "Retries", "Scheduled", "Dead"),
            ]
            assert screen.lines[2].split() == ["1,234,567", "89", "0", "2", "4", "3", "5"]
            await screen.press("right")
        assert screen.top.tab == "Home"
        await screen.press("left")
        assert screen.top.tab == "Metrics"
        await screen.press("1")
        redis.incrby("stat:processed", 10)
        redis.incrby("stat:failed", 3)
        await screen.sees("the highest 10", "the highest 3", "█")

    run(redis_url, scenario)


def test_the_help_has_all_keys_and_nothing_is_done_behind_it(redis: redis_py.Redis, redis_url: str) -> None:
    add(redis, "retry", [failed()])

    async def scenario(screen: Screen) -> None:
        await screen.press("5")
        await screen.sees("1-1 of 1")
        await screen.press("?")
        await screen.sees("Everywhere", "UPPER CASE", "terminate", "pause/resume")
        await screen.press("D", "2", "q")
        await screen.sees("1-1 of 1")
        await screen.misses("Everywhere", "y yes")

    run(redis_url, scenario, (100, 60))


def test_a_jid_is_found_wherever_it_is(redis: redis_py.Redis, redis_url: str) -> None:
    jid = "feedfeedfeedfeedfeedfeed"
    process(redis, "web-1:1:abc", {"a1": stored(jid=jid, args=["runs"])})
    add(redis, "dead", [failed(jid="other"), failed(jid=jid, args=["died"])])
    for name in ("mail", "[red]"):
        redis.sadd("queues", name)
        redis.lpush(f"queue:{name}", stored(jid=jid, args=["waits"]), stored(jid="other"))

    async def scenario(screen: Screen) -> None:
        await screen.press("f")
        await screen.type(jid)
        await screen.press("enter")
        await screen.sees(f"jid {jid} · 4 found in ", "running", "dead jobs", "waiting", "[red]", '"waits"')
        await screen.misses("looking on")
        await screen.press("enter")
        await screen.sees("runs in", "web-1:1:abc")
        await screen.press("escape", "j", "enter")
        await screen.sees("dead jobs, ", "died")
        await screen.press("escape", "j", "enter")
        await screen.sees("the queue ")
        await screen.press("escape", "escape")
        await screen.sees("a second")
        await screen.press("f", "n", "o", "enter")
        await screen.sees("jid no · 0 found in 7 jobs", "nowhere so far")

    run(redis_url, scenario, (120, 30))


def test_another_size_is_another_page(redis: redis_py.Redis, redis_url: str) -> None:
    add(redis, "dead", [failed(jid=f"{at}") for at in range(100)])

    async def scenario(screen: Screen) -> None:
        await screen.press("6")
        await screen.sees("1-14 of 100")
        await screen.pilot.resize_terminal(200, 50)
        await screen.sees("1-40 of 100", "Jid", "Arguments")
        await screen.pilot.resize_terminal(30, 8)
        await screen.sees("Died")
        await screen.pilot.resize_terminal(5, 3)
        await screen.pilot.resize_terminal(80, 24)
        await screen.sees("1-14 of 100")

    run(redis_url, scenario)


def test_no_more_than_a_page_is_read(redis: redis_py.Redis, redis_url: str) -> None:
    add(redis, "dead", [failed(jid=f"{at}", args=["x" * 1_000]) for at in range(2_000)])

    async def scenario(screen: Screen) -> None:
        await screen.press("6")
        await screen.sees("1-14 of 2,000")
        before = redis.info("stats")["total_net_output_bytes"]
        await screen.press("l")
        await screen.sees("15-28 of 2,000")
        assert redis.info("stats")["total_net_output_bytes"] - before < 500_000, "of 3 MB"

    run(redis_url, scenario)


def test_without_colour_the_row_and_the_tab_can_be_told(
    redis: redis_py.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    add(redis, "retry", [failed(jid="a"), failed(jid="b")])

    async def scenario(screen: Screen) -> None:
        await screen.press("5", "x")
        await screen.sees("1 selected")
        rows = [line for line in screen.text.splitlines() if "app.HardWorker" in line]
        assert [row[:2] for row in rows] == [" x", "> "]
        for strip in screen.top.screen._compositor.render_strips():
            for segment in strip.apply_filter(screen.top._filters[-1], screen.top.screen.background_colors[0]):
                style = segment.style
                assert style is None or style.color is None or style.color.is_default

    run(redis_url, scenario)
