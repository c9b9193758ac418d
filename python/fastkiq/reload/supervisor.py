"""The process before the worker process: starts it, watches the source, starts it anew."""

import importlib.util
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from typing import Final

import click

from fastkiq.logging import colourful
from fastkiq.printable import printable
from fastkiq.reload.child import Child
from fastkiq.reload.folders import Folders, state_of
from fastkiq.reload.watcher import Watcher
from fastkiq.signals import NAMES, Signals

_CALLED_WRONGLY: Final = 2
_STOPPED: Final = (0, 130)
_SHARED: Final = 0.5
"""Seconds in which a worker process takes note of a Ctrl-C of its own."""


class Supervisor:
    """Runs until it is told to stop, or its worker process has been.

    A worker process that ends otherwise (its source is broken, it crashed) is started anew at the next save.
    """

    def __init__(self, command: Sequence[str], folders: Folders) -> None:
        self._command = command
        self._folders = folders
        self._signals = Signals()
        self._woken, self._waker = socket.socketpair()
        for end in (self._woken, self._waker):
            end.setblocking(False)
        self._watcher = Watcher(folders, self._wake)
        self._selector = selectors.DefaultSelector()
        self._child: Child | None = None
        self._starts = 0
        self._saved = 0.0
        self._stopping = False
        self._due: list[tuple[float, signal.Signals]] = []

    def run(self) -> int:
        """The exit code: the worker process's, when it was stopped."""
        with self._signals, self._selector:
            self._selector.register(self._signals, selectors.EVENT_READ)
            self._selector.register(self._woken, selectors.EVENT_READ)
            self._watcher.start()
            self._start()
            while True:
                self._wait()
                self._pass_signals()
                self._hear()
                code = self._code()
                if code is not None:
                    return code
                if self._watcher.error is not None:
                    return self._give_up(self._watcher.error)
                if changed := self._watcher.take():
                    self._reload(changed)

    def _start(self) -> None:
        self._starts += 1
        self._child = Child(self._command, self._starts, self._wake)
        self._selector.register(self._child, selectors.EVENT_READ)

    def _reload(self, changed: set[str]) -> None:
        if self._stopping:
            return
        saved = [state[0] / 1e9 for path in changed if (state := state_of(path)) is not None]
        self._saved = max(saved, default=time.time())
        self._say(f"{self._folders.shown(changed)} changed", "33")
        if (child := self._child) is not None:
            if not child.end():
                self._say("the workers did not end within 4 s and were killed; the next ones recover their jobs", "31")
            self._let_go(child)
        for path in changed:
            forget_bytecode(path)
        self._start()

    def _hear(self) -> None:
        if self._child is None:
            return
        for told in self._child.news():
            if "loaded" in told:
                self._folders.take({file: state and tuple(state) for file, state in told["loaded"].items()})
                self._watcher.renew()
            elif "ready" in told and self._starts > 1:
                took = min(max(time.time() - self._saved, 0.0), 99.0)
                self._say(f"ready again after {took:.2f} s: {told['ready']}, pid {self._child.pid}", "32")

    def _pass_signals(self) -> None:
        """A Ctrl-C reaches both, since they share the terminal, and two are one too many. So a first INT goes on as
        TERM, and that only when the worker process has had time for an INT of its own, to which it adds nothing."""
        for name in self._signals.take():
            number, at = NAMES[name], monotonic()
            if name == "INT":
                number, at = (number if self._stopping else signal.SIGTERM), at + _SHARED
            self._stopping = self._stopping or name in ("INT", "TERM")
            self._due = sorted([*self._due, (at, number)])
        while self._due and self._due[0][0] <= monotonic():
            _, number = self._due.pop(0)
            if self._child is not None:
                self._child.signal(number)

    def _wait(self) -> None:
        self._selector.select(max(0.0, self._due[0][0] - monotonic()) if self._due else None)
        with suppress(BlockingIOError):
            self._woken.recv(4096)

    def _code(self) -> int | None:
        """What to end with, if this is the end."""
        if (child := self._child) is None:
            return 0 if self._stopping else None
        code = child.code
        if code is None:
            return None
        self._let_go(child)
        if self._stopping or code in _STOPPED or (code == _CALLED_WRONGLY and self._starts == 1):
            return code if code >= 0 else 128 - code
        ended = f"were ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        self._say(f"the workers {ended}; they start again at the next save (Ctrl-C ends this)", "33")
        return None

    def _let_go(self, child: Child) -> None:
        self._selector.unregister(child)
        child.close()
        self._child = None

    def _give_up(self, error: Exception) -> int:
        self._say(f"--reload cannot watch these folders: {error}; WATCHFILES_FORCE_POLLING=1 may help", "31")
        if (child := self._child) is not None:
            child.end()
        return 1

    def _wake(self) -> None:
        with suppress(BlockingIOError):
            self._waker.send(b"w")

    def _say(self, text: str, colour: str) -> None:
        text = f"fastkiq: {printable(text, 1_000)}"
        click.echo(f"\x1b[{colour}m{text}\x1b[0m" if colourful(sys.stderr) else text, err=True)


def forget_bytecode(source: str) -> None:
    """Python takes cached bytecode for current when the source has the same second and size: two saves in one second,
    and the second one would not be loaded."""
    if source.endswith(".py"):
        with suppress(OSError):
            os.unlink(importlib.util.cache_from_source(source))
