"""Boots a server process, answers what its core asks for, quiets it and stops it."""

import os
import socket
from collections import defaultdict
from collections.abc import Callable
from itertools import count
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from fastkiq import _core, context, events, registry
from fastkiq.boot_checks import BootError, refuse_old, warnings
from fastkiq.capsules import served
from fastkiq.cron import declared
from fastkiq.errors import ForkedError, Shutdown
from fastkiq.logging import OF_PROCESS, logger, stacks
from fastkiq.policy import RetryPolicy
from fastkiq.printable import counted, printable
from fastkiq.processor import Processor
from fastkiq.reporter import Reporter
from fastkiq.stacks import Stacks

if TYPE_CHECKING:
    from fastkiq.aio import AsyncProcessor
    from fastkiq.config import Config

GRACE: Final = 3.0
"""Seconds that jobs get for their `finally` blocks after Shutdown was raised in them."""
SLICE: Final = 0.1
"""Seconds between two looks at whoever may be in a hurry while jobs end."""


class Launcher:
    """One server and its threads: `start`, then `attend` whenever `event_fd` is readable, at last `stop`.

    All on one thread, the one that called `start`.
    """

    def __init__(self, config: "Config") -> None:
        self.config = config
        self._recurring = declared.declared(config) if config.recurring else []
        given = server_options(config) | {"cron": [each.to_json() for each in self._recurring]}
        self.server = _core.Server(config.resolved_url(watch=True), registry.table(), given)
        self.policy = RetryPolicy(config)
        self.stop_asked = False
        """Somebody outside asked for a stop, through `<identity>-signals`."""
        self._capsules = served(config)
        self._numbers = [count(1) for _ in self._capsules]
        self._threads: list[Processor] = []
        self._async: AsyncProcessor | None = None
        self._reporter = Reporter(config, self.server)
        self._stacks = Stacks(self.server, self._threads, lambda: self._async)
        self._pid = os.getpid()
        self._quiet = False

    def start(self) -> None:
        """Startup hooks, connection, checks of the server. Raises what a hook raised, RedisError, BootError."""
        queues = {name for capsule in self._capsules for name, _ in capsule.queues}
        said = (*self.config.notices, *unserved(self.config), *declared.warnings(self._recurring, queues))
        for warning in said:
            logger.warning("%s", warning)
        context.ask_to_stop(False)
        self._serve_health()
        try:
            events.fire(self.config, "startup")
            self.server.start()
            refuse_old(self.server.info())
            for warning in warnings(self.server.info()):
                logger.warning("%s", warning, extra={OF_PROCESS: True})
            if any(entry.is_async for entry in registry.entries()):
                self._start_async()
            self._reporter.start()
        except BaseException:
            self.server.stop()
            self.server.end_health()
            raise

    def _serve_health(self) -> None:
        """Before all else: supervisors see a process that starts, and a port in use before it has begun anything."""
        if self.config.health is None:
            return
        try:
            address = self.server.serve_health(self.config.health)
        except OSError as error:
            raise BootError(f"{self.config.source('health')}: no health at {self.config.health}: {error}") from None
        logger.info("health: http://%s/live, /ready and /metrics", address)

    def attend(self) -> None:
        """Answers the core's events."""
        for event in self.server.events():
            match event:
                case ("spawn", capsule):
                    self._spawn(capsule)
                case ("signal", name):
                    self.signal(name)
                case _:
                    self._reporter.tell(event)

    def signal(self, name: str) -> None:
        """TERM asks for a stop, TSTP quiets, TTIN logs what every thread does, STACKS shows it in Redis."""
        if name == "TERM":
            self.stop_asked = True
        elif name == "TSTP":
            self.quiet()
        elif name in ("TTIN", "INFO"):
            logger.warning("asked for every thread's stack:\n%s", stacks())
        elif name == "STACKS":
            self._stacks.ask()
        else:
            logger.warning("unknown signal %s ignored", printable(name, 40))

    def quiet(self) -> None:
        """Takes no more jobs; those that run go on. There is no way back."""
        self._refuse_child()
        if self._quiet:
            return
        self._quiet = True
        self.server.quiet()
        logger.info("quiet: no more jobs are taken")
        context.ask_to_stop()
        events.fire(self.config, "quiet")

    def wait(self, seconds: float) -> bool:
        """Whether nothing runs; waits for it that long, and attends to events."""
        idle = self.server.wait_idle(seconds)
        self.attend()
        return idle

    def begin_stop(self) -> None:
        """Quiets and runs the shutdown hooks. `wait` comes next."""
        self.quiet()
        events.fire(self.config, "shutdown")

    def stop(self, hurried: Callable[[], bool] = lambda: False) -> bool:
        """Ends what still runs: it goes back to its queue first, then the jobs hear of it and get GRACE seconds, or no
        more once `hurried()` is true.

        Answers whether all threads have ended; those that have not are daemons.
        """
        self._refuse_child()
        self.quiet()
        deadline = monotonic() + GRACE
        late = {name for name, *_ in self.server.running()}
        self.policy.stopping = True
        if late:
            returned = self.server.give_back_running()
            why = "stopped at once" if hurried() else "out of time"
            logger.warning("%s, so back in their queues: %s", why, counted(returned, "job"))
            for thread in self._threads:
                if thread.seat in late and thread.ident is not None:
                    _core.raise_in_thread(thread.ident, Shutdown)
            if self._async is not None:
                self._async.cancel()
        self.attend()
        self.server.stop()
        clean = self._join(deadline, hurried, late)
        events.fire(self.config, "exit")
        self.server.end_health()
        return clean

    def _join(self, deadline: float, hurried: Callable[[], bool], late: set[str]) -> bool:
        threads: list[Processor | AsyncProcessor] = [
            *self._threads,
            *([self._async] if self._async is not None else []),
        ]
        if self._async is not None:
            self._async.finish()
        for thread in threads:
            while thread.is_alive() and monotonic() < deadline and not hurried():
                thread.join(min(SLICE, max(0.0, deadline - monotonic())))
        hung = [thread for thread in threads if thread.is_alive()]
        # The others have nothing to run, and were about to end when the stop had to hurry.
        if names := [each.name for each in hung if each.seat in late]:
            logger.warning("still running, and left behind: %s", ", ".join(names), extra={OF_PROCESS: True})
        self.attend()
        self._reporter.finish(max(0.1, deadline - monotonic()))
        return not hung

    def _spawn(self, capsule: int) -> None:
        thread = Processor(
            self.server,
            f"fastkiq-{self._capsules[capsule].name}-{next(self._numbers[capsule])}",
            self.policy,
            self.config.server_middleware,
            capsule=capsule,
            verbose=self._verbose,
        )
        try:
            thread.start()
        except RuntimeError as error:  # the system gives us no more threads: those that are there go on
            logger.warning("no more worker threads than %d: %s", len(self._threads), error)
            self.server.processor(thread.seat, capsule)  # let go of at once: the core no longer counts on this thread
            return
        self._threads.append(thread)

    def _start_async(self) -> None:
        from fastkiq.aio import AsyncProcessor

        self._async = AsyncProcessor(self.server, self.policy, self.config.server_middleware, verbose=self._verbose)
        self._async.start()

    @property
    def _verbose(self) -> bool:
        return logger.isEnabledFor(10)

    def _refuse_child(self) -> None:
        if os.getpid() != self._pid:
            raise ForkedError("the workers belong to the parent process; a forked child cannot steer them")


