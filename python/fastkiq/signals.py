"""Signals as something to select on, so that the main loop deals with them between two steps and never inside one."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Final

NAMES: Final = {"INT": signal.SIGINT, "TERM": signal.SIGTERM, "TSTP": signal.SIGTSTP, "TTIN": signal.SIGTTIN}
_BY_NUMBER: Final[dict[int, str]] = {number: name for name, number in NAMES.items()}


class Signals:
    """While entered, INT, TERM, TSTP and TTIN wait here to be taken. Main thread only.

    A child forked meanwhile gets its own dispositions back: a TERM meant for it must not stop its parent.
    """

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._previous: dict[signal.Signals, Any] = {}
        self._wakeup = -1
        self._interrupts = False
        self._pid = os.getpid()

    def fileno(self) -> int:
        """Readable when `take` has something."""
        return self._reader.fileno()

    def __enter__(self) -> "Signals":
        self._wakeup = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in NAMES.values():
            self._previous[number] = signal.signal(number, self._noted)
        os.register_at_fork(after_in_child=self._forked)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()
        self._reader.close()
        self._writer.close()

    def take(self) -> list[str]:
        """The names of those that have come, oldest first."""
        try:
            numbers = self._reader.recv(4096)
        except BlockingIOError:
            return []
        return [_BY_NUMBER[number] for number in numbers if number in _BY_NUMBER]

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """Inside, INT raises KeyboardInterrupt and TERM SystemExit(0): for what may hang while nobody takes them."""
        self._interrupts = True
        try:
            yield
        finally:
            self._interrupts = False

    def _noted(self, number: int, frame: FrameType | None) -> None:
        """The interpreter has written the number to the wakeup fd already."""
        if self._interrupts and number == signal.SIGINT:
            raise KeyboardInterrupt
        if self._interrupts and number == signal.SIGTERM:
            raise SystemExit(0)

    def _forked(self) -> None:
        if self._previous:
            self._restore()

    def _restore(self) -> None:
        signal.set_wakeup_fd(self._wakeup)
        for number, handler in self._previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._previous.clear()
