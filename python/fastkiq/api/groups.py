"""Errors of one kind, counted: what an operator wants to know of ten thousand failed jobs."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from fastkiq.api.entry import Entry
from fastkiq.api.filter import Filter, signature
from fastkiq.api.job_set import JobSet

_MOST_GROUPS: Final = 1_000
_MOST_CLASSES: Final = 20
_STEP: Final = 500


@dataclass(slots=True)
class Group:
    """Entries whose errors have the same signature."""

    signature: str
    """`filter.signature`: for `Filter(group=...)`, by which they can be listed and acted on."""
    error_class: str
    message: str
    """The message of the first one that was met."""
    count: int = 0
    earliest: float = float("inf")
    """The lowest score, epoch seconds."""
    latest: float = float("-inf")
    classes: dict[str, int] = field(default_factory=dict)
    """Job class -> entries, of the first 20 classes."""


class Grouping:
    """The groups of a set, counted little by little: a million entries take a while, and what is known so far can be
    shown meanwhile, with `looked` of `total`."""

    def __init__(self, jobs: JobSet, wanted: Filter | None = None) -> None:
        self._jobs = jobs
        self._wanted = wanted
        self._groups: dict[str, Group] = {}
        self._cursor: str | None = None
        self.looked = 0
        """Entries counted so far."""
        self.total = 0
        """Entries in the set, at the last look."""
        self.is_complete = False
        self.others = 0
        """Entries beyond the first thousand groups."""

    def advance(self, seconds: float = 0.04) -> None:
        """Counts on for about so long."""
        deadline = time.monotonic() + seconds
        while not self.is_complete:
            page = self._jobs.page(
                self._cursor, _STEP, self._wanted, look=_STEP if self._wanted else 20_000, seconds=seconds
            )
            for entry in page.items:
                self._count(entry)
            self.looked += page.looked
            self.total = page.total
            self._cursor = page.next
            self.is_complete = page.next is None
            if time.monotonic() > deadline:
                return

    @property
    def groups(self) -> Sequence[Group]:
        """The largest first."""
        return sorted(self._groups.values(), key=lambda group: (-group.count, group.signature))

    def _count(self, entry: Entry) -> None:
        job = entry.job
        key = signature(job)
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) >= _MOST_GROUPS:
                self.others += 1
                return
            message = (job.error_message or "")[:1_000]
            group = self._groups[key] = Group(key, (job.error_class or "")[:200], message)
        group.count += 1
        group.earliest = min(group.earliest, entry.score)
        group.latest = max(group.latest, entry.score)
        if job.class_name in group.classes or len(group.classes) < _MOST_CLASSES:
            group.classes[job.class_name] = group.classes.get(job.class_name, 0) + 1
