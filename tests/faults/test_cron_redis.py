"""Recurring jobs and a Redis that stalls, fails over, takes no writes for a while, or keeps their keys to itself."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import redis as redis_py

from children import Child, clean_environment, fastkiq
from examined import found
from faults.lab.fleet import Fleet
from servers import Server, wait_until

APP = """
    import fastkiq
    class All(fastkiq.Worker, cron="* * * * * *", missed="all", queue="all", name="All"):
        def perform(self) -> None: ...
    class Once(fastkiq.Worker, every=1, queue="once", name="Once"):
        def perform(self) -> None: ...
    class Skip(fastkiq.Worker, every=1, missed="skip", queue="skip", name="Skip"):
        def perform(self) -> None: ...
"""
PLAIN = """
    import fastkiq
    class All(fastkiq.Worker, cron="* * * * * *", missed="all", queue="all", name="All"):
        def perform(self) -> None: ...
    class Plain(fastkiq.Worker, name="Plain", queue="served", retry=0):
        def perform(self, what: str) -> None:
            print(f"did {what}", flush=True)
"""
Processes = Callable[..., Child]


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """`processes(url, source, settings)`: one with a folder of its own, which serves no queue of the ticks."""
    started: list[Child] = []

    def start(url: str, source: str = APP, settings: str = "lease = 2.0") -> Child:
        folder = tmp_path / f"p{len(started)}"
        folder.mkdir()
        (folder / "app.py").write_text(dedent(source))
        (folder / "fastkiq.toml").write_text(settings)
        environment = clean_environment({"FASTKIQ_REDIS_URL": url})
        started.append(Child(fastkiq("process", "app.py", "-q", "served"), folder, environment))
        return started[-1]

    yield start
    for child in started:
        child.close()


def ticks(redis: redis_py.Redis, queue: str = "all") -> list[float]:
    """Of all jobs, in the order in which they were enqueued."""
    return [json.loads(raw)["cron"]["tick"] / 1000 for raw in reversed(redis.lrange(f"queue:{queue}", 0, -1))]


def assert_each_second(found: list[float]) -> None:
    """From the first to the last, once, in order."""
    assert found == [found[0] + index for index in range(len(found))]


def assert_goes_on(redis: redis_py.Redis, since: float, gone: float) -> None:
    """After Redis was away from `since` on, for so many seconds: each missed tick is made up for where that is wanted;
    of the others one job came for all."""
    wait_until(lambda: all(ticks(redis, queue)[-1:] > [since + gone + 2] for queue in ("all", "once", "skip")), 30)
    assert_each_second(ticks(redis, "all"))
    for queue in ("once", "skip"):
        found = ticks(redis, queue)
        assert found == sorted(set(found))
        missed = {since // 1 + index for index in range(2, int(gone))} - set(found)
        assert len(missed) >= int(gone) - 3, f"{queue}: {found} since {since}"


@pytest.mark.timeout(90)
def test_a_redis_that_stalls_for_less_than_the_grace(start_server: Callable[..., Server], processes: Processes) -> None:
    server = start_server()
    for _ in range(2):
        processes(server.url, settings="lease = 30.0\nredis_timeout = 20").wait_for("ready:", 60)
    with server.client() as redis:
        wait_until(lambda: all(len(ticks(redis, queue)) > 1 for queue in ("all", "once", "skip")), 20)
        server.freeze()
        since = time.time()
        time.sleep(6)
        server.thaw()
        assert_goes_on(redis, since, 6)


@pytest.mark.timeout(120)
def test_a_failover(start_server: Callable[..., Server], processes: Processes) -> None:
    fleet = Fleet(start_server, least=1)
    settings = "lease = 2.0\nredis_timeout = 1\nconnect_timeout = 1\n"
    children = [processes(fleet.inner_url, settings=settings) for _ in range(2)]
    try:
        for child in children:
            child.wait_for("ready:", 60)
        with fleet.primary.client() as redis:
            wait_until(lambda: all(len(ticks(redis, queue)) > 2 for queue in ("all", "once", "skip")), 20)
        since = time.time()
        fleet.kill()
        new = fleet.promoted()
        with new.client() as redis:
            wait_until(lambda: ticks(redis)[-1:] > [since + 8], 40, "ticks of the new primary")
            for queue in ("all", "once", "skip"):
                found = ticks(redis, queue)
                assert found == sorted(set(found)), queue
            assert_each_second(ticks(redis))
            assert redis.hlen("fastkiq:cron:orphans") == 0
    finally:
        fleet.close()
    for child in children:
        text = child.output()
        assert "Traceback" not in text
        assert "is orphaned" not in text


@pytest.mark.timeout(90)
def test_a_primary_that_becomes_a_replica_for_a_while(
    start_server: Callable[..., Server], processes: Processes
) -> None:
    """As one that a Sentinel demotes by mistake: reads are answered, writes are READONLY."""
    server = start_server()
    children = [processes(server.url) for _ in range(2)]
    for child in children:
        child.wait_for("ready:", 60)
    with server.client() as redis:
        wait_until(lambda: all(len(ticks(redis, queue)) > 1 for queue in ("all", "once", "skip")), 20)
        redis.replicaof("127.0.0.1", "1")  # where nobody is: it keeps its data
        since = time.time()
        seen = len(ticks(redis))
        time.sleep(6)
        assert len(ticks(redis)) <= seen + 1
        redis.replicaof("NO", "ONE")
        assert_goes_on(redis, since, 6)
    for child in children:
        assert child.output().count("READONLY") <= 2, child.output()
        assert child.stop() == 0


def put(redis: redis_py.Redis, name: str, following: float, **fields: Any) -> None:
    definition = {"name": name, "class": "Ruby", "args": [], "queue": "ruby", "source": "api", **fields}
    redis.hset("fastkiq:cron", name, json.dumps(definition))
    redis.zadd("fastkiq:cron:next", {name: following})


@pytest.mark.timeout(60)
def test_ticks_do_not_wait_for_sidekiq_s_pace(server: Server, redis: redis_py.Redis, processes: Processes) -> None:
    """With `poll_interval_average` scheduled jobs wait for the next look; what recurs, and what is added, does not."""
    child = processes(server.url, settings="poll_interval_average = 60\n")
    child.wait_for("ready:", 30)
    wait_until(lambda: ticks(redis), 10)
    redis.zadd("schedule", {json.dumps({"class": "Ruby", "args": [], "queue": "ruby", "jid": "a" * 24}): 1})
    added = time.time() + 1.5
    put(redis, "added", added, every=1, missed="all")
    wait_until(lambda: len(ticks(redis, "ruby")) >= 2, 10)
    lines = [
        json.loads(line) for name in ("All", "added") for line in redis.lrange(f"fastkiq:cron:history:{name}", 0, -1)
    ]
    assert max(line["at"] - line["tick"] for line in lines) < 1.5, "a second at most, and a busy machine"
    assert_each_second(ticks(redis))
    assert redis.zcard("schedule") == 1
    assert child.stop() == 0


@pytest.mark.timeout(60)
def test_what_is_added_does_not_wait_for_sidekiq_s_pace(
    server: Server, redis: redis_py.Redis, processes: Processes
) -> None:
    """Also where nothing else recurs, so that nothing but the pace would cause a look."""
    app = "import fastkiq\nclass Idle(fastkiq.Worker):\n    def perform(self): ...\n"
    child = processes(server.url, app, "poll_interval_average = 60\n")
    child.wait_for("ready:", 30)
    time.sleep(1)  # the first look is made at once
    added = time.time() + 1
    put(redis, "added", added, every=60)
    [line] = wait_until(lambda: redis.lrange("fastkiq:cron:history:added", 0, -1), 10)
    assert json.loads(line)["at"] - added < 2.5
    assert child.stop() == 0


WITHOUT_CRON = (
    *("queue:*", "queues", "schedule", "retry", "dead", "processes", "process_cleanup", "paused"),
    *("stat:*", "j|*", "h|*"),
    *("fastkiq:alive", "fastkiq:tombs", "fastkiq:suspects", "fastkiq:flight*", "fastkiq:process*", "fastkiq:machine:*"),
    *("fastkiq:stacks:*", "fastkiq:result*"),
    f"{socket.gethostname()}:*",
)


@pytest.mark.timeout(90)
def test_a_user_who_may_not_touch_what_recurs(start_server: Callable[..., Server], processes: Processes) -> None:
    """Everything else goes on; one line says so, and the doctor does; allowed again, the ticks come."""
    server = start_server()
    url = f"redis://w:pw@127.0.0.1:{server.port}/0"
    with server.client() as redis:
        allowed = {"enabled": True, "passwords": ["+pw"], "commands": ["+@all"], "channels": ["*"]}
        redis.acl_setuser("w", keys=list(WITHOUT_CRON), **allowed)
        child = processes(url, PLAIN)
        child.wait_for("ready:", 60)
        for number, key in enumerate(("schedule", "retry")):
            job = {"class": "Plain", "args": [key], "queue": "served", "jid": f"{number:024}", "retry": 0}
            redis.zadd(key, {json.dumps(job): 1})
        redis.lpush("queue:served", json.dumps({"class": "Plain", "args": ["pushed"], "jid": "b" * 24, "retry": 0}))
        for what in ("pushed", "schedule", "retry"):
            child.wait_for(f"did {what}", 20)
        put(redis, "overdue", time.time() - 100, every=60, queue="served")
        hidden = found(url)["recurring"]
        assert hidden.level == "unknown"
        assert "a process of this user would run none" in hidden.found
        assert "~fastkiq:cron*" in hidden.do
        late = found(server.url)["ticks"]
        assert late.level == "critical"
        assert "1 recurring job past its tick, by up to 10" in late.found
        assert "an ACL without fastkiq:cron*" in late.do
        time.sleep(3)
        lines = [line for line in child.output().splitlines() if "fastkiq:cron" in line]
        assert len(lines) == 1, child.output()
        assert "recurring jobs do not run here, all others do" in lines[0]
        assert redis.exists("queue:all") == 0
        redis.acl_setuser("w", keys=["*"], **allowed)
        wait_until(lambda: ticks(redis), 20)
        assert child.output().count("NOPERM") == 1, child.output()
    assert child.stop() == 0
