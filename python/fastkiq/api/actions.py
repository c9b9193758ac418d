"""What can be done to entries of the sorted sets: by one, by many, by all that are wanted."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from fastkiq.api.cursor import Cursor
from fastkiq.api.requeue import buried, requeued
from fastkiq.api.scripts import run
from fastkiq.errors import ArgumentError
from fastkiq.job import Job
from fastkiq.printable import printable

if TYPE_CHECKING:
    from fastkiq.api.entry import Entry
    from fastkiq.api.filter import Filter
    from fastkiq.api.job_set import JobSet

ACTIONS: Final = ("retry", "enqueue", "kill", "delete")
_TOGETHER: Final = 250
"""Entries of one script: some milliseconds of Redis."""
_BYTES: Final = 4_194_304  # of one script, past the first entry
_REASONS: Final = 5
"""Refusals that are told one by one."""


@dataclass(slots=True)
class Outcome:
    """What became of the entries to which something was to be done."""

    done: int = 0
    gone: int = 0
    """Somebody else had taken them first."""
    refused: int = 0
    """They stay where they are, since it cannot be done to them."""
    reasons: list[str] = field(default_factory=list)
    """Why not: the first few."""

    def add(self, other: "Outcome") -> None:
        """Counts another one's in."""
        self.done += other.done
        self.gone += other.gone
        self.refuse(other.refused, *other.reasons)

    def refuse(self, number: int, *reasons: str) -> None:
        """Counts such as stay."""
        self.refused += number
        self.reasons += [reason for reason in reasons if reason not in self.reasons][: _REASONS - len(self.reasons)]


@dataclass(slots=True)
class Sweep:
    """How far something done to all that are wanted has come."""

    outcome: Outcome
    looked: int
    """Entries looked at in this part."""
    before: float
    """Epoch seconds by Redis's clock at which it began."""
    cursor: str | None
    """Where to go on; None: it is complete."""


def act(jobs: "JobSet", action: str, entries: Sequence["Entry"]) -> Outcome:
    """Does it to these entries. Raises ArgumentError for an action that is none."""
    if action not in ACTIONS:
        raise ArgumentError(f"there is no action {action!r:.80}; there are {', '.join(ACTIONS)}")
    outcome = Outcome()
    now = _now(jobs)
    batch, size = _Batch(jobs), 0
    for entry in entries:
        if not entry.is_whole and action != "delete":
            outcome.refuse(1, f"an entry of {entry.length:,} bytes is too long to be moved from here")
            continue
        if not entry.is_whole:
            outcome.add(_delete_unread(jobs, entry))
            continue
        try:
            batch.add(action, entry.job, now)
        except ArgumentError as error:
            outcome.refuse(1, str(error))
            continue
        size += 2 * entry.length
        if batch.count >= _TOGETHER or size > _BYTES:
            outcome.add(batch.run())
            batch, size = _Batch(jobs), 0
    outcome.add(batch.run())
    return outcome


def sweep(
    jobs: "JobSet",
    action: str,
    wanted: "Filter | None",
    cursor: str | None,
    before: float | None,
    seconds: float | None,
) -> Sweep:
    """Does it to all that are wanted; see `JobSet.sweep`."""
    if action not in ACTIONS:
        raise ArgumentError(f"there is no action {action!r:.80}; there are {', '.join(ACTIONS)}")
    before = _now(jobs) if before is None else before
    deadline = None if seconds is None else time.monotonic() + seconds
    done = Sweep(Outcome(), 0, before, cursor)
    while True:
        # What is done to an entry removes it: the walk stands still, and only passes over what stays.
        page = jobs.page(done.cursor, 1_000, wanted, look=20_000, seconds=1.0, order="next")
        old = [entry for entry in page.items if _since(entry.job) < before]
        after = Cursor.parse(page.next)
        outcome = act(jobs, action, old)
        if after.score:
            after = _stepped_back(jobs, after, old, outcome.refused > 0)
        done.outcome.add(outcome)
        done.looked += page.looked
        done.cursor = after.text()
        if done.cursor is None or (deadline is not None and time.monotonic() > deadline):
            return done


def _stepped_back(jobs: "JobSet", after: Cursor, acted: Sequence["Entry"], some_stay: bool) -> Cursor:
    """The cursor without those of its score that are not there any more."""
    same = [entry for entry in acted if entry.score == float(after.score)]
    if not some_stay:
        return after._replace(ties=after.ties - len(same))
    with jobs.redis.pipeline(transaction=False) as pipeline:
        for entry in same:
            pipeline.zscore(jobs.key, entry.job.raw)
        left = pipeline.execute()
    return after._replace(ties=after.ties - sum(1 for score in left if score is None))


def _since(job: Job) -> float:
    """Epoch seconds at which it came into being, or failed last."""
    moments = (job.created_at, job.failed_at, job.retried_at)
    return max((each.timestamp() for each in moments if each is not None), default=0.0)


def _now(jobs: "JobSet") -> float:
    seconds, micros = jobs.redis.time()
    return seconds + micros / 1e6


def _delete_unread(jobs: "JobSet", entry: "Entry") -> Outcome:
    """An entry too long to be read is known by its place and length alone."""
    found = run(jobs.redis, "delete", [jobs.key], [repr(entry.score), entry.length])
    return Outcome(done=1) if found else Outcome(gone=1)


class _Batch:
    """The words of one script."""

    def __init__(self, jobs: "JobSet") -> None:
        self._jobs = jobs
        self._keys: dict[str, int] = {jobs.key: 1, "dead": 2, "queues": 3}
        self._queues: dict[str, int] = {}
        self._words: list[bytes | str | int] = []

    @property
    def count(self) -> int:
        return len(self._words) // 4

    def add(self, action: str, job: Job, now: float) -> None:
        """Raises ArgumentError when it cannot be done to this job."""
        if action == "delete":
            self._words += [job.raw, b"", 0, ""]
        elif action == "kill":
            self._words += [job.raw, buried(job), 2, ""]
        else:
            queue, raw = requeued(job, now, self._jobs.config.compat, uncounted=action == "retry")
            index = self._queues.setdefault(queue, len(self._queues) + 4)
            self._words += [job.raw, raw, index, queue]

    def run(self) -> Outcome:
        if not self._words:
            return Outcome()
        config = self._jobs.config
        keys = [self._jobs.key, "dead", "queues", *(f"queue:{name}" for name in self._queues)]
        bounds = [config.dead_max_jobs, config.dead_timeout_in_seconds]
        done, gone, kept = run(self._jobs.redis, "act", keys, [*bounds, *self._words])
        outcome = Outcome(done, gone)
        if kept:
            outcome.refuse(
                kept, f"{printable(', '.join(keys[1:]), 300)}: one of them holds something else than it should"
            )
        return outcome
