"""Django's TaskResult from what Redis knows of a job."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.utils import timezone

from fastkiq.contrib.django.compat import TaskResult, TaskResultDoesNotExist, TaskResultStatus
from fastkiq.contrib.django.known import task_of
from fastkiq.contrib.django.record import Record, moment
from fastkiq.errors import ArgumentError

STATUSES: Final = {
    "queued": TaskResultStatus.READY,
    "running": TaskResultStatus.RUNNING,
    "retrying": TaskResultStatus.READY,
    "done": TaskResultStatus.SUCCESSFUL,
    "failed": TaskResultStatus.FAILED,
}
FIELD: Final = "django"
"""Of the payload: what of the task, as it was enqueued, differs from how it was defined."""


def get(result_id: object) -> Any:
    """The result with this id. Raises TaskResultDoesNotExist, RedisError."""
    try:
        record = Record.read(str(result_id))
    except ArgumentError:
        raise TaskResultDoesNotExist(result_id) from None
    payload = record.state.payload
    if payload is None or record.state.status not in STATUSES:
        raise TaskResultDoesNotExist(result_id)
    return of(payload, record)


def of(payload: Mapping[str, Any], record: Record) -> Any:
    """The result of this job. Raises TaskResultDoesNotExist when no loaded module defines its task."""
    jid, defined = payload.get("jid"), task_of(payload.get("class"))
    if not isinstance(jid, str) or defined is None:
        raise TaskResultDoesNotExist(f"job {jid} is of no task that this process has loaded")
    state, (args, kwargs) = record.state, _arguments(payload)
    task = as_enqueued(defined, payload)
    status = STATUSES.get(state.status, TaskResultStatus.READY)
    first = min(filter(None, (record.first_started_at, state.started_at)), default=None)  # two clocks read one start
    over = status in (TaskResultStatus.SUCCESSFUL, TaskResultStatus.FAILED)
    result = TaskResult(
        task=task,
        id=jid,
        status=status,
        enqueued_at=local(moment(_extras(payload).get("enqueued_at")) or state.queued_at),
        started_at=local(first),
        last_attempted_at=local(state.started_at),
        finished_at=local(state.finished_at if over else None),
        args=args,
        kwargs=kwargs,
        backend=task.backend,
        errors=record.errors,
        worker_ids=record.workers,
    )
    object.__setattr__(result, "_return_value", state.value if over else None)
    return result


def extras(task: Any, defined: Any, queue: str, now: int) -> dict[str, Any]:
    """The payload's FIELD; `queue` is where it goes, `now` epoch ms."""
    found: dict[str, Any] = {"enqueued_at": now}
    if task.queue_name != queue:
        found["queue_name"] = task.queue_name
    if task.priority != defined.priority:
        found["priority"] = task.priority
    if task.backend != defined.backend:
        found["backend"] = task.backend
    if task.run_after is not None:
        found["run_after"] = task.run_after.isoformat()
    return found


def as_enqueued(defined: Any, payload: Mapping[str, Any]) -> Any:
    """The task with what was said at the call; as it is defined when the payload has that wrong."""
    said, queue = _extras(payload), payload.get("queue")
    changes = {
        "queue_name": said.get("queue_name", queue),
        "priority": said.get("priority", defined.priority),
        "backend": said.get("backend", defined.backend),
        "run_after": _run_after(said.get("run_after")),
    }
    if all(getattr(defined, name) == value for name, value in changes.items()):
        return defined
    try:
        return replace(defined, **changes)  # checks them, as of any task
    except Exception:
        return defined


def _extras(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    found = payload.get(FIELD)
    return found if isinstance(found, dict) else {}


def _arguments(payload: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    match payload.get("args"):
        case [list() as args, dict() as kwargs]:
            return args, kwargs
    return [], {}


def _run_after(told: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(told) if isinstance(told, str) else None
    except ValueError:
        return None


def local(when: datetime | None) -> datetime | None:
    """As Django has times: aware, or naive in the project's zone where USE_TZ is off."""
    return when if when is None or settings.USE_TZ else timezone.make_naive(when)
