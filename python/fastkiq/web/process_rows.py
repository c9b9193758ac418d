"""Processes and running jobs as the pages show them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from fastkiq.api import Process, Work, progress
from fastkiq.api.values import number
from fastkiq.results.state import Progress
from fastkiq.web.arguments import shown_args
from fastkiq.web.i18n import gettext as _
from fastkiq.web.view import current

BEAT: Final = 5
"""Seconds between two heartbeats of fastkiq's."""
OTHERS_BEAT: Final = 10
"""The same of Sidekiq's."""
_OVERDUE: Final = 3
"""Heartbeats that may be missing before that is worth a warning."""
_SLOW: Final = 0.05
"""Seconds of a trip to Redis that are worth a warning."""
_MOST_QUEUES: Final = 12
"""Of a pool, in a row."""
_MOST_POOLS: Final = 20


@dataclass(frozen=True, slots=True)
class Pool:
    """A capsule: what serves some queues together."""

    name: str
    concurrency: int
    mode: str
    """In words; empty when the process does not tell."""
    queues: list[str]
    """With their weights, where there are any."""
    more: int
    """Queues that are not named here."""

    @property
    def text(self) -> str:
        """The queues, for a row of a table."""
        return ", ".join(self.queues)[:2_000]


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """One process."""

    process: Process
    name: str
    url: str
    """Of its page; empty when no path can name it."""
    pools: list[Pool]
    is_overdue: bool
    is_far: bool
    """Whether Redis is so slow to reach that it matters."""

    @property
    def threads(self) -> str:
        """How many of them are busy."""
        number = current().locale.number
        return _("%(busy)s of %(all)s", busy=number(self.process.busy), all=number(self.process.concurrency))

    @property
    def quiet_question(self) -> str:
        """Asked first."""
        return _(
            "Quiet %(process)s? It finishes what runs and takes no more jobs. There is no way back but a restart.",
            process=self.name,
        )

    @property
    def stop_question(self) -> str:
        """Asked first."""
        return _("Stop %(process)s? Jobs that still run at its deadline go back to their queues.", process=self.name)


@dataclass(frozen=True, slots=True)
class JobRow:
    """One running job."""

    work: Work
    process: str
    process_url: str
    job_url: str
    """Of the job's page; empty when no path can name it."""
    queue_url: str
    """The same of its queue's page."""
    url: str
    """Of the page with its stack; empty when no path can name it."""
    args: str
    elapsed: float | None
    """Seconds."""
    progress: Progress | None
    """What it tells of itself."""

    @property
    def progress_text(self) -> str:
        """`30 / 100 reading`; empty when it tells nothing."""
        return progress_text(self.progress)

    @property
    def seconds(self) -> str:
        """The same for programs."""
        return f"{self.elapsed or 0:.1f}"

    @property
    def clock(self) -> str:
        """The same for people."""
        return clock(self.elapsed)


def process_rows(processes: Sequence[Process], most_queues: int = _MOST_QUEUES) -> list[ProcessRow]:
    """In the same order."""
    now = time.time()
    return [_process_row(each, now, most_queues) for each in processes]


def job_rows(jobs: Sequence[Work]) -> list[JobRow]:
    """In the same order."""
    told = progress([each.job.jid for each in jobs], current().site.redis)
    urls = {identity: process_url(identity) for identity in {each.process for each in jobs}}
    return [_job_row(each, urls[each.process], told.get(each.job.jid)) for each in jobs]


def job_words() -> dict[str, str]:
    """The texts of a table of jobs, looked up once and not once a row."""
    return {
        "job": _("Job"),
        "args": _("Arguments"),
        "queue": _("Queue"),
        "process": _("Process"),
        "thread": _("Thread"),
        "time": _("Running for"),
        "stack": _("Live stack"),
        "page": _("On a page of its own"),
        "progress": _("Progress"),
        "no_stack": _("No live stack: Sidekiq only logs it."),
        "unreadable": _("Not readable"),
    }


