"""What can be done to queues, for the pages and for the JSON API: done, and written into the audit log."""

from collections.abc import Sequence
from typing import Final

from starlette.requests import Request

from fastkiq.api import Outcome, Queue
from fastkiq.web.audit import audit
from fastkiq.web.view import current
from fastkiq.web.waiting_jobs import find

DEEDS: Final = ("pause", "resume", "clear")


def do(request: Request, name: str, deed: str) -> int:
    """One of DEEDS; answers how many jobs are gone."""
    queue = Queue(name, current().site.redis)
    if deed == "clear":
        count = queue.clear()
        audit(request, deed, queue=name, count=count)
        return count
    if deed == "pause":
        queue.pause()
    else:
        queue.resume()
    audit(request, deed, queue=name)
    return 0


def delete_jobs(request: Request, name: str, keys: Sequence[str], near: str, order: str) -> Outcome:
    """Takes these jobs out for good; see `waiting_jobs` for the keys."""
    queue = Queue(name, current().site.redis)
    outcome = Outcome()
    for job in find(queue, keys, near, order):
        if queue.delete(job, order=order):
            outcome.done += 1
            audit(request, "delete", queue=name, jid=job.jid, job_class=job.class_name, count=1)
    outcome.gone = len(set(keys)) - outcome.done
    return outcome
