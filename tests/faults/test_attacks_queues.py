"""Several queues under load: each gets its share, whatever its jobs cost."""

from collections.abc import Callable

import redis as redis_py

from children import Child
from fastkiq import Client
from servers import wait_until

Start = Callable[..., Child]

SLEEPERS = """
    import time
    import fastkiq

    class Sleep(fastkiq.Worker):
        def perform(self, seconds):
            time.sleep(seconds)
"""


def test_weights_hold_while_threads_are_never_free(
    worker_process: Start, redis_url: str, redis: redis_py.Redis
) -> None:
    client = Client(redis_url)
    for queue in ("one", "two"):
        client.push_bulk("app.Sleep", [(0.005,)] * 1000, queue=queue)
    child = worker_process(SLEEPERS, "-c", "2", "-q", "one,1", "-q", "two,1")
    wait_until(lambda: int(redis.get("stat:processed") or 0) >= 400, 30, "400 jobs")
    served = [1000 - redis.llen(f"queue:{queue}") for queue in ("one", "two")]
    assert min(served) >= 120, served
    assert child.stop() == 0
