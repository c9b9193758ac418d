"""Processes and running jobs as the pages show them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fastkiq.api import Process, Work
from fastkiq.api.values import number
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


@dataclass(frozen=True, slots=True)
class JobRow:
    """One running job."""

    work: Work
    process: str
    process_url: str
    job_url: str
    """Of the job's page."""
    url: str
    """Of the page with its stack; empty when no path can name it."""
    args: str
    elapsed: float | None
    """Seconds."""
    clock: str
    """The same as people read it."""


def process_rows(processes: Sequence[Process], most_queues: int = _MOST_QUEUES) -> list[ProcessRow]:
    """In the same order."""
    now = time.time()
    return [_process_row(each, now, most_queues) for each in processes]


def job_rows(jobs: Sequence[Work]) -> list[JobRow]:
    """In the same order."""
    return [_job_row(each) for each in jobs]


def process_url(identity: str, *thread: str) -> str:
    """The page of a process or of a thread; empty when no path can name it."""
    parts = (identity, *thread)
    plain = all(part not in ("", ".", "..") and "/" not in part for part in parts)
    return current().url("/busy", *parts) if plain else ""


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


def _job_url(jid: str) -> str:
    plain = jid not in ("", ".", "..") and "/" not in jid
    return current().url("/busy/jobs", jid) if plain else ""


def _job_row(work: Work) -> JobRow:
    elapsed = work.elapsed
    return JobRow(
        work=work,
        process=work.process.rpartition(":")[0] or work.process,
        process_url=process_url(work.process),
        job_url=_job_url(work.job.jid),
        url=process_url(work.process, work.thread),
        args=shown_args(work.job),
        elapsed=elapsed,
        clock=clock(elapsed),
    )
