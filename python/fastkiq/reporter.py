"""Passes on what the core's threads have to tell: to the log, to hooks and to handlers."""

import logging
from queue import SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Final

from fastkiq import events
from fastkiq.boot_checks import RoundTrips
from fastkiq.errors import FastkiqError, PoisonPill
from fastkiq.job import Job
from fastkiq.logging import STANDS_OUT, about, logger
from fastkiq.printable import counted, printable
from fastkiq.results.run import poisoned

if TYPE_CHECKING:
    from fastkiq._core import Server
    from fastkiq.config import Config

_MOST_HELD: Final = 67_108_864  # bytes of bad payloads that wait to be told
_core_logger = logging.getLogger("fastkiq.core")


class Reporter(Thread):
    """On a thread of its own, so that a slow hook or handler holds up neither signals nor new worker threads."""

    def __init__(self, config: "Config", server: "Server") -> None:
        super().__init__(name="fastkiq-reporter", daemon=True)
        self._config = config
        self._server = server
        self._events: SimpleQueue[tuple[Any, ...] | None] = SimpleQueue()
        self._trips = RoundTrips()
        self._held = 0
        self._holding = Lock()

    def tell(self, event: tuple[Any, ...]) -> None:
        """One of `Server.events()`. When handlers are slow and bad payloads many, those past 64 MiB are told without
        their bytes, which the dead set has."""
        if event[0] == "bad" and not self._hold(len(event[-1])):
            event = (*event[:-1], b"")
        self._events.put(event)

    def _hold(self, size: int) -> bool:
        with self._holding:
            fits = self._held == 0 or self._held + size <= _MOST_HELD
            self._held += size if fits else 0
            return fits

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
            if kind == "bad":
                with self._holding:
                    self._held -= len(facts[-1])

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
                     extra={**about(class_name, jid, job.queue), STANDS_OUT: True})  # fmt: skip
        error = PoisonPill("its process died three times while it ran")
        poisoned(raw, str(error))
        events.died(self._config, job, error)

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
