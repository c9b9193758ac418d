"""Queues: their sizes, latencies and jobs."""

from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType

from fastkiq.api import Page, Queue, QueueState, Redis, queues
from fastkiq.printable import counted, printable
from fastkiq.tui.forms import figure, size, span
from fastkiq.tui.list_view import ListView
from fastkiq.tui.listing import Listing
from fastkiq.tui.queue_jobs import QueueJobs
from fastkiq.tui.reader import Task
from fastkiq.tui.table import Column


@dataclass(frozen=True, slots=True)
class Row:
    """A queue, and the bytes that it takes."""

    state: QueueState
    memory: int


@dataclass(frozen=True, slots=True)
class QueuesPage:
    """Some of the queues, by name."""

    cursor: str | None
    limit: int
    part: str
    """What the names have in them."""

    def read(self, redis: Redis) -> Page[Row]:
        """The page; of a thousand queues at most."""
        notes: list[str] = []
        found = [each for each in queues(redis, notes=notes) if self.part in each.name]
        at = int(self.cursor or 0)
        after = at + self.limit
        rows = [Row(each, Queue(each.name, redis).memory() if each.size else 0) for each in found[at:after]]
        return Page(rows, len(found), len(rows), str(after) if after < len(found) else None, notes)


class QueuesView(ListView):
    """By name."""

    TAB = "Queues"
    CAN_FILTER = True
    WRITES = frozenset("Dp")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("D", "clear", "delete"),
        Binding("p", "pause", "pause/resume"),
        Binding("slash", "app.filter", "filter", key_display="/"),
    ]

    def __init__(self) -> None:
        columns = [
            Column("Queue", most=50, style="bold"),
            Column("Size", right=True),
            Column("Latency", right=True),
            Column("Memory", right=True, rank=1),
            Column("State", most=8),
        ]
        listing: Listing[Row] = Listing(columns, _cells, lambda row: row.state.name, "no queues")
        super().__init__(listing)

    def request(self) -> QueuesPage:
        """The page that is shown."""
        return QueuesPage(self.listing.cursor, self.limit, self.filter_text)

    def action_open(self) -> None:
        """Opens the queue's jobs."""
        if (row := self.listing.current) is not None:
            self.top.open(QueueJobs(row.state.name))

    def action_pause(self) -> None:
        """Pauses the queue, or resumes it: nothing is lost by either."""
        rows: list[Row] = self.listing.meant
        if not rows:
            return
        pauses = not rows[0].state.is_paused

        def work(task: Task) -> str:
            for row in rows:
                queue = Queue(row.state.name, self.top.redis())
                queue.pause() if pauses else queue.resume()
            done = "paused, within a beat (5 s)" if pauses else "resumed"
            return f"{counted(len(rows), 'queue')} {done}"

        self.top.do(work, then=self._done)

    def action_clear(self) -> None:
        """Asks, and then deletes all jobs of the queue, and the queue."""
        if self.listing.has_all:
            self.top.say("queues are deleted page by page: A selects the page")
            return
        rows: list[Row] = self.listing.meant
        if not rows:
            return

        def work(task: Task) -> str:
            jobs = 0
            for done, row in enumerate(rows):
                if task.is_cancelled:
                    return f"{counted(jobs, 'job')} of {counted(done, 'queue')} deleted; stopped"
                jobs += Queue(row.state.name, self.top.redis()).clear()
            return f"{counted(jobs, 'job')} of {counted(len(rows), 'queue')} deleted"

        number = counted(sum(row.state.size for row in rows), "job")
        what = f"the queue {printable(rows[0].state.name, 100)}" if len(rows) == 1 else f"these {len(rows):,} queues"
        self.top.confirm(f"Delete {what}, with {number}?", work, then=self._done)

    def _done(self) -> None:
        self.listing.clear_selection()


def _cells(row: Row) -> list[str]:
    state = row.state
    return [
        printable(state.name, 200),
        figure(state.size),
        "?" if state.latency is None else span(state.latency) if state.size else "",
        size(row.memory) if row.memory else "",
        "paused" if state.is_paused else "",
    ]
