"""The sorted sets of jobs: what `schedule`, `retry` and `dead` have in common."""

import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import ClassVar, Final

from fastkiq import config as configuration
from fastkiq.api import actions
from fastkiq.api.actions import Outcome
from fastkiq.api.connection import Redis, connect
from fastkiq.api.cursor import Cursor
from fastkiq.api.entry import Entry
from fastkiq.api.filter import Filter
from fastkiq.api.page import Page
from fastkiq.api.scripts import run
from fastkiq.api.values import ANSWER, LONGEST, TOGETHER, text
from fastkiq.client import epoch_of
from fastkiq.config import Config
from fastkiq.errors import ArgumentError
from fastkiq.job import Job

_LOOK: Final = 5_000
"""Entries that one script looks at for a filter: some 3 ms of Redis."""
_TIES: Final = 100_000
"""Entries with one and the same score among which a jid is looked for."""


class JobSet:
    """One of the sets. Safe beside workers and others that change it meanwhile.

    `redis` is a client of `connect()`; without one that of `config`, else the configured one, is meant.
    """

    key: ClassVar[str]
    order: ClassVar[str] = "next"
    """`next`: the lowest time first; `latest`: the highest."""
    can: ClassVar[tuple[str, ...]]
    """The actions that make sense for its entries: `retry`, `enqueue`, `kill`, `delete`."""

    def __init__(self, redis: Redis | None = None, *, config: Config | None = None) -> None:
        self.redis = redis if redis is not None else connect(config)
        self.config = config or configuration.default()

    @property
    def size(self) -> int:
        """Entries, now; 0 when the key holds something else."""
        return max(0, self.page(limit=0).total)

    def page(
        self,
        cursor: str | None = None,
        limit: int = 25,
        wanted: Filter | None = None,
        *,
        look: int = 20_000,
        seconds: float = 0.05,
        order: str | None = None,
    ) -> Page[Entry]:
        """At most `limit` entries, from where `cursor` (the `next` of the page before) says.

        With a filter the page may have few of them and still a `next`: it ends when it has looked at `look` entries, or
        for `seconds`. Raises ArgumentError for a cursor that is none.
        """
        at = Cursor.parse(cursor)
        needles = list(wanted.needles()) if wanted else []
        items: list[Entry] = []
        total, looked, unread = 0, 0, 0
        deadline = time.monotonic() + seconds
        while True:
            left = limit - len(items)
            ask, most = (min(_LOOK, look - looked), TOGETHER) if wanted else (left, left)
            words = [order or self.order, at.score, at.ties, ask, most, LONGEST, ANSWER, *needles]
            total, seen, score, ties, flat = run(self.redis, "page", [self.key], words)
            if total < 0:
                return Page([], 0, notes=[f"{self.key} holds something else than it should: it is left out"])
            looked += seen
            at = Cursor(text(score), ties)
            for start in range(0, len(flat), 4):
                entry = self._entry(*flat[start : start + 4])
                if wanted and not entry.is_whole:
                    unread += 1
                elif not wanted or wanted.matches(entry.job):
                    items.append(entry)
                    if len(items) == limit and start + 4 < len(flat):
                        at = Cursor(text(flat[start + 1]), entry.ties)
                        break
            is_full = len(items) >= limit or not at.score
            if is_full or (wanted and (looked >= look or time.monotonic() > deadline)):
                break
        notes = [f"{unread:,} entries are longer than {LONGEST:,} bytes: they were not looked into"] if unread else []
        return Page(items, total, looked, at.text(), notes)

    def __iter__(self) -> Iterator[Entry]:
        """All entries, in the set's order, read page by page. Those that come in behind the walk are not seen; what is
        taken out meanwhile hides none, unless it has the very score of its neighbour."""
        yield from self.scan()

    def scan(self, wanted: Filter | None = None) -> Iterator[Entry]:
        """All entries that are wanted, as `__iter__`."""
        cursor: str | None = None
        while True:
            page = self.page(cursor, TOGETHER, wanted, look=1_000_000, seconds=10)
            yield from page.items
            if page.next is None:
                return
            cursor = page.next

    def find(self, jid: str, score: float | None = None) -> Entry | None:
        """The entry with this jid; with its score it takes one look, without it a walk over the whole set."""
        if not jid:
            return None
        if score is None:
            return next(self.scan(Filter(jid=jid)), None)
        needle = f'"{jid}"'.encode("utf-8", "surrogatepass")
        passed = 0
        while passed < _TIES:
            seen, *found = run(self.redis, "find", [self.key], [repr(score), needle, passed, 1_000, LONGEST])
            for raw in found:
                if raw is not None and (job := Job.from_bytes(raw, at=score)).jid == jid:
                    return Entry(job, score, 1, len(raw), self)
            passed += seen
            if seen < 1_000:
                break
        return None

    def fetch(self, id: str) -> Entry | None:
        """The entry that has this `id` (`score-jid`). Raises ArgumentError when it is none."""
        score, dash, jid = id.partition("-")
        try:
            return self.find(jid, float(score)) if dash else None
        except ValueError:
            raise ArgumentError(f"this is no score-jid: {id[:80]!r}") from None

    def act(self, action: str, entries: Sequence[Entry]) -> Outcome:
        """Does one thing to these entries: `retry`, `enqueue`, `kill` or `delete`; to each once, whoever else tries."""
        return actions.act(self, action, entries)

    def sweep(
        self,
        action: str,
        wanted: Filter | None = None,
        cursor: str | None = None,
        *,
        before: float | None = None,
        seconds: float | None = None,
    ) -> actions.Sweep:
        """Does one thing to all entries that are wanted, for about `seconds`; then `cursor` and `before` of what is
        answered go on. What has come or failed since it began (`before`, epoch seconds) is left alone: so it ends."""
        return actions.sweep(self, action, wanted, cursor, before, seconds)

    def reschedule(self, entry: Entry, at: float | datetime) -> bool:
        """Gives an entry another time. False: it was gone. Raises ArgumentError for what is no time."""
        return bool(run(self.redis, "reschedule", [self.key], [entry.job.raw, repr(epoch_of(at))]))

    def clear(self) -> int:
        """Deletes all of it, whatever it is, at once; answers how many entries that were."""
        pipeline = self.redis.pipeline()
        run(pipeline, "page", [self.key], ["next", "", 0, 0, 0, 0, 0])
        pipeline.unlink(self.key)
        return max(0, int(pipeline.execute()[0][0]))

    def _entry(self, raw: bytes | None, score: bytes, ties: int, length: int) -> Entry:
        at = float(score)
        return Entry(Job.from_bytes(raw or b"", at=at), at, ties, length, self, is_whole=raw is not None)
