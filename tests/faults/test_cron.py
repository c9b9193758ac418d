"""Recurring jobs when things break: each tick is one job, whoever dies, whatever Redis and its clock do."""

import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import redis as redis_py

from children import Child, clean_environment, fastkiq
from conftest import IN_CI
from faults.lab.clock import WallClock, library
from proxy import Proxy
from servers import Server, wait_until

APP = """
    import fastkiq
    class Tick(fastkiq.Worker, cron="* * * * * *", missed="all", queue="ticks", name="Tick"):
        def perform(self) -> None: ...
"""
VERSION = """
    import fastkiq
    class Job(fastkiq.Worker, every={every}, queue="ticks", name="Job"):
        def perform(self) -> None: ...
"""
OTHER = """
    import fastkiq
    class Unrelated(fastkiq.Worker, cron="0 0 1 1 *", name="Unrelated"):
        def perform(self) -> None: ...
"""
Processes = Callable[..., Child]


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """`processes(url, source, lease=2)`: one with a folder of its own, which does not serve the queue of the ticks."""
    started: list[Child] = []

    def start(url: str, source: str = APP, lease: float = 2.0) -> Child:
        folder = tmp_path / f"p{len(started)}"
        folder.mkdir()
        (folder / "app.py").write_text(dedent(source))
        (folder / "fastkiq.toml").write_text(f"lease = {lease}\n")
        environment = clean_environment({"FASTKIQ_REDIS_URL": url})
        started.append(Child(fastkiq("process", "app.py", "-q", "served"), folder, environment))
        return started[-1]

    yield start
    for child in started:
        child.close()


def ticks(redis: redis_py.Redis) -> list[float]:
    """Of all jobs, in the order in which they were enqueued."""
    return [json.loads(raw)["cron"]["tick"] / 1000 for raw in reversed(redis.lrange("queue:ticks", 0, -1))]


def assert_one_each(found: list[float], least: int) -> None:
    """Every second from the first to the last, once, in order."""
    assert found == [found[0] + index for index in range(len(found))]
    assert len(found) >= least


def next_of(redis: redis_py.Redis, name: str) -> float | None:
    return redis.zscore("fastkiq:cron:next", name)


@pytest.mark.timeout(180)
def test_one_job_a_tick_with_eight_processes_that_are_killed_at_the_tick(
    server: Server, redis: redis_py.Redis, processes: Processes
) -> None:
    chance = random.Random(7)
    alive = [processes(server.url) for _ in range(8)]
    for child in alive:
        child.wait_for("ready:", 60)
    for _ in range(6):
        now = time.time()
        boundary = int(now) + (1 if now % 1 < 0.8 else 2)
        time.sleep(max(0.0, boundary - time.time() + chance.uniform(-0.002, 0.006)))
        alive.pop(chance.randrange(len(alive))).kill()
        alive.append(processes(server.url))
    alive[-1].wait_for("ready:", 60)
    seen = len(ticks(redis))
    wait_until(lambda: len(ticks(redis)) > seen + 2, 20)
    assert_one_each(ticks(redis), 8)


@pytest.mark.timeout(120)
def test_scripts_connections_and_redis_itself_go(start_server: Callable[..., Server], processes: Processes) -> None:
    server = start_server("appendonly yes", "appendfsync always")
    for _ in range(3):
        processes(server.url).wait_for("ready:", 60)
    with server.client() as redis:
        for _ in range(10):
            redis.script_flush()
            redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            time.sleep(0.37)
    server.kill()
    time.sleep(2)
    server.start()
    with server.client() as redis:
        seen = len(ticks(redis))
        wait_until(lambda: len(ticks(redis)) > seen + 4, 30)
        assert_one_each(ticks(redis), 8)


