"""Correctness before speed: a small number of jobs of each kind, each job's own word, and each must run once."""

import tempfile
from pathlib import Path

from contender import WORKLOADS, Contender
from lab.server import PrivateServer
from measure import READY_SECONDS, Bench
from records import MeasureError, Record, wait_for

JOBS = 200
KINDS = {"drain": "noop", "bulk": "noop", "sleep": "sleep", "asleep": "asleep", "middle": "middle"}


def check(contenders: list[Contender], workloads: list[str]) -> int:
    """How many contenders failed in something; prints a line for each of their workloads."""
    failed = 0
    with PrivateServer() as server, tempfile.TemporaryDirectory(prefix="fastkiq-compare-") as folder:
        bench = Bench(server, Path(folder), 0.1)
        for contender in contenders:
            wrong = [
                each
                for each in WORKLOADS
                if each in {*workloads} & {*contender.workloads} and _wrong(bench, contender, each)
            ]
            failed += bool(wrong)
    return failed


def _wrong(bench: Bench, contender: Contender, workload: str) -> bool:
    try:
        said = _ran(bench, contender, workload) if workload in KINDS else _measured(bench, contender, workload)
    except MeasureError as error:
        print(f"{contender.name:18} {workload:8} WRONG: {error}", flush=True)
        return True
    print(f"{contender.name:18} {workload:8} {said}", flush=True)
    return False


def _ran(bench: Bench, contender: Contender, workload: str) -> str:
    """Enqueued one by one, but in bulk for `bulk`."""
    bench.clear()
    kind = KINDS[workload]
    bench.app(contender, "bulk" if workload == "bulk" else "enqueue", kind, JOBS)
    record = Record(bench.record(contender, workload).path, "append")
    with bench.worker(contender, workload, record, JOBS) as worker:
        wait_for(lambda: len(record.ends()) >= JOBS, READY_SECONDS, f"{JOBS} jobs", worker.gone)
    ends = record.ends()
    if sorted(ends) != list(range(1, JOBS + 1)):
        raise MeasureError(f"{len(ends)} ends of {len(set(ends))} jobs, {JOBS} were enqueued")
    begins = sum(value == 0 for _, value in record.entries())
    if begins != (0 if kind == "noop" else JOBS):
        raise MeasureError(f"{begins} of {JOBS} jobs told of their begin")
    return f"{JOBS} jobs, each once"


def _measured(bench: Bench, contender: Contender, workload: str) -> str:
    figures = bench.measure(contender, workload)
    return ", ".join(f"{name} {value:,.4g}" for name, value in figures.items() if name != "value")
