"""Attacks on the flight, the lease and the recovery: lost replies, a lost registry, other settings next door."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis as redis_py

import fastkiq
from children import Child
from faults.kit import APP, flights, hide_machine, ledger, short_lease
from proxy import Proxy
from servers import Server, wait_until

Start = Callable[..., Child]


def through(proxy: Proxy) -> dict[str, str]:
    return {"FASTKIQ_REDIS_URL": proxy.url}


def test_a_move_whose_answer_was_lost_before_a_stop_is_found(
    worker_process: Start, proxy: Proxy, redis_url: str, redis: redis_py.Redis
) -> None:
    stopping = worker_process(APP, "-c", "2", env=through(proxy))
    stopping.wait_for("ready")
    wait_until(lambda: redis.info("clients")["blocked_clients"] >= 1, 10, "a blocking move")
    proxy.lose_replies()
    jid = fastkiq.Client(redis_url).push("app.Work", 0)
    wait_until(lambda: redis.llen("queue:default") == 0, 5, "the move")
    proxy.lose_replies(False)
    assert stopping.stop() == 0
    assert not redis.llen("ledger:done")
    worker_process(APP, "-c", "2")
    wait_until(lambda: ledger(redis, "done")[jid] == 1, 15, "the job")
    wait_until(lambda: not flights(redis), 5, "empty flights")


def test_a_lost_registry_stops_nobody_for_good(
    worker_process: Start, server: Server, redis_url: str, redis: redis_py.Redis, tmp_path: Path
) -> None:
    with Proxy(server.port, distance=0.02) as distant:
        worker = worker_process(APP, "-c", "150", *short_lease(tmp_path, 3.0), env=through(distant))
        worker.wait_for("ready")
        client = fastkiq.Client(redis_url)
        client.push_bulk("app.Work", [(0.8 + 0.02 * number,) for number in range(140)])
        wait_until(lambda: redis.llen("ledger:begun") == 140, 20, "all begun")
        redis.delete("fastkiq:alive")
        worker.wait_for("was taken for dead", 10)
        jid = client.push("app.Work", 0)
        wait_until(lambda: ledger(redis, "done")[jid], 20, "a job that came after")


def test_nobody_is_dead_by_a_neighbours_shorter_lease(
    worker_process: Start, redis_url: str, redis: redis_py.Redis, tmp_path: Path
) -> None:
    usual = worker_process(APP, "-c", "2")  # a lease of 30 s, a beat every 5 s
    usual.wait_for("ready")
    fastkiq.Client(redis_url).push("app.Work", 7)
    wait_until(lambda: redis.llen("ledger:begun") == 1, 10, "begun")
    hasty = worker_process(APP, "-c", "2", *short_lease(tmp_path, 1.5))
    hasty.wait_for("ready")
    hide_machine(redis)
    wait_until(lambda: redis.llen("ledger:done") >= 1, 20, "done")
    assert "lease ran out" not in hasty.output()
    assert redis.llen("ledger:begun") == 1


def test_a_long_sweep_does_not_cost_the_sweepers_lease(
    worker_process: Start, server: Server, redis: redis_py.Redis, tmp_path: Path
) -> None:
    dead, lists = "elsewhere:1:dead", 60
    redis.zadd("fastkiq:tombs", {dead: redis.time()[0]})
    redis.hset(f"fastkiq:process:{dead}", "queues", "default")
    for number in range(1, lists + 1):
        redis.lpush(f"fastkiq:flight:{dead}:default:{number}", b'{"class":"app.Work","args":[0],"jid":"j%d"}' % number)
        redis.sadd(f"fastkiq:flights:{dead}", f"default:{number}")
    with Proxy(server.port, distance=0.01) as distant:
        worker = worker_process(APP, "-c", "2", *short_lease(tmp_path), env=through(distant))
        wait_until(lambda: redis.zcard("fastkiq:alive") == 1, 10, "a first beat")
        oldest = 0.0
        end = time.monotonic() + 12
        while time.monotonic() < end and redis.exists(f"fastkiq:flights:{dead}"):
            seconds, micros = redis.time()
            oldest = max(oldest, seconds + micros / 1e6 - redis.zrange("fastkiq:alive", 0, 0, withscores=True)[0][1])
            time.sleep(0.01)
        assert oldest < 2.0, "it did not beat for longer than its lease"
        worker.close()


TOUCH = """
import os
import fastkiq

