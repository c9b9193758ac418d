"""`STACKS` through `<identity>-signals`: what each job of a real `fastkiq process` is doing, shown in Redis."""

import json
import time
from collections.abc import Callable
from typing import Any

import redis as redis_py

import fastkiq
from children import Child
from servers import wait_until

Start = Callable[..., Child]

APP = """
    import asyncio, sys, threading, time, fastkiq

    fastkiq.configure(
        lease=2, queues=["default"], concurrency=2, capsules={"beside": {"queues": ["beside"], "concurrency": 1}}
    )

    class Sleep(fastkiq.Worker):
        def perform(self, secret):
            threading.current_thread().name = "renamed"
            self.deeper(secret)

        def deeper(self, secret):
            time.sleep(60)

    class Await(fastkiq.Worker):
        async def perform(self, secret):
            await self.first(secret)

        async def first(self, secret):
            await self.second(secret)

        async def second(self, secret):
            await asyncio.sleep(60)

    class Block(fastkiq.Worker):
        async def perform(self):
            time.sleep(60)

    class Deep(fastkiq.Worker):
        def perform(self):
            sys.setrecursionlimit(20_000)
            self.down(5_000)

        def down(self, left):
            time.sleep(60) if left == 0 else self.down(left - 1)
"""


def asked(redis: redis_py.Redis, jobs: int) -> dict[str, Any]:
    """What the one process answers, once it runs so many jobs: each field's JSON by its class."""
    (identity,) = redis.smembers("processes")
    wait_until(lambda: redis.hlen(identity + b":work") == jobs, 15, f"{jobs} jobs to run")
    key = b"fastkiq:stacks:" + identity
    redis.delete(key)
    redis.lpush(identity + b"-signals", "STACKS")
    redis.expire(identity + b"-signals", 60)
    wait_until(lambda: redis.exists(key), 10, "the stacks")
    fields = redis.hgetall(key)
    assert 0 < redis.ttl(key) <= 60
    assert abs(float(fields.pop(b"at")) - time.time()) < 10
    answer: dict[str, Any] = {"threads": fields.pop(b"threads").decode()}
    work = {tid: json.loads(json.loads(entry)["payload"]) for tid, entry in redis.hgetall(identity + b":work").items()}
    assert fields.keys() == work.keys()
    for tid, entry in fields.items():
        found = json.loads(entry)
        assert (found["class"], found["jid"]) == (work[tid]["class"], work[tid]["jid"])
        answer[found["class"]] = found
    return answer


def functions(stack: list[str]) -> list[str]:
    """`app.py:12:in f` -> f, without the lines of source between them."""
    return [line.rsplit(":in ", 1)[1] for line in stack if not line.startswith("    ")]


def test_jobs_on_threads_and_coroutines_of_all_capsules(
    worker_process: Start, redis: redis_py.Redis, redis_url: str
) -> None:
    child = worker_process(APP)
    child.wait_for("ready")
    client = fastkiq.Client(redis_url)
    client.push("app.Sleep", "s3cret")
    client.push("app.Await", "s3cret")
    client.push("app.Sleep", "s3cret", queue="beside")
    client.push("app.Await", "s3cret", queue="beside")
    answer = asked(redis, 4)
    thread, task = answer["app.Sleep"], answer["app.Await"]
    assert functions(thread["stack"]) == ["Sleep.perform", "Sleep.deeper"]
    assert thread["stack"][-2].endswith("app.py:14:in Sleep.deeper")
    assert thread["stack"][-1] == "    time.sleep(60)"
    assert thread["thread"] in ("fastkiq-default-1", "fastkiq-beside-1"), "not as the job has called it"
    assert functions(task["stack"]) == ["Await.perform", "Await.first", "Await.second", "sleep"]
    assert task["thread"] == "async"
    assert "Thread MainThread" in answer["threads"]
    assert "Thread renamed" in answer["threads"]
    assert "s3cret" not in json.dumps(answer), "neither arguments nor locals"


def test_a_loop_that_does_not_answer_is_said_to_be_one(
    worker_process: Start, redis: redis_py.Redis, redis_url: str
) -> None:
    child = worker_process(APP)
    child.wait_for("ready")
    client = fastkiq.Client(redis_url)
    client.push("app.Await", "x")
    client.push("app.Block")
    answer = asked(redis, 2)
    for name in ("app.Await", "app.Block"):
        assert answer[name]["stack"] == ["(the event loop has not answered within 1 s)"]
    assert "in perform" in answer["threads"], "that shows what blocks it"


def test_what_is_deep_is_shown_from_its_end(worker_process: Start, redis: redis_py.Redis, redis_url: str) -> None:
    child = worker_process(APP)
    child.wait_for("ready")
    fastkiq.Client(redis_url).push("app.Deep")
    stack = asked(redis, 1)["app.Deep"]["stack"]
    assert len(stack) == 200
    assert stack[0] == "(frames above this one are left out)"
    assert stack[-1] == "    time.sleep(60) if left == 0 else self.down(left - 1)"


def test_a_redis_that_refuses_is_logged_and_nothing_else(
    worker_process: Start, redis: redis_py.Redis, redis_url: str
) -> None:
    child = worker_process(APP)
    child.wait_for("ready")
    (identity,) = redis.smembers("processes")
    try:
        with redis.pipeline(transaction=True) as both:
            both.lpush(identity + b"-signals", "STACKS").config_set("maxmemory", 1).execute()
        child.wait_for("the stacks that were asked for could not be shown: OOM")
    finally:
        redis.config_set("maxmemory", 0)
    assert not redis.exists(b"fastkiq:stacks:" + identity)
    redis.lpush(identity + b"-signals", "STACKZ")
    child.wait_for("unknown signal STACKZ ignored")
    assert child.stop() == 0


def test_an_answer_under_way_is_not_waited_for(worker_process: Start, redis: redis_py.Redis, redis_url: str) -> None:
    """The loop takes a second; the stop does not wait for it, nor for what was asked in between."""
    child = worker_process(APP, "-t", "0.1")
    child.wait_for("ready")
    fastkiq.Client(redis_url).push("app.Block")
    (identity,) = redis.smembers("processes")
    wait_until(lambda: redis.hlen(identity + b":work") == 1, 15, "the job to run")
    redis.lpush(identity + b"-signals", *["STACKS"] * 20)
    wait_until(lambda: redis.llen(identity + b"-signals") < 18, 15, "some of them heard")
    began = time.monotonic()
    assert child.stop() == 0
    assert time.monotonic() - began < 10
