"""`fastkiq top` without a terminal: what is on its screen, and what Redis holds for it."""

import asyncio
import base64
import json
import time
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import redis as redis_py
from textual import events
from textual.keys import _character_to_key
from textual.pilot import Pilot

from fastkiq.api import connect
from fastkiq.tui.app import Top


class Screen:
    """The application under test. Waits for what is to be seen, not for a time."""

    def __init__(self, top: Top, pilot: Pilot[None]) -> None:
        self.top = top
        self.pilot = pilot
        self.patience = 3.0
        """Seconds that a key waits, at most, for Redis to have answered the one before."""

    @property
    def text(self) -> str:
        """What is on the screen."""
        return "\n".join(strip.text for strip in self.top.screen._compositor.render_strips())

    @property
    def lines(self) -> list[str]:
        return [line.strip() for line in self.text.splitlines()]

    async def sees(self, *wanted: str | Callable[[str], object], within: float = 10.0) -> str:
        """Waits until all of it is on the screen; answers the screen."""
        deadline = time.monotonic() + within
        while True:
            text = self.text
            missing = [each for each in wanted if not (each(text) if callable(each) else each in text)]
            if not missing:
                return text
            assert time.monotonic() < deadline, f"{missing} is not on the screen:\n{text}"
            await asyncio.sleep(0.01)

    async def misses(self, *unwanted: str) -> str:
        """Waits until nothing of it is on the screen."""
        return await self.sees(lambda text: not any(each in text for each in unwanted))

    async def until(self, predicate: Callable[[], object], within: float = 10.0) -> None:
        """Waits while the application goes on."""
        deadline = time.monotonic() + within
        while not predicate():
            assert time.monotonic() < deadline, f"not within {within} s; the screen:\n{self.text}"
            await asyncio.sleep(0.01)

    async def press(self, *keys: str) -> None:
        """Keys as the terminal would send them, with a moment between them in which Redis answers. The pilot waits
        until the process is idle, which takes longer, since this application looks at Redis all the time."""
        driver = self.top._driver
        assert driver is not None
        for key in keys:
            name, character = (_character_to_key(key), key) if len(key) == 1 else (key, None)
            event = events.Key(name, character)
            event.set_sender(self.top)
            driver.send_message(event)
            await asyncio.sleep(0.01)
            patience = time.monotonic() + self.patience
            while time.monotonic() < patience:
                waiting = (self.top._message_queue, self.top.screen._message_queue)
                if not self.top._reader.is_busy and all(each.empty() for each in waiting):
                    break
                await asyncio.sleep(0.005)
            await asyncio.sleep(0.01)

    async def type(self, text: str) -> None:
        await self.press(*text)


@asynccontextmanager
async def opened(
    url: str, size: tuple[int, int] = (100, 30), *, read_only: bool = False, every: float = 0.1
) -> AsyncIterator[Screen]:
    """The application on a screen of this size, with its first answer."""
    top = Top(lambda: connect(url=url), "here:6379", read_only=read_only, every=every)
    async with top.run_test(size=size) as pilot:
        yield Screen(top, pilot)


def stored(**fields: Any) -> str:
    """A payload, with what is given over what is usual."""
    now = int(time.time() * 1_000)
    usual = {
        "retry": True,
        "queue": "default",
        "class": "app.HardWorker",
        "args": ["bob", 5],
        "jid": "0123456789abcdef01234567",
        "created_at": now - 60_000,
        "enqueued_at": now - 30_000,
    }
    return json.dumps({**usual, **fields}, separators=(",", ":"), ensure_ascii=False)


def failed(**fields: Any) -> str:
    """The payload of a job that failed."""
    now = int(time.time() * 1_000)
    lines = ["/srv/app/jobs.py:12:in HardWorker.perform", "/usr/lib/python3.12/site-packages/smtplib.py:341:in connect"]
    usual = {
        "error_class": "app.Declined",
        "error_message": "card 4242 was declined",
        "failed_at": now - 20_000,
        "retried_at": now - 10_000,
        "retry_count": 1,
        "error_backtrace": base64.b64encode(zlib.compress(json.dumps(lines).encode())).decode(),
    }
    return stored(**{**usual, **fields})


def add(redis: redis_py.Redis, key: str, payloads: list[str], first: float = 0.0) -> None:
    """Members a second apart; the first one falls due in an hour, of `dead` an hour ago."""
    start = first or time.time() + (-3_600 if key == "dead" else 3_600)
    redis.zadd(key, {payload: start + at for at, payload in enumerate(payloads)})


def process(redis: redis_py.Redis, identity: str, work: dict[str, str] | None = None, **info: Any) -> None:
    """A process with its beat; `work`: thread -> payload."""
    usual = {
        "hostname": identity.split(":")[0],
        "pid": 4000,
        "tag": "shop",
        "concurrency": 25,
        "queues": ["default"],
        "labels": [],
        "identity": identity,
        "version": "fastkiq 0.1.0",
        "started_at": time.time() - 60,
    }
    fields = {"info": json.dumps({**usual, **info}), "busy": len(work or {}), "concurrency": 25, "rss": 102_400}
    redis.sadd("processes", identity)
    redis.hset(identity, mapping={**fields, "beat": time.time(), "rtt_us": 340, "quiet": "false"})
    for at, (thread, payload) in enumerate((work or {}).items()):
        entry = {"queue": "default", "run_at": int(time.time()) - 100 + at, "payload": payload}
        redis.hset(f"{identity}:work", thread, json.dumps(entry))
