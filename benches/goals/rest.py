"""A worker with nothing to do, beside an interpreter that has only imported asyncio and logging; and the growth of one
that has done much."""

import time

from lab.process import Child, cpu_seconds, fine_cpu_seconds, memory
from lab.rounds import Measurement

from goals.bench import APPS, Bench
from goals.sidekiq import Sidekiq
from goals.stock import Stock
from goals.worker import FastkiqWorker

SECONDS, SIDEKIQ_SECONDS = 30, 5
CONCURRENCY = 25
GO, GOES = 1_000_000, 10


def measure(bench: Bench, sidekiq: Sidekiq) -> None:
    """Workload `rest`."""
    contenders = {
        "bare interpreter": lambda _: _bare(bench),
        "fastkiq": lambda _: _fastkiq(bench),
        "Sidekiq": sidekiq.rest(SIDEKIQ_SECONDS * min(bench.scale * 4, 1)),
    }
    bench.measure("rest", contenders)


def measure_growth(bench: Bench, stock: Stock) -> None:
    """Workload `growth`: one process, ten million jobs; the memory after each million. Once."""
    bench.measure("growth", {"fastkiq": lambda _: _growth(bench, stock)}, rounds=1)


def _bare(bench: Bench) -> Measurement:
    with Child([bench.python, APPS / "bare.py", "rest"], bench.path("log")) as child:
        time.sleep(2)
        return Measurement(memory(child.pid) / 1e6, "MB")


def _fastkiq(bench: Bench) -> Measurement:
    seconds = SECONDS * min(bench.scale * 4, 1)
    with FastkiqWorker(bench, 1, concurrency=CONCURRENCY) as worker:
        time.sleep(3)
        usage, coarse, fine = bench.server.usage(), cpu_seconds(worker.pid), fine_cpu_seconds(worker.pid)
        time.sleep(seconds)
        coarse, fine = cpu_seconds(worker.pid) - coarse, fine_cpu_seconds(worker.pid) - fine
        usage = bench.server.usage() - usage
        return Measurement(
            memory(worker.pid) / 1e6,
            "MB",
            round_trips=(usage.reads - 2) / seconds,  # two were ours
            cpu_ticks=round(coarse * 100),
            cpu_percent=fine / seconds * 100,
            seconds=seconds,
        )


def _growth(bench: Bench, stock: Stock) -> Measurement:
    jobs = bench.jobs(GO)
    sizes = []
    with FastkiqWorker(bench, jobs, concurrency=10) as worker:
        for go in range(GOES):
            stock.queue(jobs, "aside")
            bench.server.client.rename("aside", "queue:default")
            worker.wait_goes(go + 1)
            time.sleep(1)
            sizes.append(round(memory(worker.pid) / 1e6, 2))
            print(f"  {(go + 1) * jobs:,} jobs: {sizes[-1]:.1f} MB", flush=True)
    return Measurement(sizes[-1] - sizes[0], "MB", sizes=sizes, jobs=jobs * GOES)
