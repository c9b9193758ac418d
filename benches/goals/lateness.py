"""How late scheduled jobs begin when many fall due at once and many more do not."""

import json

from lab.rounds import Measurement
from lab.summary import percentile

from goals.bench import Bench
from goals.stock import Stock
from goals.worker import FastkiqWorker

DUE, OTHERS = 10_000, 1_000_000
AHEAD = 4
"""Seconds from the enqueueing to the first one's time: longer than the second that the promise asks for."""


def measure(bench: Bench, stock: Stock) -> None:
    """Workload `lateness`: the jobs fall due evenly within one second, and do nothing, so that what is measured is the
    schedule's delay alone."""
    bench.measure("lateness", {"fastkiq": lambda _: _fastkiq(bench, stock)})


def _fastkiq(bench: Bench, stock: Stock) -> Measurement:
    jobs = bench.jobs(DUE)
    stock.schedule(bench.jobs(OTHERS))
    with FastkiqWorker(bench, jobs, concurrency=25) as worker:
        bench.enqueue("due", jobs, AHEAD)
        worker.wait(lambda: worker.record.count("late") > 0, 60, f"{jobs} jobs that were due")
    late = json.loads(worker.record.lines("late")[0][1][0])
    facts = {"p50": percentile(late, 50), "most": max(late), "least": min(late), "jobs": len(late)}
    return Measurement(percentile(late, 99), "ms", **facts)
