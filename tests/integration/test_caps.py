"""What bounds a process: coroutines at once, looks caused by announcements, the cost of a job that must run alone."""

from collections.abc import Callable
from time import monotonic

import redis as redis_py

import fastkiq
from children import Child
from servers import wait_until

Start = Callable[..., Child]

APP = """
import asyncio
import fastkiq
from fastkiq.client import default

running = most = 0

class Short(fastkiq.Worker):
    async def perform(self):
        global running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.005)
        running -= 1
        if most > 10:
            default().core.command("SET", "too many", most)

class Later(fastkiq.Worker):
    def perform(self):
        pass

class Alone(fastkiq.Worker):
    def perform(self, seconds):
        import time
        default().core.command("RPUSH", "begun", self.jid)
        time.sleep(seconds)
"""


def cpu_seconds(child: Child) -> float:
    with open(f"/proc/{child.pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_coroutines_keep_to_their_cap(worker_process: Start, redis_url: str, redis: redis_py.Redis) -> None:
    fastkiq.Client(redis_url).push_bulk("app.Short", [()] * 3000)
    worker = worker_process(APP, "--async-concurrency", "10")
    wait_until(lambda: redis.get("stat:processed") == b"3000", 30, "all jobs")
    assert redis.get("too many") is None
    assert worker.stop() == 0


def test_a_storm_of_announcements_is_not_a_storm_of_looks(
    worker_process: Start, redis_url: str, redis: redis_py.Redis
) -> None:
    worker = worker_process(APP)
    worker.wait_for("ready")
    client = fastkiq.Client(redis_url)
    redis.config_resetstat()
    start = monotonic()
    for _ in range(3000):
        client.push("app.Later", in_=0.9)
    seconds = monotonic() - start
    looks = redis.info("commandstats")["cmdstat_zrangebyscore"]["calls"] / 4  # a look asks four times
    assert looks < 110 * seconds + 60
    wait_until(lambda: redis.get("stat:processed") == b"3000", 30, "all jobs")
    assert worker.stop() == 0


def test_a_job_that_waits_to_run_alone_costs_next_to_nothing(
    worker_process: Start, redis_url: str, redis: redis_py.Redis
) -> None:
    client = fastkiq.Client(redis_url)
    jids = [client.push("app.Alone", 4) for _ in range(2)]
    for jid in jids:  # both had started when a process died for the second time
        redis.hset("fastkiq:suspects", jid, f"2:0:{redis.time()[0]}")
    worker = worker_process(APP, "-c", "4")
    wait_until(lambda: redis.llen("begun") == 1, 10, "the first one")
    before, start = cpu_seconds(worker), monotonic()
    wait_until(lambda: redis.llen("begun") == 2, 10, "the second one")
    seconds = monotonic() - start
    assert seconds > 2.0, "they ran side by side"
    assert (cpu_seconds(worker) - before) / seconds < 0.06
    wait_until(lambda: redis.get("stat:processed") == b"2", 10, "both")
    assert worker.stop() == 0
