"""A fastkiq process among Sidekiq's: seen, counted and steered by its API, and steering a Ruby process in turn."""

import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import redis as redis_py

import fastkiq
from children import Child
from children import fastkiq as command
from servers import wait_until
from sidekiq.judge import APP, Ruby

Start = Callable[..., Child]

BUSY = (
    APP
    + """
import asyncio, threading
fastkiq.configure(labels=["reliable", "ü"], lease=6)

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
    child = worker_process(BUSY.replace("lease=6", "lease=30"))
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


def test_python_s_signals_are_obeyed(ruby: Ruby, redis: redis_py.Redis) -> None:
    """As Sidekiq's own API sends them: in a list with a minute to live, of which each beat takes one."""
    served = ruby.serve("-c", "1", beat=0.2)
    served.wait_for("beat 1")
    (identity,) = redis.smembers("processes")

    def send(signal: str) -> None:
        redis.lpush(identity + b"-signals", signal)
        redis.expire(identity + b"-signals", 60)

    send("TTIN")
    served.wait_for(lambda text: text.count("WARN") > 3 and "Thread TID-" in text, BEAT)
    send("TSTP")
    wait_until(lambda: redis.hget(identity, "quiet") == b"true", BEAT, "Ruby to be quiet")
    assert served.returncode is None
    send("TERM")
    assert served.wait(BEAT) == 0
    assert redis.smembers("processes") == set()


def test_ruby_prunes_a_fastkiq_that_was_killed(
    ruby: Ruby, worker_process: Start, redis: redis_py.Redis, redis_url: str, tmp_path: Path
) -> None:
    child = worker_process(BUSY)
    (identity,) = wait_until(lambda: redis.smembers("processes"), 15, "the first beat")
    fastkiq.Client(redis_url).push("Wait")
    wait_until(lambda: redis.hlen(identity + b":work") == 1, 15, "the work in progress")
    child.kill()
    busy = [*command("busy", "--json", "--redis", redis_url)]
    assert [len(json.loads(subprocess.check_output(busy, cwd=tmp_path))[key]) for key in ("processes", "work")] == [
        1,
        1,
    ]
    expire(redis, identity)
    assert ruby("stats")["processes"] == 1, "as long as nobody has looked"
    shown = ruby("processes")
    assert (shown["size"], shown["processes"], shown["work"]) == (0, [], [])
    assert redis.smembers("processes") == set()
    assert json.loads(subprocess.check_output(busy, cwd=tmp_path)) == {"processes": [], "work": []}


def test_python_prunes_a_ruby_that_was_killed(
    ruby: Ruby, worker_process: Start, redis: redis_py.Redis, redis_url: str
) -> None:
    """Its job is lost with it, since Sidekiq takes jobs out of Redis; its entry would slow schedulers down."""
    served = ruby.serve("-c", "1", beat=0.2)
    served.wait_for("beat 1")
    (identity,) = redis.smembers("processes")
    fastkiq.Client(redis_url).push("Wait")
    wait_until(lambda: redis.hlen(identity + b":work") == 1, 15, "the work in progress")
    worker_process(BUSY).wait_for("ready")
    wait_until(lambda: redis.exists("process_cleanup"), 15, "a first look, that finds Ruby alive")
    wait_until(lambda: redis.scard("processes") == 2, 15, "both")
    served.kill()
    expire(redis, identity)
    wait_until(lambda: identity not in redis.smembers("processes"), BEAT, "the next look")
    shown = ruby("processes")
    assert [process["version"] for process in shown["processes"]] == [f"fastkiq {fastkiq.__version__}"]
    assert shown["work"] == []


def expire(redis: redis_py.Redis, identity: bytes) -> None:
    """A minute later, for a process that beats no more."""
    redis.delete("process_cleanup")
    for key in (identity, identity + b":work"):
        redis.pexpire(key, 1)
    wait_until(lambda: not redis.exists(identity, identity + b":work"), 5, "its keys to expire")


def test_the_busy_page(ruby: Ruby, worker_process: Start, redis: redis_py.Redis, redis_url: str) -> None:
    client = fastkiq.Client(redis_url)
    child = worker_process(BUSY, "-g", "mine", "-c", "2")
    jids = [client.push("Wait", "é"), client.push("Coroutine")]
    (identity,) = wait_until(lambda: redis.smembers("processes"), 15, "the first beat")
    wait_until(lambda: redis.hlen(identity + b":work") == 2, 15, "the work in progress")
    form = {"identity": identity.decode(), "quiet": "1"}
    shown = ruby("processes")
    (status, page), (posted, _) = ruby("web", requests=[["GET", "/busy"], ["POST", "/busy", form]])
    assert (status, posted) == (200, 302)
    process = the_one(shown)
    times = [process["started_at"], *(work["run_at"] for work in shown["work"])]
    since = [f'datetime="{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}"' for moment in times]
    place = f"{process['hostname']}:{process['pid']}"
    for wanted in (*jids, identity.decode(), place, "mine", "reliable", "ü", "Wait", "Coroutine", *since):
        assert str(wanted) in page, wanted
    (rss,) = re.findall(r"<td class=.num.><span data-nwp=.0.>(\d+)</span> (?:KB|MB)</td>", page)
    assert int(rss) > 0
    child.wait_for("quiet", BEAT)
    wait_until(lambda: redis.hget(identity, "quiet") == b"true", BEAT, "Redis to show it")
    (_, page), (posted, _) = ruby("web", requests=[["GET", "/busy"], ["POST", "/busy", {**form, "stop": "1"}]])
    assert "label-danger" in page, "shown as quiet"
    assert child.wait(BEAT + 5) == 0