@pytest.mark.timeout(120)
def test_lost_replies(server: Server, redis: redis_py.Redis, processes: Processes, proxy: Proxy) -> None:
    processes(proxy.url).wait_for("ready:", 60)
    for _ in range(6):
        proxy.lose_replies()
        time.sleep(0.4)
        proxy.lose_replies(False)
        proxy.cut()
        time.sleep(0.3)
    seen = len(ticks(redis))
    wait_until(lambda: len(ticks(redis)) > seen + 4, 30)
    assert_one_each(ticks(redis), 5)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("broken", "mended"),
    [(("maxmemory", "1"), ("maxmemory", "0")), (("min-replicas-to-write", "1"), ("min-replicas-to-write", "0"))],
    ids=["full", "no replicas"],
)
def test_a_redis_that_takes_no_writes(
    start_server: Callable[..., Server], processes: Processes, broken: tuple[str, str], mended: tuple[str, str]
) -> None:
    server = start_server()
    processes(server.url).wait_for("ready:", 60)
    with server.client() as redis:
        wait_until(lambda: ticks(redis), 20)
        redis.config_set(*broken)
        time.sleep(2.5)
        seen = len(ticks(redis))
        time.sleep(1.1)
        assert len(ticks(redis)) == seen
        redis.config_set(*mended)
        wait_until(lambda: len(ticks(redis)) > seen + 4, 30)
        assert_one_each(ticks(redis), seen + 4)


@pytest.fixture
def clocked(
    start_server: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Server, WallClock]:
    """A Redis and its clock."""
    if library() is None:
        why = "wall clocks are shifted by a preloaded library: Linux and a C compiler"
        pytest.fail(why) if IN_CI and sys.platform == "linux" else pytest.skip(why)
    wall = WallClock(tmp_path, "redis")
    with monkeypatch.context() as environment:
        for name, value in wall.environment.items():
            environment.setenv(name, value)
        return start_server(), wall


HOUR = 3600


@pytest.mark.timeout(120)
def test_redis_s_clock_jumps(clocked: tuple[Server, WallClock], processes: Processes) -> None:
    """Ahead: one job for all that it has passed over. Back: the schedule goes on by the new time, no tick twice."""
    server, wall = clocked
    entries = {"cron": {"cron": "7 * * * *"}, "every": {"every": HOUR}, "gap": {"interval": HOUR}, "all": {"every": 60}}
    with server.client() as redis:

        def all_in(low: float, high: float) -> bool:
            times = [(next_of(redis, name) or 0) - redis.time()[0] for name in entries]
            return all(low < each <= high for each in times)

        for name, when in entries.items():
            more = {"missed": "all"} if name == "all" else {}
            definition = {"name": name, "class": "A", "args": [], "queue": "ticks", "source": "api", **when, **more}
            redis.hset("fastkiq:cron", name, json.dumps(definition))
            redis.zadd("fastkiq:cron:next", {name: redis.time()[0] + 50})
        for _ in range(2):
            processes(server.url, OTHER).wait_for("ready:", 60)
        wall.set(10 * HOUR)
        wait_until(lambda: all_in(0, HOUR), 20)
        counts = {name: redis.llen(f"fastkiq:cron:history:{name}") for name in entries}
        assert (counts["cron"], counts["every"], counts["gap"]) == (1, 1, 1)
        assert 90 <= counts["all"] <= 102
        fired = redis.llen("queue:ticks")
        wall.set(0)
        wait_until(lambda: all_in(-5, HOUR), 20)
        assert redis.llen("queue:ticks") <= fired + 1, "nothing at once, unless a minute has just begun"
        wall.set(5 * HOUR)
        wait_until(lambda: all_in(0, HOUR), 20)
        by_name: dict[str, list[int]] = {name: [] for name in entries}
        for raw in redis.lrange("queue:ticks", 0, -1):
            cron = json.loads(raw)["cron"]
            by_name[cron["name"]].append(cron["tick"])
        for name in ("cron", "every", "all"):
            assert len(set(by_name[name])) == len(by_name[name]), f"a tick of {name} came twice"


