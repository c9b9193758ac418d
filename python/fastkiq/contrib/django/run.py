"""One run of a Django task: its TaskResult, Django's signals, and what is noted of it."""

import asyncio
import os
import socket
import time
from traceback import format_exception
from typing import Any

from asgiref.sync import sync_to_async
from django.utils import timezone

from fastkiq.contrib.django import results
from fastkiq.contrib.django.compat import TaskContext, TaskResultStatus, signals
from fastkiq.contrib.django.record import Record
from fastkiq.contrib.django.task_error import LoadedTaskError
from fastkiq.errors import ArgumentError, Control, RedisError, Retry, Shutdown, failure_of
from fastkiq.job import Job
from fastkiq.logging import about, logger
from fastkiq.worker import Worker


class Run:
    """From `start` to `finish` or `failed`; the a-twins are for coroutines."""

    def __init__(self, worker: Worker) -> None:
        unit = worker._unit
        self._job = worker.job
        self._worker_id = f"{socket.gethostname()}:{os.getpid()}:{'inline' if unit is None else unit.tid}"
        self._result: Any = None

    def start(self) -> None:
        """Notes who runs it; `task_started` is sent."""
        self._begin()
        signals.task_started.send(self._sender, task_result=self._result)

    async def astart(self) -> None:
        """`start` that does not block the event loop."""
        await sync_to_async(self._begin)()
        await signals.task_started.asend(self._sender, task_result=self._result)

    def arguments(self, args: Any, kwargs: Any) -> tuple[list[Any], dict[str, Any]]:
        """What the task's function gets, of what the payload holds. Raises ArgumentError."""
        if not isinstance(args, list) or not isinstance(kwargs, dict):
            raise ArgumentError("the arguments of a Django task are a list and a dict: [[...], {...}]")
        return [TaskContext(task_result=self._result), *args] if self._result.task.takes_context else args, kwargs

    def finish(self, answer: Any) -> None:
        """`task_finished` is sent. The result itself is kept when the job ends, before its ack."""
        self._succeed(answer)
        signals.task_finished.send(self._sender, task_result=self._result)

    async def afinish(self, answer: Any) -> None:
        """`finish` that does not block the event loop."""
        self._succeed(answer)
        await signals.task_finished.asend(self._sender, task_result=self._result)

    def failed(self, error: BaseException) -> None:
        """Notes the error. Whether the task is tried again is the retry policy's to say; see `ended`."""
        if not _is_failure(error):
            return
        try:
            Record.fail(self._job.jid, len(self._result.worker_ids), _task_error(failure_of(error)))
        except RedisError as refused:
            logger.warning("cannot note the error of a task: %s", refused, extra=about("", self._job.jid, ""))

    async def afailed(self, error: BaseException) -> None:
        """`failed` that does not block the event loop."""
        if _is_failure(error):
            await sync_to_async(self.failed)(error)

    @classmethod
    def ended(cls, job: Job, error: BaseException | None) -> None:
        """It is not tried again: `task_finished` is sent, with the status FAILED."""
        try:
            record = Record.read(job.jid)
        except RedisError:
            record = Record({})
        result = results.of(job.payload, record)
        if not result.errors and error is not None:
            result.errors.append(_task_error(error))
        object.__setattr__(result, "status", TaskResultStatus.FAILED)
        object.__setattr__(result, "finished_at", result.finished_at or timezone.now())
        signals.task_finished.send(type(result.task.get_backend()), task_result=result)

    @property
    def _sender(self) -> type:
        return type(self._result.task.get_backend())

    def _begin(self) -> None:
        try:
            record = Record.start(self._job.jid, self._worker_id, int(time.time() * 1000))
        except RedisError as error:  # the task runs all the same, as fastkiq's own record has it
            logger.warning("cannot note that a task runs: %s", error, extra=about("", self._job.jid, ""))
            record = Record({})
        result = results.of(self._job.payload, record)
        if not result.worker_ids:  # no result is kept: the payload knows how often it has failed
            result.worker_ids.extend(["?"] * (self._job.attempt - 1) + [self._worker_id])
        now = timezone.now()
        object.__setattr__(result, "status", TaskResultStatus.RUNNING)
        object.__setattr__(result, "started_at", result.started_at or now)
        object.__setattr__(result, "last_attempted_at", result.last_attempted_at or now)
        object.__setattr__(result, "finished_at", None)
        self._result = result

    def _succeed(self, answer: Any) -> None:
        object.__setattr__(self._result, "status", TaskResultStatus.SUCCESSFUL)
        object.__setattr__(self._result, "finished_at", timezone.now())
        object.__setattr__(self._result, "_return_value", answer)


def _is_failure(error: BaseException) -> bool:
    """Not: a stop, which gives the job back, and what steers the job without an error, such as Snooze."""
    if isinstance(error, Control) and not isinstance(error, Retry):
        return error.__cause__ is not None
    return not isinstance(error, (Shutdown, asyncio.CancelledError))


def _task_error(error: BaseException) -> Any:
    kind = type(error)
    return LoadedTaskError(
        exception_class_path=f"{kind.__module__}.{kind.__qualname__}",
        traceback="".join(format_exception(error)),
    )
