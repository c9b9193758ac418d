"""Queues and the jobs that wait in them."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable

import pytest
import redis as redis_py

from top_kit import Screen, opened, stored

pytestmark = pytest.mark.timeout(30)


def run(url: str, scenario: Callable[[Screen], Awaitable[None]]) -> None:
    async def within() -> None:
        async with opened(url) as screen:
            await screen.press("3")
            await screen.sees("Queue")
            await scenario(screen)

    asyncio.run(within())


def fill(redis: redis_py.Redis, **sizes: int) -> None:
    for name, size in sizes.items():
        redis.sadd("queues", name)
        for at in range(size):
            redis.lpush(f"queue:{name}", stored(jid=f"{name}-{at:03}", args=[at], queue=name))


@pytest.mark.both_servers
def test_queues_are_paused_resumed_and_deleted(redis: redis_py.Redis, redis_url: str) -> None:
    fill(redis, critical=3, default=40, mail=1)

    async def scenario(screen: Screen) -> None:
        await screen.sees("1-3 of 3", "critical", "default", " s ", "KiB")
        await screen.press("j", "p")
        await screen.sees("1 queue paused", lambda text: re.search(r"KiB  paused", text))
        assert redis.smembers("paused") == {b"default"}
        await screen.press("p")
        await screen.sees("1 queue resumed", lambda text: "KiB  paused" not in text)
        assert redis.smembers("paused") == set()
        await screen.press("D")
        await screen.sees("Delete the queue default, with 40 jobs?")
        await screen.press("n", "x", "k", "k", "x", "D")
        await screen.sees("Delete these 2 queues, with 43 jobs?")
        await screen.press("y")
        await screen.sees("43 jobs of 2 queues deleted", "1-1 of 1")
        assert redis.smembers("queues") == {b"mail"}

    run(redis_url, scenario)


def test_queues_are_filtered_by_name(redis: redis_py.Redis, redis_url: str) -> None:
    fill(redis, critical=3, default=4, mail=1)

    async def scenario(screen: Screen) -> None:
        await screen.sees("1-3 of 3")
        await screen.press("/")
        await screen.type("ai")
        await screen.press("enter")
        await screen.sees("filter ai", "1 found", "mail")
        await screen.misses("critical")

    run(redis_url, scenario)


def test_the_jobs_of_a_queue_the_next_to_run_first(redis: redis_py.Redis, redis_url: str) -> None:
    fill(redis, default=30)

    async def scenario(screen: Screen) -> None:
        await screen.sees("default")
        await screen.press("enter")
        text = await screen.sees("default 1-23 of 30", "default-000", "default-022")
        assert text.index("default-000") < text.index("default-001")
        await screen.press("l")
        await screen.sees("24-30 of 30", "default-029")
        await screen.press("h", "j", "enter")
        await screen.sees("the queue default", "default-001", "enqueued")
        await screen.press("D")
        await screen.sees("Delete this job?", "app.HardWorker default-001")
        await screen.press("y")
        await screen.sees("1 job deleted", "1-23 of 29")
        await screen.press("A")
        await screen.sees("23 selected")
        await screen.press("l")
        await screen.sees("24-29 of 29")
        await screen.press("A")
        await screen.sees("29 selected")
        await screen.press("A")
        await screen.sees("nothing is selected")
        await screen.press("h")
        await screen.sees("1-23 of 29")
        await screen.press("x", "x", "D")
        await screen.sees("Delete these 2 jobs of the queue default?")
        await screen.press("y")
        await screen.sees("2 jobs deleted", "of 27")
        left = [json.loads(raw)["jid"] for raw in redis.lrange("queue:default", 0, -1)]
        assert len(left) == 27
        assert "default-001" not in left
        await screen.press("/")
        await screen.type("jid:default-029")
        await screen.press("enter")
        await screen.sees("1 found; 27 of 27 looked at")
        await screen.press("escape", "escape")
        await screen.sees("Latency")

    run(redis_url, scenario)
