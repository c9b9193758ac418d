"""The event loop: every coroutine is run once, settled once, and none of them ends the loop."""

import asyncio
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import fastkiq
from fakes import FakeServer, FakeUnit, define
from fastkiq import context
from fastkiq.aio import AsyncProcessor
from fastkiq.config import Config
from fastkiq.policy import RetryPolicy
from processor_kit import config, outcomes, server, variable
from servers import wait_until

__all__ = ["config", "server"]


@pytest.fixture
def loop(server: FakeServer, config: Config) -> Iterator[AsyncProcessor]:
    made = AsyncProcessor(server, RetryPolicy(config), config.server_middleware, verbose=False)  # type: ignore[arg-type]
    yield made
    made.finish()
    if made.ident is not None:
        made.join(10)
        assert not made.is_alive()


def settled(*units: FakeUnit) -> list[str]:
    wait_until(lambda: all(unit.outcome for unit in units), 10, "every unit to be settled")
    return outcomes(*units)


def test_coroutines_run_side_by_side_each_in_its_own_context(loop: AsyncProcessor, server: FakeServer) -> None:
    seen: list[str] = []
    together = asyncio.Barrier(3)

    async def perform(self: Any, name: str) -> None:
        seen.append(variable.get())
        variable.set(name)
        await asyncio.wait_for(together.wait(), 10)
        assert variable.get() == name
        assert context.current.get() is self

    entry = define(perform)
    units = [server.push_async(FakeUnit(entry, args=[name])) for name in "abc"]
    loop.start()
    assert settled(*units) == ["done"] * 3
    assert seen == ["clean"] * 3


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(2), KeyboardInterrupt(), asyncio.CancelledError()])
def test_no_exception_ends_the_loop(loop: AsyncProcessor, server: FakeServer, error: BaseException) -> None:
    async def perform(self: Any, fails: bool) -> None:
        await asyncio.sleep(0)
        if fails:
            raise error

    entry = define(perform)
    loop.start()
    for fails, outcome in ((True, "retry"), (False, "done")):
        assert settled(server.push_async(FakeUnit(entry, args=[fails]))) == [outcome]


def test_sync_and_async_middleware_around_coroutines(loop: AsyncProcessor, server: FakeServer, config: Config) -> None:
    seen: list[str] = []

    def plain(worker: Any, job: fastkiq.Job) -> Iterator[None]:
        seen.append("plain in")
        yield
        seen.append("plain out")

    async def perform(self: Any) -> None:
        await asyncio.sleep(0)
        seen.append("ran")

    config.server_middleware.add(plain)
    own = AsyncProcessor(server, RetryPolicy(config), config.server_middleware, verbose=True)  # type: ignore[arg-type]
    own.start()
    assert settled(server.push_async(FakeUnit(define(perform)))) == ["done"]
    own.finish()
    own.join(10)
    assert seen == ["plain in", "ran", "plain out"]


def test_cancelled_at_the_deadline_is_given_back(server: FakeServer, config: Config) -> None:
    policy = RetryPolicy(config)
    runner = AsyncProcessor(server, policy, config.server_middleware, verbose=False)  # type: ignore[arg-type]
    started = threading.Event()

    async def perform(self: Any) -> None:
        started.set()
        await asyncio.sleep(3600)

    unit = server.push_async(FakeUnit(define(perform)))
    runner.start()
    assert started.wait(10)
    policy.stopping = True
    runner.cancel()
    assert settled(unit) == ["give_back"]
    runner.finish()
    runner.join(10)
    assert not runner.is_alive()


def test_a_loop_told_to_finish_before_it_began_ends(server: FakeServer, config: Config) -> None:
    runner = AsyncProcessor(server, RetryPolicy(config), config.server_middleware, verbose=False)  # type: ignore[arg-type]
    runner.finish()
    runner.start()
    runner.join(10)
    assert not runner.is_alive()


def test_at_most_once_coroutines_do_not_block_the_loop(loop: AsyncProcessor, server: FakeServer) -> None:
    async def perform(self: Any) -> None:
        return None

    unit = FakeUnit(define(perform, ack="start"))
    other = FakeUnit(define(perform, name="other"))
    release = threading.Event()
    unit.begin = lambda: release.wait(10)  # type: ignore[method-assign]
    server.push_async(unit)
    server.push_async(other)
    loop.start()
    assert settled(other) == ["done"], "while the first one waits for its ack"
    release.set()
    assert settled(unit) == ["done"]


def test_the_loop_is_uvloops_when_it_is_installed(
    loop: AsyncProcessor, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[asyncio.AbstractEventLoop] = []

    def new_event_loop() -> asyncio.AbstractEventLoop:
        made.append(asyncio.new_event_loop())
        return made[-1]

    async def perform(self: Any) -> None:
        assert made == [asyncio.get_running_loop()]

    monkeypatch.setitem(sys.modules, "uvloop", SimpleNamespace(new_event_loop=new_event_loop))
    loop.start()
    assert settled(server.push_async(FakeUnit(define(perform)))) == ["done"]
