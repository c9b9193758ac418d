"""The sorted sets of a real `fastkiq process`: jobs that others put there, a long backlog beside a single job."""

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis as redis_py

from children import Child
from servers import wait_until

Start = Callable[..., Child]

APP = """
    import fastkiq
    class Note(fastkiq.Worker):
        def perform(self):
            print("moved at", self.job.payload["enqueued_at"], flush=True)
"""


def stored(number: int, **fields: Any) -> str:
    """A job as Sidekiq leaves it in a sorted set."""
    fields = {"retry": True, "queue": "default", "args": [], "class": "app.Note", "jid": f"{number:024x}"} | fields
    return json.dumps(fields | {"created_at": 1_795_305_947_963}, separators=(",", ":"))


def test_a_retry_backlog_does_not_starve_the_schedule(worker_process: Start, redis: redis_py.Redis) -> None:
    now = time.time()
    failed = {"queue": "unserved", "retry_count": 0, "failed_at": 1_795_305_947_963, "error_class": "X"}
    for first in range(0, 40_000, 4_000):
        redis.zadd("retry", {stored(number, **failed): now - 60 for number in range(first, first + 4_000)})
    redis.zadd("schedule", {stored(40_000): now - 1})
    child = worker_process(APP)
    text = child.wait_for(lambda output: re.search(r"moved at \d+\n", output))
    wait_until(lambda: redis.llen("queue:unserved") == 40_000, 30, "the backlog to have moved")
    assert redis.zcard("retry") == 0
    moved = [json.loads(raw)["enqueued_at"] for raw in redis.lrange("queue:unserved", 0, -1)]
    ahead = sum(at < int(text.partition("moved at ")[2].split()[0]) for at in moved)
    assert ahead < 10_000, "the backlog was not in the way"
    assert child.stop() == 0


@pytest.mark.parametrize("option", ["", "poll_interval_average = 0.3"])
def test_jobs_that_others_schedule_without_a_word_are_found(
    worker_process: Start, redis: redis_py.Redis, tmp_path: Any, option: str
) -> None:
    (tmp_path / "fastkiq.toml").write_text(option)
    child = worker_process(APP)
    child.wait_for("ready:")
    for number, key in enumerate(("schedule", "retry")):
        redis.zadd(key, {stored(number): time.time() + 0.1})
    wait_until(lambda: redis.get("stat:processed") == b"2", 10, "both to have run")
    assert child.stop() == 0
