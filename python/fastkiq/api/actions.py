"""What can be done to entries of the sorted sets: by one, by many, by all that are wanted."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from fastkiq.api.cursor import Cursor
from fastkiq.api.requeue import buried, requeued
from fastkiq.api.scripts import run
from fastkiq.api.values import TOGETHER
from fastkiq.errors import ArgumentError
from fastkiq.job import Job
from fastkiq.printable import printable
from fastkiq.retry import epoch_seconds

if TYPE_CHECKING:
    from fastkiq.api.entry import Entry
    from fastkiq.api.filter import Filter
    from fastkiq.api.job_set import JobSet

ACTIONS: Final = ("retry", "enqueue", "kill", "delete")
_TOGETHER: Final = 250
"""Entries of one script: some milliseconds of Redis."""
_BYTES: Final = 4_194_304  # of one script, past the first entry
_LONGEST: Final = 67_108_864
"""Bytes of an entry that is still read when it is to be moved alone."""
_REASONS: Final = 5
"""Refusals that are told one by one."""
_MOMENTS: Final = ("created_at", "enqueued_at", "failed_at", "retried_at")


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
    notes: list[str] = field(default_factory=list)
    """What was not looked into, and why; for people."""


def act(jobs: "JobSet", action: str, entries: Sequence["Entry"]) -> Outcome:
    """Does it to these entries. Raises ArgumentError for an action that is none."""
    _known(action)
    outcome, now = Outcome(), _now(jobs)
    batch, size = _Batch(jobs), 0
    for entry in entries:
        job: Job | None = entry.job
        if not entry.is_whole:
            if action == "delete":
                outcome.add(_done(run(jobs.redis, "long", [jobs.key], [repr(entry.score), entry.length, action])))
                continue
            job = _long(jobs, entry, outcome)
        try:
            if job is not None:
                batch.add(action, job, now)
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
    _known(action)
    if wanted is not None and not wanted:
        raise ArgumentError("a filter without a condition wants everything: None says so")
    # What it puts into a queue gets the time in whole milliseconds: if it fails at once, it is known by that.
    before = math.floor(_now(jobs) * 1000) / 1000 if before is None else before
    deadline = None if seconds is None else time.monotonic() + seconds
    done = Sweep(Outcome(), 0, before, None)
    at = Cursor.parse(cursor)
    while True:
        left = 1.0 if deadline is None else min(1.0, max(0.0, deadline - time.monotonic()))
        # What is done to an entry takes it out: the walk passes over what stays.
        page, at = jobs.read(at, TOGETHER, wanted, look=20_000, seconds=left, order="next")
        done.outcome.add(act(jobs, action, [entry for entry in page.items if _since(entry.job) < before]))
        done.looked += page.looked
        done.notes += [note for note in page.notes if note not in done.notes][: _REASONS - len(done.notes)]
        if not at.score or (deadline is not None and time.monotonic() > deadline):
            break
    if at.is_long:  # its text has a count, which must be that of now
        _, at = jobs.read(at, 0, None, look=0, seconds=0, order="next")
    done.cursor = at.text()
    return done


def _known(action: str) -> None:
    if action not in ACTIONS:
        raise ArgumentError(f"there is no action {action!r:.80}; there are {', '.join(ACTIONS)}")


def _since(job: Job) -> float:
    """Epoch seconds at which it came into being, was last enqueued, or failed last."""
    moments = (epoch_seconds(job.payload.get(key)) for key in _MOMENTS)
    return max((each for each in moments if each is not None), default=0.0)


def _now(jobs: "JobSet") -> float:
    seconds, micros = jobs.redis.time()
    return seconds + micros / 1e6


def _long(jobs: "JobSet", entry: "Entry", outcome: Outcome) -> Job | None:
    """An entry that was too long to be read with others, read alone."""
    if entry.length > _LONGEST:
        outcome.refuse(1, f"an entry of {entry.length:,} bytes is too long to be moved from here")
        return None
    raw = run(jobs.redis, "long", [jobs.key], [repr(entry.score), entry.length, "read"])
    if isinstance(raw, bytes):
        return Job.from_bytes(raw, at=entry.score)
    outcome.add(Outcome(gone=1))
    return None


def _done(number: int) -> Outcome:
    return Outcome(done=1) if number else Outcome(gone=1)


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
            self._words += [job.raw, buried(job, self._jobs.config.compat), 2, ""]
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
