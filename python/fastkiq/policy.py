"""What becomes of a job that did not end well: retried, snoozed, dead, dropped, or back in its queue."""

import random
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from logging import INFO, WARNING
from typing import TYPE_CHECKING, Any, Final

from fastkiq import events
from fastkiq._core import mended, splice
from fastkiq.backtrace import compressed, users_part
from fastkiq.errors import (
    DISCARD,
    KILL,
    Control,
    Discard,
    Kill,
    Retry,
    Shutdown,
    Snooze,
    UnknownWorker,
    Verdict,
    failure_of,
)
from fastkiq.job import Job
from fastkiq.logging import STANDS_OUT, about, logger
from fastkiq.printable import printable
from fastkiq.registry import unknown
from fastkiq.results.run import record_of
from fastkiq.retry import (
    Terms,
    asked_delay,
    backoff,
    epoch_seconds,
    jitter_bound,
    repairs,
    taken_out,
    terms,
    unknown_delay,
)
from fastkiq.times import stamp

if TYPE_CHECKING:
    from fastkiq._core import Unit
    from fastkiq.config import Config
    from fastkiq.registry import Entry

_LONGEST_MESSAGE: Final = 10_000
_HEADLINE: Final = 200  # characters of a message in a log line
_UNKNOWN_LOGGED_AGAIN: Final = 60.0  # seconds; a backlog of one missing class must not flood the log
_UNKNOWN_REMEMBERED: Final = 1_000


class RetryPolicy:
    """Settles every unit whose `perform` raised, and those that nobody can run. Never raises; safe for threads."""

    def __init__(
        self,
        config: "Config",
        *,
        clock: Callable[[], float] = time.time,
        jitter: Callable[[int], float] = random.randrange,
    ) -> None:
        self._config = config
        self._clock = clock
        self._jitter = jitter
        self._backtrace = int(config.backtrace) if config.backtrace is not True else 1_000
        self._unknown_logged: dict[str, float] = {}
        self.stopping = False
        """Set at the stop deadline: from then on Shutdown and cancellation are nobody's failure."""

    def failed(self, unit: "Unit", entry: "Entry", error: BaseException, elapsed: float) -> None:
        """`perform` raised `error` after `elapsed` seconds."""
        try:
            self._settle(unit, entry, error, elapsed)
        except BaseException as worse:
            self._last_resort(unit, error, worse, entry)

    def unknown(self, unit: "Unit") -> None:
        """No loaded module defines the class: the job waits in retry, which costs it no attempt."""
        try:
            self._wait_for_worker(unit)
        except BaseException as worse:
            self._last_resort(unit, UnknownWorker(unit.class_name), worse)

    def _settle(self, unit: "Unit", entry: "Entry", error: BaseException, elapsed: float) -> None:
        if self.stopping and _shut_down(error):
            record = record_of(unit, entry)
            if record is not None:
                record.waits(0.0, self._is_stopping)
            unit.give_back()
            logger.info("interrupted by the stop; back in its queue", extra=_about(unit, elapsed))
            return
        payload = unit.payload()
        if isinstance(error, Snooze) and not entry.ack_start:
            fields = {**repairs(payload, unit.queue), "enqueued_at": None}
            record = record_of(unit, entry)
            if record is not None:
                record.waits(error.in_, self._is_stopping)
            if unit.schedule(error.in_, fields):
                why = printable(message_of(error), 1_000)
                reason = f": {why}" if why not in ("", Snooze.USUAL) else ""
                logger.info("snoozed for %s%s", _span(error.in_), reason, extra=_about(unit, elapsed))
            return
        failure = _Failure(
            self._config, unit, entry, error, elapsed, payload, self._clock(), self._backtrace, self._is_stopping
        )
        if isinstance(error, Discard):
            failure.drop("discarded by itself", "discarded_at")
        elif entry.ack_start:
            failure.drop("failed, and is not retried")
        elif isinstance(error, Kill):
            failure.die("killed by itself")
        elif failure.terms.retries is None:
            failure.drop("failed, and is not retried")
        elif failure.terms.exhausted(failure.now):
            failure.die("failed for the last time")
        else:
            self._again(failure)

    def _again(self, failure: "_Failure") -> None:
        count = failure.terms.count
        if isinstance(failure.raised, Retry) and failure.raised.in_ is not None:
            failure.retry(failure.raised.in_)
            return
        answer = failure.ask()
        if answer is DISCARD:
            failure.drop("failed, and its retry_in discards it", "discarded_at")
        elif answer is KILL:
            failure.die("failed, and its retry_in ends it")
        else:
            delay = answer if isinstance(answer, float) else backoff(count)
            failure.retry(delay + self._jitter(jitter_bound(count)))

    def _is_stopping(self) -> bool:
        return self.stopping

    def _wait_for_worker(self, unit: "Unit") -> None:
        now = self._clock()
        payload = unit.payload()
        first = epoch_seconds(payload.get("failed_at"))
        delay = unknown_delay(0.0 if first is None else now - first) + self._jitter(10)
        message = unknown(printable(unit.class_name, 200))
        fields = repairs(payload, unit.queue)
        if first is None:
            fields["failed_at"] = stamp(now, self._config.compat)
        fields |= {"error_class": "fastkiq.UnknownWorker", "error_message": message}
        if unit.retry(delay, fields, failed=False) and self._tell_unknown(unit.class_name, now):
            logger.warning("%s; looked at again in %s", message, _span(delay), extra=_about(unit))

    def _tell_unknown(self, class_name: str, now: float) -> bool:
        if now - self._unknown_logged.get(class_name, 0.0) < _UNKNOWN_LOGGED_AGAIN:
            return False
        if len(self._unknown_logged) >= _UNKNOWN_REMEMBERED:
            self._unknown_logged.clear()
        self._unknown_logged[class_name] = now
        return True

    def _last_resort(
        self, unit: "Unit", error: BaseException, worse: BaseException, entry: "Entry | None" = None
    ) -> None:
        """The policy itself failed (no memory, an error that no isinstance survives): the job waits for another try.

        That costs an attempt as far as anybody can tell, or such a job would come back for ever; without `entry` none.
        """
        if issubclass(type(worse), Shutdown):
            unit.give_back()
            return
        name = class_name(error)
        now = self._clock()
        fields: dict[str, Any] = {
            "failed_at": stamp(now, self._config.compat),
            "error_class": name,
            "error_message": "see the log",
        }
        with suppress(BaseException):
            fields = {**repairs(unit.payload(), unit.queue), **fields}
        try:
            said = terms(unit.payload(), entry.options if entry is not None else {}, now, self._config.max_retries, 0)
        except BaseException:
            said = None
        self._note_last(unit, error, entry, said)
        if entry is None or said is None:
            unit.retry(60.0, fields)
        elif said.retries is None or entry.ack_start:
            unit.fail()
        else:
            fields |= {"failed_at": stamp(said.first_failure, self._config.compat), "retry_count": said.count}
            settle = unit.kill if said.exhausted(now) else partial(unit.retry, max(60.0, backoff(said.count)))
            settle(fields)
        logger.error("cannot settle a job that raised %s as its worker asks", printable(name), exc_info=worse)

    def _note_last(self, unit: "Unit", error: BaseException, entry: "Entry | None", said: Terms | None) -> None:
        """In the record of the job, if one is kept."""
        with suppress(Exception):
            record = None if entry is None else record_of(unit, entry)
            if record is not None and entry is not None:
                ends = said is not None and (said.retries is None or entry.ack_start or said.exhausted(self._clock()))
                record.failed(error, None if ends else 60.0, self._is_stopping)


