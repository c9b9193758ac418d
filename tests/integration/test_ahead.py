"""How far ahead is fetched: several claims under way to a far Redis, nothing behind jobs that keep their threads."""

from collections import Counter
from collections.abc import Callable, Iterator
from time import monotonic, sleep

import pytest
import redis as redis_py

import fastkiq
from children import Child
from fastkiq.bench.proxy import Proxy
from servers import Server, wait_until

Start = Callable[..., Child]

APP = """
import os
import time
import redis
import fastkiq

ledger = redis.Redis.from_url(os.environ["LEDGER"])

class Count(fastkiq.Worker):
    def perform(self, number):
        ledger.rpush("ran", number)

class Long(fastkiq.Worker):
    def perform(self, seconds):
        ledger.rpush("begun", 1)
        time.sleep(seconds)
"""


@pytest.fixture
def client(redis_url: str) -> fastkiq.Client:
    return fastkiq.Client(redis_url)


@pytest.fixture
def far_url(server: Server) -> Iterator[str]:
    """The server, 20 ms away."""
    with Proxy(("127.0.0.1", server.port), 20) as proxy:
        yield f"redis://127.0.0.1:{proxy.port}/0"


def ran(redis: redis_py.Redis) -> Counter[int]:
    return Counter(int(number) for number in redis.lrange("ran", 0, -1))


def left(redis: redis_py.Redis) -> list[bytes]:
    return [*redis.scan_iter("fastkiq:flight:*"), *redis.scan_iter("queue:*")]


def test_a_far_redis_is_not_waited_for(
    worker_process: Start, redis: redis_py.Redis, client: fastkiq.Client, redis_url: str, far_url: str
) -> None:
    client.push_bulk("app.Count", [(number,) for number in range(5000)])
    worker = worker_process(APP, "-c", "2", "--redis", far_url, env={"LEDGER": redis_url})
    wait_until(lambda: redis.llen("ran") >= 5000, 30, "all jobs")
    wait_until(lambda: not left(redis), 10, "all acks")
    worker.stop()
    assert ran(redis) == Counter(range(5000)), "each once"
    assert redis.get("stat:processed") == b"5000"


def test_connections_that_break_with_claims_under_way_lose_nothing(
    worker_process: Start, redis: redis_py.Redis, client: fastkiq.Client, redis_url: str, far_url: str
) -> None:
    client.push_bulk("app.Count", [(number,) for number in range(20_000)])
    worker = worker_process(APP, "-c", "2", "--redis", far_url, env={"LEDGER": redis_url})
    for done in (500, 3_000, 6_000, 9_000):
        wait_until(lambda wanted=done: redis.llen("ran") >= wanted, 30, f"{done} jobs")
        redis.script_flush()
        for each in redis.client_list():
            if each["name"] == "fastkiq":  # and not the jobs' own
                redis.client_kill_filter(_id=each["id"])
    wait_until(lambda: len(ran(redis)) == 20_000, 60, "all jobs")
    wait_until(lambda: not left(redis), 20, "what was claimed unheard is back and done")
    worker.stop()
    twice = sum(times - 1 for times in ran(redis).values())
    assert twice == 0, "the process lived: what it ran it did not forget"


def test_nothing_is_fetched_behind_threads_in_long_jobs(
    worker_process: Start, redis: redis_py.Redis, client: fastkiq.Client, redis_url: str
) -> None:
    client.push_bulk("app.Count", [(number,) for number in range(500)])
    client.push_bulk("app.Long", [(4,)] * 2)
    worker = worker_process(APP, "-c", "2", env={"LEDGER": redis_url})
    wait_until(lambda: redis.llen("begun") == 2, 20, "both threads are busy")
    client.push_bulk("app.Count", [(number,) for number in range(500, 510)])
    sleep(0.5)  # it may claim them once, and has given them back by now
    until = monotonic() + 1.5
    while monotonic() < until:
        assert redis.llen("queue:default") == 10, "claimed though no thread can come soon"
        sleep(0.002)
    wait_until(lambda: redis.llen("ran") == 510, 10, "they run when the long ones are done")
    worker.stop()


def test_basic_fetch_looks_at_the_first_queue_while_another_is_full(
    worker_process: Start, redis: redis_py.Redis, client: fastkiq.Client, redis_url: str
) -> None:
    client.push_bulk("app.Count", [(number,) for number in range(20_000)], queue="low")
    worker = worker_process(
        APP, "-c", "2", "--fetch", "basic", "-q", "critical", "-q", "low", env={"LEDGER": redis_url}
    )
    wait_until(lambda: redis.llen("ran") > 100, 20, "the backlog is being run")
    client.push("app.Count", -1, queue="critical")
    wait_until(lambda: -1 in ran(redis), 10, "the critical one")
    assert redis.llen("queue:low") > 0, "it did not wait for the end of the other queue"
    worker.stop()
