"""Enqueueing: in bulk, one by one, from several threads."""

from lab import floor
from lab.rounds import Contender, Measurement

from goals.bench import Bench
from goals.sidekiq import Sidekiq

BULK, SINGLE, THREADS = 500_000, 50_000, 8


def measure(bench: Bench, sidekiq: Sidekiq) -> None:
    """Workloads `bulk` and `push`."""
    bench.measure(
        "bulk",
        {
            "fastkiq": _fastkiq(bench, "bulk", bench.jobs(BULK)),
            "prepared payloads": lambda _: Measurement(
                floor.push_prepared(bench.server, "queue:default", bench.jobs(BULK)), "jobs/s"
            ),
            "Sidekiq": sidekiq.push("bulk", "bulk"),
        },
    )
    bench.measure(
        "push",
        {
            "redis-benchmark": lambda _: Measurement(
                floor.redis_benchmark(bench.server, "queue:default", bench.jobs(SINGLE)), "jobs/s"
            ),
            "fastkiq": _fastkiq(bench, "single", bench.jobs(SINGLE)),
            "fastkiq, 8 threads": _fastkiq(bench, "threads", bench.jobs(SINGLE), THREADS),
            "Sidekiq": sidekiq.push("enqueue", "enqueue"),
        },
    )


def _fastkiq(bench: Bench, *words: str | int) -> Contender:
    def measured(_: int) -> Measurement:
        told = bench.enqueue(*words)
        return Measurement(told["jobs"] / told["seconds"], "jobs/s")

    return measured
