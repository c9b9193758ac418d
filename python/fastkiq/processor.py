"""One worker thread: takes a job, runs it, settles it, until the server has no more for it."""

import os
import sys
from contextvars import copy_context
from threading import Thread
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final, NoReturn

from fastkiq import context, runs
from fastkiq.backtrace import as_text, users_part
from fastkiq.errors import ForkedError, Shutdown
from fastkiq.logging import about, logger
from fastkiq.printable import printable_lines
from fastkiq.signature import refuse_unrun

if TYPE_CHECKING:
    from fastkiq._core import Server, Unit
    from fastkiq.middleware import Chain, Run
    from fastkiq.policy import RetryPolicy
    from fastkiq.registry import Entry

SLOW: Final = 10.0
"""Seconds from which on a finished job is logged as INFO."""


class Processor(Thread):
    """Runs jobs on a thread of its own. No job can end it: whatever `perform` raises goes to the retry policy."""

    def __init__(
        self,
        server: "Server",
        name: str,
        policy: "RetryPolicy",
        chain: "Chain",
        *,
        capsule: int = 0,
        verbose: bool,
    ) -> None:
        # A daemon: the launcher waits for it as long as the stop allows, and the interpreter must not wait longer.
        super().__init__(name=name, daemon=True)
        self.seat = name
        """What the core calls it; a job may have given the thread another name."""
        self._server = server
        self._capsule = capsule
        self._policy = policy
        self._run = chain.run
        self._verbose = verbose
        self._pid = os.getpid()

    def run(self) -> None:
        """The thread's body."""
        take = self._server.processor(self.seat, self._capsule).next
        perform = self._perform_verbosely if self._verbose else self._perform
        while True:
            try:
                while (unit := take()) is not None:
                    copy_context().run(perform, unit)  # what a job sets in context variables ends with it
                return
            except Shutdown:
                continue  # came too late for its job, which had just ended
            except ForkedError:
                leave_forked_child(SystemExit(0))  # a child that the job forked has come to the end of the job
            except BaseException:
                # Not the job's: those never get here. The server alone says when this thread is to end.
                logger.exception("a worker thread stumbled and goes on")
                sleep(1.0)

    def _perform(self, unit: "Unit") -> bool:
        """Whether the job has been done."""
        entry: Entry | None = unit.worker
        if entry is None:
            self._policy.unknown(unit)
            return False
        if entry.ack_start and not unit.begin():
            return False
        started = monotonic()
        try:
            instance: Any = entry.worker()
            instance._unit = unit
            context.current.set(instance)
            if not entry.plain:
                answer = runs.run(self._run, instance, unit, entry, self._policy)
            elif self._run is None:
                answer = instance.perform(*unit.args)
            else:
                answer = _through(self._run, instance, unit)
            if answer is not None:
                refuse_unrun(answer)
            unit.done()
            if (elapsed := monotonic() - started) > SLOW:
                logger.info("done after %.1f s", elapsed, extra=about(unit.class_name, unit.jid, unit.queue, elapsed))
            return True
        except BaseException as error:
            if os.getpid() != self._pid:
                leave_forked_child(error)
            self._policy.failed(unit, entry, error, monotonic() - started)
            return False

    def _perform_verbosely(self, unit: "Unit") -> None:
        facts = about(unit.class_name, unit.jid, unit.queue)
        logger.debug("start", extra=facts)
        started = monotonic()
        done = self._perform(unit)
        elapsed = monotonic() - started
        if done and elapsed <= SLOW:  # the others have had a line that says more
            logger.debug("end", extra=about(unit.class_name, unit.jid, unit.queue, elapsed))


def _through(chain: "Run", instance: Any, unit: "Unit") -> Any:
    """Runs the job inside the middleware. Apart, since a closure would slow the way without middleware down."""
    return chain(lambda: instance.perform(*unit.args), instance, instance.job)


def leave_forked_child(error: BaseException) -> NoReturn:
    """A job has forked, and this is the child, leaving the job by `error`: it ends here, as a script would.

    The job itself goes on in the parent, to whom the connections, the exit handlers and the outcome belong.
    """
    code = 1
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    else:
        sys.stderr.write(printable_lines(as_text(error, users_part(error))) + "\n")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code & 0xFF)