@pytest.mark.timeout(120)
def test_two_versions_and_a_rollback(server: Server, redis: redis_py.Redis, processes: Processes) -> None:
    def in_force() -> Any:
        raw = redis.hget("fastkiq:cron", "Job")
        return None if raw is None else json.loads(raw)["every"]

    old = processes(server.url, VERSION.format(every=600))
    wait_until(lambda: in_force() == 600, 20)
    new = processes(server.url, VERSION.format(every=700))
    wait_until(lambda: in_force() == 700, 20)
    late = processes(server.url, VERSION.format(every=600))  # the old one on one more host
    late.wait_for("ready:", 30)
    wait_until(lambda: redis.hlen("fastkiq:cron:held:Job") == 3, 20)
    assert in_force() == 700
    new.kill()
    wait_until(lambda: in_force() == 600, 20, "the version before to be in force again")
    assert (next_of(redis, "Job") or 0) - time.time() > 590
    again = processes(server.url, VERSION.format(every=700))
    wait_until(lambda: in_force() == 700, 20)
    for child in (old, late, again):
        assert child.stop() == 0


@pytest.mark.timeout(120)
def test_what_nobody_declares_any_more_does_not_come(
    server: Server, redis: redis_py.Redis, processes: Processes
) -> None:
    other = processes(server.url, OTHER)
    other.wait_for("ready:", 60)
    child = processes(server.url, VERSION.format(every=1))
    wait_until(lambda: ticks(redis), 20)
    assert child.stop() == 0
    seen = len(ticks(redis))

    def looked_after() -> Child:
        """By one that has just started: those that live do it once a minute."""
        redis.delete("fastkiq:cron:swept")
        return processes(server.url, OTHER)

    looked_after().wait_for('the recurring job "Job" is orphaned', 20)
    assert next_of(redis, "Job") is None
    assert redis.hexists("fastkiq:cron", "Job")
    assert len(ticks(redis)) == seen
    assert next_of(redis, "Unrelated") is not None
    redis.hset("fastkiq:cron:orphans", "Job", f"{int(time.time()) - 100_000} 5")
    looked_after().wait_for('the recurring job "Job" is removed', 20)
    assert not list(redis.scan_iter("fastkiq:cron:*:Job"))


@pytest.mark.timeout(60)
def test_an_orphan_that_is_declared_again_goes_on(server: Server, redis: redis_py.Redis, processes: Processes) -> None:
    first = processes(server.url, VERSION.format(every=600))
    at = wait_until(lambda: next_of(redis, "Job"), 20)
    assert first.stop() == 0
    redis.zrem("fastkiq:cron:next", "Job")
    redis.hset("fastkiq:cron:orphans", "Job", f"{int(time.time())} {at - 50:.0f}")
    processes(server.url, VERSION.format(every=600)).wait_for("ready:", 30)
    assert wait_until(lambda: next_of(redis, "Job"), 20) == at - 50
    assert not redis.hexists("fastkiq:cron:orphans", "Job")


@pytest.mark.timeout(60)
def test_a_first_tick_that_is_far_away_stays(server: Server, redis: redis_py.Redis, processes: Processes) -> None:
    """Of an entry that has fired before, and was then given another `first_in`; not one of a clock that was ahead."""
    now = redis.time()[0]
    usual = {"class": "A", "args": [], "queue": "ticks", "every": 60}
    for name, first_in, at in (("late", HOUR, now + HOUR - 10), ("lost", 60, now + HOUR)):
        definition = {"name": name, "first_in": first_in, "source": "api", **usual}
        redis.hset("fastkiq:cron", name, json.dumps(definition))
        redis.zadd("fastkiq:cron:next", {name: at})
    redis.lpush("fastkiq:cron:history:late", json.dumps({"tick": now - 60, "at": now - 60, "jid": "a", "how": "tick"}))
    redis.hset("fastkiq:cron", "nobody's", json.dumps({"name": "nobody's", **usual}))
    processes(server.url, OTHER).wait_for("is orphaned", 30)
    wait_until(lambda: (next_of(redis, "lost") or 0) <= redis.time()[0] + 61, 5)
    assert next_of(redis, "late") == now + HOUR - 10
