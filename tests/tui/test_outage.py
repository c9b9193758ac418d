"""Redis away, slow or silent: the screen says so, keeps what it had, hears keys, and goes on."""

import asyncio
import time
from collections.abc import Callable

import pytest
import redis as redis_py

import fastkiq
from fastkiq.api import connect
from fastkiq.config import Config
from fastkiq.tui.app import Top
from proxy import Proxy
from servers import Server
from top_kit import Screen, add, failed, opened

pytestmark = pytest.mark.timeout(60)


def test_an_outage_is_told_and_the_last_state_stays(start_server: Callable[..., Server]) -> None:
    server = start_server()
    with server.client() as client:
        add(client, "retry", [failed(jid="before")])

    async def within() -> None:
        async with opened(server.url) as screen:
            await screen.press("5")
            await screen.sees("1-1 of 1", "app.HardWorker")
            server.kill()
            await screen.sees("Redis is away: ", "this is old, of ", "app.HardWorker")
            await screen.press("4")
            await screen.sees("Redis is away", "…")
            await screen.press("5", "D")
            await screen.sees("y yes")
            await screen.press("y")
            await screen.sees("app.HardWorker", "efused")
            server.start()
            with server.client() as client:
                add(client, "retry", [failed(jid="a"), failed(jid="b", args=["after"])])
            await screen.sees("1-2 of 2")
            await screen.misses("Redis is away")

    asyncio.run(within())


def test_no_redis_at_the_start_is_no_reason_to_end(start_server: Callable[..., Server]) -> None:
    server = start_server()
    server.kill()

    async def within() -> None:
        async with opened(server.url) as screen:
            await screen.sees("Redis is away: ", "…")
            server.start()
            await screen.misses("Redis is away")
            await screen.sees("0 processed, 0 failed")

    asyncio.run(within())


def test_a_redis_that_refuses_is_told(redis: redis_py.Redis, redis_url: str) -> None:
    redis.acl_setuser("peeker", enabled=True, passwords=["+secret"], keys=["*"], commands=["+@all", "-info"])
    try:

        async def within() -> None:
            async with opened(redis_url.replace("redis://", "redis://peeker:secret@")) as screen:
                await screen.sees("Redis refuses: ")
                assert "secret" not in screen.text
                await screen.press("3")
                await screen.misses("Redis refuses")

        asyncio.run(within())
    finally:
        redis.acl_deluser("peeker")


def test_a_silent_redis_freezes_no_key_and_piles_nothing_up(
    redis: redis_py.Redis, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(redis, "retry", [failed(jid=f"jid-{at}") for at in range(5)])
    config = Config(redis_url=proxy.url, redis_timeout=30.0)
    calls = []

    def counted() -> object:
        calls.append(time.monotonic())
        return connect(config)

    monkeypatch.setattr("fastkiq.tui.app.PATIENCE", 0.3)
    monkeypatch.setattr("fastkiq.tui.head.PATIENCE", 0.3)

    async def within() -> None:
        top = Top(counted, "here", every=0.05)  # type: ignore[arg-type]
        async with top.run_test(size=(100, 30)) as pilot:
            screen = Screen(top, pilot)
            await screen.press("5")
            await screen.sees("1-5 of 5")
            proxy.stall()
            await screen.sees("Redis has not answered for ", "this is old", within=20)
            screen.patience = 0.05  # no answer comes
            asked, began = len(calls), time.monotonic()
            for _ in range(3):
                await screen.press("j", "4", "5", "l", "h", "x", "escape", "?", "escape")
            await screen.sees("app.HardWorker", "Redis has not answered")
            assert time.monotonic() - began < 30, "27 keys, on a loaded machine"
            assert len(calls) == asked, "one question is under way, all others wait"
            proxy.stall(False)
            await screen.misses("Redis has not answered")
            await screen.sees("1-5 of 5")

    asyncio.run(within())


def test_it_ends_at_once_while_redis_is_silent(redis: redis_py.Redis, proxy: Proxy) -> None:
    async def within() -> float:
        async with opened(proxy.url) as screen:
            await screen.sees("0 processed")
            proxy.stall()
            await screen.until(lambda: screen.top.waits > 0.2)
            return time.monotonic()

    began = asyncio.run(within())
    assert time.monotonic() - began < 4, f"the timeout is {fastkiq.Config().redis_timeout} s"
    proxy.stall(False)