def process_words() -> dict[str, str]:
    """The same of a table of processes."""
    return {
        "process": _("Process"),
        "queues": _("Queues"),
        "threads": _("Running jobs"),
        "rss": _("RSS"),
        "rtt": _("RTT"),
        "beat": _("Last beat"),
        "started": _("Started"),
        "quiet": _("Quiet"),
        "stop": _("Stop"),
        "dump": _("Log stacks"),
        "embedded": _("Only its own program can stop it"),
    }


def process_url(identity: str) -> str:
    """The page of a process; empty when no path can name it."""
    return current().url("/busy", identity) if _is_plain(identity) else ""


def thread_url(process: str, thread: str, jid: str) -> str:
    """The page of a running job, below that of its process; empty when no path can name it. The job is named too, since
    a thread goes on to others."""
    query = f"?jid={quote(jid, safe='')}" if jid else ""
    return f"{process}/{quote(thread, safe='')}{query}" if process and _is_plain(thread) else ""


def _is_plain(part: str) -> bool:
    return part not in ("", ".", "..") and "/" not in part


def beat_of(process: Process) -> int:
    """Seconds between two heartbeats of this process."""
    return BEAT if process.is_fastkiq else OTHERS_BEAT


def process_name(process: Process) -> str:
    """Host and process number, as people tell them apart."""
    return f"{process.hostname or '?'}:{process.pid}"


def clock(seconds: float | None) -> str:
    """`0:07`, `12:07`, `3:12:07`; a dash for None."""
    if seconds is None:
        return "–"
    whole = int(seconds)
    minutes = f"{whole // 60 % 60:02}:{whole % 60:02}" if whole >= 3_600 else f"{whole // 60}:{whole % 60:02}"
    return f"{whole // 3_600}:{minutes}" if whole >= 3_600 else minutes


def progress_text(told: Progress | None) -> str:
    """`30 / 100 reading`; empty for None."""
    if told is None:
        return ""
    shown = current().locale.number
    total = "" if told.total is None else f" / {shown(told.total)}"
    return f"{shown(told.done)}{total} {(told.note or '')[:200]}".rstrip()


def _process_row(process: Process, now: float, most_queues: int) -> ProcessRow:
    late = process.beat is not None and now - process.beat > _OVERDUE * beat_of(process)
    pools = _pools(process, most_queues)
    return ProcessRow(process, process_name(process), process_url(process.identity), pools, late, process.rtt > _SLOW)


def _pools(process: Process, most: int) -> list[Pool]:
    found = []
    for name, capsule in list(process.capsules.items())[:_MOST_POOLS]:
        if isinstance(capsule, dict) and isinstance(capsule.get("weights"), dict):
            weights, mode = capsule["weights"], capsule.get("mode")
            names = [_weighted(queue, weight, mode) for queue, weight in list(weights.items())[:most]]
            more = len(weights) - len(names)
            found.append(Pool(str(name), number(capsule.get("concurrency")), _mode(mode), names, more))
    if found or not process.queues:
        return found
    return [Pool("", process.concurrency, "", process.queues[:most], max(0, len(process.queues) - most))]


def _weighted(queue: str, weight: object, mode: object) -> str:
    return f"{queue} ×{weight}" if mode == "weighted" and type(weight) is int else queue


def _mode(mode: object) -> str:
    if mode == "strict":
        return _("in this order")
    if mode == "weighted":
        return _("by weight")
    return _("in random order") if mode == "random" else ""


def _job_row(work: Work, url: str, told: Progress | None) -> JobRow:
    jid = work.job.jid
    return JobRow(
        work=work,
        process=work.process.rpartition(":")[0] or work.process,
        process_url=url,
        job_url=current().url("/busy/jobs", jid) if _is_plain(jid) else "",
        queue_url=current().url("/queues", work.queue) if _is_plain(work.queue) else "",
        url=thread_url(url, work.thread, jid),
        args=shown_args(work.job),
        elapsed=work.elapsed,
        progress=told,
    )
