"""Jobs that run now, by the last heartbeats of their processes, and what their threads are doing."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
        for at in range(0, len(busy), 10):
            some = busy[at : at + 10]
            items += self.of(some, notes)
            if len(items) >= limit and at + 10 < len(busy):
                following = some[-1].identity.encode("utf-8", "surrogatepass").hex()
                break
        return Page(items, processes.totals()[1], len(several.items), following, notes)

    def of(self, processes: Sequence[Process], notes: list[str] | None = None) -> list[Work]:
        """What runs in these processes; `notes` gets what is left out, and why."""
        found: list[Work] = []
        if not processes:
            return found
        keys = [f"{process.identity}:work" for process in processes]
        for process, flat in zip(processes, run(self.redis, "work", keys, [LONGEST // 4, ANSWER]), strict=True):
            several = [
                _work(process.identity, text(tid), entry) for tid, entry in zip(flat[::2], flat[1::2], strict=True)
            ]
            found += sorted(several, key=lambda work: work.run_at or 0.0)
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


def stacks(redis: Redis, identity: str) -> Stacks | None:
    """What the process has told when it was last asked, within the last minute; None while there is no answer."""
    names_of = redis.hkeys(f"fastkiq:stacks:{identity}")
    if not names_of:
        return None
    values = run(redis, "fields", [f"fastkiq:stacks:{identity}"], [LONGEST, *names_of[:10_000]])
    told = {text(name): value for name, value in zip(names_of, values, strict=False) if value is not None}
    at = real(told.pop("at", None))
    threads = text(told.pop("threads", b""))
    of_jobs = {thread: names(record(value).get("stack")) for thread, value in told.items()}
    return None if at is None else Stacks(at, of_jobs, threads)


def _work(process: str, thread: str, entry: bytes | None) -> Work:
    told = record(entry)
    payload = told.get("payload")
    raw = payload.encode("utf-8", "replace") if isinstance(payload, str) else b""
    queue = told.get("queue")
    return Work(
        process, thread, queue if isinstance(queue, str) else "", Job.from_bytes(raw), moment(told.get("run_at"))
    )
