"""What is done to many jobs, in slices: each tells how far it is, and can be stopped between two."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from fastkiq.api import Entry, Filter, JobSet, Outcome, Redis
from fastkiq.printable import counted, printable
from fastkiq.tui.reader import Task

Kind = type[JobSet]
Work = Callable[[Task], str]

NAMES: Final = {"retry": "retries", "schedule": "scheduled jobs", "dead": "dead jobs"}
DONE: Final = {"retry": "retried", "enqueue": "enqueued", "kill": "killed", "delete": "deleted"}
_SLICE: Final = 0.25  # seconds
_TOGETHER: Final = 250
_LONGEST_COUNT: Final = 5.0
"""Seconds after which the question whether to go on shows the number so far."""


def told(action: str, outcome: Outcome, end: str = "") -> str:
    """What became of them, for people."""
    parts = [f"{counted(outcome.done, 'job')} {DONE[action]}"]
    if outcome.gone:
        parts.append(f"{outcome.gone:,} were gone already")
    if outcome.refused:
        why = printable("; ".join(outcome.reasons), 300)
        parts.append(f"{outcome.refused:,} stay: {why}")
    return "; ".join(parts) + end


def some(redis: Callable[[], Redis], kind: Kind, action: str, entries: Sequence[Entry]) -> Work:
    """Does it to these entries."""

    def work(task: Task) -> str:
        jobs, outcome = kind(redis()), Outcome()
        for start in range(0, len(entries), _TOGETHER):
            if task.is_cancelled:
                return told(action, outcome, "; stopped")
            outcome.add(jobs.act(action, entries[start : start + _TOGETHER]))
            task.progress = f"{told(action, outcome)} of {len(entries):,}"
        return told(action, outcome)

    return work


def all_of(redis: Callable[[], Redis], kind: Kind, action: str, several: Sequence[Filter | None]) -> Work:
    """Does it to all that one of the filters wants; None wants all."""

    def work(task: Task) -> str:
        jobs, outcome, looked = kind(redis()), Outcome(), 0
        notes: dict[str, None] = {}
        for wanted in several:
            cursor: str | None = None
            before: float | None = None
            while True:
                part = jobs.sweep(action, wanted, cursor, before=before, seconds=_SLICE)
                outcome.add(part.outcome)
                notes |= dict.fromkeys(part.notes)
                looked += part.looked
                task.progress = f"{told(action, outcome)}; {looked:,} looked at"
                cursor, before = part.cursor, part.before
                if cursor is None:
                    break
                if task.is_cancelled:
                    return told(action, outcome, "; stopped")
        return "; ".join([told(action, outcome), *list(notes)[:2]])

    return work


def number(redis: Callable[[], Redis], kind: Kind, wanted: Filter) -> Work:
    """Counts what a filter wants, for the question whether to go on."""

    def work(task: Task) -> str:
        jobs, count, looked = kind(redis()), 0, 0
        cursor: str | None = None
        deadline = time.monotonic() + _LONGEST_COUNT
        while True:
            page = jobs.page(cursor, 1_000, wanted, look=20_000, seconds=_SLICE)
            count, looked, cursor = count + len(page.items), looked + page.looked, page.next
            if cursor is None:
                return counted(count, "job")
            task.progress = f"{counted(count, 'job')} so far; {looked:,} of {page.total:,} looked at"
            if task.is_cancelled or time.monotonic() > deadline:
                return f"{counted(count, 'job')} among the first {looked:,} of {page.total:,}, and perhaps more"

    return work
