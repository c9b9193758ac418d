"""Whatever Redis holds is shown as it is: no control character reaches the terminal, nothing is read as markup."""

import asyncio
import json
import time
from datetime import UTC, datetime

import pytest
import redis as redis_py

from top_kit import Screen, add, failed, opened, process, stored

pytestmark = pytest.mark.timeout(60)

EVIL = "\x1b[31m\x07[red]R[/red][@click=app.quit]Q[/]\u202e\r\n\t\\"
SHOWN = "\\x1b[31m\\x07[red]R[/red][@click=app.quit]Q[/]\\u202e\\r\\n\\t\\"
HALF = "[/]["


def fill(redis: redis_py.Redis) -> None:
    fields = {"class": f"C{EVIL}", "args": [EVIL, {EVIL: EVIL}], "tags": [EVIL], "queue": EVIL, "other": {EVIL: HALF}}
    error = {
        "error_class": f"E{EVIL}",
        "error_message": f"M{EVIL}\n{HALF}",
        "error_backtrace": [EVIL, f"{EVIL}:1:in {EVIL}"],
    }
    for key in ("retry", "schedule", "dead"):
        evil, half = failed(jid=f"{key}{EVIL}", **fields, **error), failed(**{**fields, "jid": HALF, "class": HALF})
        add(redis, key, [half, evil] if key == "dead" else [evil, half])  # of the dead the latest comes first
    for name in (EVIL, HALF):
        redis.sadd("queues", name)
        redis.lpush(f"queue:{name}", stored(jid=f"jid{EVIL}", **fields))
    identity = f"host{EVIL}:1:abc"
    process(
        redis,
        identity,
        {f"tid{EVIL}": stored(jid=f"jid{EVIL}", **fields)},
        hostname=EVIL,
        tag=EVIL,
        labels=[EVIL],
        queues=[EVIL, HALF],
        version=f"fastkiq {EVIL}",
    )
    stack = json.dumps({"stack": [f"{EVIL}:1:in {EVIL}", HALF]})
    redis.hset(f"fastkiq:stacks:{identity}", mapping={"at": time.time() + 60, "threads": EVIL, f"tid{EVIL}": stack})
    now = datetime.now(UTC)
    for name in (f"C{EVIL}".replace("\r\n", ""), HALF):  # a name of several lines is left out with its minute
        redis.hset(f"j|{now:%y%m%d}|{now.hour}:{now:%M}", mapping={f"{name}|p": 3, f"{name}|f": 1, f"{name}|ms": 900})
    redis.hset(f"{now:%Y%m%d}-marks", f"{now:%Y-%m-%dT%H:%M}:00Z", EVIL)


def is_harmless(screen: Screen) -> None:
    for strip in screen.top.screen._compositor.render_strips():
        for segment in strip:
            assert segment.text.isprintable(), repr(segment.text)
            assert not any(key.startswith("@") for key in (segment.style.meta if segment.style else {})), segment
            assert segment.style is None or segment.style.link is None


@pytest.mark.parametrize("size", [(80, 24), (250, 60)], ids=str)
def test_hostile_contents_on_every_screen(redis: redis_py.Redis, redis_url: str, size: tuple[int, int]) -> None:
    fill(redis)
    wide = size[0] > 200

    async def scenario(screen: Screen) -> None:
        async def shows(*wanted: str) -> None:
            await screen.sees(*wanted)
            is_harmless(screen)

        await shows("Queues", "[/][", "\\x1b[31m")
        await screen.press("2")
        await shows("C\\x1b[31m", "host\\x1b[31m", *([SHOWN] if wide else []))
        await screen.press("T")
        await shows("Terminate", "host\\x1b[31m\\x07[red]R")
        await screen.press("n", "S")
        await shows("Stacks of all threads", SHOWN[:40])
        await screen.press("escape", "tab", "enter")
        await shows("runs in", "[@click=app.quit]Q[/]")
        await screen.press("S")
        await shows("Stack of jid\\x1b", HALF)
        await screen.press("3")
        await shows("Latency", SHOWN[:30], "[/][")
        await screen.press("p")
        await shows("paused")
        await screen.press("D")
        await shows("Delete the queue ")
        await screen.press("n", "enter")
        await shows("jid\\x1b" if wide else "C\\x1b")
        await screen.press("enter")
        await shows("Timeline", f'"{EVIL[1:4]}'.strip('"'))
        for tab, key in (("4", "schedule"), ("5", "retry"), ("6", "dead")):
            await screen.press(tab)
            await shows("C\\x1b[31m", "args")
            await screen.press("x", "k", "D")
            await shows("Delete")
            await screen.press("n", "escape", "k", "enter")
            await shows("Timeline", f"{key}\\x1b[31m")
            for _ in range(12):
                await screen.press("l")
                is_harmless(screen)
            if key != "schedule":
                await screen.press("escape", "g")
                await shows("groups", "E\\x1b[31m")
                await screen.press("D")
                await shows("Delete 1 job of 1 group?")
                await screen.press("n", "enter")
                await shows("filter group:", "1 found")
        await screen.press("7")
        await shows("C\\x1b[31m", "deploys")
        await screen.press("enter")
        await shows("Runs; the highest")
        await screen.press("1")
        await shows("Queues")
        assert screen.top.is_running

    async def within() -> None:
        async with opened(redis_url, size) as screen:
            await scenario(screen)

    asyncio.run(within())


def test_a_hostile_refusal_and_a_hostile_filter(redis: redis_py.Redis, redis_url: str) -> None:
    add(redis, "retry", [failed()])

    async def within() -> None:
        async with opened(redis_url) as screen:
            await screen.press("5", "/")
            screen.top._line.value = f"error:{EVIL}"
            await screen.press("enter")
            await screen.sees("0 found", "[red]R[/red]")
            is_harmless(screen)
            screen.top.say(f"refused {EVIL}")
            await screen.sees("refused \\x1b")
            is_harmless(screen)

    asyncio.run(within())
