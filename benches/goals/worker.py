"""A `fastkiq process` that is measured, and the record that its jobs write."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from lab.process import Child, cpu_seconds, forget_peak, memory, peak_memory
from lab.server import Usage

from goals.bench import APPS, Bench, wait_for

READY = (
    b'{"retry":false,"queue":"%s","args":[],"class":"jobs.Ready","jid":"%024x","created_at":1700000000000,'
    b'"enqueued_at":1700000000000}'
)


class Record:
    """What the jobs have told: lines of a time (CLOCK_MONOTONIC in ns), a word and a value."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self, word: str) -> list[tuple[int, list[str]]]:
        """(time, values) of all lines with this word."""
        if not self.path.exists():
            return []
        found = [line.split() for line in self.path.read_text().splitlines()]
        return [(int(words[0]), words[2:]) for words in found if len(words) > 1 and words[1] == word]

    def count(self, word: str) -> int:
        return len(self.lines(word))

    def seconds(self) -> float:
        """From the first to the last job of a go, summed over all goes that have ended."""
        first, last = self.lines("first"), self.lines("last")
        return sum(end[0] - begin[0] for begin, end in zip(first, last, strict=False)) / 1e9


class FastkiqWorker:
    """One process for as long as a `with` block lasts, which begins when it has run its first job.

    `jobs`: how many make one go. `settings`: lines of the configuration file. `side`: its jobs ask Redis something, so
    it loads redis-py, which no other measurement should pay for.
    """

    def __init__(
        self,
        bench: Bench,
        jobs: int,
        *,
        concurrency: int = 10,
        queues: Sequence[str] = ("default",),
        url: str | None = None,
        settings: Sequence[str] = ('log_level = "warning"',),
        record: Record | None = None,
        arguments: Sequence[str] = (),
        side: bool = False,
    ) -> None:
        self.bench, self.jobs = bench, jobs
        self.record = record or Record(bench.path("record"))
        config = bench.path("config").with_suffix(".toml")
        config.write_text("\n".join(settings) + "\n")
        names = [word for name in queues for word in ("-q", name)]
        command = ["-m", "fastkiq", "process", str(APPS / "jobs.py"), "-C", str(config), "-c", str(concurrency)]
        self._command = [str(bench.python), *command, *names, *arguments]
        self._environment = {
            "FASTKIQ_REDIS_URL": url or bench.server.url,
            "GOALS_RECORD": str(self.record.path),
            "GOALS_JOBS": str(jobs),
            **({"GOALS_SIDE_URL": bench.side_url} if side else {}),
        }
        self._queue = queues[0]
        self._cpu, self._rest, self._usage = 0.0, 0, Usage(0, 0, 0, 0, 0)

    def __enter__(self) -> Self:
        known = self.record.count("ready")
        self.child = Child(self._command, self.bench.path("log"), self._environment, self.bench.folder)
        try:
            self.bench.server.client.lpush(f"queue:{self._queue}", READY % (self._queue.encode(), known))
            self.wait(lambda: self.record.count("ready") > known, 30, "the worker to be ready")
            time.sleep(0.3)  # until what its boot began has ended
        except BaseException:
            self.child.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.child.terminate(10)
        self.child.__exit__()

    @property
    def pid(self) -> int:
        return self.child.pid

    def wait(self, predicate: Callable[[], object], seconds: float, what: str) -> None:
        """As `wait_for`; ends early when the process has."""
        wait_for(predicate, seconds, what, self._gone)

    def wait_goes(self, number: int, seconds: float = 180) -> None:
        """Until so many goes have ended, and Redis has heard of their last job."""
        self.wait(lambda: self.record.count("last") >= number, seconds, f"the end of {number} x {self.jobs} jobs")
        done = number * self.jobs + 1  # the first one was the sign of being ready
        self.wait(
            lambda: int(self.bench.server.client.get("stat:processed") or 0) >= done, 10, f"{done} jobs to be acked"
        )

    def begin(self) -> None:
        """From here on `spent` counts, and the peak of memory."""
        self._rest = memory(self.pid)
        forget_peak(self.pid)
        self._cpu, self._usage = cpu_seconds(self.pid), self.bench.server.usage()

    def spent(self, jobs: int) -> dict[str, float]:
        """CPU seconds per 1,000 jobs of worker and Redis, round trips and commands a job, bytes of memory: at rest,
        now, at most."""
        cpu, usage = cpu_seconds(self.pid) - self._cpu, self.bench.server.usage() - self._usage
        return {
            "worker_cpu": cpu * 1000 / jobs,
            "redis_cpu": usage.cpu * 1000 / jobs,
            "round_trips": usage.reads / jobs,
            "commands": usage.commands / jobs,
            "rest": self._rest,
            "memory": memory(self.pid),
            "peak": peak_memory(self.pid),
        }

    def _gone(self) -> str | None:
        if self.child.running:
            return None
        return f"the worker ended with exit code {self.child.process.returncode}: {self.child.words(200)}"
