"""Redis misbehaves under load: work resumes, nothing is lost, and the log says so once."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import redis as redis_py

import fastkiq
from children import Child
from faults.kit import APP, flights, ledger, short_lease
from proxy import Proxy
from servers import Server, wait_until

Start = Callable[..., Child]


def account(redis: redis_py.Redis, jids: list[str], timeout: float = 40) -> None:
    """All jobs have run to their end and nothing of them is left anywhere."""
    wait_until(lambda: len(ledger(redis, "done")) == len(jids), timeout, "all jobs")
    wait_until(lambda: not flights(redis), 15, "empty flights")
    assert redis.llen("queue:default") == redis.zcard("retry") == redis.zcard("dead") == 0


def test_connections_killed_every_100_ms(worker_process: Start, redis_url: str, redis: redis_py.Redis) -> None:
    jids = list(fastkiq.Client(redis_url).push_bulk("app.Plain", [(i,) for i in range(3000)]))
    source = APP + (
        "class Plain(fastkiq.Worker):\n"
        "    def perform(self, number):\n"
        "        time.sleep(0.004)\n"
        "        with open('ran', 'a') as file:\n"
        "            file.write(self.jid + '\\n')\n"
    )
    worker = worker_process(source, "-c", "8")
    worker.wait_for("ready")
    over = threading.Event()

    def kill() -> None:
        while not over.wait(0.1):
            redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    killer = threading.Thread(target=kill)
    killer.start()
    ran = Path(worker_folder(worker)) / "ran"
    try:
        wait_until(lambda: ran.exists() and len(set(ran.read_text().split())) == len(jids), 45, "all jobs")
    finally:
        over.set()
        killer.join()
    wait_until(lambda: not flights(redis), 15, "empty flights")
    runs = ran.read_text().split()
    assert set(runs) == set(jids)
    assert redis.llen("queue:default") == redis.zcard("retry") == 0
    assert worker.stop() == 0


def worker_folder(worker: Child) -> str:
    return os.readlink(f"/proc/{worker.pid}/cwd")


def test_a_pause_of_redis(worker_process: Start, redis_url: str, redis: redis_py.Redis, tmp_path: Path) -> None:
    worker = worker_process(APP, "-c", "8", *short_lease(tmp_path, 2))
    worker.wait_for("ready")
    jids = list(fastkiq.Client(redis_url).push_bulk("app.Work", [(0.01,)] * 500))
    wait_until(lambda: redis.llen("ledger:done") > 50, 10, "some work")
    redis.execute_command("CLIENT", "PAUSE", "4000", "ALL")
    account(redis, jids)
    assert set(ledger(redis, "begun").values()) == {1}
    assert worker.stop() == 0


def test_scripts_flushed_all_the_time(worker_process: Start, redis_url: str, redis: redis_py.Redis) -> None:
    jids = list(fastkiq.Client(redis_url).push_bulk("app.Work", [(0.002,)] * 500))
    worker = worker_process(APP, "-c", "8")
    while len(ledger(redis, "done")) < len(jids):
        redis.script_flush()
        assert worker.returncode is None
    account(redis, jids)
    assert set(ledger(redis, "done").values()) == {1}
    assert worker.stop() == 0


def test_a_restart_with_append_only_file(
    worker_process: Start, start_server: Callable[..., Server], tmp_path: Path
) -> None:
    own = start_server("appendonly yes", "appendfsync always")
    worker = worker_process(APP, "-c", "4", env={"FASTKIQ_REDIS_URL": own.url})
    worker.wait_for("ready")
    jids = list(fastkiq.Client(own.url).push_bulk("app.Work", [(0.01,)] * 300))
    with own.client() as redis:
        wait_until(lambda: redis.llen("ledger:done") > 50, 10, "some work")
    own.kill()
    own.start()
    back = monotonic()
    with own.client() as redis:
        known = redis.llen("ledger:done")
        wait_until(lambda: redis.llen("ledger:done") > known, 10, "work again")
        assert monotonic() - back < 2.5
        # A job whose note hit the outage has failed and waits in retry, as a user's error does.
        wait_until(lambda: len(ledger(redis, "done")) + redis.zcard("retry") >= len(jids), 30, "all jobs")
        wait_until(lambda: not flights(redis), 15, "empty flights")
    assert worker.stop() == 0


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


def test_lost_replies_of_claims_and_acks(worker_process: Start, proxy: Proxy, redis: redis_py.Redis) -> None:
    jids = list(fastkiq.Client(proxy.url).push_bulk("app.Plain", [(i,) for i in range(2000)]))
    source = (
        "import time, fastkiq\n"
        "class Plain(fastkiq.Worker):\n"
        "    def perform(self, number):\n"
        "        time.sleep(0.003)\n"
        "        with open('ran', 'a') as file:\n"
        "            file.write(self.jid + '\\n')\n"
    )
    worker = worker_process(source, "-c", "8", env={"FASTKIQ_REDIS_URL": proxy.url})
    worker.wait_for("ready")
    ran = Path(worker_folder(worker)) / "ran"
    over = threading.Event()

    def lose() -> None:
        while not over.wait(0.3):
            proxy.lose_replies()  # whoever is answered next loses the answer, and all lines are cut
            over.wait(0.02)
            proxy.lose_replies(False)

    loser = threading.Thread(target=lose)
    loser.start()
    try:
        wait_until(lambda: ran.exists() and len(set(ran.read_text().split())) == len(jids), 45, "all jobs")
    finally:
        over.set()
        loser.join()
    wait_until(lambda: not flights(redis), 20, "empty flights")
    assert set(ran.read_text().split()) == set(jids)
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
