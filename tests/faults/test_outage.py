"""Redis misbehaves under load: work resumes, nothing is lost, and the log says so once."""

import signal
from collections.abc import Callable
from time import monotonic

import fastkiq
from children import Child
from faults.kit import APP
from servers import Server, wait_until

Start = Callable[..., Child]


def test_a_full_redis_is_drained(worker_process: Start, start_server: Callable[..., Server]) -> None:
    own = start_server("maxmemory-policy noeviction", "appendonly yes")
    client = fastkiq.Client(own.url)
    with own.client() as redis:
        jids = list(client.push_bulk("app.Quiet", [("x" * 2000,)] * 3000))
        redis.config_set("maxmemory", redis.info("memory")["used_memory"] - 200_000)
        try:
            client.push("app.Quiet", "x" * 2000)
        except fastkiq.errors.RedisOutOfMemoryError:
            pass
        else:
            raise AssertionError("a full Redis took a job")
        source = "import fastkiq\nclass Quiet(fastkiq.Worker):\n    def perform(self, text):\n        pass\n"
        worker = worker_process(source, "-c", "4", env={"FASTKIQ_REDIS_URL": own.url})
        wait_until(lambda: redis.llen("queue:default") == 0, 20, "drained")
        wait_until(lambda: redis.get("stat:processed") == str(len(jids)).encode(), 10, "all counted")
        assert client.push("app.Quiet", "room again")
        assert worker.stop() == 0


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
