"""The workloads: each function measures one contender once and gives its figures by name."""

import itertools
import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import redis
from contender import KIND, Contender
from lab.process import run
from lab.server import PrivateServer
from records import MeasureError, Record, wait_for
from worker import Worker

DOCUMENT = {"id": 4711, "name": "bob", "mail": "bob@example.org", "tags": ["a", "b", "c"], "visits": list(range(40))}
DOCUMENT["about"] = "x" * (300 - len(json.dumps({**DOCUMENT, "about": ""})))
FILL_SECONDS = 120
WORK_SECONDS = 90
READY_SECONDS = 20
REST_SECONDS = 12
OWN = 2  # reads and commands between two usages that are their own

Figures = dict[str, float]


@dataclass
class Bench:
    """One server, one folder for records and logs, and the size of what is asked."""

    server: PrivateServer
    folder: Path
    scale: float = 1.0
    _serial: "itertools.count[int]" = field(default_factory=itertools.count)

    def measure(self, contender: Contender, workload: str) -> Figures:
        """One measurement on an empty server. Raises MeasureError."""
        self.clear()
        try:
            if workload in ("enqueue", "bulk"):
                return self._enqueue(contender, workload)
            if workload == "wakeup":
                return self._wakeup(contender)
            if workload == "rest":
                return self._rest(contender)
            return self._work(contender, workload)
        finally:
            self.clear()

    def clear(self) -> None:
        self.server.flush()
        self.server.client.script_flush("SYNC")
        with redis.Redis(host="127.0.0.1", port=self.server.port, db=1) as side:
            side.set("compare:doc", json.dumps(DOCUMENT))

    def _work(self, contender: Contender, workload: str) -> Figures:
        """The queue is filled first, then the worker is started: its start is not in the time, filling neither."""
        jobs = contender.size(workload, self.scale)
        kind = KIND.get(workload, workload)
        self.fill(contender, kind, jobs)
        record = self.record(contender, workload)
        entries = jobs if kind == "noop" else 2 * jobs
        with self.worker(contender, workload, record, jobs) as worker:
            wait_for(record.begun, READY_SECONDS, "the first job", worker.gone)
            worker_before, redis_before = worker.cpu(), self.server.usage()
            wait_for(lambda: record.ended(jobs, entries), WORK_SECONDS, f"{jobs} jobs", worker.gone)
            worker_after, redis_after = worker.cpu(), self.server.usage()
            peak = worker.peak_memory()
        span = record.span(jobs)
        if span is None:
            raise MeasureError(f"not all of {jobs} jobs have ended")
        redis = redis_after - redis_before
        return {
            "value": span.jobs / span.seconds,
            "seconds": span.seconds,
            "jobs": span.jobs,
            "worker_cpu": (worker_after - worker_before) * 1000 / jobs,
            "redis_cpu": redis.cpu * 1000 / jobs,
            "round_trips": (redis.reads - OWN) / jobs,
            "peak_mb": peak / 1e6,
        }

    def _enqueue(self, contender: Contender, workload: str) -> Figures:
        jobs = contender.size(workload, self.scale)
        before = self.server.usage()
        told = self.app(contender, "bulk" if workload == "bulk" else "enqueue", "noop", jobs)
        used = self.server.usage() - before
        return {
            "value": told["jobs"] / told["seconds"],
            "seconds": told["seconds"],
            "jobs": told["jobs"],
            "redis_cpu": used.cpu * 1000 / jobs,
        }

    def _wakeup(self, contender: Contender) -> Figures:
        probes = contender.size("wakeup", self.scale)
        record = self.record(contender, "wakeup")
        with self.worker(contender, "wakeup", record, probes) as worker:
            self._await_first(contender, record, worker)
            known = record.count()
            self.app(contender, "enqueue", "wake", probes, record)
            wait_for(lambda: record.count() >= known + probes, 10, f"{probes} probes", worker.gone)
        latencies = sorted(value / 1e6 for _, value in record.entries()[known:])
        return {
            "value": latencies[len(latencies) // 2],
            "p50_ms": latencies[len(latencies) // 2],
            "p99_ms": latencies[min(len(latencies) - 1, int(len(latencies) * 0.99))],
            "max_ms": latencies[-1],
            "jobs": len(latencies),
        }

    def _rest(self, contender: Contender) -> Figures:
        """A worker that has run a job and has nothing to do: memory, CPU, what it asks of Redis."""
        record = self.record(contender, "rest")
        with self.worker(contender, "rest", record, 1) as worker:
            self._await_first(contender, record, worker)
            time.sleep(2)
            cpu, usage, began = worker.fine_cpu(), self.server.usage(), time.monotonic()
            time.sleep(REST_SECONDS)
            seconds = time.monotonic() - began
            used, cpu = self.server.usage() - usage, max(0.0, worker.fine_cpu() - cpu)
            memory = worker.memory()
        return {
            "value": memory / 1e6,
            "memory_mb": memory / 1e6,
            "cpu_percent": 100 * cpu / seconds,
            "reads_per_second": (used.reads - OWN) / seconds,
            "commands_per_second": (used.commands - OWN) / seconds,
        }

    def _await_first(self, contender: Contender, record: Record, worker: Worker) -> None:
        """A probe that was answered says that the worker is up."""
        self.app(contender, "enqueue", "wake", 1, record)
        wait_for(lambda: record.count() > 0, READY_SECONDS, "the first probe", worker.gone)
        time.sleep(0.5)

    def fill(self, contender: Contender, kind: str, jobs: int) -> None:
        self.app(contender, "bulk" if "bulk" in contender.workloads else "enqueue", kind, jobs)

    def app(self, contender: Contender, how: str, kind: str, jobs: int, record: Record | None = None) -> Figures:
        """One run of the contender's own enqueueing side; what it prints."""
        values = self._values(contender, "enqueue")
        more = {"COMPARE_RECORD": str(record.path), "COMPARE_MODE": record.mode} if record else {}
        command = [*contender.app_command(values), how, kind, str(jobs)]
        try:
            said = run(command, contender.environment(values, more), contender.folder, FILL_SECONDS)
            figures: Figures = json.loads(said.strip().splitlines()[-1])
        except (RuntimeError, IndexError, ValueError) as error:
            raise MeasureError(f"{how} {kind} {jobs}: {error}") from None
        return figures

    def record(self, contender: Contender, workload: str) -> Record:
        name = f"{contender.name}-{workload}-{next(self._serial)}"
        return Record(self.folder / name, contender.mode(workload))

    def worker(self, contender: Contender, workload: str, record: Record, jobs: int) -> Worker:
        values = self._values(contender, workload)
        more = {"COMPARE_RECORD": str(record.path), "COMPARE_MODE": record.mode, "COMPARE_JOBS": str(jobs)}
        return Worker(
            contender.worker_command(workload, values),
            contender.folder,
            contender.environment(values, more),
            record.path.with_name(record.path.name + ".log"),
        )

    def _values(self, contender: Contender, workload: str) -> dict[str, str]:
        url = self.server.url
        return contender.values(url, url.removesuffix("/0") + "/1", contender.concurrency(workload))
