"""What a supervisor and its worker process say to each other, over one socket that the worker inherits.

The worker tells which files it has loaded, and that it is ready. The supervisor tells nothing but that a stop is for
a reload, which needs no lines in the log; the end of the stream tells that it is gone.
"""

import json
import logging
import os
import signal
import socket
from threading import Thread
from typing import Final

from fastkiq.logging import OF_PROCESS, logger
from fastkiq.reload.folders import loaded_files

VARIABLE: Final = "FASTKIQ_RELOAD_FD"
"""Set for the worker process: the number of its end of the socket, and which start this is, from 1: `5:1`."""
RELOADING: Final = b"R"


class Link:
    """The worker's end."""

    def __init__(self, fd: int, start: int) -> None:
        os.set_inheritable(fd, False)
        self._socket = socket.socket(fileno=fd)
        self.again = start > 1
        """Whether workers have run before, under this supervisor."""
        self._reloading = False
        if self.again:
            logger.addFilter(_of_interest)
        Thread(target=self._listen, name="fastkiq-reload", daemon=True).start()

    def loaded(self) -> None:
        """Tells the files of all modules that are loaded now."""
        self._tell({"loaded": loaded_files()})

    def ready(self, workers: str) -> None:
        """Tells that jobs are taken from now on, by so many workers."""
        logger.removeFilter(_of_interest)
        if self._reloading:  # a save came while it started
            logger.addFilter(_of_interest)
        self._tell({"ready": workers})

    def _tell(self, news: dict[str, object]) -> None:
        try:
            self._socket.sendall(json.dumps(news).encode() + b"\n")
        except OSError:
            return  # the supervisor is gone, which the listener hears as well

    def _listen(self) -> None:
        """Until the supervisor says that it reloads, or nothing more: `kill -9` leaves no workers behind."""
        while word := self._heard():
            if word == RELOADING:
                self._reloading = True
                logger.addFilter(_of_interest)
                os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)

    def _heard(self) -> bytes:
        try:
            return self._socket.recv(1)
        except OSError:
            return b""


def link() -> Link | None:
    """The link to the supervisor, if this process is one's worker."""
    number, _, start = os.environ.pop(VARIABLE, "").partition(":")
    return Link(int(number), int(start)) if number.isdecimal() and start.isdecimal() else None


def _of_interest(record: logging.LogRecord) -> bool:
    """While it reloads: what is about jobs, and warnings, but for those that the first start gave. That one process
    ends and another one starts is said in two lines."""
    return hasattr(record, "fastkiq") or (record.levelno >= logging.WARNING and not hasattr(record, OF_PROCESS))
