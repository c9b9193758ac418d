"""One thread and one queue: jobs begin in the order in which they came, however they come and however long they run."""

from collections.abc import Callable, Iterable, Iterator
from random import Random
from time import sleep

import pytest
import redis as redis_py

import fastkiq
from children import Child
from servers import wait_until

Start = Callable[..., Child]

APP = """
import time
import fastkiq
from fastkiq.client import default

begun = []

class Numbered(fastkiq.Worker):
    def perform(self, number, seconds=0):
        begun.append(number)
        if seconds:
            time.sleep(seconds)

class Report(fastkiq.Worker):
    def perform(self):
        default().core.command("RPUSH", "begun", *begun)
"""


def at_once(chance: Random) -> Iterator[float]:
    """The queue is full, then empty."""
    while True:
        yield 0


def in_bursts(chance: Random) -> Iterator[float]:
    """The queue runs empty between them: what comes next meets a waiter, a claim, or both."""
    while True:
        yield from [0] * chance.randrange(1, 40)
        yield chance.choice((0.0001, 0.0005, 0.002))


def one_by_one(chance: Random) -> Iterator[float]:
    """Each is begun about when the next one comes."""
    while True:
        yield chance.choice((0, 0.00002, 0.0001, 0.0003))


def push(client: fastkiq.Client, pauses: Iterator[float], jobs: Iterable[tuple[float, ...]]) -> None:
    for job in jobs:
        client.push("app.Numbered", *job)
        if pause := next(pauses):
            sleep(pause)
    client.push("app.Report")


def begun(redis: redis_py.Redis) -> list[int]:
    wait_until(lambda: redis.exists("begun"), 30, "the last job")
    return [int(number) for number in redis.lrange("begun", 0, -1)]


@pytest.mark.parametrize("fetch", ["reliable", "basic"])
@pytest.mark.parametrize("pace", [at_once, in_bursts, one_by_one])
def test_one_thread_begins_jobs_in_their_order(
    worker_process: Start,
    redis: redis_py.Redis,
    redis_url: str,
    pace: Callable[[Random], Iterator[float]],
    fetch: str,
) -> None:
    worker = worker_process(APP, "-c", "1", "--fetch", fetch)
    worker.wait_for("ready")
    push(fastkiq.Client(redis_url), pace(Random(7)), [(number,) for number in range(10_000)])
    assert begun(redis) == list(range(10_000))


def test_long_jobs_among_short_ones_keep_the_order(
    worker_process: Start, redis: redis_py.Redis, redis_url: str
) -> None:
    """Behind a long one the short ones that were fetched ahead go back to their queue, while more of them come."""
    chance = Random(7)
    worker = worker_process(APP, "-c", "1")
    worker.wait_for("ready")
    jobs = [(number, chance.choice((0.02, 0.045, 0.06)) if number % 200 == 199 else 0) for number in range(8_000)]
    push(fastkiq.Client(redis_url), in_bursts(chance), jobs)
    assert begun(redis) == list(range(8_000))


@pytest.mark.parametrize("queues", ["first default", "first,1 default,1"])
def test_other_queues_beside_it_change_nothing(
    worker_process: Start, redis: redis_py.Redis, redis_url: str, queues: str
) -> None:
    """In strict order what a waiter has brought goes back when it would overtake another queue's."""
    served = [word for name in queues.split() for word in ("-q", name)]
    worker = worker_process(APP, "-c", "1", *served)
    worker.wait_for("ready")
    push(fastkiq.Client(redis_url), one_by_one(Random(8)), [(number,) for number in range(10_000)])
    assert begun(redis) == list(range(10_000))
