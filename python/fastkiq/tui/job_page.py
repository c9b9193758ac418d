"""The page of one job: what it was told to do, what became of it, its error, its payload."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from textual.binding import Binding, BindingType
from textual.content import Content

from fastkiq.api import Entry, JobSet, Process, ProcessSet, Queue, Redis, Work, WorkSet
from fastkiq.backtrace import read
from fastkiq.job import Job
from fastkiq.printable import printable
from fastkiq.tui import deeds
from fastkiq.tui.forms import away, clock, moment, size, span
from fastkiq.tui.paragraphs import framed, paragraphs
from fastkiq.tui.reader import Request, Task
from fastkiq.tui.view import PageView

_LONGEST: Final = 32_000
"""Characters of one part of a job that are shown."""
_MOST_LINES: Final = 500
_ELSEWHERE: Final = {
    *("jid", "class", "wrapped", "queue", "args", "tags", "created_at", "enqueued_at", "failed_at", "retried_at"),
    *("error_class", "error_message", "error_backtrace", "retry_count", "retry"),
}
"""Fields of the payload that the page tells otherwise."""


class JobPage(PageView):
    """What there is to say about any job."""

    def __init__(self, job: Job, tab: str) -> None:
        super().__init__()
        self.TAB = tab  # type: ignore[misc]  # of this instance
        self.job = job
        self.is_gone = False

    def facts(self) -> Iterator[tuple[str, str]]:
        """Name and value, printable."""
        job = self.job
        yield "jid", printable(job.jid, 200)
        yield "queue", printable(job.queue, 200)
        if job.tags:
            yield "tags", printable(", ".join(job.tags), 500)
        yield "retry", printable(json.dumps(job.payload.get("retry", True)), 100)

    def timeline(self) -> Iterator[tuple[str, datetime | None]]:
        """What happened when, the earliest first."""
        job = self.job
        yield "created", job.created_at
        yield "enqueued", job.enqueued_at
        if job.failed_at is not None:
            yield "failed first", job.failed_at
        if job.retried_at is not None:
            yield f"failed again ({(job.retry_count or 0) + 1} times in all)", job.retried_at

    def text(self, width: int) -> list[Content]:
        """All of it."""
        job = self.job
        lines = [Content.styled(printable(job.class_name, 1_000) or "(no job can be made of this)", "bold")]
        if self.is_gone:
            seen = f", as it was at {clock(self.at)}" if self.at else ""
            lines.append(Content.styled(f"It is not here any more{seen}.", "reverse"))
        lines += [_fact(name, value) for name, value in self.facts()]
        lines += _section("Timeline")
        known = [(name, at) for name, at in self.timeline() if at is not None]
        lines += [_fact(name, f"{moment(at)}  {away(at.timestamp())}", 34) for name, at in sorted(known, key=_time)]
        lines += _section("Arguments")
        if job.payload.get("encrypt"):
            lines.append(Content("encrypted"))
        else:
            lines += _json(job.args, width) if job.args else [Content("none")]
        lines += self._error(width)
        rest = {key: value for key, value in job.payload.items() if key not in _ELSEWHERE}
        if not job.payload:
            lines += [*_section("Stored bytes"), *paragraphs(_bounded(_text(job.raw)), width)]
        elif rest:
            lines += [*_section("Other fields of the payload"), *_json(rest, width)]
        return lines

    def _error(self, width: int) -> list[Content]:
        job = self.job
        if job.error_class is None and job.error_message is None:
            return []
        lines = _section("Error")
        lines.append(Content.styled(printable(job.error_class or "", 500), "bold ansi_red"))
        lines += paragraphs(_bounded(job.error_message or ""), width)
        stored = read(job.payload.get("error_backtrace"))
        if stored.lines or stored.flaw:
            lines += _section("Backtrace, where it was raised first")
            lines += framed(stored.lines[:_MOST_LINES], width)
        if stored.flaw:
            lines.append(Content.styled(printable(stored.flaw, 200), "dim"))
        return lines


@dataclass(frozen=True, slots=True)
class EntryLook:
    """One entry of a set, as it is now."""

    kind: type[JobSet]
    jid: str
    score: float

    def read(self, redis: Redis) -> Entry | None:
        """The entry, if it is there."""
        return self.kind(redis).find(self.jid, self.score)


class EntryPage(JobPage):
    """A job of one of the sets, and what can be done to it."""

    WRITES = frozenset("DREK")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("R", "do('retry')", "retry"),
        Binding("E", "do('enqueue')", "enqueue"),
        Binding("D", "do('delete')", "delete"),
        Binding("K", "do('kill')", "kill"),
    ]

    def __init__(self, entry: Entry, tab: str) -> None:
        super().__init__(entry.job, tab)
        self.entry = entry

    def request(self) -> Request | None:
        """Whether it is still there; what has no jid, or is too long to be read, is not looked for."""
        entry = self.entry
        if self.is_gone or not entry.is_whole or not entry.job.jid:
            return None
        return EntryLook(type(entry.set), entry.job.jid, entry.score)

    def accept(self, value: Any) -> None:
        """The entry as it is now."""
        self.is_gone = value is None
        if value is not None:
            self.entry, self.job = value, value.job

    def facts(self) -> Iterator[tuple[str, str]]:
        """With its set and size."""
        yield "in", f"{deeds.NAMES[self.entry.set.key]}, {size(self.entry.length)}"
        yield from super().facts()

    def timeline(self) -> Iterator[tuple[str, datetime | None]]:
        """With the time it is kept by."""
        yield from super().timeline()
        yield {"retry": "runs again", "schedule": "falls due", "dead": "died"}[self.entry.set.key], self.entry.at

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what makes sense for its set."""
        if action == "do" and parameters[0] not in self.entry.set.can:
            return False
        return super().check_action(action, parameters)

    def hints(self) -> list[Binding]:
        """Only what makes sense for its set."""
        wanted = {f"do('{action}')" for action in self.entry.set.can}
        return [key for key in super().hints() if not key.action.startswith("do(") or key.action in wanted]

    def action_do(self, action: str) -> None:
        """Asks, and then does it."""
        work = deeds.some(self.top.redis, type(self.entry.set), action, [self.entry])
        what = f"{printable(self.job.class_name, 100)} {printable(self.job.jid, 80)}"
        self.top.confirm(f"{action.capitalize()} this job?\n{what}", work, then=self.top.back)


