"""Runs by class, over time and by duration."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import redis as redis_py

from top_kit import Screen, opened

pytestmark = pytest.mark.timeout(30)


def count(redis: redis_py.Redis, at: datetime, name: str, processed: int, failed: int, milliseconds: int) -> None:
    values = {f"{name}|p": processed, f"{name}|f": failed, f"{name}|ms": milliseconds}
    redis.hset(f"j|{at:%y%m%d}|{at.hour}:{at:%M}", mapping=values)


@pytest.mark.both_servers
def test_classes_by_the_time_they_took_and_one_of_them(redis: redis_py.Redis, redis_url: str) -> None:
    now = datetime.now(UTC)
    for back in range(5, 15):
        count(redis, now - timedelta(minutes=back), "app.Slow", 2, 1, 3_000)
        count(redis, now - timedelta(minutes=back), "app.Quick", 100, 0, 500)
    count(redis, now - timedelta(minutes=100), "app.Earlier", 5, 0, 10)
    at = now - timedelta(minutes=6)
    redis.hset(f"{at:%Y%m%d}-marks", f"{at:%Y-%m-%dT%H:%M}:00Z", "v1.42")
    buckets = bytearray(52)
    buckets[2 * 3 + 1], buckets[2 * 5 + 1] = 8, 2
    redis.set(f"h|app.Slow-{at.day}-{at.hour}:{at.minute}", bytes(buckets))

    async def scenario(screen: Screen) -> None:
        await screen.press("7")
        text = await screen.sees("last 1h · 1-2 of 2", "deploys", "v1.42")
        slow, quick = (next(line for line in screen.lines if name in line) for name in ("app.Slow", "app.Quick"))
        assert text.index("app.Slow") < text.index("app.Quick")
        assert slow.split()[1:6] == ["app.Slow", "20", "10", "30", "s"]
        assert "3.0 s" in slow, "the average of those that went well"
        assert "5.0 ms" in quick
        assert "█" in slow
        await screen.press("p")
        await screen.sees("last 2h", "app.Earlier")
        await screen.press("/")
        await screen.type("Slow")
        await screen.press("enter")
        await screen.sees("filter Slow")
        await screen.misses("app.Quick")
        await screen.press("enter")
        text = await screen.sees("20 runs, 10 failed, 30 s in all, 3.0 s on average", "Runs by duration", "v1.42")
        eight, two = (next(line for line in screen.lines if line.startswith(bound)) for bound in ("65 ms", "150 ms"))
        assert (eight.split()[2], two.split()[2]) == ("8", "2")
        assert eight.count("█") == 4 * two.count("█") > 0
        await screen.press("p")
        await screen.sees("last 4h")
        await screen.press("escape")
        await screen.sees("filter Slow")
        await screen.press("x", "A")
        await screen.misses("selected")

    async def within() -> None:
        async with opened(redis_url, (110, 50)) as screen:
            await scenario(screen)

    asyncio.run(within())
