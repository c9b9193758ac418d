"""`kill -9` of a worker: no job is lost, few run twice, and somebody recovers what it held."""

from collections.abc import Callable
from pathlib import Path
from time import monotonic

import pytest
import redis as redis_py

import fastkiq
from children import Child
from faults.kit import APP, flights, hide_machine, ledger, short_lease
from servers import wait_until

Start = Callable[..., Child]

CONCURRENCY = 10


def push(url: str, name: str, rows: list[tuple[object, ...]]) -> list[str]:
    client = fastkiq.Client(url)
    return list(client.push_bulk(name, rows))


@pytest.mark.both_servers
def test_a_successor_recovers_at_once_and_nothing_is_lost(
    worker_process: Start, redis_url: str, redis: redis_py.Redis
) -> None:
    jids = push(redis_url, "app.Work", [(0.005,)] * 1500)
    first = worker_process(APP, "-c", str(CONCURRENCY))
    wait_until(lambda: redis.llen("ledger:done") > 200, 20, "some work")
    first.kill()
    killed = monotonic()
    begun, done = ledger(redis, "begun"), ledger(redis, "done")
    second = worker_process(APP, "-c", str(CONCURRENCY))
    second.wait_for("put back in the queues", 10)
    assert monotonic() - killed < 2 + 1.5  # its own start takes a part of that
    wait_until(lambda: len(ledger(redis, "done")) == len(jids), 30, "all jobs")
    wait_until(lambda: not flights(redis), 5, "empty flights")
    again = [jid for jid, times in ledger(redis, "done").items() if times > 1]
    # What ran when it was killed, and what finished in the 5 ms before.
    assert len(again) <= len(begun - done) + 2 * CONCURRENCY
    assert second.stop() == 0
    assert redis.zcard("dead") == redis.zcard("retry") == redis.llen("queue:default") == 0


def test_a_neighbour_recovers_within_two_seconds(worker_process: Start, redis_url: str, redis: redis_py.Redis) -> None:
    victim = worker_process(APP, "-c", "4")
    victim.wait_for("ready")
    push(redis_url, "app.Work", [(60,)] * 4)
    wait_until(lambda: redis.llen("ledger:begun") == 4, 10, "four begun")
    neighbour = worker_process(APP, "-c", "4")
    neighbour.wait_for("ready")
    victim.kill()
    killed = monotonic()
    wait_until(lambda: redis.llen("ledger:begun") == 8, 10, "begun again")
    assert monotonic() - killed < 2 + 1  # and a second for a busy machine


def test_a_death_that_cannot_be_proved_waits_for_the_lease(
    worker_process: Start, redis_url: str, redis: redis_py.Redis, tmp_path: Path
) -> None:
    lease = short_lease(tmp_path)
    victim = worker_process(APP, "-c", "4", *lease)
    victim.wait_for("ready")
    push(redis_url, "app.Work", [(60,)] * 4)
    wait_until(lambda: redis.llen("ledger:begun") == 4, 10, "four begun")
    neighbour = worker_process(APP, "-c", "4", *lease)
    neighbour.wait_for("ready")
    hide_machine(redis)
    victim.kill()
    killed = monotonic()
    neighbour.wait_for("lease ran out", 14)
    assert 1.0 < monotonic() - killed < 2 + 10
    wait_until(lambda: redis.llen("ledger:begun") == 8, 5, "begun again")


def test_all_killed_at_once(worker_process: Start, redis_url: str, redis: redis_py.Redis) -> None:
    jids = push(redis_url, "app.Work", [(0.01,)] * 400) + push(redis_url, "app.AsyncWork", [(0.01,)] * 400)
    workers = [worker_process(APP, "-c", "5") for _ in range(3)]
    wait_until(lambda: redis.llen("ledger:done") > 100, 20, "some work")
    for worker in workers:
        worker.process.kill()
    for worker in workers:
        worker.wait(10)
    worker_process(APP, "-c", "10")
    wait_until(lambda: len(ledger(redis, "done")) == len(jids), 30, "all jobs")
    wait_until(lambda: not flights(redis), 5, "empty flights")


@pytest.mark.parametrize("moment", range(6))
def test_killed_while_retries_are_written(
    worker_process: Start, redis_url: str, redis: redis_py.Redis, moment: int
) -> None:
    jids = push(redis_url, "app.Failing", [()] * 300)
    first = worker_process(APP, "-c", "5")
    wait_until(lambda: redis.zcard("retry") > moment * 40, 20, "some retries")
    first.kill()
    second = worker_process(APP, "-c", "5")
    wait_until(lambda: redis.zcard("retry") == len(jids), 20, "all in retry")
    wait_until(lambda: not flights(redis), 5, "empty flights")
    assert redis.llen("queue:default") == 0
    second.stop()
