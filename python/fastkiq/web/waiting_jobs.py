"""Single jobs of a queue, told apart by their bytes: a queue has no ids, two jobs may have one jid, some have none."""

import time
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from fastkiq.api import Filter, Queue
from fastkiq.job import Job

SECONDS: Final = 3.0
"""For which jobs that are not where they were seen are looked for."""
_TOGETHER: Final = 200


def key_of(job: Job) -> str:
    """`digest-jid`."""
    return f"{blake2b(job.raw, digest_size=8).hexdigest()}-{job.jid}"


def find(queue: Queue, keys: Sequence[str], near: str, order: str) -> list[Job]:
    """Those that are still there. Looked for from `near`, a cursor, on; those that a busy queue has moved since, by
    their jids, for some seconds; their neighbours then lie behind them."""
    found: list[Job] = []
    left = list(dict.fromkeys(keys))
    cursor: str | None = near
    deadline = time.monotonic() + SECONDS
    while left and time.monotonic() < deadline:
        page = queue.page(cursor, _TOGETHER, order=order) if cursor else None
        here = [job for job in page.items if job.raw and key_of(job) in left] if page else []
        if not here:
            jid = left[0].partition("-")[2]
            patience = max(0.0, deadline - time.monotonic())
            page = queue.page(None, 1, Filter(jid=jid), order=order, look=10_000_000, seconds=patience) if jid else None
            here = [job for job in page.items if key_of(job) in left] if page else []
            left = left if here else left[1:]
        found += here
        left = [key for key in left if key not in {key_of(job) for job in here}]
        cursor = page.next if page else None
    return found
