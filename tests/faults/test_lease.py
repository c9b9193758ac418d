"""Leases: who is not taken for dead."""

from collections.abc import Callable
from pathlib import Path
from time import sleep, time

import redis as redis_py

import fastkiq
from children import Child
from faults.kit import APP, flights, hide_machine, ledger, short_lease
from servers import Server, wait_until

Start = Callable[..., Child]


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


def test_a_redis_that_comes_back_empty_is_told(
    worker_process: Start, start_server: Callable[..., Server], tmp_path: Path
) -> None:
    """Nobody has taken the process for dead then, and nothing of what was there will run."""
    own = start_server("appendonly no")
    worker = worker_process(APP, "-c", "3", *short_lease(tmp_path, 1.5), env={"FASTKIQ_REDIS_URL": own.url})
    worker.wait_for("ready")
    client = fastkiq.Client(own.url)
    client.push("app.Work", 60)
    with own.client() as redis:
        wait_until(lambda: redis.llen("ledger:begun") == 1, 10, "begun")
        own.kill()
        own.start()
        worker.wait_for("Redis has lost its data", 10)
        assert "taken for dead" not in worker.output()
        jid = client.push("app.Work", 0)
        wait_until(lambda: ledger(redis, "done")[jid] == 1, 10, "a job that came after")


def test_a_death_whose_witness_died_before_the_sweep(
    worker_process: Start, server: Server, redis: redis_py.Redis, redis_url: str
) -> None:
    """Who fences a process sweeps what it held. Should it die in between, others see that before a beat of 5 s."""
    env = {"FASTKIQ_REDIS_URL": redis_url}
    victim = worker_process(APP, "-c", "1", env=env)
    victim.wait_for("ready")
    (identity,) = redis.zrange("fastkiq:alive", 0, -1)
    jid = fastkiq.Client(redis_url).push("app.Work", 60)
    wait_until(lambda: ledger(redis, "begun")[jid] == 1, 10, "begun")
    for _ in range(3):
        worker_process(APP, "-c", "1", env=env).wait_for("ready")
    sleep(1.2)  # each has looked at the tombs since it began
    machine = next(redis.scan_iter("fastkiq:machine:*"))
    with redis.pipeline() as fence:
        fence.zrem("fastkiq:alive", identity).hdel(machine, identity)
        fence.zadd("fastkiq:tombs", {identity: int(time())}).execute()
    victim.kill()
    wait_until(lambda: ledger(redis, "begun")[jid] == 2, 3, "it began again")
    wait_until(lambda: not any(identity in key for key in flights(redis)), 3, "nothing is left in its flights")
