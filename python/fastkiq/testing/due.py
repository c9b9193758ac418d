"""Which of the jobs that a test keeps run next."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

from fastkiq.client import epoch_of
from fastkiq.errors import ArgumentError
from fastkiq.testing.kept import Kept
from fastkiq.testing.shelf import Shelf
from fastkiq.testing.wanted import Target, whose

LIMIT: Final = 10_000
Until = datetime | timedelta


class EndlessJobs(AssertionError):
    """More jobs were enqueued while jobs were drained than `limit` allows: probably by one that enqueues itself."""


def due(shelf: Shelf, target: Target | None, until: Until | None, limit: int) -> Iterator[Kept]:
    """Takes out one job after the other, as they fall due."""
    fits = _picked(target)
    horizon = None if until is None else moment(shelf, until)
    known = shelf.serial
    came: Counter[str] = Counter()
    while True:
        batch = shelf.promote(fits)
        for kept in batch:
            if not shelf.claim(kept):
                continue  # another thread has run it, or a job has cleared all
            if kept.serial > known:
                came[kept.class_name] += 1
                if came.total() > limit:
                    shelf.give_back(kept)
                    raise EndlessJobs(_endless(came, limit))
            yield kept
        if batch:
            continue
        next_time = None if horizon is None else shelf.next_time(fits)
        if horizon is None or next_time is None or next_time > horizon:
            break
        shelf.reach(next_time)
    if horizon is not None:
        shelf.reach(horizon)


def moment(shelf: Shelf, until: Until) -> float:
    """In epoch seconds. Raises ArgumentError."""
    if isinstance(until, timedelta):
        return shelf.clock() + until.total_seconds()
    if isinstance(until, datetime):
        return epoch_of(until)
    raise ArgumentError(f"until is a timedelta or an aware datetime, not {type(until).__name__}")


def _picked(target: Target | None) -> Callable[[Kept], bool]:
    if target is None:
        return lambda kept: True
    is_of = whose(target)
    return lambda kept: is_of(kept) or kept.queue == target


def _endless(came: Counter[str], limit: int) -> str:
    most = ", ".join(f"{name} ({count:,})" for name, count in came.most_common(3))
    return (
        f"more than {limit:,} jobs were enqueued while jobs were drained: {most}. Does a job enqueue itself for ever? "
        "If so many are meant, pass a higher limit=..."
    )
