"""A job once more, as a new one."""

from collections.abc import Sequence
from typing import Any, Final

from fastkiq import client as clients
from fastkiq.active_job import WRAPPERS
from fastkiq.client import Client
from fastkiq.errors import ArgumentError
from fastkiq.job import Job
from fastkiq.options import is_queue

# What belongs to the one job and not to its kind.
_ITS_OWN: Final = {
    *("jid", "created_at", "enqueued_at", "failed_at", "retried_at", "discarded_at", "at", "retry_count"),
    *("error_class", "error_message", "error_backtrace", "bid"),
}


def run_again(job: Job, args: Sequence[Any] | None = None, *, client: Client | None = None) -> str:
    """Enqueues a job like this one, with its arguments or others, and answers the new one's jid. The old one stays.

    Goes to `client`'s Redis, else to the configured one. Raises ArgumentError for what cannot be run, or for other
    arguments for a job of Active Job's, whose own lie deeper; RedisError.
    """
    payload = {key: value for key, value in job.payload.items() if key not in _ITS_OWN}
    if not job.class_name or not isinstance(payload.get("args"), list) or not is_queue(job.queue):
        raise ArgumentError("no job can be made of this")
    if payload.get("encrypt"):
        raise ArgumentError("the arguments of this job are encrypted: only who enqueued it can do so again")
    if args is not None and payload.get("class") in WRAPPERS:
        raise ArgumentError("the arguments of a job of Active Job's are changed in Rails only")
    payload["queue"] = job.queue
    payload.setdefault("retry", True)
    if args is not None:
        payload["args"] = list(args)
    return (client or clients.default()).core.push_payload(payload)
