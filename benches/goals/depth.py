"""What a job costs when much else lies in Redis: a deep queue, many queues, a full schedule."""

from lab.rounds import Contender, Measurement

from goals.bench import Bench
from goals.stock import Stock
from goals.worker import FastkiqWorker

JOBS = 500_000
QUEUES = 100
SCHEDULED = 1_000_000
SHALLOW, DEEP, GOES = 10_000, 5_000_000, 50


def measure(bench: Bench, stock: Stock) -> None:
    """Workload `depth`: one queue, a hundred, and one with a million jobs scheduled beside it."""
    bench.measure(
        "depth",
        {
            "one queue": _one(bench, stock, JOBS),
            "100 queues": _many(bench, stock),
            "a million scheduled": _one(bench, stock, JOBS, scheduled=SCHEDULED),
        },
    )


def measure_deep(bench: Bench, stock: Stock) -> None:
    """Workload `deep`: five million jobs in the queue, beside fifty times ten thousand. Each of the fifty begins from
    rest, which costs something of its own: half a million at once is the third to compare with."""
    contenders = {
        "10,000": _shallow(bench, stock),
        "500,000": _one(bench, stock, JOBS),
        "5,000,000": _one(bench, stock, DEEP),
    }
    bench.measure("deep", contenders)


def _one(bench: Bench, stock: Stock, number: int, scheduled: int = 0) -> Contender:
    def measured(_: int) -> Measurement:
        jobs = bench.jobs(number)
        stock.queue(jobs, "aside")
        if scheduled:
            stock.schedule(bench.jobs(scheduled))
        with FastkiqWorker(bench, jobs) as worker:
            worker.begin()
            bench.server.client.rename("aside", "queue:default")
            worker.wait_goes(1)
            return _cost(worker, jobs)

    return measured


def _many(bench: Bench, stock: Stock) -> Contender:
    names = [f"q{number}" for number in range(QUEUES)]

    def measured(_: int) -> Measurement:
        jobs = bench.jobs(JOBS) // QUEUES
        stock.queues(jobs, QUEUES, "aside:")
        with FastkiqWorker(bench, jobs * QUEUES, queues=names) as worker:
            worker.begin()
            with bench.server.client.pipeline(transaction=True) as pipe:
                for name in names:
                    pipe.rename(f"aside:{name}", f"queue:{name}")
                pipe.execute()
            worker.wait_goes(1)
            return _cost(worker, jobs * QUEUES)

    return measured


def _shallow(bench: Bench, stock: Stock) -> Contender:
    def measured(_: int) -> Measurement:
        jobs = bench.jobs(SHALLOW)
        for go in range(GOES):
            stock.queue(jobs, f"aside:{go}")
        with FastkiqWorker(bench, jobs) as worker:
            worker.begin()
            for go in range(GOES):
                bench.server.client.rename(f"aside:{go}", "queue:default")
                worker.wait_goes(go + 1)
            return _cost(worker, jobs * GOES)

    return measured


def _cost(worker: FastkiqWorker, jobs: int) -> Measurement:
    """CPU microseconds a job, of worker and Redis together; elapsed ones beside them."""
    spent = worker.spent(jobs)
    cpu = (spent["worker_cpu"] + spent["redis_cpu"]) * 1000
    return Measurement(cpu, "us CPU a job", elapsed=worker.record.seconds() * 1e6 / jobs, **spent)
