"""Busy: processes, and the jobs that run."""

from dataclasses import dataclass
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from fastkiq.api import Page, Process, ProcessSet, Redis, Work, WorkSet, argument_text
from fastkiq.printable import counted, printable
from fastkiq.tui.forms import away, short, size, span
from fastkiq.tui.list_view import ListView
from fastkiq.tui.listing import Listing
from fastkiq.tui.reader import Task
from fastkiq.tui.sets import ARGUMENTS, CLASS, JID, QUEUE
from fastkiq.tui.table import Column


@dataclass(frozen=True, slots=True)
class BusyPage:
    """A page of processes, and one of running jobs."""

    processes: str | None
    most_processes: int
    work: str | None
    most_work: int

    def read(self, redis: Redis) -> tuple[Page[Process], Page[Work]]:
        """Both."""
        processes = ProcessSet(redis).page(self.processes, self.most_processes)
        return processes, WorkSet(redis).page(self.work, self.most_work)


class BusyView(ListView):
    """Two listings, one above the other; Tab goes from one to the other."""

    TAB = "Busy"
    WRITES = frozenset("TQS")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("T", "signal('terminate')", "terminate"),
        Binding("Q", "signal('quiet')", "quiet"),
        Binding("S", "stack", "stack"),
        Binding("tab,shift+tab", "other", "processes/jobs", key_display="Tab"),
    ]

    def __init__(self) -> None:
        processes = [
            Column("Process", most=40, style="bold"),
            Column("Tag", most=16, rank=3),
            Column("Busy", right=True),
            Column("of", right=True),
            Column("RSS", right=True, rank=2),
            Column("RTT", right=True, rank=5),
            Column("Beat", right=True, rank=4),
            Column("State", most=8),
            Column("Version", most=16, rank=7, style="dim"),
            Column("Queues", free=True, rank=1),
            Column("Labels", most=24, rank=6),
        ]
        self._processes: Listing[Process] = Listing(
            processes, _process, lambda process: process.identity, "no processes"
        )
        jobs = [Column("Runs", right=True), QUEUE, CLASS, JID, Column("Process", most=30, rank=5), ARGUMENTS]
        self._work: Listing[Work] = Listing(
            jobs, _work, lambda work: (work.process, work.thread, work.job.jid), "no running jobs"
        )
        super().__init__(self._processes)
        self._is_below = False

    @property
    def listing(self) -> Listing[Any]:
        """The one that the keys are for."""
        return self._work if self._is_below else self._processes

    def request(self) -> BusyPage:
        """The pages that are shown. A page of jobs has whole processes, so that it may be longer than the screen."""
        above = self._above
        below = max(1, self.top.room - above - 3)
        return BusyPage(self._processes.cursor, above - 1, self._work.cursor, below)

    @property
    def _above(self) -> int:
        """Lines for the processes at most, their heading among them."""
        return max(3, self.top.room * 2 // 5)

    def accept(self, value: Any) -> None:
        """Both pages."""
        processes, work = value
        self.notes = [*processes.notes, *work.notes]
        if not self._processes.take(processes) or not self._work.take(work):
            self.top.read_now()

    def lines(self, width: int, height: int) -> list[Content]:
        """The processes, and below them the jobs."""
        above = self._processes.lines(width, self._above, active=not self._is_below)
        below = self._work.lines(width, height - len(above) - 2, active=self._is_below)
        count = self._work.page.total if self._work.page is not None else 0
        between = Content.styled(f"{counted(count, 'running job')} {self._work.position(False)}", "dim")
        return [*above, Content(""), between, *below]

    def position(self) -> str:
        """Which processes are shown."""
        selected = len(self._processes.selected)
        parts = [f"processes {self._processes.position(False)}"]
        if self._processes.has_all:
            parts.append("all selected")
        elif selected:
            parts.append(f"{selected:,} selected")
        return " · ".join(parts)

    def action_other(self) -> None:
        """From the processes to the jobs, and back."""
        self._is_below = not self._is_below
        self.changed()

    def action_select(self) -> None:
        """Only processes can be selected."""
        if not self._is_below:
            super().action_select()

    def action_select_all(self) -> None:
        """Only processes can be selected."""
        if not self._is_below:
            super().action_select_all()

    def action_open(self) -> None:
        """Opens the job's page, or the stacks of the process."""
        from fastkiq.tui.job_page import RunningPage

        if self._is_below:
            if (work := self._work.current) is not None:
                self.top.open(RunningPage(work, self.TAB))
        elif not self.top.read_only:
            self.action_stack()

    def action_stack(self) -> None:
        """Opens what the job, or all threads of the process, are doing."""
        from fastkiq.tui.stack_page import StackPage

        if self._is_below:
            if (work := self._work.current) is not None:
                self.top.open(StackPage(work.process, work.thread, work.job.jid, self.TAB))
        elif (process := self._processes.current) is not None:
            if process.is_fastkiq:
                self.top.open(StackPage(process.identity, "", "", self.TAB))
            else:
                self.top.say(f"{printable(process.version, 100)} can only log its stacks")

    def action_signal(self, action: str) -> None:
        """Asks, and then lets processes end, or take no more jobs."""
        listing = self._processes
        if self._is_below:
            self.top.say("T and Q are for processes: Tab goes there")
            return
        if listing.has_all:
            total = listing.page.total if listing.page is not None else 0
            self.top.confirm(f"{action.capitalize()} all {total:,} processes?", self._all(action), then=self._done)
            return
        meant: list[Process] = [process for process in listing.meant if not process.is_embedded]
        if not meant:
            self.top.say("processes inside of other programs are stopped by these alone" if listing.meant else "")
            return
        what = printable(meant[0].identity, 100) if len(meant) == 1 else f"these {len(meant):,} processes"
        jobs = counted(sum(process.busy for process in meant), "running job")
        self.top.confirm(f"{action.capitalize()} {what}, with {jobs}?", self._some(action, meant), then=self._done)

    def _some(self, action: str, several: list[Process]) -> Any:
        def work(task: Task) -> str:
            for done, process in enumerate(several):
                if task.is_cancelled:
                    return f"{counted(done, 'process', 'processes')} told; stopped"
                process.quiet() if action == "quiet" else process.stop()
            return f"{counted(len(several), 'process', 'processes')} told to {action}; heard at the next heartbeat"

        return work

    def _all(self, action: str) -> Any:
        def work(task: Task) -> str:
            processes = ProcessSet(self.top.redis())
            number = processes.quiet() if action == "quiet" else processes.stop()
            return f"{counted(number, 'process', 'processes')} told to {action}; heard at the next heartbeat"

        return work

    def _done(self) -> None:
        self._processes.clear_selection()


def _process(process: Process) -> list[str]:
    state = "quiet" if process.is_quiet else "embedded" if process.is_embedded else ""
    return [
        printable(process.identity.rpartition(":")[0] or process.identity, 100),
        printable(process.tag, 100),
        f"{process.busy:,}",
        f"{process.concurrency:,}",
        size(process.rss),
        short(process.rtt),
        away(process.beat) if process.beat is not None else "",
        state,
        printable(process.version, 100),
        printable(", ".join(process.queues)[:300], 300),
        printable(", ".join(process.labels)[:100], 100),
    ]


def _work(work: Work) -> list[str]:
    job = work.job
    return [
        span(work.elapsed),
        printable(work.queue, 100),
        printable(job.class_name, 200) or "(no job)",
        printable(job.jid, 80),
        printable(work.process.rpartition(":")[0] or work.process, 100),
        printable(argument_text(job.args)[:500], 500),
    ]
