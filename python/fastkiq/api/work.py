"""Jobs that run now, by the last heartbeats of their processes, and what their threads are doing."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from fastkiq.api.connection import Redis, connect
from fastkiq.api.page import Page
from fastkiq.api.process import Process, ProcessSet, signal
from fastkiq.api.scripts import run
from fastkiq.api.values import ANSWER, LONGEST, moment, names, real, record, text
from fastkiq.config import Config
from fastkiq.errors import ArgumentError
from fastkiq.job import Job

_MOST_PROCESSES: Final = 200
"""Processes that one page looks at: 200 idle ones take some 10 ms."""


@dataclass(frozen=True, slots=True)
class Work:
    """One running job."""

    process: str
    """The identity of its process."""
    thread: str
    """As the process names it: `tid`."""
    queue: str
    job: Job
    run_at: float | None
    """Epoch seconds, whole ones: when it began."""
    is_fastkiq: bool = False
    """Whether its process can be asked for `stacks`."""

    @property
    def elapsed(self) -> float | None:
        """Seconds that it has run, by this machine's clock."""
        return None if self.run_at is None else max(0.0, time.time() - self.run_at)


@dataclass(frozen=True, slots=True)
class Stacks:
    """What a process has told of its threads."""

    at: float
    """Epoch seconds at which it told."""
    of_jobs: dict[str, list[str]]
    """`Work.thread` -> the lines of its stack, the innermost last."""
    threads: str
    """All threads, as the signal TTIN logs them."""
    jids: dict[str, str] = field(default_factory=dict)
    """`Work.thread` -> the job that ran there then: by now it may be another."""


class WorkSet:
    """All running jobs. `redis` is a client of `connect()`."""

    def __init__(self, redis: Redis | None = None, *, config: Config | None = None) -> None:
        self.redis = redis if redis is not None else connect(config)

    def __iter__(self) -> Iterator[Work]:
        """Process by process, in the order of their identities; of each process those first that run longest."""
        cursor: str | None = None
        while True:
            page = self.page(cursor, 1_000)
            yield from page.items
            if page.next is None:
                return
            cursor = page.next

    @property
    def size(self) -> int:
        """Jobs that run, as the processes count them."""
        return ProcessSet(self.redis).totals()[1]

    def page(self, cursor: str | None = None, limit: int = 100) -> Page[Work]:
        """Those of some processes, whole processes at a time until there are `limit`; `cursor` is the `next` of the
        page before. The total is of all."""
        processes = ProcessSet(self.redis)
        several = processes.page(cursor, _MOST_PROCESSES)
        items: list[Work] = []
        notes: list[str] = list(several.notes)
        following = several.next
        busy = [process for process in several.items if process.busy]
        at = 0
        while at < len(busy) and len(items) < limit:
            some = _filling(busy[at:], limit - len(items))
            items += self.of(some, notes)
            at += len(some)
        if at < len(busy):
            following = busy[at - 1].identity.encode("utf-8", "surrogatepass").hex()
        return Page(items, processes.totals()[1], len(several.items), following, notes)

    def of(self, processes: Sequence[Process], notes: list[str] | None = None) -> list[Work]:
        """What runs in these processes; `notes` gets what is left out, and why."""
        found: list[Work] = []
        if not processes:
            return found
        keys = [f"{process.identity}:work" for process in processes]
        for process, flat in zip(processes, run(self.redis, "work", keys, [LONGEST // 4, ANSWER]), strict=True):
            several = [_work(process, text(tid), entry) for tid, entry in zip(flat[::2], flat[1::2], strict=True)]
            # Of one second those first that began first: threads are named in the order of their jobs.
            found += sorted(several, key=lambda work: (work.run_at or 0.0, len(work.thread), work.thread))
            if notes is not None and len(several) < process.busy - 1:
                notes.append(f"of {process.identity:.100} {len(several):,} of {process.busy:,} running jobs are shown")
        return found

    def find(self, jid: str) -> Work | None:
        """The running job with this jid, by a walk over all that run."""
        return next((work for work in self if work.job.jid == jid), None) if jid else None


def ask_for_stacks(redis: Redis, process: Process) -> None:
    """Asks a process of fastkiq's to tell what its threads do; `stacks` has the answer after its next heartbeat. Raises
    ArgumentError for one of Sidekiq's, which can only log it (`Process.dump`)."""
    if not process.is_fastkiq:
        raise ArgumentError(
            f"{process.identity:.100} runs {process.version or 'something else'}: it can only log its stacks"
        )
    if redis.lpos(f"{process.identity}-signals", "STACKS") is None:
        signal(redis, [process.identity], "STACKS")


def stacks(redis: Redis, identity: str, only: str | None = None) -> Stacks | None:
    """What the process has told when it was last asked, within the last minute; None while there is no answer.

    `only` reads no more than one part: the stack of the job in that thread, or `threads`, or with `""` just the time.
    """
    key = f"fastkiq:stacks:{identity}"
    names_of = redis.hkeys(key) if only is None else [b"at", only.encode("utf-8", "replace")]
    if not names_of:
        return None
    values = run(redis, "fields", [key], [LONGEST, *names_of[:10_000]])
    told = {text(name): value for name, value in zip(names_of, values, strict=False) if value is not None}
    at = real(told.pop("at", None))
    threads = text(told.pop("threads", b""))
    records = {thread: record(value) for thread, value in told.items()}
    of_jobs = {thread: names(each.get("stack")) for thread, each in records.items()}
    jids = {thread: jid for thread, each in records.items() if isinstance(jid := each.get("jid"), str)}
    return None if at is None else Stacks(at, of_jobs, threads, jids)


def _filling(processes: Sequence[Process], limit: int) -> list[Process]:
    """As many of them as it takes for so many jobs, by what they count themselves; at most ten."""
    some, jobs = [], 0
    for process in processes[:10]:
        some.append(process)
        jobs += process.busy
        if jobs >= limit:
            break
    return some


def _work(process: Process, thread: str, entry: bytes | None) -> Work:
    told = record(entry)
    payload = told.get("payload")
    raw = payload.encode("utf-8", "replace") if isinstance(payload, str) else b""
    queue = told.get("queue")
    return Work(
        process=process.identity,
        thread=thread,
        queue=queue if isinstance(queue, str) else "",
        job=Job.from_bytes(raw),
        run_at=moment(told.get("run_at")),
        is_fastkiq=process.is_fastkiq,
    )
