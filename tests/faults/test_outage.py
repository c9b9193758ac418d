"""Redis goes away while a process stops: it ends in time, and nothing is lost."""

import signal
from collections.abc import Callable
from time import monotonic

import fastkiq
from children import Child
from faults.kit import APP
from servers import Server, wait_until

Start = Callable[..., Child]


def test_a_stop_while_redis_is_away_ends_in_time(worker_process: Start, start_server: Callable[..., Server]) -> None:
    own = start_server("appendonly yes")
    worker = worker_process(APP, "-c", "2", "-t", "1", env={"FASTKIQ_REDIS_URL": own.url})
    worker.wait_for("ready")
    fastkiq.Client(own.url).push_bulk("app.Work", [(30,)] * 2)
    with own.client() as redis:
        wait_until(lambda: redis.llen("ledger:begun") == 2, 10, "begun")
    own.freeze()
    stopped = monotonic()
    worker.signal(signal.SIGTERM)
    assert worker.wait(15) == 0
    assert monotonic() - stopped < 1 + 3.5 + 1
    own.thaw()
    again = worker_process(APP, "-c", "2", env={"FASTKIQ_REDIS_URL": own.url})
    with own.client() as redis:
        wait_until(lambda: redis.llen("ledger:begun") >= 4, 10, "begun again")
    again.kill()
