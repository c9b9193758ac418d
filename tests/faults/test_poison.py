"""A job that kills its process is stopped and kept; its neighbours are not."""

from collections.abc import Callable

import redis as redis_py

import fastkiq
from children import Child
from faults.kit import APP, flights, ledger
from servers import wait_until

Start = Callable[..., Child]


def test_a_killer_is_dead_after_three_deaths_and_its_neighbours_all_run(
    worker_process: Start, redis_url: str, redis: redis_py.Redis
) -> None:
    client = fastkiq.Client(redis_url)
    bystanders = list(client.push_bulk("app.Work", [(0.3,)] * 6))
    killer = client.push("app.Killer")
    deaths = 0
    for _ in range(12):
        worker = worker_process(APP, "-c", "4")
        wait_until(
            lambda worker=worker: worker.returncode is not None or redis.zcard("dead") == 1,
            15,
            "a death or the dead set",
        )
        if redis.zcard("dead") == 1:
            break
        assert worker.wait() == 17
        deaths += 1
    assert deaths == 3
    wait_until(lambda: len(ledger(redis, "done")) == len(bystanders), 15, "the bystanders")
    (corpse,) = redis.zrange("dead", 0, -1)
    assert killer.encode() in corpse
    assert b"PoisonPill" in corpse
    assert ledger(redis, "begun")[killer] == 3
    wait_until(lambda: not flights(redis), 5, "empty flights")
    worker.wait_for("three processes died while they ran this job")
    assert worker.stop() == 0
    assert redis.hlen("fastkiq:suspects") == 0


def test_a_suspect_that_runs_well_is_cleared(worker_process: Start, redis_url: str, redis: redis_py.Redis) -> None:
    client = fastkiq.Client(redis_url)
    jids = list(client.push_bulk("app.Work", [(2,)] * 5))
    first = worker_process(APP, "-c", "5")
    wait_until(lambda: redis.llen("ledger:begun") == 5, 10, "five begun")
    first.kill()
    second = worker_process(APP, "-c", "5")
    wait_until(lambda: redis.llen("ledger:begun") == 10, 10, "five begun again, side by side")
    assert redis.hlen("fastkiq:suspects") == 5
    wait_until(lambda: len(ledger(redis, "done")) == len(jids), 10, "five done")
    wait_until(lambda: redis.hlen("fastkiq:suspects") == 0, 5, "no suspect")
    assert second.stop() == 0


def test_a_stop_is_no_death(worker_process: Start, redis_url: str, redis: redis_py.Redis) -> None:
    client = fastkiq.Client(redis_url)
    jid = client.push("app.Work", 60)
    first = worker_process(APP, "-c", "2")
    wait_until(lambda: redis.llen("ledger:begun") == 1, 10, "begun")
    first.kill()  # from here on the job is suspect
    for turn in range(2, 7):
        current = worker_process(APP, "-c", "2", "-t", "0.1")
        wait_until(lambda turn=turn: redis.llen("ledger:begun") == turn, 15, "begun again")
        assert current.stop() == 0
    assert redis.zcard("dead") == 0
    assert jid.encode() in redis.lindex("queue:default", -1)
    assert redis.hget("fastkiq:suspects", jid).startswith(b"1:0:")