def server_options(config: "Config") -> dict[str, Any]:
    """The settings in the core's words."""
    default, *others = served(config)
    return {
        "queues": default.queues,
        "concurrency": default.concurrency,
        "async_concurrency": default.async_concurrency,
        "capsules": others,
        "fetch": config.fetch,
        "lease": config.lease,
        "tag": config.tag if config.tag is not None else Path.cwd().name,
        "labels": config.labels,
        "hostname": os.environ.get("DYNO") or socket.gethostname(),
        "version": _core.__version__,
        "poll_interval": config.poll_interval_average,
        "dead_max": config.dead_max_jobs,
        "dead_timeout": config.dead_timeout_in_seconds,
        "compat": config.compat,
        "max_bytes": config.max_payload_bytes,
        "connect_timeout": config.connect_timeout,
        "timeout": config.redis_timeout,
    }


def unserved(config: "Config") -> list[str]:
    """A warning for each queue that loaded workers use and this process does not serve."""
    here = {name for capsule in served(config) for name, _ in capsule.queues}
    missing: dict[str, list[str]] = defaultdict(list)
    for entry in registry.entries():
        for queue in {entry.options["queue"], entry.options.get("retry_queue", entry.options["queue"])} - here:
            if entry.signature is not None:
                missing[queue].append(entry.name)
    return [
        f"this process does not serve the queue {queue!r} of {', '.join(sorted(names)[:5])}"
        + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        + f" (-q {queue})"
        for queue, names in sorted(missing.items())
    ]
