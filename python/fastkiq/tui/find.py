"""Where a jid is: among running jobs, in the sets, in all queues."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from textual.binding import Binding, BindingType

from fastkiq.api import Entry, Page, Redis, Work, argument_text, search
from fastkiq.job import Job
from fastkiq.printable import counted, printable
from fastkiq.tui import deeds
from fastkiq.tui.job_page import EntryPage, RunningPage, WaitingPage
from fastkiq.tui.list_view import ListView
from fastkiq.tui.listing import Listing
from fastkiq.tui.sets import ARGUMENTS, CLASS, JID, QUEUE
from fastkiq.tui.table import Column

Hit = Work | Entry | Job
_MOST = 1_000
"""Hits that are kept: a jid that is more often there is no jid."""


@dataclass(frozen=True, slots=True)
class Hits:
    """What was found so far."""

    items: Sequence[Hit]
    looked: int
    is_complete: bool


class _Search:
    """A search under way. Only the reader's thread touches it."""

    def __init__(self, jid: str) -> None:
        self._jid = jid
        self._cursor: str | None = None
        self._looked = 0
        self._items: list[Hit] = []

    def read(self, redis: Redis) -> Hits:
        """Looks on for a fifth of a second."""
        found = search(self._jid, redis, self._cursor, seconds=0.2)
        self._items += [*found.running, *found.entries, *found.waiting]
        self._looked += found.looked
        self._cursor = found.cursor
        is_complete = self._cursor is None or len(self._items) >= _MOST
        return Hits(list(self._items[:_MOST]), self._looked, is_complete)


class FindView(ListView):
    """The places of one jid."""

    CAN_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("r", "again", "look again")]

    def __init__(self, jid: str, tab: str) -> None:
        columns = [Column("Where"), QUEUE, CLASS, JID, ARGUMENTS]
        listing: Listing[Hit] = Listing(columns, _cells, _key, "nowhere so far")
        super().__init__(listing)
        self.TAB = tab  # type: ignore[misc]  # of this instance
        self._jid = jid
        self._search = _Search(jid)
        self._hits = Hits([], 0, False)

    def request(self) -> _Search | None:
        """Looking on, until it is complete."""
        return None if self._hits.is_complete else self._search

    def accept(self, value: Any) -> None:
        """What was found so far."""
        self._hits = value
        self._show()
        if not self._hits.is_complete:
            self.top.read_now()

    def changed(self, *, asks: bool = False) -> None:
        """Draws it anew: what was found is known here."""
        self._show()
        super().changed()

    def position(self) -> str:
        """How far it looked."""
        state = "" if self._hits.is_complete else ", looking on"
        found = f"{len(self._hits.items):,} found in {counted(self._hits.looked, 'job')}{state}"
        return f"jid {printable(self._jid, 60)} · {found}"

    def action_open(self) -> None:
        """Opens the job's page."""
        hit = self.listing.current
        if isinstance(hit, Work):
            self.top.open(RunningPage(hit, self.TAB))
        elif isinstance(hit, Entry):
            self.top.open(EntryPage(hit, self.TAB))
        elif isinstance(hit, Job):
            self.top.open(WaitingPage(hit, self.TAB))

    def action_again(self) -> None:
        """Looks again, from the beginning."""
        self._search, self._hits = _Search(self._jid), Hits([], 0, False)
        self.top.read_now()

    def _show(self) -> None:
        items = self._hits.items
        at = int(self.listing.cursor or 0)
        after = at + self.limit
        following = str(after) if after < len(items) else None
        self.listing.take(Page(items[at:after], len(items), self.limit, following))


def _key(hit: Hit) -> tuple[object, ...]:
    if isinstance(hit, Work):
        return hit.process, hit.thread
    return (hit.set.key, hit.score, hit.job.raw) if isinstance(hit, Entry) else (hit.queue, hit.raw)


def _cells(hit: Hit) -> list[str]:
    job = hit if isinstance(hit, Job) else hit.job
    where = "running" if isinstance(hit, Work) else "waiting" if isinstance(hit, Job) else deeds.NAMES[hit.set.key]
    texts = (job.queue, job.class_name, job.jid, argument_text(job.args)[:500])
    return [where, *(printable(text, 500) for text in texts)]
