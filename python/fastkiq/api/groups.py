"""Errors of one kind, counted: what an operator wants to know of ten thousand failed jobs."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from fastkiq.api.cursor import Cursor
from fastkiq.api.filter import Filter, signature_of
from fastkiq.api.job_set import JobSet
from fastkiq.api.reading import Stored, part
from fastkiq.job import Job

_MOST_GROUPS: Final = 1_000
_MOST_CLASSES: Final = 20
_LONGEST_NAME: Final = 200
"""Characters of a class that are kept."""
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
        self._needles = list(wanted.needles()) if wanted else []
        self._at = Cursor()
        self.looked = 0
        """Entries counted so far."""
        self.total = 0
        """Entries in the set, at the last look."""
        self.is_complete = False
        """Whether all entries have been counted."""
        self.others = 0
        """Entries beyond the first thousand groups."""
        self.unread = 0
        """Entries that are too long to be looked into: in no group."""

    def advance(self, seconds: float = 0.04) -> None:
        """Counts on for about so many seconds."""
        deadline = time.monotonic() + seconds
        while not self.is_complete:
            found = part(self._jobs.redis, self._jobs.key, self._jobs.order, self._at, _STEP, _STEP, self._needles)
            for stored in found.entries:
                if stored.raw is None:
                    self.unread += 1
                elif not self._wanted or self._wanted.glance(stored.raw):
                    self._count(Job.decoded(stored.raw), stored)
            self.looked += found.looked
            self.total = max(0, found.total)
            self._at = found.at
            self.is_complete = not found.at.score
            if time.monotonic() > deadline:
                return

    @property
    def groups(self) -> Sequence[Group]:
        """The largest first."""
        return sorted(self._groups.values(), key=lambda group: (-group.count, group.signature))

    def _count(self, payload: dict[str, Any], stored: Stored) -> None:
        if self._wanted and not self._wanted.accepts(payload, stored.raw or b""):
            return
        key = signature_of(payload)
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) >= _MOST_GROUPS:
                self.others += 1
                return
            job = Job.of_payload(payload, b"")
            message = (job.error_message or "")[:1_000]
            group = self._groups[key] = Group(key, (job.error_class or "")[:_LONGEST_NAME], message)
        group.count += 1
        group.earliest = min(group.earliest, stored.score)
        group.latest = max(group.latest, stored.score)
        name = Job.class_of(payload)[:_LONGEST_NAME]
        if name in group.classes or len(group.classes) < _MOST_CLASSES:
            group.classes[name] = group.classes.get(name, 0) + 1
