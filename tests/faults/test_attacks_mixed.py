"""Coroutines and blocking jobs in one queue: neither waits for the other's room."""

from collections.abc import Callable

import redis as redis_py

from children import Child
from fastkiq import Client
from servers import wait_until

Start = Callable[..., Child]


MIXED = """
    import time
    import fastkiq
    from fastkiq.client import default

    class Sleep(fastkiq.Worker):
        def perform(self, seconds):
            time.sleep(seconds)

    class Quick(fastkiq.Worker):
        async def perform(self):
            default().core.command("RPUSH", "notes", "quick")
"""


def test_coroutines_behind_long_jobs_do_not_wait_for_them(
    worker_process: Start, redis_url: str, redis: redis_py.Redis
) -> None:
    client = Client(redis_url)
    child = worker_process(MIXED, "-c", "2", "-t", "0")
    child.wait_for("ready")
    client.push_bulk("app.Sleep", [(0,)] * 50)
    client.push_bulk("app.Quick", [()] * 50)
    wait_until(lambda: redis.llen("notes") == 50, 10, "both kinds seen")
    client.push_bulk("app.Sleep", [(100,)] * 10)
    client.push_bulk("app.Quick", [()] * 10)
    wait_until(lambda: redis.llen("notes") == 60, 10, "the coroutines behind them")
    assert child.stop() == 0