class Touch(fastkiq.Worker):
    def perform(self):
        open(os.environ["DONE"], "a").write(self.jid + "\\n")
"""


@pytest.mark.parametrize("way", ["suspect", "scheduled"])
def test_a_full_redis_is_drained(
    worker_process: Start, start_server: Callable[..., Server], tmp_path: Path, way: str
) -> None:
    """Not only what is claimed at once: also what is given back, and what comes due while the worker waits."""
    own = start_server("maxmemory-policy noeviction")
    done = tmp_path / "done"
    client = fastkiq.Client(own.url)
    with own.client() as redis:
        if way == "suspect":
            jid = client.push("app.Touch")
            redis.hset("fastkiq:suspects", jid, f"1:0:{redis.time()[0]}")
            redis.config_set("maxmemory", 1)
        else:
            jid = client.push("app.Touch", in_=7)  # by then a new blocking move has been refused
        worker = worker_process(TOUCH, "-c", "2", env={"FASTKIQ_REDIS_URL": own.url, "DONE": str(done)})
        worker.wait_for("ready")
        redis.config_set("maxmemory", 1)
        wait_until(lambda: done.exists() and done.read_text() == f"{jid}\n", 14, "the job")


def test_a_restart_of_redis_kills_no_stranger(
    worker_process: Start, start_server: Callable[..., Server], tmp_path: Path
) -> None:
    """Client ids begin anew with the server."""
    own = start_server()
    for _ in range(200):
        with own.client() as client:
            client.ping()
    with Proxy(own.port) as proxy:
        worker = worker_process(APP, "-c", "2", env=through(proxy))
        worker.wait_for("ready")
        proxy.refuse()
        own.stop()
        own.start()
        strangers = [own.client(single_connection_client=True) for _ in range(300)]
        ids = [client.client_id() for client in strangers]
        proxy.refuse(False)
        worker.wait_for("is back after", 15)
        with own.client() as redis:
            wait_until(lambda: redis.info("clients")["blocked_clients"] >= 1, 10, "a blocking move")
            alive = {int(client["id"]) for client in redis.client_list()}
        assert set(ids) <= alive, f"killed: {sorted(set(ids) - alive)}"
        for client in strangers:
            client.close()


def test_a_job_run_again_after_a_lapse_is_not_taken_for_a_stranger(
    worker_process: Start, proxy: Proxy, redis_url: str, redis: redis_py.Redis, tmp_path: Path
) -> None:
    """It is the same bytes, under the old name and the new: the end of the first run says nothing of the second."""
    source = """
    import time
    import fastkiq
    from fastkiq.client import default
    class Work(fastkiq.Worker):
        def perform(self):
            run = default().core.command("RPUSH", "ledger:begun", self.jid)
            time.sleep(3 if run == 1 else 12)
            default().core.command("RPUSH", "ledger:done", self.jid)
    """
    worker = worker_process(source, "-c", "5", *short_lease(tmp_path, 3.0), env=through(proxy))
    worker.wait_for("ready")
    wait_until(lambda: redis.info("clients")["blocked_clients"] >= 1, 10, "a blocking move")
    fastkiq.Client(redis_url).push("app.Work")
    wait_until(lambda: redis.llen("ledger:begun") == 1, 10, "begun")
    redis.delete("fastkiq:alive")
    wait_until(lambda: redis.llen("ledger:begun") == 2, 10, "begun again under the new name")
    wait_until(lambda: redis.llen("ledger:done") == 1, 10, "the first run's end")
    time.sleep(0.1)  # its ack leaves within 5 ms
    proxy.cut()  # now the lists are looked through, and again after 3 s
    time.sleep(5)
    assert redis.llen("ledger:begun") == 2
