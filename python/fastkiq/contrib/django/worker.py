"""The worker behind each Django task. On the wire a task goes by its path: `shop.tasks.send_receipt`.

A task is known once a loaded module has made it. What a payload names is looked up among these, as with every worker:
nothing is imported because Redis names it.
"""

import types
from inspect import iscoroutinefunction
from typing import Any, ClassVar

from fastkiq import registry
from fastkiq.config import Config
from fastkiq.contrib.django import compat
from fastkiq.contrib.django.run import Run
from fastkiq.job import Job
from fastkiq.worker import Worker


class TaskWorker(Worker):
    """What all of them share. `perform` takes the arguments of the task: a list, and a dict of the named ones."""

    task: ClassVar[Any]


def worker_of(task: Any, options: dict[str, Any]) -> type[TaskWorker]:
    """The worker of this task, defined at the first call with these options, in payload form."""
    path = f"{registry.wire_module(task.func.__module__)}.{task.func.__qualname__}"
    known = registry.find(path)
    if known is not None and issubclass(known.worker, TaskWorker) and known.worker.task.func is task.func:
        return known.worker
    body = {
        "task": task,
        "perform": _aperform if iscoroutinefunction(task.func) else _perform,
        "_is_function": True,  # what is wrong with it is said in its own name
        "__module__": task.func.__module__,
        "__qualname__": task.func.__qualname__,
        "__doc__": task.func.__doc__,
    }
    worker: type[TaskWorker] = types.new_class(
        task.func.__name__, (TaskWorker,), dict(options), lambda namespace: namespace.update(body)
    )
    return worker


def task_of(path: object) -> Any:
    """The task that goes by this path on the wire, or None."""
    entry = registry.find(path) if isinstance(path, str) else None
    return entry.worker.task if entry is not None and issubclass(entry.worker, TaskWorker) else None


def install(config: Config) -> None:
    """Into this configuration, once."""
    if _died not in config.death_handlers:
        config.death_handlers.append(_died)


def _perform(self: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    run = Run(self)
    run.start()
    try:
        answer = compat.normalize_json(self.task.func(*run.context(), *args, **kwargs))
    except BaseException as error:
        run.failed(error)
        raise
    run.finish(answer)
    return answer


async def _aperform(self: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    run = Run(self)
    await run.astart()
    try:
        answer = compat.normalize_json(await self.task.func(*run.context(), *args, **kwargs))
    except BaseException as error:
        await run.afailed(error)
        raise
    await run.afinish(answer)
    return answer


def _died(job: Job, error: BaseException | None) -> None:
    """Not tried again, whoever has decided that."""
    if task_of(job.class_name) is not None:
        Run.ended(job, error)
