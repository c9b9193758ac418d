"""A fastkiq process among Sidekiq's: seen, counted and steered by its API, and steering a Ruby process in turn."""

import os
import time
from collections.abc import Callable
from typing import Any

import redis as redis_py

import fastkiq
from children import Child
from servers import wait_until
from sidekiq.judge import APP, Ruby

Start = Callable[..., Child]

BUSY = (
    APP
    + """
import asyncio, threading
fastkiq.configure(labels=["reliable", "ü"])

class Wait(fastkiq.Worker, name="Wait"):
    def perform(self, *args):
        while not self.interrupted:
            threading.Event().wait(0.01)

class Coroutine(fastkiq.Worker, name="Coroutine"):
    async def perform(self, *args):
        while not self.interrupted:
            await asyncio.sleep(0.01)
"""
)
BEAT = 10.0
"""Seconds within which Sidekiq promises that a process hears of a signal."""


def the_one(shown: dict[str, Any]) -> dict[str, Any]:
    (process,) = shown["processes"]
    return dict(process)


def test_ruby_sees_the_process_and_its_work(
    ruby: Ruby, worker_process: Start, redis: redis_py.Redis, redis_url: str
) -> None:
    client = fastkiq.Client(redis_url)
    child = worker_process(BUSY, "-q", "default,2", "-q", "low,1", "-c", "3", "--async-concurrency", "7", "-g", "mine")
    child.wait_for("ready")
    jids = {client.push("Wait", "é", 1e20, queue="low"): "low", client.push("Coroutine", None): "default"}
    (identity,) = wait_until(lambda: redis.smembers("processes"), 15, "the first beat")
    wait_until(lambda: redis.hlen(identity + b":work") == 2, 15, "the work in progress")
    shown = ruby("processes")
    now = time.time()
    process = the_one(shown)
    assert process["identity"] == identity.decode()
    assert (process["hostname"], process["pid"]) == (os.environ.get("DYNO") or os.uname().nodename, child.pid)
    assert (process["tag"], process["labels"]) == ("mine", ["reliable", "ü"])
    assert process["version"] == f"fastkiq {fastkiq.__version__}"
    assert (process["embedded"], process["stopping"], process["leader"]) == (False, False, False)
    assert process["queues"] == ["default", "low"]
    weights = {"default": 2, "low": 1}
    assert process["capsules"] == {
        "default": {"concurrency": 3, "mode": "weighted", "weights": weights},
        "async": {"concurrency": 7, "mode": "weighted", "weights": weights},
    }
    assert (process["concurrency"], shown["concurrency"]) == (10, 10)
    assert now - 60 < process["started_at"] <= now
    assert now - BEAT < process["beat"] <= now + 1
    assert 1_000 < process["rss"] < 1_000_000
    assert 0 < process["rtt_us"] < 5_000_000
    assert (shown["size"], shown["rss"], process["busy"], shown["busy"]) == (1, process["rss"], 2, 2)
    assert {work["jid"]: work["queue"] for work in shown["work"]} == jids
    assert {work["class"]: work["args"] for work in shown["work"]} == {"Wait": ["é", 1e20], "Coroutine": [None]}
    assert len({work["thread"] for work in shown["work"]}) == 2
    assert all(now - 60 < work["run_at"] <= now for work in shown["work"])

    assert child.stop() == 0
    after = ruby("processes")
    assert (after["size"], after["processes"], after["work"]) == (0, [], [])


def test_ruby_s_signals_are_obeyed_within_a_beat(ruby: Ruby, worker_process: Start, redis: redis_py.Redis) -> None:
    child = worker_process(BUSY)
    (identity,) = wait_until(lambda: redis.smembers("processes"), 15, "the first beat")
    name = identity.decode()
    ruby("processes", identity=name, signal="dump_threads")
    child.wait_for("every thread's stack", BEAT)
    assert the_one(ruby("processes", identity=name, signal="quiet!"))["stopping"] is False
    child.wait_for("quiet", BEAT)
    wait_until(lambda: redis.hget(identity, "quiet") == b"true", BEAT, "Redis to show it")
    assert child.returncode is None
    assert the_one(ruby("processes", identity=name, signal="stop!"))["stopping"] is True
    assert child.wait(BEAT + 5) == 0
    assert redis.smembers("processes") == set()


def test_ruby_s_process_is_seen_and_prunes_nobody_who_lives(
    ruby: Ruby, worker_process: Start, redis: redis_py.Redis
) -> None:
    """Each side clears the set of processes: of what has no hash any more, and of nothing else."""
    worker_process(BUSY).wait_for("ready")
    wait_until(lambda: redis.scard("processes") == 1, 15, "the first beat")
    served = ruby.serve("-q", "default", "-c", "2", "-g", "gem")
    served.wait_for("beat 1")
    redis.sadd("processes", "gone:1:abcdefabcdef")
    redis.delete("process_cleanup")
    shown = ruby("processes")
    assert shown["size"] == 2
    assert sorted(process["version"].split(".")[0] for process in shown["processes"]) == ["8", "fastkiq 0"]
    assert redis.scard("processes") == 2

    # The signal as fastkiq's own tools would send it.
    (identity,) = [process["identity"] for process in shown["processes"] if process["tag"] == "gem"]
    redis.lpush(f"{identity}-signals", "TERM")
    assert served.wait(BEAT + 10) == 0
    wait_until(lambda: redis.scard("processes") == 1, 5, "Ruby's to leave")


def test_the_busy_page(ruby: Ruby, worker_process: Start, redis: redis_py.Redis, redis_url: str) -> None:
    client = fastkiq.Client(redis_url)
    child = worker_process(BUSY, "-g", "mine", "-c", "2")
    jids = [client.push("Wait", "é"), client.push("Coroutine")]
    (identity,) = wait_until(lambda: redis.smembers("processes"), 15, "the first beat")
    wait_until(lambda: redis.hlen(identity + b":work") == 2, 15, "the work in progress")
    form = {"identity": identity.decode(), "quiet": "1"}
    (status, page), (posted, _) = ruby("web", requests=[["GET", "/busy"], ["POST", "/busy", form]])
    assert (status, posted) == (200, 302)
    for wanted in (*jids, identity.decode(), "mine", "reliable", "Coroutine"):
        assert str(wanted) in page, wanted
    child.wait_for("quiet", BEAT)
