"""FastkiqBackend, with what test cases of other backends ask of a backend beyond Django's interface."""

from typing import Any
from unittest.mock import ANY

import fastkiq
from fastkiq import client
from fastkiq.contrib.django import FastkiqBackend
from fastkiq.contrib.django.compat import tasks
from fastkiq.drain import Drain
from servers import wait_until


def queue_names() -> list[str]:
    return sorted(name.decode() for name in client.default().command("SMEMBERS", "queues"))


def jobs() -> list[fastkiq.Job]:
    """Of all queues, oldest first."""
    lists = [client.default().command("LRANGE", f"queue:{name}", 0, -1) for name in queue_names()]
    return [fastkiq.Job.from_bytes(raw) for raws in lists for raw in raws[::-1]]


class Recorder(FastkiqBackend):
    """In place of Django's dummy backend, whose cases look at what was enqueued, and forget it."""

    def clear(self) -> None:
        client.default().command("FLUSHDB")

    @property
    def results(self) -> list[Any]:
        """Of all jobs, oldest first."""
        return [self.get_result(job.jid) for job in jobs()]


class Prompt(FastkiqBackend):
    """In place of Django's immediate backend: a worker has run the task before the call returns."""

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        result = super().enqueue(task, args, kwargs)
        work()
        result.refresh()
        return result


class Table:
    """In place of the objects of the model of django-tasks-db, whose cases count results and look one up."""

    def __init__(self, status: str | None = None) -> None:
        self._status = status

    def ready(self) -> "Table":
        return Table("READY")

    def successful(self) -> "Table":
        return Table("SUCCESSFUL")

    def failed(self) -> "Table":
        return Table("FAILED")

    def count(self) -> int:
        keys = client.default().command("KEYS", "fastkiq:result:*")
        return sum(self.get(key.decode().rpartition(":")[2]).status == (self._status or ANY) for key in keys)

    def get(self, id: str) -> Any:
        return tasks.default_task_backend.get_result(id)


def work_off(queue_name: str = "default", **_: Any) -> None:
    """In place of the worker of django-tasks-db: runs one queue, or with `*` all of them."""
    work(None if queue_name == "*" else queue_name)


def work(queue: str | None = None) -> None:
    """Runs all that lies in queues, or in this one, by a real worker on threads of this process."""
    queues = [queue] if queue is not None else queue_names()
    with fastkiq.run_in_process(queues=queues or ["default"], concurrency=1) as workers:
        wait_until(Drain(workers._launcher.server, 0.0).look, 15, "an end of the work")
