"""Groups of errors as they are being counted: kept in this process between the refreshes of a page."""

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from fastkiq.api import Filter, Group, Grouping, JobSet
from fastkiq.web.site import Site

_MOST: Final = 16
"""Counts kept at once, of all sets and filters: some 2 MB each at most."""
_LONGEST: Final = 60.0
"""Seconds that a complete count is shown, and one that nobody asks for is kept."""
_SLICE: Final = 0.04
"""Seconds that one request counts."""
_WORTH: Final = 20
"""A complete count is shown so many times as long as it took, so that a small set's is always fresh."""


@dataclass(slots=True)
class Count:
    """One count under way, or complete."""

    grouping: Grouping
    spent: float = 0.0
    """Seconds that it took so far."""
    asked: float = 0.0
    completed: float | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True)
class Counted:
    """A count at one moment."""

    groups: Sequence[Group]
    looked: int
    total: int
    others: int
    is_complete: bool
    age: float
    """Seconds since it was completed."""


# By client (which a count keeps alive, so that no other one gets its id), names that are filtered, set, and filter.
Key = tuple[int, frozenset[str], str, Filter]
_counts: OrderedDict[Key, Count] = OrderedDict()
_lock: Final = threading.Lock()


def counted(site: Site, jobs: JobSet, wanted: Filter) -> Counted:
    """Counts on for some 40 ms, and answers how far it has come."""
    count = _held((id(jobs.redis), frozenset(site.filter_args), jobs.key, wanted), jobs, wanted)
    with count.lock:
        began = time.monotonic()
        if count.completed is None:
            count.grouping.advance(_SLICE)
            count.spent += time.monotonic() - began
            if count.grouping.is_complete:
                count.completed = time.monotonic()
        found = count.grouping
        age = 0.0 if count.completed is None else time.monotonic() - count.completed
        # Copies: another request counts on while this one's page is being made.
        groups = [replace(group, classes=dict(group.classes)) for group in found.groups]
        return Counted(groups, found.looked, found.total, found.others, found.is_complete, age)


def forget(key: str) -> None:
    """Somebody has changed this set from here: what was counted is not so any more."""
    with _lock:
        for each in [each for each in _counts if each[2] == key]:
            del _counts[each]


def _held(key: Key, jobs: JobSet, wanted: Filter) -> Count:
    now = time.monotonic()
    with _lock:
        count = _counts.get(key)
        if count is None or _is_stale(count, now):
            count = _counts[key] = Count(Grouping(jobs, wanted or None))
        count.asked = now
        _counts.move_to_end(key)
        while len(_counts) > _MOST:
            _counts.popitem(last=False)
        return count


def _is_stale(count: Count, now: float) -> bool:
    if count.completed is not None:
        return now - count.completed > min(_LONGEST, _WORTH * count.spent)
    return now - count.asked > _LONGEST
