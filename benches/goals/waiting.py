"""Jobs that only wait, on threads and as coroutines; and the middle of the road, which asks Redis and parses JSON."""

from lab.rounds import Contender, Measurement

from goals.bench import Bench
from goals.sidekiq import Sidekiq
from goals.worker import FastkiqWorker

SLEEPS, THREADS = 2_000, 25
ASLEEPS, CAP = 5_000, 500
MIDDLE = 20_000
WARN = 'log_level = "warning"'


def measure(bench: Bench, sidekiq: Sidekiq) -> None:
    """Workloads `sleep` and `asleep`."""
    sleeps, asleeps = bench.jobs(SLEEPS), bench.jobs(ASLEEPS)
    bench.measure(
        "sleep",
        {
            "bare threads": _bare(bench, "threads", sleeps, THREADS, 0.01),
            "fastkiq": _fastkiq(bench, "sleep", sleeps, THREADS),
            "Sidekiq": sidekiq.drain(THREADS, "sleep", "sleep"),
        },
    )
    bench.measure(
        "asleep",
        {
            "bare asyncio": _bare(bench, "asyncio", asleeps, CAP, 0.05),
            "fastkiq": _fastkiq(bench, "asleep", asleeps, THREADS, f"async_concurrency = {CAP}"),
        },
    )


def measure_middle(bench: Bench, sidekiq: Sidekiq) -> None:
    """Workload `middle`; the other Python systems are in benches/compare."""
    ours = _fastkiq(bench, "middle", bench.jobs(MIDDLE), 10)
    bench.measure("middle", {"fastkiq": ours, "Sidekiq": sidekiq.drain(10, "middle", "middle")})


def _fastkiq(bench: Bench, kind: str, jobs: int, concurrency: int, *settings: str) -> Contender:
    def measured(_: int) -> Measurement:
        bench.enqueue(kind, jobs)
        bench.server.client.rename("queue:default", "aside")
        side, all_settings = kind == "middle", (WARN, *settings)
        with FastkiqWorker(bench, jobs, concurrency=concurrency, settings=all_settings, side=side) as worker:
            worker.begin()
            bench.server.client.rename("aside", "queue:default")
            worker.wait_goes(1)
            spent = worker.spent(jobs)
        return Measurement(jobs / worker.record.seconds(), "jobs/s", **spent)

    return measured


def _bare(bench: Bench, *words: str | int | float) -> Contender:
    def measured(_: int) -> Measurement:
        told = bench.bare(*words)
        return Measurement(told["jobs"] / told["seconds"], "jobs/s")

    return measured
