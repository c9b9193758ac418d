"""Recurring jobs that somebody else has written to Redis: whatever they are, no other job waits for them."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis as redis_py

from children import Child
from servers import wait_until

Start = Callable[..., Child]

EMPTY = """
    import fastkiq
    class Plain(fastkiq.Worker):
        def perform(self) -> None: ...
"""
TWO = """
    import fastkiq
    class Ahead(fastkiq.Worker, cron="* * * * * *", name="Ahead", queue="ahead"):
        def perform(self) -> None: ...
    class Beat(fastkiq.Worker, cron="* * * * * *", name="Beat", queue="ruby"):
        def perform(self) -> None: ...
"""
NEVER = "*/7 */5 31 2,4,6,9,11 *"
"""No such day is there, which croner knows after a quarter of a second."""
MANY = 1_200
"""More than one look takes."""


def put(redis: redis_py.Redis, name: str, following: float, **fields: Any) -> None:
    definition = {"name": name, "class": "Ruby", "args": [], "queue": "ruby", "source": "api", **fields}
    redis.hset("fastkiq:cron", name, json.dumps(definition))
    redis.zadd("fastkiq:cron:next", {name: following})


def strange(redis: redis_py.Redis) -> None:
    """Of a version to come, which stay due."""
    for number in range(MANY):
        put(redis, f"strange{number}", number, moon="full")


def names_of_bytes(redis: redis_py.Redis) -> None:
    redis.zadd("fastkiq:cron:next", {b"\xff%d" % number: 1 for number in range(MANY)})


def refused(redis: redis_py.Redis) -> None:
    """Their queue is no list."""
    redis.set("queue:bad", "x")
    for number in range(MANY):
        put(redis, f"refused{number}", number, every=60, queue="bad")


def undeclared(redis: redis_py.Redis) -> None:
    """Of code that no process has, and that is no orphan yet."""
    redis.set("fastkiq:cron:swept", int(time.time()))
    for number in range(MANY):
        put(redis, f"undeclared{number}", number, every=60, source="code")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("crowd", [strange, names_of_bytes, refused, undeclared], ids=lambda crowd: crowd.__name__)
def test_a_crowd_of_entries_that_cannot_be_fired(
    worker_process: Start, redis: redis_py.Redis, crowd: Callable[[redis_py.Redis], None]
) -> None:
    crowd(redis)
    put(redis, "fine", time.time() - 1, every=1, missed="all")
    child = worker_process(EMPTY)
    wait_until(lambda: redis.llen("queue:ruby") >= 3, 20, child.output())
    ticks = [json.loads(raw)["cron"]["tick"] / 1000 for raw in redis.lrange("queue:ruby", 0, -1)][::-1]
    assert ticks == [ticks[0] + index for index in range(len(ticks))]
    waits = redis.zcard("fastkiq:cron:next") - 1
    assert waits == (0 if crowd is names_of_bytes else MANY), "what nobody can have declared has no tick to come"
    assert child.stop() == 0


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", ["held", "seen"])
def test_one_entry_s_keys_are_of_another_type(worker_process: Start, redis: redis_py.Redis, kind: str) -> None:
    redis.set(f"fastkiq:cron:{kind}:Ahead", "x")
    child = worker_process(TWO, "-q", "served")
    wait_until(lambda: redis.llen("queue:ruby") >= 2, 20, child.output())
    assert redis.llen("queue:ahead") == 0
    redis.delete(f"fastkiq:cron:{kind}:Ahead")
    wait_until(lambda: redis.llen("queue:ahead"), 20)
    assert child.stop() == 0


@pytest.mark.timeout(60)
def test_expressions_that_never_come_keep_no_scheduled_job_waiting(
    worker_process: Start, redis: redis_py.Redis
) -> None:
    """Neither when they are due nor when somebody looks after them. To search for 200 would take half a minute."""
    for number in range(200):
        put(redis, f"slow{number}", number, cron=NEVER, queue="slow")
    child = worker_process(EMPTY)
    child.wait_for("ready:")
    for number in range(4):
        job = {"class": "Ruby", "args": [], "queue": "ruby", "jid": f"{number:024}"}
        redis.zadd("schedule", {json.dumps(job): 1})
        wait_until(lambda number=number: redis.llen("queue:ruby") == number + 1, 8)
        time.sleep(1)
    assert redis.zcard("fastkiq:cron:next") == 0, "they have no tick to come"
    child.kill()