class WaitingPage(JobPage):
    """A job that waits in a queue."""

    WRITES = frozenset("D")
    BINDINGS: ClassVar[list[BindingType]] = [Binding("D", "delete", "delete")]

    def facts(self) -> Iterator[tuple[str, str]]:
        """With its queue and size."""
        yield "in", f"the queue {printable(self.job.queue, 200)}, {size(len(self.job.raw))}"
        yield from super().facts()

    def action_delete(self) -> None:
        """Asks, and then takes it out of the queue."""
        job = self.job

        def work(task: Task) -> str:
            found = Queue(job.queue, self.top.redis()).delete(job)
            return "1 job deleted" if found else "it was gone already, or a process has it"

        what = f"{printable(job.class_name, 100)} {printable(job.jid, 80)}"
        self.top.confirm(f"Delete this job?\n{what}", work, then=self.top.back)


@dataclass(frozen=True, slots=True)
class WorkLook:
    """One running job, as it is now."""

    process: str
    thread: str
    jid: str

    def read(self, redis: Redis) -> tuple[Process | None, Work | None]:
        """Its process and the job, if they are there."""
        process = ProcessSet(redis).get(self.process)
        several = WorkSet(redis).of([process]) if process is not None else []
        found = (work for work in several if work.thread == self.thread and work.job.jid == self.jid)
        return process, next(found, None)


class RunningPage(JobPage):
    """A job that runs."""

    WRITES = frozenset("S")
    BINDINGS: ClassVar[list[BindingType]] = [Binding("S", "stack", "stack")]

    def __init__(self, work: Work, tab: str) -> None:
        super().__init__(work.job, tab)
        self.work = work

    def request(self) -> Request | None:
        """Whether it still runs."""
        return None if self.is_gone else WorkLook(self.work.process, self.work.thread, self.work.job.jid)

    def accept(self, value: Any) -> None:
        """The job as it is now."""
        _, work = value
        self.is_gone = work is None
        if work is not None:
            self.work = work

    def facts(self) -> Iterator[tuple[str, str]]:
        """With its process."""
        yield "runs in", f"{printable(self.work.process, 300)}, thread {printable(self.work.thread, 100)}"
        if not self.is_gone:
            yield "for", span(self.work.elapsed)
        yield from super().facts()

    def timeline(self) -> Iterator[tuple[str, datetime | None]]:
        """With its start."""
        yield from super().timeline()
        if self.work.run_at is not None:
            yield "started", datetime.fromtimestamp(self.work.run_at, UTC)

    def action_stack(self) -> None:
        """Opens what it is doing."""
        from fastkiq.tui.stack_page import StackPage

        self.top.open(StackPage(self.work.process, self.work.thread, self.job.jid, self.TAB))


def _time(item: tuple[str, datetime]) -> datetime:
    return item[1]


def _fact(name: str, value: str, width: int = 10) -> Content:
    return Content.assemble((f"{name:<{width}}", "dim"), value)


def _section(title: str) -> list[Content]:
    return [Content(""), Content.styled(title, "bold underline")]


def _bounded(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\n… ({len(text):,} characters in all)"


def _text(raw: bytes) -> str:
    return raw[: 4 * _LONGEST].decode("utf-8", "replace")


def _json(value: Any, width: int) -> Sequence[Content]:
    try:
        text = json.dumps(value, ensure_ascii=False)
        if len(text) > width:
            text = json.dumps(value, indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):  # an int of more digits than Python writes, or too deep
        return [Content.styled("(it cannot be shown)", "dim")]
    return paragraphs(_bounded(text), width)
