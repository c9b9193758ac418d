"""Drains: no-op jobs by fastkiq, the floors and Sidekiq, with the CPU and the memory that they take; and over a network
that is slow."""

from lab import floor
from lab.rounds import Contender, Measurement

from fastkiq.bench.proxy import Proxy
from goals.bench import Bench
from goals.sidekiq import Sidekiq
from goals.stock import Stock
from goals.worker import FastkiqWorker

WARN, DEFAULT = ('log_level = "warning"',), ()
ALL = 1_000_000
BASIC = 150_000
"""Basic mode pays a round trip for each handful of jobs: fewer of them take as long."""
ONE_BY_ONE = 50_000
DELAYED = 300_000


def measure(bench: Bench, stock: Stock, sidekiq: Sidekiq) -> None:
    """Workload `drain`."""
    bench.measure(
        "drain",
        {
            "floor": _floor(bench, stock),
            "fastkiq c=10": fastkiq(bench, stock, concurrency=10),
            "fastkiq c=25": fastkiq(bench, stock, concurrency=25),
            "fastkiq c=25, default log": fastkiq(bench, stock, concurrency=25, settings=DEFAULT),
            "fastkiq basic c=10": fastkiq(bench, stock, jobs=BASIC, arguments=("--fetch", "basic")),
            "BRPOP a job": _one_by_one(bench, stock),
            "Sidekiq c=10": sidekiq.drain(10),
            "Sidekiq c=25": sidekiq.drain(25),
        },
    )


def measure_delay(bench: Bench, stock: Stock) -> None:
    """Workload `delay`: the project's proxy between worker and Redis."""
    bench.measure("delay", {f"{delay} ms": _delayed(bench, stock, delay) for delay in (0, 1, 5)})


def fastkiq(
    bench: Bench,
    stock: Stock,
    jobs: int = ALL,
    concurrency: int = 10,
    settings: tuple[str, ...] = WARN,
    arguments: tuple[str, ...] = (),
    url: str | None = None,
) -> Contender:
    """The queue is filled aside and put in place in one step, once the worker is up."""

    def measured(_: int) -> Measurement:
        wanted = bench.jobs(jobs)
        stock.queue(wanted, "aside")
        with FastkiqWorker(
            bench, wanted, concurrency=concurrency, settings=settings, arguments=arguments, url=url
        ) as worker:
            worker.begin()
            bench.server.client.rename("aside", "queue:default")
            worker.wait_goes(1)
            spent = worker.spent(wanted)
        return Measurement(wanted / worker.record.seconds(), "jobs/s", **spent)

    return measured


def _delayed(bench: Bench, stock: Stock, delay: int) -> Contender:
    def measured(number: int) -> Measurement:
        with Proxy(("127.0.0.1", bench.server.port), delay) as proxy:
            return fastkiq(bench, stock, DELAYED, url=f"redis://127.0.0.1:{proxy.port}/0")(number)

    return measured


def _floor(bench: Bench, stock: Stock) -> Contender:
    def measured(_: int) -> Measurement:
        jobs = bench.jobs(ALL)
        stock.queue(jobs, "queue:default")
        return Measurement(floor.drain(bench.server, "queue:default", jobs), "jobs/s")

    return measured


def _one_by_one(bench: Bench, stock: Stock) -> Contender:
    def measured(_: int) -> Measurement:
        jobs = bench.jobs(ONE_BY_ONE)
        stock.queue(jobs, "queue:default")
        before = bench.server.usage()
        rate = floor.brpop(bench.server, "queue:default", jobs)
        spent = bench.server.usage() - before
        return Measurement(rate, "jobs/s", redis_cpu=spent.cpu * 1000 / jobs, round_trips=spent.reads / jobs)

    return measured
