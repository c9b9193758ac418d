"""Running what a test holds with the parts of a worker process: its processors, its middleware, its retry policy."""

import os
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from fastkiq import registry
from fastkiq.errors import Control, FastkiqError, UnknownWorker
from fastkiq.policy import RetryPolicy
from fastkiq.processor import Processor, leave_forked_child

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastkiq._core import Unit
    from fastkiq.config import Config
    from fastkiq.registry import Entry
    from fastkiq.testing.kept import Kept


class Runner:
    """Runs one job after the other. What comes out of a job comes out of `run`, or goes to the retry policy.

    `retries`: failures go to the policy; `steered`: only what a job raises to steer itself (Snooze and so on) does.
    Neither takes KeyboardInterrupt, cancellation, or what a test framework raises to end a test.
    """

    def __init__(self, config: "Config", clock: "Callable[[], float]", *, retries: bool, steered: bool = True) -> None:
        self._policy = _Policy(config, clock, retries=retries, steered=steered)
        self._chain = config.server_middleware
        self._pid = os.getpid()

    def run(self, kept: "Kept") -> None:
        """In this thread; an asynchronous job on an event loop of its own."""
        if _is_async(kept):
            import asyncio

            if asyncio._get_running_loop() is not None:
                raise FastkiqError(
                    f"{kept.class_name} is asynchronous and an event loop runs in this thread: await the test's "
                    "jobs (`adrain`, `adrain_one`, `adrain_all`), or enqueue with `aperform_async` when it runs inline"
                )
            asyncio.run(self.arun(kept))
            return
        self._run_here(kept)
        self._policy.let_out()

    async def arun(self, kept: "Kept") -> None:
        """On this event loop; a job that is not asynchronous in a thread."""
        import asyncio

        if _is_async(kept):
            from fastkiq.aio import AsyncProcessor

            kept.fate = "runs"
            perform = AsyncProcessor(_NO_SERVER, self._policy, self._chain, verbose=False)._perform(_unit(kept))
            await asyncio.get_running_loop().create_task(perform, context=copy_context())
        else:
            await asyncio.to_thread(self._run_here, kept)
        self._policy.let_out()

    def _run_here(self, kept: "Kept") -> None:
        kept.fate = "runs"
        processor = Processor(_NO_SERVER, "test", self._policy, self._chain, verbose=False)
        copy_context().run(processor._perform, _unit(kept))
        if os.getpid() != self._pid:  # the job has forked, and its child has come to the end of the job
            leave_forked_child(SystemExit(0))


_NO_SERVER: Any = None  # processors ask it for jobs, and here nobody does


def _unit(kept: Any) -> "Unit":
    unit: Unit = kept
    return unit


def _is_async(kept: "Kept") -> bool:
    worker = kept.worker
    return worker is not None and worker.is_async


class _Policy(RetryPolicy):
    """The policy of workers without its jitter, so that tests can say when a job is due. Keeps what is to come out."""

    def __init__(self, config: "Config", clock: "Callable[[], float]", *, retries: bool, steered: bool) -> None:
        super().__init__(config, clock=clock, jitter=lambda _: 0)
        self._taken: tuple[type[BaseException], ...] = (
            (Exception, SystemExit) if retries else (Control,) if steered else ()
        )
        self._retries = retries
        self._raised: BaseException | None = None

    def failed(self, unit: "Unit", entry: "Entry", error: BaseException, elapsed: float) -> None:
        if isinstance(error, self._taken):
            super().failed(unit, entry, error, elapsed)
        else:
            self._raised = error

    def unknown(self, unit: "Unit") -> None:
        if self._retries:
            super().unknown(unit)
        else:
            self._raised = UnknownWorker(registry.unknown(unit.class_name))

    def let_out(self) -> None:
        """Raises what the last job raised, with its own traceback."""
        __tracebackhide__ = True
        error, self._raised = self._raised, None
        if error is not None:
            try:
                raise error
            finally:
                del error
