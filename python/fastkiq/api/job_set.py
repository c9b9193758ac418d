"""The sorted sets of jobs: what `schedule`, `retry` and `dead` have in common."""

import re
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import ClassVar, Final

from fastkiq import config as configuration
from fastkiq.api import actions
from fastkiq.api.actions import Outcome
from fastkiq.api.connection import Redis, connect
from fastkiq.api.cursor import Cursor
from fastkiq.api.entry import NO_JID, Entry
from fastkiq.api.filter import Filter
from fastkiq.api.page import Page
from fastkiq.api.reading import LOOK, Stored, behind, ordered, part
from fastkiq.api.scripts import run
from fastkiq.api.values import ANSWER, LONGEST, TOGETHER
from fastkiq.client import epoch_of
from fastkiq.config import Config
from fastkiq.errors import ArgumentError
from fastkiq.job import Job

_ID: Final = re.compile(r"(-?(?:inf|[0-9]+(?:\.[0-9]*)?(?:e[+-]?[0-9]{1,3})?))-(.*)", re.DOTALL)
_TIES: Final = 100_000
"""Entries with one and the same score among which one is looked for."""


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
        for `seconds`; any page ends when it has some megabytes. A cursor is a place between two entries: with the other
        `order` (`next` or `latest`) the page goes back from it. Raises ArgumentError for a cursor or an order that is
        none.
        """
        order = ordered(order or self.order)
        page, at = self.read(Cursor.parse(cursor), limit, wanted, look=look, seconds=seconds, order=order)
        return Page(page.items, page.total, page.looked, at.text(), page.notes)

    def read(
        self, at: Cursor, limit: int, wanted: Filter | None, *, look: int, seconds: float, order: str
    ) -> tuple[Page[Entry], Cursor]:
        """As `page`, with a place that need not fit into a text, and the one behind it."""
        needles = list(wanted.needles()) if wanted else []
        items: list[Entry] = []
        total, looked, unread, size, most = 0, 0, 0, 0, max(0, limit)
        last = Stored(None, 0.0, 0, 0)
        deadline = time.monotonic() + seconds
        while True:
            left = limit - len(items)
            ask = min(LOOK, look - looked) if wanted else left
            found = part(self.redis, self.key, order, at, ask, most if wanted else left, needles)
            total, at = found.total, found.at
            if total < 0:
                return Page([], 0, notes=[f"{self.key} holds something else than it should: it is left out"]), at
            looked += found.looked
            for stored in found.entries:
                if wanted and stored.raw is None:
                    unread += 1
                elif entry := self._entry(stored, wanted):
                    if len(items) == limit:
                        at = behind(self.redis, self.key, order, last)
                        break
                    items.append(entry)
                    last = stored
                    size += len(stored.raw or b"")
            is_full = len(items) >= limit or not at.score or size > ANSWER
            if is_full or (wanted and (looked >= look or time.monotonic() > deadline)):
                break
            # The needles let through what is not wanted: fewer trips.
            most = min(TOGETHER, 4 * most) if len(found.entries) == most else most
        notes = [f"{unread:,} entries are longer than {LONGEST:,} bytes: they were not looked into"] if unread else []
        return Page(items, total, looked, None, notes), at

    def __iter__(self) -> Iterator[Entry]:
        """All entries, in the set's order, read page by page. Those that come in behind the walk are not seen; what is
        taken out or put in meanwhile hides none that stay, and doubles none."""
        yield from self.scan()

    def scan(self, wanted: Filter | None = None) -> Iterator[Entry]:
        """All entries that are wanted, as `__iter__`."""
        at = Cursor()
        while True:
            page, at = self.read(at, TOGETHER, wanted, look=1_000_000, seconds=10, order=self.order)
            yield from page.items
            if not at.score:
                return

    def find(self, jid: str, score: float | None = None) -> Entry | None:
        """The entry with this jid; with its score it takes one look, without it a walk over the whole set."""
        if not jid:
            return None
        if score is None:
            return next(self.scan(Filter(jid=jid)), None)
        return next((entry for entry in self._tied(score, Filter(jid=jid)) if entry.job.jid == jid), None)

    def fetch(self, id: str) -> Entry | None:
        """The entry that has this `id`. Raises ArgumentError when it is none."""
        found = _ID.fullmatch(id)
        if found is None:
            raise ArgumentError(f"this is no score-jid: {id[:80]!r}")
        score, jid = float(found[1]), found[2]
        if (entry := self.find(jid, score)) is not None or not jid.startswith(NO_JID):
            return entry
        return next((entry for entry in self._tied(score, None) if entry.id == id), None)

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
        answered go on. What has come or failed since it began (`before`, epoch seconds) is left alone: so it ends.

        Without a filter all entries are meant. Raises ArgumentError for a filter without a condition, which more often
        is a value that was forgotten."""
        return actions.sweep(self, action, wanted, cursor, before, seconds)

    def reschedule(self, entry: Entry, at: float | datetime) -> bool:
        """Gives an entry another time. False: it was gone. Raises ArgumentError for what is no time, and for an entry
        that was too long to be read."""
        if not entry.is_whole:
            raise ArgumentError(f"an entry of {entry.length:,} bytes cannot be given another time")
        return bool(run(self.redis, "reschedule", [self.key], [entry.job.raw, repr(epoch_of(at))]))

    def clear(self) -> int:
        """Deletes all of it, whatever it is, at once; answers how many entries that were."""
        return int(run(self.redis, "clear", [self.key], []))

    def _tied(self, score: float, wanted: Filter | None) -> Iterator[Entry]:
        """Entries with this very score."""
        at, looked = Cursor(repr(score), b"b"), 0
        while at.score and float(at.score) == score and looked < _TIES:
            page, at = self.read(at, 1 if wanted else 100, wanted, look=LOOK, seconds=1, order="next")
            looked += page.looked
            for entry in page.items:
                if entry.score != score:
                    return
                yield entry

    def _entry(self, stored: Stored, wanted: Filter | None) -> Entry | None:
        """None for one that is not wanted."""
        raw, at = stored.raw, stored.score
        if wanted and raw is not None and not wanted.glance(raw):
            return None
        payload = Job.decoded(raw) if raw is not None else {}
        if wanted and not wanted.accepts(payload, raw or b""):
            return None
        job = Job.of_payload(payload, raw or b"", at=at)
        return Entry(job, at, stored.ties, stored.length, self, is_whole=raw is not None)
