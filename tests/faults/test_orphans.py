"""A worker is killed and a child that one of its jobs has forked lives on, with the worker's connections open."""

import time
from collections.abc import Callable

import pytest
import redis as redis_py

import fastkiq
from faults.lab.books import settle
from faults.lab.crew import Crew
from faults.lab.kills import percentile
from faults.lab.ledger import Ledger
from faults.lab.results import record
from faults.lab.scale import scaled


@pytest.mark.timeout(120)
def test_connections_that_outlive_their_worker_take_no_job_away(
    crew: Callable[..., Crew], redis_url: str, redis: redis_py.Redis, ledger: Ledger
) -> None:
    """Redis sees no end of the dead worker's wait for a queue: what it still takes is found in its flight."""
    client = fastkiq.Client(redis_url)
    workers = crew(redis_url, "-c", "5", lease=None)  # the usual one: a wait for a queue lasts 5 s
    pushed: dict[int, int] = {}
    rounds = scaled(2, 20)
    number = 0
    victim = workers.start()
    for _ in range(rounds):
        workers.ready()
        number += 1
        client.push("app.Forker", number, 12)
        settle(redis, ledger, {number}, 10)
        successor = workers.start()
        workers.ready()
        workers.kill(victim)
        for _ in range(20):
            number += 1
            pushed[number] = time.monotonic_ns()
            client.push("app.Work", number, 0)
            time.sleep(0.05)
        settle(redis, ledger, set(pushed), 20)
        victim = successor
    begun = {run.job: run.begun for run in ledger.all_runs()}
    delays = sorted((begun[job] - at) / 1e9 for job, at in pushed.items())
    record(
        "connections of a killed worker held open by a child",
        faults=rounds,
        jobs=len(pushed),
        lost=len(pushed.keys() - ledger.ended),
        twice=len(ledger.repeated()),
        p50_s=percentile(delays, 0.5),
        p99_s=percentile(delays, 0.99),
        most_s=delays[-1],
    )
    assert delays[-1] < 3
