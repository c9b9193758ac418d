"""Starlette: a lifespan that closes what enqueueing has opened and, if asked, runs workers inside the web process.

How it is used, and what holds for FastAPI as well: docs/fastapi.md.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from fastkiq import client
from fastkiq import config as configuration
from fastkiq.errors import RedisError

if TYPE_CHECKING:
    from fastkiq.in_process import InProcess

Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]


def lifespan(inner: Lifespan | None = None, *, workers: bool = False, **settings: Any) -> Lifespan:
    """`Starlette(lifespan=lifespan(workers=True, concurrency=5))`; `settings` as for `fastkiq.configure`.

    `inner` is the application's own lifespan: opened before the workers start, closed after they have stopped, so that
    their jobs may use what it opens. With `workers` jobs run on threads of this process, in each process of the web
    server; their start and stop do not hold up the event loop. At the end running jobs get `timeout` seconds (25 by
    default). Starting raises ConfigError; with `workers` also RedisError when Redis cannot be used.
    """

    @asynccontextmanager
    async def opened(app: Any) -> AsyncGenerator[Any]:
        configuration.configure(**settings)
        try:
            async with nullcontext() if inner is None else inner(app) as state:
                running = await asyncio.to_thread(_start) if workers else None
                try:
                    yield state
                finally:
                    if running is not None:
                        await asyncio.to_thread(running.stop)
        finally:
            await asyncio.to_thread(_close)

    return opened


def _start() -> "InProcess":
    from fastkiq.in_process import run_in_process  # only here: who merely enqueues need not load the workers

    return run_in_process()


def _close() -> None:
    used = client.default()
    if used.buffered:
        with suppress(RedisError):  # the exit handler tries once more, and tells how many are lost
            used.flush_buffer()
    if not used.buffered:
        used.close()
