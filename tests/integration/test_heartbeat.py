"""What Sidekiq's API and Web UI see of a real `fastkiq process`: its hash and its work, and nothing afterwards."""

import json
import os
import time
from collections.abc import Callable

import pytest
import redis as redis_py

import fastkiq
from children import Child
from servers import wait_until

Start = Callable[..., Child]

APP = """
    import asyncio, threading, fastkiq
    config = fastkiq.configure(lease=2, labels=["reliable"])
    told = set()

    @config.on("beat")
    def beat():
        if "beat" not in told:
            told.add("beat")
            print("beaten", flush=True)

    class Wait(fastkiq.Worker):
        def perform(self, *args):
            while not self.interrupted:
                threading.Event().wait(0.01)

    class Coroutine(fastkiq.Worker):
        async def perform(self):
            while not self.interrupted:
                await asyncio.sleep(0.01)
"""


@pytest.mark.both_servers
def test_the_process_as_sidekiq_shows_it(worker_process: Start, redis: redis_py.Redis, redis_url: str) -> None:
    child = worker_process(APP, "-q", "default,2", "-q", "low,1", "-c", "3", "-g", "mytag")
    child.wait_for("beaten")
    (identity,) = redis.smembers("processes")
    host, pid, nonce = identity.decode().rsplit(":", 2)
    assert (host, int(pid), len(nonce)) == (os.environ.get("DYNO") or os.uname().nodename, child.pid, 12)
    assert 50 < redis.ttl(identity) <= 60
    fields = redis.hgetall(identity)
    info = json.loads(fields[b"info"])
    assert info["capsules"]["default"] == {"concurrency": 3, "mode": "weighted", "weights": {"default": 2, "low": 1}}
    assert "async" in "".join(info["capsules"]), "coroutines have a capsule of their own"
    assert (info["tag"], info["labels"], info["queues"]) == ("mytag", ["reliable"], ["default", "low"])
    assert (info["identity"], info["hostname"], info["pid"]) == (identity.decode(), host, child.pid)
    assert info["version"] == f"fastkiq {fastkiq.__version__}"
    assert time.time() - 60 < info["started_at"] <= time.time()
    assert fields[b"quiet"] == b"false"
    assert time.time() - 10 < float(fields[b"beat"]) <= time.time() + 1
    assert 1_000 < int(fields[b"rss"]) < 1_000_000, "KiB"
    assert 0 < int(fields[b"rtt_us"]) < 5_000_000
    assert not redis.exists(identity + b":work"), "absent when idle"

    client = fastkiq.Client(redis_url)
    jids = {client.push("app.Wait", "é", queue="low"), client.push("app.Coroutine")}
    wait_until(lambda: redis.hlen(identity + b":work") == 2, 15, "the work in progress to be shown")
    assert 50 < redis.ttl(identity + b":work") <= 60
    assert int(redis.hget(identity, "busy")) == 2
    work = [json.loads(entry) for entry in redis.hvals(identity + b":work")]
    assert {entry["queue"] for entry in work} == {"low", "default"}
    assert {json.loads(entry["payload"])["jid"] for entry in work} == jids
    assert all(type(entry["run_at"]) is int and time.time() - 60 < entry["run_at"] <= time.time() for entry in work)

    assert child.stop() == 0
    assert redis.smembers("processes") == set()
    assert not redis.exists(identity + b":work")
    assert redis.zcard("fastkiq:alive") == 0
    assert (redis.get("stat:processed"), redis.get("stat:failed") or b"0") == (b"2", b"0")


@pytest.mark.both_servers
def test_processes_that_have_expired_are_pruned_once_a_minute(worker_process: Start, redis: redis_py.Redis) -> None:
    """Whoever gets Sidekiq's lock does it for all: at the start, and whenever the lock has run out."""
    gone = {b"gone:%d:abcdefabcdef" % number for number in range(1_200)} | {b"\xff\x00"}
    redis.hset("half:1:abcdefabcdef", "busy", 1)
    redis.hset("living:1:abcdefabcdef", "info", "{}")
    redis.set("text", "no hash")
    redis.sadd("processes", *gone, "half:1:abcdefabcdef", "living:1:abcdefabcdef", "text")
    child = worker_process(APP)
    child.wait_for("beaten")
    wait_until(lambda: redis.scard("processes") == 2, 10, "the dead, and what is no process, to be taken out")
    (own,) = redis.smembers("processes") - {b"living:1:abcdefabcdef"}
    assert 0 < redis.ttl("process_cleanup") <= 60

    redis.sadd("processes", *gone)
    beats = {redis.hget(own, "beat")}

    def another() -> bool:
        beats.add(redis.hget(own, "beat"))
        return len(beats) == 4

    wait_until(another, 10, "some beats under somebody's lock")
    assert redis.scard("processes") == 2 + len(gone)
    redis.delete("process_cleanup")
    wait_until(lambda: redis.scard("processes") == 2, 10, "the dead to be taken out again")


def test_what_is_no_set_of_processes_is_left_alone(
    worker_process: Start, redis: redis_py.Redis, redis_url: str
) -> None:
    redis.set("processes", "x")
    child = worker_process(APP)
    wait_until(lambda: redis.exists("process_cleanup"), 10, "the look at the processes")
    fastkiq.Client(redis_url).push("app.Wait")
    wait_until(lambda: redis.llen("queue:default") == 0, 10, "jobs to be taken all the same")
    assert child.returncode is None
    assert redis.get("processes") == b"x"
