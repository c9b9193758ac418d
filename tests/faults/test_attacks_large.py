"""Payloads of some megabytes, which nobody should write and some do."""

from collections.abc import Callable

import pytest
import redis as redis_py

from children import Child
from fastkiq import Client
from servers import wait_until

Start = Callable[..., Child]


LARGE = """
    import fastkiq

    class Large(fastkiq.Worker):
        def perform(self, text):
            pass
"""


def test_large_payloads_do_not_go_to_and_fro(worker_process: Start, redis_url: str, redis: redis_py.Redis) -> None:
    client = Client(redis_url)
    with pytest.warns(UserWarning, match="pass an id or a path"):
        client.push_bulk("app.Large", [("x" * 4_000_000,)] * 20)
    redis.config_resetstat()
    child = worker_process(LARGE, "-c", "25")
    wait_until(lambda: int(redis.get("stat:processed") or 0) == 20, 40, "20 jobs")
    commands = redis.info("commandstats")
    assert commands.get("cmdstat_rpush", {"calls": 0})["calls"] <= 20, "each job goes back once at most"
    assert child.stop() == 0