class _Failure:
    """One failed run: the fields it leaves in the payload, and the three ends it can take."""

    def __init__(
        self,
        config: "Config",
        unit: "Unit",
        entry: "Entry",
        raised: BaseException,
        elapsed: float,
        payload: Mapping[str, Any],
        now: float,
        backtrace: int,
        is_stopping: Callable[[], bool],
    ) -> None:
        self.unit = unit
        self.entry = entry
        self.raised = raised
        self.error = failure_of(raised)
        self.elapsed = elapsed
        self.now = now
        self.terms = terms(payload, entry.options, now, config.max_retries, backtrace)
        self._config = config
        self._is_stopping = is_stopping
        self.fields = self._fields(payload)
        complaints = [*self.terms.complaints, *self._removed]
        if complaints:
            odd = printable("; ".join(complaints), 500)
            logger.warning("options in the payload that make no sense, defaults used: %s", odd, extra=_about(unit))

    def _fields(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        now = stamp(self.now, self._config.compat)
        count = self.terms.count
        queue = self.terms.retry_queue or self.unit.queue
        fields = repairs(payload, queue)
        removed = [*taken_out(payload, self.unit.raw, queue), *(key for key, value in fields.items() if value is None)]
        self._removed = [f"{key}: removed" for key in dict.fromkeys(removed) if key != "retry_count"]
        fields["error_message"] = message_of(self.error)
        fields["error_class"] = class_name(self.error)
        if not self.terms.failed_before or epoch_seconds(payload.get("failed_at")) is None:
            fields["failed_at"] = now
        fields["retry_count"] = count
        if self.terms.failed_before:
            fields["retried_at"] = now
        if self.terms.backtrace:
            fields["error_backtrace"] = compressed(self.error, self.terms.backtrace)
        elif "error_backtrace" in payload:
            fields["error_backtrace"] = None  # an earlier error's: it would explain the wrong one
        return fields

    def job(self) -> Job:
        """As it is stored from now on, but for `attempt`: hooks and handlers hear of the run that has failed."""
        raw = mended(splice(self.unit.raw, self.fields), self.unit.queue, "retry", self._config.compat)
        stored = Job.from_bytes(raw, queue=self.unit.queue, recovered=self.unit.recovered)
        return replace(stored, attempt=self.terms.count + 1)

    def ask(self) -> float | Verdict | None:
        """What the worker's `retry_in` says; its own error is reported, and the backoff used."""
        try:
            answer = self.entry.worker.retry_in(self.terms.count, self.error, self.job())
            return answer if isinstance(answer, Verdict) else asked_delay(answer)
        except BaseException as error:
            self._report(error, "retry_in raised")
            return None

    def retry(self, delay: float) -> None:
        self._note(delay)
        if not self.unit.retry(delay, self.fields):
            return
        last = "" if self.terms.retry_for is not None else f" of {self.terms.retries}"
        what = f"failed, retry {self.terms.count + 1}{last} in {_span(delay)}"
        self._log(INFO, what, expected=isinstance(self.raised, Retry))
        self._report(self.error, events.RAISED)

    def die(self, how: str) -> None:
        """Past the last attempt: to the dead set, unless the worker or the payload says otherwise."""
        verdict = None
        try:
            verdict = self.entry.worker.retries_exhausted(self.job(), self.error)
        except BaseException as error:
            self._report(error, "retries_exhausted raised")
        if verdict is DISCARD or not self.terms.dead:
            self.drop(how, "discarded_at")
            return
        self._note(None)
        if self.unit.kill(self.fields):
            self._log(WARNING, f"{how}; now in the dead set")
            self._report(self.error, events.RAISED)
            events.died(self._config, self.job(), self.error)

    def drop(self, how: str, field: str | None = None) -> None:
        """Not kept anywhere; death handlers hear of it."""
        self._note(None)
        if field is not None:
            self.fields[field] = stamp(self.now, self._config.compat)
        if self.unit.fail() or self.entry.ack_start:  # at most once: acked before it began
            self._log(WARNING, f"{how}; dropped")
            self._report(self.error, events.RAISED)
            events.died(self._config, self.job(), self.error)

    def _note(self, retried_in: float | None) -> None:
        """In the record of the job, if one is kept, and before the job moves: its next run must find that noted."""
        record = record_of(self.unit, self.entry)
        if record is not None:
            record.failed(self.error, retried_in, self._is_stopping)

    def _report(self, error: BaseException, context: str) -> None:
        if not isinstance(error, Control):
            events.report(self._config, error, {"context": context, "job": self.job()})

    def _log(self, level: int, what: str, *, expected: bool = False) -> None:
        thrown = None
        # A job that steers itself has no bug to show. Where `Retry` has a cause the line names it, and the last failure
        # shows where it was raised.
        if not expected and not isinstance(self.error, Control):
            thrown = (type(self.error), self.error, users_part(self.error))
        # The traceback below the headline has the message once more, and whole.
        message = printable(self.fields["error_message"], 1_000 if thrown is None else _HEADLINE)
        summary = printable(self.fields["error_class"], _HEADLINE) + (f": {message}" if message else "")
        facts = {**_about(self.unit, self.elapsed), STANDS_OUT: True}
        logger.log(level, "%s: %s", what, summary, exc_info=thrown, extra=facts)


def message_of(error: BaseException) -> str:
    """The exception's text as a payload keeps it: valid UTF-8, at most 10,000 characters."""
    try:
        return str(error)[:_LONGEST_MESSAGE].encode("utf-8", "replace").decode()
    except BaseException:
        return "!!! ERROR MESSAGE THREW AN ERROR !!!"


def class_name(error: BaseException) -> str:
    """`ValueError`, `myapp.errors.Broken`, `fastkiq.Retry`."""
    kind = type(error)
    try:
        module = "fastkiq" if kind.__module__ == "fastkiq.errors" else str(kind.__module__)
        name = kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"
    except BaseException:  # a metaclass may answer anything
        name = "an error whose class hides its name"
    return name[:500].encode("utf-8", "replace").decode()


def _shut_down(error: BaseException) -> bool:
    """Whether a stop is at the root of this error, however many others were raised on the way (in circles, even)."""
    asyncio = sys.modules.get("asyncio")  # 11 MB and 40 ms: who has not imported it cancels nothing
    stops = (Shutdown,) if asyncio is None else (Shutdown, asyncio.CancelledError)
    pending: list[BaseException | None] = [error]
    seen: set[int] = set()
    while pending:
        one = pending.pop()
        if one is None or id(one) in seen:
            continue
        if isinstance(one, stops):
            return True
        seen.add(id(one))
        pending += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            pending += one.exceptions
    return False


def _about(unit: "Unit", elapsed: float | None = None) -> dict[str, Any]:
    return about(unit.class_name, unit.jid, unit.queue, elapsed)


def _span(seconds: float) -> str:
    """`17 s`, `12 min`, `3.4 h`, `2.1 days`."""
    if seconds < 120:
        return f"{seconds:.3g} s"
    for unit, size in (("min", 60.0), ("h", 3_600.0)):
        if seconds < 48 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 86_400:.3g} days"
