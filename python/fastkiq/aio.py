"""The event loop thread: runs the jobs whose `perform` is a coroutine, beside the worker threads."""

import asyncio
import contextvars
import os
from collections.abc import Callable
from importlib import import_module
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from fastkiq import context, runs
from fastkiq.logging import about, logger
from fastkiq.processor import SLOW, leave_forked_child
from fastkiq.stacks import of_coroutine

if TYPE_CHECKING:
    from fastkiq._core import Server, Unit
    from fastkiq.middleware import Chain
    from fastkiq.policy import RetryPolicy
    from fastkiq.registry import Entry


class AsyncProcessor(Thread):
    """One loop, one task a job. The server caps the tasks and says through a file descriptor when there is work."""

    def __init__(self, server: "Server", policy: "RetryPolicy", chain: "Chain", *, verbose: bool) -> None:
        super().__init__(name="fastkiq-async", daemon=True)
        self.seat = "async"  # what the core calls every coroutine's thread
        self._server = server
        self._policy = policy
        self._run = chain.arun
        self._verbose = verbose
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = asyncio.Event()
        self._tasks: dict[asyncio.Task[None], Unit] = {}
        self._finishing = False
        self._pid = os.getpid()

    def run(self) -> None:
        """The thread's body: until `finish`, whatever jobs do to their loop.

        One that stops it, cancels all tasks or lets a SystemExit out of a callback ends a round, not the other jobs:
        they go on in the next round of the same loop.
        """
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            while True:
                try:
                    runner.run(self._serve())
                    return
                except BaseException:
                    logger.exception("a job or a callback has stopped the event loop; it goes on")
                    sleep(0.1)  # should it come to that, no faster than this

    def cancel(self) -> None:
        """At the stop deadline: their jobs are back in the queues, so what still runs is cancelled."""
        self._on_loop(lambda: [task.cancel() for task in self._tasks])

    def stacks(self, seconds: float) -> dict[str, list[str]] | None:
        """The stack of each job by its tid; None when the loop does not answer within so many seconds."""
        told: SimpleQueue[dict[str, list[str]]] = SimpleQueue()
        self._on_loop(lambda: told.put({unit.tid: of_coroutine(task.get_coro()) for task, unit in self._tasks.items()}))
        try:
            return told.get(timeout=seconds)
        except Empty:
            return None

    def finish(self) -> None:
        """Lets the loop end when its tasks have."""
        self._finishing = True
        self._on_loop(self._over.set)

    def _on_loop(self, call: Callable[[], object]) -> None:
        if self._loop is None:
            return
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:  # closed: there is nothing left to say to it
            logger.debug("the event loop has ended")

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._server.async_fd, self._take)
        self._take()
        if not self._finishing:  # said before there was a loop to say it to
            await self._over.wait()
        self._loop.remove_reader(self._server.async_fd)
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _take(self) -> None:
        loop = asyncio.get_running_loop()
        while (unit := self._server.next_async()) is not None:
            task = loop.create_task(self._perform(unit), context=contextvars.copy_context())
            self._tasks[task] = unit
            task.add_done_callback(self._tasks.pop)

    async def _perform(self, unit: "Unit") -> None:
        """Never raises: a SystemExit out of a task would end the loop."""
        entry: Entry = unit.worker
        started = monotonic()
        try:
            if self._verbose:
                logger.debug("start", extra=about(unit.class_name, unit.jid, unit.queue))
            if entry.ack_start and not await asyncio.to_thread(unit.begin):
                return
            instance: Any = entry.worker()
            instance._unit = unit
            context.current.set(instance)
            if not entry.plain:
                await runs.arun(self._run, instance, unit, entry, self._policy)
            elif self._run is None:
                await instance.perform(*unit.args)
            else:
                await self._run(lambda: instance.perform(*unit.args), instance, instance.job)
            if os.getpid() != self._pid:
                leave_forked_child(SystemExit(0))
            unit.done()
            elapsed = monotonic() - started
            if elapsed > SLOW:
                logger.info("done after %.1f s", elapsed, extra=about(unit.class_name, unit.jid, unit.queue, elapsed))
            elif self._verbose:
                logger.debug("end", extra=about(unit.class_name, unit.jid, unit.queue, elapsed))
        except BaseException as error:
            if os.getpid() != self._pid:
                leave_forked_child(error)
            elapsed = monotonic() - started
            if not entry.may_keep or isinstance(error, GeneratorExit):
                self._policy.failed(unit, entry, error, elapsed)
            else:  # it writes to Redis, which may be away
                await asyncio.to_thread(self._policy.failed, unit, entry, error, elapsed)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's when it is installed; None takes asyncio's own."""
    try:
        uvloop = import_module("uvloop")
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
