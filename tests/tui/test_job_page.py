"""The page of one job."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

import pytest
import redis as redis_py

from top_kit import Screen, add, failed, opened, stored

pytestmark = pytest.mark.timeout(30)


def run(url: str, scenario: Callable[[Screen], Awaitable[None]], size: tuple[int, int] = (100, 50)) -> None:
    async def within() -> None:
        async with opened(url, size) as screen:
            await screen.press("5")
            await screen.sees("1-1 of 1")
            await screen.press("enter")
            await screen.sees("Timeline")
            await scenario(screen)

    asyncio.run(within())


def test_all_that_there_is_to_say_about_a_failed_job(redis: redis_py.Redis, redis_url: str) -> None:
    add(redis, "retry", [failed(tags=["a", "b"], args=["x" * 60, {"k": [1, None, "y" * 60]}], cattr={"user": 7})])

    async def scenario(screen: Screen) -> None:
        text = await screen.sees("retries, ", "0123456789abcdef01234567", "a, b", "failed again (2 times in all)")
        assert "runs again" in text
        assert '    "k": [' in text, "readable JSON"
        assert "app.Declined\ncard 4242 was declined" in "\n".join(screen.lines)
        at = screen.lines.index("HardWorker.perform")
        assert screen.lines[at + 1] == "/srv/app/jobs.py:12"
        assert '{"cattr": {"user": 7}}' in text

    run(redis_url, scenario)


def test_a_long_page_is_scrolled(redis: redis_py.Redis, redis_url: str) -> None:
    add(redis, "retry", [failed(args=list(range(300)))])

    async def scenario(screen: Screen) -> None:
        await screen.sees("lines 1-18 of ")
        await screen.press("l")
        await screen.sees("lines 18-35 of ")
        await screen.press("j", "k", "j", "end")
        await screen.sees("card 4242 was declined", "smtplib.py:341")
        await screen.press("home")
        await screen.sees("lines 1-18")

    run(redis_url, scenario, (80, 24))


def test_a_job_that_has_gone_says_so_and_one_that_failed_again_is_gone_from_there(
    redis: redis_py.Redis, redis_url: str
) -> None:
    add(redis, "retry", [failed()])

    async def scenario(screen: Screen) -> None:
        redis.delete("retry")
        await screen.sees("It is not here any more, as it was at", "card 4242")
        await screen.press("R")
        await screen.sees("y yes")
        await screen.press("y")
        await screen.sees("0 jobs retried; 1 were gone already")
        assert redis.llen("queue:default") == 0

    run(redis_url, scenario)


def test_an_action_on_the_page_goes_back_to_the_list(redis: redis_py.Redis, redis_url: str) -> None:
    add(redis, "retry", [failed()])

    async def scenario(screen: Screen) -> None:
        await screen.press("E")
        await screen.misses("Enqueue this")
        await screen.press("K")
        await screen.sees("Kill this job?", "app.HardWorker 0123456789abcdef01234567")
        await screen.press("y")
        await screen.sees("1 job killed", "no retries")
        assert (redis.zcard("retry"), redis.zcard("dead")) == (0, 1)

    run(redis_url, scenario)


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff\x00 no JSON",
        b"[1,2]",
        b'{"class":7,"args":"x","jid":null,"queue":[],"tags":{}}',
        b'{"class":"a","args":[1e999,' + b"9" * 5_000 + b'],"jid":"j","error_backtrace":"%%%","error_message":5}',
        ('{"class":"a","jid":"j","args":' + "[" * 90 + "]" * 90 + "}").encode(),
        stored(args=["z" * 2_000_000]).encode(),
        failed(error_message="\n".join(f"line {at}" for at in range(5_000)), at="soon", created_at="x").encode(),
    ],
)
def test_what_no_job_can_be_made_of_is_shown_and_can_be_deleted(
    redis: redis_py.Redis, redis_url: str, raw: bytes
) -> None:
    redis.zadd("retry", {raw: time.time() + 60})

    async def scenario(screen: Screen) -> None:
        await screen.press("end", "home", "D")
        await screen.sees("y yes")
        await screen.press("y")
        await screen.sees("1 job deleted")
        assert redis.zcard("retry") == 0

    run(redis_url, scenario)


def test_encrypted_arguments_are_not_shown(redis: redis_py.Redis, redis_url: str) -> None:
    add(redis, "retry", [json.dumps({**json.loads(failed()), "encrypt": True, "args": [1, "c2VjcmV0"]})])

    async def scenario(screen: Screen) -> None:
        text = await screen.sees("encrypted")
        assert "c2VjcmV0" not in text

    run(redis_url, scenario)
