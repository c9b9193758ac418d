"""Leases and fencing: who is taken for dead, and what a process does that was."""

import signal
from collections.abc import Callable
from pathlib import Path
from time import sleep

import redis as redis_py

import fastkiq
from children import Child
from faults.kit import APP, flights, hide_machine, ledger, short_lease
from servers import Server, wait_until

Start = Callable[..., Child]

HOG = """
import time
import fastkiq
from fastkiq.client import default

class Hog(fastkiq.Worker):
    def perform(self, seconds):
        default().core.command("RPUSH", "ledger:begun", self.jid)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            sum(range(2_000_000))  # one C loop: the interpreter is not let go of
        default().core.command("RPUSH", "ledger:done", self.jid)
"""


def test_a_frozen_process_wakes_up_fenced(
    worker_process: Start, redis_url: str, redis: redis_py.Redis, tmp_path: Path
) -> None:
    lease = short_lease(tmp_path)
    frozen = worker_process(APP, "-c", "3", *lease)
    frozen.wait_for("ready")
    client = fastkiq.Client(redis_url)
    jids = list(client.push_bulk("app.Work", [(1.5,)] * 3)) + list(client.push_bulk("app.Failing", [()] * 3))
    wait_until(lambda: redis.llen("ledger:begun") >= 3, 10, "three begun")
    frozen.signal(signal.SIGSTOP)
    other = worker_process(APP, "-c", "6", *lease)
    hide_machine(redis)
    other.wait_for("lease ran out", 15)
    wait_until(lambda: len(ledger(redis, "done")) == 3, 10, "run elsewhere")
    before = (redis.get("stat:processed"), redis.zcard("retry"), redis.zcard("dead"))
    frozen.signal(signal.SIGCONT)
    frozen.wait_for("was taken for dead", 10)
    wait_until(lambda: redis.zcard("fastkiq:alive") == 2, 5, "both alive")
    # Its late acks and retries changed nothing that others hold.
    assert frozen.stop() == 0
    assert (redis.get("stat:processed"), redis.zcard("retry"), redis.zcard("dead")) == before
    assert redis.zcard("retry") == 3
    assert len(set(jids)) == 6
    assert other.stop() == 0
    assert not flights(redis)


def test_jobs_that_hold_the_interpreter_are_not_taken_away(
    worker_process: Start, redis_url: str, redis: redis_py.Redis, tmp_path: Path
) -> None:
    lease = short_lease(tmp_path, 1.5)
    hogging = worker_process(HOG, "-c", "4", *lease)
    hogging.wait_for("ready")
    fastkiq.Client(redis_url).push_bulk("app.Hog", [(6,)] * 4)
    wait_until(lambda: redis.llen("ledger:begun") == 4, 20, "four begun")
    other = worker_process(HOG, "-c", "4", *lease)
    hide_machine(redis)
    wait_until(lambda: redis.llen("ledger:done") == 4, 40, "four done")
    assert redis.llen("ledger:begun") == 4
    assert "ran out" not in other.output()


def test_an_outage_of_redis_is_nobodys_death(
    worker_process: Start, start_server: Callable[..., Server], tmp_path: Path
) -> None:
    own = start_server("appendonly yes")
    lease = short_lease(tmp_path, 1.5)
    env = {"FASTKIQ_REDIS_URL": own.url}
    workers = [worker_process(APP, "-c", "3", *lease, env=env) for _ in range(2)]
    for worker in workers:
        worker.wait_for("ready")
    client = fastkiq.Client(own.url)
    client.push_bulk("app.Work", [(6,)] * 6)
    with own.client() as redis:
        wait_until(lambda: redis.llen("ledger:begun") == 6, 10, "six begun")
        hide_machine(redis)
    own.stop()
    sleep(3.0)  # twice the lease without Redis
    own.start()
    with own.client() as redis:
        wait_until(lambda: redis.llen("ledger:done") == 6, 20, "six done")
        assert redis.llen("ledger:begun") == 6
        wait_until(lambda: not flights(redis), 10, "empty flights")
    for worker in workers:
        assert worker.output().count("out of reach") == 1
        assert worker.output().count("is back after") == 1
        assert worker.stop() == 0
