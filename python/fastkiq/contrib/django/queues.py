"""Which queues workers serve when nobody says which: those of TASKS by priority, then those of the loaded workers."""

from importlib.util import find_spec

from django import VERSION

from fastkiq import registry
from fastkiq.config import Config
from fastkiq.options import DEFAULTS
from fastkiq.settings import Rank


def install(config: Config) -> None:
    """As the default of the setting `queues`: a file, FASTKIQ and the command line count for more."""
    config.put("queues", of_project(), source="TASKS", rank=Rank.DEFAULT)


def of_project() -> list[str]:
    """In strict order."""
    tasks = _of_tasks() if VERSION >= (6, 0) or find_spec("django_tasks") is not None else []
    workers = [
        queue
        for entry in registry.entries()
        for queue in (entry.options["queue"], entry.options.get("retry_queue"))
        if queue is not None
    ]
    return list(dict.fromkeys([*tasks, *workers, DEFAULTS["queue"]]))


def _of_tasks() -> list[str]:
    from fastkiq.contrib.django.backend import FastkiqBackend
    from fastkiq.contrib.django.compat import tasks
    from fastkiq.contrib.django.known import TaskWorker

    names: list[str] = []
    for backend in tasks.task_backends.all():
        if isinstance(backend, FastkiqBackend):
            own = [
                entry.worker.task.queue_name
                for entry in registry.entries()
                if issubclass(entry.worker, TaskWorker) and entry.worker.task.backend == backend.alias
            ]
            names += backend.settings.priorities.served(backend.queue_names or dict.fromkeys(own))
    return names
