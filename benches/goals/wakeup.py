"""From the enqueue of a job to the first line of its `perform`, by a worker that has nothing else to do."""

from lab.rounds import Contender, Measurement
from lab.summary import percentile

from goals.bench import Bench
from goals.sidekiq import Sidekiq
from goals.worker import FastkiqWorker

PROBES = 500


def measure(bench: Bench, sidekiq: Sidekiq) -> None:
    """Workloads `wakeup 1` and `wakeup 12`: queues served, each probe to one of them by chance."""
    probes = bench.jobs(PROBES)
    for queues in (1, 12):
        contenders = {"fastkiq": _fastkiq(bench, probes, queues), "Sidekiq": sidekiq.wakeup(probes, queues)}
        bench.measure(f"wakeup {queues}", contenders)


def _fastkiq(bench: Bench, probes: int, queues: int) -> Contender:
    names = [f"q{number}" for number in range(queues)] if queues > 1 else ["default"]

    def measured(_: int) -> Measurement:
        with FastkiqWorker(bench, probes, queues=names) as worker:
            bench.enqueue("wake", probes, queues)
            worker.wait(lambda: worker.record.count("woke") > probes, 10, f"{probes} probes")
        # The first one paid for connecting.
        latencies = [int(values[0]) / 1e6 for _, values in worker.record.lines("woke")[1:]]
        p50, p99 = percentile(latencies, 50), percentile(latencies, 99)
        return Measurement(p50, "ms", p99=p99, most=max(latencies), probes=len(latencies))

    return measured
