"""Queues: lists of jobs, the newest first, the next to run last."""

import re
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from fastkiq.api.connection import Redis, connect
from fastkiq.api.filter import Filter
from fastkiq.api.members import members
from fastkiq.api.page import Page
from fastkiq.api.reading import LOOK, jobs, ordered
from fastkiq.api.scripts import run
from fastkiq.api.values import ANSWER, LONGEST, TOGETHER, groups, text
from fastkiq.config import Config
from fastkiq.errors import ArgumentError, RedisReplyError
from fastkiq.job import Job
from fastkiq.printable import printable
from fastkiq.retry import epoch_seconds

MOST_QUEUES: Final = 100_000
"""Queues that are counted: some 0.3 s."""
_ANCHORS: Final = 20
"""Jobs told last, by any of which a walk finds its place again."""
_CURSOR: Final = re.compile(r"(head|tail)_([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class QueueState:
    """A queue at a glance."""

    name: str
    size: int
    """Jobs that wait; those claimed by a process are in none."""
    latency: float | None
    """Seconds that its next job has waited since it was enqueued; None when that is too long to be read."""
    is_paused: bool


def queues(redis: Redis | None = None, *, most: int = 1_000, notes: list[str] | None = None) -> list[QueueState]:
    """So many queues, by name, in a few round trips. `notes` gets what is left out, and why."""
    redis = redis if redis is not None else connect()
    found: list[QueueState] = []
    notes = notes if notes is not None else []
    for some in groups(members(redis, "queues", most, notes, "shown"), 250):
        keys = [b"queue:" + name for name in some]
        flat = run(redis, "lengths", ["paused", *keys], [LONGEST // 16, *some])
        now = flat[0] + flat[1] / 1e6
        for at, name in enumerate(some):
            size, job, paused = flat[2 + at * 3 : 5 + at * 3]
            if size < 0:
                notes.append(f"queue:{printable(text(name), 200)} is no list: it is left out")
                continue
            found.append(QueueState(text(name), size, _age(job, now) if job or not size else None, paused == 1))
    return sorted(found, key=lambda queue: queue.name)


def memories(names: Sequence[str], redis: Redis | None = None) -> list[int | None]:
    """Bytes that each of these queues takes in Redis, about, in one round trip; None where Redis does not say."""
    redis = redis if redis is not None else connect()
    with redis.pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.memory_usage(f"queue:{name}", samples=5)
        answers = pipeline.execute(raise_on_error=False)
    return [None if isinstance(answer, Exception) else int(answer or 0) for answer in answers]


def enqueued(redis: Redis, notes: list[str]) -> int:
    """Jobs in all queues."""
    sizes = 0
    for some in groups(members(redis, "queues", MOST_QUEUES, notes, "counted"), TOGETHER):
        sizes += run(redis, "sizes", [b"queue:" + name for name in some], [])
    return sizes


class Queue:
    """One queue, whether or not it has jobs. `redis` is a client of `connect()`."""

    def __init__(self, name: str = "default", redis: Redis | None = None, *, config: Config | None = None) -> None:
        self.name = name
        self.key = f"queue:{name}"
        self.redis = redis if redis is not None else connect(config)

    @classmethod
    def all(cls, redis: Redis | None = None) -> list["Queue"]:
        """Those to which something was ever enqueued, by name; at most 1,000."""
        redis = redis if redis is not None else connect()
        return [cls(text(name), redis) for name in sorted(members(redis, "queues", 1_000, []))]

    def state(self) -> QueueState:
        """Size, latency and whether it is paused, in one round trip. Raises RedisReplyError when it is no list."""
        seconds, micros, size, job, paused = run(
            self.redis, "lengths", ["paused", self.key], [LONGEST // 16, self.name]
        )
        if size < 0:
            raise RedisReplyError(f"WRONGTYPE {self.key} is no list")
        age = _age(job, seconds + micros / 1e6) if job or not size else None
        return QueueState(self.name, size, age, paused == 1)

    @property
    def size(self) -> int:
        """Jobs that wait."""
        return self.state().size

    @property
    def latency(self) -> float:
        """Seconds that its next job has waited since it was enqueued; 0 when there is none or it does not say."""
        return self.state().latency or 0.0

    @property
    def is_paused(self) -> bool:
        """Whether no process takes jobs from it."""
        return self.state().is_paused

    def memory(self) -> int:
        """Bytes that it takes in Redis, about: Redis looks at a few of its jobs."""
        return int(self.redis.memory_usage(self.key, samples=5) or 0)

    def pause(self) -> None:
        """No process takes jobs from it any more; those that run go on. It is heard within a beat (5 s)."""
        self.redis.sadd("paused", self.name)

    def resume(self) -> None:
        """Jobs are taken from it again."""
        self.redis.srem("paused", self.name)

    def clear(self) -> int:
        """Deletes all jobs that wait, and the queue from the list of queues; answers how many jobs that were."""
        return int(run(self.redis, "clear", [self.key, "queues"], [self.name]))

    def page(
        self,
        cursor: str | None = None,
        limit: int = 25,
        wanted: Filter | None = None,
        *,
        order: str = "latest",
        look: int = 20_000,
        seconds: float = 0.05,
    ) -> Page[Job]:
        """At most `limit` jobs, `latest` enqueued first or `next` to run first; fewer, of some megabytes. Jobs that
        come or go move what a later page shows: a queue in motion has no fixed places. With a filter as `JobSet.page`.
        Raises ArgumentError for a cursor that is none, or is one of the other order."""
        at = _position(cursor, ordered(order))
        needles = list(replace(wanted, queue="").needles()) if wanted else []
        items: list[Job] = []
        looked, unread, size = 0, 0, 0
        deadline = time.monotonic() + seconds
        while True:
            left = limit - len(items)
            ask, most = (min(LOOK, look - looked), TOGETHER) if wanted else (left, left)
            found = jobs(self.redis, self.key, order, at, ask, most, needles)
            if found.total < 0:
                return Page([], 0, notes=[f"{self.key} is no list: it is left out"])
            looked, start, at = looked + found.looked, at, at + found.looked
            for raw, passed in found.jobs:
                if wanted and raw is None:
                    unread += 1
                    continue
                if wanted and raw is not None and not wanted.glance(raw):
                    continue
                payload = {} if raw is None else Job.decoded(raw)
                if not wanted or wanted.accepts(payload, raw or b"", self.name):
                    items.append(Job.of_payload(payload, raw or b"", queue=self.name))
                    size += len(raw or b"")
                    if len(items) == limit:
                        at = start + passed
                        break
            over = at >= found.total
            if len(items) >= limit or over or size > ANSWER:
                break
            if wanted and (looked >= look or time.monotonic() > deadline):
                break
        where = "tail" if order == "next" else "head"
        notes = [f"{unread:,} jobs are longer than {LONGEST:,} bytes: they were not looked into"] if unread else []
        return Page(items, found.total, looked, None if over else f"{where}_{at}", notes)

    def __iter__(self) -> Iterator[Job]:
        """All jobs, the latest first, read page by page. Jobs that are pushed meanwhile are not seen; what comes and
        goes hides none that stay, and doubles none."""
        at = 0
        told: deque[bytes] = deque(maxlen=_ANCHORS)
        while True:
            # From the last one told: whether all is as it was, is seen in the same answer.
            start = max(0, at - 1)
            found = jobs(self.redis, self.key, "latest", start, TOGETHER, TOGETHER)
            raws = [raw or b"" for raw, _ in found.jobs]
            known = next((raws.index(raw) + 1 for raw in reversed(told) if raw in raws), None)
            if told and known is None and (place := self._moved(told, at)) is not None:
                at = place
                continue
            for raw in raws[known if known is not None else at - start :]:
                yield Job.from_bytes(raw, queue=self.name)
                told.append(raw)
            at = start + found.looked
            if found.looked == 0 or at >= found.total:
                return

    def _moved(self, told: Sequence[bytes], at: int) -> int | None:
        """Where those go on that were not told yet, after so much has come or gone that those told are elsewhere;
        None when none of these is left."""
        for raw in reversed(told):
            places = self.redis.lpos(self.key, raw, count=100) if raw else []  # type: ignore[arg-type]  # as below
            if isinstance(places, list) and places:  # of equal ones the nearest
                return min(places, key=lambda place: abs(place - at)) + 1
        return None

    def find(self, jid: str) -> Job | None:
        """The waiting job with this jid, by a walk over the whole queue."""
        cursor: str | None = None
        while jid:
            page = self.page(cursor, 1, Filter(jid=jid), look=1_000_000, seconds=10)
            if page.items:
                return page.items[0]
            if page.next is None:
                break
            cursor = page.next
        return None

    @staticmethod
    def beginning(order: str) -> str:
        """The cursor of the first page in that order."""
        return "tail_0" if order == "next" else "head_0"

    def delete(self, job: Job, *, order: str = "next") -> bool:
        """Takes one waiting job out for good, by its stored bytes, looked for in that order. False: it was gone, a
        process has it, or it was too long to be read."""
        if not job.raw:
            return False
        where = -1 if order == "next" else 1
        return int(self.redis.lrem(self.key, where, job.raw)) == 1  # type: ignore[arg-type]  # the type forgets bytes


def _age(job: bytes | None, now: float) -> float:
    enqueued_at = None if job is None else epoch_seconds(Job.decoded(job).get("enqueued_at"))
    return 0.0 if enqueued_at is None else max(0.0, now - enqueued_at)


def _position(cursor: str | None, order: str) -> int:
    if not cursor:
        return 0
    found = _CURSOR.fullmatch(cursor)
    if found is None or (found[1] == "tail") != (order == "next"):
        raise ArgumentError(f"this is no cursor of a listing: {cursor[:40]!r}")
    return int(found[2])
