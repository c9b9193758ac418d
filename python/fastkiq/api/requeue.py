"""What a stored entry becomes when it goes back to a queue, or to another set, by hand."""

from typing import Any, Final

from fastkiq import _core
from fastkiq.errors import ArgumentError
from fastkiq.job import Job
from fastkiq.options import is_queue
from fastkiq.printable import printable
from fastkiq.retry import repairs
from fastkiq.times import stamp

_NO_QUEUE: Final = "default"
"""Where one that names none goes, as workers have it."""


def requeued(job: Job, now: float, compat: str | None, *, uncounted: bool) -> tuple[str, bytes]:
    """The queue, and the stored bytes with the time at which they come into it (epoch seconds), as Sidekiq does it.

    With `uncounted` the failed attempt is taken from the count. Raises ArgumentError when no job can be made of it.
    """
    payload, queue = job.payload, job.queue or _NO_QUEUE
    if not payload or not job.class_name or not isinstance(payload.get("args"), list):
        raise ArgumentError(f"{printable(job.jid or job.raw[:40], 80)} is no job: it can only be deleted")
    if not is_queue(queue):
        raise ArgumentError(f"{printable(job.jid, 80)} names no queue that can be: {printable(queue, 80)!r}")
    fields: dict[str, Any] = repairs(payload, queue)
    if uncounted and type(payload.get("retry_count")) is int:
        fields["retry_count"] = payload["retry_count"] - 1
    fields["enqueued_at"] = stamp(now, compat)
    return queue, _core.splice(_core.mended(job.raw, queue, "queue", compat), fields)


def buried(job: Job, compat: str | None) -> bytes:
    """The stored bytes for the dead jobs: the same, unless readers of that set would trip over them."""
    raw = _core.mended(job.raw, job.queue or _NO_QUEUE, "dead", compat)
    fields = repairs(job.payload, job.queue or _NO_QUEUE) if job.payload else {}
    return _core.splice(raw, fields) if fields else raw
