"""The backend that TASKS names: each task is a job, and its result what fastkiq keeps of that."""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from fastkiq import client
from fastkiq.bound import Bound
from fastkiq.contrib.django import commit, results
from fastkiq.contrib.django.compat import (
    BaseTaskBackend,
    InvalidTask,
    TaskResult,
    TaskResultStatus,
    plain,
    signals,
)
from fastkiq.contrib.django.known import TaskWorker
from fastkiq.contrib.django.options import Options
from fastkiq.contrib.django.record import moment
from fastkiq.contrib.django.task import FastkiqTask, job_options
from fastkiq.contrib.django.worker import worker_of
from fastkiq.errors import ConfigError
from fastkiq.options import DEFAULTS, check, is_queue, merge


class FastkiqBackend(BaseTaskBackend):
    """For Django's own Tasks and for those of django-tasks.

        TASKS = {"default": {"BACKEND": "fastkiq.contrib.django.FastkiqBackend", "OPTIONS": {"RETRY": 5}}}

    OPTIONS: fastkiq's options for jobs in capitals (RETRY is 0 by default, RESULT_TTL a day), PRIORITIES (queues from
    high to low), ENQUEUE_AFTER_COMMIT (True, False or aliases of databases, in place of what FASTKIQ says).
    """

    task_class = FastkiqTask
    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        super().__init__(alias, params)
        self.queue_names: list[str] = list(params.get("QUEUES", ["default"]))
        """As TASKS has them; empty: any."""
        self.problem: ConfigError | None = None
        """What is wrong with OPTIONS. `manage.py check` says it, and so does each call."""
        self.settings = Options()
        try:
            self.settings = Options.read(self.options, f"TASKS[{alias!r}]['OPTIONS']")
        except ConfigError as error:
            self.problem = error

    def validate_task(self, task: Any) -> None:
        """Raises InvalidTask. A task that passes is known from then on: workers run it."""
        super().validate_task(task)
        if task.priority != 0 and not self.settings.priorities.known(task.queue_name):
            raise InvalidTask(
                f"PRIORITIES names no queue beside {task.queue_name!r}, so its tasks can have none but priority 0."
            )
        if not is_queue(task.queue_name):
            raise InvalidTask(f"Queue {task.queue_name!r:.80} must be made of letters, digits and _ : . -")
        self._worker(task)

    def enqueue(self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Pushes a job, or holds it back until the transaction has been committed.

        Raises InvalidTask, TypeError or ValueError for arguments that are not JSON, RedisError kinds when Redis does
        not take it.
        """
        if self.problem is not None:
            raise ImproperlyConfigured(str(self.problem))
        self.validate_task(task)
        given = [plain(list(args)), plain(dict(kwargs))]
        now = int(time.time() * 1000)
        with commit.waiting_for(self.settings.databases):
            waits = commit.open_transaction() is not None
            jid = client.default().enqueue(self._bound(task, now), given, None, _epoch(task.run_after))
            if jid is None:
                raise InvalidTask(f"Client middleware has stopped {task.module_path}.")
            result = TaskResult(
                task=task,
                id=jid,
                status=TaskResultStatus.READY,
                enqueued_at=None if waits else results.local(moment(now)),
                started_at=None,
                last_attempted_at=None,
                finished_at=None,
                args=given[0],
                kwargs=given[1],
                backend=self.alias,
                errors=[],
                worker_ids=[],
            )
            commit.when_committed(lambda: self._tell(result, now))
        return result

    def get_result(self, result_id: Any) -> Any:
        """The result of this id. Raises TaskResultDoesNotExist, RedisError kinds."""
        return results.get(result_id)

    def check(self, **_: Any) -> Iterator[CheckMessage]:
        """What is wrong with this entry of TASKS."""
        from fastkiq.contrib.django.checks import of_app

        yield from super().check()
        yield from of_app(self)

    def _tell(self, result: Any, now: int) -> None:
        if result.enqueued_at is None:
            object.__setattr__(result, "enqueued_at", results.local(moment(now)))
        signals.task_enqueued.send(type(self), task_result=result)

    def _worker(self, task: Any) -> type[TaskWorker]:
        queue = self.settings.priorities.queue(task.queue_name, task.priority)  # for schedules, which bind no call
        return worker_of(task, {**self._job_options(task), "queue": queue})

    def _bound(self, task: Any, now: int) -> "Bound[...]":
        """The worker of the task, with what its job says beyond the arguments."""
        worker = self._worker(task)
        queue = self.settings.priorities.queue(task.queue_name, task.priority)
        said = {results.FIELD: results.extras(task, worker.task, queue, now)}
        entry = worker.__fastkiq__
        options = {**DEFAULTS, **self._job_options(task), "queue": queue, **said}
        return Bound(entry.name, worker, entry.signature, options)

    def _job_options(self, task: Any) -> dict[str, Any]:
        """In payload form. Raises InvalidTask."""
        try:
            own = check(job_options(task), task.module_path, ConfigError)
        except ConfigError as error:
            raise InvalidTask(str(error)) from None
        return merge(self.settings.job, own)


def _epoch(when: datetime | None) -> float | None:
    if when is None:
        return None
    return (when if timezone.is_aware(when) else timezone.make_aware(when)).timestamp()
