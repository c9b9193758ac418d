"""Sidekiq with YJIT as it stands in benches/compare/contenders/sidekiq, run by the interface that is agreed there."""

import json
import sys
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from lab import BENCHES
from lab.process import run
from lab.rounds import Absent, Contender, Measurement
from lab.summary import percentile

from goals.bench import Bench, wait_for

_COMPARE = BENCHES / "compare"
_QUEUES = {"COMPARE_QUEUES": "12"}


@cache
def set_up() -> tuple[Any, str]:
    """The contender, ready to run, or None and why it cannot. The first time on a machine it may build a Ruby."""
    folder = _COMPARE / "contenders" / "sidekiq"
    if not (folder / "contender.toml").exists():
        return None, "not present"
    sys.path.insert(0, str(_COMPARE))  # before this folder, which has modules of the same names
    from contender import Contender as Peer
    from install import NotHere, install

    try:
        peer = Peer.load(folder)
        install(peer, None)
    except (NotHere, OSError, ValueError) as reason:
        return None, f"not present: {reason}"
    return peer, ""


def version() -> str:
    """What runs when Sidekiq does, in one line, or why nothing does."""
    peer, reason = set_up()
    if peer is None:
        return reason
    try:
        said = run(peer.versions_command(), peer.environment(peer.values(), {}), peer.folder)
    except RuntimeError as error:
        return str(error)
    return " ".join(said.split())


class Sidekiq:
    """Measures the contender; Absent says why where it cannot be set up."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def drain(self, concurrency: int, kind: str = "noop", workload: str = "drain") -> Contender:
        """Fills the queue, then starts a worker; from the first to the last job's own execution."""

        def measured(_: int) -> Measurement:
            contender = self._ready()
            from records import Record

            jobs = self._bench.jobs(contender.size(workload))
            self._app(contender, "bulk", kind, jobs)
            record = Record(self._bench.path("sidekiq"), "count")
            with self._worker(contender, record.path, "count", jobs, concurrency) as worker:
                wait_for(record.begun, 60, "Sidekiq's first job", worker.gone)
                cpu, usage = worker.cpu(), self._bench.server.usage()
                wait_for(lambda: record.ended(jobs, jobs), 120, f"{jobs} jobs", worker.gone)
                cpu, usage = worker.cpu() - cpu, self._bench.server.usage() - usage
                peak = worker.peak_memory()
            span = record.span(jobs)
            assert span is not None  # it has ended
            spent = {"worker_cpu": cpu * 1000 / jobs, "redis_cpu": usage.cpu * 1000 / jobs, "peak": peak}
            return Measurement(jobs / span.seconds, "jobs/s", **spent)

        return measured

    def push(self, how: str, workload: str) -> Contender:
        """`bulk` or `enqueue`, as its own side times it."""

        def measured(_: int) -> Measurement:
            contender = self._ready()
            told = self._app(contender, how, "noop", self._bench.jobs(contender.size(workload)))
            return Measurement(told["jobs"] / told["seconds"], "jobs/s")

        return measured

    def wakeup(self, probes: int, queues: int) -> Contender:
        """An idle worker, probes at random pauses."""

        def measured(_: int) -> Measurement:
            contender = self._ready()
            from records import Record

            record = Record(self._bench.path("sidekiq"), "append")
            more = _QUEUES if queues > 1 else {}
            with self._worker(contender, record.path, "append", probes, 10, more) as worker:
                self._app(contender, "enqueue", "wake", 1, more)
                wait_for(lambda: record.count() > 0, 60, "Sidekiq's first probe", worker.gone)
                time.sleep(1)
                self._app(contender, "enqueue", "wake", probes, more)
                wait_for(lambda: record.count() > probes, 10, f"{probes} probes", worker.gone)
            latencies = [value / 1e6 for _, value in record.entries()[1:]]
            p50, p99 = percentile(latencies, 50), percentile(latencies, 99)
            return Measurement(p50, "ms", p99=p99, most=max(latencies), probes=len(latencies))

        return measured

    def rest(self, seconds: float) -> Contender:
        """A worker that has run one job and has nothing to do."""

        def measured(_: int) -> Measurement:
            contender = self._ready()
            from records import Record

            record = Record(self._bench.path("sidekiq"), "append")
            with self._worker(contender, record.path, "append", 1, 25) as worker:
                self._app(contender, "enqueue", "wake", 1)
                wait_for(lambda: record.count() > 0, 60, "Sidekiq's first job", worker.gone)
                time.sleep(2)
                cpu, usage = worker.cpu(), self._bench.server.usage()
                time.sleep(seconds)
                usage = self._bench.server.usage() - usage
                share = (worker.cpu() - cpu) / seconds * 100
                return Measurement(
                    worker.memory() / 1e6, "MB", round_trips=(usage.reads - 2) / seconds, cpu_percent=share
                )

        return measured

    def _ready(self) -> Any:
        peer, reason = set_up()
        if peer is None:
            raise Absent(reason)
        return peer

    def _worker(
        self, contender: Any, record: object, mode: str, jobs: int, concurrency: int, more: dict[str, str] | None = None
    ) -> Any:
        from worker import Worker

        values = self._values(contender, concurrency)
        told = {"COMPARE_RECORD": str(record), "COMPARE_MODE": mode, "COMPARE_JOBS": str(jobs), **(more or {})}
        command = contender.worker_command("drain", values)
        return Worker(command, contender.folder, contender.environment(values, told), self._bench.path("log"))

    def _app(
        self, contender: Any, how: str, kind: str, jobs: int, more: dict[str, str] | None = None
    ) -> dict[str, float]:
        values = self._values(contender, 10)
        command = [*contender.app_command(values), how, kind, str(jobs)]
        environment = contender.environment(values, {"COMPARE_MODE": "append", **(more or {})})
        told: dict[str, float] = json.loads(run(command, environment, contender.folder, 120).strip().splitlines()[-1])
        return told

    def _values(self, contender: Any, concurrency: int) -> Any:
        url = self._bench.server.url
        values: Callable[..., Any] = contender.values
        return values(url, url.removesuffix("/0") + "/2", concurrency)
