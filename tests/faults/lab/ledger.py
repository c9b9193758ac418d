"""The ledger: a Redis of its own, never broken, in which each job notes its runs (see `app.py`)."""

import itertools
import threading
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import redis as redis_py

Attempt = tuple[int, int]
"""(job, attempt): what should run once."""


@dataclass
class Run:
    """One run of one attempt of one job. Times are nanoseconds of the host's steady clock."""

    job: int
    attempt: int
    worker: str
    begun: int
    ended: int | None = None
    failed: bool = False


class Ledger:
    """Reads what the jobs have noted; each note is read once."""

    def __init__(self, redis: redis_py.Redis) -> None:
        self._redis = redis
        self._lock = threading.Lock()
        self._read = 0
        self._open: dict[tuple[int, int, str], Run] = {}
        self.runs: dict[Attempt, list[Run]] = defaultdict(list)
        self.ended: set[int] = set()
        """Jobs that have run to their end at least once."""

    def read(self) -> "Ledger":
        """Takes in what has been noted since; from any thread."""
        with self._lock:
            while notes := self._redis.lrange("runs", self._read, self._read + 9_999):
                self._read += len(notes)
                for note in notes:
                    self._enter(note.decode())
        return self

    def _enter(self, note: str) -> None:
        what, *numbers, worker, at = note.split()
        job, attempt = map(int, numbers)
        if what == "B":
            run = Run(job, attempt, worker, int(at))
            self.runs[job, attempt].append(run)
            self._open[job, attempt, worker] = run
            return
        run = self._open[job, attempt, worker]
        run.ended, run.failed = int(at), what == "F"
        if what == "E":
            self.ended.add(job)

    def all_runs(self) -> Iterable[Run]:
        for runs in self.runs.values():
            yield from runs

    def repeated(self) -> list[tuple[Run, Run]]:
        """Each run that was followed by another one of the same attempt, with its successor."""
        pairs = []
        for runs in self.runs.values():
            ordered = sorted(runs, key=lambda run: run.begun)
            pairs += list(itertools.pairwise(ordered))
        return pairs

    def first_after(self, moment: int) -> Run | None:
        """A run that began after `moment`, of those noted so far."""
        return next((run for run in self.read().all_runs() if run.begun > moment), None)

    def running(self) -> list[Run]:
        """Begun and not ended."""
        return [run for run in self.all_runs() if run.ended is None]
