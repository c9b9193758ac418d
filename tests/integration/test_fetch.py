"""Fetching with real processes: how many jobs, from which queues, when; and what is due, when it is due."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from time import time

import pytest
import redis as redis_py

import fastkiq
from children import Child
from servers import wait_until

Start = Callable[..., Child]

APP = """
import asyncio, threading, time
import fastkiq
from fastkiq.client import default

running, most, lock = 0, 0, threading.Lock()

def note(key, *words):
    default().core.command("RPUSH", key, *words)

class Quick(fastkiq.Worker):
    def perform(self, number):
        note("ran", self._unit.queue, number)

class Timed(fastkiq.Worker):
    def perform(self, due):
        note("late", f"{time.time() - due:.6f}")

class Counted(fastkiq.Worker):
    def perform(self, seconds):
        global running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(seconds)
        with lock:
            running -= 1
        note("most", most)

class Long(fastkiq.Worker):
    def perform(self, seconds):
        note("begun", time.time())
        time.sleep(seconds)

class AQuick(fastkiq.Worker):
    async def perform(self, number):
        await asyncio.sleep(0)
        note("aran", number)
"""


@pytest.fixture
def client(redis_url: str) -> fastkiq.Client:
    return fastkiq.Client(redis_url)


def ran(redis: redis_py.Redis) -> list[tuple[str, int]]:
    words = [word.decode() for word in redis.lrange("ran", 0, -1)]
    return [(queue, int(number)) for queue, number in zip(words[::2], words[1::2], strict=True)]


@pytest.mark.parametrize("fetch", ["reliable", "basic"])
def test_each_job_once_from_each_queue(
    worker_process: Start, redis: redis_py.Redis, client: fastkiq.Client, fetch: str
) -> None:
    queues = [f"q{number}" for number in range(20)]  # more than have a waiter of their own
    worker = worker_process(APP, "--fetch", fetch, *(word for queue in queues for word in ("-q", queue)))
    worker.wait_for("ready")
    for number in range(60):
        client.push("app.Quick", number, queue=queues[number % 20])
    wait_until(lambda: len(ran(redis)) == 60, 15, "all jobs")
    assert sorted(ran(redis)) == sorted((queues[number % 20], number) for number in range(60))
    assert worker.stop() == 0
    assert redis.get("stat:processed") == b"60"
    assert not list(redis.scan_iter("fastkiq:flight*"))


def test_basic_fetch_gives_back_at_a_stop(worker_process: Start, redis: redis_py.Redis, client: fastkiq.Client) -> None:
    worker = worker_process(APP, "--fetch", "basic", "-c", "2", "-t", "0.2")
    client.push_bulk("app.Long", [(30,)] * 5)
    wait_until(lambda: redis.llen("begun") == 2, 10, "two begun")
    assert worker.stop() == 0
    assert redis.llen("queue:default") == 5


def test_a_paused_queue_rests_until_it_is_resumed(
    worker_process: Start, redis: redis_py.Redis, client: fastkiq.Client, tmp_path: object
) -> None:
    worker = worker_process(APP, "-q", "default", "-q", "other")
    worker.wait_for("ready")
    redis.sadd("paused", "default")
    (identity,) = redis.smembers("processes")
    beat = redis.hget(identity, "beat")
    wait_until(lambda: redis.hget(identity, "beat") != beat, 10, "a beat after the pause")
    client.push_bulk("app.Quick", [(1,), (2,)])
    client.push("app.Quick", 3, queue="other")
    wait_until(lambda: ran(redis) == [("other", 3)], 5, "the other queue")
    assert redis.llen("queue:default") == 2
    redis.srem("paused", "default")
    wait_until(lambda: len(ran(redis)) == 3, 8, "resumed within a beat")


def test_never_more_threads_than_asked_for(
    worker_process: Start, redis: redis_py.Redis, client: fastkiq.Client
) -> None:
    client.push_bulk("app.Counted", [(0.002,)] * 600)
    worker = worker_process(APP, "-c", "3")
    wait_until(lambda: redis.llen("most") == 600, 20, "all jobs")
    assert max(int(most) for most in redis.lrange("most", 0, -1)) == 3
    worker.stop()


def test_long_jobs_are_not_hoarded(worker_process: Start, redis: redis_py.Redis, client: fastkiq.Client) -> None:
    # Short ones first, so that the first process learns to prefetch.
    client.push_bulk("app.Quick", [(number,) for number in range(2000)])
    client.push_bulk("app.Long", [(1,)] * 8)
    workers = [worker_process(APP, "-c", "2") for _ in range(4)]
    for worker in workers:
        worker.wait_for("ready")
    wait_until(lambda: redis.llen("begun") == 8, 20, "eight begun")
    begun = sorted(float(word) for word in redis.lrange("begun", 0, -1))
    assert begun[-1] - begun[0] < 0.9, "one process kept long jobs that another could have run"


def test_coroutines_are_not_stalled_by_threads_that_wait(
    worker_process: Start, redis: redis_py.Redis, client: fastkiq.Client
) -> None:
    worker = worker_process(APP, "-c", "2", "-q", "default", "-q", "io")
    worker.wait_for("ready")
    client.push_bulk("app.Long", [(20,)] * 2)
    wait_until(lambda: redis.llen("begun") == 2, 10, "both threads wait")
    client.push_bulk("app.AQuick", [(number,) for number in range(500)], queue="io")
    wait_until(lambda: redis.llen("aran") == 500, 10, "all coroutines")
    # Also on a queue whose next sync job cannot start.
    client.push("app.Long", 20)
    client.push("app.AQuick", 500, queue="io")
    wait_until(lambda: redis.llen("aran") == 501, 10, "one more")


def test_due_jobs_run_on_time_and_once_with_two_processes(
    worker_process: Start, redis: redis_py.Redis, client: fastkiq.Client
) -> None:
    for worker in [worker_process(APP, "-c", "5") for _ in range(2)]:
        worker.wait_for("ready")
    start = time() + 2
    due = [start + number * 0.002 for number in range(500)]
    client.push_bulk("app.Timed", [(at,) for at in due], at=due)
    for number in range(20):  # less than a second ahead: announced
        client.push("app.Timed", time() + 0.3, in_=0.3 + number * 0)
    wait_until(lambda: redis.llen("late") == 520, 15, "all jobs")
    late = sorted(float(word) for word in redis.lrange("late", 0, -1))
    assert late[0] > -0.05
    assert late[int(len(late) * 0.9)] < 0.5, "a machine under load is late itself, but not by a poll"
    assert redis.get("stat:processed") == b"520"
    assert redis.zcard("schedule") == 0


def test_all_that_is_due_moves_at_one_poll(
    worker_process: Start, redis: redis_py.Redis, client: fastkiq.Client, tmp_path: Path
) -> None:
    (tmp_path / "poll.toml").write_text("poll_interval_average = 60\n")
    due = time() + 1
    client.push_bulk("app.Quick", [(number,) for number in range(1000)], at=due)
    wait_until(lambda: time() > due, 5, "the due time")
    worker = worker_process(APP, "-C", "poll.toml")
    wait_until(lambda: len(ran(redis)) == 1000, 20, "all jobs at the first poll")
    worker.stop()


def test_weights_share_the_work(worker_process: Start, redis: redis_py.Redis, client: fastkiq.Client) -> None:
    for queue in ("heavy", "light"):
        client.push_bulk("app.Counted", [(0.001,)] * 400, queue=queue)
        client.push_bulk("app.Quick", [(number,) for number in range(400)], queue=queue)
    worker = worker_process(APP, "-c", "1", "-q", "heavy,5", "-q", "light,1")
    wait_until(lambda: len(ran(redis)) == 800, 30, "all jobs")
    order = [queue for queue, _ in ran(redis)]
    assert order[:100].count("heavy") > 50
    assert "light" in order[:-1]
    numbers = [number for queue, number in ran(redis) if queue == "heavy"]
    assert all(first < second for first, second in pairwise(numbers)), "each queue in its own order"
    worker.stop()
