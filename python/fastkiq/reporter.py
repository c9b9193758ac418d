"""Passes on what the core's threads have to tell: to the log, to hooks and to handlers."""

import logging
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

from fastkiq import events
from fastkiq.boot_checks import RoundTrips
from fastkiq.errors import FastkiqError
from fastkiq.job import Job
from fastkiq.logging import about, logger
from fastkiq.printable import counted, printable

if TYPE_CHECKING:
    from fastkiq._core import Server
    from fastkiq.config import Config

_core_logger = logging.getLogger("fastkiq.core")


class Reporter(Thread):
    """On a thread of its own, so that a slow hook or handler holds up neither signals nor new worker threads."""

    def __init__(self, config: "Config", server: "Server") -> None:
        super().__init__(name="fastkiq-reporter", daemon=True)
        self._config = config
        self._server = server
        self._events: SimpleQueue[tuple[Any, ...] | None] = SimpleQueue()
        self._trips = RoundTrips()

    def tell(self, event: tuple[Any, ...]) -> None:
        """One of `Server.events()`."""
        self._events.put(event)

    def finish(self, seconds: float) -> None:
        """Waits until all is told, but not longer than this."""
        self._events.put(None)
        self.join(seconds)

    def run(self) -> None:
        while (event := self._events.get()) is not None:
            kind, *facts = event
            try:
                getattr(self, f"_{kind}")(*facts)
            except BaseException:  # a hook's SystemExit must not silence all later reports
                logger.exception("a report of the kind %r failed", kind)

    def _log(self, level: int, message: str) -> None:
        _core_logger.log(level, "%s", message)

    def _bad(self, reason: str, queue: str, raw: bytes) -> None:
        job = Job.from_bytes(raw, queue=queue)
        logger.warning("no job can be made of this payload, so it is in the dead set now: %s", printable(reason),
                       extra=about(job.class_name, job.jid, queue))  # fmt: skip
        error = FastkiqError(f"bad payload: {reason}")
        events.report(self._config, error, {"context": "bad payload", "job": job})
        events.died(self._config, job, error)

    def _poison(self, class_name: str, jid: str, raw: bytes) -> None:
        job = Job.from_bytes(raw)
        logger.error("three processes died while they ran this job, so it is in the dead set now",
                     extra=about(class_name, jid, job.queue))  # fmt: skip
        events.died(self._config, job, None)

    def _recovered(self, identity: str, jobs: int) -> None:
        logger.warning("%s of the dead process %s put back in the queues", counted(jobs, "job"), printable(identity))

    def _summary(self, processed: int, failed: int, seconds: float) -> None:
        logger.info("%s in %.0f s, %s failed", counted(processed, "job"), seconds, f"{failed:,}")

    def _beat(self) -> None:
        if warning := self._trips.beat(self._server.rtt):
            logger.warning("%s", warning)
        events.fire(self._config, "beat")

    def _heartbeat(self) -> None:
        events.fire(self._config, "heartbeat")
