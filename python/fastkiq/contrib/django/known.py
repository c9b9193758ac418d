"""Which task a name in a payload means.

A task is known once a loaded module has made it. What a payload names is looked up among these, as with every worker:
nothing is imported because Redis names it.
"""

from typing import Any, ClassVar

from fastkiq import registry
from fastkiq.worker import Worker


class TaskWorker(Worker):
    """What all of them share. `perform` takes the arguments of the task: a list, and a dict of the named ones."""

    task: ClassVar[Any]


def task_of(path: object) -> Any:
    """The task that goes by this path on the wire, or None."""
    entry = registry.find(path) if isinstance(path, str) else None
    return entry.worker.task if entry is not None and issubclass(entry.worker, TaskWorker) else None
