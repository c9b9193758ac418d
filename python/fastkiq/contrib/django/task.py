"""Django's Task with fastkiq's options for jobs: `@task(retry=5)`, `send.using(retry_for=timedelta(hours=1))`."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from fastkiq.contrib.django.compat import Task
from fastkiq.contrib.django.options import JOB_OPTIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class FastkiqTask(Task):
    """What is None is as OPTIONS of the backend say. Options take no part in comparisons: results do not have them."""

    retry: bool | int | None = field(default=None, compare=False)
    retry_for: float | timedelta | None = field(default=None, compare=False)
    retry_queue: str | None = field(default=None, compare=False)
    dead: bool | None = field(default=None, compare=False)
    backtrace: bool | int | None = field(default=None, compare=False)
    tags: list[str] | tuple[str, ...] | None = field(default=None, compare=False)
    log_level: str | None = field(default=None, compare=False)
    result_ttl: float | timedelta | None = field(default=None, compare=False)

    def using(self, **changes: Any) -> "FastkiqTask":
        """A task with these in place of its own: `priority`, `queue_name`, `run_after`, `backend`, and options."""
        return replace(self, **{name: value for name, value in changes.items() if value is not None})


def job_options(task: Any) -> dict[str, Any]:
    """What the task itself says, as given. A task made for another backend says nothing."""
    said = {name: getattr(task, name, None) for name in JOB_OPTIONS}
    return {name: value for name, value in said.items() if value is not None}
