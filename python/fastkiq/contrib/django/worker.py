"""The worker behind each Django task. On the wire a task goes by its path: `shop.tasks.send_receipt`."""

import sys
import types
from inspect import iscoroutinefunction
from typing import Any

from fastkiq import registry
from fastkiq.config import Config
from fastkiq.contrib.django.around import close_old, in_transactions
from fastkiq.contrib.django.compat import plain
from fastkiq.contrib.django.known import TaskWorker, task_of
from fastkiq.contrib.django.run import Run
from fastkiq.job import Job


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


def install(config: Config) -> None:
    """Into this configuration, once."""
    if _died not in config.death_handlers:
        config.death_handlers.append(_died)


def _perform(self: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    run = Run(self)
    run.start()
    try:
        args, kwargs = run.arguments(args, kwargs)
        answer = plain(self.task.func(*args, **kwargs))
    except BaseException as error:
        run.failed(error)
        raise
    run.finish(answer)
    return answer


async def _aperform(self: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    run = Run(self)
    await run.astart()
    try:
        args, kwargs = run.arguments(args, kwargs)
        answer = plain(await self.task.func(*args, **kwargs))
    except BaseException as error:
        await run.afailed(error)
        raise
    await run.afinish(answer)
    return answer


def _died(job: Job, error: BaseException | None) -> None:
    """Not tried again, whoever has decided that. Receivers of the signal may use the database, and ask for the error
    as in an `except` block, where Django's own backends send it."""
    if task_of(job.class_name) is None:
        return
    held = in_transactions()
    try:
        if error is None or sys.exc_info()[1] is not None:
            Run.ended(job, error)
            return
        try:
            raise error
        except BaseException:
            Run.ended(job, error)
    finally:
        close_old(held)
