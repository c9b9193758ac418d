"""Workers inside another program, which keeps its main thread, its signals and its exit."""

import atexit
import os
import selectors
import socket
from threading import Event, Lock, Thread, current_thread
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any

from fastkiq import config as configuration
from fastkiq import context
from fastkiq.capsules import served
from fastkiq.errors import ForkedError
from fastkiq.launcher import SLICE, Launcher
from fastkiq.loader import load
from fastkiq.logging import logger

if TYPE_CHECKING:
    from fastkiq._core import Server
    from fastkiq.config import Config


class InProcess:
    """The workers of `run_in_process`. Leaving its `with` block stops them; so does the end of the program."""

    def __init__(self, config: "Config") -> None:
        self._config = config
        self._launcher = Launcher(config)
        self._reader, self._writer = socket.socketpair()
        self._lock = Lock()
        self._stopped = Event()
        self._manager = Thread(target=self._manage, name="fastkiq-manager", daemon=True)
        self._ended = False
        self._pid = os.getpid()

    def start(self) -> None:
        """Raises RedisError when Redis cannot be used, BootError when it should not be."""
        try:
            self._launcher.start()
            self._manager.start()
        except BaseException:
            self._launcher.server.stop()
            self._ended = True
            self._reader.close()
            self._close()
            raise
        atexit.register(self._at_exit)

    @property
    def server(self) -> "Server":
        """The core's part of them."""
        return self._launcher.server

    def quiet(self) -> None:
        """Takes no more jobs; those that run go on."""
        self._launcher.quiet()

    def stop(self, timeout: float | None = None) -> None:
        """Gives running jobs `timeout` seconds (by default the setting), then sends them back to their queues.

        Returns when all is written; a second call waits for the first.
        """
        if os.getpid() != self._pid:
            raise ForkedError("the workers belong to the parent process; a forked child cannot stop them")
        with self._lock:
            first, self._ended = not self._ended, True
        if first:
            self._stop(self._config.timeout if timeout is None else timeout)
        elif current_thread() is not self._manager:
            self._stopped.wait()

    def _stop(self, timeout: float) -> None:
        self._writer.send(b"\0")
        if current_thread() is not self._manager and self._manager.is_alive():
            self._manager.join()
        try:
            self._launcher.begin_stop()
            deadline = monotonic() + timeout
            while not self._launcher.wait(min(SLICE, max(0.0, deadline - monotonic()))) and monotonic() < deadline:
                continue
            if self._launcher.stop():
                context.ask_to_stop(False)  # of these workers: what the program runs itself is not `interrupted`
        finally:  # whoever else calls `stop` waits for this
            self._close()
            atexit.unregister(self._at_exit)

    def _close(self) -> None:
        self._writer.close()
        self._stopped.set()

    def __enter__(self) -> "InProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._at_exit()

    def __repr__(self) -> str:
        queues = ", ".join(name for capsule in served(self._config) for name, _ in capsule.queues)
        if os.getpid() != self._pid:  # the core's locks may be held here by threads that do not exist
            return f"<InProcess of the parent process {self._pid} on {queues}>"
        server = self._launcher.server
        state = "stopped" if self._stopped.is_set() else "stopping" if self._ended else f"{server.busy} busy"
        return f"<InProcess {server.identity} on {queues}: {state}>"

    def _manage(self) -> None:
        with self._reader, selectors.DefaultSelector() as selector:
            selector.register(self._reader, selectors.EVENT_READ)
            selector.register(self._launcher.server.event_fd, selectors.EVENT_READ)
            while self._reader not in [key.fileobj for key, _ in selector.select()]:
                self._launcher.attend()
                if self._launcher.stop_asked:
                    logger.info("stop asked for from outside")
                    self.stop()
                    return

    def _at_exit(self) -> None:
        """A forked child that leaves the block or ends leaves the workers alone: they are its parent's."""
        if os.getpid() == self._pid:
            self.stop()


def run_in_process(**settings: Any) -> InProcess:
    """Starts workers on threads of this program; `settings` as for `configure()`.

        with fastkiq.run_in_process(concurrency=2, queues=["mail"]):
            serve_http()

    Modules of the setting `require` are loaded, as `fastkiq process` does. Signals stay the program's. Raises
    RedisError when Redis cannot be used, LoadError, and ForkedError in the use by a forked child.
    """
    config = configuration.configure(**settings)
    config.load_once()
    for target in config.require:
        load(target)
    workers = InProcess(config)
    workers.start()
    return workers
