"""Capsules of a real `fastkiq process`: each has queues and numbers of its own; they stop, die and come back as one."""

import json
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

import fastkiq
from children import Child
from servers import wait_until

Start = Callable[..., Child]

APP = """
    import asyncio, threading, time, fastkiq
    from fastkiq.client import default

    fastkiq.configure(
        lease=2,
        queues=["default"],
        concurrency=4,
        capsules={
            "serial": {"queues": ["serial"], "concurrency": 1},
            "shared": {"queues": ["other", "default"], "concurrency": 2},
        },
    )

    def note(key, *values):
        default().core.command("RPUSH", key, *values)

    class Wait(fastkiq.Worker):
        def perform(self, number):
            note("begun", number)
            note("threads", threading.current_thread().name)
            while not self.interrupted and not default().core.command("EXISTS", "go"):
                time.sleep(0.01)
            note("done", number)

    class AsyncWait(fastkiq.Worker):
        async def perform(self, number):
            note("begun", number)
            while not self.interrupted and not default().core.command("EXISTS", "go"):
                await asyncio.sleep(0.01)
            note("done", number)

    class Work(fastkiq.Worker):
        def perform(self, number):
            note("begun", number)
            note("done", number)
"""


def begun(redis: redis_py.Redis) -> int:
    return int(redis.llen("begun"))


def process(redis: redis_py.Redis) -> tuple[bytes, dict[str, Any]]:
    (identity,) = redis.smembers("processes")
    return identity, json.loads(redis.hget(identity, "info"))


@pytest.mark.both_servers
def test_each_capsule_keeps_to_its_number(worker_process: Start, redis: redis_py.Redis, redis_url: str) -> None:
    """And a queue of two capsules has the room of both."""
    child = worker_process(APP)
    child.wait_for("serial: serial, up to 1 thread")
    client = fastkiq.Client(redis_url)
    client.push_bulk("app.Wait", [(number,) for number in range(3)], queue="serial")
    client.push_bulk("app.Wait", [(10 + number,) for number in range(9)])
    identity = next(iter(redis.smembers("processes")))
    wait_until(lambda: redis.hget(identity, "busy") == b"7", 15, "one serial job, four and two of the default queue")
    assert begun(redis) == 7
    names = {name.decode().rsplit("-", 1)[0] for name in redis.lrange("threads", 0, -1)}
    assert names == {"fastkiq-default", "fastkiq-serial", "fastkiq-shared"}
    work = [json.loads(entry) for entry in redis.hgetall(identity + b":work").values()]
    assert Counter(entry["queue"] for entry in work) == {"serial": 1, "default": 6}
    redis.set("go", 1)
    wait_until(lambda: redis.llen("done") == 12, 15, "all of them")
    assert child.stop() == 0
    assert "12 jobs run, 0 failed" in child.output()
    assert redis.get("stat:processed") == b"12"
    assert redis.zcard("fastkiq:alive") == 0
    assert not list(redis.scan_iter("fastkiq:flight*"))
    assert not redis.exists("processes", identity + b":work")


def test_one_process_in_the_eyes_of_readers(worker_process: Start, redis: redis_py.Redis) -> None:
    child = worker_process(APP)
    child.wait_for("ready")
    identity, info = process(redis)
    weights = [{"default": 0}, {"serial": 0}, {"other": 0, "default": 0}]
    assert info["capsules"] == {
        "default": {"concurrency": 4, "mode": "strict", "weights": weights[0]},
        "async": {"concurrency": 100, "mode": "strict", "weights": weights[0]},
        "serial": {"concurrency": 1, "mode": "strict", "weights": weights[1]},
        "serial-async": {"concurrency": 1, "mode": "strict", "weights": weights[1]},
        "shared": {"concurrency": 2, "mode": "strict", "weights": weights[2]},
        "shared-async": {"concurrency": 2, "mode": "strict", "weights": weights[2]},
    }
    assert info["queues"] == ["default", "serial", "other"]
    assert info["weights"] == weights
    assert info["concurrency"] == 7
    assert int(redis.hget(identity, "concurrency")) == 110
    assert redis.zcard("fastkiq:alive") == 3, "each capsule has a lease of its own"


def test_no_two_pools_have_one_name(worker_process: Start, redis: redis_py.Redis, tmp_path: Path) -> None:
    """Ruby refuses an object that has a key twice."""
    names = ["async", "a", "a-async"]
    capsules = "".join(f'[capsules.{name}]\nqueues = ["q"]\nconcurrency = 1\n' for name in names)
    (tmp_path / "own.toml").write_text(capsules)
    source = "import fastkiq\n@fastkiq.job\nasync def run(): ..."
    worker_process(source, "-C", "own.toml").wait_for("ready")
    (identity,) = redis.smembers("processes")
    pairs = json.loads(redis.hget(identity, "info"), object_pairs_hook=list)
    shown = [name for name, _ in dict(pairs)["capsules"]]
    assert sorted(shown) == sorted(
        ["default", "async-async", "async", "async-async-async", "a", "a-async-async", "a-async", "a-async-async-async"]
    )


