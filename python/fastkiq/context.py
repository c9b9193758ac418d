"""Where the code of a job finds out which job it is."""

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastkiq.job import Job
    from fastkiq.worker import Worker

# The instance and not its Job: that one is built when asked for, once, and kept by the instance.
current: ContextVar["Worker | None"] = ContextVar("fastkiq_worker", default=None)

_stop_asked = False


def current_job() -> "Job | None":
    """The job that this thread or task runs, or None outside of one."""
    instance = current.get()
    return None if instance is None else instance.job


def ask_to_stop(asked: bool = True) -> None:
    """Makes `Worker.interrupted` true: the process stops, and a long job should come to an end."""
    global _stop_asked
    _stop_asked = asked


def stop_asked() -> bool:
    """Whether the process has been asked to stop."""
    return _stop_asked
