"""Jobs and hooks that turn against the worker: it lives, and each job is accounted for."""

import json
from collections.abc import Callable

import pytest
import redis as redis_py

from children import Child
from fastkiq import Client
from servers import wait_until

Start = Callable[..., Child]

LOOP = """
    import asyncio, os, sys
    import fastkiq
    from fastkiq.client import default

    def note(word):
        default().core.command("RPUSH", "notes", word)

    class Loop(fastkiq.Worker):
        async def perform(self, what):
            loop = asyncio.get_running_loop()
            if what == "stop":
                loop.stop()
            if what == "cancel all":
                for task in asyncio.all_tasks():
                    task.cancel()
            if what == "exit in a task":
                async def leave():
                    sys.exit(3)
                asyncio.create_task(leave())
            if what == "exit in a callback":
                loop.call_soon(sys.exit, 3)
            if what == "fork" and (child := os.fork()):
                print("forked", child, flush=True)
                os.waitpid(child, 0)
            await asyncio.sleep(0)
            note(what)
"""


@pytest.mark.parametrize("what", ["stop", "cancel all", "exit in a task", "exit in a callback", "fork"])
def test_no_coroutine_ends_the_event_loop(
    worker_process: Start, redis_url: str, redis: redis_py.Redis, what: str
) -> None:
    child = worker_process(LOOP)
    child.wait_for("ready")
    client = Client(redis_url)
    client.push("app.Loop", what)
    wait_until(lambda: redis.exists("notes", "retry"), 10, "the first job's end")
    client.push("app.Loop", "after")
    wait_until(lambda: redis.lindex("notes", -1) == b"after", 10, "the next job")
    wait_until(lambda: not redis.keys("fastkiq:flight:*"), 5, "no flight left")
    assert child.output().count("Exception in callback") == 0
    assert child.stop() == 0


ERRORS = """
    import sys
    import fastkiq

    class NoClass(Exception):
        @property
        def __class__(self):
            raise ValueError("no class")

    class Half(fastkiq.Retry):
        def __init__(self):
            pass

    class Odd(fastkiq.Worker, retry=1):
        def perform(self, what):
            raise NoClass if what == "no class" else Half

    class Asked(fastkiq.Worker, retry=5):
        @classmethod
        def retry_in(cls, count, error, job):
            sys.exit(2)

        def perform(self, what):
            raise ValueError("as usual")

    def leave(*_):
        sys.exit(4)

    fastkiq.configure().error_handlers.append(leave)
    fastkiq.configure().death_handlers.append(leave)
"""


@pytest.mark.parametrize("what", ["no class", "half"])
def test_an_error_that_the_policy_trips_over_costs_an_attempt(
    worker_process: Start, redis_url: str, redis: redis_py.Redis, what: str
) -> None:
    child = worker_process(ERRORS)
    Client(redis_url).push("app.Odd", what, retry=1)
    wait_until(lambda: redis.zcard("retry") == 1, 10, "the first failure")
    (entry,) = redis.zrange("retry", 0, -1)
    assert json.loads(entry)["retry_count"] == 0
    redis.zadd("retry", {entry: 1})
    wait_until(lambda: redis.zcard("dead") == 1, 10, "the last failure")
    assert redis.zcard("retry") == 0
    assert child.stop() == 0


def test_handlers_that_exit_change_nothing(worker_process: Start, redis_url: str, redis: redis_py.Redis) -> None:
    child = worker_process(ERRORS)
    Client(redis_url).push("app.Asked", "x")
    wait_until(lambda: redis.zcard("retry") == 1, 10, "the failure")
    entry = json.loads(redis.zrange("retry", 0, -1)[0])
    assert (entry["retry_count"], entry["error_message"]) == (0, "as usual")
    assert child.stop() == 0