def test_coroutines_keep_to_the_number_of_their_capsule(
    worker_process: Start, redis: redis_py.Redis, redis_url: str
) -> None:
    child = worker_process(APP)
    child.wait_for("ready")
    client = fastkiq.Client(redis_url)
    client.push_bulk("app.AsyncWait", [(number,) for number in range(5)], queue="other")
    client.push_bulk("app.AsyncWait", [(10 + number,) for number in range(3)], queue="serial")
    wait_until(lambda: begun(redis) == 3, 10, "two and one")
    client.push_bulk("app.AsyncWait", [(20 + number,) for number in range(8)])
    wait_until(lambda: begun(redis) == 11, 10, "the default capsule's, which has room for a hundred")
    redis.set("go", 1)
    wait_until(lambda: redis.llen("done") == 16, 15, "all of them")
    assert child.stop() == 0


def test_a_stop_gives_back_what_each_runs(worker_process: Start, redis: redis_py.Redis, redis_url: str) -> None:
    child = worker_process(APP.replace("while not self.interrupted and not", "while not"), "-t", "0.5")
    child.wait_for("ready")
    client = fastkiq.Client(redis_url)
    client.push_bulk("app.Wait", [(number,) for number in range(2)], queue="serial")
    client.push_bulk("app.Wait", [(10 + number,) for number in range(2)], queue="other")
    wait_until(lambda: begun(redis) == 3, 10, "three of them")
    assert child.stop() == 0
    assert redis.llen("queue:serial") == 2
    assert redis.llen("queue:other") == 2
    assert "out of time, so back in their queues: 3 jobs" in child.output()
    assert redis.zcard("fastkiq:alive") == 0


def test_tstp_quiets_all_of_them(worker_process: Start, redis: redis_py.Redis, redis_url: str) -> None:
    child = worker_process(APP)
    child.wait_for("ready")
    child.signal(signal.SIGTSTP)
    child.wait_for("quiet")
    client = fastkiq.Client(redis_url)
    for queue in ("default", "serial", "other"):
        client.push("app.Work", 1, queue=queue)
    identity, _ = process(redis)
    wait_until(lambda: redis.hget(identity, "quiet") == b"true", 10, "the hash says so")
    assert begun(redis) == 0
    assert child.stop() == 0
    assert [redis.llen(f"queue:{queue}") for queue in ("default", "serial", "other")] == [1, 1, 1]


def test_a_pause_reaches_the_capsule_that_serves_the_queue(
    worker_process: Start, redis: redis_py.Redis, redis_url: str
) -> None:
    redis.sadd("paused", "serial")
    child = worker_process(APP)
    child.wait_for("ready")
    client = fastkiq.Client(redis_url)
    client.push("app.Work", 1, queue="serial")
    client.push("app.Work", 2, queue="other")
    wait_until(lambda: redis.lrange("done", 0, -1) == [b"2"], 10, "the other queue's job")
    assert redis.llen("queue:serial") == 1
    redis.srem("paused", "serial")
    wait_until(lambda: redis.llen("done") == 2, 10, "the pause's end is heard at a beat")
    assert child.stop() == 0


def test_after_a_kill_all_that_each_had_runs_again(
    worker_process: Start, redis: redis_py.Redis, redis_url: str
) -> None:
    child = worker_process(APP)
    child.wait_for("ready")
    client = fastkiq.Client(redis_url)
    client.push_bulk("app.Wait", [(f"other-{number}",) for number in range(3)], queue="other")
    wait_until(lambda: begun(redis) == 2, 10, "two of the shared capsule")
    for queue in ("default", "serial"):
        client.push_bulk("app.Wait", [(f"{queue}-{number}",) for number in range(3)], queue=queue)
    wait_until(lambda: begun(redis) == 6, 10, "three and one more")
    child.kill()
    redis.set("go", 1)
    successor = worker_process(APP)
    wait_until(lambda: redis.llen("done") == 9, 10, "all of them")
    assert redis.llen("begun") == 15, "what ran runs twice, the rest once"
    assert successor.stop() == 0
    assert not list(redis.scan_iter("fastkiq:flight*"))


def test_a_drain_looks_at_the_queues_of_all(worker_process: Start, redis: redis_py.Redis, redis_url: str) -> None:
    client = fastkiq.Client(redis_url)
    for queue in ("default", "serial", "other"):
        client.push_bulk("app.Work", [(number,) for number in range(20)], queue=queue)
    client.push("app.Work", 99, queue="serial", in_=0.5)
    child = worker_process(APP, "--drain=1")
    assert child.wait() == 0
    assert "drained: 61 jobs run, 0 failed; nothing stays" in child.output()
    assert redis.llen("done") == 61


def test_a_signal_from_outside_stops_all(worker_process: Start, redis: redis_py.Redis) -> None:
    child = worker_process(APP)
    child.wait_for("ready")
    identity, _ = process(redis)
    redis.lpush(identity + b"-signals", "TERM")
    assert child.wait(15) == 0
    assert redis.zcard("fastkiq:alive") == 0
