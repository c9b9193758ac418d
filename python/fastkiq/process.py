"""A server process in the foreground: `fastkiq process` from its first signal to its exit code."""

import atexit
import gc
import logging
import os
import selectors
import sys
from collections.abc import Callable
from contextlib import suppress
from threading import Timer
from time import monotonic
from typing import TYPE_CHECKING, Final

from fastkiq.drain import PAUSE, Drain
from fastkiq.errors import RedisError
from fastkiq.launcher import GRACE, SLICE, Launcher
from fastkiq.logging import logger
from fastkiq.printable import counted
from fastkiq.signals import Signals

if TYPE_CHECKING:
    from fastkiq.config import Config

_INTERRUPTED: Final = 130


class Process:
    """Runs until it is told to stop. Exit codes: 0 stopped or drained as asked, 130 stopped at once by a second INT."""

    def __init__(self, config: "Config", drain: float | None = None) -> None:
        self._config = config
        self._drain_horizon = drain
        self._signals = Signals()
        self._launcher = Launcher(config)
        self._stopping = False
        self._at_once = False
        self._exit_code = 1
        self.started = False

    def run(self, booted: Callable[[Launcher], None], drained: Callable[[str], None]) -> int:
        """Raises what `Launcher.start` raises; after that only the exit code tells. `booted` shows the banner."""
        with self._signals:
            self._start()
            try:
                # What boot made stays for good: no later collection needs to look at it, nor a fork to copy its pages.
                gc.collect()
                gc.freeze()
                booted(self._launcher)
                if report := self._serve():
                    drained(report)
            finally:
                self._stop()
            return self._exit_code

    def _start(self) -> None:
        try:
            with self._signals.interrupting():
                self._launcher.start()
        except BaseException:
            self._launcher.server.stop()
            raise
        self.started = True

    def _serve(self) -> str | None:
        """Until a stop is asked for, or all is drained: then the report."""
        server = self._launcher.server
        drain = None if self._drain_horizon is None else Drain(server, self._drain_horizon)
        with selectors.DefaultSelector() as selector:
            selector.register(self._signals, selectors.EVENT_READ)
            selector.register(server.event_fd, selectors.EVENT_READ)
            while True:
                selector.select(None if drain is None else PAUSE)
                self._launcher.attend()
                self._take_signals()
                if self._stopping:
                    return None
                if drain is not None and self._done(drain):
                    return drain.report()

    def _done(self, drain: Drain) -> bool:
        try:
            return drain.look()
        except RedisError:
            return False  # an outage: the core has logged it, and knows when it is over

    def _take_signals(self) -> None:
        for name in self._signals.take():
            if name == "INT" and self._stopping:
                self._at_once = True
            elif name in ("INT", "TERM"):
                if not self._stopping:
                    if name == "INT":
                        _end_line()
                    logger.info("%s: stopping", name)
                self._stopping = True
            else:
                self._launcher.signal(name)
        self._stopping = self._stopping or self._launcher.stop_asked

    def _stop(self) -> None:
        self._stopping = True
        deadline = monotonic() + self._config.timeout
        self._limit(self._config.timeout + GRACE + 0.4)
        self._launcher.begin_stop()
        self._await_jobs(deadline)
        clean = self._launcher.stop(self._hurried)
        self._exit_code = _INTERRUPTED if self._at_once else 0
        server = self._launcher.server
        logger.info("stopped: %s run, %s failed", counted(server.processed, "job"), f"{server.failed:,}")
        if not clean:
            atexit._run_exitfuncs()  # the interpreter would wait for threads before it came to them
            leave(self._exit_code)

    def _await_jobs(self, deadline: float) -> None:
        told = False
        while not self._at_once and not self._launcher.wait(min(SLICE, max(0.0, deadline - monotonic()))):
            self._take_signals()
            if not told:
                told = True
                running = counted(self._launcher.server.busy, "job")
                logger.info("still running: %s, with %.3g s to end", running, self._config.timeout)
            if monotonic() >= deadline:
                return

    def _hurried(self) -> bool:
        self._take_signals()
        return self._at_once

    def _limit(self, seconds: float) -> None:
        """Ends the process in time even when a hook, an exit handler or a thread of the user's never returns."""

        def end() -> None:
            logger.critical("the stop took longer than %.1f s: leaving", seconds)
            leave(self._exit_code)

        timer = Timer(seconds, end)
        timer.name = "fastkiq-deadline"
        timer.daemon = True
        try:
            timer.start()
        except RuntimeError as error:  # no thread to be had: what is to be stopped is the more important
            logger.warning("nothing limits this stop to %.1f s: %s", seconds, error)


def _end_line() -> None:
    """A terminal has shown "^C", and the log begins a line of its own."""
    with suppress(AttributeError, OSError, ValueError):  # stderr may be closed
        if sys.stderr.isatty():
            sys.stderr.write("\n")


def leave(code: int) -> None:
    """Ends the process now, with what was written written."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue  # nobody reads it any more
    os._exit(code)
