"""Single jobs of a queue, told apart by their bytes: a queue has no ids, two jobs may have one jid, some have none."""

import time
from collections.abc import Sequence
from typing import Final

from fastkiq.api import Filter, Page, Queue
from fastkiq.job import Job
from fastkiq.web.fingerprint import fingerprint

SECONDS: Final = 3.0
"""For which jobs that are not where they were seen are looked for."""
_TOGETHER: Final = 200


def key_of(job: Job) -> str:
    """`fingerprint-jid`."""
    return f"{fingerprint(job.raw)}-{job.jid}"


def find(queue: Queue, keys: Sequence[str], near: str, order: str) -> list[Job]:
    """Those that are still there. Looked for from `near`, a cursor, on; what a busy queue has moved since, by its jid,
    for some seconds, and its neighbours behind it."""
    found: list[Job] = []
    left = list(dict.fromkeys(keys))
    cursor: str | None = near
    deadline = time.monotonic() + SECONDS
    while left and time.monotonic() < deadline:
        page = queue.page(cursor, _TOGETHER, order=order) if cursor else Page([], 0)
        here = [job for job in page.items if job.raw and key_of(job) in left]
        cursor = page.next if here else None
        if not here:
            moved, cursor = _moved(queue, left[0], order, deadline)
            here = [moved] if moved is not None else []
            left = left if here else left[1:]
        found += here
        seen = {key_of(job) for job in here}
        left = [key for key in left if key not in seen]
    return found


def _moved(queue: Queue, key: str, order: str, deadline: float) -> tuple[Job | None, str | None]:
    """The job, wherever it is, and the cursor behind it."""
    wanted = Filter(jid=key.partition("-")[2])
    cursor: str | None = queue.beginning(order)
    while wanted and cursor and time.monotonic() < deadline:
        page = queue.page(cursor, 1, wanted, order=order, look=1_000_000, seconds=max(0.0, deadline - time.monotonic()))
        cursor = page.next
        if page.items and key_of(page.items[0]) == key:
            return page.items[0], cursor
    return None, None
