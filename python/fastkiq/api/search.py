"""Where a job is: looked for by its jid in all places, little by little."""

import time
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import Final

from fastkiq.api.connection import Redis, connect
from fastkiq.api.entry import Entry
from fastkiq.api.filter import Filter
from fastkiq.api.members import members
from fastkiq.api.queue import MOST_QUEUES, Queue
from fastkiq.api.sets import DeadSet, RetrySet, ScheduledSet
from fastkiq.api.values import text
from fastkiq.api.work import Work, WorkSet
from fastkiq.errors import ArgumentError
from fastkiq.job import Job

_SETS: Final = (RetrySet, ScheduledSet, DeadSet)
_LOOK: Final = 20_000


@dataclass(slots=True)
class Found:
    """Where a jid is, as far as was looked."""

    running: list[Work] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    waiting: list[Job] = field(default_factory=list)
    """In queues: `job.queue` says in which."""
    looked: int = 0
    """Jobs looked at in this part."""
    cursor: str | None = None
    """Where to go on; None: that was all."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing was found in this part."""
        return not (self.running or self.entries or self.waiting)


def search(jid: str, redis: Redis | None = None, cursor: str | None = None, *, seconds: float = 0.05) -> Found:
    """Looks for a jid for about so many seconds: among running, retried, scheduled and dead jobs, then queue by queue.

    A job that moves between two parts of the search may be missed. Raises ArgumentError for a cursor that is none.
    """
    redis = redis if redis is not None else connect()
    if not jid or len(jid) > 1_000:
        raise ArgumentError("a jid is a text of 1 to 1,000 characters")
    found = Found()
    deadline = time.monotonic() + seconds
    wanted = Filter(jid=jid)
    place, at = _parsed(cursor)
    if place == "work":
        work = WorkSet(redis)
        page = work.page(at, 1_000)
        found.running += [each for each in page.items if each.job.jid == jid]
        found.looked += len(page.items)
        place, at = ("work", page.next) if page.next else (_SETS[0].key, None)
    for kind in _SETS:
        while place == kind.key:
            left = max(0.0, deadline - time.monotonic())
            entries = kind(redis).page(at, 25, wanted, look=_LOOK, seconds=left)
            found.entries += entries.items
            found.looked += entries.looked
            place, at = (place, entries.next) if entries.next else (_after(kind.key), None)
            if time.monotonic() > deadline:
                found.cursor = f"{place}~{at or ''}"
                return found
    if place.startswith("queue:"):
        place, at = _in_queues(redis, place, at, deadline, found, wanted)
    found.cursor = f"{place}~{at or ''}" if place else None
    return found


def _in_queues(
    redis: Redis, place: str, at: str | None, deadline: float, found: Found, wanted: Filter
) -> tuple[str, str | None]:
    """Queue by queue, by name; the place to go on at, empty at the end."""
    names = sorted(text(name) for name in members(redis, "queues", MOST_QUEUES, []))
    begun = place.removeprefix("queue:")
    # A place without a cursor is behind the queue that it names.
    index = bisect_left(names, begun) if at is not None else bisect_right(names, begun)
    for name in names[index:]:
        while True:
            left = max(0.0, deadline - time.monotonic())
            jobs = Queue(name, redis).page(at if name == begun else None, 25, wanted, look=_LOOK, seconds=left)
            found.waiting += jobs.items
            found.looked += jobs.looked
            begun, at = name, jobs.next
            if time.monotonic() > deadline:
                return f"queue:{name}", at
            if at is None:
                break
    return "", None


def _after(key: str) -> str:
    following = [kind.key for kind in _SETS] + ["queue:"]
    return following[following.index(key) + 1]


def _parsed(cursor: str | None) -> tuple[str, str | None]:
    if not cursor:
        return "work", None
    place, tilde, at = cursor.rpartition("~")
    if not tilde or (place not in ("work", *(kind.key for kind in _SETS)) and not place.startswith("queue:")):
        raise ArgumentError(f"this is no cursor of a search: {cursor[:40]!r}")
    return place, at or None
