"""`fastkiq doctor` and the recurring jobs: on a real server, each finding seen failing and passing."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis as redis_py

from children import Child
from examined import GHOST, found, process
from fastkiq.doctor import recurring
from fastkiq.doctor.finding import Finding
from servers import Server, wait_until

APP = """
    import fastkiq
    class Daily(fastkiq.Worker, cron="@daily", name="Daily"):
        def perform(self) -> None: ...
"""
CHECKS = ("recurring", "ticks", "recurring-orphans", "recurring-queues")


def put(redis: redis_py.Redis, name: str, following: float | None = None, **fields: Any) -> None:
    definition = {"name": name, "class": "A", "args": [], "queue": "default", "source": "api", **fields}
    redis.hset("fastkiq:cron", name, json.dumps({"every": 60, **definition}))
    if following is not None:
        redis.zadd("fastkiq:cron:next", {name: following})


def told(url: str) -> dict[str, Finding]:
    return {name: finding for name, finding in found(url).items() if name in CHECKS}


def levels(url: str) -> list[str]:
    return [told(url)[name].level for name in CHECKS]


def test_nothing_recurs(redis_url: str) -> None:
    assert levels(redis_url) == ["ok"] * 4
    assert told(redis_url)["recurring"].found == "no recurring jobs"


@pytest.mark.timeout(60)
@pytest.mark.both_servers
def test_a_process_that_does_all_as_it_should(
    worker_process: Callable[..., Child], redis: redis_py.Redis, redis_url: str
) -> None:
    child = worker_process(APP)
    wait_until(lambda: redis.zcard("fastkiq:cron:next"), 15)
    put(redis, "added", time.time() + 60)
    wait_until(lambda: redis.scard("processes"), 15)
    assert levels(redis_url) == ["ok"] * 4
    assert told(redis_url)["recurring"].found == "2 recurring jobs"
    assert child.stop() == 0
    orphaned = told(redis_url)["recurring-orphans"]
    assert orphaned.level == "warning"
    assert orphaned.found == "1 recurring job that no living process declares: Daily"
    assert "removed after a day" in orphaned.do


def test_a_tick_that_nobody_fires(redis: redis_py.Redis, redis_url: str) -> None:
    put(redis, "just", time.time() - 30)
    assert told(redis_url)["ticks"].level == "ok"
    put(redis, "late", time.time() - 300)
    ticks = told(redis_url)["ticks"]
    assert ticks.level == "critical"
    assert ticks.found.startswith("1 recurring job past its tick, by up to 30")
    assert ticks.found.endswith("with nobody to fire: late")
    assert "fastkiq process MODULE" in ticks.do
    process(redis, GHOST)
    assert "recurring = false" in told(redis_url)["ticks"].do
    redis.zadd("fastkiq:cron:next", {f"gone{number}": number for number in range(9)})
    assert "gone0, gone1, gone2, gone3, gone4 and 5 more" in told(redis_url)["ticks"].found


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"nonsense", "it is not JSON"),
        (b"x" * 70_000, "its 70,000 bytes are too many"),
        (
            json.dumps({"name": "other", "class": "A", "args": [], "queue": "q", "every": 60}),
            "the definition of 'other'",
        ),
        (json.dumps({"name": "bad", "class": "A", "args": [], "queue": "q", "moon": "full"}), "in no known way"),
    ],
    ids=["none", "long", "other", "newer"],
)
def test_what_cannot_be_read(redis: redis_py.Redis, redis_url: str, raw: bytes, why: str) -> None:
    put(redis, "fine")
    redis.hset("fastkiq:cron", "bad", raw)
    redis.zadd("fastkiq:cron:next", {"bad": 5})
    finding = told(redis_url)["recurring"]
    assert finding.level == "warning"
    assert finding.found.startswith("1 recurring job that cannot be read: bad. Of 'bad': ")
    assert why in finding.found
    assert "fastkiq cron remove NAME" in finding.do
    assert told(redis_url)["ticks"].level == "ok", "it was told already"


def test_a_queue_that_nobody_serves(redis: redis_py.Redis, redis_url: str) -> None:
    process(redis, GHOST, ["default"])
    put(redis, "served")
    put(redis, "off", queue="low", enabled=False)
    assert told(redis_url)["recurring-queues"].level == "ok"
    put(redis, "lonely", queue="low")
    finding = told(redis_url)["recurring-queues"]
    assert finding.level == "warning"
    assert finding.found == "1 recurring job whose queue nobody serves: lonely (low)"
    assert finding.do == "start a process for them: fastkiq process MODULE -q low"


def test_who_holds_it_must_live(redis: redis_py.Redis, redis_url: str) -> None:
    process(redis, GHOST)
    put(redis, "code", source="code")
    redis.hset("fastkiq:cron:held:code", GHOST, "digest")
    assert told(redis_url)["recurring-orphans"].level == "ok"
    redis.zrem("fastkiq:alive", GHOST)
    assert told(redis_url)["recurring-orphans"].level == "warning"


def test_hostile_keys(redis: redis_py.Redis, redis_url: str) -> None:
    redis.hset("fastkiq:cron", b"\xff\x1b[31m" * 10_000, b"\x00")
    redis.zadd("fastkiq:cron:next", {b"\xff" * 10_000: "-inf", b"x": 1})
    for finding in told(redis_url).values():
        assert len(finding.found) < 1_000
    redis.set("fastkiq:cron:held:code", "no hash")
    put(redis, "code", source="code")
    assert told(redis_url)["recurring-orphans"].level == "warning"
    redis.delete("fastkiq:cron", "fastkiq:cron:next")
    redis.set("fastkiq:cron", "no hash")
    assert told(redis_url)["recurring"].level == "unknown"


def test_more_than_are_looked_after(redis: redis_py.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recurring, "_MOST", 3)
    for number in range(4):
        put(redis, f"entry{number}")
    finding = told(redis_url)["recurring"]
    assert finding.level == "warning"
    assert "4 recurring jobs are more than 3" in finding.found


def test_it_takes_no_longer_than_its_time(
    redis: redis_py.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recurring, "_BUDGET", 0.0)
    for number in range(4):
        put(redis, f"entry{number}")
    assert told(redis_url)["recurring"].found == "0 recurring jobs (the first 0 of 4 looked at)"
    assert levels(redis_url)[2:] == ["unknown", "unknown"]


def test_a_user_without_these_keys(start_server: Callable[..., Server]) -> None:
    server = start_server("user w on >pw ~queue* ~processes ~fastkiq:alive &* +@all")
    finding = found(f"redis://w:pw@127.0.0.1:{server.port}/0")["recurring"]
    assert finding.level == "unknown"
    assert "a process of this user would run none" in finding.found
    assert "~fastkiq:cron*" in finding.do
