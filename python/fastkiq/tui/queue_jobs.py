"""The jobs that wait in one queue."""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from textual.binding import Binding, BindingType

from fastkiq.api import Filter, Page, Queue, Redis, argument_text
from fastkiq.job import Job
from fastkiq.printable import counted, printable
from fastkiq.tui.filters import parsed
from fastkiq.tui.forms import away
from fastkiq.tui.list_view import ListView
from fastkiq.tui.listing import Listing
from fastkiq.tui.reader import Task
from fastkiq.tui.sets import ARGUMENTS, CLASS, JID, TAGS
from fastkiq.tui.table import Column

_LOOK: Final = 50_000


@dataclass(frozen=True, slots=True)
class QueuePage:
    """A page of a queue."""

    name: str
    cursor: str | None
    limit: int
    wanted: Filter

    def read(self, redis: Redis) -> Page[Job]:
        """The page, the next to run first."""
        wanted = self.wanted or None
        return Queue(self.name, redis).page(self.cursor, self.limit, wanted, order="next", look=_LOOK, seconds=0.25)


class QueueJobs(ListView):
    """The next to run first. Jobs that are taken move all others up."""

    TAB = "Queues"
    CAN_FILTER = True
    WRITES = frozenset("D")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("D", "delete", "delete"),
        Binding("slash", "app.filter", "filter", key_display="/"),
        Binding("escape,backspace", "back", "back", key_display="Esc"),
    ]

    def __init__(self, name: str) -> None:
        columns = [Column("Enqueued", right=True), CLASS, JID, TAGS, ARGUMENTS]
        listing: Listing[Job] = Listing(columns, _cells, _key, "no jobs wait here")
        super().__init__(listing)
        self._queue = name
        self.wanted = Filter()

    def request(self) -> QueuePage:
        """The page that is shown."""
        return QueuePage(self._queue, self.listing.cursor, self.limit, self.wanted)

    def set_filter(self, text: str) -> None:
        """Shows only what fits."""
        self.wanted = parsed(text)
        super().set_filter(text if self.wanted else "")

    def position(self) -> str:
        """With the queue's name."""
        return f"{printable(self._queue, 60)} {super().position()}"

    def action_select_all(self) -> None:
        """The jobs of this page; all of a queue are deleted with the queue."""
        said = self.listing.widen()
        if self.listing.has_all:
            said = self.listing.widen()
        self.top.say(said)
        self.changed()

    def action_open(self) -> None:
        """Opens the job's page."""
        from fastkiq.tui.job_page import WaitingPage

        if (job := self.listing.current) is not None:
            self.top.open(WaitingPage(job, self.TAB))

    def action_delete(self) -> None:
        """Asks, and then takes jobs out of the queue."""
        jobs: list[Job] = self.listing.meant
        if not jobs:
            return

        def work(task: Task) -> str:
            queue, done = Queue(self._queue, self.top.redis()), 0
            for at, job in enumerate(jobs):
                if task.is_cancelled:
                    break
                done += queue.delete(job)
                task.progress = f"{at + 1:,} of {len(jobs):,}"
            gone = f"; {len(jobs) - done:,} were gone or stay" if done < len(jobs) else ""
            return f"{counted(done, 'job')} deleted{gone}"

        what = "this job" if len(jobs) == 1 else f"these {len(jobs):,} jobs"
        self.top.confirm(f"Delete {what} of the queue {printable(self._queue, 100)}?", work, then=self._done)

    def _done(self) -> None:
        self.listing.clear_selection()


def _key(job: Job) -> Any:
    return job.raw


def _cells(job: Job) -> list[str]:
    return [
        away(job.enqueued_at.timestamp()) if job.enqueued_at is not None else "",
        printable(job.class_name, 200) or "(no job)",
        printable(job.jid, 80),
        printable(", ".join(job.tags)[:200], 200),
        printable(argument_text(job.args)[:500], 500),
    ]
