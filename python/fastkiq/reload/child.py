"""A worker process, as its supervisor has it."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Event, Thread
from typing import Any, Final

from fastkiq.reload.link import RELOADING, VARIABLE

_ENDS: Final = ((0.3, signal.SIGINT), (0.7, signal.SIGINT), (3.0, signal.SIGKILL))
"""After so many seconds of a stop for a reload, this. A worker process that has heard of the stop takes the first INT
for "at once": what still runs goes back to its queue. What a killed one held, the next one recovers."""
_LONGEST_NEWS: Final = 16_777_216  # bytes


class Child:
    """One start of the worker process. It shares the terminal with its supervisor, so that `breakpoint()` works."""

    def __init__(self, command: Sequence[str], start: int, wake: Callable[[], None]) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            environment = {**os.environ, VARIABLE: f"{theirs.fileno()}:{start}"}
            self._process = subprocess.Popen(command, env=environment, pass_fds=[theirs.fileno()])
        self._socket.setblocking(False)
        self._text = b""
        self._has_loaded = False
        self._wake = wake
        self._ended = Event()
        Thread(target=self._wait, name="fastkiq-child", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """What it ended with, as in subprocess; None while it runs."""
        return self._process.returncode if self._ended.is_set() else None

    def fileno(self) -> int:
        """Readable when it has told something."""
        return self._socket.fileno()

    def news(self) -> list[dict[str, Any]]:
        """What it has told since the last call."""
        try:
            while (data := self._socket.recv(65_536)) and len(self._text) < _LONGEST_NEWS:
                self._text += data
        except OSError:
            pass  # nothing more for now, or it has ended
        *lines, self._text = self._text.split(b"\n")
        self._has_loaded = self._has_loaded or bool(lines)
        return [json.loads(line) for line in lines]

    def signal(self, number: signal.Signals) -> None:
        """Passes a signal on, if it still runs."""
        self._process.send_signal(number)

    def end(self) -> bool:
        """Ends it for a reload. False when it had to be killed."""
        with suppress(OSError):  # it ends already
            self._socket.send(RELOADING)
        if not self._has_loaded:
            self.signal(signal.SIGTERM)  # there are no jobs yet, and nobody who would hear of it
        for seconds, number in _ENDS:
            if self._ended.wait(seconds):
                return True
            self.signal(number)
        self._ended.wait()
        return False

    def close(self) -> None:
        self._socket.close()

    def _wait(self) -> None:
        self._process.wait()
        self._ended.set()
        self._wake()
